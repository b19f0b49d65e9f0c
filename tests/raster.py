"""An oracle for screens and halftones: draw them finely, then let lens and pixel integrate.

Nothing here uses Fourier harmonics, and nothing is shared with the package but plain numbers: a
homography, a pitch, an aperture. Every point of a grid many times finer than the sensor is looked
up on the display or on the paper; each sensor pixel is the mean of those points under the point
spread and the pixel's own window.
"""

import math

import numpy as np

OVERSAMPLING = 32
"""Points per sensor pixel and axis."""

MARGIN = 5
"""Sensor pixels around the patch that the point spread may reach into."""


def points(first: int, size: int, n: int) -> np.ndarray:
    """Sensor coordinates (crop widths) of the fine points along one axis of a patch."""
    count = (size + 2 * MARGIN) * OVERSAMPLING
    return (first - MARGIN + (np.arange(count) + 0.5) / OVERSAMPLING) / n


def window(size: int, sigma: float, fill: float) -> np.ndarray:
    """(size, points) weights: the pixel's box convolved with the Gaussian, integrated per point."""
    count = (size + 2 * MARGIN) * OVERSAMPLING
    edges = np.arange(count + 1) / OVERSAMPLING - MARGIN
    rows = []
    for pixel in range(size):
        # Share of the response to the left of each edge: a box is a difference of two ramps.
        left, right = edges - (pixel + 0.5) + fill / 2, edges - (pixel + 0.5) - fill / 2
        response = (_ramp(left, sigma) - _ramp(right, sigma)) / fill
        rows.append(np.diff(response))
    weights = np.array(rows)
    return weights / weights.sum(1, keepdims=True)


def _ramp(t: np.ndarray, sigma: float) -> np.ndarray:
    """Integral of the Gaussian's distribution function."""
    z = t / sigma
    cdf = 0.5 * (1.0 + np.array([math.erf(v / math.sqrt(2.0)) for v in z]))
    return t * cdf + sigma * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)


def integrate(fine: np.ndarray, size: int, sigma: float, fill_x: float, fill_y: float):
    """Fine raster -> (size, size) sensor pixels."""
    return window(size, sigma, fill_y) @ fine @ window(size, sigma, fill_x).T


def look(homography, first, size, n):
    """Plane coordinates of every fine point of a patch seen through a homography."""
    sx, sy = np.meshgrid(points(first[0], size, n), points(first[1], size, n))
    ray = np.reshape(homography, (3, 3)) @ np.stack([sx.ravel(), sy.ravel(), np.ones(sx.size)])
    return (ray[0] / ray[2]).reshape(sx.shape), (ray[1] / ray[2]).reshape(sy.shape)


def grid(x, y, pitch, turn, phase):
    """Position in pitches of a grid turned about the crop's centre."""
    place = (x - 0.5) + 1j * (y - 0.5)
    place = place * np.exp(-1j * turn) / pitch
    return place.real + phase[0], place.imag + phase[1]


def _inside(distance: np.ndarray, half: float, foot: float) -> np.ndarray:
    """Anti-aliased |distance to the nearest centre| < half, for points `foot` apart."""
    return np.clip((half - np.abs(distance - np.round(distance))) / foot + 0.5, 0.0, 1.0)


def stripes(x, y, pitch, turn, phase, width=0.30, height=0.86):
    """Red, green and blue sub-pixels of a white screen: three rasters of mean 1."""
    u, v = grid(x, y, pitch, turn, phase)
    foot = abs(u[0, 1] - u[0, 0]) + abs(v[0, 1] - v[0, 0])
    rows = _inside(v, height / 2, foot) / height
    return [_inside(u - shift, width / 2, foot) / width * rows for shift in (-1 / 3, 0.0, 1 / 3)]


def dots(x, y, pitch, turn, phase, coverage):
    """Round dots of one ink (round holes above one half): a raster of mean `coverage`."""
    u, v = grid(x, y, pitch, turn, phase)
    foot = abs(u[0, 1] - u[0, 0]) + abs(v[0, 1] - v[0, 0])
    hole = coverage > 0.5
    if hole:
        u, v = u + 0.5, v + 0.5
    radius = math.sqrt(min(coverage, 1.0 - coverage) / math.pi)
    distance = np.hypot(u - np.round(u), v - np.round(v))
    ink = np.clip((radius - distance) / foot + 0.5, 0.0, 1.0)
    return 1.0 - ink if hole else ink
