"""Image files of any kind become 8-bit RGB: Pillow first, OpenCV where Pillow gives up.

Files are treated as hostile: what they declare is checked before anything is decoded, and whatever
is wrong becomes one `InputError` line.
"""

from __future__ import annotations

import functools
import io
import os
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from hfnmp_lite.files import InputError

MIN_SIDE = 16  # pixels: below this there is no face to judge
MAX_PIXELS = 80_000_000  # 80 megapixels; decoding one takes about 1 GB
MAX_BYTES = 512 * 2**20  # of a file: 80 megapixels of uncompressed 16-bit RGB
NEUTRAL = 128  # grey level behind transparent pixels

# EPS is left out: it is a program (PostScript) that Pillow would hand to another program.
_LEFT_OUT = {"EPS"}
# catch_warnings and OpenCV's log level belong to the process: one thread at a time may borrow them.
_BORROWED = threading.Lock()


def read_image(source: str | os.PathLike[str] | bytes) -> np.ndarray:
    """Read one image as 8-bit RGB, whatever its mode and format.

    Parameters
    ----------
    source : path or bytes
        A file that Pillow or OpenCV reads, or the content of one. Of an animation the first frame
        is taken.

    Returns
    -------
    ndarray of uint8, (H, W, 3)
        RGB in [0, 255], turned upright as its EXIF orientation says. Transparent pixels lie over a
        neutral grey (128). 16-bit levels are divided by 257 (grey) or keep their high byte
        (colour); 32-bit integers are divided by what fills 8, 16 or 31 bits, whichever first holds
        them; floats count as [0, 1], else as [0, 255], else as [0, 65535]; linear radiance (.hdr)
        is scaled until 0.5 % of its values clip and then sRGB-encoded. Colour profiles are not
        applied.

    Raises
    ------
    InputError
        The file is missing, empty, no regular file, not readable, no image, damaged, smaller than
        16 pixels on a side, or declares more than 80 megapixels. Nothing is decoded, nor memory
        taken for it, before the declared size is checked.

    Notes
    -----
    Safe to call from several threads; they decode one after the other.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        name = f"the image given as {len(source):,} bytes"
        return _read(io.BytesIO(source), len(source), name)
    name = _printable(os.fspath(source))
    try:
        status = os.stat(source)
        _check_regular(status.st_mode, name)
        with open(source, "rb") as file:
            return _read(file, status.st_size, name)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{name}: no such file; expected an image, check the path") from None
    except PermissionError:
        raise InputError(
            f"{name}: this user may not read it; expected a readable image, change its permissions"
        ) from None
    except (OSError, ValueError) as error:  # too long a name, a loop of links, a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{name}: cannot be opened ({reason}); expected an image") from error


def _printable(path: str) -> str:
    """Give a path as one printable line: bytes that are not UTF-8 and line breaks are escaped."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text or "'' (an empty path)"


def _check_regular(mode: int, name: str) -> None:
    """Refuse what would block or never end when read."""
    if stat.S_ISDIR(mode):
        raise InputError(f"{name}: is a folder; expected an image file, name the files in it")
    if not stat.S_ISREG(mode):
        kind = (
            "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
        )
        raise InputError(f"{name}: is {kind}; expected an image file")


def _read(file: BinaryIO, length: int, name: str) -> np.ndarray:
    if length == 0:
        raise InputError(f"{name}: is empty; expected an image, fetch or export it again")
    if length > MAX_BYTES:
        raise InputError(
            f"{name}: has {length / 2**20:,.0f} MiB; at most {MAX_BYTES >> 20} are read, "
            "make the image smaller first"
        )
    with _borrowed():
        try:
            return _read_with_pillow(file, name)
        except UnidentifiedImageError:
            file.seek(0)
            return _read_with_opencv(file.read(), name)


@contextmanager
def _borrowed() -> Iterator[None]:
    """Silence the decoders, make Pillow's bomb warning an error, and put all back afterwards."""
    with _BORROWED, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            yield
        finally:
            cv2.utils.logging.setLogLevel(level)


def _check_size(width: int, height: int, name: str) -> None:
    """Judge the declared size, before any pixel is decoded."""
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name}: declares {width} x {height} = {width * height / 1e6:,.0f} megapixels; "
            f"at most {MAX_PIXELS // 10**6} are read, make the image smaller first"
        )
    if min(width, height) < MIN_SIDE:
        raise InputError(
            f"{name}: is {width} x {height} pixels; expected at least {MIN_SIDE} on each side"
        )


# --- Pillow ---------------------------------------------------------------------------------


def _read_with_pillow(file: BinaryIO, name: str) -> np.ndarray:
    """Read the first frame; UnidentifiedImageError passes, everything else becomes InputError."""
    try:
        with Image.open(file, formats=_formats()) as image:
            _check_size(*image.size, name)
            image.load()
            # After load: Pillow itself turns TIFF upright there, and drops the tag.
            turned = _orientation(image)
            return _upright(_pillow_to_rgb(image), turned)
    except (UnidentifiedImageError, InputError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = re.search(r"\d+", str(error))
        declared = f"{int(pixels[0]) / 1e6:,.0f}" if pixels else "too many"
        raise InputError(
            f"{name}: declares {declared} megapixels; at most {MAX_PIXELS // 10**6} are read, "
            "make the image smaller first"
        ) from error
    except Exception as error:  # on damaged files the plugins raise nearly every type there is
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{name}: is damaged or incomplete ({reason}); expected a whole image, fetch or "
            "export it again"
        ) from error


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in Image.ID if name not in _LEFT_OUT)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 (upright) where the EXIF block is missing or damaged."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # a damaged block must not cost us an intact picture
        return 1


def _upright(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (EXIF 2.32, tag 0x0112)."""
    if orientation in (5, 6, 7, 8):  # stored with rows and columns exchanged
        rgb = rgb.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
    return np.ascontiguousarray(rgb)


def _pillow_to_rgb(image: Image.Image) -> np.ndarray:
    """Turn any Pillow mode into (H, W, 3) uint8 RGB."""
    if image.mode.startswith("I") or image.mode == "F":
        return cv2.cvtColor(_eight_bits(np.asarray(image)), cv2.COLOR_GRAY2RGB)
    if image.mode == "La":  # premultiplied grey; Pillow converts it one step at a time
        image = image.convert("LA")
    if image.has_transparency_data:
        grey = Image.new("RGBA", image.size, (NEUTRAL, NEUTRAL, NEUTRAL, 255))
        grey.alpha_composite(image.convert("RGBA"))
        image = grey
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _eight_bits(levels: np.ndarray) -> np.ndarray:
    """Scale integer or float levels of any depth to uint8, rounded (rules: `read_image`)."""
    if levels.dtype == np.uint8:
        return levels
    if not np.isfinite(levels).all():
        raise ValueError("it holds values that are not finite")
    if levels.dtype.kind == "f":
        whites = (1.0, 255.0, 65535.0)
    else:  # stated depth where it is 16 bits; in 32 bits, the first that holds the values
        whites = (65535.0,) if levels.dtype.itemsize == 2 else (255.0, 65535.0, 2.0**31 - 1)
    largest = float(levels.max())
    white = next((white for white in whites if largest <= white), largest)
    scaled = levels.astype(np.float32) * np.float32(255.0 / white)
    return np.rint(np.clip(scaled, 0.0, 255.0)).astype(np.uint8)


# --- OpenCV, for what Pillow does not know ---------------------------------------------------


def _read_with_opencv(content: bytes, name: str) -> np.ndarray:
    """Read what only OpenCV knows: floats in TIFF and PFM colour, Radiance .hdr, PAM.

    OpenCV decodes at once whatever size a file declares, and fills up truncated files. So it sees
    only formats whose header we read ourselves.
    """
    size = _declared_size(content)
    if size is None:
        raise InputError(f"{name}: is not an image that Pillow or OpenCV can read")
    _check_size(*size, name)
    try:
        image = cv2.imdecode(
            np.frombuffer(content, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR_RGB
        )
        if image is None:
            raise ValueError("OpenCV cannot decode it")
        if content.startswith(b"#?"):
            image = _display(image)
        return _eight_bits(image)
    except (cv2.error, ValueError, MemoryError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{name}: is damaged or incomplete ({reason}); expected a whole image, fetch or "
            "export it again"
        ) from error


def _declared_size(content: bytes) -> tuple[int, int] | None:
    """Read (width, height) from a TIFF, Radiance, PFM or PAM header; None for anything else."""
    head = content[:4096]
    if head[:4] in (b"II*\0", b"MM\0*"):
        try:
            directory = TiffImagePlugin.ImageFileDirectory_v2(head[:8])
            file = io.BytesIO(content)
            file.seek(directory.next)
            directory.load(file)
            return int(directory[256]), int(directory[257])
        except Exception:  # a damaged directory: as in _read_with_pillow
            return None
    if head.startswith(b"#?"):
        found = re.search(rb"\n[-+]Y (\d{1,9}) [-+]X (\d{1,9})\n", head)
        return (int(found[2]), int(found[1])) if found else None
    if head.startswith(b"PF\n"):
        found = re.match(rb"PF\n(\d{1,9}) (\d{1,9})\n", head)
        return (int(found[1]), int(found[2])) if found else None
    if head.startswith(b"P7\n"):
        width, height = (
            re.search(rb"\n%s (\d{1,9})\n" % key, head) for key in (b"WIDTH", b"HEIGHT")
        )
        return (int(width[1]), int(height[1])) if width and height else None
    return None


def _display(radiance: np.ndarray) -> np.ndarray:
    """Linear radiance to display values in [0, 1]: white at the 99.5 % level, sRGB-encoded."""
    white = max(float(np.nanpercentile(radiance, 99.5)), 1e-12)
    linear = np.clip(radiance / white, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
