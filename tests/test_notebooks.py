"""The committed notebooks: stored whole by one clean run, built after the course's anatomy.

That they still give what is stored is nbval's business: `pytest --nbval-lax --nbval-current-env
notebooks`, which `make test` runs. Student copies and the lab: test_lab.py.
"""

from __future__ import annotations

import ast
import io
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from hfnmp_lite.data import samples
from hfnmp_lite.files import InputError
from hfnmp_lite.teach import classroom, costs, course, figures, stored, widgets
from hfnmp_lite.teach.exercises import exercises, mark_for_grading

ROOT = samples.notebooks_root()
NOTEBOOKS = sorted(ROOT.glob("[0-9][0-9]_*.ipynb"))
MARK = classroom.COMPARED
COSTS = costs.stored()


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem[:2])
def path(request) -> Path:
    return request.param


@pytest.fixture(scope="module")
def notebook(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_there_are_notebooks():
    assert NOTEBOOKS
    assert NOTEBOOKS[0].name == "00_start_here.ipynb"


# --- as stored ---------------------------------------------------------------------------------


def test_valid_with_stable_ids(notebook):
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*", i) for i in ids)
    random = [i for i in ids if re.fullmatch(r"[0-9a-f]{8}", i)]
    assert not random  # named by hand, so that a diff shows what changed
    assert "widgets" not in notebook.metadata  # stored widget state breaks GitHub's view


def test_nothing_stored_that_may_not_be(notebook):
    assert stored.problems(notebook) == []


def test_enough_is_compared(code):
    marked = [cell for cell in code if cell.source.startswith(MARK + "\n")]
    assert len(marked) >= 3
    for cell in marked:
        assert not any("image/png" in output.get("data", {}) for output in cell.outputs)


def test_as_a_clean_run_stores_it(path, notebook):
    """Marks for grading, and nothing that differs by chance: what `make course` writes."""
    again = nbformat.from_dict(notebook)
    mark_for_grading(again, path.name)
    stored.tidy(again)
    costs.write_head(again, path.name, COSTS[path.name[:2]])
    assert nbformat.writes(again) + "\n" == path.read_text(encoding="utf-8")


def test_within_the_budget(path):
    number = path.name[:2]
    assert costs.over_budget(number, COSTS[number]) == []


def test_the_whole_course_within_its_budget():
    assert set(COSTS) == {path.name[:2] for path in NOTEBOOKS}
    assert sum(cost.wall_seconds for cost in COSTS.values()) <= 600
    notebooks = {path.name[:2]: nbformat.read(path, as_version=4) for path in NOTEBOOKS}
    page = costs.page_with(costs.table(notebooks, COSTS))
    assert page == costs.page_file().read_text(encoding="utf-8")


def test_every_picture_has_a_caption(notebook):
    seen = 0
    for cell, after in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        for output in cell.get("outputs", []):
            if "image/png" not in output.get("data", {}):
                continue
            seen += 1
            assert after is not None
            assert re.match(r"\*Figure \d+\. ", after.source), f"no caption below {cell.id}"
    assert seen >= 2


# --- anatomy -----------------------------------------------------------------------------------


def test_length(code, prose):
    assert 800 <= stored.words(prose) <= 1500
    assert all(len(cell.source.splitlines()) <= 30 for cell in code)
    assert len(code[0].source.splitlines()) <= 15  # the set-up


def test_title_recap_limits_and_quiz(prose):
    assert re.match(r"# \d\d · \S", prose)
    head = prose[: prose.index("\n## ")]
    for words_of_it in ("you can", "You need", "Minutes", "seconds on two CPU cores"):
        assert words_of_it in head
    assert len(costs.IN_HEAD.findall(head)) == 1
    assert re.search(r"^\| Minutes \| \d+, with the \w+ exercises \|$", head, re.MULTILINE)
    assert "simulated" in head
    for heading in ("## Recap", "**Limits.**", "**Where to go on.**", "## Quiz"):
        assert heading in prose
    quiz = prose[prose.index("## Quiz") :]
    assert quiz.count("<details>") == quiz.count("</details>") == 3
    assert 3 <= len(re.findall(r"^## \d · ", prose, re.MULTILINE)) <= 4
    assert prose.count("**Predict") >= 3
    assert "What we saw." in prose


def test_exercises(path, notebook, prose):
    found = exercises(notebook, path.name)
    assert [exercise.number for exercise in found] == list(range(1, len(found) + 1))
    assert 3 <= len(found) <= 5
    assert len(found) == prose.count("### Exercise")
    assert all(5 <= exercise.minutes <= 10 for exercise in found)
    assert prose.count("<summary>Hints</summary>") == len(found)
    for exercise in found:
        (function,) = ast.parse(notebook.cells[exercise.stub].source).body
        assert ast.get_docstring(function)
        assert function.returns is not None
        assert all(argument.annotation for argument in function.args.args)
        call = f"checks.check_{exercise.function}({exercise.function})"
        assert notebook.cells[exercise.check].source == f"{MARK}\n{call}"
        (output,) = notebook.cells[exercise.check].outputs
        assert output.data["text/plain"].startswith(f"passed: {exercise.function}: ")


# --- the pictures ------------------------------------------------------------------------------


def pixels(figure) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(figures.png(figure, widgets.DPI))).convert("RGB"))


@pytest.mark.parametrize("zoom", [1, 2])
def test_a_gallery_shows_every_pixel(zoom):
    images = np.random.default_rng(0).integers(0, 256, (5, 48, 40, 3)).astype(np.uint8)
    drawn = pixels(widgets.gallery(list(images), "ABCDE", columns=3, zoom=zoom))
    windows = np.lib.stride_tricks.sliding_window_view(drawn[..., 0], (zoom, 40 * zoom))
    for image in images:
        large = image.repeat(zoom, 0).repeat(zoom, 1)
        hits = np.argwhere((windows == large[:zoom, :, 0]).all((2, 3)))
        assert len(hits) == 1
        row, column = hits[0]
        found = drawn[row : row + 48 * zoom, column : column + 40 * zoom]
        np.testing.assert_array_equal(found, large)


def test_decisions_say_the_rates():
    scores = {
        "live": np.array([0.2, 0.5, 0.9]),
        "print": np.array([0.1, 0.5]),
        "replay": np.ones(2),
    }
    _, said = widgets.decisions(scores, 0.5)
    assert "2 of 3 live, 1 of 2 print, 2 of 2 replay" in said  # a score at the threshold is in
    assert "FAR 75.0%, FRR 33.3%" in said


def test_an_explorer_follows_its_controls():
    scores = {"live": np.linspace(0.3, 1, 9), "print": np.linspace(0, 0.7, 9)}
    explorer = widgets.Explorer(
        lambda threshold: widgets.decisions(scores, threshold),
        threshold=widgets.slider("threshold", 0, 1, 0.5, 0.01),
    )
    seen = {explorer.picture}
    for value in (0.1, 0.9):
        explorer.controls["threshold"].value = value
        assert f"At threshold {value:.2f} " in explorer.alt
        assert f'alt="{explorer.alt}"' in explorer.picture
        seen.add(explorer.picture)
    assert len(seen) == 3
    assert len(repr(explorer)) < 500  # not the picture in base64


def test_an_error_in_answer_to_a_control_is_shown_and_goes():
    def draw(number):
        if number == "2":
            raise InputError("2 is given; <b>expected</b> 1 or 3")
        return widgets.decisions({"live": np.ones(2), "print": np.zeros(2)}, 1 / (int(number) - 3))

    explorer = widgets.Explorer(draw, "at work", number=widgets.choice("number", "123"))
    good, alt = explorer.picture, explorer.alt
    explorer.controls["number"].value = "2"
    assert 'role="alert"' in explorer.picture
    assert "2 is given; &lt;b&gt;expected&lt;/b&gt; 1 or 3" in explorer.picture
    assert "Traceback" not in explorer.picture  # what was given is at fault, not the code
    assert isinstance(explorer.error, InputError)
    explorer.controls["number"].value = "3"
    assert "ZeroDivisionError" in explorer.alt
    assert "1 / (int(number) - 3)" in explorer.picture  # the line that went wrong
    explorer.controls["number"].value = "1"
    assert (explorer.picture, explorer.alt, explorer.error) == (good, alt, None)
    with pytest.raises(ZeroDivisionError):  # a cell shows what is raised in it
        widgets.Explorer(draw, number=widgets.choice("number", "3"))


def test_an_explorer_says_that_it_is_at_work():
    shown = []

    def draw(number):
        shown.append(explorer.picture if number == "2" else "")
        return widgets.decisions({"live": np.ones(2), "print": np.zeros(2)}, float(number) / 4)

    explorer = widgets.Explorer(draw, "at <work>", number=widgets.choice("number", "12"))
    explorer.controls["number"].value = "2"
    assert "at &lt;work&gt;" in shown[1]
    assert "<img" in explorer.picture


def test_controls_are_moved_and_must_act():
    scores = {"live": np.linspace(0.3, 1, 9), "print": np.linspace(0, 0.7, 9)}
    choice, threshold = widgets.choice("of", ["a", "b"]), widgets.slider("at", 0, 1, 0.5, 0.01)
    of = {"a": scores, "b": {**scores, "live": np.ones(9)}}
    explorer = widgets.Explorer(
        lambda name, at: widgets.decisions(of[name], at), name=choice, at=threshold
    )
    seconds = course.move_every_control({"explorer": explorer, "other": 3})
    assert [len(of) for of in seconds] == [1, 2]  # b; then 0 and 1
    assert all(s > 0 for of in seconds for s in of)
    at_work = widgets.Explorer(
        lambda name, at: widgets.decisions(of[name], at), "at work", name=choice, at=threshold
    )
    assert course.move_every_control({"explorer": at_work}) == [[0.0], [0.0]]
    idle = widgets.Explorer(lambda name: widgets.decisions(scores, 0.5), name=choice)
    with pytest.raises(RuntimeError, match=r"'of' at . changed nothing"):
        course.move_every_control({"explorer": idle})
    broken = widgets.Explorer(lambda name: widgets.decisions(of.pop(name), 0.5), name=choice)
    of.clear()
    with pytest.raises(KeyError):
        course.move_every_control({"explorer": broken})


def test_a_control_that_takes_a_file_is_given_one():
    def draw(file):
        mean = np.asarray(Image.open(io.BytesIO(file[0]["content"]))).mean() / 255 if file else 0.1
        return widgets.decisions({"live": np.ones(2), "print": np.zeros(2)}, float(mean) / 2)

    explorer = widgets.Explorer(draw, file=widgets.ipywidgets.FileUpload(description="own"))
    assert [len(of) for of in course.move_every_control({"explorer": explorer})] == [1]


def test_a_picture_without_alternative_text_is_refused():
    figure, _ = widgets.decisions({"live": np.ones(2), "print": np.zeros(2)}, 0.5)
    with pytest.raises(ValueError, match="no alternative text"):
        widgets.still(figure, " ")
    with pytest.raises(ValueError, match="no alternative text"):
        widgets.Explorer(lambda: (figure, ""))
