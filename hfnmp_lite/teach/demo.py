"""The main job: learn a Meta Pattern, train on it, judge on an unseen domain, show the result."""

from __future__ import annotations

from pathlib import Path

from hfnmp_lite.config import make_config
from hfnmp_lite.data.protocols import domains_of
from hfnmp_lite.experiments.run import load_data, run
from hfnmp_lite.files import write_whole
from hfnmp_lite.owned import check_folder, owned_folder, recorded

BY = "hfnmp demo"
REPORT = "report.html"


def demo(
    target: str, out: Path, seed: int = 0, preset: str = "classroom", progress: bool = True
) -> dict[str, object]:
    """Run the main job on the shipped samples and leave the run and its report.html in `out`.

    The job works in a folder of its own, whose files come to `out` at the end; only what an earlier
    demo wrote there is replaced, see `owned`.

    Raises
    ------
    InputError
        `out` holds something that no demo made, or the target is unknown.
    """
    check_folder(out, BY, {REPORT, *(recorded(out, BY) if out.is_dir() else ())})
    presentations = load_data(None)
    config = make_config(preset, target, domains_of(presentations), seed=seed)
    from hfnmp_lite.model.checkpoint import load_checkpoint
    from hfnmp_lite.teach.report import report_page

    with owned_folder(out, BY) as folder:
        summary = run(config, folder, progress=progress)
        detector = load_checkpoint(folder)
        write_whole(folder / REPORT, report_page(folder, presentations, detector))
    return summary
