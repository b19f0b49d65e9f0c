"""The committed notebooks: stored whole, built after the course's anatomy, copied for students.

That they still give what is stored is nbval's business: `pytest --nbval-lax --nbval-current-env
notebooks`, which `make test` runs. With HFNMP_NEED_BROWSER=1 the browser test fails where it would
skip.
"""

from __future__ import annotations

import ast
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from PIL import Image

from hfnmp_lite.data import samples
from hfnmp_lite.files import InputError
from hfnmp_lite.teach import classroom, figures, widgets

ROOT = samples.notebooks_root()
NOTEBOOKS = sorted(ROOT.glob("[0-9][0-9]_*.ipynb"))
LONGER = {"06": 150, "08": 150}  # seconds of CPU; 60 for the others
MARK = classroom.COMPARED


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


@pytest.fixture(autouse=True)
def own_jupyter(monkeypatch, tmp_path):
    """Kernels of this environment, and nothing written into the user's home."""
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))


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


def test_executed_from_top_to_bottom_without_an_error(code):
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert all(output.output_type != "error" for output in outputs)
    assert all(output.get("name") != "stderr" for output in outputs)


def test_marked_cells_have_something_to_compare(code):
    marked = [cell for cell in code if MARK in cell.source]
    assert len(marked) >= 3
    for cell in marked:
        assert cell.source.startswith(MARK + "\n"), "the mark is the first line"
        assert cell.execution_count
        assert cell.outputs, cell.source
        assert not any("image/png" in output.get("data", {}) for output in cell.outputs)


def test_outputs_name_no_place_of_this_machine(notebook):
    text = re.sub(r'"image/png": "[^"]*"', "", nbformat.writes(notebook))
    assert not re.search(
        r"(?<![\w.~-])/(home|tmp|usr|opt|var|Users)/|site-packages|\b[A-Z]:\\", text
    )
    for place in (Path.home(), Path(sys.prefix), ROOT.parent):
        assert len(place.parts) < 2 or f"{place}{os.sep}" not in text


def test_every_picture_has_alternative_text_and_a_caption(notebook):
    seen = 0
    for cell, after in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        for output in cell.get("outputs", []):
            if "image/png" not in output.get("data", {}):
                continue
            seen += 1
            assert len(output.metadata["image/png"]["alt"]) > 15
            assert after is not None
            assert re.match(r"\*Figure \d+\. ", after.source), f"no caption below {cell.id}"
    assert seen >= 2


# --- anatomy -----------------------------------------------------------------------------------


def words(text: str) -> int:
    text = re.sub(r"\$\$.*?\$\$|\$[^$]*\$|<[^>]+>|```.*?```", " ", text, flags=re.DOTALL)
    return len(re.findall(r"[^\W\d_][\w'’-]*", text))


def test_length(code, prose):
    assert 800 <= words(prose) <= 1500
    assert all(len(cell.source.splitlines()) <= 30 for cell in code)
    assert len(code[0].source.splitlines()) <= 15  # the set-up


def test_title_recap_limits_and_quiz(prose):
    assert re.match(r"# \d\d · \S", prose)
    head = prose[: prose.index("\n## ")]
    for words_of_it in ("you can", "You need", "Minutes", "seconds on two CPU cores"):
        assert words_of_it in head
    assert "simulated" in head
    for heading in ("## Recap", "**Limits.**", "**Where to go on.**", "## Quiz"):
        assert heading in prose
    quiz = prose[prose.index("## Quiz") :]
    assert quiz.count("<details>") == quiz.count("</details>") == 3
    assert 3 <= len(re.findall(r"^## \d · ", prose, re.MULTILINE)) <= 4
    assert prose.count("**Predict") >= 3
    assert "What we saw." in prose


def test_exercises(notebook, prose):
    titles = re.findall(r"^### Exercise (\d) · .+ \((★☆☆|★★☆|★★★), (\d+) minutes\)$", prose, re.M)
    assert 3 <= len(titles) <= 5
    assert len(titles) == prose.count("### Exercise")
    assert all(5 <= int(minutes) <= 10 for _, _, minutes in titles)
    assert prose.count("<summary>Hints</summary>") == len(titles)
    checked = re.findall(r"checks\.check_(\w+)\((\w+)\)", nbformat.writes(notebook))
    solved = [cell for cell in notebook.cells if "### BEGIN SOLUTION" in cell.source]
    assert len(checked) == len(solved) == len(titles)
    for cell, (check, given) in zip(solved, checked, strict=True):
        (function,) = ast.parse(cell.source).body
        assert function.name == given == check
        assert ast.get_docstring(function)
        assert function.returns is not None
        assert all(argument.annotation for argument in function.args.args)


def test_solutions_pass_their_checks(code):
    for cell in code:
        if "checks.check_" in cell.source:
            (output,) = cell.outputs
            assert output.data["text/plain"].startswith("passed: "), output.data["text/plain"]


# --- running -----------------------------------------------------------------------------------


MOVE_EVERY_CONTROL = """
import datetime as _datetime
import io as _io
import time as _time
from PIL import Image as _Image
_file = _io.BytesIO()
_Image.effect_noise((64, 64), 60).save(_file, "PNG")
_given = {"name": "own.png", "type": "image/png", "content": memoryview(_file.getvalue())}
_given |= {"size": len(_file.getvalue()), "last_modified": _datetime.datetime.now()}
moved, slowest = 0, 0.0
for explorer in [v for v in list(globals().values()) if isinstance(v, widgets.Explorer)]:
    for control in explorer.controls.values():
        if isinstance(control, widgets.ipywidgets.FileUpload):
            values = [(_given,)]
        elif hasattr(control, "options"):
            values = [getattr(option, "value", option) for option in control.options]
        else:
            values = [control.min, control.max]
        for value in values:
            picture, said = explorer.picture, explorer.alt
            if value != control.value:
                start = _time.thread_time()
                control.value = value
                if not explorer._waiting:  # else it says that it is at work
                    slowest = max(slowest, _time.thread_time() - start)
                assert explorer.error is None, repr(explorer.error)
                assert explorer.picture != picture, (control.description, value)
                assert explorer.alt != said, (control.description, value)
                moved += 1
print(moved, "moves, the slowest", slowest)
"""


@pytest.mark.slow
def test_student_copy_runs(path, tmp_path, monkeypatch):
    """Nothing but an unsolved stub may fail, every control acts, and the time is kept."""
    copy = nbformat.reads(classroom.student_copy(path), as_version=4)
    assert "SOLUTION" not in nbformat.writes(copy)
    assert MARK not in nbformat.writes(copy)
    cpu = "import time; print('cpu', time.process_time())"
    first = next(i for i, cell in enumerate(copy.cells) if cell.cell_type == "code")
    copy.cells.insert(first + 1, new_code_cell(cpu))
    copy.cells += [new_code_cell(cpu), new_code_cell(MOVE_EVERY_CONTROL)]
    client = NotebookClient(
        copy,
        timeout=600,
        kernel_name="python3",
        allow_error_names=["NotImplementedError"],
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    printed = [o.text for cell in copy.cells for o in cell.get("outputs", []) if "text" in o]
    begin, end = (float(text.split()[1]) for text in printed if text.startswith("cpu "))
    assert end - begin <= LONGER.get(path.name[:2], 60), "seconds of CPU after the imports"
    assert int(printed[-1].split()[0]) >= 2
    for cell in copy.cells:
        if "checks.check_" in cell.source:
            (output,) = cell.outputs
            assert "not written yet" in output.data["text/plain"]


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


def test_a_picture_without_alternative_text_is_refused():
    figure, _ = widgets.decisions({"live": np.ones(2), "print": np.zeros(2)}, 0.5)
    with pytest.raises(ValueError, match="no alternative text"):
        widgets.still(figure, " ")
    with pytest.raises(ValueError, match="no alternative text"):
        widgets.Explorer(lambda: (figure, ""))


# --- in a browser ------------------------------------------------------------------------------


def cannot(reason: str) -> None:
    if os.environ.get("HFNMP_NEED_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def page(tmp_path):
    """A page of headless Chromium: the system's, or Playwright's own."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with api.sync_playwright() as playwright:
        names = ("chromium", "chromium-browser", "google-chrome")
        found = next(filter(None, map(shutil.which, names)), playwright.chromium.executable_path)
        if not Path(found).exists():
            cannot("no Chromium here: apt install chromium, or playwright install chromium")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1280, "height": 1000})
        browser.close()


@pytest.fixture
def lab(tmp_path):
    """The lab as `hfnmp lab` starts it, on a free port; gives its address."""
    folder = tmp_path / "lab"
    classroom.make_student_copies(folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = classroom.lab_command(folder, browser=False)
    command += [f"--ServerApp.port={port}", "--IdentityProvider.token=course"]
    log = tmp_path / "lab.log"
    with open(log, "w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env=classroom.lab_environment()
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.5)
        else:
            pytest.fail(f"JupyterLab did not come up\n{log.read_text()}")
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@pytest.mark.slow
def test_the_lab_in_a_browser(lab, page):
    """Open the lab, run the student's notebook 00 whole, move its slider, see the figure change."""
    from playwright.sync_api import expect

    page.goto(f"{lab}/lab/tree/00_start_here.ipynb?token=course")
    expect(page.get_by_role("heading", name="00 · Start here")).to_be_visible(timeout=120_000)
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=120_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    # An unsolved stub blocks nobody: the run goes on to the last cell.
    expect(page.get_by_text("AUC, over all thresholds")).to_have_count(2, timeout=240_000)
    expect(page.get_by_text("it is not written yet")).to_have_count(4)
    expect(page.get_by_text("Jupyter news")).to_have_count(0)  # nothing asks for the network
    slider = page.get_by_role("slider")  # ipywidgets gives the handle no name
    slider.scroll_into_view_if_needed()
    figure = page.get_by_role("img", name=re.compile("At threshold")).first
    before = figure.get_attribute("alt"), figure.get_attribute("src")
    slider.focus()
    for _ in range(5):
        slider.press("ArrowRight")
    expect(figure).not_to_have_attribute("alt", before[0], timeout=30_000)
    expect(figure).not_to_have_attribute("src", before[1])
    if shot := os.environ.get("HFNMP_SCREENSHOT"):  # to look at by hand
        page.screenshot(path=shot)
