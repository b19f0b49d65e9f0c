"""The exercises of a solved notebook: where they stand, and nbgrader's marks on them.

A solved notebook says all that grading needs: a title with difficulty and minutes, a stub with a
solution, and a cell with its check. nbgrader wants the same again as cell metadata; it is derived
here, and nowhere written by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hfnmp_lite.files import InputError

if TYPE_CHECKING:
    from nbformat import NotebookNode

TITLE = re.compile(r"^### Exercise (\d) · (.+) \((★☆☆|★★☆|★★★), (\d+) minutes\)$", re.MULTILINE)
SOLUTION = "### BEGIN SOLUTION"
FUNCTION = re.compile(r"^def (\w+)\(", re.MULTILINE)
CHECK = re.compile(r"checks\.check_(\w+)\(")
SCHEMA = 3  # of nbgrader's cell metadata


@dataclass(frozen=True)
class Exercise:
    """One exercise of a solved notebook.

    Attributes
    ----------
    number, title : int, str
        As its heading says.
    stars : int
        Difficulty, 1 to 3; also its points where it is graded.
    minutes : int
        That it is meant to take.
    function : str
        What the student writes; its check is `checks.check_<function>`.
    stub, check : int
        Index of the cell with the solution, and of the one with the check.
    """

    number: int
    title: str
    stars: int
    minutes: int
    function: str
    stub: int
    check: int


def exercises(notebook: NotebookNode, name: str) -> list[Exercise]:
    """Return the exercises of a solved notebook, in order.

    Parameters
    ----------
    notebook : NotebookNode
    name : str
        Of the notebook, for messages.

    Raises
    ------
    InputError
        Titles, solutions and checks do not follow each other one by one.
    """
    titles, stubs, checks = [], [], []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            titles += [(index, *found) for found in TITLE.findall(cell.source)]
        elif SOLUTION in cell.source:
            stubs += [(index, function) for function in FUNCTION.findall(cell.source)]
        else:
            checks += [(index, function) for function in CHECK.findall(cell.source)]
    found = []
    for title, stub, check in zip(titles, stubs, checks, strict=False):
        if title[0] < stub[0] < check[0] and stub[1] == check[1]:
            about = int(title[1]), title[2], title[3].count("★"), int(title[4])
            found.append(Exercise(*about, stub[1], stub[0], check[0]))
    if not len(found) == len(titles) == len(stubs) == len(checks):
        raise InputError(
            f"{name}: {len(titles)} titles of exercises, {len(stubs)} functions with a solution, "
            f"{len(checks)} checks, of which {len(found)} belong together; expected a title, one "
            "function and its check for each exercise"
        )
    return found


def mark_for_grading(notebook: NotebookNode, name: str) -> None:
    """Give the cells of every exercise nbgrader's metadata, in place.

    A stub becomes a solution cell, its check a locked cell of as many points as the exercise has
    stars. Metadata of other cells goes. Doing it twice changes nothing.

    Parameters
    ----------
    notebook : NotebookNode
        A solved one.
    name : str
        Of the notebook, for messages.
    """
    for cell in notebook.cells:
        cell.metadata.pop("nbgrader", None)
    for exercise in exercises(notebook, name):
        shared = {"schema_version": SCHEMA, "task": False}
        notebook.cells[exercise.stub].metadata["nbgrader"] = {
            **shared,
            "grade_id": exercise.function,
            "grade": False,
            "locked": False,
            "solution": True,
        }
        notebook.cells[exercise.check].metadata["nbgrader"] = {
            **shared,
            "grade_id": f"check_{exercise.function}",
            "grade": True,
            "locked": True,
            "points": exercise.stars,
            "solution": False,
        }
