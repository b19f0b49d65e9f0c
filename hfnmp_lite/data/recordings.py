"""Indexes: which videos and images of a data set there are, and what is known of each.

An index is a manifest whose rows are recordings, not frames; `hfnmp_lite.data.prepare` makes
frames of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

from hfnmp_lite.data.formats import VIDEO_SUFFIXES
from hfnmp_lite.data.presentations import REAL_COLUMNS, manifest_text, read_rows
from hfnmp_lite.files import InputError
from hfnmp_lite.owned import write_owned

DETAILS = ("session", "device", "annotation", "annotation_kind", "rotation")
INDEX_COLUMNS = (*REAL_COLUMNS, *DETAILS)
BY = "hfnmp data index"
JOURNAL = "progress.jsonl"  # what a preparation has done so far
NO_FACE = "no face found"  # how the failure to acquire begins that no damaged file is to blame for
MAX_DEPTH = 32  # folders below the data set's; all layouts have fewer than eight
MAX_SHOWN = 300  # characters of a name in a message
MAX_REMARKS = 20  # of one kind in a report; the rest is counted


@dataclass(frozen=True)
class Recording:
    """One file of a data set, a video or an image, as an index lists it.

    Attributes
    ----------
    path : str
        Relative to the data set's folder, with slashes.
    domain, subject, live, attack_type, instrument, partition
        As in `Presentation`.
    session, device : str or None
        When, and with what, it was captured.
    annotation, annotation_kind : str or None
        File with positions of the face, relative as `path`, and its kind (`read_annotation`).
    rotation : int
        0, or 180 where the file is stored upside down.
    presentation : str or None
        Its name, where an index gave one.
    """

    path: str
    domain: str
    subject: str
    live: bool
    attack_type: str | None = None
    instrument: str | None = None
    partition: str | None = None
    session: str | None = None
    device: str | None = None
    annotation: str | None = None
    annotation_kind: str | None = None
    rotation: int = 0
    presentation: str | None = None

    @property
    def id(self) -> str:
        """What manifests call the presentation: as given, else by domain and path."""
        return self.presentation or f"{self.domain}/{self.path}"

    @property
    def factors(self) -> dict[str, str]:
        """Camera, instrument and light as a manifest names them; "" where the layout does not tell.

        A numbered session is a light ("session 3", of OULU-NPU); of a named one the last word is
        ("controlled", of Replay-Attack).
        """
        session = self.session or ""
        light = f"session {session}" if session.isdecimal() else session.rpartition(" ")[2]
        return {"camera": self.device or "", "instrument": self.instrument or "", "light": light}

    @property
    def is_video(self) -> bool:
        """Whether the file's name says that it is a video."""
        return os.path.splitext(self.path)[1].lower() in VIDEO_SUFFIXES


class Found(NamedTuple):
    """What was found in a folder, and one line for each thing worth saying."""

    recordings: list[Recording]
    remarks: list[str]


class File(NamedTuple):
    """A regular file below a folder: its path relative to it, with slashes, and its size."""

    path: str
    size: int


def walk(root: str | Path, remarks: list[str]) -> Iterator[File]:
    """List all regular files below a folder, in order of their names; links are not followed.

    Raises
    ------
    InputError
        The folder is not there or cannot be read. What cannot be read in it becomes a remark.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the folder that holds the data set")
    links = []
    yield from _walk(root, "", remarks, links)
    remarks += shortened(
        [
            f"{printable(path)}: is a link and is not followed; put there what it points to"
            for path in links
        ]
    )


def _walk(root: Path, below: str, remarks: list[str], links: list[str]) -> Iterator[File]:
    try:
        with os.scandir(root / below) as entries:
            entries = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        if not below:
            raise InputError(f"{root}: cannot be read ({error.strerror})") from None
        remarks.append(f"{printable(below)}: cannot be read ({error.strerror})")
        return
    for entry in entries:
        path = f"{below}{entry.name}"
        if not _is_text(path):
            remarks.append(f"{path!a}: its name is no UTF-8 text; rename it")
        elif entry.is_symlink():
            links.append(path)
        elif entry.is_dir(follow_symlinks=False):
            if path.count("/") < MAX_DEPTH:
                yield from _walk(root, f"{path}/", remarks, links)
            else:
                remarks.append(f"{printable(path)}: lies too deep; give a folder further down")
        elif entry.name.startswith("."):
            continue
        elif entry.is_file(follow_symlinks=False):
            yield File(path, entry.stat(follow_symlinks=False).st_size)
        else:
            remarks.append(f"{printable(path)}: is a pipe, a socket or a device; left out")


def _is_text(name: str) -> bool:
    try:
        name.encode()
        return True
    except UnicodeEncodeError:  # bytes that are not UTF-8
        return False


def shortened(lines: Sequence[str], limit: int = MAX_REMARKS) -> list[str]:
    """Give the first lines, and how many more there are."""
    if len(lines) <= limit:
        return list(lines)
    return [*lines[:limit], f"... and {len(lines) - limit} more like these"]


def printable(text: str) -> str:
    """Show a name on one line, whatever characters it holds and however many."""
    if len(text) > MAX_SHOWN:
        text = f"{text[: MAX_SHOWN // 2]}...{text[-MAX_SHOWN // 2 :]}"
    return text if text.isprintable() else ascii(text)


def root_for(root: Path, out: Path) -> tuple[str, str]:
    """Say how rows of the manifest `out` name files below `root`: (root column, path prefix).

    Where the data lie beside or below the manifest, paths are relative to it and the two can be
    moved together; elsewhere the rows name the folder.
    """
    root, home = root.resolve(), out.resolve().parent
    if root.is_relative_to(home):
        prefix = root.relative_to(home).as_posix()
        return "", "" if prefix == "." else f"{prefix}/"
    return str(root), ""


def write_index(out: str | Path, root: str | Path, recordings: Iterable[Recording]) -> None:
    """Write an index of recordings below `root`, whole or not at all.

    Raises
    ------
    InputError
        `out` exists, and is not (or no longer) what `hfnmp data index` wrote.
    """
    out = Path(out)
    folder, prefix = root_for(Path(root), out)
    rows = []
    for r in recordings:
        annotation = f"{prefix}{r.annotation}" if r.annotation else None
        known = asdict(replace(r, path=prefix + r.path, annotation=annotation))
        row = {"root": folder, **known, "presentation": r.id, "live": int(r.live)}
        rows.append({k: "" if v is None else v for k, v in row.items()})
    write_owned(out, manifest_text(rows, INDEX_COLUMNS), BY)


def read_index(path: str | Path) -> list[tuple[Path, Recording]]:
    """Read an index: (folder that the paths are relative to, recording), in order.

    A recording's path begins with what `root_for` put before it.

    Raises
    ------
    InputError
        As `read_manifest`; a presentation stands on two lines, a domain's name is none that can
        name a folder, an annotation leaves the folder, or a rotation is neither 0 nor 180.
    """
    path = Path(path)
    found, seen = [], {}
    rows = read_rows(path)
    home = path.resolve().parent
    for line, row in rows:
        where = f"{path}, line {line}"
        if row["presentation"] in seen:
            raise InputError(
                f"{where}: presentation '{row['presentation']}' stands on line "
                f"{seen[row['presentation']]} already; an index lists a video or image once"
            )
        seen[row["presentation"]] = line
        found.append((Path(row["root"]) if row.get("root") else home, _recording(where, row)))
    return found


def _recording(where: str, row: Mapping[str, str]) -> Recording:
    if not re.fullmatch(r"\w[\w.-]*", row["domain"]):
        raise InputError(
            f"{where}: domain '{row['domain']}' cannot name a folder; use letters, digits, - and _"
        )
    annotation, kind = row.get("annotation") or None, row.get("annotation_kind") or None
    if annotation and (annotation.startswith("/") or ".." in annotation.split("/")):
        raise InputError(f"{where}: annotation '{annotation}' leaves the data set's folder")
    if annotation and kind not in ("xywh", "corners", "eyes"):
        raise InputError(f"{where}: annotation_kind is '{kind}'; expected xywh, corners or eyes")
    if row.get("rotation", "") not in ("", "0", "180"):
        raise InputError(f"{where}: rotation is '{row['rotation']}'; expected 0 or 180")
    optional = ("attack_type", "instrument", "partition", "session", "device")
    return Recording(
        path=row["path"],
        domain=row["domain"],
        subject=row["subject"],
        live=row["live"] == "1",
        **{name: row.get(name) or None for name in optional},
        annotation=annotation,
        annotation_kind=kind if annotation else None,
        rotation=int(row.get("rotation") or 0),
        presentation=row["presentation"],
    )
