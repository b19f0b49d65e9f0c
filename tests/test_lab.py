"""What a student does: every student copy runs, and the lab in a browser.

Minutes of computing, so `.ci/run` alone runs these: `pytest -m classroom tests`. With
HFNMP_NEED_BROWSER=1 a test in the browser fails where it would skip.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from hfnmp_lite.teach import classroom
from hfnmp_lite.teach.exercises import exercises

pytestmark = pytest.mark.classroom
SOLVED = classroom.solved_notebooks()
MOVE = """from hfnmp_lite.teach import course
print(sum(map(len, course.move_every_control(globals()))))"""
# What a reader would have to scroll sideways for: text of a box that scrolls and is too small.
CUT_OFF = """() => [...document.querySelectorAll(".jp-Notebook, .jp-Notebook *")]
    .filter((box) => /auto|scroll/.test(getComputedStyle(box).overflowX))
    .filter((box) => box.scrollWidth > box.clientWidth + 1)
    .map((box) => box.className + ": " + box.innerText.slice(0, 80))"""


@pytest.fixture(autouse=True)
def own_jupyter(monkeypatch, tmp_path):
    """Kernels of this environment, and nothing written into the user's home."""
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.mark.parametrize("number", SOLVED)
def test_a_student_copy_runs(number, tmp_path):
    """Nothing but an unsolved stub may fail, every check says so, and every control acts."""
    copy = nbformat.reads(classroom.student_copy(SOLVED[number]), as_version=4)
    assert "SOLUTION" not in nbformat.writes(copy)
    assert classroom.COMPARED not in nbformat.writes(copy)
    copy.cells.append(new_code_cell(MOVE))
    client = NotebookClient(
        copy,
        timeout=900,
        startup_timeout=300,
        kernel_name="python3",
        allow_error_names=["NotImplementedError"],
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    assert int(copy.cells.pop().outputs[0].text) >= 2
    solved = nbformat.read(SOLVED[number], as_version=4)
    for exercise in exercises(solved, number):
        (output,) = copy.cells[exercise.check].outputs
        assert "not written yet" in output.data["text/plain"]


# --- in a browser ------------------------------------------------------------------------------


def cannot(reason: str) -> None:
    if os.environ.get("HFNMP_NEED_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def page():
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


BY_PRESENTATION = "return np.random.default_rng(seed).integers(len(subject), size=len(subject))"
BY_SUBJECT = """names = np.unique(subject)
    drawn = np.random.default_rng(seed).choice(names, size=len(names))
    return np.concatenate([np.flatnonzero(subject == name) for name in drawn])"""
IN_MM, IN_PIXELS = "return 25.4 / per_inch", "return 25.4 * pixels / (per_inch * width_mm)"


@pytest.mark.parametrize(
    ("number", "function", "wrong", "said", "right", "slider"),
    [
        ("01", "pitch_in_pixels", IN_MM, "pitch in mm", IN_PIXELS, "glare"),
        (
            *("07", "draw_subjects", BY_PRESENTATION, "presentations were drawn"),
            *(BY_SUBJECT, "threshold"),
        ),
    ],
)
def test_a_lesson_in_the_browser(lab, page, number, function, wrong, said, right, slider):
    """Run it whole, answer wrongly, then rightly, move a slider and see the figure change."""
    from playwright.sync_api import expect

    solved = nbformat.read(SOLVED[number], as_version=4)
    page.goto(f"{lab}/lab/tree/{SOLVED[number].name}?token=course")
    title = re.match(r"# (.+)", solved.cells[0].source)[1]
    expect(page.get_by_role("heading", name=title)).to_be_visible(timeout=120_000)
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=120_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    # An unsolved stub blocks nobody: the run goes on to the last cell.
    last = sum(cell.cell_type == "code" for cell in solved.cells)
    expect(page.get_by_text(f"[{last}]:", exact=True).first).to_be_attached(timeout=900_000)
    here = exercises(solved, number)
    expect(page.get_by_text("it is not written yet")).to_have_count(len(here))
    expect(page.get_by_text("Jupyter news")).to_have_count(0)  # nothing asks for the network
    assert page.get_by_role("img").count() >= 5
    assert page.evaluate(CUT_OFF) == []

    for body, words in ((wrong, said), (right, "cases are right")):
        answer(page, number, function, body)
        verdict = page.get_by_text(f"{function}: ").filter(has_text=words)
        expect(verdict).to_be_visible(timeout=60_000)
    expect(page.get_by_text("it is not written yet")).to_have_count(len(here) - 1)

    box = page.locator(".widget-vbox", has=page.get_by_role("slider")).first
    handle = box.locator(".widget-slider", has_text=slider).get_by_role("slider")
    figure = box.get_by_role("img")
    handle.scroll_into_view_if_needed()
    before = figure.get_attribute("alt"), figure.get_attribute("src")
    handle.focus()
    for _ in range(5):
        handle.press("ArrowRight" if number == "01" else "ArrowLeft")
    expect(figure).not_to_have_attribute("alt", before[0], timeout=30_000)
    expect(figure).not_to_have_attribute("src", before[1])
    if shot := os.environ.get("HFNMP_SCREENSHOT"):  # to look at by hand
        page.screenshot(path=shot.format(number))


UPLOAD = """from hfnmp_lite.data import capture
from hfnmp_lite.teach import widgets

def show(picture):
    image = capture.read_image(picture[0]["content"])[:64, :64] if picture else 0 * PLAIN
    return widgets.gallery([image], ["own"]), f"a picture of mean level {image.mean():.0f}"

PLAIN = capture.np.zeros((64, 64, 3), "uint8")
widgets.Explorer(show, "at work", picture=widgets.upload("a picture of your own"))
"""


def test_a_picture_is_uploaded(lab, page, tmp_path):
    """As in notebook 00: a large photograph arrives, and what is none is refused in words."""
    from playwright.sync_api import expect

    notebook = new_notebook(cells=[new_code_cell(UPLOAD)])
    notebook.metadata = nbformat.read(SOLVED["00"], as_version=4).metadata
    nbformat.write(notebook, tmp_path / "lab" / "upload.ipynb")
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2400, 3)).astype(np.uint8)
    noise[:64, :64] = 200
    Image.fromarray(noise).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > 12 * 2**20  # more than Jupyter's own limit
    (tmp_path / "none.png").write_text("no picture")

    page.goto(f"{lab}/lab/tree/upload.ipynb?token=course")
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=240_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    expect(page.get_by_role("img", name="of mean level 0")).to_be_visible(timeout=240_000)
    button = page.get_by_role("button", name=re.compile("a picture of your own"))
    for name, shown in (
        ("none.png", page.get_by_role("alert").filter(has_text="is not an image")),
        ("large.png", page.get_by_role("img", name="of mean level 200")),
    ):
        with page.expect_file_chooser() as chooser:
            button.click()
        chooser.value.set_files(tmp_path / name)
        expect(shown).to_be_visible(timeout=120_000)


def answer(page, number: str, function: str, body: str) -> None:
    """Type a function's body into its stub, then run it and the check below it."""
    copy = nbformat.reads(classroom.student_copy(SOLVED[number]), as_version=4)
    (stub,) = (c.source for c in copy.cells if c.source.startswith(f"def {function}("))
    editor = page.get_by_role("textbox").filter(has_text=f"def {function}(")
    editor.click()
    editor.press("ControlOrMeta+a")
    page.keyboard.insert_text(stub.partition("# YOUR CODE HERE")[0] + body)
    editor.press("Shift+Enter")  # runs it and goes on to the next cell, the check
    page.keyboard.press("Shift+Enter")
