"""What comes with a head: neck, shoulders and clothes behind it, glasses before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from hfnmp_lite.simulate.head import smoothstep
from hfnmp_lite.simulate.rays import project, view_axes

if TYPE_CHECKING:
    from hfnmp_lite.simulate.face import Shot, Subject

# Height of the collar in front of the neck and how steeply it rises to the sides.
COLLARS = {"crew": (1.66, 0.25), "vee": (1.85, 1.1), "collar": (1.60, 0.75), "hood": (1.58, 0.35)}


def body(subject: Subject, shot: Shot, size: int) -> dict[str, np.ndarray]:
    """Neck, shoulders and clothes, which stay upright when the head turns.

    Returns
    -------
    dict of ndarray float32
        `albedo`, `normal` (3, h, size); `depth`, `cover`, `skin` (h, size): the lowest h rows of
        the canvas; there is nothing above them.
    """
    x, y = view_axes(shot, size)
    pixel = float(x[1] - x[0])
    y = y[np.searchsorted(y, 0.55) :]
    x, y = (x - np.float32(0.10 * np.sin(np.radians(shot.yaw))))[None, :], y[:, None]
    wide = np.abs(x)
    neck = 0.66 + 0.12 * subject.masculinity + 0.45 * np.clip(y - 1.15, 0, None) ** 2
    shoulder = 1.60 + 0.06 * subject.masculinity + 0.30 * np.clip(wide - 0.6, 0, None) ** 1.3
    height, rise = COLLARS[subject.clothes]
    line = height + 0.15 - rise * wide + 0.2 * x * x
    cloth = smoothstep(y - np.maximum(line, shoulder), -pixel, pixel)
    cover = np.maximum(smoothstep(neck - wide, -pixel, pixel) * smoothstep(y, 0.6, 0.7), cloth)
    seam = np.exp(-0.5 * ((y - np.maximum(line, shoulder) - 0.09) / 0.012) ** 2)
    fold = 1 + 0.10 * np.sin(9 * x + 5 * y + 3 * np.sin(4 * y)) - 0.3 * seam
    albedo = [
        0.92 * s + cloth * (c * fold - 0.92 * s)
        for s, c in zip(subject.albedo, subject.clothes_rgb, strict=True)
    ]
    rho = np.clip(x / neck, -0.97, 0.97)
    nx = rho * (1 - cloth) + np.clip(0.25 * x, -0.5, 0.5) * cloth
    ny = 0.15 - 0.60 * cloth
    nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0.05, None))
    depth = -0.55 + 0.55 * np.sqrt(1 - rho * rho) * (1 - cloth) + 0.45 * cloth
    return {
        "albedo": np.asarray(albedo, np.float32),
        "normal": np.asarray([nx, ny, nz], np.float32),
        "depth": depth.astype(np.float32),
        "cover": cover.astype(np.float32),
        "skin": (cover * (1 - cloth)).astype(np.float32),
    }


def _rim(subject: Subject, side: int) -> np.ndarray:
    """Outline of one lens in face coordinates, (64, 3)."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    power = {"round": 2.1, "square": 4.5, "rimless": 3.0}[subject.glasses]
    radius = (np.abs(c) ** power + np.abs(s) ** power) ** (-1 / power)
    tall = {"round": 0.30, "square": 0.245, "rimless": 0.22}[subject.glasses]
    u = side * (subject.eye_spacing + 0.015 + 0.325 * radius * c)
    v = 0.05 + tall * radius * s - 0.02 * c
    z = 1.20 - 0.18 * u * u  # before the brow, wrapped a little around the face
    return np.stack([u, v, z], 1)


def glasses(subject: Subject, shot: Shot, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Coverage of the frame and of the lenses of a pair of glasses, (size, size) float32 each."""
    fine = 2  # drawn twice as large with anti-aliased lines, then averaged
    frame = np.zeros((size * fine, size * fine), np.uint8)
    lens = np.zeros_like(frame)
    unit = project(np.array([[0, 0, 1.1], [1, 0, 1.1]]), shot, size * fine)
    unit = float(np.hypot(*(unit[1] - unit[0])))
    width = max(
        1, round({"round": 0.030, "square": 0.050, "rimless": 0.010}[subject.glasses] * unit)
    )

    def line(points: np.ndarray, closed: bool, thick: int) -> None:
        pixels = np.round(project(points, shot, size * fine) * 16).astype(np.int32)
        cv2.polylines(frame, [pixels], closed, 255, thick, cv2.LINE_AA, 4)

    for side in (-1, 1):
        rim = _rim(subject, side)
        pixels = np.round(project(rim, shot, size * fine) * 16).astype(np.int32)
        cv2.fillPoly(lens, [pixels], 255, cv2.LINE_AA, 4)
        line(rim, True, width)
        hinge = rim[np.argmax(side * rim[:, 0])]
        toward_camera = side * shot.yaw < 4  # the far arm hides behind the head
        if toward_camera:
            arm = np.array([hinge, [side * 0.95, -0.06, 0.55], [side * 0.97, -0.05, 0.0]])
            line(arm, False, max(1, round(0.6 * width)))
    bridge = np.linspace(-1, 1, 9)[:, None] * (subject.eye_spacing - 0.31)
    curve = np.hstack([bridge, -0.03 - 0.03 * np.cos(bridge * 8), 1.20 + 0 * bridge])
    line(curve, False, width)
    small = [cv2.resize(m, (size, size), interpolation=cv2.INTER_AREA) for m in (frame, lens)]
    return small[0].astype(np.float32) / 255, small[1].astype(np.float32) / 255
