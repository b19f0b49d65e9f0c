"""Exercises carry nbgrader's marks, and nbgrader takes the solved notebooks as they are."""

from __future__ import annotations

import html
import logging
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
import small_course

from hfnmp_lite.data import samples
from hfnmp_lite.files import InputError
from hfnmp_lite.teach import checks, classroom
from hfnmp_lite.teach.checks.verdict import NotYet
from hfnmp_lite.teach.exercises import exercises, mark_for_grading

GRADED = "02"  # the notebook that nbgrader is tried on: one of those that take least


@pytest.mark.parametrize("path", sorted(samples.notebooks_root().glob("*.ipynb")), ids=str)
def test_marks_are_complete_and_stay(path):
    notebook = nbformat.read(path, as_version=4)
    mark_for_grading(notebook, path.name)
    marks = {}
    for cell in notebook.cells:
        mark = cell.metadata.get("nbgrader")
        assert (mark is not None) == (
            "### BEGIN SOLUTION" in cell.source or "checks.check_" in cell.source
        )
        if mark:
            assert mark["solution"] != mark["grade"]
            assert mark["solution"] == ("### BEGIN SOLUTION" in cell.source)
            assert mark["locked"] == mark["grade"] == ("points" in mark)
            marks[mark["grade_id"]] = mark.get("points")
    found = exercises(notebook, path.name)
    assert len(marks) == 2 * len(found)
    assert all(marks[f"check_{e.function}"] == e.stars for e in found)
    once = nbformat.writes(notebook)
    mark_for_grading(notebook, path.name)
    assert nbformat.writes(notebook) == once


def test_an_exercise_is_read_as_it_stands():
    notebook = small_course.notebook("00", "First")
    (found,) = exercises(notebook, "00")
    assert (found.number, found.title, found.stars, found.minutes) == (1, "A batch", 2, 10)
    assert (found.function, found.stub, found.check) == ("batch_indices", 3, 4)


@pytest.mark.parametrize(
    ("index", "source"),
    [
        (2, "### Exercise 1 · A batch (★★★★, 10 minutes)"),
        (3, "def other(n):\n    ### BEGIN SOLUTION\n    return n\n    ### END SOLUTION"),
        (3, "batch_indices = None"),
        (4, "checks.check_choose(batch_indices)"),
        (4, "checks.check_batch_indices(1), checks.check_batch_indices(2)"),
        (4, ""),
    ],
)
def test_what_does_not_belong_together(index, source):
    notebook = small_course.notebook("00", "First")
    notebook.cells[index].source = source
    with pytest.raises(InputError, match=r"x: \d titles of exercises, .* of which [01] belong"):
        mark_for_grading(notebook, "x")


def test_metadata_of_other_cells_goes():
    notebook = small_course.notebook("00", "First")
    notebook.cells[0].metadata["nbgrader"] = {"grade": True}
    mark_for_grading(notebook, "x")
    assert "nbgrader" not in notebook.cells[0].metadata


def test_under_nbgrader_a_check_raises(monkeypatch, capsys, recwarn):
    """nbgrader counts errors, reads partial credit from results, and fails what warns."""
    import warnings

    def right(iteration, total, full):
        import math

        warnings.warn("careful", stacklevel=1)
        return full * (1 + math.cos(math.pi * iteration / total)) / 2

    assert checks.check_learning_rate(right)
    assert len(recwarn) > 0
    recwarn.clear()
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert checks.check_learning_rate(right) is None
    assert capsys.readouterr().out.startswith("passed: learning_rate: all ")
    assert len(recwarn) == 0
    with pytest.raises(NotYet, match=r"learning_rate: for .* returned 0"):
        checks.check_learning_rate(lambda iteration, total, full: 0)
    with pytest.raises(NotYet, match="without"):
        checks.check_learning_rate(None)


@pytest.fixture
def grader(tmp_path, monkeypatch):
    """nbgrader's interface to a course of one notebook, as an instructor sets it up."""
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    # nbgrader calls alembic by its name, as it can where the environment is activated.
    monkeypatch.setenv(
        "PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    monkeypatch.chdir(tmp_path)
    settings = Config()
    settings.CourseDirectory.root = str(tmp_path)
    settings.Execute.timeout = 600  # seconds for a cell
    solved = classroom.solved_notebooks()[GRADED]
    notebook = nbformat.read(solved, as_version=4)
    mark_for_grading(notebook, solved.name)
    (tmp_path / "source" / "lesson").mkdir(parents=True)
    nbformat.write(notebook, tmp_path / "source" / "lesson" / solved.name)
    api = NbGraderAPI(coursedir=CourseDirectory(config=settings), config=settings)
    api.log_level = logging.ERROR
    return api


@pytest.mark.classroom
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
def test_nbgrader_takes_a_solved_notebook(grader, tmp_path):
    """Hand out, collect two answers, grade and give feedback; one is right, and one is not."""
    (source,) = (tmp_path / "source" / "lesson").iterdir()
    found = exercises(nbformat.read(source, as_version=4), source.name)
    points = {f"check_{e.function}": e.stars for e in found}

    made = grader.generate_assignment("lesson")
    assert made["success"], made
    released = nbformat.read(tmp_path / "release" / "lesson" / source.name, as_version=4)
    handed_out = nbformat.reads(classroom.student_copy(source), as_version=4)
    for theirs, ours in zip(released.cells, handed_out.cells, strict=True):  # `make student`'s
        theirs.metadata.get("nbgrader", {}).pop("checksum", None)
        theirs.metadata.get("nbgrader", {}).pop("cell_type", None)
        theirs.source = theirs.source.removeprefix(f"{classroom.COMPARED}\n")
        assert theirs == ours

    wrong = handed_out.cells[found[0].stub]
    assert "raise NotImplementedError()" in wrong.source
    wrong.source = wrong.source.replace("raise NotImplementedError()", "return 0")
    answers = {"ada": nbformat.read(source, as_version=4), "bob": handed_out}
    for student, answer in answers.items():
        folder = tmp_path / "submitted" / student / "lesson"
        folder.mkdir(parents=True)
        nbformat.write(answer, folder / source.name)
        for step in (grader.autograde, grader.generate_feedback):
            done = step("lesson", student)
            assert done["success"], done

    grades = {student: _grades(grader, student) for student in answers}
    assert grades == {"ada": points, "bob": dict.fromkeys(points, 0)}
    pages = {s: _words_of(tmp_path / "feedback" / s / "lesson") for s in answers}
    assert f"NotYet: {found[0].function}: for " in pages["bob"]
    assert "returned 0, expected" in pages["bob"]
    assert f"{found[1].function}: it is not written yet" in pages["bob"]
    assert "NotYet" not in pages["ada"]


def _words_of(folder):
    (page,) = folder.glob("*.html")
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))


def _grades(grader, student):
    with grader.gradebook as book:
        (notebook,) = book.find_submission("lesson", student).notebooks
        return {grade.name: grade.score for grade in notebook.grades}


@pytest.mark.parametrize("path", sorted(samples.notebooks_root().glob("*.ipynb")), ids=str)
def test_checks_say_which_exercise_they_belong_to(path):
    for exercise in exercises(nbformat.read(path, as_version=4), path.name):
        about = getattr(checks, f"check_{exercise.function}").__doc__
        assert about.startswith(f"Exercise {path.name[:2]}.{exercise.number}: ")
