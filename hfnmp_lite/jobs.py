"""Many jobs, each done once: interrupt them and call again, they go on.

A job is a mapping that JSON can hold; keys that begin with "_" say where things lie and are no part
of what it is. Its result is a file named by the job's SHA-256, which appears
whole or not at all; where it stands, the job is done. (The idea is DomainBed's, whose sweeps are
folders named so.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from hfnmp_lite.files import InputError, exclusive, write_whole

Job = Mapping[str, object]


def do_all(
    function: Callable[[Job], object],
    jobs: Sequence[Job],
    folder: str | Path,
    workers: int = 1,
    desc: str = "jobs",
    progress: bool = True,
) -> list[object]:
    """Return the results of `function` on every job, in order; those on disk are not done again.

    Parameters
    ----------
    function : callable
        Importable by name; takes a job, returns what JSON can hold.
    jobs : sequence of mappings
        All that decides a result, data and code by checksum too.
    folder : path
        Where the results lie, one file a job.
    workers : int
        Processes of one thread each.

    Raises
    ------
    InputError
        Another process works in `folder`, or a file in it is damaged.
    """
    from hfnmp_lite.data.workers import pool

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder / "jobs"):
        waiting = [job for job in jobs if not _file(folder, job).exists()]
        bar = tqdm(
            total=len(jobs), initial=len(jobs) - len(waiting), desc=desc, disable=not progress
        )
        with bar, pool(min(workers, max(1, len(waiting)))) as submit:
            for _ in submit(_do, [(function, job, folder) for job in waiting]):
                bar.update()
    return list(_results(jobs, folder))


def _do(function: Callable[[Job], object], job: Job, folder: Path) -> None:
    done = {"job": _identity(job), "result": function(job)}
    write_whole(_file(folder, job), json.dumps(done, indent=1) + "\n")


def _identity(job: Job) -> dict[str, object]:
    return {key: value for key, value in job.items() if not key.startswith("_")}


def _file(folder: Path, job: Job) -> Path:
    text = json.dumps(_identity(job), sort_keys=True)
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.json"


def _results(jobs: Sequence[Job], folder: Path) -> Iterator[object]:
    for path in (_file(folder, job) for job in jobs):
        try:
            yield json.loads(path.read_text())["result"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: is damaged ({error}); remove it, and the job is done again"
            ) from None
