"""Frames in zips, read without unpacking: nothing is cached and nothing stays open.

A frame is named by the path through its archive, `videos/1_1_01_1.avi.zip/12.png`. An archive is
treated as hostile: what it declares is checked before memory is taken for it, and its members'
names are only compared, never used as paths.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hfnmp_lite.files import InputError, open_regular

MAX_MEMBER = 64 * 2**20  # bytes of one frame when inflated; a 256 px PNG has 0.15 MiB
MAX_FILE = 512 * 2**20  # bytes of a loose frame
MAX_DIRECTORY = 16 * 2**20  # bytes of a zip's directory; that of 300 frames has 16 KiB
TAIL = 32 * 2**10  # bytes read at once from the end: the directory of about 500 frames
_END = struct.Struct("<4s4H2LH")  # the end record, ZIP specification 4.3.16
_ENTRY = struct.Struct("<4s6H3L5H2L")  # an entry of the directory, 4.3.12
_LOCAL = struct.Struct("<4s5H3L2H")  # what stands before a member's data, 4.3.7


class _Entry(NamedTuple):
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    offset: int


class _Unusual(Exception):
    """A zip that the short way does not read; the standard library does."""


def split(path: Path) -> tuple[Path, str] | None:
    """Split `folder/x.zip/12.png` into the archive and its member; None where there is no zip."""
    text = str(path)
    at = text.lower().rfind(f".zip{os.sep}")
    if at < 0:
        return None
    return Path(text[: at + 4]), text[at + 5 :].replace(os.sep, "/")


def is_there(path: Path) -> bool:
    """Whether a frame, a file or a member of a zip, is there."""
    try:
        if os.path.isfile(path):  # half the time of path.is_file(), for 100,000 of them
            return True
        parts = split(path)
        if parts is None:
            return False
        with open_regular(parts[0]) as file:
            _find(file, parts[0], parts[1].encode())
        return True
    except _Unusual:
        pass
    except (InputError, OSError, struct.error):
        return False
    try:
        return parts[1] in _names(parts[0])
    except InputError:
        return False


def read_bytes(path: Path) -> bytes:
    """Read a file, or a member of a zip.

    Raises
    ------
    InputError
        The zip is damaged, or the member missing, encrypted, damaged or larger than `MAX_MEMBER`;
        the file is a pipe or a device, or larger than `MAX_FILE`.
    OSError
        There is no such file.
    """
    parts = split(path)
    if parts is None:
        return _read_loose(path)
    try:
        return read_member(*parts)
    except (
        IsADirectoryError,
        PermissionError,
    ):  # a folder that is called so; on Windows the latter
        return _read_loose(path)


def _read_loose(path: Path) -> bytes:
    with open_regular(path, buffering=0) as file:
        if os.fstat(file.fileno()).st_size > MAX_FILE:
            raise InputError(f"{path}: has more than {MAX_FILE >> 20} MiB; expected a frame")
        return file.read()


def read_member(archive: Path, name: str) -> bytes:
    """Read one member of a zip, its checksum verified; of two with one name, the last.

    Reads the end of the archive and the member, so that a frame costs about as much as a loose
    file; parsing the whole directory of 300 frames would take as long as decoding one.

    Raises
    ------
    InputError
        As `read_bytes`.
    OSError
        There is no such archive.
    """
    with open_regular(archive, buffering=0) as file:
        try:
            entry = _find(file, archive, name.encode())
            data = _data(file, archive, name, entry)
        except _Unusual:
            data = _read_with_the_library(archive, name)
        except (struct.error, zlib.error, OverflowError) as error:
            raise _damaged(archive, str(error)) from None
    return data


def image_members(archive: Path, suffixes: frozenset[str]) -> tuple[list[str], list[str]]:
    """List a zip's frames, `<number>.<suffix>`, in the order of their numbers, and the other names.

    Raises
    ------
    InputError
        The archive is damaged, or its directory too large.
    OSError
        It cannot be opened.
    """
    frames, others = {}, []
    for name in _names(archive):
        stem, dot, suffix = name.rpartition(".")
        if (
            stem.isascii()
            and stem.isdigit()
            and len(stem) <= 9
            and dot + suffix.lower() in suffixes
        ):
            frames[name] = int(stem)
        elif not name.endswith("/"):
            others.append(name)
    return sorted(frames, key=lambda name: (frames[name], name)), others


def _names(archive: Path) -> list[str]:
    try:
        with open_regular(archive) as file:
            try:
                return _listed(_directory(file, archive)[0])
            except _Unusual:
                if os.fstat(file.fileno()).st_size > MAX_DIRECTORY:
                    raise _damaged(archive, "its directory cannot be found") from None
        with zipfile.ZipFile(archive) as opened:
            return opened.namelist()
    except OSError as error:
        raise InputError(f"{archive}: cannot be read ({error.strerror}); expected a zip") from None
    except (zipfile.BadZipFile, NotImplementedError, UnicodeError, struct.error) as error:
        raise _damaged(archive, str(error)) from None


def _listed(directory: bytes) -> list[str]:
    """All names of a directory; the library takes four times as long."""
    names, at = [], 0
    while at < len(directory):
        entry = _ENTRY.unpack_from(directory, at)
        if entry[0] != b"PK\1\2":
            raise _Unusual
        start = at + _ENTRY.size
        name = directory[start : start + entry[10]]
        names.append(name.decode("utf-8" if entry[3] & 0x800 else "cp437"))
        at = start + sum(entry[10:13])
    if at > len(directory):
        raise zipfile.BadZipFile("its directory is damaged")
    return names


def _damaged(archive: Path, reason: str) -> InputError:
    return InputError(
        f"{archive}: is damaged or no zip ({reason}); expected a zip of frames, fetch it again"
    )


def _directory(file: BinaryIO, archive: Path) -> tuple[bytes, int]:
    """Read the directory; with it, how far the archive's offsets are shifted by what precedes."""
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - TAIL))
    tail = file.read(TAIL)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise _Unusual
    _, disk, first, here, count, size, offset, _ = _END.unpack_from(tail, at)
    if disk or first or here != count or 0xFFFF in (count, here) or 0xFFFFFFFF in (size, offset):
        raise _Unusual  # several volumes, or the 64-bit format
    if size > MAX_DIRECTORY:
        raise InputError(
            f"{archive}: declares a directory of {size / 2**20:,.0f} MiB; expected a zip of frames"
        )
    start = length - len(tail) + at - size
    if start < offset:
        raise _damaged(archive, "its directory is not where it says")
    if size <= at:
        return tail[at - size : at], start - offset
    file.seek(start)
    return file.read(size), start - offset


def _find(file: BinaryIO, archive: Path, name: bytes) -> _Entry:
    directory, shift = _directory(file, archive)
    at = len(directory)
    while (at := directory.rfind(name, 0, at + len(name) - 1)) >= 0:
        start = at - _ENTRY.size
        if start < 0 or not directory.startswith(b"PK\1\2", start):
            continue
        _, _, _, flags, method, _, _, checksum, packed, size, length, *rest = _ENTRY.unpack_from(
            directory, start
        )
        if length != len(name):
            continue
        offset = rest[-1]
        if 0xFFFFFFFF in (packed, size, offset):
            raise _Unusual
        return _Entry(flags, method, checksum, packed, size, offset + shift)
    raise InputError(f"{archive}: holds no '{name.decode(errors='replace')}'; index the data again")


def _data(file: BinaryIO, archive: Path, name: str, entry: _Entry) -> bytes:
    if entry.flags & 1:
        raise InputError(f"{archive}: '{name}' is encrypted; expected a plain zip of frames")
    if max(entry.size, entry.packed) > MAX_MEMBER:
        raise _too_large(archive, name, entry.size)
    if entry.method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _Unusual
    file.seek(entry.offset)
    local = _LOCAL.unpack(file.read(_LOCAL.size))
    if local[0] != b"PK\3\4":
        raise _damaged(archive, f"'{name}' is not where the directory says")
    file.seek(entry.offset + _LOCAL.size + local[-2] + local[-1])
    data = file.read(entry.packed)
    if entry.method == zipfile.ZIP_DEFLATED:
        data = zlib.decompressobj(-15).decompress(data, entry.size + 1)
    if len(data) != entry.size or zlib.crc32(data) != entry.checksum:
        raise _damaged(archive, f"'{name}' differs from its checksum")
    return data


def _too_large(archive: Path, name: str, size: int) -> InputError:
    return InputError(
        f"{archive}: '{name}' declares {size / 2**20:,.0f} MiB; at most {MAX_MEMBER >> 20} are read"
    )


def _read_with_the_library(archive: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(archive) as opened:
            about = opened.getinfo(name)
            if about.file_size > MAX_MEMBER:
                raise _too_large(archive, name, about.file_size)
            with opened.open(about) as member:
                return member.read(MAX_MEMBER + 1)[:MAX_MEMBER]
    except KeyError:
        raise InputError(f"{archive}: holds no '{name}'; index the data again") from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise _damaged(archive, str(error)) from None
