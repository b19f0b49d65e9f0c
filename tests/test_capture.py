"""Reading images of every kind, refusing every bad file in one line, finding the face."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageFile, features

from hfnmp_lite.data import miniature
from hfnmp_lite.data.capture import Box, crop_face, find_face, read_image, whole_image
from hfnmp_lite.data.images import MAX_PIXELS, MIN_SIDE
from hfnmp_lite.data.loaders import load_frame
from hfnmp_lite.data.quiet import quietly
from hfnmp_lite.data.videos import decode
from hfnmp_lite.files import InputError


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """(60, 90, 3): smooth, coloured, no symmetry."""
    return cv2.resize(skimage.data.astronaut()[:340], (90, 60), interpolation=cv2.INTER_AREA)


def encode(image: Image.Image, kind: str, **options) -> bytes:
    if kind in ("AVIF", "JPEG2000", "WEBP"):
        module = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}[kind]
        if not features.check(module):
            pytest.skip(f"this Pillow was built without {kind}")
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def one_line(excinfo: pytest.ExceptionInfo) -> str:
    message = str(excinfo.value)
    assert "\n" not in message
    assert message.isprintable()
    return message


# --- modes and formats ------------------------------------------------------------------------


@pytest.mark.parametrize("given", [str, Path, "bytes"])
def test_path_string_and_bytes_give_the_same_pixels(tmp_path, photo, given):
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    source = path.read_bytes() if given == "bytes" else given(path)
    read = read_image(source)
    np.testing.assert_array_equal(read, photo)
    assert read.dtype == np.uint8
    assert read.flags.c_contiguous
    assert read.flags.writeable


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA", "SGI", "PCX", "JPEG2000"])
def test_lossless_formats_are_exact(photo, kind):
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(photo), kind)), photo)


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95}, 4),
        ("WEBP", {"quality": 95}, 4),
        ("AVIF", {"quality": 95}, 4),
        ("GIF", {}, 8),
    ],
)
def test_lossy_formats_are_close(photo, kind, options, tolerance):
    read = read_image(encode(Image.fromarray(photo), kind, **options))
    assert read.shape == photo.shape
    assert np.abs(read.astype(float) - photo).mean() < tolerance


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I", "F", "I;16"])
def test_grey_modes_have_three_equal_channels(photo, mode):
    grey = np.asarray(Image.fromarray(photo).convert("L"))
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
        assert image.mode == "I;16"
    else:
        image = Image.fromarray(grey).convert(mode)
    read = read_image(encode(image, "TIFF"))
    np.testing.assert_array_equal(read, read[..., :1].repeat(3, axis=2))
    if mode == "1":
        assert set(np.unique(read)) == {0, 255}
    else:
        np.testing.assert_array_equal(read[..., 0], grey)


@pytest.mark.parametrize("mode", ["P", "CMYK", "YCbCr", "LAB", "RGBX", "PA"])
def test_colour_modes(photo, mode):
    image = Image.fromarray(photo).convert(mode)
    expected = np.asarray(image.convert("RGB"), float)
    assert np.abs(expected - photo).mean() < 16  # the palette costs most
    np.testing.assert_allclose(read_image(encode(image, "TIFF")), expected, atol=1)


def test_cmyk_jpeg_as_adobe_writes_it(photo):
    """Adobe stores CMYK JPEG inverted; read naively the picture is a negative."""
    image = Image.fromarray(photo).convert("CMYK")
    content = encode(image, "JPEG", quality=95)
    assert b"Adobe" in content
    assert np.abs(read_image(content).astype(float) - photo).mean() < 3


def test_transparency_lies_over_neutral_grey(photo):
    alpha = np.full(photo.shape[:2], 255, np.uint8)
    alpha[:, :30], alpha[:, 30:60] = 0, 128
    rgba = Image.fromarray(np.dstack([photo, alpha]))
    for kind in ("PNG", "TIFF", "WEBP"):
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        read = read_image(encode(rgba, kind, **options)).astype(int)
        assert (read[:, :30] == 128).all(), kind
        np.testing.assert_allclose(read[:, 30:60], (photo[:, 30:60] + 128.0) / 2, atol=1.5)
        np.testing.assert_array_equal(read[:, 60:], photo[:, 60:])


def test_transparent_colour_of_palette_grey_and_rgb():
    levels = np.zeros((20, 20), np.uint8)
    levels[:, 10:] = 1
    palette = Image.frombytes("P", (20, 20), levels.tobytes())
    palette.putpalette([200, 0, 0, 0, 0, 200])
    for options, left in (({}, (200, 0, 0)), ({"transparency": 0}, (128, 128, 128))):
        read = read_image(encode(palette, "PNG", **options))
        assert tuple(read[0, 0]) == left
        assert tuple(read[0, 19]) == (0, 0, 200)
    grey = read_image(encode(Image.fromarray(levels * 255), "PNG", transparency=0))
    assert tuple(grey[0, 0]) == (128, 128, 128)
    assert tuple(grey[0, 19]) == (255, 255, 255)
    rgb = Image.fromarray(np.dstack([levels * 255] * 3))
    assert tuple(read_image(encode(rgb, "PNG", transparency=(255, 255, 255)))[0, 19]) == (128,) * 3


@pytest.mark.parametrize("extension", [".png", ".tiff"])
def test_sixteen_bits_are_scaled(extension):
    levels = np.random.default_rng(0).integers(0, 65536, (40, 50, 3)).astype(np.uint16)
    levels[0, 0], levels[0, 1] = 0, 65535
    for image, tolerance in ((levels, 1.0), (levels[..., 0], 0.5)):
        ok, content = cv2.imencode(extension, image[..., ::-1] if image.ndim == 3 else image)
        assert ok
        read = read_image(content.tobytes())
        expected = image / 257 if image.ndim == 3 else np.dstack([image / 257] * 3)
        assert np.abs(read - expected).max() <= tolerance
        assert tuple(read[0, 0]) == (0, 0, 0)
        assert tuple(read[0, 1]) == (255, 255, 255)


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_float_tiff_grey_and_colour(photo, white):
    """Colour floats are what Pillow cannot read and OpenCV can."""
    scaled = (photo / 255 * white).astype(np.float32)
    scaled[0, 0] = white
    grey = read_image(encode(Image.fromarray(scaled[..., 0]), "TIFF"))
    np.testing.assert_allclose(grey[1:, :, 0], photo[1:, :, 0], atol=1)
    ok, content = cv2.imencode(".tiff", scaled[..., ::-1])
    assert ok
    np.testing.assert_allclose(read_image(content.tobytes())[1:], photo[1:], atol=1)


def test_thirty_two_bit_integers():
    ramp = np.linspace(0, 1, 400).reshape(20, 20)
    for white in (255, 65535, 2**31 - 1):
        image = Image.fromarray((ramp * white).astype(np.int32))
        assert image.mode == "I"
        np.testing.assert_allclose(read_image(encode(image, "TIFF"))[..., 1], ramp * 255, atol=1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_floats_that_are_not_finite_are_refused(value):
    levels = np.ones((20, 20), np.float32)
    levels[3, 4] = value
    with pytest.raises(InputError, match="not finite") as excinfo:
        read_image(encode(Image.fromarray(levels), "TIFF"))
    one_line(excinfo)


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"P7\nWIDTH 20\nHEIGHT 30\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n", "PAM"),
        (b"PF\n20 30\n-1.0\n", "PFM"),
        (b"Pf\n20 30\n-1.0\n", "PFM"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30 +X 20\n", "Radiance HDR"),
        (b"v/1\x01\2\0\0\0", "OpenEXR"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "camera raw"),
        (b"%PDF-1.7\n", "PDF"),
    ],
)
def test_known_formats_that_are_not_read_are_refused_by_name(tmp_path, start, name):
    path = tmp_path / "me.png"
    path.write_bytes(start + bytes(2400))
    for read in (read_image, lambda p: load_frame(p, 32)):
        with pytest.raises(InputError, match=f"is {name}, which is not read") as excinfo:
            read(path)
        assert "me.png" in one_line(excinfo)


def test_a_video_in_an_images_place_is_called_a_video():
    with pytest.raises(InputError, match=r"it is a video \(Matroska\)"):
        read_image(b"\x1aE\xdf\xa3" + bytes(400))


def pictures(photo) -> dict[str, bytes]:
    """What decoders treat differently, by name."""
    rgb = Image.fromarray(photo)
    alpha = np.linspace(0, 255, photo[..., 0].size).reshape(photo.shape[:2]).astype(np.uint8)
    palette = rgb.quantize(16)
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = (photo.astype(np.uint16) << 8) + photo[::-1]
    return {
        "rgb.jpg": encode(rgb, "JPEG", quality=90),
        "alpha.png": encode(Image.fromarray(np.dstack([photo, alpha])), "PNG"),
        "alpha.webp": encode(Image.fromarray(np.dstack([photo, alpha])), "WEBP", lossless=True),
        "grey_alpha.png": encode(Image.fromarray(np.dstack([photo[..., 0], alpha])), "PNG"),
        "palette.png": encode(palette, "PNG"),
        "clear_palette.png": encode(palette, "PNG", transparency=3),
        "clear_colour.png": encode(rgb, "PNG", transparency=tuple(map(int, photo[0, 0]))),
        "cmyk.jpg": encode(rgb.convert("CMYK"), "JPEG", quality=90),
        "cmyk.tif": encode(rgb.convert("CMYK"), "TIFF"),
        "turned.jpg": encode(rgb, "JPEG", quality=90, exif=exif),
        "turned.png": encode(rgb, "PNG", exif=exif),
        "sixteen.png": cv2.imencode(".png", deep[..., ::-1])[1].tobytes(),
        "sixteen_grey.png": cv2.imencode(".png", deep[..., 0])[1].tobytes(),
        "sixteen.tif": cv2.imencode(".tiff", deep[..., ::-1])[1].tobytes(),
        "moving.gif": encode(rgb, "GIF", save_all=True, append_images=[Image.new("RGB", rgb.size)]),
        "j2k.jp2": encode(rgb, "JPEG2000"),
        "pixels.ppm": encode(rgb, "PPM"),
    }


@pytest.mark.parametrize("size", [32, 60, 90, 128])
def test_a_manifests_frame_and_a_file_are_the_same_picture(tmp_path, photo, size):
    for name, content in pictures(photo).items():
        path = tmp_path / name
        path.write_bytes(content)
        file = whole_image(read_image(path), size)
        np.testing.assert_array_equal(load_frame(path, size), file, err_msg=name)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation(kind, orientation):
    """The upright picture is red, green / blue, white in its quadrants, however it was stored."""
    upright = np.zeros((48, 96, 3), np.uint8)
    upright[:24, :48], upright[:24, 48:] = (255, 0, 0), (0, 255, 0)
    upright[24:, :48], upright[24:, 48:] = (0, 0, 255), (255, 255, 255)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,  # the inverse of Pillow's own ROTATE_270
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = Image.fromarray(upright)
    if orientation in undo:
        stored = stored.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    read = read_image(encode(stored, kind, exif=exif, **options))
    assert read.shape == upright.shape
    for row, column in ((12, 24), (12, 72), (36, 24), (36, 72)):
        np.testing.assert_allclose(read[row, column], upright[row, column], atol=6)


def test_damaged_exif_costs_nothing(photo):
    content = encode(
        Image.fromarray(photo), "JPEG", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\xff"
    )
    assert read_image(content).shape == photo.shape


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_an_animation(kind):
    frames = [Image.new("RGB", (32, 20), colour) for colour in ("red", "blue", "lime")]
    options = {"save_all": True, "append_images": frames[1:]}
    if kind == "WEBP":
        options["lossless"] = True
    read = read_image(encode(frames[0], kind, **options))
    assert (read == (255, 0, 0)).all()


# --- bad files ---------------------------------------------------------------------------------


def test_missing_empty_folder_and_text(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "text.jpg").write_text("this is no image\n" * 20)
    (tmp_path / "page.png").write_text("<html><svg></svg></html>")
    (tmp_path / "P").write_text("P")
    cases = {
        "missing.jpg": "no such file",
        "empty.jpg": "is empty",
        "folder.jpg": "is a folder",
        "text.jpg": "is not an image",
        "page.png": "is not an image",
        "P": "is not an image",
        "text.jpg/inside.jpg": "cannot be opened",
        "n" * 300: "cannot be opened",
        "nul\0.jpg": "cannot be opened",
    }
    for name, expected in cases.items():
        with pytest.raises(InputError, match=expected) as excinfo:
            read_image(str(tmp_path / name))
        assert name.split("\0")[0][:200] in one_line(excinfo)
    with pytest.raises(InputError, match="empty"):
        read_image(b"")
    with pytest.raises(InputError, match="an empty path"):
        read_image("")


def test_a_number_is_no_path():
    with pytest.raises(TypeError):
        read_image(0)  # not standard input


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "JPEG2000", "AVIF", "PPM", "TGA", "ICO"]
)
@pytest.mark.parametrize("kept", [0.95, 0.5, 0.1])
def test_truncated(kind, kept, capfd):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    content = encode(Image.fromarray(noise), kind)
    with pytest.raises(InputError) as excinfo:
        read_image(content[: int(len(content) * kept)])
    assert "damaged or incomplete" in one_line(excinfo) or "is not an image" in str(excinfo.value)
    assert capfd.readouterr() == ("", "")  # the decoders below keep quiet too


def test_truncated_where_opencv_decodes(capfd):
    floats = np.random.default_rng(0).random((40, 40, 3), np.float32)
    content = cv2.imencode(".tiff", floats)[1].tobytes()
    assert read_image(content).shape == (40, 40, 3)
    with pytest.raises(InputError) as excinfo:
        read_image(content[: len(content) // 2])
    one_line(excinfo)
    assert capfd.readouterr() == ("", "")


def test_flipped_bytes_never_escape():
    """Damage anywhere gives an image or an InputError, nothing else."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (32, 32, 3)).astype(np.uint8))
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "JPEG2000"):
        intact = np.frombuffer(encode(image, kind), np.uint8)
        for _ in range(40):
            damaged = intact.copy()
            damaged[rng.integers(0, min(len(intact), 200), 3)] = rng.integers(0, 256, 3)
            with contextlib.suppress(InputError):
                assert read_image(damaged.tobytes()).dtype == np.uint8


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (MIN_SIDE - 1, 40)])
def test_too_small(size):
    with pytest.raises(InputError, match=f"expected at least {MIN_SIDE}") as excinfo:
        read_image(encode(Image.new("RGB", size), "PNG"))
    assert f"{size[0]} x {size[1]}" in one_line(excinfo)


def test_the_smallest_that_is_read():
    assert read_image(encode(Image.new("RGB", (MIN_SIDE, 40)), "PNG")).shape == (40, MIN_SIDE, 3)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_declares(width: int, height: int) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def patched(content: bytes, at: int, fields: bytes) -> bytes:
    return content[:at] + fields + content[at + len(fields) :]


def bombs() -> dict[str, bytes]:
    """Small files that declare enormous pictures."""
    small = Image.new("RGB", (64, 64))
    jpeg, gif, bmp = (encode(small, kind) for kind in ("JPEG", "GIF", "BMP"))
    webp = encode(small, "WEBP", lossless=True)
    body = b"WEBPVP8X" + struct.pack("<IB3x", 10, 2) + b"\xfe\x3f\x00\xfe\x3f\x00" + webp[12:]
    tiff = cv2.imencode(".tiff", np.zeros((64, 64, 3), np.float32))[1].tobytes()
    for tag in (256, 257):
        at = next(
            tiff.find(struct.pack("<HHI", tag, kind, 1))
            for kind in (3, 4)
            if struct.pack("<HHI", tag, kind, 1) in tiff
        )
        tiff = patched(tiff, at, struct.pack("<HHII", tag, 4, 1, 100_000))
    return {
        "png": png_that_declares(50_000, 50_000),
        "png, absurd": png_that_declares(2**31 - 1, 2**31 - 1),
        "png, just above": png_that_declares(8_001, 10_000),
        "png, thin": png_that_declares(1, 100_000_000),
        "jpeg": patched(jpeg, jpeg.index(b"\xff\xc0") + 5, struct.pack(">HH", 65_500, 65_500)),
        "gif": patched(gif, 6, struct.pack("<HH", 65_535, 65_535)),
        "bmp": patched(bmp, 18, struct.pack("<ii", 60_000, 60_000)),
        "bmp, upside down": patched(bmp, 18, struct.pack("<ii", 64, -(2**31))),
        "webp": patched(webp, 21, struct.pack("<I", 16_382 | 16_382 << 14)),
        "webp, extended": b"RIFF" + struct.pack("<I", len(body)) + body,
        "tiff of floats": tiff,
        "ppm": b"P6\n50000 50000\n255\n" + bytes(10),
        "qoi": b"qoif" + struct.pack(">IIBB", 60_000, 60_000, 3, 0) + bytes(50),
    }


@pytest.mark.parametrize("name", list(bombs()))
def test_decompression_bombs(name):
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        with pytest.raises(InputError, match="megapixels") as excinfo:
            read_image(bombs()[name])
    assert f"at most {MAX_PIXELS // 10**6}" in one_line(excinfo)
    assert not remarks


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read as Linux reports it")
def test_bombs_take_no_memory(tmp_path):
    for number, content in enumerate(bombs().values()):
        (tmp_path / f"{number}.img").write_bytes(content)
    script = (
        "import sys, pathlib\n"
        "from hfnmp_lite.data.capture import read_image\n"
        "from hfnmp_lite.provenance import peak_memory_mb\n"
        "before = peak_memory_mb()\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try: read_image(path)\n"
        "    except ValueError: pass\n"
        "print(peak_memory_mb() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 64  # MB; one of these pictures would take gigabytes


def test_a_file_of_too_many_bytes(tmp_path):
    path = tmp_path / "sparse.png"
    with open(path, "wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="MiB; at most 512") as excinfo:
        read_image(path)
    one_line(excinfo)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_special_files_do_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(InputError, match="is a pipe"):
        read_image(tmp_path / "pipe.jpg")
    for device in ("/dev/zero", "/dev/null"):
        with pytest.raises(InputError, match="is a device"):
            read_image(device)
    address = Path(os.path.relpath(tmp_path / "s"))  # socket names are short
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(str(address))
        except OSError:
            pytest.skip("no socket can be made here")
        with pytest.raises(InputError, match="is a socket"):
            read_image(tmp_path / "s")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    with pytest.raises(InputError, match="cannot be opened"):
        read_image(tmp_path / "loop.jpg")
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    with pytest.raises(InputError, match="no such file"):
        read_image(tmp_path / "dangling.jpg")


def test_permission(tmp_path, photo, monkeypatch):
    path = tmp_path / "mine.png"
    Image.fromarray(photo).save(path)
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # root may read everything: refuse it here

        def refuse(*args, **kwargs):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("builtins.open", refuse)
    else:
        path.chmod(0)
    with pytest.raises(InputError, match="may not read it") as excinfo:
        read_image(path)
    one_line(excinfo)


@pytest.mark.parametrize(
    "name",
    ["two words.png", "-o.png", "Zoë 臉.png", "a'b\"c.png", "percent%20.png", "line\nbreak.png"],
)
def test_odd_names(tmp_path, photo, name):
    try:
        Image.fromarray(photo).save(tmp_path / name, "PNG")
    except OSError:
        pytest.skip("this file system does not take such a name")
    np.testing.assert_array_equal(read_image(tmp_path / name), photo)
    (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(InputError) as excinfo:
        read_image(tmp_path / name)
    one_line(excinfo)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes any bytes as a name")
def test_a_name_that_is_not_utf8(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png")
    with pytest.raises(InputError, match="no such file") as excinfo:
        read_image(path)
    assert r"\xff\xfe.png" in one_line(excinfo)


def test_nothing_global_is_left_changed(photo):
    before = (
        list(warnings.filters),
        Image.MAX_IMAGE_PIXELS,
        ImageFile.LOAD_TRUNCATED_IMAGES,
        cv2.utils.logging.getLogLevel(),
    )
    content = encode(Image.fromarray(photo), "PNG")
    for source in (content, content[:300], bombs()["png"], b"no image"):
        with contextlib.suppress(InputError):
            read_image(source)
    after = (
        list(warnings.filters),
        Image.MAX_IMAGE_PIXELS,
        ImageFile.LOAD_TRUNCATED_IMAGES,
        cv2.utils.logging.getLogLevel(),
    )
    assert after == before


def test_threads(photo):
    content = encode(Image.fromarray(photo), "PNG")
    filters = list(warnings.filters)
    wrong: list[object] = []

    def work():
        for _ in range(20):
            if not np.array_equal(read_image(content), photo):
                wrong.append("pixels differ")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert list(warnings.filters) == filters


def test_the_last_of_several_threads_puts_everything_back(film_of_noise):
    """Images, frames and videos share one place: who leaves first changes nothing for others."""
    before = list(warnings.filters), cv2.utils.logging.getLogLevel()
    inside = []
    with quietly():
        with quietly():
            pass
        thread = threading.Thread(target=lambda: decode(film_of_noise, range, lambda n, i: n))
        thread.start()
        thread.join()
        inside.append((list(warnings.filters), cv2.utils.logging.getLogLevel()))
    assert inside[0][0] != before[0]
    assert inside[0][1] == cv2.utils.logging.LOG_LEVEL_SILENT
    assert (list(warnings.filters), cv2.utils.logging.getLogLevel()) == before


@pytest.fixture
def film_of_noise(tmp_path):
    miniature.film(tmp_path / "film.avi", np.zeros((32, 32, 3), np.uint8), 2)
    return tmp_path / "film.avi"


# --- the face ----------------------------------------------------------------------------------

ASTRONAUT = (176, 68, 102)  # x, y, side of her face, read off the photograph


@pytest.mark.parametrize("scale", [0.3, 0.5, 1.0, 3.0])
def test_the_astronaut_is_found_at_every_size(scale):
    image = skimage.data.astronaut()
    side = round(512 * scale)
    box = find_face(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA))
    assert isinstance(box, Box)
    np.testing.assert_allclose(np.array(box[:3]) / scale, ASTRONAUT, atol=14)


def test_no_face_in_plain_and_thin_images():
    for shape in ((16, 16), (300, 300), (2000, 16), (16, 2000)):
        assert find_face(np.full((*shape, 3), 90, np.uint8)) is None
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    assert find_face(noise) is None


def test_crop_is_square_stays_inside_and_finds_itself():
    image = skimage.data.astronaut()
    crop, source = crop_face(image, 128)
    assert (crop.shape, crop.dtype, source) == ((128, 128, 3), np.uint8, "cascade")
    again = find_face(crop)
    assert again is not None  # what was cropped still shows a face,
    assert 0.6 < again.width / 128 < 0.95  # and the face fills most of it
    assert abs(again.x + again.width / 2 - 64) < 16


def test_a_crop_is_not_cropped_again():
    """What a crop shows is framed as the samples are; they pass through whole."""
    crop, _ = crop_face(skimage.data.astronaut(), 128)
    again, source = crop_face(crop, 128)
    assert source == "cascade"
    np.testing.assert_array_equal(again, crop)


def test_crop_at_the_border_invents_nothing():
    ramp = np.arange(100, dtype=np.uint8)[None, :, None].repeat(100, 0).repeat(3, 2) + 100
    for box in (Box(0, 0, 40, 40), Box(60, 60, 40, 40), Box(70, 0, 30, 40)):
        crop, source = crop_face(ramp, 64, box)
        assert source == "cascade"
        columns = crop[0, :, 0].astype(int)
        assert (np.diff(columns) >= 0).all()
        assert len(np.unique(columns)) > 30  # repeated edges would flatten it


def test_without_a_face_the_whole_image_is_taken():
    image = np.zeros((40, 80, 3), np.uint8)
    image[:, 40:] = 200
    crop, source = crop_face(image, 32)
    assert source == "none"
    np.testing.assert_array_equal(crop, whole_image(image, 32))
    assert (crop[:, :15] == 0).all()
    assert (crop[:, 17:] == 200).all()


def test_shrinking_averages_areas():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 200
    np.testing.assert_array_equal(whole_image(stripes, 128), np.full((128, 128, 3), 100))
    assert whole_image(stripes[:50, :50], 128).shape == (128, 128, 3)
