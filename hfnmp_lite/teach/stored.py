"""What a solved notebook may hold when it is stored: the same on every machine, and readable there.

Outputs carry no warnings, no place of one machine and no picture without alternative text; what
differs from run to run though nothing changed is left out.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hfnmp_lite.teach.classroom import COMPARED

if TYPE_CHECKING:
    from nbformat import NotebookNode

SHORTEST_ALT = 16  # characters of an alternative text
WIDGET = "application/vnd.jupyter.widget-view+json"
PLACE = re.compile(
    r"(?<![\w.~-])/(?:home|tmp|usr|opt|var|root|mnt|Users)/|site-packages|\b[A-Z]:\\"
)


def tidy(notebook: NotebookNode) -> None:
    """Leave out, in place, what a run adds by chance: times, versions, numbers of widgets.

    A widget cannot be shown without its kernel; its text stays, and says what it would show.
    """
    notebook.metadata.pop("widgets", None)
    version_free = ("file_extension", "mimetype", "name", "pygments_lexer")
    language = notebook.metadata.get("language_info", {})
    notebook.metadata["language_info"] = {k: language[k] for k in version_free if k in language}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)


def problems(notebook: NotebookNode) -> list[str]:
    """Return what keeps an executed, solved notebook from being stored, a line for each."""
    found = []
    count = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        count += 1
        if cell.execution_count != count:
            found.append(f"cell '{cell.id}' was not run in its turn")
        found += [f"cell '{cell.id}' {what}" for what in _of_cell(cell)]
    return found


def _of_cell(cell: NotebookNode) -> Iterator[str]:
    if COMPARED in cell.source and not (cell.outputs and cell.source.startswith(COMPARED + "\n")):
        yield f"is marked {COMPARED}, but not in its first line, or it has no output to compare"
    for output in cell.outputs:
        data = output.get("data", {})
        text = output.get("text", "") + "".join(
            part for kind, part in data.items() if kind.startswith("text/")
        )
        if output.output_type == "error":
            yield f"raises {output.ename}"
        elif output.get("name") == "stderr":
            yield f"writes to stderr: {text.strip().splitlines()[-1][:200]}"
        elif place := _place(text):
            yield f"names a place of this machine: {place}"
        elif text.startswith("not yet: "):
            yield f"fails its check: {text}"
        if "image/png" in data:
            alt = output.metadata.get("image/png", {}).get("alt", "")
            if len(alt) < SHORTEST_ALT:
                yield f"shows a picture with the alternative text {alt!r}; say what it shows"


def _place(text: str) -> str | None:
    for line in text.splitlines():
        own = (str(Path.home()) + os.sep, sys.prefix + os.sep)
        if PLACE.search(line) or any(len(p) > 2 and p in line for p in own):
            return line.strip()[:200]
    return None


def words(text: str) -> int:
    """Count the words of Markdown: formulae, code blocks, tags and numbers do not count."""
    text = re.sub(r"\$\$.*?\$\$|\$[^$]*\$|<[^>]+>|```.*?```", " ", text, flags=re.DOTALL)
    return len(re.findall(r"[^\W\d_][\w'’-]*", text))
