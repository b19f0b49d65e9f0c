"""A folder of one's own: `live/` and `attack/<type>/` of images or videos is enough.

Folders below those are subjects: `live/anna/1.mov`. Where there are none every file counts as a
person of its own, and what is said by subject (held-out people, intervals) is too optimistic.
"""

from __future__ import annotations

import re
from pathlib import Path

from hfnmp_lite.data.presentations import VIDEO_SUFFIXES
from hfnmp_lite.data.recordings import (
    IMAGE_SUFFIXES,
    JOURNAL,
    Found,
    Recording,
    printable,
    shortened,
    walk,
)
from hfnmp_lite.files import InputError


def find(root: str | Path, domain: str | None = None) -> Found:
    """List the recordings of one's own folder.

    Parameters
    ----------
    root : path
        Holds `live/` and `attack/<type>/`, or folders that do: each of those is a domain then.
    domain : str, optional
        What the domain is called; by default as its folder.

    Raises
    ------
    InputError
        The folder cannot be read or holds no such recordings, or the domain's name is none.
    """
    root = Path(root)
    remarks: list[str] = []
    recordings, strange, alone = [], [], 0
    name = domain or re.sub(r"[^\w.-]+", "-", root.resolve().name).strip("-._") or "own"
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise InputError(f"domain is '{name}'; use letters, digits, - and _")
    several = not any((root / part).is_dir() for part in ("live", "attack"))
    made = (root / "prepared" / JOURNAL).exists()  # frames made of an earlier index of the folder
    for path, _ in walk(root, remarks):
        if made and path.startswith("prepared/"):
            continue
        suffix = Path(path).suffix.lower()
        if suffix not in VIDEO_SUFFIXES and suffix not in IMAGE_SUFFIXES:
            continue
        parts = path.split("/")
        home = parts.pop(0) if several and len(parts) > 1 else name
        recording = _read(path, parts, re.sub(r"[^\w.-]+", "-", home).strip("-._") or "own")
        if recording is None:
            strange.append(f"{printable(path)}: lies neither in live/ nor in attack/<type>/")
            continue
        alone += recording.subject.endswith(Path(path).name)
        recordings.append(recording)
    if not recordings:
        raise InputError(
            f"{root}: holds no image or video in live/ or attack/<type>/; sort the recordings so"
        )
    remarks += shortened(strange)
    if alone:
        remarks.append(
            f"{alone} recordings lie in no folder of a subject: each counts as a person of its own,"
            " so held-out people and intervals say too much; put them in live/<name>/ and "
            "attack/<type>/<name>/"
        )
    kinds: dict[str, set[bool]] = {}
    for r in recordings:
        kinds.setdefault(r.domain, set()).add(r.live)
    for one, classes in kinds.items():
        if len(classes) == 1:
            missing = "attack" if True in classes else "live recording"
            remarks.append(f"domain '{one}' has no {missing}; errors need both")
    return Found(recordings, remarks)


def _read(path: str, parts: list[str], domain: str) -> Recording | None:
    """`live/[subject/...]file` or `attack/<type>/[subject/...]file`."""
    kind, below = None, parts[1:]
    if parts[0].lower() == "attack" and len(parts) > 2:
        kind, below = parts[1].lower(), parts[2:]
    elif parts[0].lower() != "live" or not below:
        return None
    subject = below[0] if len(below) > 1 else "/".join(parts)
    return Recording(path, domain, f"{domain}-{subject}", kind is None, kind)
