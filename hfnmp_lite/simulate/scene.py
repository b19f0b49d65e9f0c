"""One captured frame, live or attack: what was drawn about it, and its rendering.

A `Take` holds everything that chance decided; `render` is a pure function of it. Live faces, prints
and replays of the same presentation share face, pose, light, camera and view, drawn once and before
anything knows of a class: only the medium differs.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from hfnmp_lite.simulate import camera, devices, face, printing, screen
from hfnmp_lite.simulate.camera import Camera, Room, Settings
from hfnmp_lite.simulate.devices import Light
from hfnmp_lite.simulate.domains import DOMAINS, Domain
from hfnmp_lite.simulate.geometry import (
    CUES,
    FRONTAL,
    LUMINANCE,
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
WALL = 0.3
"""Reflectance of the room that a camera meters beside the person [t]."""


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
        Who, and how they stood in front of the camera (the attacker's, if it is an attack).
    light : str
        The room, by name.
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
    light: str
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
    domain: str | Domain,
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
    presentations, or for a decoy, changes nothing else; and a domain of the same name with other
    cameras (lights, printers, displays) shows the same people in the same poses through those.

    Parameters
    ----------
    domain : str or Domain
        A key of `DOMAINS`, or a data set of one's own.
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
    domain = DOMAINS[domain] if isinstance(domain, str) else domain
    place = zlib.crc32(domain.name.encode())

    def stream(*path: int) -> np.random.Generator:
        return np.random.default_rng([seed, place, subject, *path])

    person = _draw_person(stream(0), 1 + subject % 10)
    drawn: dict[Key, tuple[Take, ...]] = {}
    for p in range(presentations):
        parts = [stream(1, p, part) for part in range(5)]
        light = _one_of(parts[0], domain.lights)
        path = _draw_path(parts[1:], domain, light, person, frames)
        for kind in kinds:
            code = ("print", "replay", "null").index(kind) + 1 if kind else 0
            parts = [stream(2, p, code, part) for part in range(3)]
            takes = _draw_kind(parts, domain, light, path, kind, preset)
            if decoy:
                marks = stream(3, p, code)
                takes = [_mark(take, marks) for take in takes]
            drawn[Key(p, kind)] = tuple(takes)
    return drawn


def _one_of(rng: np.random.Generator, things: tuple):
    """Choose by a number in [0, 1), so that two lists of one length are chosen from alike."""
    return things[int(rng.random() * len(things))]


def _draw_person(rng: np.random.Generator, tone: int) -> face.Subject:
    """Draw until the skin has this tone: tones are balanced, all else stays independent of them."""
    while (person := face.draw_subject(rng)).tone != tone:
        pass
    return person


def _draw_path(
    parts: list[np.random.Generator],
    domain: Domain,
    light: Light,
    subject: face.Subject,
    frames: int,
) -> list[Take]:
    """Draw what live faces and attacks share: shot, view and camera, frame by frame."""
    of_shot, of_view, of_camera, of_frames = parts
    shot = face.draw_shot(
        of_shot,
        key_kelvin=light.key_kelvin,
        ambient_kelvin=light.ambient_kelvin,
        backgrounds=light.backgrounds,
        key_ratio=light.key_ratio,
    )
    view = draw_view(
        of_view, tilt_deg=domain.tilt, roll_deg=domain.roll, zoom=domain.zoom, shift=domain.shift
    )
    cam = devices.draw_camera(of_camera, _one_of(of_camera, domain.cameras), light)
    takes = []
    for index in range(frames):
        if index:
            shot, view = face.jitter_shot(of_frames, shot), jitter_view(of_frames, view)
        noise_seed = int(of_frames.integers(2**32))
        takes.append(Take(domain.name, subject, shot, light.name, view, cam, noise_seed))
    return takes


def _draw_kind(
    parts: list[np.random.Generator],
    domain: Domain,
    light: Light,
    path: list[Take],
    kind: str | None,
    preset: str,
) -> list[Take]:
    """Turn the shared path into takes of one kind; only noise seeds and the medium are new."""
    of_medium, of_attacker, of_frames = parts
    first = path[0]
    medium = attacker = None
    how = {"preset": preset, "edges": domain.edges, "sensor": first.camera.n}
    if kind == "print":
        printer = _one_of(of_medium, domain.printers)
        medium = devices.draw_print(of_medium, printer, bend_max=domain.bend, **how)
    elif kind == "replay":
        display = _one_of(of_medium, domain.displays)
        medium = devices.draw_screen(of_medium, display, level=light.level, **how)
    if medium is not None:
        attacker = devices.draw_attacker(of_attacker, _one_of(of_attacker, domain.attackers), light)
    attacker_seed, room_seed = (int(v) for v in of_attacker.integers(2**32, size=2))
    takes = []
    for index, take in enumerate(path):
        if index and kind == "print":
            medium = printing.jitter(of_frames, medium)
        elif index and kind == "replay":
            medium = screen.jitter(of_frames, medium)
        changes = {
            # a print shows the same picture in every frame; a replayed video moves
            "shot": first.shot if kind == "print" else take.shot,
            "noise_seed": int(of_frames.integers(2**32)),
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
        (m, m, 3) linear radiance in front of the camera instead of the simulated face.
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
        settings = camera.meter(full.irradiance, take.camera, _room(take, size, canvas))
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
    seen = _present(take, size, frozenset(cues), None).irradiance
    return camera.meter(seen, take.camera, _room(take, size, None))


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
        shown = capture(canvas, take.shot, take.attacker, take.attacker_seed)
    module = printing if take.attack_type == "print" else screen
    behind = _behind(take.shot, take.room_seed, n)
    light = room_light(take.shot)
    return module.present(shown, take.medium, take.view, aperture, n, light, behind, cues)


def canvas_pixels(n: int) -> int:
    """Return the pixels of a canvas for an n-pixel sensor: a little finer than the sensor, even."""
    return 2 * round(n * (1 + 2 * MARGIN) * (1.0 if n >= 200 else 1.5) / 2)


def room(radiance: np.ndarray, shot: face.Shot) -> Room:
    """Return what a camera meters: half a person, whose canvas (m, m, 3) this is, half the room."""
    small = cv2.resize(radiance, (64, 64), interpolation=cv2.INTER_AREA)
    inside = round(64 * MARGIN / (1 + 2 * MARGIN))
    luminance = (small @ LUMINANCE)[inside:-inside, inside:-inside]
    light = room_light(shot)
    mean = (float(luminance.mean()) + WALL * float(light @ LUMINANCE)) / 2
    return Room(mean, float(np.percentile(luminance, 1)), tuple(float(v) for v in light))


def _room(take: Take, size: int, canvas: np.ndarray | None) -> Room:
    if canvas is None:
        pixels = canvas_pixels(camera.sensor_pixels(take.camera, size))
        canvas = _face(take.subject, take.shot, pixels)
    return room(canvas, take.shot)


def capture(radiance: np.ndarray, shot: face.Shot, attacker: Camera, seed: int) -> np.ndarray:
    """Take the attacker's picture of a canvas (m, m, 3), m even: sRGB uint8 (m, m, 3).

    The picture has the attacker's own pixels, enlarged to the canvas where they are fewer.
    """
    size = len(radiance)
    pixels = min(size, 2 * round(attacker.n * (1 + 2 * MARGIN) / 2))
    irradiance = blur(camera.resize(radiance, pixels), attacker.aperture)
    settings = camera.meter(irradiance, attacker, room(radiance, shot))
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
    return _frozen(capture(_face(subject, shot, pixels), shot, attacker, seed))


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
    """Name the printer or display that an attack was made with; None for a live face."""
    if take.attack_type is None:
        return None
    return "ideal copy" if take.medium is None else take.medium.name


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
