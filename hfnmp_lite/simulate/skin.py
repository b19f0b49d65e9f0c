"""Reflectance of the face on the grid of `head`: skin tone, blood, eyes, lips, brows, beard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from hfnmp_lite.simulate.hair import sample, smooth_noise
from hfnmp_lite.simulate.head import HEIGHT, PPU, WIDTH, U, V, mouth_v, nose_v, smoothstep, window

if TYPE_CHECKING:
    from hfnmp_lite.simulate.face import Shot, Subject

EDGE = 1.2 / PPU  # half-width of a painted edge, units


def blend(image: np.ndarray, alpha: np.ndarray, colour) -> None:
    """Paint `colour` (3,) or (h, w, 3) over `image` (h, w, 3) in place with opacity (h, w)."""
    colour = np.asarray(colour, np.float32)
    if colour.ndim == 1:
        alpha = alpha.astype(np.float32)
        other = 1.0 - alpha
        for channel in range(3):
            image[..., channel] *= other
            image[..., channel] += alpha * colour[channel]
    else:
        image += alpha[..., None] * (colour - image)


def _gauss(x: np.ndarray, sigma: float) -> np.ndarray:
    return np.exp(-0.5 * (x / sigma) ** 2)


def _complexion(subject: Subject, depth: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Skin without features: tone, blood where it shows, mottle with a 1/f spectrum, spots."""
    s = subject
    mottle = sum(
        0.5**k * smooth_noise(noise, 0.5 * 0.5**k, 37 * k + 3) for k in range(5)
    )  # amplitude halves with the period: 1/f
    fine = smooth_noise(noise, 0.018, 211)
    spots = [(0.55, 0.45, 0.22, 0.20, 1.0), (-0.55, 0.45, 0.22, 0.20, 1.0)]
    spots += [(0.0, nose_v(s), 0.15, 0.14, 1.1), (0.0, 1.3, 0.2, 0.15, 0.5)]
    spots += [(1.0, 0.2, 0.15, 0.35, 0.7), (-1.0, 0.2, 0.15, 0.35, 0.7)]
    spots += [(side * s.eye_spacing, 0.10, 0.22, 0.13, -0.8) for side in (-1, 1)]  # bluer
    u, v, su, sv, amount = np.array(spots, np.float32).T[..., None]
    flush = (amount * _gauss(V - v, sv)).T @ _gauss(U - u, su)
    blood = s.redness * flush + 0.18 * mottle
    melanin = 0.035 * smooth_noise(noise, 0.12, 99) + 0.03 * fine + 0.02 * mottle
    planes = []
    for channel, (red, brown) in enumerate(((-0.02, 0.8), (-0.19, 1.0), (-0.15, 1.2))):
        fold = (-0.10, -0.16, -0.17)[channel]
        plane = cv2.exp(red * blood - brown * melanin + fold * depth)
        planes.append(np.float32(s.albedo[channel]) * plane)
    image = cv2.merge(planes)
    if s.freckles > 0:
        rng = np.random.default_rng(s.seed + 1)
        count = int(300 * s.freckles)
        u = rng.normal(0, 0.45, count)
        v = rng.normal(0.35, 0.25, count)
        dots = np.zeros((HEIGHT, WIDTH), np.float32)
        weight = rng.uniform(0.2, 1.0, count).astype(np.float32)
        np.add.at(dots, (np.searchsorted(V, v) - 1, np.searchsorted(U, u) - 1), weight)
        dots = cv2.GaussianBlur(dots, (0, 0), 1.9) * 16
        image *= 1 - np.clip(dots, 0, 1)[..., None] * np.array([0.25, 0.38, 0.45], np.float32)
    return image


def _wrinkles(subject: Subject, shot: Shot, noise: np.ndarray) -> np.ndarray:
    """Depth (H, W), about 0 to 1, of folds by the mouth and lines on forehead and by the eyes."""
    s = subject
    age = smoothstep(np.float32(s.age), 28, 75)
    mouth, corner = mouth_v(s), s.mouth_width
    depth = np.zeros((HEIGHT, WIDTH), np.float32)
    wobble = smooth_noise(noise, 0.15, 140)
    rows, columns = window(0.0, 0.82, 0.75, 0.53)
    t = (V[rows] - nose_v(s)) / (mouth + 0.15 - nose_v(s))
    path = 0.24 + (corner + 0.10 - 0.24 + 0.05 * shot.smile) * np.clip(t, 0, 1.3) ** 0.8
    fade = smoothstep(t, -0.12, 0.2) * smoothstep(t, 1.25, 0.8)
    near = np.abs(U[columns][None]) - path[:, None] - 0.02 * wobble[rows, columns]
    fold = _gauss(near, 0.035) * fade[:, None]
    depth[rows, columns] += fold * (0.15 + 0.85 * age + 0.5 * max(shot.smile, 0.0))
    rows, columns = window(0.0, -0.62, 0.72, 0.33)
    phase = (
        V[rows][:, None] * 46 + 2.0 * wobble[rows, columns] + 3.0 * np.cos(U[columns] * 1.6)[None]
    )
    lines = np.square(np.square(np.clip(np.sin(phase), 0, 1)))
    lines = lines * smoothstep(np.abs(U[columns]), 0.72, 0.3)[None]
    lines = lines * (smoothstep(V[rows], -0.95, -0.8) * smoothstep(V[rows], -0.36, -0.5))[:, None]
    depth[rows, columns] += lines * (
        0.55 * age + 0.8 * max(shot.brow_raise, 0.0) * (0.3 + 0.7 * age)
    )
    for side in (-1, 1):  # crow's feet, bags
        rows, columns = window(side * 0.78, 0.05, 0.24, 0.3)
        a, b = side * U[columns][None] - 0.58, V[rows][:, None] - 0.02
        angle = np.arctan2(b, a)
        feet = np.clip(np.cos(9 * angle + wobble[rows, columns]), 0, 1) ** 3
        r = np.hypot(a, b)
        feet = feet * smoothstep(r, 0.08, 0.14) * smoothstep(r, 0.30, 0.16) * (np.abs(angle) < 0.9)
        depth[rows, columns] += 0.5 * feet * (age + 0.4 * max(shot.smile, 0.0))
        rows, columns = window(side * s.eye_spacing, 0.2, 0.3, 0.15)
        a, b = (side * U[columns][None] - s.eye_spacing) / 0.24, V[rows][:, None]
        bag = _gauss(b - 0.20 + 0.07 * a * a, 0.022) * smoothstep(np.abs(a), 1.0, 0.4)
        depth[rows, columns] += (0.15 + 0.75 * age) * bag
    return np.clip(depth, 0.0, 1.2)


def _eye(subject: Subject, shot: Shot, side: int, image, z, catch, noise) -> None:
    """One eye with lids, lashes and catch light, painted in place."""
    s = subject
    half = 0.218 * s.eye_size
    centre = side * s.eye_spacing
    rows, columns = window(centre, 0.0, 0.42, 0.34)
    part = image[rows, columns]
    a = (side * U[columns][None] - s.eye_spacing) / half  # +1 at the outer corner
    b = V[rows][:, None] / half
    b = b + s.eye_tilt * a  # the outer corner stands higher
    a, b = np.broadcast_arrays(a, b)
    opening = s.lid * shot.eye_open
    arc = np.clip(1 - np.abs(a + 0.10) ** 2.3 / np.where(a < -0.1, 0.9, 1.1) ** 2.3, 0, 1) ** 0.75
    upper = -0.42 * opening * arc + 0.10 * (1 - shot.eye_open) * arc
    lower = (0.21 - 0.05 * max(shot.smile, 0.0)) * np.clip(1 - (a - 0.08) ** 2, 0, 1) ** 0.8
    edge = EDGE / half
    open_ = smoothstep(
        np.minimum(b - upper, lower - b) - 0.3 * np.clip(np.abs(a) - 0.97, 0, None), -edge, edge
    )
    open_ = open_ * smoothstep(np.abs(a), 1.06, 0.96)
    skin = np.array(s.albedo, np.float32)
    # lids: a slightly darker band between lash line and crease, the crease itself, shadow below
    crease = upper - (0.17 + 0.10 * s.crease) * (0.55 + 0.45 * arc)
    inside = smoothstep(np.abs(a - 0.05), 1.35, 0.8)
    band = smoothstep(b - crease, -0.04, 0.06)
    band = band * smoothstep(b - upper, 0.06, -0.02) * inside
    blend(part, 0.30 * band, skin * np.array([0.80, 0.70, 0.68]))
    line = _gauss(b - crease, 0.045) * inside * s.crease
    blend(part, 0.55 * line, skin * np.array([0.45, 0.33, 0.30]))
    z[rows, columns] -= 0.020 * line
    bulge = _gauss(b - 0.5 * (crease + upper), 0.12) * inside
    z[rows, columns] += 0.014 * bulge * (1 - open_)
    under = _gauss(b - lower - 0.16, 0.10) * smoothstep(np.abs(a), 1.2, 0.6)
    blend(part, 0.16 * under, skin * np.array([0.70, 0.55, 0.58]))
    # eyeball
    white = np.array([0.37, 0.335, 0.32], np.float32) * (1 - 0.1 * s.redness)
    shade = 1 - 0.62 * np.exp(-np.clip(b - upper, 0, None) / 0.11) - 0.28 * np.abs(a) ** 3
    ball = white * shade[..., None]
    pink = smoothstep(a, -0.70, -0.98)
    blend(ball, 0.75 * pink, np.array([0.48, 0.20, 0.17]) * (0.3 + 0.7 * min(1.0, skin[0] + 0.3)))
    x0, y0 = side * shot.gaze_x, -0.09 + shot.gaze_y
    da, db = a - x0, b - y0
    r = np.sqrt(da * da + db * db) / 0.43
    angle = np.arctan2(db, da)
    fibre = sample(noise, angle * 9 + 60 * (side + 1), r * 3 + 20)
    tone = 0.6 * np.array(s.iris, np.float32)
    depth = (0.62 + 0.75 * np.exp(-(((r - 0.55) / 0.22) ** 2)) + 0.16 * fibre)[..., None]
    iris = tone * np.clip(depth, 0.2, None)
    iris *= (1 - 0.65 * smoothstep(r, 0.80, 0.98))[..., None]
    iris *= (0.55 + 0.45 * smoothstep(b - upper, 0.0, 0.25))[..., None]
    wide = edge / 0.4
    blend(iris, smoothstep(r, s.pupil + wide, s.pupil - wide), (0.006, 0.005, 0.005))
    blend(ball, smoothstep(r, 1.0 + 1.5 * wide, 1.0 - 1.5 * wide), iris)
    blend(part, open_, ball)
    # wet rim, lashes
    rim = _gauss(b - lower - 0.02, 0.03) * (np.abs(a) < 1) * smoothstep(np.abs(a), 1, 0.7)
    blend(part, 0.35 * rim, skin * np.array([0.9, 0.62, 0.60]) + 0.04)
    dark = np.array(s.lash, np.float32)
    thick = 0.045 + 0.055 * (1 - s.masculinity) + 0.02 * smoothstep(a, -0.4, 0.9)
    ends = smoothstep(a, -1.12, -0.7) * smoothstep(a, 1.25, 0.98)
    lash = smoothstep(np.abs(b - upper + 0.5 * thick) - thick, edge, -edge) * ends
    blend(part, 0.88 * lash, dark)
    hairs = sample(noise, (a + 0.55 * (b - upper) * (a + 0.2)) * 16 + 7, b * 1.0 + 3)
    length = 0.10 + 0.16 * (1 - s.masculinity)
    fringe = smoothstep(b - upper, -length, -0.02) * (b < upper) * ends
    blend(part, np.clip(0.35 * fringe * (0.6 + 0.9 * hairs), 0, 0.9), dark)
    lower_lash = _gauss(b - lower - 0.05, 0.035) * smoothstep(a, -0.8, 0.4) * (a < 1.02)
    blend(part, np.clip(0.30 * lower_lash * (0.7 + 0.6 * hairs), 0, 0.8), dark)
    # catch light: a softened window reflected towards the key
    ha, hb = side * 0.25 * shot.key_x, 0.08 + 0.25 * shot.key_y
    box = np.maximum(np.abs(da - ha) / 0.055, np.abs(db - hb) / 0.065)
    glint = smoothstep(box, 1.5, 0.6) * open_ + 0.012 * open_ * smoothstep(r, 1.0, 0.2)
    catch[rows, columns] = np.maximum(catch[rows, columns], glint)


def _brow(subject: Subject, shot: Shot, side: int, image, noise) -> None:
    s = subject
    rows, columns = window(side * 0.45, -0.30, 0.42, 0.28)
    part = image[rows, columns]
    a = (side * U[columns][None] - (s.eye_spacing - 0.03)) / 0.31  # -1 at the inner end
    centre = -0.255 - s.brow_height - 0.07 * shot.brow_raise
    middle = (
        centre
        - s.brow_arch * (1 - (a - 0.25) ** 2)
        + 0.05 * smoothstep(a, 0.3, 1.1)
        + 0.02 * smoothstep(a, -0.3, -1.0)
    )
    b = V[rows][:, None] - middle
    thick = 0.062 * s.brow_thickness * (1 - 0.62 * smoothstep(a, 0.1, 1.1))
    slant = np.where(a < -0.6, 1.5, 0.9)
    hairs = sample(noise, (a * 0.31 - b / slant * 1.1) * 85 + 11 * side, b * 18 + a * 2.5)
    hairs = cv2.GaussianBlur(hairs, (0, 0), 0.6)
    across = np.abs(b + 0.008 * hairs) / thick
    body = smoothstep(across, 1.15, 0.35) * smoothstep(a, -1.08, -0.75) * smoothstep(a, 1.2, 0.75)
    alpha = np.clip(s.brow_density * body * (0.78 + 0.38 * hairs), 0, 0.95)
    blend(part, alpha, s.brow)


def _mouth(subject: Subject, shot: Shot, image, z, gloss, noise) -> np.ndarray:
    """Lips, teeth and the dark between, in place; returns the grid's lip opacity (H, W)."""
    s = subject
    half = s.mouth_width * (1 + 0.14 * shot.smile)
    rows, columns = window(0.0, mouth_v(s), 0.6, 0.36)
    part = image[rows, columns]
    a = U[columns][None] / half
    line = mouth_v(s) - 0.055 * shot.smile * (a * a - 0.3) + 0.010 * _gauss(a, 0.22)
    line = line - 0.006 * np.cos(5 * a) + s.mouth_skew * a * 0.02
    b = V[rows][:, None] - line
    gap = 0.11 * shot.mouth_open * np.clip(1 - a * a, 0, 1) ** 0.7
    reach = np.clip(1 - np.abs(a) ** 1.7, 0, 1) ** 0.85
    bow = 1 - 0.26 * _gauss(a, 0.12) - 0.10 * _gauss(np.abs(a) - 0.6, 0.2)
    stretch = 1 - 0.18 * max(shot.smile, 0.0)
    top = -0.105 * s.lip_fullness * reach * bow * stretch - 0.25 * gap
    bottom = 0.135 * s.lip_fullness * np.clip(1 - a * a, 0, 1) ** 0.8 * stretch + 0.75 * gap
    soft = 2.6 * EDGE
    lips = smoothstep(b, top * 1.0 - soft, top + soft) * smoothstep(
        b, bottom + 2 * soft, bottom - soft
    )
    lips = lips * (np.abs(a) < 1.0)
    skin = np.array(s.albedo, np.float32)
    colour = skin * np.array(s.lip_tint, np.float32)
    creases = sample(noise, a * half * 70 + 0 * b, b * 5 + 9)
    colour = colour * (1 + 0.07 * creases[..., None]) * np.where(b < 0, 0.84, 1.0)[..., None]
    blend(part, 0.9 * lips, colour)
    edge = np.abs(b - bottom - 0.02)
    blend(part, 0.22 * _gauss(edge, 0.025) * (np.abs(a) < 0.8), skin * np.array([0.6, 0.5, 0.48]))
    seam = _gauss(b, 0.012 + 0.004 * (1 - np.abs(a))) * smoothstep(np.abs(a), 1.12, 0.92)
    blend(part, 0.85 * seam, skin * np.array([0.16, 0.07, 0.06]) + 0.002)
    hole = smoothstep(np.minimum(b + 0.25 * gap, 0.75 * gap - b), -EDGE, EDGE)
    hole = hole * smoothstep(gap, 0.004, 0.02)
    inner = np.zeros((*b.shape, 3), np.float32) + np.array([0.035, 0.008, 0.007], np.float32)
    tooth = np.abs(np.sin(np.pi * (a * half / 0.085))) ** 0.25
    teeth = smoothstep(b, 0.045, 0.03) * smoothstep(np.abs(a), 0.85, 0.55)
    blend(
        inner,
        teeth * (0.6 + 0.4 * tooth),
        np.array([0.42, 0.385, 0.33]) * (0.9 - 0.3 * a * a)[..., None],
    )
    inner *= smoothstep(b + 0.25 * gap, -0.005, 0.04)[..., None] * 0.8 + 0.2
    blend(part, hole, inner)
    shape = lips * (1 - hole)
    z[rows, columns] += shape * (0.02 * creases * 0.2) - 0.08 * hole
    gloss[rows, columns] += (0.5 * s.lip_gloss * shape) * (1 - gloss[rows, columns])
    whole = np.zeros((HEIGHT, WIDTH), np.float32)
    whole[rows, columns] = np.maximum(lips, hole)
    return whole


def _beard(subject: Subject, image, z, lips, noise) -> np.ndarray:
    """Stubble, moustache or beard, in place; returns its opacity (H, W)."""
    s = subject
    mouth, tip = mouth_v(s), nose_v(s)
    u, v = np.abs(U)[None], V[:, None]
    slow, fine = smooth_noise(noise, 0.10, 61), smooth_noise(noise, 0.011, 17)
    line = 0.93 - 0.62 * smoothstep(u, 0.50, 0.92)  # the beard's upper edge on the cheek
    cheek = smoothstep(v - line + 0.05 * slow, -0.04, 0.12) * smoothstep(u, 0.20, 0.42)
    lip = smoothstep(v, tip + 0.16, tip + 0.20) * smoothstep(u + 0.5 * (mouth - v), 0.44, 0.36)
    lip = lip * smoothstep(v, mouth + 0.06, mouth - 0.02)
    lip = lip * (1 - 0.5 * _gauss(U, 0.02)[None])
    chin = smoothstep(v, mouth + 0.13, mouth + 0.22) * smoothstep(u, 0.36, 0.24)
    sides = smoothstep(np.abs(u - 0.42), 0.14, 0.05) * smoothstep(v, tip + 0.2, mouth)
    shape = {
        "stubble": np.maximum.reduce([cheek, lip, chin, sides]),
        "full": np.maximum.reduce([cheek, lip, chin, sides]),
        "moustache": lip,
        "goatee": np.maximum.reduce([lip, chin, sides * (v < 1.25)]),
    }[s.beard]
    shape = shape * (1 - lips) * smoothstep(v, 1.75, 1.55)
    rng = 0.55 + 0.45 * fine
    if s.beard == "stubble":
        alpha = np.clip(s.beard_density * shape * (0.36 + 0.15 * fine), 0, 0.75)
    else:
        hairs = sample(noise, U[None] * 95 + 5.0 * slow + 2 * fine, v * 26 + 3 * slow + 0 * u)
        alpha = np.clip(s.beard_density * shape * (0.85 + 0.28 * hairs + 0.1 * fine), 0, 0.97)
        z += shape * (0.05 + 0.012 * hairs) * (0.6 if s.beard != "full" else 1.0)
        rng = 0.75 + 0.35 * hairs
    colour = np.array(s.beard_rgb, np.float32) * np.clip(rng, 0.3, 2)[..., None]
    blend(image, alpha, colour)
    return alpha if s.beard != "stubble" else 0.4 * alpha


def paint(subject: Subject, shot: Shot, z: np.ndarray, noise: np.ndarray) -> dict[str, np.ndarray]:
    """Reflectance of the bare head; carves the small relief of the features into `z` in place.

    Returns
    -------
    dict
        `albedo` (H, W, 3) linear RGB, `gloss` (H, W) strength of the shine, `catch` (H, W) mirror
        reflection of the key in the eyes, `hairy` (H, W) opacity of the beard; all float32.
    """
    gloss = np.full((HEIGHT, WIDTH), 0.55 * subject.oil, np.float32)
    zone = _gauss(U, 0.22)[None] * smoothstep(V, 0.7, -0.2)[:, None]
    gloss += 0.45 * subject.oil * zone
    catch = np.zeros((HEIGHT, WIDTH), np.float32)
    depth = _wrinkles(subject, shot, noise)
    z -= 0.018 * depth
    image = _complexion(subject, depth, noise)
    for side in (-1, 1):
        rows, columns = window(side * 0.52 * subject.nose_width, nose_v(subject) + 0.135, 0.15, 0.1)
        a = (side * U[columns][None] - 0.52 * subject.nose_width) / 0.055
        b = (V[rows][:, None] - nose_v(subject) - 0.128 + 0.012 * a) / 0.024
        nostril = smoothstep(np.sqrt(a * a + b * b), 1.25, 0.55)
        dark = np.array(subject.albedo) * np.array([0.14, 0.07, 0.06])
        blend(image[rows, columns], 0.85 * nostril, dark)
        _eye(subject, shot, side, image, z, catch, noise)
        _brow(subject, shot, side, image, noise)
    lips = _mouth(subject, shot, image, z, gloss, noise)
    hairy = np.zeros_like(gloss)
    if subject.beard != "none":
        hairy = _beard(subject, image, z, lips, noise)
    z += 0.0007 * smooth_noise(noise, 0.022, 131)  # pores
    return {"albedo": image, "gloss": gloss, "catch": catch, "hairy": hairy}
