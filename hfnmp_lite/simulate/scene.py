"""One captured frame, live or attack: what was drawn about it, and its rendering.

A `Take` holds everything that chance decided; `render` is a pure function of it. Live faces, prints
and replays of the same presentation share face, pose, light, camera and view, drawn once and before
anything knows of a class: only the medium differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from hfnmp_lite.simulate import camera, face, printing, screen
from hfnmp_lite.simulate.camera import Camera, Settings
from hfnmp_lite.simulate.domains import DOMAINS, draw_attacker_camera, draw_camera
from hfnmp_lite.simulate.geometry import (
    CUES,
    FRONTAL,
    MARGIN,
    Presented,
    View,
    blur,
    draw_view,
    jitter_view,
    warp,
)

PRESENTATIONS = 2
FRAMES = 2
KINDS = (None, "print", "replay")
CUES_OF = {"print": printing.CUES, "replay": screen.CUES}
ALL = frozenset(CUES)


class Key(NamedTuple):
    """Which of a subject's presentations: its number, and its attack type (None: live)."""

    presentation: int
    kind: str | None


@dataclass(frozen=True)
class Decoy:
    """A mark that software burns into pictures of any class, like a camera's time stamp.

    Attributes
    ----------
    text : str
    corner : tuple of 2 int
        0 or 1: left or right, top or bottom.
    colour : tuple of 3 float
        sRGB in [0, 1].
    """

    text: str
    corner: tuple[int, int]
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class Take:
    """Everything that was drawn for one frame.

    Attributes
    ----------
    domain : str
    subject, shot : Subject, Shot
        Who, and how they stood before the camera (the attacker's, if it is an attack).
    view, camera : View, Camera
        How the system looked; drawn without knowledge of the class.
    noise_seed : int
        Of the system camera's noise.
    attack_type : str or None
        "print", "replay"; "null", an ideal copy through the same path; None for a live face.
    medium : Print, Screen or None
    attacker : Camera or None
        What took the picture that is shown; None for live and null.
    attacker_seed : int
        Of that camera's noise.
    room_seed : int
        Of what is seen behind a sheet or device.
    decoy : Decoy or None
    """

    domain: str
    subject: face.Subject
    shot: face.Shot
    view: View
    camera: Camera
    noise_seed: int
    attack_type: str | None = None
    medium: printing.Print | screen.Screen | None = None
    attacker: Camera | None = None
    attacker_seed: int = 0
    room_seed: int = 0
    decoy: Decoy | None = None


@dataclass(frozen=True)
class Frame:
    """A rendered frame.

    Attributes
    ----------
    jpeg : bytes
        The camera's file.
    image : ndarray
        (size, size, 3) uint8 RGB, that file decoded.
    rgb_before_jpeg : ndarray
        (size, size, 3) float32 sRGB in [0, 1].
    envelopes : dict of str to ndarray
        (size, size) float32 analytic maps, as `geometry.Presented`; "decoy" if there is one.
    settings : Settings
        Exposure and white balance that the camera chose.
    """

    jpeg: bytes
    image: np.ndarray
    rgb_before_jpeg: np.ndarray
    envelopes: dict[str, np.ndarray]
    settings: Settings


# --- drawing ------------------------------------------------------------------------------------


def draw_subject_takes(
    domain: str,
    seed: int,
    subject: int,
    *,
    presentations: int = PRESENTATIONS,
    frames: int = FRAMES,
    kinds: tuple[str | None, ...] = KINDS,
    preset: str = "physical",
    decoy: bool = False,
) -> dict[Key, tuple[Take, ...]]:
    """Draw all presentations of one subject.

    Every part has a stream of random numbers of its own, so that asking for fewer kinds, frames or
    presentations, or for a decoy, changes nothing else.

    Parameters
    ----------
    domain : str
        A key of `DOMAINS`.
    seed, subject : int
        The benchmark's seed and the subject's number in its domain; skin tones take turns.
    kinds : tuple
        Of None (live), "print", "replay", "null".
    preset : {"physical", "vivid"}
        Of the media.
    decoy : bool
        Burn a mark into every second frame, whatever its class.

    Returns
    -------
    dict of Key to tuple of Take
        One take a frame.
    """
    place = list(DOMAINS).index(domain)

    def stream(*path: int) -> np.random.Generator:
        return np.random.default_rng([seed, place, subject, *path])

    person = _draw_person(stream(0), 1 + subject % 10)
    drawn: dict[Key, tuple[Take, ...]] = {}
    for p in range(presentations):
        path = _draw_path(stream(1, p), domain, person, frames)
        for kind in kinds:
            code = ("print", "replay", "null").index(kind) + 1 if kind else 0
            takes = _draw_kind(stream(2, p, code), path, kind, preset)
            if decoy:
                marks = stream(3, p, code)
                takes = [_mark(take, marks) for take in takes]
            drawn[Key(p, kind)] = tuple(takes)
    return drawn


def _draw_person(rng: np.random.Generator, tone: int) -> face.Subject:
    """Draw until the skin has this tone: tones are balanced, all else stays independent of them."""
    while (person := face.draw_subject(rng)).tone != tone:
        pass
    return person


def _draw_path(
    rng: np.random.Generator, domain: str, subject: face.Subject, frames: int
) -> list[Take]:
    """Draw what live faces and attacks share: shot, camera and view, frame by frame."""
    d = DOMAINS[domain]
    shot = face.draw_shot(
        rng,
        key_kelvin=d.key_kelvin,
        ambient_kelvin=d.ambient_kelvin,
        backgrounds=d.backgrounds,
    )
    view = draw_view(rng, tilt_deg=d.tilt, roll_deg=d.roll, zoom=d.zoom, shift=d.shift)
    cam = draw_camera(rng, d)
    takes = []
    for index in range(frames):
        if index:
            shot, view = face.jitter_shot(rng, shot), jitter_view(rng, view)
        takes.append(Take(domain, subject, shot, view, cam, int(rng.integers(2**32))))
    return takes


def _draw_kind(
    rng: np.random.Generator, path: list[Take], kind: str | None, preset: str
) -> list[Take]:
    """Turn the shared path into takes of one kind; only noise seeds and the medium are new."""
    d = DOMAINS[path[0].domain]
    first = path[0]
    medium = attacker = None
    if kind == "print":
        medium = printing.draw(rng, preset=preset, bend_max=d.bend, sensor=first.camera.n)
    elif kind == "replay":
        medium = screen.draw(rng, preset=preset, sensor=first.camera.n)
    if medium is not None:
        attacker = draw_attacker_camera(rng)
    attacker_seed, room_seed = (int(v) for v in rng.integers(2**32, size=2))
    takes = []
    for index, take in enumerate(path):
        if index and kind == "print":
            medium = printing.jitter(rng, medium)
        elif index and kind == "replay":
            medium = screen.jitter(rng, medium)
        changes = {
            # a print shows the same picture in every frame; a replayed video moves
            "shot": first.shot if kind == "print" else take.shot,
            "noise_seed": int(rng.integers(2**32)),
            "attack_type": kind,
            "medium": medium,
            "attacker": attacker,
            "attacker_seed": attacker_seed + (0 if kind == "print" else index),
            "room_seed": room_seed,
        }
        takes.append(replace(take, **changes))
    return takes


def _mark(take: Take, rng: np.random.Generator) -> Take:
    """Give every second take a decoy, whatever it shows."""
    text = f"{rng.integers(10, 24):02d}:{rng.integers(60):02d}"
    corner = (int(rng.integers(2)), int(rng.integers(2)))
    colour = ((1.0, 1.0, 1.0), (1.0, 0.85, 0.2))[int(rng.integers(2))]
    wanted = rng.random() < 0.5
    return replace(take, decoy=Decoy(text, corner, colour)) if wanted else take


# --- rendering ----------------------------------------------------------------------------------


def render(
    take: Take,
    size: int = 128,
    cues: frozenset[str] = ALL,
    *,
    canvas: np.ndarray | None = None,
    settings: Settings | None = None,
) -> Frame:
    """Render a take.

    Parameters
    ----------
    size : int
        Side of the output in pixels; the sensor scales with it.
    cues : frozenset of str
        The cues that are on. With a cue off, exposure and white balance stay those of the full
        picture, and the noise has the same standard normals.
    canvas : ndarray, optional
        (m, m, 3) linear radiance to stand before the camera instead of the simulated face.
    settings : Settings, optional
        Those of the full picture, where they are known; otherwise it is rendered to measure them.

    Raises
    ------
    ValueError
        A cue is unknown.
    """
    unknown = set(cues) - ALL
    if unknown:
        raise ValueError(f"unknown cues {sorted(unknown)}; expected some of {CUES}")
    on = _present(take, size, frozenset(cues), canvas)
    if settings is None:
        whole = set(CUES_OF.get(take.attack_type, ())) <= set(cues)
        full = on if whole else _present(take, size, ALL, canvas)
        settings = camera.meter(full.irradiance, take.camera)
    mask = None if take.decoy is None else _decoy_mask(take.decoy, size)

    def burn_in(rgb: np.ndarray) -> np.ndarray:
        return rgb + mask[..., None] * (np.array(take.decoy.colour, np.float32) - rgb)

    finish = None if mask is None else burn_in
    made = camera.develop(on.irradiance, take.camera, settings, take.noise_seed, size, finish)
    envelopes = {name: camera.resize(e, size) for name, e in on.envelopes.items()}
    if mask is not None:
        envelopes["decoy"] = mask
    return Frame(made.jpeg, camera.decode_jpeg(made.jpeg), made.rgb, envelopes, settings)


def measure(take: Take, size: int = 128, cues: frozenset[str] = ALL) -> Settings:
    """Return what the camera chooses when it sees the picture with these cues and no others."""
    return camera.meter(_present(take, size, frozenset(cues), None).irradiance, take.camera)


def _present(take: Take, size: int, cues: frozenset[str], canvas: np.ndarray | None) -> Presented:
    """What reaches the system's sensor: a live face, an ideal copy, or a medium that shows one."""
    n = camera.sensor_pixels(take.camera, size)
    aperture = camera.aperture_at(take.camera, size)
    pixels = canvas_pixels(n)
    radiance = _face(take.subject, take.shot, pixels) if canvas is None else canvas
    if take.attack_type in (None, "null"):
        if take.attack_type == "null":
            radiance = _ideal_copy(radiance, pixels)
        return Presented(blur(warp(radiance, *take.view.plane(n)), aperture), {})
    if canvas is None:
        key = (take.subject, take.shot, pixels)
        shown = _captured(*key, take.attacker, take.attacker_seed)
    else:
        shown = capture(canvas, take.attacker, take.attacker_seed)
    module = printing if take.attack_type == "print" else screen
    behind = _behind(take.shot, take.room_seed, n)
    light = room_light(take.shot)
    return module.present(shown, take.medium, take.view, aperture, n, light, behind, cues)


def canvas_pixels(n: int) -> int:
    """Return the pixels of a canvas for an n-pixel sensor: a little finer than the sensor, even."""
    return 2 * round(n * (1 + 2 * MARGIN) * (1.0 if n >= 200 else 1.5) / 2)


def capture(radiance: np.ndarray, attacker: Camera, seed: int) -> np.ndarray:
    """Take the attacker's picture of a canvas (m, m, 3), m even: sRGB uint8 (m, m, 3).

    The picture has the attacker's own pixels, enlarged to the canvas where they are fewer.
    """
    size = len(radiance)
    pixels = min(size, 2 * round(attacker.n * (1 + 2 * MARGIN) / 2))
    irradiance = blur(camera.resize(radiance, pixels), attacker.aperture)
    settings = camera.meter(irradiance, attacker)
    made = camera.develop(irradiance, attacker, settings, seed, pixels)
    return camera.resize(camera.decode_jpeg(made.jpeg), size)


def _ideal_copy(radiance: np.ndarray, pixels: int) -> np.ndarray:
    """Copy a canvas by a transparent camera: sampled frontally, no noise, no code values."""
    line = (np.arange(pixels) + 0.5) / pixels * (1 + 2 * MARGIN) - MARGIN
    x, y = np.meshgrid(line, line)
    return warp(radiance, *FRONTAL.at(x, y))


@lru_cache(maxsize=4)
def _face(subject: face.Subject, shot: face.Shot, pixels: int) -> np.ndarray:
    return _frozen(face.render(subject, shot, pixels))


@lru_cache(maxsize=4)
def _captured(
    subject: face.Subject, shot: face.Shot, pixels: int, attacker: Camera, seed: int
) -> np.ndarray:
    return _frozen(capture(_face(subject, shot, pixels), attacker, seed))


def _frozen(image: np.ndarray) -> np.ndarray:
    image.flags.writeable = False
    return image


def room_light(shot: face.Shot) -> np.ndarray:
    """Return the colour of key and ambient light together, (3,) linear RGB, green = 1."""
    share = shot.key_ratio / (1 + shot.key_ratio)
    key, ambient = face.illuminant(shot.key_kelvin), face.illuminant(shot.ambient_kelvin)
    light = share * key + (1 - share) * ambient
    return (light / light[1]).astype(np.float32)


def _behind(shot: face.Shot, room_seed: int, n: int) -> np.ndarray:
    """What is seen beyond a sheet or device: another place of the same kind, (n, n, 3) radiance."""
    canvas = face.render_background(replace(shot, background_seed=room_seed), canvas_pixels(n))
    return warp(canvas, *FRONTAL.plane(n))


def _decoy_mask(decoy: Decoy, size: int) -> np.ndarray:
    """Coverage of the mark, (size, size) float32 in [0, 1], anti-aliased."""
    fine = np.zeros((4 * size, 4 * size), np.uint8)
    scale = size / 128
    font = cv2.FONT_HERSHEY_SIMPLEX
    (width, height), _ = cv2.getTextSize(decoy.text, font, 1.3 * scale, round(5 * scale))
    margin = round(14 * scale)
    x = margin if decoy.corner[0] == 0 else 4 * size - margin - width
    y = margin + height if decoy.corner[1] == 0 else 4 * size - margin
    cv2.putText(fine, decoy.text, (x, y), font, 1.3 * scale, 255, round(5 * scale))
    return camera.resize(fine.astype(np.float32) / 255, size)


# --- describing ---------------------------------------------------------------------------------


def instrument(take: Take) -> str | None:
    """Name what an attack was made with; None for a live face.

    A print by its lines, a screen by its pixels, each in 25.4 mm times the crop's width in mm.
    """
    if take.attack_type is None:
        return None
    if take.medium is None:
        return "ideal copy"
    what = "halftone" if take.attack_type == "print" else "display"
    return f"{what} {25.4 / take.medium.pitch:.0f}"


_LEFT_OUT = ("panes", "primaries", "phases", "band_phases", "texture_seed")


def describe(take: Take, frame: Frame) -> dict:
    """Summarise what was drawn, as JSON of well under a kilobyte.

    The subject's and shot's many numbers are left out but for the pose; they are drawn again from
    the seed.
    """
    shot, medium = take.shot, {}
    if take.medium is not None:
        medium = {k: v for k, v in asdict(take.medium).items() if k not in _LEFT_OUT}
    description = {
        "tone": take.subject.tone,
        "pose": [shot.yaw, shot.pitch, shot.roll],
        "background": shot.background,
        "view": [*take.view.homography[:8], take.view.distortion],
        "camera": asdict(take.camera),
        "settings": asdict(frame.settings),
        "medium": medium,
        "cues": {name: float(e.mean()) for name, e in frame.envelopes.items()},
    }
    return _rounded({k: v for k, v in description.items() if v != {}})


def _rounded(value: object) -> object:
    """Round floats to four significant digits, through dicts and sequences."""
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
