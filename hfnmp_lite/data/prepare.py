"""Recordings become frames: decoded, chosen by a named rule, cropped to the face, kept lossless.

Every recording of an index ends in the manifest. One without a face, or that cannot be decoded, is
listed with the reason: a failure to acquire, which evaluation counts as an error.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tqdm import tqdm

from hfnmp_lite.data import annotation, capture, extract, formats, images, videos, workers
from hfnmp_lite.data.extract import Settings, make
from hfnmp_lite.data.presentations import REAL_COLUMNS, manifest_text
from hfnmp_lite.data.recordings import JOURNAL, NO_FACE, Recording, read_index
from hfnmp_lite.files import InputError, exclusive, open_regular, read_text, write_whole
from hfnmp_lite.owned import check_free, write_owned
from hfnmp_lite.provenance import versions

MAX_JOURNAL = 2**30  # bytes
BY = "hfnmp data prepare"
LIBRARIES = ("numpy", "opencv-python", "scikit-image", "pillow")  # a part in every frame


@dataclass
class Summary:
    """What a preparation did.

    Attributes
    ----------
    manifest : Path
        What it wrote, last of all.
    recordings, frames : int
        Listed, and written.
    failures : dict
        Presentation -> why it has no frame.
    cropped : Counter
        Frames by what they were cropped with.
    """

    manifest: Path
    recordings: int = 0
    frames: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    cropped: Counter = field(default_factory=Counter)


def prepare(
    indexes: Sequence[str | Path],
    out: str | Path,
    settings: Settings | None = None,
    processes: int | None = None,
    progress: bool = True,
) -> Summary:
    """Make frames of all recordings of some indexes, and one manifest of all of them.

    An interrupted preparation goes on where it was when called again; further indexes can be given
    then. The result is that of a fresh preparation: frames are kept where nothing that decides
    them has changed since (video, annotation, what the index says, the code and its libraries),
    and failures are kept only where no face was found. The frames do not depend on the number of
    processes.

    Parameters
    ----------
    indexes : sequence of path
        As `hfnmp data index` writes them.
    out : path
        The folder that receives `frames/`, `progress.jsonl` and, at the end, `manifest.csv`.
    settings : Settings
        What decides the frames.
    processes : int, optional
        Worker processes; by default the processors that may be used.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    InputError
        An index cannot be used, two of them list the same presentation, or `out` holds something
        else, frames made with other settings, or a frame or manifest that was changed since.
    """
    settings, out = settings or Settings(), Path(out)
    found: dict[str, tuple[Path, Recording]] = {}
    folders: set[str] = set()
    for index in indexes:
        for root, recording in read_index(index):
            folder = _folder(recording)
            if recording.id in found or folder in folders:
                raise InputError(f"{index}: '{recording.id}' is listed twice; give an index once")
            folders.add(folder)
            found[recording.id] = root, recording
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give --out a folder")
    with exclusive(out / "manifest.csv"):
        done = _read_journal(out, settings)
        todo = [key for key in found if not _is_done(out, found[key], done.get(key))]
        check_free([out / "manifest.csv"], BY)
        with open(out / JOURNAL, "a", encoding="utf-8") as journal:
            made = _all_made(todo, found, out, settings, processes or workers.default_count())
            bar = tqdm(
                made,
                total=len(found),
                initial=len(found) - len(todo),
                desc="preparing",
                unit="recording",
                disable=not progress,
            )
            for key, entry in bar:
                _remove_others(out, found[key][1], done.get(key), entry)
                done[key] = entry
                journal.write(json.dumps({"key": key, **entry}) + "\n")
                journal.flush()
        return _finish(out, found, done)


def _folder(recording: Recording) -> str:
    """Where the frames of a recording lie."""
    return f"frames/{recording.domain}/{recording.path}"


# --- all of them ----------------------------------------------------------------------------------


def _make_and_write(out: Path, root: Path, recording: Recording, settings: Settings) -> dict:
    """Run in a worker: write the frames and return the journal's entry."""
    source = _source(root, recording, None)  # first: what changes meanwhile is seen next time
    prepared = make(root, recording, settings)
    rows = []
    for number, content in prepared.frames.items():
        name = f"{_folder(recording)}/{number}.png"
        write_whole(out / name, content)
        rows.append([number, prepared.cropped[number], hashlib.sha256(content).hexdigest()])
    return {"source": source, "rows": rows, "failure": prepared.failure}


@functools.cache
def _maker() -> str:
    """Name what makes frames of recordings: this package's code and the libraries' versions."""
    code = (annotation, capture, extract, formats, images, videos)
    parts = [inspect.getsource(module) for module in code]
    parts += [f"{p} {v}" for p, v in versions().items() if p in LIBRARIES]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _source(root: Path, recording: Recording, known: Mapping[str, object] | None) -> dict:
    """Name all that decides the frames of a recording, but for the settings.

    A file of the size and times that are known is not read again.
    """
    named: dict[str, object] = {
        "maker": _maker(),
        "rotation": recording.rotation,
        "annotation_kind": recording.annotation_kind,
    }
    for what, path in (("video", recording.path), ("annotation", recording.annotation)):
        before = (known or {}).get(what)
        named[what] = _identity(root / path, before) if path else None
    return named


def _identity(path: Path, known: object) -> list | None:
    """Return size, times and digest of a file; None where it cannot be read."""
    try:
        status = os.stat(path)
        times = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        if isinstance(known, list) and known[:-1] == times:
            return known
        with open_regular(path) as file:
            return [*times, hashlib.file_digest(file, "sha256").hexdigest()]
    except (OSError, ValueError):
        return None


def _same(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether two sources are equal but for the times of their files."""

    def digests(source: Mapping[str, object]) -> dict[str, object]:
        return {k: v[-1] if isinstance(v, list) else v for k, v in source.items()}

    return digests(one) == digests(other)


def _remove_others(out: Path, recording: Recording, before: dict | None, entry: dict) -> None:
    """Remove the frames of an earlier preparation that are not among those made now."""
    now = {number for number, *_ in entry["rows"]}
    for number in {number for number, *_ in (before or {"rows": []})["rows"]} - now:
        (out / _folder(recording) / f"{number}.png").unlink(missing_ok=True)


def _work(key: str, *arguments: object) -> tuple[str, dict]:
    return key, _make_and_write(*arguments)


def _all_made(
    todo: Sequence[str],
    found: Mapping[str, tuple[Path, Recording]],
    out: Path,
    settings: Settings,
    processes: int,
) -> Iterator[tuple[str, dict]]:
    """Yield (key, entry) as recordings are done; one that kills the decoder costs only itself."""
    left = dict.fromkeys(todo)
    while left:
        jobs = [(key, out, *found[key], settings) for key in left]
        try:
            with workers.pool(min(processes, len(jobs))) as submit:
                for key, entry in submit(_work, jobs):
                    del left[key]
                    yield key, entry
        except BrokenProcessPool:
            # The culprit is among the first that were not done: each of them alone.
            for job in [job for job in jobs if job[0] in left][: 2 * processes + 1]:
                del left[job[0]]
                try:
                    with workers.pool(1) as submit:
                        yield from submit(_work, [job])
                except BrokenProcessPool:
                    reason = f"{found[job[0]][1].path}: the decoder crashed on it"
                    yield job[0], {"source": None, "rows": [], "failure": reason}


def _read_journal(out: Path, settings: Settings) -> dict[str, dict]:
    """Read what was done before; a line cut short by an interruption is forgotten."""
    path = out / JOURNAL
    if not path.exists():
        if any(not p.name.startswith(".") for p in out.iterdir()):
            raise InputError(f"{out}: holds other files; give --out a new folder")
        write_whole(path, json.dumps({"settings": asdict(settings)}) + "\n")
        return {}
    entries = []
    for line in read_text(path, MAX_JOURNAL, errors="replace").splitlines():
        try:
            entries.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    entries = [e for e in entries if isinstance(e, dict)]
    if not entries or entries[0].get("settings") != asdict(settings):
        raise InputError(
            f"{out}: holds frames made with other settings; give the same, or another --out"
        )
    done = {e["key"]: e for e in entries[1:] if _is_entry(e)}
    # written anew, so that a broken last line cannot swallow the next one
    lines = [json.dumps(entries[0]), *(json.dumps(e) for e in done.values())]
    write_whole(path, "\n".join(lines) + "\n")
    return done


def _is_entry(entry: dict) -> bool:
    """Whether a line of the journal is what `_make_and_write` returned, with its key."""
    rows = entry.get("rows")
    return (
        {"key", "source", "rows", "failure"} <= set(entry)
        and isinstance(entry["key"], str)
        and isinstance(rows, list)
        and all(isinstance(r, list) and len(r) == 3 and isinstance(r[0], int) for r in rows)
    )


def _is_done(out: Path, listed: tuple[Path, Recording], entry: dict | None) -> bool:
    """Whether what was made of a recording is what would be made of it now."""
    if entry is None:
        return False
    root, recording = listed
    there = [_is_there(out, recording, number, digest) for number, _, digest in entry["rows"]]
    if not all(there) or not isinstance(entry["source"], dict):
        return False
    if entry["failure"] is not None and not entry["failure"].startswith(NO_FACE):
        return False  # whatever was wrong may be mended
    return _same(entry["source"], _source(root, recording, entry["source"]))


def _is_there(out: Path, recording: Recording, number: int, digest: str) -> bool:
    """Whether a frame is there, as it was made; raises InputError where it was changed since."""
    frame = out / _folder(recording) / f"{number}.png"
    if not frame.is_file():
        return False
    if hashlib.sha256(frame.read_bytes()).hexdigest() != digest:
        raise InputError(
            f"{frame}: was changed since it was prepared; move or delete it, it is made again"
        )
    return True


def _finish(
    out: Path, found: Mapping[str, tuple[Path, Recording]], done: Mapping[str, dict]
) -> Summary:
    summary = Summary(out / "manifest.csv", recordings=len(found))
    rows = []
    for key, (_, recording) in found.items():
        entry = done[key]
        name = _folder(recording)
        known = {
            "domain": recording.domain,
            "subject": recording.subject,
            "presentation": recording.id,
            "live": int(recording.live),
            "attack_type": recording.attack_type or "",
            **recording.factors,
            "partition": recording.partition or "",
        }
        details = {"device": recording.device, "session": recording.session}
        if entry["failure"] is not None or not entry["rows"]:
            summary.failures[key] = entry["failure"] or "it gave no frame"
            rows.append({**known, "path": name, "failure": summary.failures[key]})
        for number, cropped, digest in entry["rows"]:
            summary.frames += 1
            summary.cropped[cropped] += 1
            parameters = {k: v for k, v in {**details, "cropped": cropped}.items() if v}
            rows.append(
                {
                    **known,
                    "path": f"{name}/{number}.png",
                    "sha256": digest,
                    "frame": number,
                    "parameters": json.dumps(parameters, separators=(",", ":")),
                }
            )
    write_owned(summary.manifest, manifest_text(rows, REAL_COLUMNS), BY)
    return summary
