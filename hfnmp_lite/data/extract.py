"""One recording becomes frames: decoded, chosen by a named rule, cropped to the face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from hfnmp_lite.data.annotation import Annotation, lies_in, read_annotation, turned
from hfnmp_lite.data.capture import Box, crop_face, find_face, whole_image
from hfnmp_lite.data.images import read_image
from hfnmp_lite.data.recordings import NO_FACE, Recording
from hfnmp_lite.data.videos import RULES, choose, decode
from hfnmp_lite.files import InputError

CROPS = ("auto", "annotation", "detector", "none")
NEARBY = 4  # frames tried in the place of one without a face


@dataclass(frozen=True)
class Settings:
    """What decides the frames.

    Attributes
    ----------
    rule, frames : str, int
        Which frames of a video and how many, see `videos.choose`; candidates are the annotated
        frames where there is an annotation, all frames where there is none.
    size : int
        Side of a frame in pixels.
    crop : str
        "auto": by the annotation where there is one, else by the detector; "annotation" or
        "detector": by that alone; "none": the whole image.
    """

    rule: str = "linspace"
    frames: int = 2
    size: int = 256
    crop: str = "auto"

    def __post_init__(self) -> None:
        for name, given, known in (("rule", self.rule, RULES), ("crop", self.crop, CROPS)):
            if given not in known:
                raise InputError(f"{name} '{given}' is unknown; expected one of {', '.join(known)}")
        if not 1 <= self.frames <= 1000:
            raise InputError(f"frames is {self.frames}; expected 1 to 1000 for each video")
        if self.rule == "fixed" and self.frames != 2:
            raise InputError(f"frames is {self.frames}; the rule 'fixed' takes two")
        if not 32 <= self.size <= 1024:
            raise InputError(f"size is {self.size}; expected 32 to 1024 pixels, 256 by default")


class Prepared(NamedTuple):
    """What one recording gave: PNG bytes by number of the frame, how cropped; or why nothing."""

    frames: dict[int, bytes]
    cropped: dict[int, str]
    failure: str | None


def make(root: Path, recording: Recording, settings: Settings) -> Prepared:
    """Decode one recording, choose its frames and crop them.

    Never raises for what the file is: whatever is wrong with it becomes the failure.
    """
    try:
        annotation = _annotation(root, recording, settings)
        if recording.is_video:
            return _of_video(root / recording.path, recording, annotation, settings)
        image = read_image(root / recording.path)
        crop = _crop(image, 0, annotation, recording.rotation, settings)
        return _packed({} if crop is None else {0: crop}, "in the image")
    except InputError as error:
        reason = str(error).removeprefix(f"{root / recording.path}: ").replace(f"{root}/", "")
        return Prepared({}, {}, reason)
    except (cv2.error, MemoryError, OSError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return Prepared({}, {}, f"cannot be used ({reason})")


def _annotation(root: Path, recording: Recording, settings: Settings) -> Annotation | None:
    if recording.annotation is None or settings.crop not in ("auto", "annotation"):
        return None
    try:
        return read_annotation(root / recording.annotation, recording.annotation_kind)
    except InputError:
        if settings.crop == "annotation":
            raise
        return None  # the detector does it


def _of_video(
    path: Path, recording: Recording, annotation: Annotation | None, settings: Settings
) -> Prepared:
    seen = range(0)

    def candidates(count: int) -> Sequence[int]:
        nonlocal seen
        seen = range(count)
        if annotation:
            seen = [n for n in sorted(annotation.boxes) if n < count] or seen
        return seen

    def pick(count: int) -> list[int]:
        return choose(candidates(count), settings.rule, settings.frames)

    def take(number: int, image: np.ndarray) -> tuple[np.ndarray, str] | None:
        return _crop(image, number, annotation, recording.rotation, settings)

    wanted = decode(path, pick, take, recording.rotation).taken
    if not wanted:
        raise InputError(f"{path}: none of the chosen frames can be decoded; export it again")
    crops = {number: crop for number, crop in wanted.items() if crop is not None}
    if missing := sorted(set(wanted) - set(crops)):
        near = _nearby(seen, missing, set(wanted))
        others = sorted({n for numbers in near.values() for n in numbers})
        spare = decode(path, lambda count: others, take, recording.rotation).taken
        for number in missing:
            better = next((n for n in near[number] if spare.get(n) and n not in crops), None)
            if better is not None:
                crops[better] = spare[better]
    return _packed(crops, f"in {len(wanted)} frames and {NEARBY} near each")


def _nearby(seen: Sequence[int], missing: Sequence[int], taken: set[int]) -> dict[int, list[int]]:
    """For frames without a face, others to try: nearest first, up to half the way to the next."""
    places = {number: place for place, number in enumerate(seen)}
    step = max(1, len(seen) // (len(taken) * 2 * NEARBY))
    near = {}
    for number in missing:
        around = [
            places[number] + sign * k * step for k in range(1, NEARBY + 1) for sign in (1, -1)
        ]
        found = [seen[p] for p in around if 0 <= p < len(seen)]
        near[number] = [n for n in found if n not in taken][:NEARBY]
    return near


def _crop(
    image: np.ndarray,
    number: int,
    annotation: Annotation | None,
    rotation: int,
    settings: Settings,
) -> tuple[np.ndarray, str] | None:
    """Cut the face out of an upright frame; None where there is none."""
    height, width = image.shape[:2]
    if settings.crop == "none":
        return whole_image(image, settings.size), "none"
    box: Box | None = annotation.boxes.get(number) if annotation else None
    if box and rotation and annotation.head_down:  # drawn in the frame as it is stored
        box = turned(box, width, height)
    if box and lies_in(box, width, height):
        return crop_face(image, settings.size, box)[0], "annotation"
    if settings.crop == "annotation" or (box := find_face(image)) is None:
        return None
    return crop_face(image, settings.size, box)[0], "detector"


def _packed(crops: Mapping[int, tuple[np.ndarray, str]], where: str) -> Prepared:
    if not crops:
        return Prepared({}, {}, f"{NO_FACE} {where}")
    frames, cropped = {}, {}
    for number, (crop, source) in sorted(crops.items()):
        encoded = cv2.imencode(".png", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))[1]
        frames[number], cropped[number] = encoded.tobytes(), source
    return Prepared(frames, cropped, None)
