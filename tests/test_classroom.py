"""Student copies: made from the solved notebooks, never over a student's work; the lab."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from hfnmp_lite import cli
from hfnmp_lite.data import samples
from hfnmp_lite.files import InputError
from hfnmp_lite.teach import classroom
from hfnmp_lite.teach.exercises import mark_for_grading

EXERCISE = '''def double(x: int) -> int:
    """int -> int."""
    ### BEGIN SOLUTION
    secret = 2 * x
    return secret
    ### END SOLUTION'''


@pytest.fixture
def solved(tmp_path, monkeypatch):
    """Two solved notebooks in a folder that stands for the package's."""
    root = tmp_path / "solved"
    root.mkdir()
    for name in ("00_start_here", "03_the_meta_pattern"):
        notebook = new_notebook(
            cells=[
                new_markdown_cell("# Title", id="title"),
                new_code_cell(EXERCISE, id="exercise", execution_count=1),
                new_code_cell(
                    "# NBVAL_CHECK_OUTPUT\ndouble(4)",
                    id="check",
                    execution_count=2,
                    outputs=[new_output("execute_result", {"text/plain": "8"}, execution_count=2)],
                ),
            ]
        )
        nbformat.write(notebook, root / f"{name}.ipynb")
    (root / "PAPER.md").write_text("a note, no notebook")
    monkeypatch.setattr(samples, "notebooks_root", lambda: root)
    return root


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_student_copy_has_no_solution_and_no_output(solved, tmp_path):
    copies = classroom.make_student_copies(tmp_path / "lab")
    assert [path.name for path in copies.written] == [
        "00_start_here.ipynb",
        "03_the_meta_pattern.ipynb",
    ]
    assert sorted(contents(tmp_path / "lab")) == [path.name for path in copies.written]
    notebook = nbformat.read(copies.written[0], as_version=4)
    nbformat.validate(notebook)
    title, exercise, check = notebook.cells
    assert [cell.id for cell in notebook.cells] == ["title", "exercise", "check"]
    assert title.source == "# Title"
    assert "secret" not in exercise.source
    assert "SOLUTION" not in exercise.source
    assert exercise.source.startswith('def double(x: int) -> int:\n    """int -> int."""\n')
    assert "    raise NotImplementedError()" in exercise.source
    assert check.source == "double(4)"
    assert check.outputs == []
    assert check.execution_count is None
    names = {}
    exec(exercise.source, names)
    with pytest.raises(NotImplementedError):
        names["double"](1)


def test_what_is_there_is_never_overwritten(solved, tmp_path):
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "00_start_here.ipynb").write_text("my work, not even JSON")
    (folder / "notes.txt").write_text("mine too")
    copies = classroom.make_student_copies(folder)
    assert [path.name for path in copies.written] == ["03_the_meta_pattern.ipynb"]
    assert [path.name for path in copies.kept] == ["00_start_here.ipynb"]
    assert (folder / "00_start_here.ipynb").read_text() == "my work, not even JSON"
    before = contents(folder)
    again = classroom.make_student_copies(folder)
    assert not again.written
    assert contents(folder) == before
    assert "00_start_here.ipynb" in str(again)


@pytest.mark.parametrize(
    "number", ["03", "3", 3, "03_the_meta_pattern", "03_the_meta_pattern.ipynb"]
)
def test_reset_keeps_a_dated_copy(solved, tmp_path, number):
    folder = tmp_path / "lab"
    fresh = classroom.make_student_copies(folder).written[1].read_text()
    path = folder / "03_the_meta_pattern.ipynb"
    saved = []
    for work in ("first", "second"):  # twice within a second: two copies
        path.write_text(work)
        copies = classroom.make_student_copies(folder, reset=number)
        assert copies.written == (path,)
        assert path.read_text() == fresh
        assert copies.saved.read_text() == work
        assert copies.saved.name.startswith("03_the_meta_pattern.kept-20")
        assert str(copies.saved) in str(copies)
        saved.append(copies.saved)
    assert saved[0] != saved[1]
    assert (folder / "00_start_here.ipynb") in copies.kept


def test_reset_of_what_is_not_there_makes_it(solved, tmp_path):
    copies = classroom.make_student_copies(tmp_path / "lab", reset="00")
    assert len(copies.written) == 2
    assert copies.saved is None


@pytest.mark.parametrize("number", ["07", "x", "", "-1", "99999", "٣"])
def test_unknown_number(solved, tmp_path, number):
    with pytest.raises(InputError, match="unknown; expected a number out of 00, 03"):
        classroom.make_student_copies(tmp_path / "lab", reset=number)
    assert not (tmp_path / "lab").exists()


def test_the_folder_is_a_file(solved, tmp_path):
    (tmp_path / "lab").write_text("a file")
    for folder in (tmp_path / "lab", tmp_path / "lab" / "inner"):
        with pytest.raises(InputError, match="is a file; expected a folder"):
            classroom.make_student_copies(folder)
    assert (tmp_path / "lab").read_text() == "a file"


def test_the_folder_of_the_solved_notebooks(solved):
    with pytest.raises(InputError, match="holds the solved notebooks"):
        classroom.make_student_copies(solved / ".." / "solved", reset="00")


def test_no_room_leaves_nothing_half_written(solved, tmp_path, monkeypatch):
    folder = tmp_path / "lab"
    classroom.make_student_copies(folder)
    (folder / "00_start_here.ipynb").write_text("my work")
    (folder / "03_the_meta_pattern.ipynb").unlink()

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for reset in (None, "00"):
        with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
            classroom.make_student_copies(folder, reset)
    assert contents(folder) == {"00_start_here.ipynb": b"my work"}


def test_a_folder_that_cannot_be_written(solved, tmp_path, monkeypatch):
    def refused(*arguments, **more):
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "lab").mkdir()
    monkeypatch.setattr("tempfile.mkstemp", refused)  # root may write everywhere: not by mode
    with pytest.raises(InputError, match=r"cannot be written \(Permission denied\)"):
        classroom.make_student_copies(tmp_path / "lab")


def test_no_notebooks_and_no_classroom(solved, tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "notebooks_root", lambda: tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no notebooks"):
        classroom.make_student_copies(tmp_path / "lab")
    monkeypatch.setattr(classroom, "CLASSROOM", ("jupyterlab", "no_such_module"))
    for call in (classroom.make_student_copies, classroom.open_lab):
        with pytest.raises(InputError, match=r'lacks; install .* "hfnmp-lite\[classroom\]"'):
            call(tmp_path)


def test_the_lab_needs_its_folder(tmp_path):
    with pytest.raises(InputError, match="is no folder"):
        classroom.open_lab(tmp_path / "lab")


def test_the_lab_command(tmp_path):
    command = classroom.lab_command(tmp_path, browser=False)
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={tmp_path.resolve()}" in command
    assert "--no-browser" in command
    assert "--no-browser" not in classroom.lab_command(tmp_path)


def test_the_lab_environment(monkeypatch):
    monkeypatch.delenv("JUPYTER_CONFIG_PATH", raising=False)
    ours = Path(classroom.lab_environment()["JUPYTER_CONFIG_PATH"])
    config = json.loads((ours / "labconfig" / "page_config.json").read_text())
    assert "@jupyterlab/apputils-extension:announcements" in config["disabledExtensions"]
    config = json.loads((ours / "jupyter_server_config.json").read_text())
    largest = config["ServerApp"]["tornado_settings"]["websocket_max_message_size"]
    assert largest > 30 * 2**20  # else a large photograph cuts the connection without a word
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "mine")
    both = classroom.lab_environment()["JUPYTER_CONFIG_PATH"]
    assert both == f"mine{os.pathsep}{ours}"


def test_a_missing_name_is_explained_in_the_lab(tmp_path, monkeypatch):
    """As after a restart of the kernel, or where cells were left out."""
    monkeypatch.delenv("PYTHONSTARTUP", raising=False)
    sources = ["checks.check_choose(choose)", "def f():\n    a += 1\nf()", "_explain", "1 / 0", "7"]
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    environment = {**classroom.lab_environment(), "IPYTHONDIR": str(tmp_path)}
    NotebookClient(notebook, kernel_name="python3", allow_errors=True).execute(env=environment)
    missing, unbound, ours, other, fine = (cell.outputs[0] for cell in notebook.cells)
    assert missing.ename == ours.ename == "NameError"
    assert missing.evalue.startswith("name 'checks' is not defined. Is it spelled as above? Then ")
    assert missing.evalue.endswith("choose Run, Run All Above Selected Cell.")
    assert "checks.check_choose(choose)" in "".join(missing.traceback)
    assert (unbound.ename, "Run All" in unbound.evalue) == ("UnboundLocalError", False)
    assert other.evalue == "division by zero"
    assert fine.data["text/plain"] == "7"
    monkeypatch.setenv("PYTHONSTARTUP", "mine.py")
    assert classroom.lab_environment()["PYTHONSTARTUP"] == "mine.py"


def test_the_lab_gives_its_status(tmp_path, monkeypatch):
    monkeypatch.setattr(
        classroom, "lab_command", lambda *_: [sys.executable, "-c", "raise SystemExit(3)"]
    )
    assert classroom.open_lab(tmp_path) == 3


def test_copies_from_the_command_line(solved, tmp_path, capsys):
    """`make student DIR=...`."""
    folder = tmp_path / "a folder" / "handout"
    assert classroom.main([str(folder)]) == 0
    assert capsys.readouterr().out.count("wrote ") == 2
    (folder / "00_start_here.ipynb").write_text("mine")
    assert classroom.main([str(folder)]) == 0
    said = capsys.readouterr().out
    assert "wrote" not in said
    assert "left as found: 00_start_here.ipynb, 03_the_meta_pattern.ipynb" in said
    assert classroom.main([str(folder / "00_start_here.ipynb")]) == 2
    assert "is a file; expected a folder" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        classroom.main([])


def test_graded_cells_of_a_copy_cannot_be_deleted(solved, tmp_path):
    path = solved / "00_start_here.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].source = notebook.cells[1].source.replace("double", "choose")
    notebook.cells[2].source = "checks.check_choose(choose)"
    notebook.cells[0].source = "### Exercise 1 · Twice (★☆☆, 5 minutes)"
    mark_for_grading(notebook, "00")
    nbformat.write(notebook, path)
    title, stub, check = nbformat.reads(classroom.student_copy(path), as_version=4).cells
    assert title.metadata == {}
    assert (stub.metadata.deletable, stub.metadata.get("editable", True)) == (False, True)
    assert (check.metadata.deletable, check.metadata.editable) == (False, False)


def test_the_lab_from_the_command_line(solved, tmp_path, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(classroom, "open_lab", lambda *given, **more: opened.append(given) or 0)
    folder = tmp_path / "mine"
    assert cli.main(["lab", "--dir", str(folder), "--no-browser"]) == 0
    assert opened == [(folder,)]
    assert len(contents(folder)) == 2
    (folder / "03_the_meta_pattern.ipynb").write_text("my work")
    assert cli.main(["lab", "--dir", str(folder), "--reset", "3"]) == 0
    assert "your earlier work is in " in capsys.readouterr().out
    assert b"my work" in contents(folder).values()
    for wrong in (["--reset", "11"], ["--dir", str(folder / "00_start_here.ipynb")]):
        assert cli.main(["lab", "--dir", str(folder), *wrong]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert len(opened) == 2


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["student"], 'hfnmp_lite.teach.classroom "handout"'),
        (["student", "DIR=a folder"], 'hfnmp_lite.teach.classroom "a folder"'),
        (["course", "ONLY=03 07"], "hfnmp_lite.teach.course 03 07"),
    ],
)
def test_make_passes_on_what_it_is_given(arguments, command):
    top = Path(classroom.__file__).parents[2]
    done = subprocess.run(["make", "-n", *arguments], cwd=top, capture_output=True, text=True)
    assert f"python -m {command}\n" in done.stdout, done.stderr
