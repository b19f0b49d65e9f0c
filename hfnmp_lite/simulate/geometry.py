"""Where a sensor pixel looks, and what the lens and the pixel's aperture let through.

Lengths are *crop widths*: the nominal face crop is [0, 1]^2 of the scene's (or medium's) plane, x
right, y down. A *canvas* is an image of that plane from -MARGIN to 1 + MARGIN in both axes. The
sensor has n x n pixels; in the undisturbed view their centres are (i + 1/2) / n. Frequencies are
cycles per sensor pixel. Sources: [l] Liu et al. 2018 (homography and lens before the sensor samples
a screen); the rest is textbook optics, its ranges our tuning [t].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

MARGIN = 0.15
"""How far a canvas reaches beyond the nominal crop, in crop widths."""

CUES = ("moire", "halftone", "glare", "bezel", "bands", "gamut")
"""All cues; a print has all but "moire", a replay all but "halftone"."""

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Luminance of linear RGB with sRGB primaries (ITU-R BT.709)."""

DISTANCE = 3.0
"""From the camera to the plane, in crop widths: a face of .2 m at .6 m [t]."""

_codes = np.arange(256) / 255.0
SRGB_TO_LINEAR = np.where(
    _codes <= 0.04045, _codes / 12.92, ((_codes + 0.055) / 1.055) ** 2.4
).astype(np.float32)
"""Linear value of each 8-bit sRGB code (IEC 61966-2-1)."""

Mapping = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Presented:
    """What reaches the sensor.

    Attributes
    ----------
    irradiance : ndarray
        (n, n, 3) float32, linear RGB, >= 0, after PSF and pixel aperture; 1 = a diffuse white.
    envelopes : dict
        Analytic ground truth, each (n, n) float32. "moire", "halftone": RMS over phase (and
        channels) of the modulation, as a fraction of the local radiance. "glare": added radiance
        (luminance). "bezel": coverage by anything but the shown picture, in [0, 1]. "bands":
        amplitude as a fraction of the local radiance. A cue that is switched off has a zero map.
    """

    irradiance: np.ndarray
    envelopes: dict[str, np.ndarray]


# --- lens and aperture --------------------------------------------------------------------------


@dataclass(frozen=True)
class Aperture:
    """Gaussian point spread and rectangular pixel aperture, in sensor pixels.

    `sigma` >= 0 is the spread's standard deviation; `fill_x`, `fill_y` in (0, 1] are the
    light-sensitive share of the pixel's width and height (small vertically: lines are skipped).
    """

    sigma: float
    fill_x: float
    fill_y: float


def otf(fx: np.ndarray, fy: np.ndarray, aperture: Aperture) -> np.ndarray:
    """Optical transfer function of lens and pixel aperture.

    OTF(f) = sinc(fill_x f_x) sinc(fill_y f_y) exp(-2 pi^2 sigma^2 |f|^2), with
    sinc(t) = sin(pi t) / (pi t).

    Parameters
    ----------
    fx, fy : ndarray
        Frequencies in cycles per sensor pixel, any (broadcastable) shapes; beyond 1/2 they alias.

    Returns
    -------
    ndarray
        Real, in (-.22, 1]; 1 at frequency 0.
    """
    pixel = np.sinc(aperture.fill_x * fx) * np.sinc(aperture.fill_y * fy)
    return pixel * np.exp(-2.0 * (math.pi * aperture.sigma) ** 2 * (fx * fx + fy * fy))


def _kernel(sigma: float, fill: float) -> np.ndarray:
    """Positive taps with the variance of PSF and aperture, sigma^2 + fill^2 / 12, in one axis.

    Below .6 px^2 a sampled Gaussian is wrong, so five taps are solved for that variance and, where
    positive taps allow, for the OTF at the Nyquist frequency. Positive taps cannot ring: no new
    colours at outlines, and a mask's support grows by two pixels at most.
    """
    variance = sigma**2 + fill**2 / 12.0
    if variance >= 0.6:
        radius = math.ceil(3.5 * math.sqrt(variance))
        taps = np.exp(-0.5 * np.arange(-radius, radius + 1) ** 2 / variance)
        return taps / taps.sum()
    nyquist = np.sinc(fill / 2) * math.exp(-0.5 * (math.pi * sigma) ** 2)
    outer = max((variance - (1.0 - nyquist) / 2.0) / 8.0, 0.0)
    inner = variance / 2.0 - 4.0 * outer
    return np.array([outer, inner, 1.0 - 2.0 * (inner + outer), inner, outer])


def blur(image: np.ndarray, aperture: Aperture) -> np.ndarray:
    """Apply PSF and pixel aperture to an image that is already sampled at the sensor's pixels.

    This is the share of the base radiance (face, picture, outlines). Fine periodic structure must
    not go through it: sampled, its frequencies have already aliased; it carries `otf` instead.

    Parameters
    ----------
    image : ndarray
        (n, n) or (n, n, c) float32.

    Returns
    -------
    ndarray
        Same shape, float32; the border is reflected.
    """
    x, y = _kernel(aperture.sigma, aperture.fill_x), _kernel(aperture.sigma, aperture.fill_y)
    return cv2.sepFilter2D(image, cv2.CV_32F, x, y, borderType=cv2.BORDER_REFLECT)


# --- where a pixel looks ------------------------------------------------------------------------


def pixel_centres(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Sensor coordinates (sx, sy) of n x n pixel centres: two (n, n) float64, crop widths."""
    line = (np.arange(n) + 0.5) / n
    sx, sy = np.meshgrid(line, line)
    return sx, sy


def differentiate(mapping: Mapping, n: int) -> np.ndarray:
    """Jacobian of any smooth `mapping` (sx, sy) -> (x, y), by central differences in float64.

    Returns
    -------
    ndarray
        (n, n, 2, 2), [..., i, j] = d plane_i / d sensor_j, in crop widths per sensor pixel of an
        n x n sensor; the error is about 1e-9 relative.
    """
    sx, sy = pixel_centres(n)
    step = 1e-4
    columns = []
    for dx, dy in ((step, 0.0), (0.0, step)):
        after, before = mapping(sx + dx, sy + dy), mapping(sx - dx, sy - dy)
        columns.append(np.stack([a - b for a, b in zip(after, before, strict=True)], -1))
    return np.stack(columns, -1) / (2.0 * step * n)


@dataclass(frozen=True)
class View:
    """How the sensor looks at the plane: a homography, and before it a small radial distortion.

    Attributes
    ----------
    homography : tuple of 9 floats
        Row-major 3x3, from sensor to plane, both in crop widths.
    distortion : float
        d in s' = c + (s - c)(1 + d |s - c|^2), c = (.5, .5); |d| is at most a few hundredths.
    """

    homography: tuple[float, ...]
    distortion: float

    def at(self, sx: np.ndarray, sy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Plane coordinates seen at sensor coordinates; arrays of one shape, crop widths."""
        h = self.homography
        dx, dy = sx - 0.5, sy - 0.5
        stretch = 1.0 + self.distortion * (dx * dx + dy * dy)
        px, py = 0.5 + dx * stretch, 0.5 + dy * stretch
        w = h[6] * px + h[7] * py + h[8]
        return (h[0] * px + h[1] * py + h[2]) / w, (h[3] * px + h[4] * py + h[5]) / w

    def plane(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Plane coordinates (x, y) at the pixel centres: two (n, n) float64, crop widths."""
        return self.at(*pixel_centres(n))

    def jacobian(self, n: int) -> np.ndarray:
        """Analytic Jacobian at the pixel centres of an n x n sensor.

        Returns
        -------
        ndarray
            (n, n, 2, 2) float64, [..., i, j] = d plane_i / d sensor_j in crop widths per pixel. A
            frequency k of the plane appears at J^T k cycles per pixel.
        """
        sx, sy = pixel_centres(n)
        dx, dy = sx - 0.5, sy - 0.5
        d, r2 = self.distortion, dx * dx + dy * dy
        lens = np.empty((n, n, 2, 2))
        lens[..., 0, 0] = 1.0 + d * (r2 + 2.0 * dx * dx)
        lens[..., 1, 1] = 1.0 + d * (r2 + 2.0 * dy * dy)
        lens[..., 0, 1] = lens[..., 1, 0] = 2.0 * d * dx * dy
        h = self.homography
        px, py = 0.5 + dx * (1.0 + d * r2), 0.5 + dy * (1.0 + d * r2)
        w = h[6] * px + h[7] * py + h[8]
        x, y = (h[0] * px + h[1] * py + h[2]) / w, (h[3] * px + h[4] * py + h[5]) / w
        tilt = np.empty((n, n, 2, 2))
        tilt[..., 0, 0], tilt[..., 0, 1] = (h[0] - x * h[6]) / w, (h[1] - x * h[7]) / w
        tilt[..., 1, 0], tilt[..., 1, 1] = (h[3] - y * h[6]) / w, (h[4] - y * h[7]) / w
        return tilt @ lens / n


FRONTAL = View((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), 0.0)
"""The undisturbed view: the plane is the sensor."""


def _homography(
    pitch: float, yaw: float, roll: float, zoom: float, shift: tuple[float, float]
) -> tuple[float, ...]:
    """Sensor -> plane for a pinhole at DISTANCE before a plane turned by three angles (radians)."""
    cx, sx, cy, sy = math.cos(pitch), math.sin(pitch), math.cos(yaw), math.sin(yaw)
    cr, sr = math.cos(roll), math.sin(roll)
    turn = (
        np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
        @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        @ np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    )
    camera = np.array([[DISTANCE * zoom, 0, 0], [0, DISTANCE * zoom, 0], [0, 0, 1.0]])
    placed = np.stack([turn[:, 0], turn[:, 1], [0.0, 0.0, DISTANCE]], 1)
    centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    back = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
    shifted = np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1.0]])
    sensor = centre @ shifted @ camera @ placed @ back  # plane -> sensor
    matrix = np.linalg.inv(sensor)
    return tuple(float(v) for v in (matrix / matrix[2, 2]).ravel())


def draw_view(
    rng: np.random.Generator,
    *,
    tilt_deg: float = 4.0,
    roll_deg: float = 2.5,
    zoom: float = 0.03,
    shift: float = 0.015,
    distortion: float = 0.03,
) -> View:
    """Draw a view; one distribution serves live faces and attacks alike [t].

    Parameters
    ----------
    tilt_deg, roll_deg : float
        Standard deviations of the plane's two tilts and of its roll about the optical axis.
    zoom, shift : float
        Standard deviations of log zoom and of the shift in crop widths.
    distortion : float
        The radial distortion is uniform in [-distortion, distortion].
    """
    z = np.clip(rng.standard_normal(6), -2.5, 2.5)
    pitch, yaw, roll = np.radians([tilt_deg, tilt_deg, roll_deg]) * z[:3]
    matrix = _homography(
        pitch, yaw, roll, math.exp(zoom * z[3]), (float(shift * z[4]), float(shift * z[5]))
    )
    return View(matrix, float(rng.uniform(-distortion, distortion)))


def jitter_view(rng: np.random.Generator, view: View) -> View:
    """The next frame's view: a hand's tremor of some .5 degrees and .4 % of the crop [t]."""
    z = np.clip(rng.standard_normal(6), -2.5, 2.5)
    pitch, yaw, roll = np.radians([0.7, 0.7, 0.4]) * z[:3]
    tremor = _homography(
        pitch, yaw, roll, math.exp(0.004 * z[3]), (float(0.004 * z[4]), float(0.004 * z[5]))
    )
    matrix = np.reshape(view.homography, (3, 3)) @ np.reshape(tremor, (3, 3))
    return replace(view, homography=tuple(float(v) for v in (matrix / matrix[2, 2]).ravel()))


def warp(canvas: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sample a canvas at plane coordinates.

    Where the canvas is finer than the sensor it is first blurred to what the sensor can sample, so
    that hair and edges do not alias; beyond the canvas its edge is repeated.

    Parameters
    ----------
    canvas : ndarray
        (m, m) or (m, m, c), float32, values >= 0, covering [-MARGIN, 1 + MARGIN]^2.
    x, y : ndarray
        (n, n) plane coordinates, crop widths.

    Returns
    -------
    ndarray
        (n, n) or (n, n, c) float32, >= 0.
    """
    scale = canvas.shape[0] / (1.0 + 2.0 * MARGIN)  # canvas pixels per crop width
    span = math.hypot(x[0, -1] - x[0, 0], y[0, -1] - y[0, 0]) / (x.shape[1] - 1)
    ratio = scale * span  # canvas pixels per sensor pixel
    if ratio > 1.1:
        canvas = cv2.GaussianBlur(canvas, (0, 0), 0.45 * math.sqrt(ratio**2 - 1.0))
    map_x = ((x + MARGIN) * scale - 0.5).astype(np.float32)
    map_y = ((y + MARGIN) * scale - 0.5).astype(np.float32)
    out = cv2.remap(canvas, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.maximum(out, 0.0, out=out)  # the cubic overshoots beside highlights


# --- outlines and soft shapes -------------------------------------------------------------------


def cover(
    sides: tuple[float, float, float, float], x: np.ndarray, y: np.ndarray
) -> np.ndarray | None:
    """Share of each pixel that an upright rectangle of the plane covers, anti-aliased.

    Parameters
    ----------
    sides : tuple
        Left, top, right, bottom in crop widths of the plane.
    x, y : ndarray
        (n, n) plane coordinates of the pixel centres.

    Returns
    -------
    ndarray or None
        (n, n) float32 in [0, 1]; None where the rectangle fills the view.
    """
    left, top, right, bottom = sides
    covered = None
    for signed in (x - left, right - x, y - top, bottom - y):
        if signed.min() > 0.02:
            continue
        rows, columns = np.gradient(signed)
        share = np.clip(0.5 + signed / np.hypot(rows, columns), 0.0, 1.0).astype(np.float32)
        covered = share if covered is None else covered * share
    return covered


def widen(sides: tuple[float, ...], by: float) -> tuple[float, float, float, float]:
    """Move all four sides outwards by `by` crop widths."""
    left, top, right, bottom = sides
    return left - by, top - by, right + by, bottom + by


def compose(
    base: np.ndarray,
    fine: np.ndarray | None,
    added: np.ndarray,
    frame: np.ndarray,
    picture: np.ndarray | None,
    aperture: Aperture,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Put picture, its fine structure, what surrounds it and mirrored light together.

    Parameters
    ----------
    base : ndarray
        (n, n, 3) float32 radiance of the picture, before PSF.
    fine : ndarray or None
        (n, n, 3) factor of the fine periodic structure, which carries its OTF already.
    added, frame : ndarray
        (n, n, 3) light added to everything, and what is seen where the picture is not.
    picture : ndarray or None
        (n, n) share of the picture; None where it fills the view.

    Returns
    -------
    irradiance : ndarray
        (n, n, 3) float32 at the sensor.
    outside : ndarray or None
        (n, n) share of anything but the picture, after PSF and aperture.
    """
    outside = None
    if picture is not None:
        inside = picture[..., None]
        base, added = base * inside, added + frame * (1.0 - inside)
        outside = blur(1.0 - picture, aperture)
    irradiance = blur(base, aperture)
    if fine is not None:
        irradiance *= fine
    irradiance += blur(added, aperture)
    return irradiance, outside


def smoothstep(t: np.ndarray) -> np.ndarray:
    """3 t^2 - 2 t^3 on [0, 1], constant outside: a soft edge with compact support."""
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def draw_sides(rng: np.random.Generator, chance: float, depth: float) -> tuple[float, ...]:
    """Draw a picture's outline: with probability `chance` one or two sides enter the crop.

    A side that enters lies up to `depth` crop widths inside it, else far outside. The order is
    left, top, right, bottom.
    """
    enters = rng.uniform() < chance
    first, second = rng.permutation(4)[:2]
    both = rng.uniform() < 0.3
    inset = rng.uniform(0.0, depth, 4)
    far = (-1.0, -1.0, 2.0, 2.0)
    near = (inset[0], inset[1], 1.0 - inset[2], 1.0 - inset[3])
    chosen = {int(first), int(second)} if both else {int(first)}
    return tuple(float(near[i] if enters and i in chosen else far[i]) for i in range(4))
