"""Colours of light and of skin: illuminants, the Monk skin tone scale, the typology angle."""

from __future__ import annotations

import math

import numpy as np

# Monk skin tone scale (Ellis Monk, 2022), published sRGB values of tones 1 to 10.
MONK = [
    "f6ede4",
    "f3e7db",
    "f7ead0",
    "eadaba",
    "d7bd96",
    "a07e56",
    "825c43",
    "604134",
    "3a312a",
    "292420",
]
# A swatch is seen against paper, skin against a diffuse white; no skin is a black hole.
SKIN_WHITE, SKIN_FLOOR = 0.70, np.array([0.024, 0.014, 0.009])
BLOOD = np.array([1.03, 0.95, 0.91])  # living skin is a little redder than the swatch
_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])  # D65


def illuminant(kelvin: float) -> np.ndarray:
    """Colour of daylight-like or incandescent light.

    Parameters
    ----------
    kelvin : float
        Colour temperature, 1,700 to 25,000 K.

    Returns
    -------
    ndarray (3,) float32
        Linear RGB with sRGB primaries, green = 1: the Planckian locus in the cubic approximation of
        Kim et al. (2002), turned into linear sRGB.

    Raises
    ------
    ValueError
        If `kelvin` is outside the approximation's range.
    """
    if not 1667 <= kelvin <= 25000:
        raise ValueError(f"illuminant: {kelvin} K is outside 1667..25000 K")
    t = 1e3 / kelvin
    if kelvin <= 4000:
        x = ((-0.2661239 * t - 0.2343589) * t + 0.8776956) * t + 0.179910
    else:
        x = ((-3.0258469 * t + 2.1070379) * t + 0.2226347) * t + 0.240390
    if kelvin <= 2222:
        y = ((-1.1063814 * x - 1.34811020) * x + 2.18555832) * x - 0.20219683
    elif kelvin <= 4000:
        y = ((-0.9549476 * x - 1.37418593) * x + 2.09137015) * x - 0.16748867
    else:
        y = ((3.0817580 * x - 5.87338670) * x + 3.75112997) * x - 0.37001483
    rgb = np.linalg.solve(_XYZ, np.array([x / y, 1.0, (1 - x - y) / y]))
    return (np.clip(rgb, 0.01, None) / rgb[1]).astype(np.float32)


def tone_albedo(tone: int) -> np.ndarray:
    """Skin reflectance of a Monk tone, linear RGB (3,) float64; `tone` from 1 to 10."""
    if not 1 <= tone <= 10:
        raise ValueError(f"tone: {tone} is not one of the ten Monk tones, 1 to 10")
    code = MONK[tone - 1]
    srgb = np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255.0
    return SKIN_FLOOR + SKIN_WHITE * np.where(
        srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4
    )


def typology_angle(albedo) -> float:
    """Individual typology angle, atan((L* - 50) / b*) in degrees, of a linear RGB reflectance."""
    xyz = _XYZ @ np.asarray(albedo, float) / _WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return math.degrees(math.atan2(116 * f[1] - 16 - 50, 200 * (f[1] - f[2])))
