"""How long data take to be ready, and how much memory, where there are very many presentations."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from hfnmp_lite.data.loaders import DomainBatches
from hfnmp_lite.data.presentations import read_rows, write_manifest
from hfnmp_lite.data.protocols import domains_of, leave_one_out
from hfnmp_lite.data.samples import root
from hfnmp_lite.data.workers import pool
from hfnmp_lite.experiments.timing import resident

FEW, MANY = 1_000, 100_000  # rows
DRAWN = 50  # batches of each domain


def measure_loading(many: int = MANY) -> dict[str, object]:
    """Measure what comes before the first step of a run, on repeats of the shipped samples.

    Each number of rows in a fresh process of one thread, everything imported beforehand; `many`
    rows beside `FEW`.
    """
    with tempfile.TemporaryDirectory() as folder, pool(1) as submit:
        jobs = [(_repeat(Path(folder) / str(rows), rows),) for rows in (FEW, many)]
        few, more = (next(submit(_load, [job])) for job in jobs)
    return {
        "what": f"a run's data from {many:,} manifest rows, repeats of the samples, one thread",
        "rows": {"few": FEW, "many": many},
        "few": few,
        "many": more,
    }


def _repeat(folder: Path, rows: int) -> Path:
    """Write a manifest of `rows` frames, each a link to one of the samples', of other people."""
    given = [row for _, row in read_rows(root() / "manifest.csv")]
    (folder / "frames").mkdir(parents=True)
    made = []
    for i in range(rows):
        row, again = given[i % len(given)], i // len(given)
        path = f"{Path(row['path']).with_suffix('')}-{again}{Path(row['path']).suffix}"
        if again == 0:
            shutil.copyfile(root() / row["path"], folder / path)
        else:
            os.link(folder / made[i % len(given)]["path"], folder / path)
        new = {"path": path, "subject": f"{row['subject']}-{again}"}
        made.append({**row, **new, "presentation": f"{row['presentation']}-{again}"})
    write_manifest(folder / "manifest.csv", made)
    return folder / "manifest.csv"


def _load(manifest: Path) -> dict[str, float | None]:
    """Do what `experiments.run` does until the first step, then draw batches."""
    from hfnmp_lite.experiments.run import load_data

    before, started = resident(), time.perf_counter()
    presentations = load_data(manifest)
    target, *sources = domains_of(presentations)
    protocol = leave_one_out(presentations, target, sources)
    batches = [
        DomainBatches([p for p in protocol.training if p.domain == d], 4, 128, seed=0)
        for d in sources
    ]
    for b in batches:
        b.draw()
    found = {"seconds_to_first_batch": time.perf_counter() - started}
    ready = resident()
    for _ in range(DRAWN):
        for b in batches:
            b.draw()
    if before is not None:
        found["memory_mb"] = (ready - before) / 1e6
        found["more_after_batches_mb"] = (resident() - ready) / 1e6
    return found
