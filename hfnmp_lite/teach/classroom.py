"""The classroom: student copies made from the solved notebooks, and JupyterLab to open them in.

    python -m hfnmp_lite.teach.classroom DIR    # the copies alone: `make student DIR=...`

There is one source, the solved notebooks. A student copy is the same file without what stands
between `### BEGIN SOLUTION` and `### END SOLUTION` and without outputs; nothing that a student has
under a name is ever overwritten.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hfnmp_lite.data import samples
from hfnmp_lite.files import InputError, write_whole

COMPARED = "# NBVAL_CHECK_OUTPUT"  # a mark for our tests; a student need not see it
CLASSROOM = ("jupyterlab", "ipywidgets", "ipykernel", "nbconvert", "nbgrader")


@dataclass(frozen=True)
class Copies:
    """What `make_student_copies` did.

    Attributes
    ----------
    written : tuple of Path
        Student copies that were made.
    kept : tuple of Path
        Notebooks that stood there already and were left alone.
    saved : Path or None
        Where the work lies that `reset` put aside.
    """

    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    saved: Path | None

    def __str__(self) -> str:
        lines = [f"wrote {path}" for path in self.written]
        if self.saved:
            lines.append(f"your earlier work is in {self.saved}")
        if self.kept:
            names = ", ".join(path.name for path in self.kept)
            lines.append(
                f"left as found: {names} (hfnmp lab --reset NN starts one afresh, dated copy kept)"
            )
        return "\n".join(lines)


def solved_notebooks() -> dict[str, Path]:
    """Return the course's notebooks by number, "00" first."""
    root = samples.notebooks_root()
    found = {path.name[:2]: path for path in sorted(root.glob("[0-9][0-9]_*.ipynb"))}
    if not found:
        raise InputError(
            f"{root}: holds no notebooks; expected 00_start_here.ipynb and others, install again"
        )
    return found


def student_copy(solved: str | Path) -> str:
    """Return a solved notebook as its student copy, as JSON text.

    nbgrader's `ClearSolutions` puts `raise NotImplementedError()` in the place of each solution,
    nbconvert's part in nbgrader, `ClearOutput`, drops outputs and execution counts, `LockCells`
    keeps graded cells from being deleted; the marks for our own tests go too. Cell ids stay.
    """
    _need_classroom()
    import nbformat
    from nbgrader.preprocessors import ClearOutput, ClearSolutions, LockCells

    notebook = nbformat.read(solved, as_version=4)
    notebook, _ = ClearSolutions(enforce_metadata=False).preprocess(notebook, {})
    notebook, _ = LockCells().preprocess(notebook, {})
    notebook, _ = ClearOutput().preprocess(notebook, {})
    for cell in notebook.cells:
        cell.source = cell.source.removeprefix(COMPARED + "\n")
    return nbformat.writes(notebook) + "\n"


def make_student_copies(folder: str | Path, reset: str | int | None = None) -> Copies:
    """Make a student copy of every notebook that is not in `folder` yet.

    Parameters
    ----------
    folder : path
        Made if missing.
    reset : str or int, optional
        Number of one notebook ("03", "3", 3) to start afresh. What stood there is first copied to
        `NAME.kept-DATE-TIME.ipynb` beside it.

    Raises
    ------
    InputError
        `folder` is a file, cannot be written, or holds the solved notebooks themselves; there is
        no notebook of that number; the classroom extra is missing.
    """
    _need_classroom()
    folder = Path(folder)
    solved = solved_notebooks()
    afresh = None if reset is None else number_of(reset, solved)
    if folder.resolve() == samples.notebooks_root().resolve():
        raise InputError(
            f"{folder}: holds the solved notebooks; expected a folder of your own, such as lab"
        )
    written, kept, saved = [], [], None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, source in solved.items():
            path = folder / source.name
            there = os.path.lexists(path)
            if there and number != afresh:
                kept.append(path)
                continue
            if there:
                saved = _put_aside(path)
            write_whole(path, student_copy(source))
            written.append(path)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{folder}: is a file; expected a folder, or a new name for one") from None
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror or error}); expected a folder of your "
            "own with some room, choose another"
        ) from error
    return Copies(tuple(written), tuple(kept), saved)


def number_of(name: str | int, solved: dict[str, Path]) -> str:
    """Return the number of a notebook, given as "03", "3", 3 or by its name.

    Raises
    ------
    InputError
        There is no such notebook.
    """
    number = str(name).strip()
    number = number.zfill(2) if number.isascii() and number.isdigit() else number[:2]
    if number not in solved:
        raise InputError(
            f"notebook '{name}' is unknown; expected a number out of {', '.join(solved)}"
        )
    return number


def _put_aside(path: Path) -> Path:
    """Copy what stands at `path` to a dated name beside it; the original stays where it is."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    for count in range(1, 1000):
        again = "" if count == 1 else f"-{count}"
        saved = path.with_name(f"{path.stem}.kept-{stamp}{again}{path.suffix}")
        if not os.path.lexists(saved):
            break
    write_whole(saved, path.read_bytes())
    return saved


def _need_classroom() -> None:
    missing = [name for name in CLASSROOM if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"the course needs {', '.join(missing)}, which this Python lacks; "
            'install them with: pip install "hfnmp-lite[classroom]"'
        )


def lab_command(folder: str | Path, browser: bool = True) -> list[str]:
    """Return the command that serves `folder` in JupyterLab, without a word to the network."""
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={Path(folder).resolve()}",
        "--LabApp.default_url=/lab/tree/00_start_here.ipynb",
        # JupyterLab would look for updates and extensions on the network.
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        "--log-level=WARN",  # the address is still printed
    ]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # a container: there is no one else to be
        command.append("--allow-root")
    return command


def lab_environment() -> dict[str, str]:
    """Return the environment for `lab_command`.

    It adds our settings, which switch off JupyterLab's question about news and nbgrader's part for
    teachers, and what kernels run first, which explains a missing name; settings of the user's own
    count as before.
    """
    ours = Path(__file__).with_name("jupyter")
    given = os.environ.get("JUPYTER_CONFIG_PATH")
    return {
        "PYTHONSTARTUP": str(ours / "startup.py"),
        **os.environ,
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, (given, str(ours)))),
    }


def open_lab(folder: str | Path, browser: bool = True) -> int:
    """Serve `folder` in JupyterLab until it is closed.

    Parameters
    ----------
    folder : path
        With the student copies in it; see `make_student_copies`.
    browser : bool
        Whether to open a page; else JupyterLab prints the address.

    Returns
    -------
    int
        JupyterLab's exit status.

    Raises
    ------
    InputError
        The folder is missing, or the classroom extra is.
    """
    _need_classroom()
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder; expected the one with the student notebooks")
    print(f"JupyterLab serves {folder} until you stop it here with Control-C", flush=True)
    process: subprocess.Popen | None = None

    def hand_on(number: int, _frame: object) -> None:
        if process is None:
            sys.exit(128 + number)
        process.terminate()  # on which JupyterLab ends its kernels and itself

    names = ("SIGTERM", "SIGHUP")
    signals = [getattr(signal, name) for name in names if hasattr(signal, name)]
    heeded = [n for n in signals if signal.getsignal(n) != signal.SIG_IGN]  # nohup ignores one
    before = {number: signal.signal(number, hand_on) for number in heeded}
    try:
        process = subprocess.Popen(lab_command(folder, browser), env=lab_environment())
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # JupyterLab got it too, and asks whether to shut down
                continue
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make student copies from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="make student", description="Write the student copies of all notebooks."
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="where notebooks are missing")
    given = parser.parse_args(arguments)
    try:
        print(make_student_copies(given.folder))
    except InputError as error:
        print(f"make student: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
