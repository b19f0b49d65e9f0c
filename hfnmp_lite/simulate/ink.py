"""Four inks on paper: which coverages a picture becomes, and which colour those reflect.

Dots of the inks overlap by chance (Demichel's weights), light spreads within the paper (Yule and
Nielsen's exponent), and the eye or a camera sees the mean of the sixteen overprints (Neugebauer).
"""

from __future__ import annotations

import math

import numpy as np

from hfnmp_lite.simulate.geometry import LUMINANCE

PAPER = 0.87
"""Reflectance of unprinted paper."""

FLOOR = 0.022
"""Reflectance under all inks: what the surface itself reflects."""

INKS = ((0.035, 0.47, 0.78), (0.71, 0.08, 0.42), (0.96, 0.86, 0.12), (0.02, 0.02, 0.02))
"""Transmittance of solid cyan, magenta, yellow and black in linear RGB; equal inks are grey [t]."""


def manage(picture: np.ndarray, contrast: float, chroma: float) -> np.ndarray:
    """Prepare a picture as a printer's driver does: stronger colours, other tones.

    Ink and paper grey the colours and bend the tones; a driver's profile undoes that in part.

    Parameters
    ----------
    picture : ndarray
        (..., 3) float32, sRGB-coded, in [0, 1].
    contrast : float
        Exponent on the coded values; above 1 the shadows are deeper [t].
    chroma : float
        Factor on the distance from grey; about 1.4 restores the colours [t].

    Returns
    -------
    ndarray
        Same shape, float32, in [0, 1].
    """
    coded = np.clip(picture, 0.0, 1.0) ** np.float32(contrast)
    grey = (coded @ LUMINANCE)[..., None]
    return np.clip(grey + np.float32(chroma) * (coded - grey), 0.0, 1.0)


def separate(picture: np.ndarray, black_share: float, dot_gain: float) -> np.ndarray:
    """Ink coverages of an sRGB picture.

    Grey-component replacement, then the dot gain a <- a^1.15, a <- a + 4 g a (1 - a).

    Parameters
    ----------
    picture : ndarray
        (..., 3) float32, sRGB-coded, in [0, 1].
    black_share : float
        Share of the grey component that black ink takes over, in [0, 1].
    dot_gain : float
        g >= 0: at half coverage the dots grow by g.

    Returns
    -------
    ndarray
        (4, ...) float32 coverages of cyan, magenta, yellow, black, in [0, 1].
    """
    inks = 1.0 - np.clip(np.moveaxis(picture, -1, 0), 0.0, 1.0)
    grey = inks.min(0)
    black = black_share * grey * grey
    coverage = np.empty((4, *grey.shape), np.float32)
    coverage[:3] = (inks - black) / np.maximum(1.0 - black, 1e-3)
    coverage[3] = black
    np.clip(coverage, 0.0, 1.0, out=coverage)
    coverage **= np.float32(1.15)
    return coverage + 4.0 * dot_gain * coverage * (1.0 - coverage)


def reflectance(coverage: np.ndarray, yule_nielsen: float) -> np.ndarray:
    """Yule-Nielsen modified Neugebauer reflectance with Demichel weights.

    R = (sum_i w_i P_i^(1/n))^n over the 16 primaries P_i: bare paper, the inks, their overprints.

    Parameters
    ----------
    coverage : ndarray
        (4, ...) float32 in [0, 1].
    yule_nielsen : float
        n >= 1, how far light spreads within the paper; 1 is Neugebauer's own sum.

    Returns
    -------
    ndarray
        (..., 3) float32, linear RGB between FLOOR and PAPER.
    """
    shape = coverage.shape[1:]
    c, m, y, k = coverage.reshape(4, -1)
    solid = np.array([[[1.0, 1.0, 1.0], ink] for ink in INKS])  # (4, 2, 3): without, with
    through = np.einsum("ax,bx,cx,dx->abcdx", *solid).reshape(16, 3)
    primaries = (FLOOR + (PAPER - FLOOR) * through) ** (1.0 / yule_nielsen)
    cyan_magenta = [(1.0 - c) * (1.0 - m), (1.0 - c) * m, c * (1.0 - m), c * m]
    yellow_black = [(1.0 - y) * (1.0 - k), (1.0 - y) * k, y * (1.0 - k), y * k]
    weights = np.empty((16, c.size), np.float32)
    for i, pair in enumerate(cyan_magenta):
        for j, other in enumerate(yellow_black):
            np.multiply(pair, other, out=weights[4 * i + j])
    total = weights.T @ primaries.astype(np.float32)  # (pixels, 3)
    return np.power(total, np.float32(yule_nielsen)).reshape(*shape, 3)


def dot_amplitude(coverage: np.ndarray) -> np.ndarray:
    """First Fourier coefficient A1 of a screen of round dots (holes above one half).

    A1 = r J1(2 pi r), r = sqrt(min(a, 1 - a) / pi); with q = min(a, 1 - a) Bessel's series is
    q sum_j (-pi q)^j / (j! (j + 1)!), exact to 1e-6 with seven terms.

    Returns
    -------
    ndarray
        Same shape and type, in [0, .2].
    """
    q = np.minimum(coverage, 1.0 - coverage)
    t = -math.pi * q
    series = np.ones_like(q)
    for j in range(6, 0, -1):
        series = 1.0 + t / (j * (j + 1)) * series
    return q * series
