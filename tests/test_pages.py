"""Pages and notebooks: links lead somewhere, and the instructor's page speaks of what is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import nbformat
import pytest

from hfnmp_lite.data import samples
from hfnmp_lite.teach.exercises import exercises

TOP = Path(__file__).resolve().parent.parent
ROOT = samples.notebooks_root()
NOTEBOOKS = sorted(ROOT.glob("[0-9][0-9]_*.ipynb"))
LINK = re.compile(
    r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|<(?:img|a)\b[^>]*?(?:src|href)=\"([^\"]+)\""
)
CODE = re.compile(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]*\$", re.DOTALL)


def pages():
    listed = subprocess.run(
        ["git", "-C", TOP, "ls-files", "*.md"], capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [TOP / name for name in listed.stdout.splitlines()]


def links(text):
    return [a or b for a, b in LINK.findall(CODE.sub(" ", text))]


def anchors(text):
    """Anchors of the headings in Markdown, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.strip().lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def dead(text, folder, may_leave=True):
    """Links of a page in `folder` that lead nowhere, or out of it where a copy cannot follow."""
    found = []
    for link in links(text):
        if re.match(r"https?://[\w.-]+\.\w+(/|$)", link):
            continue
        name, _, anchor = link.partition("#")
        target = folder / name if name else None
        if target is not None and not target.exists():
            found.append(link)
        elif name and not may_leave and not re.fullmatch(r"\d\d_\w+\.ipynb", name):
            found.append(f"{link} is not in a student's folder")
        elif anchor and (target is None or target.suffix == ".md"):
            there = text if target is None else target.read_text(encoding="utf-8")
            found += [link] if anchor not in anchors(there) else []
    return found


def test_dead_links_are_found(tmp_path):
    (tmp_path / "there.md").write_text("# Head, and *more*\n")
    text = (
        "[a](there.md) [b](there.md#head-and-more) ![c](gone.png) [d](there.md#no) [e](#x) `[f](g)`"
    )
    assert dead(text, tmp_path) == ["gone.png", "there.md#no", "#x"]
    assert dead('<img src="gone.png"> [a](https://example.org/x) [b](http:x)', tmp_path) == [
        "gone.png",
        "http:x",
    ]
    assert dead("[a](there.md)", tmp_path, may_leave=False)


def test_links_of_all_pages():
    found = {str(page): dead(page.read_text(encoding="utf-8"), page.parent) for page in pages()}
    assert len(found) >= 4
    assert not any(found.values()), found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_links_and_figures_of_the_notebooks(path):
    """Of a student's copy, too: it lies beside the other copies and nothing else."""
    cells = nbformat.read(path, as_version=4).cells
    prose = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert dead(prose, path.parent, may_leave=False) == []
    captions = [int(n) for n in re.findall(r"^\*Figure (\d+)\. ", prose, re.MULTILINE)]
    assert captions == list(range(1, len(captions) + 1))
    spoken_of = {int(n) for n in re.findall(r"\bFigure (\d+)", prose)}
    assert spoken_of <= set(captions)
    others = set(re.findall(r"\b[Nn]otebook (\d\d)\b", prose))
    assert others <= {f"{n:02}" for n in range(11)}


def test_the_instructors_page_speaks_of_every_exercise():
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### (\d\d) · .+?\n(.*?)(?=^##)", page, re.MULTILINE | re.DOTALL))
    assert set(sections) == {f"{n:02}" for n in range(11)}
    for path in NOTEBOOKS:
        rows = re.findall(r"^\| `(\w+)` \| .+ \| .+ \|$", sections[path.name[:2]], re.MULTILINE)
        found = exercises(nbformat.read(path, as_version=4), path.name)
        assert rows == [exercise.function for exercise in found], path.name
