"""Whole files or none: what is written appears under its final name only when it is complete."""

from __future__ import annotations

import csv
import glob
import io
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class InputError(ValueError):
    """What was given cannot be used.

    The message is one line: what was given, what was expected, what to do. The command line prints
    it without a traceback and exits with status 2.
    """


def one_line(text: str, longest: int = 1000) -> str:
    """Show any text on one line: what cannot be printed is escaped, the middle of a long one cut.

    Names of files and fields of tables may hold line breaks, codes that steer a terminal, and
    bytes that are no text.
    """
    if len(text) > longest:
        text = f"{text[: longest // 2]} ... {text[-longest // 2 :]}"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def open_regular(path: str | Path, buffering: int = -1) -> BinaryIO:
    """Open a file for reading; what would block or never end when read is refused.

    Raises
    ------
    InputError
        It is a pipe or a device.
    OSError
        It is not there, a folder, a socket, or cannot be opened.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    file = open(path, "rb", buffering, opener=opener)  # noqa: SIM115 (it is handed on)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise InputError(f"{path}: is a pipe or a device; expected a file")
    return file


def read_text(path: str | Path, limit: int, errors: str = "strict") -> str:
    """Read a regular file of UTF-8 text, with or without a byte order mark.

    Parameters
    ----------
    path : path
    limit : int
        Bytes; a longer file is refused before it is read.
    errors : str
        As of `bytes.decode`.

    Raises
    ------
    InputError
        It is no regular file, too long, or no such text.
    OSError
        As `open_regular`.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > limit:
            raise InputError(f"{path}: has more than {limit >> 20} MiB; expected a shorter text")
        content = file.read()
    try:
        return content.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: is no UTF-8 text (byte {error.start} is {content[error.start]:#04x}); save "
            "it as UTF-8"
        ) from None


@contextmanager
def opened_table(
    path: str | Path, columns: Sequence[str], limit: int
) -> Iterator[csv.DictReader[str]]:
    """Give a reader of a CSV table in UTF-8, with or without a byte order mark.

    Parameters
    ----------
    path : path
    columns : sequence of str
        What its header must hold.
    limit : int
        Bytes; a longer file is refused before it is read.

    Raises
    ------
    InputError
        It is no regular file, too long, or no such table; also what goes wrong while it is read.
    OSError
        As `open_regular`.
    """
    with io.TextIOWrapper(open_regular(path), encoding="utf-8-sig", newline="") as text:
        if os.fstat(text.fileno()).st_size > limit:
            raise InputError(f"{path}: has more than {limit >> 20} MiB; expected a shorter text")
        reader = csv.DictReader(text, strict=True)
        try:
            header = reader.fieldnames or []
            if missing := [c for c in columns if c not in header]:
                check_commas(path, ",".join(header))
                raise InputError(
                    f"{path}: has no column {', '.join(missing)}; the header must hold at least "
                    f"{','.join(columns)}"
                )
            yield reader
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path}: is no UTF-8 text (byte {error.object[error.start]:#04x}) and cannot be "
                "read; save it as UTF-8"
            ) from None
        except csv.Error as error:
            raise InputError(
                f"{path}, line {reader.line_num}: is not a valid CSV table ({error})"
            ) from None


def check_commas(path: str | Path, line: str) -> None:
    """Refuse a table whose first line other signs separate, by their name."""
    for sign, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if line.count(sign) > line.count(","):
            raise InputError(f"{path}: is separated by {name}; save it as CSV with commas")


class LostProcess(InputError):
    """Another process that shares the work has gone; what was written until then is good."""


def write_whole(path: str | Path, data: bytes | str) -> None:
    """Write `data` so that `path` holds either what it held before or all of `data`.

    The bytes go to a temporary file in the same folder, are flushed to disk, and take the final
    name in one atomic rename. Text is written as UTF-8.

    Raises
    ------
    OSError
        The disk is full or the folder cannot be written; the temporary file is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, str):
        data = data.encode()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=_unfinished(path))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes files for the owner alone
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def exclusive(path: str | Path) -> Iterator[None]:
    """Hold `path` for this process alone; the hold ends with the process, however that ends.

    An empty file `.NAME.lock` beside it carries the hold and stays.

    Raises
    ------
    InputError
        Another process holds it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(lock_of(path), "a+b") as lock:
        try:
            if os.name == "nt":
                import msvcrt

                msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"{path}: another process is writing it; wait for it, or give another file"
            ) from None
        yield


def lock_of(path: Path) -> Path:
    """Return the file that carries the hold on `path`."""
    return path.parent / f".{path.name}.lock"


def clear_remains(path: str | Path) -> None:
    """Delete what a `write_whole` of `path` left that was killed; nobody may be writing it now."""
    path = Path(path)
    for remains in path.parent.glob(f"{glob.escape(_unfinished(path))}*"):
        remains.unlink(missing_ok=True)


def _unfinished(path: Path) -> str:
    """How the names begin of the files in which `path` is written."""
    return f".{path.name}.unfinished-"
