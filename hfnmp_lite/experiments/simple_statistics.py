"""Simple statistics of a face's colour and texture, and how far they alone tell attacks.

Real data sets give themselves away to such statistics at home, and much less abroad; the benchmark
is held to that. The features are fixed here and nowhere else: none is added or dropped to move a
figure. Needs scikit-learn (`pip install hfnmp-lite[dev]`).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

MIDDLE = np.s_[24:104, 32:96]  # of 128 x 128 pixels: the face without its outline
RINGS = range(2, 63, 3)
FOLDS = 5


def colour_features(image: np.ndarray) -> np.ndarray:
    """Mean, deviation and percentiles 5, 50, 95 of each channel of CIELAB and HSV.

    Parameters
    ----------
    image : (128, 128, 3) uint8 RGB

    Returns
    -------
    (30,) float64
    """
    face = np.ascontiguousarray(image[MIDDLE]).astype(np.float32) / 255
    channels = [cv2.cvtColor(face, code) for code in (cv2.COLOR_RGB2LAB, cv2.COLOR_RGB2HSV)]
    values = np.concatenate(channels, 2).reshape(-1, 6).astype(np.float64)
    parts = [values.mean(0), values.std(0), *np.percentile(values, (5, 50, 95), axis=0)]
    return np.concatenate(parts)


def texture_features(image: np.ndarray) -> np.ndarray:
    """Sharpness, edges, residues of three blurs, and the radial spectrum of the grey face.

    Log variance of the Laplacian; mean absolute Sobel derivative along x and y; log power of what
    Gaussians of 1, 2 and 4 pixels remove; mean log spectrum of the whole picture on every third
    ring from 2 to 62 cycles.

    Parameters
    ----------
    image : (128, 128, 3) uint8 RGB

    Returns
    -------
    (27,) float64
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    face = np.ascontiguousarray(grey[MIDDLE])
    values = [np.log(cv2.Laplacian(face, cv2.CV_32F).var() + 1e-8)]
    values += [np.abs(cv2.Sobel(face, cv2.CV_32F, *along)).mean() for along in ((1, 0), (0, 1))]
    for sigma in (1, 2, 4):
        residue = face - cv2.GaussianBlur(face, (0, 0), sigma)
        values.append(np.log((residue**2).mean() + 1e-8))
    side = len(grey)
    window = np.hanning(side)[:, None] * np.hanning(side)
    power = np.log(np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2 + 1e-8)
    cycles = np.fft.fftfreq(side) * side
    ring = np.rint(np.hypot(cycles[:, None], cycles)).astype(int)
    values += [power[ring == r].mean() for r in RINGS]
    return np.array(values, np.float64)


def features(image: np.ndarray) -> np.ndarray:
    """Colour and texture together, (57,) float64."""
    return np.concatenate([colour_features(image), texture_features(image)])


def decide(train: np.ndarray, live: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Scores (m,) of an SVM (RBF, C = 3, balanced classes) on standardised features, live higher.

    Parameters
    ----------
    train, test : (n, k), (m, k)
    live : (n,) bool
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    model = make_pipeline(StandardScaler(), SVC(C=3, class_weight="balanced"))
    return model.fit(train, live).decision_function(test)


def cross_validated(x: np.ndarray, live: np.ndarray, subject: Sequence[str]) -> np.ndarray:
    """Scores (n,) of every row by a classifier that saw none of its subject's rows."""
    from sklearn.model_selection import GroupKFold

    scores = np.full(len(live), np.nan)
    for train, test in GroupKFold(FOLDS).split(x, live, subject):
        scores[test] = decide(x[train], live[train], x[test])
    return scores
