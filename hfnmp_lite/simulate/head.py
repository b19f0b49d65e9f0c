"""The head as a height field on a fixed grid of face coordinates: superellipse, bumps, hair volume.

Face coordinates: the unit is half the width of the head (about 7.6 cm); u runs to the right of the
image, v down, z towards the camera; the origin lies between the pupils, at the depth of the ears.
The grid has `PPU` samples a unit whatever the size rendered, so every size shows the same face.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from hfnmp_lite.simulate.face import Shot, Subject

PPU = 160  # grid samples per unit: 1.25 times what a 420-px canvas resolves
U_RANGE = (-1.42, 1.42)
V_RANGE = (-1.72, 1.78)
WIDTH = round((U_RANGE[1] - U_RANGE[0]) * PPU)
HEIGHT = round((V_RANGE[1] - V_RANGE[0]) * PPU)
U = ((np.arange(WIDTH) + 0.5) / PPU + U_RANGE[0]).astype(np.float32)  # (W,)
V = ((np.arange(HEIGHT) + 0.5) / PPU + V_RANGE[0]).astype(np.float32)  # (H,)

CENTRE_V = -0.2  # the superellipse's centre
CROWN, CHIN = -1.5, 1.44
FLOOR = -1.8  # nothing is modelled deeper
SIDE_SLOPE = 11.0  # of the sides of the head: steep, yet a slope that a grid can hold


def smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Cubic step from 0 at `low` to 1 at `high`, elementwise; low > high gives the falling step."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def window(u: float, v: float, half_u: float, half_v: float) -> tuple[slice, slice]:
    """The grid's (rows, columns) that cover u +- half_u, v +- half_v."""
    left, right = np.searchsorted(U, (u - half_u, u + half_u))
    top, bottom = np.searchsorted(V, (v - half_v, v + half_v))
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def outline(subject: Subject, grow: float | np.ndarray = 0.0) -> np.ndarray:
    """Superellipse radius F of every grid point, (H, W) float32: 1 on the head's outline.

    `grow` moves the outline outwards, by one amount or by one for each row (H,).
    """
    below = V > CENTRE_V
    half = np.where(below, CHIN * subject.face_length - CENTRE_V, CENTRE_V - CROWN) + grow
    ratio = np.abs(V - CENTRE_V) / half
    taper = 1.0 - subject.jaw_taper * smoothstep(V, 0.25, 1.45)
    taper = taper * (1.0 - 0.05 * smoothstep(V, -0.3, -1.1))
    power = 2.4
    across, wide = np.abs(U) ** np.float32(power), (0.94 * taper + grow) ** -power
    sums = across[None] * wide.astype(np.float32)[:, None]
    sums += (ratio**power).astype(np.float32)[:, None]
    return cv2.pow(sums, 1.0 / power)


def _pair(u, v, su, sv, amplitude):
    return [(u, v, su, sv, amplitude), (-u, v, su, sv, amplitude)]


def bumps(subject: Subject, shot: Shot) -> np.ndarray:
    """The Gaussian bumps: rows of u, v, sigma_u, sigma_v, amplitude, in face coordinates."""
    s, mouth, tip = subject, mouth_v(subject), nose_v(subject)
    eye, wide = s.eye_spacing, s.nose_width
    corner = s.mouth_width * (1.0 + 0.14 * shot.smile)
    full = s.lip_fullness
    rows = [
        (0.0, mouth - 0.03, 0.36, 0.30, 0.13),  # muzzle
        (0.0, -0.21, 0.13, 0.11, 0.035),  # glabella
        (0.0, 1.24 * s.face_length, 0.21, 0.13, 0.15 * s.chin),
        (0.0, 1.10 * s.face_length, 0.20, 0.05, -0.05),  # fold above the chin
        (0.0, mouth - 0.055 * full, corner * 0.50, 0.042, 0.045 * full),  # lips and their seam
        (0.0, mouth + 0.080 * full, corner * 0.45, 0.050, 0.060 * full),
        (0.0, mouth + 0.005, corner * 0.62, 0.016, -0.05),
        (0.0, 0.5 * (mouth + tip) + 0.03, 0.028, 0.07, -0.018),  # philtrum
        (0.0, tip, 0.105, 0.085, 0.08),  # tip of the nose
    ]
    rows += _pair(0.37, -0.24, 0.24, 0.085, 0.03 + 0.05 * s.masculinity)  # brow ridge
    rows += _pair(eye, 0.0, 0.21, 0.13, -0.12 * s.eye_depth)  # socket
    rows += _pair(0.19, 0.02, 0.07, 0.12, -0.03)  # between socket and nose
    rows += _pair(eye, 0.015, 0.14, 0.095, 0.085)  # eyeball
    rows += _pair(0.60, 0.38, 0.22, 0.16, 0.065 * s.cheek)  # cheek bone
    rows += _pair(0.46, 0.52, 0.17, 0.14, 0.03 + 0.06 * shot.smile)
    rows += _pair(0.62, 0.92, 0.18, 0.20, -0.05 * s.hollow)
    rows += _pair(0.80, -0.35, 0.13, 0.24, -0.035)  # temple
    rows += _pair(0.66, 0.98, 0.18, 0.16, 0.06 * s.masculinity)  # angle of the jaw
    rows += _pair(wide, tip + 0.045, 0.068, 0.062, 0.115)  # wings of the nose
    rows += _pair(0.52 * wide, tip + 0.13, 0.045, 0.026, -0.10)  # nostrils
    rows += _pair(corner + 0.02, mouth + 0.01, 0.05, 0.05, -0.035)
    rows += _pair(0.36, -0.70, 0.30, 0.20, 0.02)  # forehead
    return np.array(rows, np.float32)


def nose_v(subject: Subject) -> float:
    """Height of the tip of the nose."""
    return 0.50 * subject.nose_length


def mouth_v(subject: Subject) -> float:
    """Height of the seam of the lips."""
    return 0.62 * (0.5 * subject.nose_length + 0.5) + 0.315 * subject.face_length


def _nose(subject: Subject) -> np.ndarray:
    """The ridge of the nose: a Gaussian across whose height and width change along it."""
    tip = nose_v(subject)
    root = -0.05
    along = np.clip((V - root) / (tip - root), 0.0, 1.0)
    height = 0.11 * subject.nose_bridge + (0.33 * subject.nose_height - 0.08) * along**1.15
    height = height * smoothstep(V, root - 0.30, root + 0.06)
    below = np.clip(V - tip, 0.0, None)
    height = height * np.exp(-0.5 * (below / 0.085) ** 2)
    width = 0.078 + (0.077 + 0.25 * (subject.nose_width - 0.17)) * along**1.3
    rows = np.abs(U) < 0.7
    ridge = np.zeros((HEIGHT, WIDTH), np.float32)
    near = U[rows][None, :] / width[:, None]
    ridge[:, rows] = height[:, None] * np.exp(-0.5 * near * near)
    return ridge


def _ears(subject: Subject, z: np.ndarray) -> np.ndarray:
    """Raise the two ears beside the head, in place; returns their soft mask (H, W)."""
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    for side in (-1.0, 1.0):
        centre = side * (0.91 + 0.04 * subject.ear)
        rows, columns = window(centre, 0.2, 0.3, 0.5)
        a = (U[columns][None, :] - centre) * side
        b = V[rows][:, None] - 0.20
        a = a - 0.10 * subject.ear - 0.06 * smoothstep(b, 0.1, -0.3) + 0.06
        r = np.sqrt((a / (0.115 + 0.03 * subject.ear - 0.05 * b)) ** 2 + (b / 0.30) ** 2)
        rim = np.exp(-(((r - 0.82) / 0.16) ** 2))
        plate = -0.10 + 0.06 * rim - 0.10 * smoothstep(r, 0.65, 0.2) - 0.5 * a
        inside = smoothstep(r, 1.06, 0.94)
        old = z[rows, columns]
        raised = np.maximum(old, plate - 2.0 * np.clip(r - 1.0, 0.0, None))
        mask[rows, columns] = inside * (raised > old)
        z[rows, columns] = np.where(r < 1.5, raised, old)
    return mask


def skull(subject: Subject, shot: Shot) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bare head.

    Returns
    -------
    z : ndarray (H, W) float32
        Height in units; falls steeply outside the outline (the side of the head).
    radius : ndarray (H, W) float32
        Superellipse radius, 1 on the outline.
    ears : ndarray (H, W) float32
        Soft mask of the ears.
    """
    radius = outline(subject)
    flat = (2.5 + 1.3 * smoothstep(V, 0.1, 1.1))[:, None]  # the lower face is flatter in profile
    power = cv2.exp(flat * cv2.log(np.clip(radius, 1e-3, 1.0)))  # radius ** flat
    dome = 1.12 * np.sqrt(1.0 - np.minimum(power, 1.0))
    table = bumps(subject, shot)
    across = np.exp(-0.5 * ((U[None] - table[:, :1]) / table[:, 2:3]) ** 2)  # (K, W)
    along = np.exp(-0.5 * ((V[None] - table[:, 1:2]) / table[:, 3:4]) ** 2)  # (K, H)
    relief = (along * table[:, 4:5]).T @ across + _nose(subject)
    z = (
        dome
        + relief * smoothstep(radius, 1.05, 0.85)
        - SIDE_SLOPE * np.clip(radius - 1.0, 0.0, None)
    )
    hidden = subject.hair_style in ("bob", "long")
    ears = np.zeros_like(z) if hidden else _ears(subject, z)
    return np.maximum(z, FLOOR).astype(np.float32), radius, ears


def normals(z: np.ndarray) -> np.ndarray:
    """Unit normals (H, W, 3) of a height field on the grid: x right, y down, z to the camera."""
    gx = cv2.Sobel(z, cv2.CV_32F, 1, 0, scale=PPU / 8.0)
    gy = cv2.Sobel(z, cv2.CV_32F, 0, 1, scale=PPU / 8.0)
    inverse = 1.0 / np.sqrt(gx * gx + gy * gy + 1.0)
    return cv2.merge([-gx * inverse, -gy * inverse, inverse])
