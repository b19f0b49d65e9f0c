"""A mannequin's face before a camera: who it is, how it is shown, and its radiance.

`draw_subject` and `draw_shot` draw every random number; `render` is a pure function of what they
return. Source of the recipe: our choice, plausible and not fitted to people; skin tones are the ten
of the Monk scale, drawn uniformly and independently of everything else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from hfnmp_lite.simulate import backgrounds, hair, portrait
from hfnmp_lite.simulate.tones import BLOOD, illuminant, tone_albedo, typology_angle

HAIR_COLOURS = (  # linear RGB, share
    ((0.010, 0.008, 0.007), 0.40),
    ((0.025, 0.015, 0.010), 0.28),
    ((0.065, 0.035, 0.018), 0.16),
    ((0.17, 0.10, 0.045), 0.07),
    ((0.36, 0.25, 0.12), 0.05),
    ((0.17, 0.055, 0.018), 0.04),
)
IRIS_COLOURS = (
    ((0.050, 0.022, 0.010), 0.50),
    ((0.095, 0.045, 0.018), 0.22),
    ((0.12, 0.095, 0.04), 0.10),
    ((0.10, 0.15, 0.20), 0.11),
    ((0.10, 0.14, 0.09), 0.07),
)
BEARDS = ("none", "stubble", "moustache", "goatee", "full")
Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Subject:
    """One identity. Lengths in half head widths, colours in linear RGB with sRGB primaries."""

    seed: int  # of the skin and hair texture
    tone: int  # Monk scale, 1 to 10
    ita: float  # individual typology angle of the albedo, degrees
    albedo: Rgb
    age: float  # years, 18 to 75
    masculinity: float  # 0 to 1
    redness: float
    oil: float
    freckles: float
    face_length: float
    jaw_taper: float
    chin: float
    cheek: float
    hollow: float
    ear: float
    eye_spacing: float
    eye_size: float
    eye_tilt: float
    eye_depth: float
    lid: float
    crease: float
    iris: Rgb
    pupil: float
    lash: Rgb
    nose_length: float
    nose_width: float
    nose_height: float
    nose_bridge: float
    mouth_width: float
    mouth_skew: float
    lip_fullness: float
    lip_tint: Rgb  # times the skin
    lip_gloss: float
    brow: Rgb
    brow_thickness: float
    brow_density: float
    brow_height: float
    brow_arch: float
    beard: str
    beard_density: float
    beard_rgb: Rgb
    hair_style: str
    hair_rgb: Rgb
    hair_volume: float
    hair_wave: float
    hair_part: float
    fringe: bool
    recede: float
    glasses: str  # "none", "round", "square", "rimless"
    glasses_rgb: Rgb
    clothes: str  # "crew", "vee", "collar", "hood"
    clothes_rgb: Rgb


@dataclass(frozen=True)
class Shot:
    """One frame's pose, expression, light and place. Angles in degrees, offsets in crop widths."""

    yaw: float  # positive turns the nose to the right of the image
    pitch: float  # positive looks down
    roll: float  # positive turns clockwise in the image
    zoom: float
    offset_x: float
    offset_y: float
    smile: float  # -0.3 to 1
    mouth_open: float  # 0 to 1
    eye_open: float  # 0 to 1.1
    brow_raise: float
    gaze_x: float  # half eye widths
    gaze_y: float
    key_x: float  # unit vector towards the key light: right, down, to the camera
    key_y: float
    key_z: float
    key_kelvin: float
    ambient_kelvin: float
    key_ratio: float  # key : ambient irradiance
    background: str
    background_seed: int
    background_light: float  # irradiance on the background, relative to the face's


def _rgb(values) -> Rgb:
    r, g, b = (float(v) for v in values)
    return r, g, b


def _choice(rng: np.random.Generator, options):
    names, shares = zip(*options, strict=True)
    return names[rng.choice(len(names), p=np.array(shares) / sum(shares))]


def _draw_head_hair(rng: np.random.Generator, age: float, masculinity: float) -> dict:
    """Hair of head, brows and chin. Independent of the skin tone."""
    colour = np.array(_choice(rng, HAIR_COLOURS)) * rng.lognormal(0, 0.25)
    grey = float(np.clip(rng.normal((age - 48) / 22, 0.35), 0, 1))
    white = np.array([0.36, 0.35, 0.335])
    head = colour + grey * (white - colour)
    man = masculinity > 0.5
    if man:
        shares = (0.10, 0.14, 0.30, 0.22, 0.04, 0.08, 0.05, 0.01, 0.02, 0.04)
    else:
        shares = (0.01, 0.02, 0.05, 0.08, 0.06, 0.08, 0.07, 0.14, 0.19, 0.30)
    style = _choice(rng, tuple(zip(hair.STYLES, shares, strict=True)))
    volume = {"bald": 0.0, "buzz": 0.025, "bun": 0.07, "afro": 0.27, "curly": 0.18}.get(style, 0.13)
    recede = max(0.0, rng.normal(0.012 * (age - 40), 0.12)) if man else 0.0
    beard = "none"
    if man:
        beard = _choice(rng, tuple(zip(BEARDS, (0.45, 0.25, 0.06, 0.10, 0.14), strict=True)))
    return dict(
        beard=beard,
        beard_density=float(rng.uniform(0.65, 1.0)),
        beard_rgb=_rgb(colour * 0.9 + np.clip(grey * 1.1 - 0.1, 0, 1) * (white - colour)),
        hair_style=style,
        hair_rgb=_rgb(head),
        hair_volume=float(volume * rng.uniform(0.75, 1.3)),
        hair_wave=float(rng.uniform(0, 1) ** 1.5),
        hair_part=float(rng.choice([-1, 1]) * rng.uniform(0.05, 0.45)),
        fringe=bool(rng.random() < 0.3),
        recede=float(min(recede, 0.45)),
        brow=_rgb(0.75 * colour + 0.35 * grey * (white - colour)),
        brow_thickness=float(np.clip(rng.normal(0.75 + 0.55 * masculinity, 0.15), 0.45, 1.6)),
        brow_density=float(rng.uniform(0.6, 0.95)),
        brow_height=float(rng.normal(0.035 - 0.045 * masculinity, 0.015)),
        brow_arch=float(np.clip(rng.normal(0.065 - 0.03 * masculinity, 0.015), 0.01, 0.11)),
    )


def _draw_eyes(rng: np.random.Generator) -> dict:
    tint = np.array(_choice(rng, IRIS_COLOURS)) * rng.lognormal(0, 0.2)
    return dict(
        eye_spacing=float(np.clip(rng.normal(0.41, 0.018), 0.37, 0.46)),
        eye_size=float(np.clip(rng.normal(1.0, 0.06), 0.86, 1.16)),
        eye_tilt=float(rng.normal(0.05, 0.045)),
        eye_depth=float(rng.uniform(0.6, 1.25)),
        lid=float(np.clip(rng.normal(0.90, 0.12), 0.64, 1.15)),
        crease=float(rng.uniform(0.15, 1.0)),
        iris=_rgb(tint),
        pupil=float(rng.uniform(0.30, 0.48)),
        lash=_rgb(np.full(3, 0.012) * rng.uniform(0.6, 1.6)),
    )


def draw_subject(rng: np.random.Generator) -> Subject:
    """Draw one identity; the skin tone is uniform over 1 to 10 and independent of the rest."""
    tone = int(rng.integers(1, 11))
    albedo = (
        tone_albedo(tone) * BLOOD * rng.lognormal(0, 0.025) * rng.lognormal(0, [0.01, 0.008, 0.012])
    )
    age = float(18 + 57 * rng.beta(1.4, 2.2))
    masculinity = float(np.clip(rng.choice([0.15, 0.85]) + rng.normal(0, 0.14), 0, 1))
    lipstick = rng.random() < 0.45 * (masculinity < 0.5)
    tint = rng.uniform([0.80, 0.46, 0.46], [0.95, 0.62, 0.62])
    if lipstick:
        tint = rng.uniform([0.80, 0.22, 0.26], [1.0, 0.45, 0.5])
    cloth = rng.uniform(0.02, 0.5) * (1 - rng.uniform(0, 0.6) * rng.uniform(0, 1, 3))
    frames = ("none", "round", "square", "rimless")
    return Subject(
        seed=int(rng.integers(0, 2**31)),
        tone=tone,
        ita=typology_angle(albedo),
        albedo=_rgb(albedo),
        age=age,
        masculinity=masculinity,
        redness=float(rng.uniform(0.4, 1.5)),
        oil=float(rng.uniform(0.35, 1.0)),
        freckles=float(max(0.0, rng.uniform(-2.2, 1.0))),
        face_length=float(np.clip(rng.normal(0.975 + 0.04 * masculinity, 0.035), 0.9, 1.08)),
        jaw_taper=float(np.clip(rng.normal(0.16 - 0.12 * masculinity, 0.06), -0.06, 0.28)),
        chin=float(rng.uniform(0.6, 1.4)),
        cheek=float(rng.uniform(0.5, 1.5)),
        hollow=float(rng.uniform(0.0, 1.2)),
        ear=float(rng.uniform(0.0, 1.0)),
        **_draw_eyes(rng),
        nose_length=float(np.clip(rng.normal(1.0, 0.06), 0.86, 1.16)),
        nose_width=float(np.clip(rng.normal(0.172 + 0.02 * masculinity, 0.022), 0.13, 0.24)),
        nose_height=float(np.clip(rng.normal(1.0, 0.12), 0.7, 1.3)),
        nose_bridge=float(rng.uniform(0.5, 1.5)),
        mouth_width=float(np.clip(rng.normal(0.335 + 0.015 * masculinity, 0.022), 0.28, 0.40)),
        mouth_skew=float(rng.normal(0, 0.5)),
        lip_fullness=float(np.clip(rng.normal(1.05 - 0.15 * masculinity, 0.16), 0.6, 1.5)),
        lip_tint=_rgb(tint),
        lip_gloss=float(rng.uniform(0.1, 0.5) + 0.4 * lipstick),
        **_draw_head_hair(rng, age, masculinity),
        glasses=_choice(rng, tuple(zip(frames, (0.74, 0.09, 0.12, 0.05), strict=True))),
        glasses_rgb=_rgb(rng.choice([0.012, 0.012, 0.05, 0.25]) * rng.uniform(0.6, 1.2, 3)),
        clothes=_choice(rng, (("crew", 0.4), ("vee", 0.15), ("collar", 0.3), ("hood", 0.15))),
        clothes_rgb=_rgb(np.clip(cloth, 0.01, 0.6)),
    )


def _direction(azimuth: float, elevation: float) -> tuple[float, float, float]:
    """Unit vector of a light, degrees: azimuth 0 from the camera, positive from the right."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return math.cos(e) * math.sin(a), -math.sin(e), math.cos(e) * math.cos(a)


def draw_shot(
    rng: np.random.Generator,
    *,
    key_kelvin: float,
    ambient_kelvin: float,
    backgrounds: tuple[str, ...],
    key_ratio: tuple[float, float] = (0.7, 2.6),
) -> Shot:
    """Draw one presentation's pose, expression, light and place.

    Parameters
    ----------
    key_kelvin, ambient_kelvin : float
        The domain's light, in kelvin; each shot's own lies within a few per cent.
    backgrounds : tuple of str
        Kinds to choose from: "wall", "curtain", "office", "outdoor".
    key_ratio : tuple of 2 float
        Range of the key light's irradiance beside the ambient's.

    Raises
    ------
    ValueError
        If a background is unknown or none is given.
    """
    _check_kinds(backgrounds)
    pose = rng.normal(0, [9.0, 5.0, 3.0]).clip([-24, -13, -9], [24, 13, 9])
    key = _direction(float(rng.choice([-1, 1]) * rng.uniform(5, 62)), float(rng.uniform(8, 52)))
    smile = max(-0.2, rng.normal(0.28, 0.3))
    return Shot(
        yaw=float(pose[0]),
        pitch=float(pose[1]),
        roll=float(pose[2]),
        zoom=float(rng.lognormal(0, 0.045)),
        offset_x=float(rng.normal(0, 0.015)),
        offset_y=float(rng.normal(0, 0.015)),
        smile=float(min(smile, 1.0)),
        mouth_open=float(max(0.0, rng.normal(-0.25, 0.35))),
        eye_open=float(np.clip(rng.normal(0.98, 0.08), 0.7, 1.12)),
        brow_raise=float(np.clip(rng.normal(0, 0.3), -0.6, 0.9)),
        gaze_x=float(rng.normal(0, 0.07)),
        gaze_y=float(rng.normal(0, 0.035)),
        key_x=key[0],
        key_y=key[1],
        key_z=key[2],
        key_kelvin=float(key_kelvin * rng.lognormal(0, 0.04)),
        ambient_kelvin=float(ambient_kelvin * rng.lognormal(0, 0.04)),
        key_ratio=float(rng.uniform(*key_ratio)),
        background=str(rng.choice(backgrounds)),
        background_seed=int(rng.integers(0, 2**31)),
        background_light=float(rng.uniform(0.55, 1.1)),
    )


def _check_kinds(kinds: tuple[str, ...]) -> None:
    if not kinds or any(kind not in backgrounds.KINDS for kind in kinds):
        raise ValueError(f"backgrounds: {kinds} given, choose from {backgrounds.KINDS}")


def jitter_shot(rng: np.random.Generator, shot: Shot) -> Shot:
    """The next frame of a presentation: pose, gaze and mimicry move a little, the light stays."""
    step = rng.normal(0, 1, 9)
    return replace(
        shot,
        yaw=shot.yaw + 1.5 * float(step[0]),
        pitch=shot.pitch + 1.0 * float(step[1]),
        roll=shot.roll + 0.6 * float(step[2]),
        offset_x=shot.offset_x + 0.004 * float(step[3]),
        offset_y=shot.offset_y + 0.004 * float(step[4]),
        zoom=shot.zoom * math.exp(0.006 * float(step[5])),
        smile=float(np.clip(shot.smile + 0.06 * step[6], -0.3, 1.0)),
        gaze_x=shot.gaze_x + 0.02 * float(step[7]),
        eye_open=float(np.clip(shot.eye_open + 0.05 * step[8], 0.5, 1.12)),
    )


def render(subject: Subject, shot: Shot, size: int) -> np.ndarray:
    """Radiance of the face before its background; same arguments, same array.

    Parameters
    ----------
    subject : Subject
    shot : Shot
    size : int
        Side of the canvas in pixels; the canvas covers [-0.15, 1.15]^2 crop widths.

    Returns
    -------
    ndarray (size, size, 3) float32
        Linear RGB with sRGB primaries, 1.0 = a diffuse white facing the key light; anti-aliased.
    """
    colours = illuminant(shot.key_kelvin), illuminant(shot.ambient_kelvin)
    return portrait.compose(subject, shot, size, colours, render_background(shot, size))


def render_background(shot: Shot, size: int) -> np.ndarray:
    """The place alone, out of focus: (size, size, 3) float32 linear RGB, unit as in `render`."""
    light = 0.4 * illuminant(shot.key_kelvin) + 0.6 * illuminant(shot.ambient_kelvin)
    image = backgrounds.draw(shot.background, shot.background_seed, size)
    return image * (light * np.float32(shot.background_light))
