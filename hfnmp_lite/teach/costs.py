"""What the course costs: seconds and memory of each notebook, stored once and quoted from there.

The heads of the notebooks and the table of `notebooks/README.md` are written from
`results/course.json`; nobody types these numbers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from hfnmp_lite.data import samples
from hfnmp_lite.files import InputError, write_whole
from hfnmp_lite.provenance import provenance

if TYPE_CHECKING:
    from nbformat import NotebookNode

SECONDS = 60.0  # of one notebook, from its kernel's start to the end of its last cell
MORE_SECONDS = {"06": 150.0, "08": 150.0}
MEMORY_MB = 3000
CONTROL_MS = 300  # until a picture has followed its control
IN_HEAD = re.compile(r"about \d+ seconds on two CPU cores(?:, [\d.]+ GB of memory)?")
BEGIN, END = "<!-- make course writes this -->\n", "<!-- until here -->"


@dataclass(frozen=True)
class Cost:
    """What one run of a notebook took, on two CPU cores.

    Attributes
    ----------
    wall_seconds : float
        From the start of its kernel to the end of its last cell.
    cpu_seconds : float
        Of all processors together, by the kernel and by processes that it started and waited for.
    peak_memory_mb : int
        Largest resident memory of the kernel with the processes that it started.
    slowest_control_ms : int
        What a picture took to follow its slowest control, the median over that one's values.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_memory_mb: int
    slowest_control_ms: int


def over_budget(number: str, cost: Cost) -> list[str]:
    """Return what of a notebook's cost is more than the course allows, in words."""
    limits = {
        "wall_seconds": MORE_SECONDS.get(number, SECONDS),
        "peak_memory_mb": MEMORY_MB,
        "slowest_control_ms": CONTROL_MS,
    }
    return [
        f"{name.replace('_', ' ')} {getattr(cost, name)}, allowed {limit:.0f}"
        for name, limit in limits.items()
        if getattr(cost, name) > limit
    ]


def in_words(cost: Cost) -> str:
    """Say what a run took, rounded up: to 5 seconds, to a tenth of a GB."""
    seconds = 5 * math.ceil(cost.wall_seconds / 5)
    memory = math.ceil(cost.peak_memory_mb / 100) / 10
    return f"about {seconds} seconds on two CPU cores, {memory:.1f} GB of memory"


def write_head(notebook: NotebookNode, name: str, cost: Cost) -> None:
    """Write what a run took into a notebook's head, in place of what stood there.

    Raises
    ------
    InputError
        The head has no place for it.
    """
    head = notebook.cells[0]
    head.source, count = IN_HEAD.subn(in_words(cost), head.source)
    if count != 1:
        raise InputError(
            f'{name}: its head says {count} times "about N seconds on two CPU cores"; expected once'
        )


def table(notebooks: Mapping[str, NotebookNode], costs: Mapping[str, Cost]) -> str:
    """Return titles, minutes and costs as a table in Markdown.

    Parameters
    ----------
    notebooks : mapping of str to NotebookNode
        By number.
    costs : mapping of str to Cost
        Of the same numbers, or of fewer: a notebook that was not run has empty places.
    """
    lines = [
        "| | notebook | minutes | seconds | CPU seconds | peak memory | slowest control |",
        "|---|---|---|---|---|---|---|",
    ]
    for number, notebook in notebooks.items():
        head = notebook.cells[0].source
        title = re.search(r"^# \d\d · (.+)$", head, re.MULTILINE)[1]
        minutes = re.search(r"^\| Minutes \| (\d+)", head, re.MULTILINE)[1]
        took = "| | | |"
        if (cost := costs.get(number)) is not None:
            took = (
                f"{cost.wall_seconds:.0f} | {cost.cpu_seconds:.0f} "
                f"| {cost.peak_memory_mb / 1000:.1f} GB | {cost.slowest_control_ms} ms |"
            )
        lines.append(f"| {number} | {title} | {minutes} | {took}")
    known = [costs[number] for number in notebooks if number in costs]
    if known:
        wall, cpu = sum(c.wall_seconds for c in known), sum(c.cpu_seconds for c in known)
        memory, slowest = (
            max(c.peak_memory_mb for c in known),
            max(c.slowest_control_ms for c in known),
        )
        lines.append(
            f"| | all | | {wall:.0f} | {cpu:.0f} | {memory / 1000:.1f} GB | {slowest} ms |"
        )
    return "\n".join(lines) + "\n"


def costs_file() -> Path:
    """Return where the costs are stored."""
    return samples.root() / "results" / "course.json"


def stored() -> dict[str, Cost]:
    """Return the costs of each notebook's last stored run, by number."""
    names = [field.name for field in fields(Cost)]
    return {number: Cost(**{k: row[k] for k in names}) for number, row in _rows().items()}


def _rows() -> dict[str, dict]:
    return json.loads(costs_file().read_text()) if costs_file().exists() else {}


def store(costs: Mapping[str, Cost]) -> None:
    """Store costs by number, with where they come from; those of other notebooks stay."""
    about = {
        "what": "one notebook, from its kernel's start to its last cell, on two CPU cores",
        "command": "make course",
        "seed": "each notebook sets its own",
        **provenance(),
    }
    rows = _rows() | {number: {**asdict(cost), **about} for number, cost in costs.items()}
    write_whole(costs_file(), json.dumps(dict(sorted(rows.items())), indent=2) + "\n")


def page_file() -> Path:
    """Return where the instructor's page lies."""
    return samples.notebooks_root() / "README.md"


def page_with(costs: str) -> str:
    """Return the instructor's page with this table in its place.

    Raises
    ------
    InputError
        The page has no place for it.
    """
    before, begin, rest = page_file().read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"{page_file()}: no place for the table; expected {BEGIN.strip()}, {END}")
    return before + BEGIN + costs + END + after
