"""Images varied as cameras, papers and screens vary: *our choice*, the same for every pattern.

The authors' later FAS-Aug follows the same idea. It is told neither class nor domain, so that what
it blurs or tints can be no shortcut; its ranges are those of everyday cameras, not of ours.
"""

from __future__ import annotations

import cv2
import numpy as np

CHANCE = 0.5  # of each variation, by itself


def as_cameras_vary(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Vary colour cast, saturation, tone, blur, resolution, noise and JPEG, each half of the time.

    The number of random draws does not depend on what is chosen.

    Parameters
    ----------
    image : (h, w, 3) uint8 RGB
    rng : numpy.random.Generator

    Returns
    -------
    (h, w, 3) uint8 RGB
    """
    chosen, u, z = rng.random(7) < CHANCE, rng.random(7), rng.standard_normal(2)
    seed = rng.integers(2**31)
    x = image.astype(np.float32) / 255
    if chosen[0]:  # white balance: red and blue gains
        x *= np.exp([0.12 * z[0], 0.0, 0.12 * z[1]]).astype(np.float32)
    if chosen[1]:  # 0.6 to 1.4
        grey = x.mean(2, keepdims=True)
        x = grey + np.float32(0.6 + 0.8 * u[1]) * (x - grey)
    if chosen[2]:  # exposure and contrast: an exponent of 0.65 to 1.55
        x = np.clip(x, 0, 1) ** np.float32(np.exp(0.87 * u[2] - 0.43))
    if chosen[3]:
        x = cv2.GaussianBlur(x, (0, 0), 0.3 + 1.2 * float(u[3]))
    if chosen[4]:  # a camera of fewer pixels
        h, w = x.shape[:2]
        share = 0.5 + 0.5 * u[4]
        small = cv2.resize(x, (round(w * share), round(h * share)), interpolation=cv2.INTER_AREA)
        x = cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)
    if chosen[5]:
        noise = np.random.default_rng(seed).standard_normal(x.shape, np.float32)
        x = x + np.float32(0.03 * u[5]) * noise
    x = (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)
    if chosen[6]:
        flags = [cv2.IMWRITE_JPEG_QUALITY, int(40 + 55 * u[6])]
        x = cv2.imdecode(cv2.imencode(".jpg", x, flags)[1], cv2.IMREAD_COLOR)
    return np.ascontiguousarray(x)
