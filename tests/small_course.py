"""A course of two small notebooks, for tests that run, copy or grade one."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

HEAD = """# {number} · {title}

| | |
|---|---|
| Minutes | 30, with the exercise |
| Computing | about 15 seconds on two CPU cores; no GPU, no network |"""
STUB = '''def batch_indices(number: int, n: int, size: int, seed: int) -> list[int]:
    """int, int, int, int -> list."""
    ### BEGIN SOLUTION
    import numpy as np

    epoch, place = divmod(number, n // size)
    return np.random.default_rng([seed, epoch]).permutation(n)[place * size : (place + 1) * size]
    ### END SOLUTION'''
CHECK = "# NBVAL_CHECK_OUTPUT\nchecks.check_batch_indices(batch_indices)"


def notebook(number: str, title: str, *code: str) -> nbformat.NotebookNode:
    """Return a solved notebook with one exercise, and `code` before it."""
    cells = [
        new_markdown_cell(HEAD.format(number=number, title=title), id="title"),
        new_code_cell("from hfnmp_lite.teach import checks", id="setup"),
        *(new_code_cell(source, id=f"more-{i}") for i, source in enumerate(code)),
        new_markdown_cell("### Exercise 1 · A batch (★★☆, 10 minutes)", id="e1"),
        new_code_cell(STUB, id="e1-stub"),
        new_code_cell(CHECK, id="e1-check"),
    ]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def write(root: Path, notebooks: dict[str, nbformat.NotebookNode]) -> None:
    """Write notebooks by stem, and an instructor's page, into a new folder."""
    root.mkdir(parents=True)
    for stem, node in notebooks.items():
        nbformat.write(node, root / f"{stem}.ipynb")
    (root / "README.md").write_text(
        "# Teaching\n\n<!-- make course writes this -->\nold\n<!-- until here -->\n\nAfter.\n"
    )
