"""Slips of the pen, by program: no check passes an answer that is wrong on some input.

The solutions of the notebooks and the right answers of tests/answers_*.py are mutated; a mutant
that its check passes must then agree with the solution on whatever the check gave it, and on
random inputs. What is open to several answers is judged by its task's own rule.
"""

import ast
import copy
import json
import runpy
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from exercise_inputs import INPUTS, OPEN
from mutants import bare, mutants

from hfnmp_lite.teach import checks

HERE = Path(__file__).resolve().parent
RANDOM = 30  # inputs for each mutant that passed
# Mutants that a check may pass though they are wrong somewhere, and where: a part of the change.
LISTED = {
    # white noise: frequencies k and N - k have one magnitude, and rounding decides which is first
    "peak_frequency": "np.fft.rfft(signal - signal.mean()) -> np.fft.fft(signal - signal.mean())",
}


@dataclass
class Solution:
    """A right answer: its function's name, what of its file it needs, and the names there."""

    name: str
    source: str
    space: dict
    handed: list = field(default_factory=list)  # what a check gave it

    def compiled(self, tree: ast.Module) -> Callable:
        own = dict(self.space)
        exec(compile(tree, "answer", "exec"), own)
        return own[self.name]

    def recorded(self, *arguments):
        """Answer, and keep what was given."""
        if not has_graph(arguments) and len(self.handed) < 12:
            self.handed.append(copy.deepcopy(arguments))
        return self.compiled(bare(self.source))(*arguments)


def solutions_of_notebooks() -> Iterator[tuple[str, Solution]]:
    for path in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        sources = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        solved = [ast.unparse(bare(s)) for s in sources if "### BEGIN SOLUTION" in s]
        lines = [n for s in sources for n in ast.parse(s).body if hasattr(n, "names")]
        used = {n.id for s in solved for n in ast.walk(ast.parse(s)) if isinstance(n, ast.Name)}
        space = {}
        for line in lines:  # imports
            if used & {(a.asname or a.name).split(".")[0] for a in line.names}:
                exec(compile(ast.Module([line], []), path.name, "exec"), space)
        for source in solved:
            name = ast.parse(source).body[-1].name
            yield name, Solution(name, source, space)


def answers_of_tests() -> Iterator[tuple[str, Solution]]:
    for path in [HERE / "test_checks.py", *sorted(HERE.glob("answers_*.py"))]:
        space = runpy.run_path(str(path))
        nodes = {name: n for n in bare(path.read_text()).body for name in bound(n)}
        for exercise, (right, _) in space["ANSWERS"].items():
            for name in (getattr(answer, "__name__", "") for answer in right):
                if name in nodes:
                    source = ast.unparse(ast.Module(needed(name, nodes), []))
                    yield exercise, Solution(name, source, space)


def bound(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else []
    own = [node.name] if isinstance(node, ast.FunctionDef) else []
    return own + [t.id for t in targets if isinstance(t, ast.Name) and t.id != "ANSWERS"]


def needed(name: str, nodes: dict[str, ast.stmt]) -> list[ast.stmt]:
    """A function and whatever of its file it uses, in order."""
    found, fresh = {}, {name}
    while fresh:
        found |= {one: nodes[one] for one in fresh}
        walked = [n for one in fresh for n in ast.walk(nodes[one])]
        fresh = ({n.id for n in walked if isinstance(n, ast.Name)} & set(nodes)) - set(found)
    return sorted(found.values(), key=lambda n: n.lineno)


@pytest.fixture(scope="module")
def solutions() -> dict[str, list[Solution]]:
    found: dict[str, dict[str, Solution]] = {}
    for exercise, solution in [*solutions_of_notebooks(), *answers_of_tests()]:
        found.setdefault(exercise, {}).setdefault(solution.source, solution)
    return {exercise: list(several.values()) for exercise, several in found.items()}


def has_graph(arguments: tuple) -> bool:
    """Whether there is a tensor that autograd will not copy."""
    return any(isinstance(a, torch.Tensor) and not a.is_leaf for a in arguments)


def plain(value: object) -> object:
    """What can be compared of whatever came back."""
    if isinstance(value, torch.Tensor):
        return value.detach().double().numpy()
    if isinstance(value, dict):
        return {key: v for key, v in value.items() if not same(plain(v), 0)}  # as a Counter has it
    if isinstance(value, list | tuple):
        items = [plain(v) for v in value]
        try:
            array = np.asarray(items)
        except ValueError:  # of several shapes
            return items
        return array if array.dtype.kind in "biufc" else items
    return value


def is_number(value: object) -> bool:
    """Whether it is a number or an array of numbers."""
    return isinstance(value, np.ndarray | np.generic | int | float | complex) and (
        np.asarray(value).dtype.kind in "biufc"
    )


def same(a: object, b: object) -> bool:
    """Whether two plain values say the same, up to rounding."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(plain(a[k]), plain(b[k])) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if not all(is_number(x) for x in (a, b)):
        return type(a) is type(b) and np.array_equal(a, b)
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-5, atol=1e-5, equal_nan=True)


def drawn(exercise: str, seed: int) -> Callable[[], tuple]:
    """Return what hands out one random input, untouched by who had it before."""
    first = INPUTS[exercise](np.random.default_rng(seed))
    if has_graph(first):  # which backward() uses up, and which cannot be copied
        return lambda: INPUTS[exercise](np.random.default_rng(seed))
    return lambda: copy.deepcopy(first)


def outcome(answer: Callable, hand_out: Callable[[], tuple]) -> list | None:
    """What an answer returns and what it leaves of its arguments; None where it raises."""
    handed = hand_out()
    graph = has_graph(handed)
    try:
        result = plain(answer(*handed))
    except Exception:
        return None
    return [result] if graph else [result, *(plain(a) for a in handed if not callable(a))]


def judge(exercise: str, right: Callable, inputs: list[Callable[[], tuple]]) -> Callable:
    """Return a function: an answer -> the first input on which it is wrong, or None."""
    if exercise in OPEN:

        def fits(answer: Callable, hand_out: Callable[[], tuple]) -> bool:
            try:
                return bool(OPEN[exercise](answer, *hand_out()))
            except Exception:
                return False

        return lambda answer: next((i for i in inputs if not fits(answer, i)), None)
    wanted = [outcome(right, i) for i in inputs]
    pairs = [pair for pair in zip(inputs, wanted, strict=True) if pair[1] is not None]
    assert len(pairs) > RANDOM / 2  # the others are no inputs of this exercise
    return lambda answer: next((i for i, w in pairs if not same(outcome(answer, i), w)), None)


def escaped(exercise: str, check: Callable, solution: Solution) -> Iterator[str]:
    """Yield the mutants that a check passes though they are wrong, each with an input."""
    right = solution.compiled(bare(solution.source))
    assert check(solution.recorded)
    inputs = [partial(copy.deepcopy, handed) for handed in solution.handed]
    inputs += [drawn(exercise, seed) for seed in range(RANDOM)]
    wrong_on = judge(exercise, right, inputs)
    assert wrong_on(right) is None
    for change, tree in mutants(bare(solution.source)):
        try:
            mutant = solution.compiled(tree)
        except Exception:  # not even a function
            continue
        if check(mutant) and (found := wrong_on(mutant)) is not None:
            yield f"{solution.name}, {change}: wrong for {found()}"


@pytest.mark.parametrize("exercise", INPUTS)
def test_no_slip_in_a_right_answer_passes_the_check(exercise, solutions):
    check = getattr(checks, f"check_{exercise}")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = [e for solution in solutions[exercise] for e in escaped(exercise, check, solution)]
    found = [e for e in found if exercise not in LISTED or LISTED[exercise] not in e]
    assert not found, "\n".join(found)


def test_every_exercise_has_inputs_and_hundreds_of_mutants_in_all(solutions):
    assert set(INPUTS) == set(solutions)
    assert {f"check_{name}" for name in INPUTS} == {n for n in dir(checks) if n[:6] == "check_"}
    first = [several[0] for several in solutions.values()]
    assert sum(1 for s in first for _ in mutants(bare(s.source))) > 4000


def test_a_weak_check_lets_mutants_escape():
    def one_case(answer):
        with suppress(Exception):
            return np.all(answer(np.zeros(3), np.ones(2)) == 1)

    weak = Solution("shift", "def shift(a, b):\n    return b.mean() - 2 * a.mean()", {})
    found = list(escaped("shift", one_case, weak))
    assert any("2 -> 3" in e for e in found)
    assert any("a.mean() -> a.max()" in e for e in found)
    assert not any("b -> a" in e for e in found)  # caught
