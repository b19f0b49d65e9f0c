"""Hair: where it grows, how far it stands off the head, and how its strands run.

Strands are a fixed noise sampled in two coordinates, one across and one along the strands; what the
grid of `head` cannot resolve is never drawn, so nothing there can alias later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from hfnmp_lite.simulate.head import (
    CENTRE_V,
    HEIGHT,
    PPU,
    SIDE_SLOPE,
    WIDTH,
    U,
    V,
    outline,
    smoothstep,
)

if TYPE_CHECKING:
    from hfnmp_lite.simulate.face import Subject

STYLES = ("bald", "buzz", "short", "swept", "fringe", "curly", "afro", "bun", "bob", "long")
LONG = ("bob", "long")


def tile(seed: int, side: int = 256) -> np.ndarray:
    """White Gaussian noise (side, side) float32 of one subject, the raw material of all textures."""
    return np.random.default_rng(seed).standard_normal((side, side), dtype=np.float32)


def sample(noise: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The periodic noise at coordinates x, y in noise cells, bilinear."""
    return cv2.remap(
        noise, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, None, cv2.BORDER_WRAP
    )


def smooth_noise(noise: np.ndarray, cell: float, shift: int = 0) -> np.ndarray:
    """Cubic noise on the grid, one random value every `cell` units; (H, W) float32."""
    rows = int(np.ceil(HEIGHT / PPU / cell)) + 3
    columns = int(np.ceil(WIDTH / PPU / cell)) + 3
    grid = np.roll(noise, shift, axis=(0, 1))
    grid = np.tile(grid, (-(-rows // 256), -(-columns // 256)))[:rows, :columns]
    step = 4 if cell * PPU > 12 else 1  # coarse noise needs no cubic at every sample
    scale = step / (cell * PPU)
    matrix = np.array([[scale, 0, 1.0], [0, scale, 1.0]], np.float32)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    shape = (-(-WIDTH // step), -(-HEIGHT // step))
    field = cv2.warpAffine(np.ascontiguousarray(grid), matrix, shape, flags=flags)
    return field if step == 1 else cv2.resize(field, (WIDTH, HEIGHT))


def _hairline(subject: Subject, noise: np.ndarray) -> np.ndarray:
    """Signed distance-like field, positive where hair grows; the face is a smaller oval."""
    style = subject.hair_style
    top = {"fringe": -0.36, "bob": -0.80, "long": -0.84}.get(style, -0.88) - subject.recede
    if style in LONG and subject.fringe:
        top = -0.36
    middle = 0.35
    a = np.abs(U) / (0.82 - 0.02 * (style == "afro"))
    b = np.abs(V - middle) / np.where(V < middle, middle - top, 2.2)
    corner = 3.4 - 0.8 * subject.masculinity * (style not in LONG)
    oval = np.power(a[None] ** corner + b[:, None] ** corner, 1.0 / corner) - 1.0
    if subject.recede > 0.05:  # the temples go first
        a = (np.abs(U)[None] - 0.50) / 0.20
        b = (V[:, None] + 0.95) / 0.22
        oval -= 0.9 * subject.recede * np.exp(-0.5 * (a * a + b * b))
    return (oval * (middle - top)).astype(np.float32)


def _strands(subject: Subject, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (across, along) the strands, in units."""
    style = subject.hair_style
    u, v = U[None, :], V[:, None]
    part = subject.hair_part
    if style in LONG:
        d = u - part * smoothstep(V, -0.2, -1.3)[:, None]
        rise = np.clip(0.05 - v, 0.0, None) / 1.15
        across = np.sqrt(d * d + rise * rise + 1e-4)
        along = np.where(v < 0.05, -np.arctan2(rise, np.abs(d) + 1e-3), v - 0.05)
        across = np.where(d > 0, across, -across - 0.37)
    elif style in ("swept", "fringe"):
        origin_v = -1.5 if style == "fringe" else -1.25
        d, e = u - 1.1 * part, v - origin_v
        angle = np.arctan2(d, e if style == "fringe" else np.abs(e) + 0.15)
        along = np.sqrt(d * d + e * e)
        across = angle * 0.8 + 0.06 * along * np.sign(part)
    else:  # back over the head
        d, e = u - 0.3 * part, CENTRE_V + 0.75 - v
        across = np.arctan2(d, e) * 1.1
        along = np.sqrt(d * d + e * e)
    return np.broadcast_to(across, radius.shape), np.broadcast_to(along, radius.shape)


def grow(
    subject: Subject, z: np.ndarray, radius: np.ndarray, ears: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add the hair to the height field.

    Parameters
    ----------
    z, radius, ears : ndarray (H, W) float32
        From `head.skull`.
    noise : ndarray (256, 256) float32
        From `tile`.

    Returns
    -------
    z : ndarray (H, W) float32
        Height with hair.
    cover : ndarray (H, W) float32
        How much of the skin the hair hides, in [0, 1].
    tint : ndarray (H, W) float32
        Brightness of the strands around 1.
    """
    style = subject.hair_style
    across, along = _strands(subject, radius)
    slow = smooth_noise(noise, 0.22, 5)
    wave = subject.hair_wave
    across = across + (0.008 + 0.014 * wave) * slow + 0.025 * wave * np.sin(9.0 * along + 2 * slow)
    curly = style in ("curly", "afro")
    if curly:
        x = across * (30 if style == "curly" else 45) + 2.2 * smooth_noise(noise, 0.09, 31)
        y = along * (22 if style == "curly" else 45) + 2.2 * smooth_noise(noise, 0.09, 77)
        fine = sample(noise, x, y)
        locks = smooth_noise(noise, 0.11, 50)
        tint = 1.0 + 0.35 * fine + 0.30 * locks
    else:
        fine = sample(noise, across * 120, along * 3.0 + 13)
        locks = sample(noise, across * 17 + 40, along * 1.3 + 90)
        tint = 1.0 + 0.30 * fine + 0.20 * locks
    field = _hairline(subject, noise)
    jag = {"bald": 0.0, "buzz": 0.02, "fringe": 0.09}.get(style, 0.045)
    if style in LONG:
        jag = 0.05
    field = field + jag * (0.3 * locks + 0.7 * fine)
    thick = subject.hair_volume
    low = (0.30 + 0.1 * subject.masculinity) if style not in LONG else 9.0
    if style == "bob":
        low = 1.15 + 0.05 * float(noise[0, 0])
    end = smoothstep(V[:, None] + 0.05 * locks, low, low - (0.16 if style in LONG else 0.35))
    if style == "bald":
        density = np.zeros_like(z)
    else:
        ramp = 0.09 if style != "buzz" else 0.16
        density = smoothstep(field, -0.3 * ramp, ramp) * end
    outer = outline(subject, thick)
    shell = 1.12 * np.sqrt(np.clip(1.0 - np.minimum(outer, 1.0) ** 2.6, 0.0, None))
    shell = shell + 0.6 * thick - SIDE_SLOPE * np.clip(outer - 1.0, 0.0, None)
    if style in LONG:
        side = 1.02 + 0.8 * thick + 0.10 * smoothstep(V, 0.0, 1.6)[:, None] + 0.02 * locks
        depth = np.clip(1.0 - (np.abs(U)[None] / side) ** 4, 0.0, None)
        curtain = (
            0.55 * np.sqrt(depth) - 0.1 - SIDE_SLOPE * np.clip(np.abs(U)[None] - side, 0.0, None)
        )
        curtain = np.where(V[:, None] > CENTRE_V, curtain, -2.0)
        shell = np.maximum(shell, curtain)
    body = smoothstep(field, 0.0, 0.10 + 1.2 * thick)
    raised = z + np.clip(shell - z, 0.0, 0.9) * body * end + 0.02 * density
    raised = raised + density * (0.008 * locks + 0.003 * fine) * (0.4 if style == "buzz" else 1.0)
    keep = ears * (style not in LONG)
    cover = density * (1.0 - keep)
    z = z + (raised - z) * (1.0 - keep)
    if style == "buzz":
        cover = cover * np.clip(0.72 + 0.25 * fine, 0.0, 0.95)
    return z.astype(np.float32), cover.astype(np.float32), np.clip(tint, 0.15, 1.7)
