"""Videos become frames: decoded in order by OpenCV's FFmpeg, files treated as hostile."""

from __future__ import annotations

import math
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import cv2
import numpy as np

from hfnmp_lite.data import formats
from hfnmp_lite.data.images import MAX_PIXELS, MIN_SIDE
from hfnmp_lite.data.quiet import quietly
from hfnmp_lite.files import InputError

RULES = ("linspace", "fixed")
FIXED_FIRST = 6  # as in the public lists of two frames a video that skip the first six
MAX_FRAMES = 1_000_000
MAX_SECONDS = 600  # of decoding, for one video
T = TypeVar("T")

# Read by OpenCV when it first opens a video: no messages from the decoder, and no protocol but
# files, since a playlist in a video's place could name addresses on the network.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "protocol_whitelist;file")

# What a file says of its codec: MP4 in the video's sample description, AVI and Matroska in headers.
_CODEC = re.compile(
    rb"hdlr.{8}vide.{1,4096}?stsd.{12}(.{4})|strh.{4}vids(.{4})|\x86[\x80-\xff](V_[A-Z0-9/_]{3,})",
    re.DOTALL,
)
_NAMES = {"AV01": "AV1", "V_AV1": "AV1", "VVC1": "VVC", "VVI1": "VVC", "DVH1": "Dolby Vision"}
_CURE = "export it as H.264 in MP4, or fetch it again where it is damaged"
_LOOKED_AT = 4 * 2**20  # bytes at either end of a file


class Decoded(NamedTuple, Generic[T]):
    """What came out of a video."""

    count: int  # frames that could be decoded
    rate: float  # frames a second as the file states it, 0 where it does not
    taken: dict[int, T]  # by the number of the frame
    seconds: dict[int, float]  # of those frames, from the start; without what nobody can know


def choose(candidates: Sequence[int], rule: str, count: int) -> list[int]:
    """Choose frames among candidates, in their order.

    Parameters
    ----------
    candidates : sequence of int
        Numbers of frames, ascending.
    rule : {"linspace", "fixed"}
        "linspace": `count` of them, evenly spaced, both ends included (*released code*). "fixed":
        two, the one at place 6 and the one half the candidates further; where they are too few for
        that, at place 0 and the one at half.
    count : int
        How many, for "linspace"; all where there are fewer.
    """
    if rule not in RULES:
        raise ValueError(f"rule '{rule}' is unknown; expected one of {RULES}")
    n = len(candidates)
    if rule == "fixed":
        first = FIXED_FIRST if FIXED_FIRST + n // 2 < n else 0
        places = sorted({first, first + n // 2} & set(range(n)))
    else:
        places = np.linspace(0, n - 1, count, dtype=int).tolist() if n > count else range(n)
    return [candidates[i] for i in places]


def decode(
    path: str | Path,
    pick: Callable[[int], Sequence[int]],
    take: Callable[[int, np.ndarray], T],
    rotation: int = 0,
) -> Decoded[T]:
    """Decode a video from its beginning and take some of its frames.

    Parameters
    ----------
    path : path
        A file of one of `formats.VIDEOS`.
    pick : callable
        The number of frames -> the frames wanted. It is called again where the file holds another
        number than it states.
    take : callable
        (number, uint8 (H, W, 3) RGB) -> what is kept, so that few frames are in memory at once.
    rotation : {0, 180}
        180 turns every frame, and what the file itself says of its orientation is ignored.

    Raises
    ------
    InputError
        No such file, an empty one, no video, larger than 80 megapixels, smaller than 16 pixels on
        a side, without a frame that can be decoded, or longer to decode than ten minutes.

    Notes
    -----
    Seconds are the container's time stamps: phones film at a rate that varies with the light. A
    frame without one follows the frame before at the stated rate.
    """
    path = Path(path)
    _check_file(path)
    deadline = time.monotonic() + MAX_SECONDS
    with _opened(path, rotation) as capture:
        stated = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        rate = max(0.0, float(capture.get(cv2.CAP_PROP_FPS)))
        codec = int(capture.get(cv2.CAP_PROP_FOURCC))
    count = stated if 0 < stated <= MAX_FRAMES else 0
    for _ in range(2):
        wanted = set(pick(count)) if count else set()
        with _opened(path, rotation) as capture:
            taken, seconds, found = _walk(path, capture, wanted, take, rotation, rate, deadline)
        if found == count:
            break
        count = found  # the header lied, or the file is cut short
    if not count:
        named = _named(codec.to_bytes(8, "little", signed=True)[:4]) or _codec_of(path)
        said = f"its codec is {named or 'unknown'}: {_CURE}"
        raise InputError(f"{path}: holds no frame that can be decoded; {said}")
    return Decoded(count, rate, taken, seconds)


def _walk(
    path: Path,
    capture: cv2.VideoCapture,
    wanted: set[int],
    take: Callable[[int, np.ndarray], T],
    rotation: int,
    rate: float,
    deadline: float,
) -> tuple[dict[int, T], dict[int, float], int]:
    taken: dict[int, T] = {}
    seconds: dict[int, float] = {}
    last = -math.inf
    for number in range(MAX_FRAMES):
        if time.monotonic() > deadline:
            raise InputError(
                f"{path}: takes more than {MAX_SECONDS // 60} minutes to decode; cut it first"
            )
        if not capture.grab():
            return taken, seconds, number
        at = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if at <= last:  # no stamp of its own
            at = last + 1 / rate if rate else math.nan
        last = at
        if number in wanted:
            if math.isfinite(at):
                seconds[number] = at
            good, frame = capture.retrieve()
            if good and frame is not None:
                if rotation:
                    frame = cv2.rotate(frame, cv2.ROTATE_180)
                taken[number] = take(number, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    return taken, seconds, MAX_FRAMES


def _check_file(path: Path) -> None:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path}: is no regular file; expected a video")
        if not status.st_size:
            raise InputError(f"{path}: is empty; expected a video, fetch or export it again")
        with open(path, "rb") as file:
            head = file.read(formats.HEAD)
    except InputError:
        raise
    except (OSError, ValueError) as error:  # also a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be opened ({reason}); expected a video") from None
    if formats.container(head) is None:
        known = formats.refused(head)
        raise InputError(
            f"{path}: is {known or 'no video'} that is read here; expected "
            f"{', '.join(formats.VIDEOS)}"
        )


def _codec_of(path: Path) -> str:
    """Name the codec that a file states; "" where it states none near its ends."""
    with open(path, "rb") as file:
        ends = file.read(_LOOKED_AT)
        file.seek(max(file.tell(), path.stat().st_size - _LOOKED_AT))
        found = _CODEC.search(ends) or _CODEC.search(file.read())
    return _named(next(filter(None, found.groups()))) if found else ""


def _named(code: bytes) -> str:
    text = "".join(c for c in code.decode("ascii", "replace") if c.isalnum() or c in "_/")
    name = _NAMES.get(text.upper())
    return f"{name} ({text})" if name else text


@contextmanager
def _opened(path: Path, rotation: int) -> Iterator[cv2.VideoCapture]:
    with quietly(), _released(path) as capture:
        if not capture.isOpened():
            codec = _codec_of(path)
            raise InputError(
                f"{path}: cannot be decoded; its codec is {codec}: {_CURE}"
                if codec
                else f"{path}: cannot be decoded (damaged, cut short or of an unknown codec); "
                "fetch or export it again"
            )
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0 if rotation else 1)
        width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MAX_PIXELS or min(width, height) < MIN_SIDE:
            raise InputError(
                f"{path}: declares frames of {width} x {height} pixels; expected at least "
                f"{MIN_SIDE} on each side and at most {MAX_PIXELS // 10**6} megapixels"
            )
        yield capture


@contextmanager
def _released(path: Path) -> Iterator[cv2.VideoCapture]:
    # An absolute path: "http:x.avi" would be an address.
    capture = cv2.VideoCapture(os.path.abspath(path), cv2.CAP_FFMPEG)
    try:
        yield capture
    except cv2.error as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: cannot be decoded ({reason})") from None
    finally:
        capture.release()
