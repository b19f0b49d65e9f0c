"""`make course`: notebooks run from clean kernels, stored whole with their costs or not at all."""

from __future__ import annotations

import json
import os
import re

import nbformat
import pytest
import small_course
from nbformat.v4 import new_code_cell, new_output

from hfnmp_lite.data import samples
from hfnmp_lite.files import InputError
from hfnmp_lite.teach import costs, course, stored
from hfnmp_lite.teach.costs import Cost

COST = Cost(wall_seconds=12.3, cpu_seconds=20.0, peak_memory_mb=1010, slowest_control_ms=120)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The notebooks' folder of a small course that stands for the package's."""
    monkeypatch.setattr(samples, "notebooks_root", lambda: tmp_path / "notebooks")
    monkeypatch.setattr(samples, "root", lambda: tmp_path / "samples")
    small_course.write(
        tmp_path / "notebooks",
        {
            "00_first": small_course.notebook("00", "First", "print('a'); print('b')"),
            "03_second": small_course.notebook("03", "Second", "held = bytearray(300_000_000)"),
        },
    )
    return tmp_path / "notebooks"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_stored_with_its_costs(root, capsys):
    course.run_course()
    took = costs.stored()
    assert list(took) == ["00", "03"]
    first, second = (nbformat.read(root / f"{n}.ipynb", 4) for n in ("00_first", "03_second"))
    for notebook in (first, second):
        nbformat.validate(notebook)
        assert stored.problems(notebook) == []
        assert [c.id for c in notebook.cells][-2:] == ["e1-stub", "e1-check"]
        assert notebook.cells[-1].metadata["nbgrader"]["points"] == 2
    assert first.cells[2].outputs == [new_output("stream", name="stdout", text="a\nb\n")]
    assert costs.in_words(took["00"]) in first.cells[0].source
    # a process begins with its parent's peak, which hides the difference in a long test run
    assert 30 < took["00"].peak_memory_mb <= took["03"].peak_memory_mb
    assert took["00"].wall_seconds > 0.3
    assert took["00"].cpu_seconds > 0.3
    page = costs.page_file().read_text()
    assert page == f"# Teaching\n\n{costs.BEGIN}{_table(root)}{costs.END}\n\nAfter.\n"
    assert _table(root) in capsys.readouterr().out
    rows = json.loads(costs.costs_file().read_text())
    assert {"command", "seed", "commit", "versions", "hardware"} <= set(rows["03"])


def _table(root):
    notebooks = {p.name[:2]: nbformat.read(p, 4) for p in sorted(root.glob("*.ipynb"))}
    return costs.table(notebooks, costs.stored())


def test_one_notebook_alone_leaves_the_others(root, monkeypatch):
    costs.store({"00": COST})
    before = contents(root)
    monkeypatch.setattr(course, "run_notebook", lambda *_: Cost(61, 2, 3, 4))
    assert course.main(["3"]) == 0
    after = contents(root)
    assert [name for name in after if after[name] != before[name]] == [
        "README.md",
        "03_second.ipynb",
    ]
    assert costs.stored() == {"00": COST, "03": Cost(61, 2, 3, 4)}
    assert "| 00 | First | 30 | 12 | 20 | 1.0 GB | 120 ms |" in after["README.md"].decode()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "1 / 0",
            r"03_second\.ipynb, cell 'more-0' \(1 / 0\): ZeroDivisionError: division by zero",
        ),
        (
            "import sys\nprint('Careful', file=sys.stderr)",
            "cell 'more-0' writes to stderr: Careful",
        ),
        ("import tempfile; print(tempfile.mkdtemp())", "'more-0' names a place of this machine: /"),
        ("import os; os._exit(1)", r"cell 'more-0' \(import os; os._exit\(1\)\): the kernel died"),
    ],
)
def test_a_failure_names_the_cell_and_stores_nothing(root, source, said, capsys):
    nbformat.write(small_course.notebook("03", "Second", source), root / "03_second.ipynb")
    before = contents(root)
    assert course.main(["03"]) == 2
    error = capsys.readouterr().err
    assert re.search(said, error)
    assert error.endswith("make course: nothing was stored\n")
    assert contents(root) == before
    assert not costs.costs_file().exists()


def test_a_wrong_solution_is_not_stored(root, capsys):
    notebook = small_course.notebook("03", "Second")
    notebook.cells[-2].source = notebook.cells[-2].source.replace("place * size", "0")
    nbformat.write(notebook, root / "03_second.ipynb")
    assert course.main(["03"]) == 2
    assert "cell 'e1-check' fails its check: not yet: batch_indices" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["07", "x", ""])
def test_unknown_number(root, number, capsys):
    assert course.main([number]) == 2
    assert "expected a number out of 00, 03" in capsys.readouterr().err


def test_what_is_missing_is_said_before_anything_runs(root, monkeypatch):
    monkeypatch.setattr(course, "run_notebook", lambda *_: pytest.fail("it ran"))
    notebook = small_course.notebook("00", "First")
    notebook.cells[0].source = "# 00 · First"
    nbformat.write(notebook, root / "00_first.ipynb")
    with pytest.raises(InputError, match=r"00_first\.ipynb: its head says 0 times"):
        course.run_course()
    notebook = small_course.notebook("00", "First")
    notebook.cells[2].source = "### Exercise · without a number"
    nbformat.write(notebook, root / "00_first.ipynb")
    with pytest.raises(InputError, match=r"00_first\.ipynb: 0 titles of exercises, 1 functions"):
        course.run_course()
    (root / "README.md").write_text("no place")
    with pytest.raises(InputError, match=r"README\.md: no place for the table"):
        course.run_course(["03"])


def test_interrupted(root, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(course, "run_notebook", interrupt)
    before = contents(root)
    assert course.main([]) == 130
    assert "nothing was stored" in capsys.readouterr().err
    assert contents(root) == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="not to be had on this system")
def test_two_processors(monkeypatch):
    given = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {7, 3, 5})
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, cores: given.append(cores))
    course._two_cores()
    assert given == [[3, 5]]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    with pytest.raises(InputError, match="seconds are those of 2 processors, and here is 1"):
        course._two_cores()


# --- costs in words ----------------------------------------------------------------------------


def test_costs_are_rounded_up():
    said = "about 15 seconds on two CPU cores, 1.1 GB of memory"
    assert costs.in_words(COST) == said
    assert costs.in_words(Cost(15.0, 1, 1100, 1)) == said
    assert costs.IN_HEAD.fullmatch(said)
    assert costs.IN_HEAD.fullmatch("about 15 seconds on two CPU cores")


def test_budgets():
    assert costs.over_budget("01", Cost(60.0, 200.0, 3000, 300)) == []
    assert costs.over_budget("06", Cost(150.0, 1, 1, 1)) == []
    assert costs.over_budget("08", Cost(150.1, 1, 3001, 1)) == [
        "wall seconds 150.1, allowed 150",
        "peak memory mb 3001, allowed 3000",
    ]
    assert costs.over_budget("01", Cost(61.0, 1, 1, 301)) == [
        "wall seconds 61.0, allowed 60",
        "slowest control ms 301, allowed 300",
    ]


# --- what may be stored ------------------------------------------------------------------------


def picture(alt):
    metadata = {"image/png": {"alt": alt}} if alt else {}
    return new_output("display_data", {"image/png": "iVBORw0KGgo="}, metadata=metadata)


def result(text):
    return new_output("execute_result", {"text/plain": text}, execution_count=1)


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ([picture("")], "alternative text ''"),
        ([picture("Figure")], "alternative text 'Figure'"),
        ([stream("Deprecated", "stderr")], "writes to stderr: Deprecated"),
        ([stream("saved in\n/home/me/x.png\n")], "names a place of this machine: /home/me/x.png"),
        ([result("PosixPath('/tmp/abc')")], "names a place of this machine"),
        ([stream(r"C:\Users\me")], "names a place of this machine"),
        ([stream("lib/site-packages/torch")], "names a place of this machine"),
        ([result("not yet: f: wrong")], "fails its check: not yet: f: wrong"),
        ([new_output("error", ename="KeyError", evalue="1", traceback=[])], "raises KeyError"),
        ([], "it has no output to compare"),
    ],
)
def test_what_may_not_be_stored(outputs, said):
    notebook = small_course.notebook("00", "First")
    cell = new_code_cell("# NBVAL_CHECK_OUTPUT\nf()", id="x", execution_count=1, outputs=outputs)
    notebook.cells = [cell]
    (found,) = stored.problems(notebook)
    assert found.startswith("cell 'x' ")
    assert said in found


@pytest.mark.parametrize(
    "text", ["HTER 3/4 of /all, runs/demo/report.html", "https://example.org/home/x", "a/tmp/b"]
)
def test_what_may_be_stored(text):
    notebook = small_course.notebook("00", "First")
    outputs = [stream(text), picture("A face, live, and its print.")]
    notebook.cells = [new_code_cell("f()", id="x", execution_count=1, outputs=outputs)]
    assert stored.problems(notebook) == []
    notebook.cells[0].execution_count = 2
    assert stored.problems(notebook) == ["cell 'x' was not run in its turn"]


def test_tidy_leaves_out_what_differs_by_chance():
    notebook = small_course.notebook("00", "First")
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.7"}
    notebook.metadata["widgets"] = {"state": {}}
    shown = new_output("display_data", {stored.WIDGET: {"model_id": "1"}, "text/plain": "it"})
    notebook.cells = [new_code_cell("f()", outputs=[shown], metadata={"execution": {}, "tags": []})]
    stored.tidy(notebook)
    assert notebook.metadata["language_info"] == {"name": "python"}
    assert "widgets" not in notebook.metadata
    assert notebook.cells[0].metadata == {"tags": []}
    assert notebook.cells[0].outputs[0].data == {"text/plain": "it"}


def test_words():
    assert stored.words("Two *words*, $x + y$ 12 <b>and</b>\n\n```\ncode\n```\nit's") == 4
