"""Where a canvas's rays meet the head: pose, projection, ray casting on a height field, shadows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from hfnmp_lite.simulate.geometry import MARGIN
from hfnmp_lite.simulate.head import PPU, U_RANGE, V_RANGE, smoothstep

if TYPE_CHECKING:
    from hfnmp_lite.simulate.face import Shot

SCALE = 0.355  # crop widths per unit of face coordinates
EYES_Y = 0.40  # height of the pupils in the crop
CAMERA = 10.0  # distance of the camera in units: about 75 cm
PIVOT = np.array([0.0, 0.35, -0.2])  # the head turns about the neck
CAST = 192  # side of the grid on which rays are cast
FAR, NEAR, STEPS = -0.45, 1.62, 19


def rotation(shot: Shot) -> np.ndarray:
    """Face coordinates to view coordinates, (3, 3): roll, after pitch, after yaw."""
    yaw, pitch, roll = np.radians([shot.yaw, shot.pitch, shot.roll])
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def view_axes(shot: Shot, size: int) -> tuple[np.ndarray, np.ndarray]:
    """View coordinates (units) of a canvas's columns and rows: x (size,), y (size,) float32."""
    crop = (np.arange(size) + 0.5) / size * (1 + 2 * MARGIN) - MARGIN
    x = (crop - 0.5 - shot.offset_x) / (SCALE * shot.zoom)
    y = (crop - EYES_Y - shot.offset_y) / (SCALE * shot.zoom)
    return x.astype(np.float32), y.astype(np.float32)


def project(points: np.ndarray, shot: Shot, size: int) -> np.ndarray:
    """Face coordinates (k, 3) to canvas pixels (k, 2)."""
    p = (points - PIVOT) @ rotation(shot).T + PIVOT
    xy = p[:, :2] / (1 - p[:, 2:] / CAMERA) * SCALE * shot.zoom
    crop = xy + np.array([0.5 + shot.offset_x, EYES_Y + shot.offset_y])
    return (crop + MARGIN) / (1 + 2 * MARGIN) * size - 0.5


def pixels_per_unit(shot: Shot, size: int) -> float:
    """Canvas pixels per unit of face coordinates."""
    return size / (1 + 2 * MARGIN) * SCALE * shot.zoom


def cast(z: np.ndarray, shot: Shot) -> np.ndarray:
    """Cast a ray through every point of the coarse grid onto the height field.

    Returns
    -------
    ndarray (CAST, CAST, 4) float32
        u, v where the ray meets the surface, or comes closest to it; depth along the view axis;
        clearance: positive where the ray is inside the surface at some depth, in units.
    """
    coarse = cv2.resize(z, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    x, y = np.meshgrid(*view_axes(shot, CAST))
    inverse = rotation(shot).T.astype(np.float32)
    pivot = PIVOT.astype(np.float32)
    half = PPU / 2.0
    # each face coordinate along a ray is linear in the depth t: start + t * step
    start, step = [], []
    for row, centre in zip(inverse, pivot, strict=True):
        start.append(row[0] * (x - pivot[0]) + row[1] * (y - pivot[1]) - row[2] * pivot[2] + centre)
        step.append(row[2] - (row[0] * x + row[1] * y) / np.float32(CAMERA))
    for axis, low in ((0, U_RANGE[0]), (1, V_RANGE[0])):  # in samples of the coarse grid
        start[axis] = (start[axis] - np.float32(low)) * np.float32(half) - np.float32(0.5)
        step[axis] = step[axis] * np.float32(half)

    def surface(t):
        places = [a + t * b for a, b in zip(start, step, strict=True)]
        under = cv2.remap(coarse, *places[:2], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        return places[0], places[1], under - places[2]

    found = np.zeros(x.shape, bool)
    best = np.full(x.shape, -9.0, np.float32)
    depth = np.full(x.shape, FAR, np.float32)  # of the first hit
    deepest = depth  # where the ray is deepest inside, or misses by least
    for t in np.linspace(NEAR, FAR, STEPS, dtype=np.float32):
        *_, clear = surface(t)
        closer = clear > best
        depth = np.where(~found & (clear > 0), t, depth)
        deepest = np.where(closer, t, deepest)
        best = np.where(closer, clear, best)
        found |= clear > 0
    pace = np.float32((NEAR - FAR) / (STEPS - 1))
    for offset in (0.5, -0.5, 0.25, -0.25, 0.12, -0.12):  # or the outline shows the steps
        t = np.maximum(deepest + np.float32(offset) * pace, np.float32(FAR))
        *_, clear = surface(t)
        deepest = np.where(clear > best, t, deepest)
        best = np.maximum(best, clear)
    inside, outside = depth, depth + pace
    for _ in range(4):  # bisect; the sides of the head are too steep for Newton
        middle = 0.5 * (inside + outside)
        *_, clear = surface(middle)
        inside = np.where(clear > 0, middle, inside)
        outside = np.where(clear > 0, outside, middle)
    depth = np.where(found, 0.5 * (inside + outside), deepest)
    u, v, _ = surface(depth)
    u, v = (u + 0.5) / half + U_RANGE[0], (v + 0.5) / half + V_RANGE[0]
    return cv2.merge([a.astype(np.float32) for a in (u, v, depth, best)])


def shadow(depth: np.ndarray, shot: Shot) -> np.ndarray:
    """Visibility of the key light in [0, 1] on a coarse depth map, by a short horizon search."""
    side = depth.shape[0]
    scale = pixels_per_unit(shot, side)
    horizontal = max(np.hypot(shot.key_x, shot.key_y), 1e-3)
    dx, dy = shot.key_x / horizontal, shot.key_y / horizontal
    rise = max(shot.key_z, 0.05) / horizontal  # of the light's ray per unit travelled sideways
    block = np.full(depth.shape, -9.0, np.float32)
    for reach in (0.03, 0.06, 0.10, 0.15, 0.21, 0.28, 0.37, 0.48, 0.62, 0.8):
        shift = np.float32([[1, 0, dx * reach * scale], [0, 1, dy * reach * scale]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        there = cv2.warpAffine(
            depth, shift, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        block = np.maximum(block, (there - depth - 0.01) / reach)
    return smoothstep(block, rise * 1.15 + 0.06, rise * 0.85 - 0.06)
