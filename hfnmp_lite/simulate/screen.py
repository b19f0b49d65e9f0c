"""A screen that shows a face: replay attacks, in linear light.

What a camera sees of a display [l]: the picture through the display's own gamma and primaries, the
grid of red, green and blue sub-pixels (whose beat with the sensor's grid is the moire), bands of
the backlight against the rolling shutter, and a glass that mirrors the room.

The sub-pixel grid is a sum of Fourier harmonics evaluated at sensor pixel centres, each dimmed by
the optical transfer function at its true frequency. No screen is ever drawn: sampling at integer
pixels aliases each harmonic exactly as a sensor does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from hfnmp_lite.simulate.geometry import (
    LUMINANCE,
    SRGB_TO_LINEAR,
    Aperture,
    Presented,
    View,
    blur,
    compose,
    cover,
    otf,
    smoothstep,
    warp,
    widen,
)

CUES = ("moire", "glare", "bezel", "bands", "gamut")
"""The cues of a replay."""

SUBPIXEL = (0.30, 0.86)
"""Width and height of a lit sub-pixel, in units of the display's pixel pitch [t]."""

ORDERS = 3
"""Harmonics |k_x|, |k_y| <= ORDERS are kept; beyond them no real lens passes anything."""

NEGLIGIBLE = 5e-4
"""A harmonic below this share of the radiance everywhere is skipped: 1/8 grey level at most."""

COARSE = 16
"""The OTF varies slowly over the view: it is evaluated on COARSE x COARSE points."""


@dataclass(frozen=True)
class Pane:
    """A lamp or window mirrored in the glass.

    Centre, half sizes and softness of the edge are in crop widths, `turn` in radians, `radiance` is
    linear RGB (1 = a diffuse white under the room's light); `bars` says whether a window's cross
    bars divide it, `round` whether it is a lamp (an ellipse).
    """

    centre: tuple[float, float]
    half: tuple[float, float]
    turn: float
    soft: float
    radiance: tuple[float, float, float]
    bars: bool
    round: bool


@dataclass(frozen=True)
class Screen:
    """A display and how it stands in the room, everything drawn.

    Attributes
    ----------
    name : str
        The display's.
    pitch : float
        Of the display's pixels, in crop widths; times n it is in sensor pixels.
    turn : float
        Angle of the pixel grid to the picture, radians (a phone held upright or across, and the
        crop follows the face's roll).
    phase : tuple
        Of the grid, in pitches.
    strength : float
        Factor on the grid's harmonics: 1 is the physics, more is for demonstration.
    gamma, black : float
        Display gamma, and black level as a share of white.
    primaries : tuple of 9 floats
        Row-major matrix to linear sRGB primaries, rows sum to 1.
    white : tuple
        Colour of the display's white, green = 1.
    brightness : float
        Radiance of its white relative to a diffuse white in the room.
    band_amplitude, band_period, band_phase, band_shape : float
        Rolling-shutter bands: share of the radiance, period in sensor heights, phase in periods,
        share of the second harmonic.
    panes : tuple of Pane
    veil : tuple
        Diffuse reflection of the room at the glass's left, right, top and bottom edge, radiance.
    sides : tuple
        Left, top, right, bottom of the shown picture in the plane.
    bezel : float
        Width of the bezel beyond the picture, crop widths; what lies behind is seen beyond it.
    bezel_reflectance : float
    """

    name: str
    pitch: float
    turn: float
    phase: tuple[float, float]
    strength: float
    gamma: float
    black: float
    primaries: tuple[float, ...]
    white: tuple[float, float, float]
    brightness: float
    band_amplitude: float
    band_period: float
    band_phase: float
    band_shape: float
    panes: tuple[Pane, ...]
    veil: tuple[float, float, float, float]
    sides: tuple[float, float, float, float]
    bezel: float
    bezel_reflectance: float


def jitter(rng: np.random.Generator, medium: Screen) -> Screen:
    """The next frame: bands run on, mirrored panes drift with the hand, all else stays."""
    drift = np.clip(rng.normal(0.0, 0.012, 2), -0.03, 0.03)
    panes = tuple(
        replace(p, centre=(p.centre[0] + float(drift[0]), p.centre[1] + float(drift[1])))
        for p in medium.panes
    )
    return replace(medium, band_phase=float(rng.uniform()), panes=panes)


# --- the sub-pixel grid -------------------------------------------------------------------------


def _amplitudes(
    medium: Screen, view: View, aperture: Aperture, n: int
) -> dict[tuple[int, int], np.ndarray]:
    """2 a_k OTF(J^T k) for each kept k, one of each pair +-k: (COARSE, COARSE) float32 maps."""
    jacobian = view.jacobian(COARSE) * (COARSE / n)  # crop widths per pixel of the n-px sensor
    cos, sin = math.cos(medium.turn) / medium.pitch, math.sin(medium.turn) / medium.pitch
    grid = np.array([[cos, sin], [-sin, cos]]) @ jacobian  # display pixels per sensor pixel
    kept = {}
    for kx in range(ORDERS + 1):
        for ky in range(-ORDERS if kx else 1, ORDERS + 1):
            share = np.sinc(SUBPIXEL[0] * kx) * np.sinc(SUBPIXEL[1] * ky)
            fx = kx * grid[..., 0, 0] + ky * grid[..., 1, 0]
            fy = kx * grid[..., 0, 1] + ky * grid[..., 1, 1]
            amplitude = 2.0 * medium.strength * share * otf(fx, fy, aperture)
            if np.abs(amplitude).max() > NEGLIGIBLE:
                kept[kx, ky] = amplitude.astype(np.float32)
    return kept


def modulation(
    medium: Screen, view: View, aperture: Aperture, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """The factor on each sensor pixel's radiance that the display's sub-pixel grid makes.

    1 + sum_k 2 a_k OTF(J^T k) cos 2 pi (k . u - k_x phi_c), with u the position in display
    pixels, a_k = sinc(.30 k_x) sinc(.86 k_y) and phi_c = (c - 1) / 3 the place of colour c's
    stripe; clipped at 0.

    Returns
    -------
    factor : ndarray
        (n, n, 3) float32, >= 0, mean about 1.
    envelope : ndarray
        (n, n) float32: its RMS over phase, the same for the three colours.
    """
    kept = _amplitudes(medium, view, aperture, n)
    if not kept:
        return np.ones((n, n, 3), np.float32), np.zeros((n, n), np.float32)
    x, y = view.plane(n)
    cos, sin = math.cos(medium.turn) / medium.pitch, math.sin(medium.turn) / medium.pitch
    wave_x = _wave(cos * (x - 0.5) + sin * (y - 0.5) + medium.phase[0])
    wave_y = _wave(cos * (y - 0.5) - sin * (x - 0.5) + medium.phase[1])
    powers = [np.ones_like(wave_y), wave_y, wave_y * wave_y]
    powers.append(powers[2] * wave_y)
    # The stripes' thirds make e^(-2 pi i k_x phi_c) depend on k_x mod 3 only: three sums suffice.
    sums: list[np.ndarray | None] = [None, None, None]
    across = np.ones_like(wave_x)
    for kx in range(ORDERS + 1):
        column = None
        for ky in range(-ORDERS, ORDERS + 1):
            if (kx, ky) in kept:
                wave = powers[ky] if ky >= 0 else np.conj(powers[-ky])
                term = wave * cv2.resize(kept[kx, ky], (n, n), interpolation=cv2.INTER_CUBIC)
                column = term if column is None else column + term
        if column is not None:
            column = column * across
            sums[kx % 3] = column if sums[kx % 3] is None else sums[kx % 3] + column
        across = across * wave_x
    factor = np.ones((n, n, 3), np.float32)
    for c in range(3):
        for r, total in enumerate(sums):
            if total is not None:
                angle = -2.0 * math.pi * r * (c - 1) / 3.0
                factor[..., c] += math.cos(angle) * total.real - math.sin(angle) * total.imag
    power = sum(0.5 * a * a for a in kept.values())
    envelope = cv2.resize(np.sqrt(power), (n, n), interpolation=cv2.INTER_LINEAR)
    return np.maximum(factor, 0.0, out=factor), envelope


def _wave(cycles: np.ndarray) -> np.ndarray:
    """e^(2 pi i cycles) as complex64, the phase reduced in float64 first."""
    angle = (2.0 * math.pi * (cycles - np.floor(cycles))).astype(np.float32)
    wave = np.empty(angle.shape, np.complex64)
    np.cos(angle, out=wave.real)
    np.sin(angle, out=wave.imag)
    return wave


# --- the other cues -----------------------------------------------------------------------------


def _emitted(shown: np.ndarray, medium: Screen, x: np.ndarray, y: np.ndarray, gamut: bool):
    """Base radiance of the lit picture at the sensor's pixels, before PSF: (n, n, 3) float32."""
    if not gamut:
        return medium.brightness * warp(SRGB_TO_LINEAR[shown], x, y)
    table = (np.arange(256) / 255.0) ** medium.gamma
    linear = warp(table.astype(np.float32)[shown], x, y)
    white = np.array(medium.white) * medium.brightness
    matrix = white[:, None] * np.reshape(medium.primaries, (3, 3)) * (1.0 - medium.black)
    out = cv2.transform(linear, np.column_stack([matrix, white * medium.black]).astype(np.float32))
    return np.maximum(out, 0.0, out=out)


def _bands(medium: Screen, n: int) -> np.ndarray:
    """The backlight's factor on each sensor row: (n, 1, 1) float32."""
    t = 2.0 * math.pi * ((np.arange(n) + 0.5) / (n * medium.band_period) + medium.band_phase)
    wave = (np.sin(t) + medium.band_shape * np.sin(2.0 * t)) / (1.0 + medium.band_shape)
    return (1.0 + medium.band_amplitude * wave).astype(np.float32)[:, None, None]


def _mirrored(medium: Screen, light: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Radiance that the glass adds: veil and panes, (n, n, 3) float32."""
    x, y = x.astype(np.float32), y.astype(np.float32)
    left, right, top, bottom = medium.veil
    veil = 0.5 * (left + (right - left) * x + top + (bottom - top) * y)
    added = np.maximum(veil, 0.0)[..., None] * light
    for pane in medium.panes:
        cos, sin = math.cos(pane.turn), math.sin(pane.turn)
        dx, dy = x - pane.centre[0], y - pane.centre[1]
        u, v = np.abs(cos * dx + sin * dy), np.abs(cos * dy - sin * dx)
        if pane.round:
            size = min(pane.half)
            depth = (1.0 - np.hypot(u / pane.half[0], v / pane.half[1])) * size
        else:
            depth = np.minimum(pane.half[0] - u, pane.half[1] - v)
            if pane.bars:
                depth = np.minimum(depth, np.minimum(u, v) - 0.008)
        share = smoothstep(0.5 + depth / pane.soft)
        added += share[..., None] * (np.array(pane.radiance, np.float32) * light)
    return added


def present(
    shown: np.ndarray,
    medium: Screen,
    view: View,
    aperture: Aperture,
    n: int,
    light: np.ndarray,
    behind: np.ndarray,
    cues: frozenset[str],
) -> Presented:
    """What a sensor sees of a screen that shows a captured face.

    Parameters
    ----------
    shown : ndarray
        (m, m, 3) uint8 sRGB canvas, what the attacker captured.
    medium, view, aperture
        The display, where the sensor's pixels look, what lens and aperture pass.
    n : int
        Sensor pixels across.
    light : ndarray
        (3,) linear RGB of the room's light, green = 1: lights bezel and reflections.
    behind : ndarray
        (n, n, 3) float32 radiance seen beyond the device, before PSF.
    cues : frozenset
        Active cues, of `CUES`. A cue that is off leaves all else as it is: without "gamut" the
        picture has its own linear colours, without "bezel" it continues to the border.

    Returns
    -------
    Presented
    """
    light = np.asarray(light, np.float32)
    x, y = view.plane(n)
    envelopes = {cue: np.zeros((n, n), np.float32) for cue in CUES if cue != "gamut"}
    base = _emitted(shown, medium, x, y, "gamut" in cues)
    if "bands" in cues:
        base *= _bands(medium, n)
        envelopes["bands"] += medium.band_amplitude
    fine = None
    if "moire" in cues:
        fine, envelopes["moire"] = modulation(medium, view, aperture, n)
    added = np.zeros((n, n, 3), np.float32)
    if "glare" in cues:
        added += _mirrored(medium, light, x, y)
    picture = cover(medium.sides, x, y) if "bezel" in cues else None
    frame = behind
    if picture is not None:
        device = cover(widen(medium.sides, medium.bezel), x, y)
        if device is None:
            frame = np.broadcast_to(medium.bezel_reflectance * light, base.shape)
        else:
            device = device[..., None]
            frame = medium.bezel_reflectance * light * device + behind * (1.0 - device)
            added *= device
    if "glare" in cues:
        envelopes["glare"] = blur(added @ LUMINANCE, aperture)
    irradiance, outside = compose(base, fine, added, frame, picture, aperture)
    if outside is not None:
        envelopes["bezel"] = outside
        for cue in ("moire", "bands"):
            envelopes[cue] = envelopes[cue] * (1.0 - outside)
    return Presented(irradiance, envelopes)
