"""Run the course: every solved notebook in order, outputs and costs stored from one clean run.

    python -m hfnmp_lite.teach.course [NN ...]

Each notebook gets a new kernel, two processors and an empty folder. Only when all have run are they
written, with nbgrader's marks on their exercises and with what they cost in their heads.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from hfnmp_lite.files import InputError, write_whole
from hfnmp_lite.provenance import peak_memory_mb
from hfnmp_lite.teach import classroom, costs
from hfnmp_lite.teach.costs import Cost
from hfnmp_lite.teach.exercises import mark_for_grading
from hfnmp_lite.teach.stored import problems, tidy, words

if TYPE_CHECKING:
    from ipywidgets import Widget
    from nbclient import NotebookClient
    from nbformat import NotebookNode

CORES = 2
CELL_SECONDS = 900  # a cell that takes longer hangs
MEASURE = "from hfnmp_lite.teach import course\ncourse.measure(globals())"


def run_notebook(
    notebook: NotebookNode, name: str, progress: Callable[[int, int], None] = lambda *_: None
) -> Cost:
    """Run all cells in a new kernel and an empty folder; outputs go into the notebook.

    Parameters
    ----------
    notebook : NotebookNode
        Changed in place: outputs, execution counts, metadata that differs from run to run.
    name : str
        For messages.
    progress : callable
        Called before every cell with how many are done, and how many there are.

    Raises
    ------
    InputError
        A cell raised an error or hung, the kernel died, or an output may not be stored; names the
        notebook and the cell.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from nbformat.v4 import new_code_cell

    cells = len(notebook.cells)
    notebook.cells.append(new_code_cell(MEASURE))
    at, started, ended = notebook.cells[0], time.perf_counter(), 0.0

    def begin(cell: NotebookNode, cell_index: int) -> None:
        nonlocal at, ended
        at, ended = cell, time.perf_counter()
        progress(cell_index, cells)

    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            startup_timeout=300,
            kernel_name="python3",
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
            on_cell_execute=begin,
            resources={"metadata": {"path": folder}},
        )
        own = {"OMP_NUM_THREADS": str(CORES), "IPYTHONDIR": str(Path(folder) / ".ipython")}
        try:
            with _peak_memory(client) as peak:
                client.execute(env={**os.environ, **own})
        except CellExecutionError as error:
            print(error.traceback, file=sys.stderr)
            raise _in_cell(name, at, f"{error.ename}: {error.evalue}") from None
        except CellTimeoutError:
            raise _in_cell(name, at, f"no end after {CELL_SECONDS} seconds") from None
        except DeadKernelError:
            raise _in_cell(name, at, "the kernel died; is there memory enough?") from None
    printed = [o.text for o in notebook.cells.pop().outputs if o.get("name") == "stdout"]
    cpu, own_peak, slowest = json.loads(printed[-1])
    tidy(notebook)
    if found := problems(notebook):
        raise InputError(f"{name}: ran, but may not be stored so: {'; '.join(found)}")
    memory = max(own_peak or 0, round(peak[0]))
    return Cost(round(ended - started, 1), round(cpu, 1), memory, round(1000 * slowest))


def _in_cell(name: str, cell: NotebookNode, what: str) -> InputError:
    first = next((line for line in cell.source.splitlines() if not line.startswith("#")), "")
    return InputError(f"{name}, cell '{cell.id}' ({first}): {what}")


@contextmanager
def _peak_memory(client: NotebookClient) -> Iterator[list[float]]:
    """Watch the resident memory, in MB, of a client's kernel and the processes below it."""
    import psutil

    peak, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            try:
                kernel = psutil.Process(client.km.provisioner.pid)
                family = [kernel, *kernel.children(recursive=True)]
                now = sum(process.memory_info().rss for process in family) / 1e6
            except (AttributeError, TypeError, psutil.Error):
                continue  # not started yet, or one of them has just ended
            peak[0] = max(peak[0], now)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def measure(names: Mapping[str, object]) -> None:
    """Print, as JSON, what this kernel took: CPU seconds, peak MB, seconds of the slowest control.

    A control takes the median over its values, each set three times: neither a pause of the machine
    nor what is done once, at a first picture, is the control's.

    Parameters
    ----------
    names : mapping
        A notebook's globals.
    """
    cpu, memory = sum(os.times()[:4]), peak_memory_mb()
    passes = [move_every_control(names) for _ in range(3)]
    each = [list(chain(*of)) for of in zip(*passes, strict=True)]  # each control, of all passes
    slowest = max(map(statistics.median, filter(None, each)), default=0.0)
    print(json.dumps([cpu, memory, slowest]))


def move_every_control(names: Mapping[str, object]) -> list[list[float]]:
    """Set every control of a notebook's explorers to its other values; return each one's seconds.

    An explorer that says that it is at work counts with 0 seconds.

    Parameters
    ----------
    names : mapping
        A notebook's globals.

    Raises
    ------
    Exception
        Whatever was raised in answer to a control; RuntimeError where a picture, or its alternative
        text, did not follow.
    """
    from hfnmp_lite.teach.widgets import Explorer

    seconds = []
    for explorer in [value for value in names.values() if isinstance(value, Explorer)]:
        for control in explorer.controls.values():
            seconds.append([])
            for value in _other_values(control):
                picture, said, begun = explorer.picture, explorer.alt, time.perf_counter()
                control.value = value
                seconds[-1].append(0.0 if explorer.waiting else time.perf_counter() - begun)
                if explorer.error is not None:
                    raise explorer.error
                alike = said == explorer.alt and "upload" not in type(control).__name__.lower()
                if picture == explorer.picture or alike:  # two uploads may be judged alike
                    raise RuntimeError(f"'{control.description}' at {value} changed nothing")
    return seconds


def _other_values(control: Widget) -> list[object]:
    """Return values of a control but the one it has: options, a slider's ends, or a picture."""
    from ipywidgets import FileUpload
    from PIL import Image

    if isinstance(control, FileUpload):
        held = io.BytesIO()
        Image.effect_noise((64, 64), 60).save(held, "PNG")
        file = {"name": "own.png", "type": "image/png", "size": held.tell()}
        content = {"content": memoryview(held.getvalue()), "last_modified": datetime.now(UTC)}
        return [(file | content,)]
    if hasattr(control, "options"):
        values = [getattr(option, "value", option) for option in control.options]
    else:
        values = [control.min, control.max]
    return [value for value in values if value != control.value]


def run_course(only: Sequence[str] = ()) -> None:
    """Run the notebooks, then store all of them and their costs; on any error store nothing.

    Parameters
    ----------
    only : sequence of str
        Numbers of the notebooks to run; all by default.

    Raises
    ------
    InputError
        A number is unknown, or a notebook failed.
    """
    import nbformat

    solved = classroom.solved_notebooks()
    chosen = sorted({classroom.number_of(n, solved) for n in only}) or list(solved)
    notebooks = {n: nbformat.read(path, as_version=4) for n, path in solved.items()}
    took = costs.stored()
    for number in chosen:  # what is wrong with a notebook is better known now than in ten minutes
        mark_for_grading(notebooks[number], solved[number].name)
        costs.write_head(notebooks[number], solved[number].name, Cost(0, 0, 0, 0))
    costs.page_with(costs.table(notebooks, took))
    for number in chosen:
        name = solved[number].name
        took[number] = run_notebook(notebooks[number], name, _progress(solved[number].stem))
        costs.write_head(notebooks[number], name, took[number])
        print(_report(number, notebooks[number], took[number]), flush=True)
    for number in chosen:
        write_whole(solved[number], nbformat.writes(notebooks[number]) + "\n")
    costs.store({number: took[number] for number in chosen})
    write_whole(costs.page_file(), costs.page_with(costs.table(notebooks, took)))
    print(f"\n{costs.table(notebooks, took)}\nstored: {', '.join(chosen)}; {costs.costs_file()}")


def _progress(stem: str) -> Callable[[int, int], None]:
    """Return what shows the cells done: in a terminal only, a line that is written over."""

    def show(done: int, whole: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{stem}: {done} of {whole} cells", end="\r", file=sys.stderr, flush=True)

    return show


def _report(number: str, notebook: NotebookNode, cost: Cost) -> str:
    code = [len(cell.source.splitlines()) for cell in notebook.cells if cell.cell_type == "code"]
    prose = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    over = "".join(f"\n    TOO MUCH: {what}" for what in costs.over_budget(number, cost))
    return (
        f"{number}: {cost.wall_seconds:.0f} s, {cost.cpu_seconds:.0f} s of CPU, "
        f"{cost.peak_memory_mb} MB, slowest control {cost.slowest_control_ms} ms; "
        f"{words(prose)} words, {len(code)} cells of code, the longest of {max(code)} lines{over}"
    )


def _two_cores() -> None:
    """Keep to two processors, and the kernels with us; where that cannot be said, to all."""
    if not hasattr(os, "sched_setaffinity"):  # macOS, Windows
        return
    ours = sorted(os.sched_getaffinity(0))
    if len(ours) < CORES:
        raise InputError(f"the seconds are those of {CORES} processors, and here is {len(ours)}")
    os.sched_setaffinity(0, ours[:CORES])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the course from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="make course", description="Run the solved notebooks, store outputs and costs."
    )
    parser.add_argument("only", nargs="*", metavar="NN", help="numbers of notebooks (default: all)")
    given = parser.parse_args(arguments)
    try:
        _two_cores()
        run_course(given.only)
    except InputError as error:
        print(f"make course: {error}\nmake course: nothing was stored", file=sys.stderr)
        return 2
    except OSError as error:
        said = f"{error.filename}: {error.strerror}; a notebook is as it was, or new and whole"
        print(f"make course: {said}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nmake course: interrupted, nothing was stored", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
