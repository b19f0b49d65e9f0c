"""One record type for every data set: a presentation; manifests on disk; splits by subject."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

import numpy as np

from hfnmp_lite.data.archive import is_there
from hfnmp_lite.data.formats import VIDEO_SUFFIXES
from hfnmp_lite.files import InputError, opened_table, write_whole
from hfnmp_lite.memory import uncollected

MANIFEST_COLUMNS = (
    "path",
    "sha256",
    "domain",
    "subject",
    "presentation",
    "frame",
    "live",
    "attack_type",
    "camera",
    "instrument",
    "light",
    "ita",
    "parameters",
)
REQUIRED_COLUMNS = ("path", "domain", "subject", "presentation", "live", "attack_type")
# What real data may say besides: the folder that paths are relative to, where it is not the
# manifest's own; the official partition; why a listed presentation has no frame.
REAL_COLUMNS = (*MANIFEST_COLUMNS, "root", "partition", "failure")
MAX_MANIFEST = 2**30  # bytes; a million frames take 200 MiB
_SHARED = ("domain", "subject", "live", "attack_type")  # by all frames of a presentation
FACTORS = ("camera", "instrument", "light")  # what a presentation was made with and under
_NAMES = ("domain", "subject", "attack_type")  # two spellings of one are refused
_FIRST = (*_SHARED, *FACTORS, "partition", "failure")  # taken from its first row


@dataclass(frozen=True)
class Presentation:
    """One capture, live or attack, with its frames in order.

    Attributes
    ----------
    id : str
        Unique in its manifest.
    domain, subject : str
        Where it was captured and of whom; a subject belongs to one domain.
    live : bool
        True for a live face, False for an attack.
    attack_type : str or None
        "print", "replay", ...; None for a live face.
    camera, instrument, light : str or None
        What it was seen through; what an attack was made with; the room or session. Where known.
    frames : tuple of Path
        Image files, absolute; one in a zip as `archive.zip/12.png`. Empty where none could be had.
    partition : str or None
        "train", "dev" or "test" of the data set's own division, where it has one.
    failure : str or None
        Why there are no frames: a failure to acquire, which counts as an error.
    """

    id: str
    domain: str
    subject: str
    live: bool
    attack_type: str | None
    instrument: str | None
    frames: tuple[Path, ...]
    partition: str | None = None
    failure: str | None = None
    camera: str | None = None
    light: str | None = None


@uncollected(kept=True)
def read_manifest(path: str | Path) -> list[Presentation]:
    """Read a manifest (CSV, one row a frame) into presentations, in the order of first mention.

    Raises
    ------
    InputError
        The file is missing or is not such a table; a column, label or path is wrong; a row is a
        duplicate, or a video; a presentation contradicts itself. The message names the line.
    """
    path = Path(path)
    folder = os.path.dirname(os.path.realpath(path))  # Path.resolve raises on a loop of links
    groups: dict[str, tuple[int, dict[str, str], list[Path]]] = {}
    for line, row in _checked_rows(path):
        failed = bool(row.get("failure"))
        if not failed and os.path.splitext(row["path"])[1].lower() in VIDEO_SUFFIXES:
            raise InputError(
                f"{path}, line {line}: '{row['path']}' is a video; make frames of it first: "
                f"hfnmp data prepare {path}"
            )
        key = row["presentation"]
        if key not in groups:  # of a row no more is kept than a presentation needs
            groups[key] = line, {c: row.get(c) or "" for c in _FIRST}, []
        first_line, first, frames = groups[key]
        for column in _SHARED:
            if row[column] != first[column]:
                raise InputError(
                    f"{path}, line {line}: presentation '{key}' has {column} '{row[column]}' here "
                    f"and '{first[column]}' on line {first_line}; all its frames must agree"
                )
        if not failed:
            frames.append(Path(f"{row.get('root') or folder}/{row['path']}"))
    presentations = [_presentation(key, row, frames) for key, (_, row, frames) in groups.items()]
    homes: dict[str, str] = {}
    for p in presentations:
        if homes.setdefault(p.subject, p.domain) != p.domain:
            raise InputError(
                f"{path}: subject '{p.subject}' is in domains '{homes[p.subject]}' and "
                f"'{p.domain}'; a subject belongs to one domain: give the two people two names"
            )
    return presentations


def read_rows(path: str | Path) -> list[tuple[int, Mapping[str, str]]]:
    """Read a manifest's rows with their line numbers, each checked by itself; at least one.

    Raises
    ------
    InputError
        As `read_manifest`, but for what takes more than one row to see.
    """
    return list(_checked_rows(Path(path)))


def _checked_rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    seen: dict[tuple[str, str], int] = {}
    names: dict[tuple[str, str], tuple[str, int]] = {}
    for line, row in _rows(path):
        _check_row(path, line, row)
        _check_spellings(path, line, row, names)
        place = (row.get("root", ""), row["path"])
        if place in seen:
            raise InputError(
                f"{path}, line {line}: '{row['path']}' stands on line {seen[place]} already; "
                "every frame is listed once: remove one of the two"
            )
        seen[place] = line
        yield line, row
    if not seen:
        raise InputError(f"{path}: holds no rows; expected one row for each frame")


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        with opened_table(path, REQUIRED_COLUMNS, MAX_MANIFEST) as reader:
            for row in reader:
                yield reader.line_num, row
    except FileNotFoundError:
        raise InputError(f"{path}: no such manifest; give the path of a manifest.csv") from None
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path}: cannot be read as a CSV manifest ({reason})") from None


def _check_row(path: Path, line: int, row: Mapping[str, str]) -> None:
    where = f"{path}, line {line}"
    if None in row or None in row.values():
        raise InputError(f"{where}: the number of fields differs from the header's")
    for column in ("path", "domain", "subject", "presentation"):
        if not row[column].strip():
            raise InputError(f"{where}: '{column}' is empty; every row needs it")
    if row["live"] not in ("0", "1"):
        raise InputError(f"{where}: live is '{row['live']}'; expected 1 (live) or 0 (attack)")
    if (row["live"] == "1") == bool(row["attack_type"]):
        raise InputError(
            f"{where}: live is {row['live']} and attack_type is '{row['attack_type']}'; an attack "
            "needs an attack_type and a live face has none"
        )
    if row["path"].startswith("/") or ".." in row["path"].split("/") or "\0" in row["path"]:
        raise InputError(
            f"{where}: path '{row['path']}' leaves the manifest's folder; paths are relative to it"
        )
    root = row.get("root", "")
    if root and (not Path(root).is_absolute() or ".." in Path(root).parts or "\0" in root):
        raise InputError(f"{where}: root '{root}' is no absolute path; give the data's folder")


def _check_spellings(
    path: Path, line: int, row: Mapping[str, str], names: dict[tuple[str, str], tuple[str, int]]
) -> None:
    """Refuse two spellings of what looks like one name: one person must not be two subjects."""
    for column in _NAMES:
        name = row[column]
        first, at = names.setdefault((column, spelling(name)), (name, line))
        if first != name:
            raise InputError(
                f"{path}, line {line}: {column} '{shown(name)}' is spelled '{shown(first)}' on "
                f"line {at}; spell one name alike, and give two different ones two names"
            )


def _presentation(key: str, first: Mapping[str, str], frames: Sequence[Path]) -> Presentation:
    return Presentation(
        id=key,
        domain=first["domain"],
        subject=first["subject"],
        live=first["live"] == "1",
        attack_type=first["attack_type"] or None,
        instrument=first["instrument"] or None,
        camera=first["camera"] or None,
        light=first["light"] or None,
        frames=tuple(frames),
        partition=first["partition"] or None,
        failure=first["failure"] or None,
    )


def write_manifest(
    path: str | Path,
    rows: Iterable[Mapping[str, object]],
    columns: Sequence[str] = MANIFEST_COLUMNS,
) -> None:
    """Write rows as a CSV manifest, whole or not at all."""
    write_whole(path, manifest_text(rows, columns))


def manifest_text(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Return rows as a CSV manifest; what a row leaves out stays empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@functools.lru_cache(maxsize=4096)
def spelling(name: str) -> str:
    """Return what all spellings of a name share: one case, one composition of its characters."""
    return normalize("NFC", normalize("NFD", " ".join(name.split())).casefold())


def shown(name: str) -> str:
    """Show a name so that two spellings that look alike are told apart."""
    return name if name == normalize("NFC", name) and name.isprintable() else ascii(name)[1:-1]


def is_simulated(path: str | Path) -> bool:
    """Whether a manifest is the simulator's: only there does every row say what was drawn."""
    try:
        return all("draw" in (row.get("parameters") or "") for _, row in read_rows(path))
    except InputError:
        return False


def missing_frames(presentations: Iterable[Presentation]) -> list[Path]:
    """Return the frames that are not there, so that a job can say so before it starts.

    Folders are listed, each once: in a third of the time of a look at every file.
    """
    listed: dict[str, frozenset[str]] = {}
    missing = []
    for frame in (frame for p in presentations for frame in p.frames):
        folder, _, name = str(frame).rpartition(os.sep)
        if folder not in listed:
            listed[folder] = _files_of(folder)
        if name not in listed[folder] and not is_there(frame):  # in a zip, or in other letters
            missing.append(frame)
    return missing


def _files_of(folder: str) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries if entry.is_file())
    except OSError:  # a zip, or no folder that can be listed
        return frozenset()


def split_subjects(
    presentations: Iterable[Presentation], fraction: float = 0.25, seed: int = 0
) -> tuple[list[Presentation], list[Presentation]]:
    """Split into (training, validation) so that in each domain the subjects are disjoint.

    In every domain `round(fraction * subjects)` subjects, at least one, are held out. Which ones
    depends on the seed and on the subjects' names alone, not on the order of rows.

    Raises
    ------
    InputError
        A domain has fewer than two subjects.
    """
    presentations = list(presentations)
    held_out: set[str] = set()
    for domain in sorted({p.domain for p in presentations}):
        subjects = sorted({p.subject for p in presentations if p.domain == domain})
        if len(subjects) < 2:
            raise InputError(
                f"domain '{domain}' has {len(subjects)} subject; at least 2 are needed, "
                "one to train on and one to choose checkpoint and threshold on"
            )
        count = min(max(1, round(fraction * len(subjects))), len(subjects) - 1)
        salt = int.from_bytes(hashlib.sha256(domain.encode()).digest()[:4])
        order = np.random.default_rng([seed, salt]).permutation(len(subjects))
        held_out.update(subjects[i] for i in order[:count])
    training = [p for p in presentations if p.subject not in held_out]
    validation = [p for p in presentations if p.subject in held_out]
    return training, validation
