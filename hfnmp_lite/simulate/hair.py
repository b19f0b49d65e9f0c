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
    FLOOR,
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
    """White Gaussian noise (side, side) float32 of one subject, the stuff of all its textures."""
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


def _hairline(subject: Subject) -> np.ndarray:
    """Signed distance-like field, positive where hair grows; the face is a smaller oval."""
    style = subject.hair_style
    top = {"fringe": -0.36, "bob": -0.80, "long": -0.84}.get(style, -0.88) - subject.recede
    if style in LONG and subject.fringe:
        top = -0.36
    middle = 0.35
    a = np.abs(U) / 0.82
    b = np.abs(V - middle) / np.where(middle > V, middle - top, 2.2)
    corner = 3.4 - 0.8 * subject.masculinity * (style not in LONG)
    narrow = 1.0 + 0.2 * smoothstep(V, 0.55, 1.35) * (style in LONG)  # falls towards the neck
    sums = (a**corner)[None] * (narrow**corner)[:, None] + (b**corner)[:, None]
    oval = cv2.pow(sums.astype(np.float32), 1.0 / corner) - 1.0
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


def _texture(
    subject: Subject, radius: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise of single strands, noise of locks, and the brightness that follows; (H, W) each."""
    style, wave = subject.hair_style, subject.hair_wave
    if style == "afro":
        fine, locks = smooth_noise(noise, 0.016, 31), smooth_noise(noise, 0.05, 50)
        return fine, locks, 1.0 + 0.32 * fine + 0.22 * locks
    across, along = _strands(subject, radius)
    slow = smooth_noise(noise, 0.22, 5)
    across = across + (0.008 + 0.014 * wave) * slow + 0.025 * wave * np.sin(9.0 * along + 2 * slow)
    if style == "curly":
        x = across * 30 + 2.2 * smooth_noise(noise, 0.09, 31)
        y = along * 22 + 2.2 * smooth_noise(noise, 0.09, 77)
        fine, locks = sample(noise, x, y), smooth_noise(noise, 0.11, 50)
        return fine, locks, 1.0 + 0.35 * fine + 0.30 * locks
    fine = sample(noise, across * 120, along * 3.0 + 13)
    locks = sample(noise, across * 17 + 40, along * 1.3 + 90)
    return fine, locks, 1.0 + 0.30 * fine + 0.20 * locks


def _length(subject: Subject, radius: np.ndarray, locks: np.ndarray, noise) -> np.ndarray:
    """1 where the hair still hangs, 0 below its ends; (H, W) float32."""
    style = subject.hair_style
    if style == "long":
        return np.ones_like(radius)
    if style == "bob":
        low, soft = np.float32(1.15 + 0.05 * float(noise[0, 0])), 0.16
    else:  # above the ear, longer in front of it, and down to the nape behind it
        low = np.where(np.abs(U) > 0.80, -0.08, 0.22 + 0.15 * subject.masculinity)
        low = np.where(radius > 1.015, 0.50, low[None]).astype(np.float32)
        soft = 0.35
    return smoothstep(V[:, None] + 0.05 * locks, low, low - np.float32(soft))


def _shell(subject: Subject, locks: np.ndarray) -> np.ndarray:
    """Height of the outside of the hair, wherever there is any; (H, W) float32."""
    thick, long = subject.hair_volume, subject.hair_style in LONG
    room = thick * (np.ones_like(V) if long else smoothstep(V, 0.45, -0.45))  # close at the nape
    outer = outline(subject, room)
    shell = 1.12 * np.sqrt(np.clip(1.0 - cv2.pow(np.minimum(outer, 1.0), 2.6), 0.0, None))
    shell = shell + 0.6 * room[:, None] - SIDE_SLOPE * np.clip(outer - 1.0, 0.0, None)
    if long:  # curtains beside the face
        side = 0.93 + thick + 0.14 * smoothstep(V, -0.2, 1.5)[:, None] + 0.02 * locks
        depth = np.clip(1.0 - np.square(np.square(U[None] / side)), 0.0, None)
        curtain = 0.55 * np.sqrt(depth) - 0.1
        curtain -= SIDE_SLOPE * np.clip(np.abs(U)[None] - side, 0.0, None)
        shell = np.maximum(shell, np.where(V[:, None] > CENTRE_V, curtain, FLOOR))
    return np.maximum(shell, FLOOR)


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
    style, thick = subject.hair_style, subject.hair_volume
    if style == "bald":
        return z, np.zeros_like(z), np.ones_like(z)
    long, buzz = style in LONG, style == "buzz"
    fine, locks, tint = _texture(subject, radius, noise)
    line = _hairline(subject)
    jag = {"buzz": 0.02, "fringe": 0.09}.get(style, 0.045)
    end = _length(subject, radius, locks, noise)
    ramp = 0.16 if buzz else 0.09
    density = smoothstep(line + jag * (0.3 * locks + 0.7 * fine), -0.3 * ramp, ramp) * end
    shell = _shell(subject, locks)
    line = line + 0.2 * jag * locks  # the body of the hair has a smoother edge than its strands
    body = smoothstep(line, 0.0, 0.10 + 1.2 * thick)
    if long:
        body = np.where(radius > 0.97, smoothstep(line, -0.02, 0.05), body)
    lifted = (body * end > 0) & (shell > -0.6)  # not from the depths, or its edge is ragged
    base = np.where(lifted, np.maximum(z, -0.6), z)
    raised = base + np.clip(shell - base, 0.0, None) * body * end + 0.02 * density
    raised += density * (0.008 * locks + 0.003 * fine) * (0.4 if buzz else 1.0)
    if long:
        z, cover = raised, np.where(radius > 0.97, np.maximum(density, body > 0.02), density)
    else:
        z, cover = z + (raised - z) * (1.0 - ears), density * (1.0 - ears)
    z[:, :3] = z[:, -3:] = FLOOR  # nothing reaches the sides of the grid
    if buzz:
        cover = cover * np.clip(0.72 + 0.25 * fine, 0.0, 0.95)
    return z.astype(np.float32), cover.astype(np.float32), np.clip(tint, 0.15, 1.7)
