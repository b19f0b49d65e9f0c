"""Formats: one list of the pictures and videos that are read, and of those refused by name.

Folders are looked through by suffix, files are judged by what they begin with: a JPEG picture that
is called `me.png` is read.
"""

from __future__ import annotations

import functools

VIDEOS = {  # container -> suffixes
    "AVI": (".avi",),
    "MP4": (".mp4", ".m4v"),
    "MOV": (".mov", ".qt"),
    "3GP": (".3gp", ".3gpp", ".3g2"),
    "Matroska": (".mkv",),
    "WebM": (".webm",),
    "ASF": (".wmv", ".asf"),
    "MPEG": (".mpg", ".mpeg", ".vob"),
    "MPEG-TS": (".ts", ".mts", ".m2t", ".m2ts"),
    "FLV": (".flv",),
    "Ogg": (".ogv",),
    "MXF": (".mxf",),
}
VIDEO_SUFFIXES = frozenset(suffix for suffixes in VIDEOS.values() for suffix in suffixes)

# Known, and not read: no decoder of ours gives the picture that was meant.
REFUSED = {
    "HEIC": (".heic", ".heif", ".hif"),
    "JPEG XL": (".jxl",),
    "PFM": (".pfm",),
    "PAM": (".pam",),
    "Radiance HDR": (".hdr", ".rgbe"),
    "OpenEXR": (".exr",),
    "camera raw": (".dng", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
    "PostScript": (".eps", ".ps"),
    "PDF": (".pdf",),
    "SVG": (".svg",),
    "RealMedia": (".rm", ".rmvb"),
}
_REFUSED_STARTS = {
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"PF\n": "PFM",
    b"Pf\n": "PFM",
    b"PF4\n": "PFM",
    b"P7\n": "PAM",
    b"#?RADIANCE": "Radiance HDR",
    b"#?RGBE": "Radiance HDR",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"FUJIFILMCCD-RAW": "camera raw",
    b"IIRO": "camera raw",
    b"IIRS": "camera raw",
    b"IIU\0": "camera raw",
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",
    b"%PDF": "PDF",
    b"<svg": "SVG",
    b".RMF": "RealMedia",
}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
_VIDEO_STARTS = {
    b"\x1aE\xdf\xa3": "Matroska",
    b"0&\xb2u": "ASF",
    b"\0\0\1\xba": "MPEG",
    b"FLV\1": "FLV",
    b"OggS": "Ogg",
    b"\6\x0e+4\2\5\1\1": "MXF",
}
_ATOMS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
PACKET = 188  # bytes of MPEG-TS, each begins with "G"; a camera writes four before each
HEAD = 512  # bytes that tell a format

# Of what Pillow opens: EPS is a program that it would hand to another program, the others are
# stubs without a decoder of their own.
_NO_PICTURES = {"EPS", "BUFR", "GRIB", "HDF5", "MPEG", "WMF"}


@functools.cache
def picture_formats() -> tuple[str, ...]:
    """Return Pillow's names of the formats that are read, the commonest first."""
    from PIL import Image

    Image.init()
    known = [name for name in Image.ID if name not in _NO_PICTURES]
    return tuple(sorted(known, key=lambda name: name not in ("JPEG", "PNG")))


@functools.cache
def picture_suffixes() -> frozenset[str]:
    """Return the suffixes of those formats."""
    from PIL import Image

    read = picture_formats()
    known = {suffix for suffix, name in Image.registered_extensions().items() if name in read}
    return frozenset(known | {".mpo"}) - {suffix for s in REFUSED.values() for suffix in s}


def refused_suffix(suffix: str) -> str | None:
    """Name the format with a suffix that is known and not read; None of any other."""
    return next((name for name, suffixes in REFUSED.items() if suffix in suffixes), None)


def refused(head: bytes) -> str | None:
    """Name the format of a file that begins so and is known and not read; None of any other."""
    if head[4:8] == b"ftyp":
        length = int.from_bytes(head[:4])
        brands = {head[i : i + 4] for i in (8, *range(16, min(length, len(head)), 4))}
        if b"crx " in brands:
            return "camera raw"
        return "HEIC" if brands & _HEIC and not brands & {b"avif", b"avis"} else None
    if head[:4] == b"II*\0" and head[8:10] == b"CR":
        return "camera raw"
    return next((name for start, name in _REFUSED_STARTS.items() if head.startswith(start)), None)


def container(head: bytes) -> str | None:
    """Name the container of a video that begins so; None where it is none that is read."""
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "AVI"
    if head[4:8] in _ATOMS:
        return None if refused(head) or head[8:12] in (b"avif", b"avis") else "MP4"
    for first, packet in ((0, PACKET), (4, PACKET + 4)):
        if head[first::packet][:2] == b"GG":
            return "MPEG-TS"
    return next((name for start, name in _VIDEO_STARTS.items() if head.startswith(start)), None)
