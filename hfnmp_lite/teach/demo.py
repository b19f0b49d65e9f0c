"""The main job: learn a Meta Pattern, train on it, judge on an unseen domain, show the result."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hfnmp_lite.config import make_config
from hfnmp_lite.data.protocols import domains_of
from hfnmp_lite.experiments.run import load_data, run
from hfnmp_lite.files import InputError, replace_folder, write_whole

MARK = "made-by-hfnmp-demo"


def demo(
    target: str, out: Path, seed: int = 0, preset: str = "classroom", progress: bool = True
) -> dict[str, object]:
    """Run the main job on the shipped samples and leave the run and its report.html in `out`.

    The job works in a folder beside `out` and takes its place in one move at the end; only what an
    earlier demo made is replaced.

    Raises
    ------
    InputError
        `out` holds something that no demo made, or the target is unknown.
    """
    if out.exists() and not (out / MARK).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: holds something that no demo made; give --out another directory")
    presentations = load_data(None)
    config = make_config(preset, target, domains_of(presentations), seed=seed)
    from hfnmp_lite.model.checkpoint import load_checkpoint
    from hfnmp_lite.teach.report import write_report

    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        folder = Path(temporary) / "run"
        summary = run(config, folder, progress=progress)
        detector = load_checkpoint(folder)
        write_report(folder, presentations, detector, folder / "report.html")
        write_whole(folder / MARK, "This folder is replaced by the next hfnmp demo.\n")
        os.chmod(folder, 0o755)
        replace_folder(folder, out)
    return summary
