"""From the height field to an image: light, shadows, skin's soft blur, glasses, compositing.

Positions and coverage come from `rays`, smooth on a coarse grid; reflectance and normals are
low-passed to what the canvas resolves before they are sampled: neither outline nor hair aliases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from hfnmp_lite.simulate import dress, hair, head, rays, skin
from hfnmp_lite.simulate.head import PPU, U_RANGE, V_RANGE, smoothstep

if TYPE_CHECKING:
    from hfnmp_lite.simulate.face import Shot, Subject

SPREAD = (0.042, 0.022, 0.014)  # of red, green and blue light under the skin, units


def _maps(subject: Subject, shot: Shot) -> tuple[np.ndarray, ...]:
    """The head on its own grid: height (H, W), albedo and normals (H, W, 3), the rest (H, W, 4)."""
    noise = hair.tile(subject.seed)
    z, radius, ears = head.skull(subject, shot)
    layers = skin.paint(subject, shot, z, noise)
    z, cover, tint = hair.grow(subject, z, radius, ears, noise)
    colour = cv2.merge([np.float32(c) * tint for c in subject.hair_rgb])
    albedo = cv2.blendLinear(layers["albedo"], colour, 1.0 - cover, cover)
    normal = head.normals(z)
    low = cv2.resize(z, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    hollow = np.clip(cv2.GaussianBlur(low, (0, 0), 0.10 * PPU / 4) - low, 0.0, 0.25)
    cavity = cv2.resize(np.clip(1.0 - 2.6 * hollow, 0.2, 1.0), (z.shape[1], z.shape[0]))
    hairy = np.maximum(cover, layers["hairy"])
    return z, albedo, normal, cv2.merge([cavity, layers["gloss"], hairy, layers["catch"]])


def _sample(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    return cv2.remap(image, places, None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)


def _view(subject: Subject, shot: Shot, size: int) -> dict[str, np.ndarray]:
    """Head over body as planes (size, size), before any light falls on them."""
    z, albedo_map, normal_map, rest_map = _maps(subject, shot)
    cast = rays.cast(z, shot)
    origin = np.array([U_RANGE[0], V_RANGE[0]], np.float32)
    places = np.ascontiguousarray((cast[..., :2] - origin) * PPU - 0.5)
    # what the canvas cannot resolve is removed before it is sampled, here and in the normals
    pixel = 0.42 * PPU / (1.1 * rays.pixels_per_unit(shot, size))  # sigma in samples of the grid
    places = cv2.GaussianBlur(places, (0, 0), 0.9)  # where cheek hides hair, no coarse steps
    places = cv2.resize(places, (size, size), interpolation=cv2.INTER_CUBIC)
    albedo = _sample(cv2.GaussianBlur(albedo_map, (0, 0), max(pixel, 0.3)), places)
    normal_map = cv2.GaussianBlur(normal_map, (0, 0), max(pixel, 1.1))
    normal = cv2.split(_sample(normal_map, places))
    cavity, gloss, hairy, catch = cv2.split(_sample(rest_map, places))
    clear = cv2.resize(cast[..., 3], (size, size), interpolation=cv2.INTER_CUBIC)
    slope = cv2.magnitude(cv2.Sobel(clear, cv2.CV_32F, 1, 0), cv2.Sobel(clear, cv2.CV_32F, 0, 1))
    cover = np.clip(0.5 + clear / np.maximum(0.15 * slope, 1e-4), 0, 1)
    turn = rays.rotation(shot).astype(np.float32)
    normal = [
        turn[i, 0] * normal[0] + turn[i, 1] * normal[1] + turn[i, 2] * normal[2] for i in range(3)
    ]
    depth = cv2.resize(cast[..., 2], (size, size))

    body = dress.body(subject, shot, size)
    rows = slice(size - body["cover"].shape[0], size)
    head_cover = cover[rows]
    planes = [*cv2.split(albedo), *normal, depth]
    below = [*body["albedo"], *body["normal"], body["depth"]]
    for plane, under in zip(planes, below, strict=True):
        plane[rows] = under + head_cover * (plane[rows] - under)
    whole = cover.copy()
    whole[rows] = np.maximum(head_cover, body["cover"])
    depth[whole < 0.5] = -1.0
    y = rays.view_axes(shot, size)[1][rows, None]
    shaded = 0.5 + 0.5 * smoothstep(y, 1.45, 2.0)  # the chin keeps the sky from the neck
    cavity[rows] = shaded + head_cover * (cavity[rows] - shaded)
    skin_cover = cover * (1 - hairy)
    skin_cover[rows] += (1 - head_cover) * body["skin"]
    length = 1.0 / np.sqrt(sum(n * n for n in planes[3:6]) + 1e-6)
    return {
        "albedo": planes[:3],
        "normal": [n * length for n in planes[3:6]],
        "depth": depth,
        "cavity": cavity,
        "gloss": gloss * cover,
        "hairy": hairy * cover,
        "skin": skin_cover,
        "catch": catch * cover,
        "head": cover,
        "whole": whole,
    }


def _spread(light: np.ndarray, weight: np.ndarray, sigma: float) -> np.ndarray:
    """Blur irradiance (h, w) within the skin, whose coverage is `weight`; `sigma` in pixels."""
    step = 2 if sigma > 3 else 1  # a wide blur needs no more than every other pixel
    shape = light.shape[::-1]
    small = (-(-shape[0] // step), -(-shape[1] // step))
    both = cv2.resize(cv2.merge([light * weight, weight]), small, interpolation=cv2.INTER_AREA)
    both = cv2.GaussianBlur(both, (0, 0), max(sigma / step, 0.3))
    soft = both[..., 0] / (both[..., 1] + 1e-3)
    soft = soft if step == 1 else cv2.resize(soft, shape)
    return light + weight * (soft - light)


def compose(
    subject: Subject,
    shot: Shot,
    size: int,
    colours: tuple[np.ndarray, np.ndarray],
    behind: np.ndarray,
) -> np.ndarray:
    """Radiance of head and shoulders over `behind`, (size, size, 3) float32.

    Parameters
    ----------
    colours : pair of ndarray (3,)
        Key and ambient light, linear RGB, green 1.
    behind : ndarray (size, size, 3) float32
        Radiance of the background.
    """
    view = _view(subject, shot, size)
    nx, ny, nz = view["normal"]
    coarse = cv2.resize(view["depth"], (rays.CAST, rays.CAST), interpolation=cv2.INTER_AREA)
    visible = cv2.GaussianBlur(rays.shadow(coarse, shot), (0, 0), 1.5)
    visible = cv2.resize(visible, (size, size))
    frame = None
    if subject.glasses != "none":
        frame, lens = dress.glasses(subject, shot, size)
        unit = rays.pixels_per_unit(shot, size)
        fall = np.float32([[1, 0, 0.12 * shot.key_x * unit], [0, 1, 0.12 * shot.key_y * unit]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        shade = cv2.GaussianBlur(frame, (0, 0), 0.012 * unit)
        visible *= 1 - 0.6 * cv2.warpAffine(shade, fall, (size, size), flags=flags)
    facing = np.maximum(shot.key_x * nx + shot.key_y * ny + shot.key_z * nz, 0)
    facing *= visible
    dome = view["cavity"] * (0.78 - 0.22 * ny)
    half = np.array([shot.key_x, shot.key_y, shot.key_z + 1.0])
    half /= np.linalg.norm(half)
    mirror = np.maximum(half[0] * nx + half[1] * ny + half[2] * nz, 0)
    broad = np.square(np.square(np.square(mirror)))  # Blinn lobes of exponents 8 and 32
    narrow = np.square(np.square(broad))
    shine = np.sqrt(facing * visible) * (0.035 * broad + 0.15 * view["gloss"] * narrow)
    shine *= view["head"] * (1 - 0.6 * view["hairy"])
    shine += 0.9 * view["catch"] * visible
    graze = np.square(np.square(1 - np.clip(nz, 0, 1)))
    rim = (0.008 + 0.12 * graze) * dome * view["head"] * (1 - 0.85 * view["hairy"]) + 0.05 * view[
        "catch"
    ]
    share = shot.key_ratio / (1 + shot.key_ratio)
    unit = rays.pixels_per_unit(shot, size)
    planes = []
    for channel in range(3):
        key = np.float32(share * colours[0][channel])
        ambient = np.float32((1 - share) * colours[1][channel])
        light = _spread(key * facing + ambient * dome, view["skin"], SPREAD[channel] * unit)
        out = view["albedo"][channel] * light + key * shine + ambient * rim
        if frame is not None:
            glint = 0.025 * lens * ambient * smoothstep(ny, 0.5, -0.6)
            metal = subject.glasses_rgb[channel] * (0.7 * key + ambient) + 0.01 * key
            out = out * (1 - 0.06 * lens) + glint
            out += frame * (metal - out)
        under = behind[..., channel]
        planes.append(under + view["whole"] * (out - under))
    return cv2.merge([plane.astype(np.float32) for plane in planes])
