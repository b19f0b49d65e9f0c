"""Where the data sets' own files say the face is: read into boxes framed as `find_face` gives them.

A box of an annotation stands for the window of the detector; what the annotators drew is close to
it (*our choice*). Lines that cannot be used are left out: the files have gaps anyway.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

from hfnmp_lite.data.capture import Box
from hfnmp_lite.files import InputError, read_text

Kind = Literal["xywh", "corners", "eyes"]
MAX_BYTES = 8 * 2**20
SMALLEST = 16  # pixels of a box's sides
LARGEST = 20_000
# The detector's window in distances between the eyes, and the eyes' height in the window: measured
# on the portrait that scikit-image bundles (44 px apart, 34 px below the top of a window of 102).
EYES_TO_WINDOW = 2.3
EYES_AT = 0.34


class Annotation(NamedTuple):
    """Boxes by the number of the frame, and whether the eyes lie in their lower halves."""

    boxes: dict[int, Box]
    head_down: bool = False


def read_annotation(path: str | Path, kind: Kind) -> Annotation:
    """Read the positions of the face in a video's frames.

    Parameters
    ----------
    path : path
        One line a frame, numbers separated by commas, semicolons or spaces.
    kind : {"xywh", "corners", "eyes"}
        "xywh": frame, x, y, width, height (Replay-Attack's `.face`). "corners": frame, x1, y1, x2,
        y2, then both eyes (MSU's `.face`). "eyes": frame, and x, y of each eye (OULU-NPU).

    Returns
    -------
    Annotation
        Frames whose line is missing, damaged, or of no size are missing.

    Raises
    ------
    InputError
        The file cannot be read, or none of its lines is of that kind.
    """
    path = Path(path)
    try:
        text = read_text(path, MAX_BYTES, errors="replace")
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read ({error}); expected an annotation") from None
    boxes, lower, usable = {}, [], 0
    for line in text.splitlines():
        numbers = _numbers(line)
        if numbers is None or len(numbers) < 5 or numbers[0] < 0 or numbers[0] % 1:
            continue
        usable += 1
        box = _box(numbers[1:], kind)
        if box is None:
            continue
        boxes[int(numbers[0])] = box
        if kind == "corners" and len(numbers) >= 9 and any(numbers[5:9]):
            lower.append((numbers[6] + numbers[8]) / 2 - (box.y + box.height / 2))
    if text.strip() and not usable:
        raise InputError(f"{path}: has no line 'frame, position ...'; expected an annotation")
    return Annotation(boxes, bool(lower) and median(lower) > 0)


def _numbers(line: str) -> list[float] | None:
    try:
        numbers = [float(word) for word in re.split(r"[,;\s]+", line.strip(" ,;\t")) if word]
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _box(at: list[float], kind: Kind) -> Box | None:
    if kind == "xywh":
        x, y, width, height = at[:4]
    elif kind == "corners":
        x, y, width, height = at[0], at[1], at[2] - at[0], at[3] - at[1]
    else:
        apart = math.hypot(at[2] - at[0], at[3] - at[1])
        width = height = EYES_TO_WINDOW * apart
        x = (at[0] + at[2]) / 2 - width / 2
        y = (at[1] + at[3]) / 2 - EYES_AT * height
    if not SMALLEST <= min(width, height) <= max(width, height) <= LARGEST:
        return None
    if max(abs(x), abs(y)) > LARGEST:
        return None
    return Box(round(x), round(y), round(width), round(height))


def turned(box: Box, width: int, height: int) -> Box:
    """Give the box after a turn of the image (width, height in pixels) by 180 degrees."""
    return Box(width - box.x - box.width, height - box.y - box.height, box.width, box.height)


def lies_in(box: Box, width: int, height: int) -> bool:
    """Whether the middle of a box lies in an image, and the box is not larger than it by half."""
    x, y = box.x + box.width / 2, box.y + box.height / 2
    fits = box.width <= 1.5 * width and box.height <= 1.5 * height
    return fits and 0 <= x < width and 0 <= y < height
