"""The one reader of pictures: files of any kind become 8-bit RGB.

Files are treated as hostile: what they declare is checked before anything is decoded, and whatever
is wrong becomes one `InputError` line.
"""

from __future__ import annotations

import io
import os
import re
import stat
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from hfnmp_lite.data import formats
from hfnmp_lite.data.quiet import quietly
from hfnmp_lite.files import InputError

MIN_SIDE = 16  # pixels: below this there is no face to judge
MAX_PIXELS = 80_000_000  # 80 megapixels; decoding one takes about 1 GB
MAX_BYTES = 512 * 2**20  # of a file: 80 megapixels of uncompressed 16-bit RGB
NEUTRAL = 128  # grey level behind transparent pixels
_EXPECTED = "; expected JPEG, PNG, TIFF, WebP or another common format"


def read_image(
    source: str | os.PathLike[str] | bytes, name: str | os.PathLike[str] | None = None
) -> np.ndarray:
    """Read one image as 8-bit RGB, whatever its mode and format.

    Parameters
    ----------
    source : path or bytes
        A file of a format that Pillow reads, or a TIFF of floats, or the content of one. Of an
        animation the first frame is taken.
    name : path, optional
        What errors call it; by default the path.

    Returns
    -------
    ndarray of uint8, (H, W, 3)
        RGB in [0, 255], turned upright as its EXIF orientation says. Transparent pixels lie over a
        neutral grey (128). 16-bit levels are divided by 257 (grey) or keep their high byte
        (colour); 32-bit integers are divided by what fills 8, 16 or 31 bits, whichever first holds
        them; floats count as [0, 1], else as [0, 255], else as [0, 65535]. Colour profiles are not
        applied.

    Raises
    ------
    InputError
        The file is missing, empty, no regular file, not readable, no image, of a format that is
        refused (`formats.REFUSED`), damaged, smaller than 16 pixels on a side, or declares more
        than 80 megapixels. Nothing is decoded, nor memory taken for it, before the declared size
        is checked.

    Notes
    -----
    Safe to call from several threads.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        called = f"the image given as {len(source):,} bytes" if name is None else os.fspath(name)
        return _read(io.BytesIO(source), len(source), _printable(called))
    name = _printable(os.fspath(source if name is None else name))
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
    head = file.read(formats.HEAD)
    file.seek(0)
    if known := formats.refused(head):
        raise InputError(f"{name}: is {known}, which is not read; export it as JPEG or PNG")
    with quietly():
        try:
            return _read_with_pillow(file, name)
        except UnidentifiedImageError:
            file.seek(0)
            return _read_floats(file.read(), name)


def _check_size(width: int, height: int, name: str) -> None:
    """Judge the declared size, before any pixel is decoded."""
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name}: declares too many pixels, {width} x {height} = "
            f"{width * height / 1e6:,.0f} megapixels; at most {MAX_PIXELS // 10**6} are read, "
            "make the image smaller first"
        )
    if min(width, height) < MIN_SIDE:
        raise InputError(
            f"{name}: is {width} x {height} pixels; expected at least {MIN_SIDE} on each side"
        )


# --- Pillow ---------------------------------------------------------------------------------


def _read_with_pillow(file: BinaryIO, name: str) -> np.ndarray:
    """Read the first frame; UnidentifiedImageError passes, everything else becomes InputError."""
    try:
        with Image.open(file, formats=formats.picture_formats()) as image:
            _check_size(*image.size, name)
            if image.format == "PNG":
                image.verify()  # its checksums, which load passes over; then it is used up
                file.seek(0)
                image = Image.open(file, formats=("PNG",))
            image.load()
            # After load: Pillow itself turns TIFF upright there, and drops the tag.
            turned = _orientation(image)
            return _upright(_pillow_to_rgb(image), turned)
    except (UnidentifiedImageError, InputError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = re.search(r"\d+", str(error))
        declared = f", {int(pixels[0]) / 1e6:,.0f} megapixels" if pixels else ""
        raise InputError(
            f"{name}: declares too many pixels{declared}; at most {MAX_PIXELS // 10**6} megapixels "
            "are read, make the image smaller first"
        ) from error
    except Exception as error:  # on damaged files the plugins raise nearly every type there is
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{name}: is damaged or incomplete ({reason}); expected a whole image, fetch or "
            "export it again"
        ) from error


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


def _read_floats(content: bytes, name: str) -> np.ndarray:
    """Read a TIFF of colours in floats.

    OpenCV decodes at once whatever size a file declares, and fills up truncated files. So it sees
    only what has a header that we read ourselves.
    """
    size = _declared_size(content)
    if size is None:
        video = formats.container(content[: formats.HEAD])
        hint = f"; it is a video ({video}), give it a video's suffix" if video else ""
        raise InputError(f"{name}: is not an image that is read here{hint or _EXPECTED}")
    _check_size(*size, name)
    try:
        image = cv2.imdecode(
            np.frombuffer(content, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR_RGB
        )
        if image is None:
            raise ValueError("OpenCV cannot decode it")
        return _eight_bits(image)
    except (cv2.error, ValueError, MemoryError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{name}: is damaged or incomplete ({reason}); expected a whole image, fetch or "
            "export it again"
        ) from error


def _declared_size(content: bytes) -> tuple[int, int] | None:
    """Read (width, height) from the header of a TIFF; None for anything else."""
    if content[:4] not in (b"II*\0", b"MM\0*"):
        return None
    try:
        directory = TiffImagePlugin.ImageFileDirectory_v2(content[:8])
        file = io.BytesIO(content)
        file.seek(directory.next)
        directory.load(file)
        return int(directory[256]), int(directory[257])
    except Exception:  # a damaged directory: as in _read_with_pillow
        return None
