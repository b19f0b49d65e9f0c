"""A photograph of a face on paper: print attacks, in linear light.

The picture becomes coverages of four inks, whose dots overlap by chance (Demichel) and whose light
spreads in the paper (Yule and Nielsen's exponent in Neugebauer's sum). Each ink lies on its own
screen, at 15, 75, 0 and 45 degrees; the first harmonics of the four screens, dimmed by the optical
transfer function at their true frequency, modulate the coverages at sensor pixel centres, so that
rosettes and their beat with the sensor come out as they do before a camera. The sheet is bent,
glossy, and ends somewhere. An inkjet has no screens: its grain is blue noise, at every setting of
the cues.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from hfnmp_lite.simulate import ink
from hfnmp_lite.simulate.geometry import (
    DISTANCE,
    LUMINANCE,
    SRGB_TO_LINEAR,
    Aperture,
    Presented,
    View,
    blur,
    compose,
    cover,
    differentiate,
    otf,
    pixel_centres,
    warp,
    widen,
)

CUES = ("halftone", "glare", "bezel", "bands", "gamut")
"""The cues of a print. "halftone" is the ink's texture: screens, grain and the paper's fibre."""

ANGLES = tuple(math.radians(a) for a in (15.0, 75.0, 0.0, 45.0))
"""Screen angles of cyan, magenta, yellow and black."""

COARSE = 16
"""Slowly varying factors are evaluated on COARSE x COARSE points."""

NEGLIGIBLE = 2e-3
"""A screen whose OTF is below this everywhere is skipped: 1e-3 of coverage at most."""

TEXTURE = 512
"""Pixels across the square texture that holds a sheet's grain and fibre."""


@dataclass(frozen=True)
class Print:
    """A printed sheet and how it is held, everything drawn.

    Attributes
    ----------
    name : str
        The printer's.
    pitch : float
        Of the halftone screens, in crop widths; times n it is in sensor pixels. 0: an inkjet, which
        has none.
    turn : float
        Angle of the sheet's screens to the picture, radians.
    phases : tuple
        Of the four screens, two each, in pitches.
    strength : float
        Factor on the screens' harmonics: 1 is the physics, more is for demonstration.
    dot_gain, yule_nielsen : float
        g of the dot gain, n of the Neugebauer sum.
    black_share : float
        How much of the grey component the black ink takes over.
    grain, fibre : float
        Standard deviations of the ink's grain (in mid-tones) and the paper's fibre, share of the
        reflectance.
    texture_seed : int
    band_amplitude : float
        Printer banding: share of the reflectance, at most .03 ("vivid": .08).
    band_periods, band_phases : tuple
        Three waves down the sheet, periods in crop widths, phases in periods.
    bend, bend_axis : float
        Angle (radians, signed) by which the paper's normal turns from the crop's centre to its
        edge, and the direction across the cylinder.
    light_angle : float
        Of the key light across the cylinder, radians: shades a bent sheet.
    gloss, gloss_width : float
        Peak radiance of the highlight per unit of light; its lobe's half width, radians.
    gloss_at : tuple
        The normal, relative to the crop centre's, at which the lamp is mirrored, radians.
    sides : tuple
        Left, top, right, bottom of the printed picture on the sheet.
    contrast, chroma : float
        What the printer's driver does to the picture, `ink.manage`.
    rim : float
        Width of the white rim beyond the picture, crop widths; beyond it one sees what is behind.
    paper : tuple of 3 float
        Reflectance of the bare paper beside that of white paper, linear RGB.
    """

    name: str
    pitch: float
    turn: float
    phases: tuple[float, ...]
    strength: float
    dot_gain: float
    yule_nielsen: float
    black_share: float
    grain: float
    fibre: float
    texture_seed: int
    band_amplitude: float
    band_periods: tuple[float, float, float]
    band_phases: tuple[float, float, float]
    bend: float
    bend_axis: float
    light_angle: float
    gloss: float
    gloss_width: float
    gloss_at: tuple[float, float]
    sides: tuple[float, float, float, float]
    rim: float
    contrast: float
    chroma: float
    paper: tuple[float, float, float]


def jitter(rng: np.random.Generator, medium: Print) -> Print:
    """The next frame: the bend breathes and the highlight drifts with it, all else stays."""
    z = np.clip(rng.standard_normal(3), -2.5, 2.5)
    at = (medium.gloss_at[0] + 0.02 * float(z[1]), medium.gloss_at[1] + 0.02 * float(z[2]))
    return replace(medium, bend=medium.bend * (1.0 + 0.03 * float(z[0])), gloss_at=at)


# --- the sheet's shape --------------------------------------------------------------------------


def unroll(medium: Print, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From the plane that touches the sheet at the crop's centre to the sheet itself.

    The sheet is a cylinder; the line of sight through (x, y) from a camera at `DISTANCE` meets it,
    and arc length gives the place on the paper. No bend: the identity.

    Parameters
    ----------
    x, y : ndarray
        float64 plane coordinates, crop widths.
    """
    if medium.bend == 0.0:
        return x, y
    curvature = 2.0 * medium.bend  # radians per crop width: the crop's edge is half a width away
    cos, sin = math.cos(medium.bend_axis), math.sin(medium.bend_axis)
    across = cos * (x - 0.5) + sin * (y - 0.5)
    along = cos * (y - 0.5) - sin * (x - 0.5)
    t2 = across * across
    half = 1.0 - curvature * t2 / DISTANCE
    root = np.sqrt(half * half - curvature**2 * t2 * (1.0 + t2 / DISTANCE**2))
    depth = curvature * t2 / (half + root)
    widen = 1.0 + depth / DISTANCE
    arc = np.arcsin(curvature * across * widen) / curvature
    along = along * widen
    return 0.5 + cos * arc - sin * along, 0.5 + sin * arc + cos * along


def _sheet(medium: Print, view: View):
    """Sensor coordinates -> place on the sheet."""
    return lambda sx, sy: unroll(medium, *view.at(sx, sy))


def _normal(medium: Print, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Angle of the paper's normal across the cylinder, radians, from the place on the sheet."""
    cos, sin = math.cos(medium.bend_axis), math.sin(medium.bend_axis)
    return 2.0 * medium.bend * (cos * (x - 0.5) + sin * (y - 0.5))


def _shading(medium: Print, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Room light on the sheet, 1 where flat: (n, n) float32. Half of it comes from one side."""
    normal = _normal(medium, x, y)
    key = np.cos(normal) + np.sin(normal) * math.tan(medium.light_angle)
    return (0.5 + 0.5 * np.maximum(key, 0.0)).astype(np.float32)


def _highlight(medium: Print, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gloss per unit of light, (n, n) float32: compact lobe about the mirror angle."""
    cos, sin = math.cos(medium.bend_axis), math.sin(medium.bend_axis)
    dx, dy = x - 0.5, y - 0.5
    # Half the viewing angle changes with the place even on a flat sheet.
    across = _normal(medium, x, y) + 0.5 * (cos * dx + sin * dy) / DISTANCE - medium.gloss_at[0]
    along = 0.5 * (cos * dy - sin * dx) / DISTANCE - medium.gloss_at[1]
    d2 = (across * across + along * along) / (2.0 * medium.gloss_width) ** 2
    return (medium.gloss * np.maximum(1.0 - d2, 0.0) ** 3).astype(np.float32)


# --- halftone ----------------------------------------------------------------------------------


def _screens(medium: Print, view: View, aperture: Aperture, n: int) -> list[np.ndarray | None]:
    """For each ink, OTF-dimmed first harmonics as (COARSE, COARSE, 2) maps; None: negligible."""
    jacobian = differentiate(_sheet(medium, view), COARSE) * (COARSE / n)
    maps: list[np.ndarray | None] = []
    for angle in ANGLES:
        cos, sin = math.cos(angle + medium.turn), math.sin(angle + medium.turn)
        grid = np.array([[cos, sin], [-sin, cos]]) / medium.pitch @ jacobian
        passed = otf(grid[..., 0], grid[..., 1], aperture)  # (COARSE, COARSE, 2): u, v
        significant = np.abs(passed).max() > NEGLIGIBLE
        maps.append(passed.astype(np.float32) if significant else None)
    return maps


def halftone(
    medium: Print,
    view: View,
    aperture: Aperture,
    n: int,
    coverage: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Coverages as the four AM screens modulate them, seen through lens and aperture.

    a + 2 A1(a) [OTF(f_u) cos 2 pi u + OTF(f_v) cos 2 pi v], clipped to [0, 1].

    Parameters
    ----------
    coverage : ndarray
        (4, n, n) float32.

    Returns
    -------
    modulated : ndarray
        (4, n, n) float32 in [0, 1].
    envelope : ndarray
        (n, n) float32, RMS over phase and colours of the reflectance's relative modulation.
    """
    maps = _screens(medium, view, aperture, n)
    modulated = coverage.copy()
    x, y = _sheet(medium, view)(*pixel_centres(n))
    for i, (angle, passed) in enumerate(zip(ANGLES, maps, strict=True)):
        if passed is None:
            continue
        cos, sin = math.cos(angle + medium.turn), math.sin(angle + medium.turn)
        u = (cos * (x - 0.5) + sin * (y - 0.5)) / medium.pitch + medium.phases[2 * i]
        v = (cos * (y - 0.5) - sin * (x - 0.5)) / medium.pitch + medium.phases[2 * i + 1]
        fine = cv2.resize(passed, (n, n), interpolation=cv2.INTER_CUBIC)
        wave = fine[..., 0] * _cosine(u) + fine[..., 1] * _cosine(v)
        modulated[i] += 2.0 * medium.strength * ink.dot_amplitude(coverage[i]) * wave
    np.clip(modulated, 0.0, 1.0, out=modulated)
    return modulated, _envelope(medium, coverage, maps)


def _cosine(cycles: np.ndarray) -> np.ndarray:
    """cos 2 pi cycles as float32, the phase reduced in float64 first."""
    return np.cos((2.0 * math.pi * (cycles - np.floor(cycles))).astype(np.float32))


def _envelope(medium: Print, coverage: np.ndarray, maps: list[np.ndarray | None]) -> np.ndarray:
    """RMS relative modulation by first-order propagation, on every second pixel, then enlarged."""
    n = coverage.shape[1]
    small = coverage[:, ::2, ::2]
    size = small.shape[2], small.shape[1]
    plain = ink.reflectance(small, medium.yule_nielsen)
    power = np.zeros(plain.shape[:2], np.float32)
    for i, passed in enumerate(maps):
        if passed is None:
            continue
        sum_of_squares = cv2.resize((passed**2).sum(-1), size, interpolation=cv2.INTER_LINEAR)
        step = np.where(small[i] < 0.5, 0.02, -0.02).astype(np.float32)
        moved = small.copy()
        moved[i] += step
        slope = (ink.reflectance(moved, medium.yule_nielsen) / plain - 1.0) / step[..., None]
        swing = 2.0 * medium.strength * ink.dot_amplitude(small[i])
        power += (slope**2).mean(-1) * swing**2 * sum_of_squares / 2.0
    return cv2.resize(np.sqrt(power), (n, n), interpolation=cv2.INTER_LINEAR)


def _texture(medium: Print, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Grain (deviation, to be weighted by the ink) and fibre (factor): two (n, n) float32."""
    rng = np.random.default_rng(medium.texture_seed)
    noise = rng.standard_normal((2, TEXTURE, TEXTURE), np.float32)
    if not medium.pitch:  # blue noise: what a dot's width averages away is left out
        noise[0] -= cv2.GaussianBlur(noise[0], (0, 0), 1.5)
    fibre = cv2.GaussianBlur(noise[1], (0, 0), sigmaX=4.0, sigmaY=1.0)
    fibre += cv2.GaussianBlur(noise[1].T, (0, 0), sigmaX=1.2, sigmaY=3.0)
    sheet = np.dstack([4.0 * medium.grain * noise[0], medium.fibre / fibre.std() * fibre])
    sampled = warp(sheet + 1.0, x, y)  # warp keeps values >= 0
    return sampled[..., 0] - 1.0, sampled[..., 1]


def _bands(medium: Print, y: np.ndarray) -> np.ndarray:
    """Printer banding: (n, n) float32 factor that varies down the sheet."""
    y = y.astype(np.float32)
    waves = [
        np.sin(2.0 * math.pi * (y / period + phase))
        for period, phase in zip(medium.band_periods, medium.band_phases, strict=True)
    ]
    return 1.0 + medium.band_amplitude / 3.0 * sum(waves)


def present(
    shown: np.ndarray,
    medium: Print,
    view: View,
    aperture: Aperture,
    n: int,
    light: np.ndarray,
    behind: np.ndarray,
    cues: frozenset[str],
) -> Presented:
    """What a sensor sees of a print of a captured face, lit by the room.

    Parameters
    ----------
    shown : ndarray
        (m, m, 3) uint8 sRGB canvas, what the attacker captured.
    medium, view, aperture
        The sheet, where the sensor's pixels look, what lens and aperture pass.
    n : int
        Sensor pixels across.
    light : ndarray
        (3,) linear RGB of the room's light, green = 1.
    behind : ndarray
        (n, n, 3) float32 radiance seen beyond the sheet, before PSF.
    cues : frozenset
        Active cues, of `CUES`. A cue that is off leaves all else as it is: without "gamut" the
        picture has its own linear colours, without "bezel" it continues to the border.

    Returns
    -------
    Presented
    """
    x, y = _sheet(medium, view)(*pixel_centres(n))
    envelopes = {cue: np.zeros((n, n), np.float32) for cue in CUES if cue != "gamut"}
    picture = warp(shown.astype(np.float32) / 255.0, x, y)
    picture = ink.manage(picture, medium.contrast, medium.chroma)
    coverage = ink.separate(picture, medium.black_share, medium.dot_gain)
    plain = ink.reflectance(coverage, medium.yule_nielsen)
    base = plain if "gamut" in cues else warp(SRGB_TO_LINEAR[shown], x, y)
    lit = _shading(medium, x, y)[..., None] * np.asarray(light, np.float32)
    paper = np.array(medium.paper, np.float32)
    rim, fine = ink.PAPER * paper * lit, None
    if "gamut" in cues:
        base = base * paper
    if "bands" in cues:
        base = base * _bands(medium, y)[..., None]
        envelopes["bands"] += medium.band_amplitude
    if "halftone" in cues and medium.pitch:
        modulated, envelopes["halftone"] = halftone(medium, view, aperture, n, coverage)
        fine = ink.reflectance(modulated, medium.yule_nielsen) / plain
    if "halftone" in cues or not medium.pitch:
        grain, fibre = _texture(medium, x, y)
        dark = 1.0 - (plain @ LUMINANCE) / ink.PAPER
        base = base * ((1.0 + grain * dark * (1.0 - dark)) * fibre)[..., None]
        rim = rim * fibre[..., None]
    added = np.zeros((n, n, 3), np.float32)
    if "glare" in cues:
        added += _highlight(medium, x, y)[..., None] * np.asarray(light, np.float32)
    covered = cover(medium.sides, x, y) if "bezel" in cues else None
    frame = behind
    if covered is not None:
        sheet = cover(widen(medium.sides, medium.rim), x, y)
        sheet = np.ones((n, n, 1), np.float32) if sheet is None else sheet[..., None]
        frame = rim * sheet + behind * (1.0 - sheet)
        added *= sheet
    if "glare" in cues:
        envelopes["glare"] = blur(added @ LUMINANCE, aperture)
    irradiance, outside = compose(base * lit, fine, added, frame, covered, aperture)
    if outside is not None:
        envelopes["bezel"] = outside
        for cue in ("halftone", "bands"):
            envelopes[cue] = envelopes[cue] * (1.0 - outside)
    return Presented(irradiance, envelopes)
