"""Files that a command wrote itself, which alone it may replace or remove.

In every folder that a command writes results into lies a record, `.hfnmp.json`: for each of them
the command, and the SHA-256 of what it wrote. A file that is not in the record, or is no longer
what the record says, is somebody else's.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hfnmp_lite.files import InputError, read_text, write_whole

RECORD = ".hfnmp.json"
MAX_RECORD = 2**26  # bytes

# name -> {"by": command, "sha256": [of what it replaces, of what it writes]}: after a command that
# was killed between the two, either may be there.
Record = dict[str, dict[str, object]]


def check_free(paths: Iterable[str | Path], by: str) -> None:
    """Refuse to go on where a file is in the way that the command `by` may not replace.

    Raises
    ------
    InputError
        Names every such file; or a record is damaged.
    """
    paths = list(map(Path, paths))
    records = {folder: _read(folder) for folder in {path.parent for path in paths}}
    foreign = [p for p in paths if os.path.lexists(p) and not _is_own(p, by, records[p.parent])]
    if foreign:
        _refuse(foreign, by)


def write_owned(path: str | Path, data: bytes | str, by: str, quiet: bool = False) -> None:
    """Write a result of the command `by`, whole or not at all, and record it as its own.

    What it replaces is said on stderr, unless `quiet`. A file that holds `data` already is in
    nobody's way.

    Raises
    ------
    InputError
        Somebody else's file is in the way.
    OSError
        As `files.write_whole`.
    """
    path = Path(path)
    data = data.encode() if isinstance(data, str) else data
    digest, record = hashlib.sha256(data).hexdigest(), _read(path.parent)
    there = os.path.lexists(path)
    if there and _digest(path) == digest:
        return
    if there and not _is_own(path, by, record):
        _refuse([path], by)
    _note(path.parent, record, by, {path.name: digest})
    write_whole(path, data)
    if there and not quiet:
        _say("replaced", [path], by)


@contextmanager
def owned_folder(final: str | Path, by: str) -> Iterator[Path]:
    """Give a temporary folder; its files become those of `final` when the block ends well.

    A folder that was not there appears whole. In one that was, what `by` wrote there earlier goes,
    the new files come, those last that were written last, and everybody else's stay. On an error
    all stays as it was.

    Raises
    ------
    InputError
        `final` is a file, or a folder that holds nothing of the command; a new file would take the
        place of somebody else's.
    """
    final = Path(final)
    check_folder(final, by)
    final.parent.mkdir(parents=True, exist_ok=True)
    inside = final.is_dir()
    temporary = Path(
        tempfile.mkdtemp(
            dir=final if inside else final.parent, prefix=f".{final.resolve().name}.unfinished-"
        )
    )
    try:
        yield temporary
        (temporary / RECORD).unlink(missing_ok=True)  # of what was written here: now all is `by`'s
        if inside:
            _take_place(temporary, final, by)
        else:
            _note(temporary, {}, by, {p.name: _digest(p) for p in temporary.iterdir()})
            os.chmod(temporary, 0o755)
            os.replace(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_folder(final: Path, by: str, names: Iterable[str] = ()) -> None:
    """Refuse a folder that the command `by` may not write `names` into.

    Raises
    ------
    InputError
        It is a file, holds nothing of the command but something else, or a name is in the way.
    """
    if os.path.lexists(final) and not final.is_dir():
        raise InputError(f"{final}: is a file; give --out a folder")
    if not final.is_dir():
        return
    known = any(entry["by"] == by for entry in _read(final).values())
    if not known and any(final.iterdir()):
        raise InputError(f"{final}: holds something that no {by} made; give --out another folder")
    check_free((final / name for name in names), by)


def recorded(folder: Path, by: str) -> list[str]:
    """Return the names of what a command has written into a folder, whatever became of it."""
    return [name for name, entry in _read(folder).items() if entry["by"] == by]


def _take_place(new: Path, final: Path, by: str) -> None:
    """Remove what `by` wrote into `final` and move the files of `new` there."""
    names = [p.name for p in sorted(new.iterdir(), key=lambda p: p.stat().st_mtime_ns)]
    check_free((final / name for name in names), by)
    record = _read(final)
    old = [name for name in record if _is_own(final / name, by, record)]
    _note(final, record, by, {name: _digest(new / name) for name in names})
    for name in old:
        (final / name).unlink()
    for name in names:
        os.replace(new / name, final / name)
    _say("replaced", [final / name for name in old if name in names], by)
    _say("removed", [final / name for name in old if name not in names], by)


def _is_own(path: Path, by: str, record: Record) -> bool:
    """Whether `path` is still what the command wrote there."""
    entry = record.get(path.name)
    return entry is not None and entry["by"] == by and _digest(path) in entry["sha256"]


def _digest(path: Path) -> str | None:
    """The SHA-256 of a file; None of what is no file, such as a folder or a link."""
    if path.is_symlink() or not path.is_file():
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _note(folder: Path, record: Record, by: str, written: Mapping[str, str]) -> None:
    """Record what is written next; names of files that have gone are forgotten."""
    kept = {name: entry for name, entry in record.items() if (folder / name).is_file()}
    for name, digest in written.items():
        there = [_digest(folder / name)] if _is_own(folder / name, by, record) else []
        kept[name] = {"by": by, "sha256": [*there, digest]}
    write_whole(folder / RECORD, json.dumps(kept, indent=1) + "\n")


def _read(folder: Path) -> Record:
    path = folder / RECORD
    try:
        record = json.loads(read_text(path, MAX_RECORD))
        for entry in record.values():
            if not isinstance(entry["by"], str) or not isinstance(entry["sha256"], list):
                raise TypeError("no digests")
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise InputError(
            f"{path}: is damaged; expected the record of what hfnmp wrote into this folder. Remove "
            "it: what lies beside it then counts as yours"
        ) from None
    return record


def _refuse(foreign: Sequence[Path], by: str) -> None:
    named, are = ", ".join(map(str, foreign)), "is" if len(foreign) == 1 else "are"
    raise InputError(
        f"{named}: {are} in the way, and not (or no longer) what {by} wrote; move it away, or give "
        "another place"
    )


def _say(what: str, paths: Sequence[Path], by: str) -> None:
    if paths:
        print(f"{what}, as {by} wrote it: {', '.join(map(str, paths))}", file=sys.stderr)
