"""A folder of one's own: `live/` and `attack/<type>/` of images or videos is enough.

The first folder below those names the subject: `live/anna/1.mov` and `attack/print/anna/room/2.mov`
show one person, and `Zoë` is one person however her name is composed, in capitals or not. Where
there is no such folder every file counts as a person of its own, and what is said by subject
(held-out people, intervals) is too optimistic.

Folders above are domains, and a subject belongs to one domain: `desk/live/anna` and
`door/live/anna` count as two people. Who was filmed in several rooms that are no domains of their
own keeps them below the name: `live/anna/door/1.mov`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from unicodedata import normalize

from hfnmp_lite.data import formats
from hfnmp_lite.data.presentations import shown, spelling
from hfnmp_lite.data.recordings import JOURNAL, Found, Recording, printable, shortened, walk
from hfnmp_lite.files import InputError

PARTS = ("live", "attack")


def find(root: str | Path, domain: str | None = None) -> Found:
    """List the recordings of one's own folder.

    Parameters
    ----------
    root : path
        Holds `live/` and `attack/<type>/`, or folders that do: each of those is a domain then.
    domain : str, optional
        What the domain is called; by default as its folder.

    Returns
    -------
    Found
        What `formats` lists, in the order of paths. Remarks: what else lies there, counted and
        named.

    Raises
    ------
    InputError
        The folder cannot be read or holds no such recordings, or the domain's name is none.
    """
    root = Path(root)
    remarks: list[str] = []
    recordings, strange, alone = [], [], 0
    left_out: dict[str, list[str]] = {}
    names = _Names()
    name = domain or _as_domain(root.resolve().name)
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise InputError(f"domain is '{name}'; use letters, digits, - and _")
    files = [path for path, _ in walk(root, remarks)]
    several = not _holds_parts(root)
    made = (root / "prepared" / JOURNAL).exists()  # frames made of an earlier index of the folder
    for path in files:
        if made and path.startswith("prepared/"):
            continue
        suffix = Path(path).suffix.lower()
        taken = suffix in formats.VIDEO_SUFFIXES or suffix in formats.picture_suffixes()
        parts = path.split("/")
        home = name
        if several and len(parts) > 1:
            home = _as_domain(names.one("domain", parts.pop(0)))
        found = _read(parts)
        if found is None:
            if taken or formats.refused_suffix(suffix):
                strange.append(f"{printable(path)}: lies neither in live/ nor in attack/<type>/")
            continue
        if not taken:
            left_out.setdefault(suffix, []).append(path)
            continue
        kind, subject = found
        alone += subject is None
        subject = names.one(f"subject of '{home}'", subject or "/".join(parts))
        recordings.append(Recording(path, home, f"{home}-{subject}", kind is None, kind))
    ignored = [_left_out(suffix, paths) for suffix, paths in sorted(left_out.items())]
    if not recordings:
        why = "; ".join([*remarks, *ignored])
        raise InputError(
            f"{root}: holds no image or video in live/ or attack/<type>/; sort the recordings so"
            + f" ({why})" * bool(why)
        )
    remarks += shortened(strange) + ignored + names.remarks()
    if alone:
        remarks.append(
            f"{alone} recordings lie in no folder of a subject: each counts as a person of its own,"
            " so held-out people and intervals say too much; put them in live/<name>/ and "
            "attack/<type>/<name>/"
        )
    return Found(recordings, remarks + _one_sided(recordings))


class _Names:
    """Names that differ in case or composition alone are one; the first spelling is kept."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[str, None]] = {}

    def one(self, what: str, name: str) -> str:
        spellings = self._known.setdefault((what, spelling(name)), {})
        spellings[name] = None
        return normalize("NFC", next(iter(spellings)))

    def remarks(self) -> list[str]:
        """Say which spellings were taken as one name."""
        lines = []
        for (what, _), spellings in self._known.items():
            if len(spellings) > 1:
                both = "' and '".join(map(shown, spellings))
                lines.append(f"{what}: '{both}' are taken as one")
        return shortened(lines)


def _as_domain(folder: str) -> str:
    return re.sub(r"[^\w.-]+", "-", normalize("NFC", folder)).strip("-._") or "own"


def _holds_parts(root: Path) -> bool:
    with os.scandir(root) as entries:
        return any(entry.name.lower() in PARTS and entry.is_dir() for entry in entries)


def _read(parts: list[str]) -> tuple[str | None, str | None] | None:
    """`live/[subject/...]file` or `attack/<type>/[subject/...]file`: the type and the subject."""
    kind, below = None, parts[1:]
    if parts[0].lower() == "attack" and len(parts) > 2:
        kind, below = normalize("NFC", parts[1]).lower(), parts[2:]
    elif parts[0].lower() != "live" or not below:
        return None
    return kind, below[0] if len(below) > 1 else None


def _left_out(suffix: str, paths: list[str]) -> str:
    """Count and name the files of a suffix that are not read."""
    known = formats.refused_suffix(suffix)
    which = f"{suffix} ({known})" if known else suffix or "without suffix"
    named = ", ".join(printable(path) for path in paths[:3])
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    cure = "; export them as JPEG, PNG or MP4" if known else ""
    return f"not read and left out: {len(paths)} {which}: {named}{more}{cure}"


def _one_sided(recordings: list[Recording]) -> list[str]:
    kinds: dict[str, set[bool]] = {}
    for r in recordings:
        kinds.setdefault(r.domain, set()).add(r.live)
    return [
        f"domain '{domain}' has no {'attack' if True in classes else 'live recording'}; "
        "errors need both"
        for domain, classes in kinds.items()
        if len(classes) == 1
    ]
