"""What stands behind the face: a wall, a curtain, an office, a view outdoors; all out of focus."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

KINDS = ("wall", "curtain", "office", "outdoor")
SIDE = 256  # drawn once at this size: nothing in it is sharper than three of its pixels


def _noise(rng: np.random.Generator, cells: int) -> np.ndarray:
    grid = rng.standard_normal((cells, cells), dtype=np.float32)
    return cv2.resize(grid, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def _axes() -> tuple[np.ndarray, np.ndarray]:
    axis = ((np.arange(SIDE) + 0.5) / SIDE).astype(np.float32)
    return axis[None, :], axis[:, None]


def _rectangle(image: np.ndarray, box: tuple[float, float, float, float], colour) -> None:
    """Fill a box given as left, top, right, bottom in shares of the side."""
    p = [round(SIDE * 16 * value) for value in box]
    corners = np.array([[p[0], p[1]], [p[2], p[1]], [p[2], p[3]], [p[0], p[3]]], np.int32)
    cv2.fillPoly(image, [corners], tuple(float(c) for c in colour), cv2.LINE_AA, 4)


def _wall(rng: np.random.Generator) -> np.ndarray:
    x, y = _axes()
    hue = rng.uniform([0.8, 0.85, 0.75], [1.0, 1.0, 1.0])
    paint = rng.uniform(0.25, 0.8) * hue
    slope = rng.normal(0, 0.25, 2)
    shade = 1 + slope[0] * (x - 0.5) + slope[1] * (y - 0.5) + 0.02 * _noise(rng, 9)
    image = (shade[..., None] * paint).astype(np.float32)
    if rng.random() < 0.35:  # the corner of the room
        corner = rng.uniform(0.08, 0.92)
        side = smooth_edge(x - corner, 0.012)
        image *= (1 - rng.uniform(0.12, 0.35) * side)[..., None]
    if rng.random() < 0.4:  # a picture
        left, top = rng.choice([-0.1, 0.78]), rng.uniform(-0.1, 0.35)
        right, bottom = left + rng.uniform(0.2, 0.3), top + rng.uniform(0.25, 0.4)
        _rectangle(image, (left, top, right, bottom), rng.uniform(0.02, 0.3) * np.ones(3))
        inner = (left + 0.02, top + 0.02, right - 0.02, bottom - 0.02)
        _rectangle(
            image, inner, rng.uniform(0.1, 0.6) * (1 - rng.uniform(0, 0.6) * rng.uniform(0, 1, 3))
        )
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(1.0, 2.5))


def smooth_edge(x: np.ndarray, width: float) -> np.ndarray:
    """A smooth step from 0 to 1 around x = 0."""
    return 0.5 + 0.5 * np.tanh(x / width)


def _curtain(rng: np.random.Generator) -> np.ndarray:
    x, y = _axes()
    cloth = rng.uniform(0.06, 0.5) * (1 - rng.uniform(0, 0.45) * rng.uniform(0, 1, 3))
    bend = 0.010 * np.sin(2 * np.pi * (rng.uniform(0.3, 0.9) * y + rng.random()))
    phase = x + bend + 0.018 * _noise(rng, 4)
    folds = rng.uniform(6, 13)
    wave = np.sin(2 * np.pi * folds * phase + 1.2 * np.sin(2 * np.pi * folds / 2.7 * phase))
    crease = np.exp(-2.5 * (1 + wave))
    shade = 0.95 + 0.28 * wave - 0.3 * crease + 0.04 * _noise(rng, 40)
    image = (np.clip(shade, 0.1, None)[..., None] * cloth).astype(np.float32)
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(1.0, 2.0))


def _office(rng: np.random.Generator) -> np.ndarray:
    image = np.ones((SIDE, SIDE, 3), np.float32) * np.float32(rng.uniform(0.3, 0.7))
    image *= rng.uniform([0.85, 0.88, 0.85], [1.0, 1.0, 1.0]).astype(np.float32)
    _rectangle(image, (-0.1, -0.1, 1.1, rng.uniform(0.02, 0.12)), np.full(3, 0.75))
    if rng.random() < 0.6:  # a window or a lamp panel
        left = rng.uniform(-0.1, 0.8)
        sky = rng.uniform(0.9, 1.8) * np.array([0.92, 1.0, 1.12])
        _rectangle(image, (left, -0.05, left + rng.uniform(0.2, 0.4), rng.uniform(0.3, 0.55)), sky)
        _rectangle(image, (left + 0.12, -0.05, left + 0.135, 0.5), np.full(3, 0.35))
    shelf = rng.uniform(-0.1, 0.75)
    wood = rng.uniform(0.08, 0.35) * np.array([1.0, 0.75, 0.5])
    _rectangle(image, (shelf, 0.2, shelf + 0.4, 1.1), wood)
    for row in np.arange(0.22, 1.0, 0.17):
        left = shelf + 0.015
        _rectangle(image, (left, row, shelf + 0.385, row + 0.15), 0.3 * wood)
        while left < shelf + 0.36:
            thick = rng.uniform(0.015, 0.04)
            top = row + rng.uniform(0.01, 0.06)
            book = rng.uniform(0.03, 0.45) * (1 - rng.uniform(0, 0.8) * rng.uniform(0, 1, 3))
            _rectangle(image, (left, top, min(left + thick, shelf + 0.385), row + 0.15), book)
            left += thick + 0.003
    if rng.random() < 0.6:  # a screen on a desk
        left = rng.uniform(0.0, 0.7)
        _rectangle(image, (left, 0.55, left + 0.35, 0.8), np.full(3, 0.02))
        glow = rng.uniform(0.2, 0.9) * rng.uniform([0.6, 0.8, 0.9], [0.9, 1.0, 1.1])
        _rectangle(image, (left + 0.012, 0.56, left + 0.338, 0.785), glow)
    _rectangle(image, (-0.1, 0.9, 1.1, 1.1), rng.uniform(0.1, 0.5) * np.array([1.0, 0.9, 0.8]))
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(2.0, 4.5))


def _outdoor(rng: np.random.Generator) -> np.ndarray:
    _, y = _axes()
    horizon = rng.uniform(0.35, 0.65)
    sky = rng.uniform(0.9, 1.6) * np.array([0.80, 0.95, 1.2])
    ground = rng.uniform(0.15, 0.4) * rng.uniform([0.8, 0.8, 0.6], [1.0, 1.0, 0.9])
    far = smooth_edge(y - horizon, 0.01)[..., None]
    image = (sky * (1 - 0.35 * y[..., None]) * (1 - far) + ground * far).astype(np.float32)
    image = np.ascontiguousarray(np.broadcast_to(image, (SIDE, SIDE, 3)))
    image *= 1 + 0.06 * _noise(rng, 6)[..., None]
    for _ in range(rng.integers(0, 4)):  # buildings
        left, width = rng.uniform(-0.2, 1.0), rng.uniform(0.12, 0.4)
        top = horizon - rng.uniform(0.05, 0.45)
        front = rng.uniform(0.12, 0.6) * rng.uniform([0.9, 0.8, 0.7], [1.0, 1.0, 1.0])
        _rectangle(image, (left, top, left + width, horizon + 0.02), front)
        for a in np.arange(left + 0.02, left + width - 0.03, 0.05):
            for b in np.arange(top + 0.02, horizon - 0.03, 0.06):
                _rectangle(image, (a, b, a + 0.025, b + 0.035), front * rng.uniform(0.3, 0.7))
    leaves = _noise(rng, 50) + _noise(rng, 22) + 1.2 * _noise(rng, 7)
    crown = smooth_edge(leaves - 6.0 * (y - horizon + rng.uniform(-0.1, 0.25)) ** 2 - 0.4, 0.5)
    crown = crown * smooth_edge(horizon + 0.15 - y, 0.05)
    green = rng.uniform(0.05, 0.25) * np.array([0.75, 1.0, 0.35])
    light = (0.6 + 0.4 * np.clip(_noise(rng, 60), -1, 2))[..., None]
    image += crown[..., None] * (green * light - image)
    return cv2.GaussianBlur(image.astype(np.float32), (0, 0), rng.uniform(2.5, 5.0))


_DRAWERS = {"wall": _wall, "curtain": _curtain, "office": _office, "outdoor": _outdoor}


@lru_cache(maxsize=8)
def _place(kind: str, seed: int) -> np.ndarray:
    """One place, (SIDE, SIDE, 3) float32; the frames of a presentation share it."""
    image = np.clip(_DRAWERS[kind](np.random.default_rng(seed)), 0.005, None).astype(np.float32)
    image.flags.writeable = False
    return image


def draw(kind: str, seed: int, size: int) -> np.ndarray:
    """The reflectance-like background of one place, (size, size, 3) float32, about 0 to 1.5.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    seed : int
        Same kind and seed, same background at every size.
    size : int
        Side of the canvas in pixels.
    """
    method = cv2.INTER_AREA if size < SIDE else cv2.INTER_CUBIC
    return np.maximum(cv2.resize(_place(kind, seed), (size, size), interpolation=method), 0)
