"""From the height field to an image: pose, ray casting, light, shadows, skin's soft blur, compositing.

The rays are cast on a fixed coarse grid; positions and coverage are smooth there and are enlarged
to the canvas, reflectance is sampled at twice the canvas and averaged, so nothing aliases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from hfnmp_lite.simulate import hair, head, skin
from hfnmp_lite.simulate.head import PPU, U_RANGE, V_RANGE, smoothstep

if TYPE_CHECKING:
    from hfnmp_lite.simulate.face import Shot, Subject

MARGIN = 0.15  # of the canvas around the crop, crop widths
SCALE = 0.375  # crop widths per unit of face coordinates
EYES_Y = 0.40  # height of the pupils in the crop
CAMERA = 9.0  # distance of the camera in units: about 70 cm
PIVOT = np.array([0.0, 0.35, -0.2])  # the head turns about the neck
CAST = 176  # side of the grid on which rays are cast
FAR, NEAR, STEP = -0.9, 1.62, 0.09


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
    crop = xy + [0.5 + shot.offset_x, EYES_Y + shot.offset_y]
    return (crop + MARGIN) / (1 + 2 * MARGIN) * size - 0.5


def cast(z: np.ndarray, shot: Shot) -> np.ndarray:
    """Cast a ray through every point of the coarse grid onto the height field.

    Returns
    -------
    ndarray (CAST, CAST, 4) float32
        u, v where the ray meets the surface, or comes closest to it; depth along the view axis;
        clearance: positive where the ray is inside the surface at some depth, in units.
    """
    coarse = cv2.resize(z, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    x, y = view_axes(shot, CAST)
    x, y = np.meshgrid(x, y)
    inverse = rotation(shot).T.astype(np.float32)
    pivot = PIVOT.astype(np.float32)
    half = PPU / 2.0

    def surface(t):
        shrink = 1 - t / CAMERA
        a, b, c = x * shrink - pivot[0], y * shrink - pivot[1], t - pivot[2]
        u = inverse[0, 0] * a + inverse[0, 1] * b + (inverse[0, 2] * c + pivot[0])
        v = inverse[1, 0] * a + inverse[1, 1] * b + (inverse[1, 2] * c + pivot[1])
        w = inverse[2, 0] * a + inverse[2, 1] * b + (inverse[2, 2] * c + pivot[2])
        mx, my = (u - U_RANGE[0]) * half - 0.5, (v - V_RANGE[0]) * half - 0.5
        under = cv2.remap(coarse, mx, my, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        return u, v, under - w

    found = np.zeros(x.shape, bool)
    best = np.full(x.shape, -9.0, np.float32)
    depth = np.full(x.shape, FAR, np.float32)
    last = np.full(x.shape, -1.0, np.float32)
    for t in np.arange(NEAR, FAR - 1e-6, -STEP, dtype=np.float32):
        *_, clear = surface(t)
        hit = ~found & (clear > 0)
        share = clear / np.maximum(clear - last, 1e-6)
        depth = np.where(hit, t + STEP * share, depth)
        found |= hit
        closer = clear > best
        depth = np.where(closer & ~found, t, depth)
        best = np.where(closer, clear, best)
        last = clear
    for _ in range(2):  # refine the hits; the slope along a ray is about -1
        u, v, clear = surface(depth)
        depth = np.where(found, depth + np.clip(0.7 * clear, -0.05, 0.05), depth)
    u, v, _ = surface(depth)
    return cv2.merge([u, v, depth, best])


def _enlarge(image: np.ndarray, size: int) -> np.ndarray:
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)


def _body(subject: Subject, shot: Shot, size: int) -> tuple[np.ndarray, ...]:
    """Neck, shoulders and clothes behind the head.

    Returns reflectance (size, size, 3), normals (size, size, 3), depth and coverage (size, size).
    """
    x, y = view_axes(shot, size)
    pixel = float(x[1] - x[0])
    lean = 0.10 * np.sin(np.radians(shot.yaw))
    x, y = (x - lean)[None, :], y[:, None]
    neck = 0.60 + 0.10 * subject.masculinity + 0.25 * np.clip(y - 1.55, 0, None) ** 2
    slope = 1.72 + 0.06 * subject.masculinity
    shoulder = slope + 0.30 * np.clip(np.abs(x) - 0.6, 0, None) ** 1.3
    in_neck = smoothstep(neck - np.abs(x), -pixel, pixel) * smoothstep(y, 0.6, 0.7)
    collar = {"crew": 1.80, "vee": 1.95, "collar": 1.72, "hood": 1.70}[subject.clothes]
    dip = {"crew": 0.25, "vee": 1.1, "collar": 0.75, "hood": 0.35}[subject.clothes]
    line = np.minimum(collar + 0.15 - dip * np.abs(x) + 0.2 * x * x, 4.0)
    cloth = smoothstep(y - np.maximum(shoulder - 0.10, line - 0.3), -pixel, pixel)
    cloth = cloth * smoothstep(y - np.maximum(line, shoulder), -pixel, pixel)
    cover = np.maximum(in_neck, cloth)
    rho = np.clip(np.abs(x) / (neck + 1e-3), 0, 0.97) * np.sign(x)
    nx = rho * (1 - cloth) + np.clip(0.25 * x, -0.5, 0.5) * cloth
    ny = np.where(cloth > 0.5, -0.45, 0.15) + 0 * x
    nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0.05, None))
    fold = 1 + 0.10 * np.sin(9 * x + 5 * y + 3 * np.sin(4 * y))
    skin_rgb, cloth_rgb = np.array(subject.albedo), np.array(subject.clothes_rgb)
    rgb = skin_rgb * 0.92 + cloth[..., None] * (cloth_rgb * fold[..., None] - skin_rgb * 0.92)
    depth = -0.55 + 0.55 * np.sqrt(1 - rho * rho) * (1 - cloth) + 0.45 * cloth
    parts = rgb, cv2.merge([a.astype(np.float32) for a in (nx, ny, nz)]), depth, cover
    return tuple(np.ascontiguousarray(part, np.float32) for part in parts)


def _shadow(depth: np.ndarray, shot: Shot) -> np.ndarray:
    """Visibility of the key light in [0, 1] on a coarse depth map, by a short search for a horizon."""
    side = depth.shape[0]
    scale = side / (1 + 2 * MARGIN) * SCALE * shot.zoom  # pixels per unit
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


def _soft(light: np.ndarray, weight: np.ndarray, unit: float) -> np.ndarray:
    """Skin's subsurface blur: each channel's irradiance spreads, red the farthest, within skin only.

    `light` (h, w, 3), `weight` (h, w) skin coverage, `unit` pixels per unit of face coordinates.
    """
    out = np.empty_like(light)
    for channel, sigma in enumerate((0.055, 0.024, 0.014)):
        blur = lambda image, s=sigma: cv2.GaussianBlur(image, (0, 0), max(s * unit, 0.3))  # noqa: E731
        out[..., channel] = blur(light[..., channel] * weight) / (blur(weight) + 1e-3)
    return out


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
    noise = hair.tile(subject.seed)
    z, radius, ears = head.skull(subject, shot)
    layers = skin.paint(subject, shot, z, noise)
    z, cover, tint = hair.grow(subject, z, radius, ears, noise)
    colour = np.array(subject.hair_rgb, np.float32) * tint[..., None]
    albedo = layers["albedo"]
    albedo += cover[..., None] * (colour - albedo)
    hairy = np.maximum(cover, layers["hairy"])
    normal = cv2.GaussianBlur(head.normals(z), (0, 0), 1.2)
    hollow = cv2.resize(z, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    cavity = np.clip(cv2.GaussianBlur(hollow, (0, 0), 0.10 * PPU / 4) - hollow, -0.05, 0.25)
    cavity = 1.0 - 2.6 * np.clip(cavity, 0, None)
    cavity = cv2.resize(cavity, (z.shape[1], z.shape[0]), interpolation=cv2.INTER_LINEAR)
    rays = cast(z, shot)
    extra = cv2.merge([cavity, layers["gloss"], hairy, layers["catch"]])
    return _light(subject, shot, size, colours, behind, rays, (albedo, normal, extra))


def _light(subject, shot, size, colours, behind, rays, maps) -> np.ndarray:
    albedo_map, normal_map, extra_map = maps
    fine = _enlarge(rays[..., :2], 2 * size)
    mx, my = (fine[..., 0] - U_RANGE[0]) * PPU - 0.5, (fine[..., 1] - V_RANGE[0]) * PPU - 0.5
    albedo = cv2.remap(albedo_map, mx, my, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    albedo = cv2.resize(albedo, (size, size), interpolation=cv2.INTER_AREA)
    mx, my = (cv2.resize(m, (size, size), interpolation=cv2.INTER_AREA) for m in (mx, my))
    normal = cv2.remap(normal_map, mx, my, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    extra = cv2.remap(extra_map, mx, my, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    clear = cv2.resize(rays[..., 3], (size, size), interpolation=cv2.INTER_CUBIC)
    slope = np.hypot(cv2.Sobel(clear, cv2.CV_32F, 1, 0), cv2.Sobel(clear, cv2.CV_32F, 0, 1)) / 8
    cover = np.clip(0.5 + clear / np.maximum(1.2 * slope, 1e-4), 0, 1)

    body_rgb, body_normal, body_depth, body_cover = _body(subject, shot, size)
    normal = normal @ rotation(shot).T.astype(np.float32)
    depth = cv2.resize(rays[..., 2], (size, size), interpolation=cv2.INTER_LINEAR)
    c3 = cover[..., None]
    albedo = body_rgb + c3 * (albedo - body_rgb)
    normal = body_normal + c3 * (normal - body_normal)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True) + 1e-6
    depth = body_depth + cover * (depth - body_depth)
    depth = np.where(np.maximum(cover, body_cover) < 0.5, -1.0, depth)
    cavity, gloss, hairy, catch = cv2.split(extra)
    beneath = (
        0.35 + 0.65 * smoothstep(view_axes(shot, size)[1], 1.45, 2.0)[:, None]
    )  # under the chin
    cavity = beneath + cover * (np.clip(cavity, 0.2, 1.0) - beneath)
    gloss, hairy, catch = gloss * cover, hairy * cover, catch * cover

    coarse = cv2.resize(depth.astype(np.float32), (CAST, CAST), interpolation=cv2.INTER_AREA)
    visible = _enlarge(cv2.GaussianBlur(_shadow(coarse, shot), (0, 0), 1.5), size)
    key = np.array([shot.key_x, shot.key_y, shot.key_z], np.float32)
    facing = np.clip(normal @ key, 0, None)
    share = shot.key_ratio / (1 + shot.key_ratio)
    key_rgb, ambient_rgb = share * colours[0], (1 - share) * colours[1]
    dome = cavity * (0.78 - 0.22 * normal[..., 1])
    light = (facing * visible)[..., None] * key_rgb + dome[..., None] * ambient_rgb
    skinny = np.clip(np.maximum(cover, body_cover) - hairy, 0, 1)
    unit = size / (1 + 2 * MARGIN) * SCALE * shot.zoom
    light += skinny[..., None] * (_soft(light, skinny, unit) - light)

    half = key + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    mirror = np.clip(normal @ half, 0, None)
    lobes = 0.07 * mirror**12 + 0.22 * gloss * mirror**48
    shine = facing**0.5 * visible * lobes * np.where(hairy > 0.5, 0.8, 1.0) * cover
    rim = 0.02 + 0.20 * np.clip(1 - normal[..., 2], 0, 1) ** 4
    out = (
        albedo * light + shine[..., None] * key_rgb + (rim * dome * cover)[..., None] * ambient_rgb
    )
    out += (catch * visible)[..., None] * key_rgb * 0.9 + (0.05 * catch)[..., None] * ambient_rgb
    whole = np.maximum(cover, body_cover)[..., None]
    return (behind + whole * (out - behind)).astype(np.float32)
