"""From a file to a face crop: an image is read, the face is found, a square is cut.

Each step can be used alone: `read_image` (from `hfnmp_lite.data.images`), `find_face`
(scikit-image's cascade with its bundled model of local binary patterns) and `crop_face` (a square
framed as in the samples).
"""

from __future__ import annotations

import functools
from typing import Literal, NamedTuple

import cv2
import numpy as np

from hfnmp_lite.data.images import read_image

__all__ = ["Box", "crop_face", "find_face", "read_image", "whole_image"]

WORKING_SIDE = 256  # pixels of the longer side in which the face is looked for
SMALLEST_WINDOW = 24  # pixels there: the model's own window, so faces from 9 % of the longer side
MIN_VOTES = 4  # windows that must agree on a face
# Side of the crop in windows: the samples' framing (median 1.28 on 265 simulated faces; 1.35 puts
# the astronaut's eyes and chin where theirs are). The centres coincide within 0.04 windows.
CROP_SIDE = 1.3
WHOLE = 0.75  # a crop of this share of both sides or more: the image is a face crop already


class Box(NamedTuple):
    """A rectangle in pixels; (x, y) is its upper left corner."""

    x: int
    y: int
    width: int
    height: int


def find_face(image: np.ndarray) -> Box | None:
    """Find the frontal face that most windows of the cascade agree on.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
        RGB.

    Returns
    -------
    Box or None
        The face from brows to chin, in pixels of `image`; None where fewer than four windows
        agree. Faces smaller than 9 % of the longer side are not looked for.

    Notes
    -----
    scikit-image's `feature.Cascade` with the frontal-face model of local binary patterns that it
    bundles (OpenCV's `lbpcascade_frontalface`). The image is first reduced to 256 pixels on its
    longer side. Windows vote: those whose centres lie within a quarter of a window belong together,
    the largest group wins, its median is the box. About 0.2 s on one core.
    """
    height, width = image.shape[:2]
    scale = min(1.0, WORKING_SIDE / max(height, width))
    small = cv2.resize(
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY),
        (max(1, round(width * scale)), max(1, round(height * scale))),
        interpolation=cv2.INTER_AREA,
    )
    # The model wants some room around a face; a border that repeats the edge gives it.
    border = round(0.1 * min(small.shape))
    padded = cv2.copyMakeBorder(small, *(border,) * 4, cv2.BORDER_REPLICATE)
    if min(padded.shape) < SMALLEST_WINDOW:
        return None
    box = _most_agreed(_windows(padded))
    if box is None:
        return None
    x, y, side = (box - (border, border, 0)) / scale
    left, top = max(0, round(x)), max(0, round(y))
    right, bottom = min(width, round(x + side)), min(height, round(y + side))
    return Box(left, top, right - left, bottom - top)


@functools.cache
def _cascade():
    from skimage.data import lbp_frontal_face_cascade_filename
    from skimage.feature import Cascade

    return Cascade(lbp_frontal_face_cascade_filename())


def _windows(grey: np.ndarray) -> np.ndarray:
    """All windows the cascade accepts, (n, 3): x, y, side; sorted, for the search is threaded."""
    side = min(grey.shape)
    found = _cascade().detect_multi_scale(
        img=grey,
        scale_factor=1.1,
        step_ratio=1,
        min_size=(SMALLEST_WINDOW, SMALLEST_WINDOW),
        max_size=(side, side),
        min_neighbor_number=0,
        intersection_score_threshold=1.5,  # no overlap reaches 1.5: nothing is merged
    )
    windows = sorted((window["c"], window["r"], window["width"]) for window in found)
    return np.array(windows, np.float64).reshape(-1, 3)


def _most_agreed(windows: np.ndarray) -> np.ndarray | None:
    """Median of the largest group of windows (x, y, side) around one; larger side on ties."""
    if len(windows) < MIN_VOTES:
        return None
    side = windows[:, 2]
    centre = windows[:, :2] + side[:, None] / 2
    distance = np.linalg.norm(centre[:, None] - centre[None], axis=2)
    ratio = side[:, None] / side[None]
    near = (distance < 0.25 * side[:, None]) & (ratio < 1.5) & (ratio > 1 / 1.5)
    votes = near.sum(axis=1)
    best = max(range(len(windows)), key=lambda i: (votes[i], side[i]))
    if votes[best] < MIN_VOTES:
        return None
    return np.median(windows[near[best]], axis=0)


def crop_face(
    image: np.ndarray, size: int, box: Box | None = None
) -> tuple[np.ndarray, Literal["cascade", "none"]]:
    """Cut the square around the face, framed as in the samples, and resize it.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
        RGB.
    size : int
        Side of the result in pixels.
    box : Box, optional
        A face found before, by `find_face`; without it the face is looked for here.

    Returns
    -------
    crop : ndarray of uint8, (size, size, 3)
        Forehead to chin. The square is moved, and if need be shrunk, to lie within the image: no
        pixel is invented. `whole_image` where no face is found, and where the face fills the image
        already (as in the samples), so that a crop is not cropped again.
    source : {"cascade", "none"}
        Whether a face was found.
    """
    if box is None:
        box = find_face(image)
    if box is None:
        return whole_image(image, size), "none"
    height, width = image.shape[:2]
    window = max(box.width, box.height)
    side = min(round(CROP_SIDE * window), height, width)
    if side >= WHOLE * max(height, width):
        return whole_image(image, size), "cascade"
    x = box.x + box.width / 2 - side / 2
    y = box.y + box.height / 2 - side / 2
    left = min(max(0, round(x)), width - side)
    top = min(max(0, round(y)), height - side)
    return whole_image(image[top : top + side, left : left + side], size), "cascade"


def whole_image(image: np.ndarray, size: int) -> np.ndarray:
    """Resize a whole image (H, W, 3) to (size, size, 3), area-averaged when it shrinks.

    Images that are not square are squashed, not letterboxed: bars beside the picture would look
    like the edge of a sheet or a screen, which is what tells an attack.
    """
    height, width = image.shape[:2]
    shrinks = height >= size and width >= size
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (size, size), interpolation=interpolation)
