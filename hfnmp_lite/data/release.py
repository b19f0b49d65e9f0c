"""Data prepared for the authors' released code: their lists, and their zips read as they are.

A list has no header; its lines are `/+DATASET/relative/path.ext.zip,label,faces,frames` with label
0 live, 1 paper, 2 screen, 3 mask, and some are blank. A zip holds `<frame>.png` for each frame in
which a face was found, numbers not padded, and `info.txt` with `faces<TAB>frames`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from tqdm import tqdm

from hfnmp_lite.data import archive
from hfnmp_lite.data.ocim import LAYOUTS
from hfnmp_lite.data.presentations import REAL_COLUMNS, manifest_text
from hfnmp_lite.data.recordings import (
    BY,
    NO_FACE,
    Recording,
    printable,
    root_for,
    shortened,
)
from hfnmp_lite.data.videos import choose
from hfnmp_lite.files import InputError, check_commas, read_text
from hfnmp_lite.owned import check_free, write_owned

KINDS = {"0": None, "1": "print", "2": "replay", "3": "mask"}
DOMAINS = {
    "oulu-npu": "oulu",
    "casia-fasd": "casia",
    "replay-attack": "replay",
    "msu-mfsd": "msu",
}
FRAME_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp"))
MAX_LIST = 64 * 2**20  # bytes


class Listed(NamedTuple):
    """One line of a list."""

    path: str  # with slashes, without the leading one
    kind: str | None  # attack type, None for live
    faces: int | None  # frames with a face, where the list says it
    where: str  # file and line


class Indexed(NamedTuple):
    """What an index of lists wrote."""

    manifest: Path
    presentations: int
    frames: int
    failures: dict[str, str]
    remarks: list[str]


def read_list(path: str | Path) -> tuple[list[Listed], list[str]]:
    """Read one of the authors' lists; with it, one line for each line that cannot be used.

    Raises
    ------
    InputError
        The file cannot be read, or holds no line of that form.
    """
    path = Path(path)
    try:
        text = read_text(path, MAX_LIST)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read as a list ({reason})") from None
    listed, refused = [], []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            listed.append(_listed(line, where))
        except InputError as error:
            refused.append(str(error))
    if not listed:
        check_commas(path, text.lstrip().partition("\n")[0])
        first = f"; {refused[0]}" if refused else ""
        raise InputError(f"{path}: holds no line /+DATASET/x.zip,label,faces,frames{first}")
    return listed, refused


def _listed(line: str, where: str) -> Listed:
    name, *numbers = (part.strip() for part in line.split(","))
    inside = PurePosixPath(name.lstrip("/"))
    if not inside.parts or not inside.parts[0].startswith("+") or "\0" in name:
        raise InputError(f"{where}: '{printable(name)}' does not begin with /+DATASET/")
    if ".." in inside.parts or inside.suffix.lower() != ".zip" or len(inside.parts) < 2:
        raise InputError(f"{where}: '{printable(name)}' is no path to a zip below +DATASET")
    if not numbers or numbers[0] not in KINDS:
        raise InputError(
            f"{where}: label is '{printable(','.join(numbers[:1]))}'; expected 0, 1, 2 or 3"
        )
    if len(numbers) not in (1, 3) or not all(n.isdecimal() for n in numbers):
        raise InputError(f"{where}: expected path,label,faces,frames")
    faces = int(numbers[1]) if len(numbers) == 3 else None
    return Listed(str(inside), KINDS[numbers[0]], faces, where)


def index(
    root: str | Path,
    lists: Sequence[str | Path],
    out: str | Path,
    rule: str = "linspace",
    frames: int = 2,
    progress: bool = True,
) -> Indexed:
    """Write a manifest of the zips that some lists name; nothing is unpacked.

    Frames are chosen among those in the zip, in the order of their numbers. A zip that is not
    there, holds no face or cannot be read stays listed as a failure to acquire.

    Parameters
    ----------
    root : path
        The folder that holds `+OULU-NPU` and the others.
    lists : sequence of path
        Lists; a zip that two of them name counts once.
    out : path
        The manifest.
    rule, frames : str, int
        See `videos.choose`.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    InputError
        A list cannot be read, most labels of one contradict the videos' names, two lists
        contradict each other, a data set that they name is not below `root` at all, or `out`
        exists and is not (or no longer) what `hfnmp data index` wrote.
    """
    root, out = Path(root), Path(out)
    check_free([out], BY)
    entries, remarks = _merged(lists)
    _check_labels(entries)
    datasets = sorted({entry.path.split("/")[0] for entry in entries})
    for dataset in datasets:
        if not (root / dataset).is_dir():
            raise InputError(
                f"{root}: holds no folder '{dataset}', which the lists name; give the folder in "
                f"which '{dataset}' lies, or lists without it"
            )
    folder, prefix = root_for(root, out)
    inside = _guard(root)
    rows, failures, odd, frame_count = [], {}, [], 0
    bar = tqdm(entries, desc="indexing", unit="zip", disable=not progress or len(entries) < 200)
    for entry in bar:
        recording = describe(entry, odd)
        known = _row(recording, folder)
        try:
            inside(entry.path)
            names = _frames_in(root / entry.path, entry, odd)
        except (InputError, OSError, RuntimeError) as error:  # too long a name, a loop of links
            reason = str(getattr(error, "strerror", None) or error)
            reason = reason.removeprefix(f"{root / entry.path}: ").replace(f"{root}/", "")
            failures[recording.id] = reason
            rows.append({**known, "path": prefix + entry.path, "failure": reason})
            continue
        for place in choose(range(len(names)), rule, frames):
            number = names[place].partition(".")[0]
            path = f"{prefix}{entry.path}/{names[place]}"
            rows.append({**known, "path": path, "frame": int(number)})
            frame_count += 1
    write_owned(out, manifest_text(rows, REAL_COLUMNS), BY)
    return Indexed(out, len(entries), frame_count, failures, remarks + shortened(odd))


def _merged(lists: Sequence[str | Path]) -> tuple[list[Listed], list[str]]:
    entries: dict[str, Listed] = {}
    remarks: list[str] = []
    for path in lists:
        listed, refused = read_list(path)
        remarks += shortened(refused)
        for entry in listed:
            first = entries.setdefault(entry.path, entry)
            if first.kind != entry.kind:
                raise InputError(
                    f"{entry.where}: calls '{printable(entry.path)}' {entry.kind or 'live'}, and "
                    f"{first.where} {first.kind or 'live'}; correct one of the two"
                )
    return list(entries.values()), remarks


def _check_labels(entries: Iterable[Listed]) -> None:
    """Refuse a list whose labels say of most videos what their own names contradict."""
    counts: dict[tuple[str, str], Counter[bool]] = {}
    for entry in entries:
        if named := _by_name(entry):
            place = entry.where.rpartition(", line ")[0], named.domain
            counts.setdefault(place, Counter())[named.attack_type == entry.kind] += 1
    for (path, domain), agree in counts.items():
        if agree[False] > agree[True]:
            raise InputError(
                f"{path}: {agree[False]} of {agree.total()} labels contradict the names of the "
                f"videos of '{domain}', so most are wrong; expected 0 live, 1 paper, 2 screen, "
                "3 mask: correct the list"
            )


def _by_name(entry: Listed) -> Recording | None:
    """Say what a listed video's own name says, in a data set of a known layout."""
    first, _, below = entry.path.partition("/")
    dataset = first.removeprefix("+").lower()
    domain = DOMAINS.get(dataset, dataset)
    return LAYOUTS[domain].parse(below[: -len(".zip")]) if domain in LAYOUTS else None


def describe(entry: Listed, odd: list[str]) -> Recording:
    """Say what is known of a listed video; a label that its name contradicts becomes a remark.

    The label decides. In a data set of no known layout the folder of a video is its subject.
    """
    first, _, below = entry.path.partition("/")
    dataset = first.removeprefix("+").lower()
    domain = DOMAINS.get(dataset, dataset)
    named = _by_name(entry)
    if named is None:
        subject = str(PurePosixPath(below).parent).replace("/", "-")
        named = Recording(entry.path, domain, f"{domain}-{subject}", entry.kind is None, entry.kind)
        if domain in LAYOUTS:
            odd.append(f"{entry.where}: '{printable(below)}' is not named as in '{domain}'")
    elif named.attack_type != entry.kind:
        odd.append(
            f"{entry.where}: the label says {entry.kind or 'live'}, the name "
            f"{named.attack_type or 'live'}; the label is taken"
        )
    return replace(
        named,
        path=entry.path,
        live=entry.kind is None,
        attack_type=entry.kind,
        instrument=named.instrument if entry.kind else None,
    )


def _row(recording: Recording, folder: str) -> dict[str, object]:
    return {
        "root": folder,
        "domain": recording.domain,
        "subject": recording.subject,
        "presentation": recording.id,
        "live": int(recording.live),
        "attack_type": recording.attack_type or "",
        **recording.factors,
        "partition": recording.partition or "",
    }


def _guard(root: Path) -> Callable[[str], None]:
    """Give a check that a path below `root` leads, through no link, to a place below it."""
    top = root.resolve()
    folders: dict[Path, bool] = {}

    def check(path: str) -> None:
        file = root / path
        parent = file.parent
        if parent not in folders:
            folders[parent] = parent.resolve().is_relative_to(top)
        if not folders[parent] or (file.is_symlink() and not file.resolve().is_relative_to(top)):
            raise InputError(f"{file}: leads out of the data's folder; copy the file there")
        if not file.is_file():
            raise InputError(f"{file}: no such file")

    return check


def _frames_in(path: Path, entry: Listed, odd: list[str]) -> list[str]:
    names, others = archive.image_members(path, FRAME_SUFFIXES)
    strange = [name for name in others if name.lower() != "info.txt"]
    if strange:
        odd.append(
            f"{printable(entry.path)}: holds '{printable(strange[0])}'"
            + (f" and {len(strange) - 1} more" if len(strange) > 1 else "")
            + ", no frame; left out"
        )
    said = entry.faces
    if "info.txt" in others:
        said = _said(path)
        if said is None:
            odd.append(f"{printable(entry.path)}: its info.txt is not 'faces<TAB>frames'")
        elif entry.faces is not None and entry.faces != said:
            odd.append(f"{entry.where}: says {entry.faces} faces, the zip's info.txt {said}")
    if not names and said != 0:
        raise InputError("holds no frame, named as 12.png; expected a zip of the authors' tools")
    if not names:
        raise InputError(f"{NO_FACE} in the video, as its zip says")
    if said is not None and said != len(names):
        odd.append(f"{printable(entry.path)}: says {said} faces and holds {len(names)} frames")
    return names


def _said(path: Path) -> int | None:
    """Read the number of faces from a zip's info.txt."""
    words = archive.read_member(path, "info.txt")[:100].decode(errors="replace").split()
    return int(words[0]) if len(words) == 2 and all(w.isdecimal() for w in words) else None


def lists_below(folder: str | Path) -> list[Path]:
    """Return the `.csv` files directly in a folder, or the file itself, by name."""
    folder = Path(folder)
    return sorted(folder.glob("*.csv")) if folder.is_dir() else [folder]


def expand(given: Iterable[str | Path]) -> list[Path]:
    """Return all lists that some files and folders name.

    Raises
    ------
    InputError
        A folder holds none.
    """
    found = []
    for path in given:
        lists = lists_below(path)
        if not lists:
            raise InputError(f"{path}: holds no .csv list; give the lists or their folder")
        found += lists
    return found
