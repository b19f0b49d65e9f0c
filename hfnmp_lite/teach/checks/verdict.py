"""What a check is made of: calling a student's function, comparing, saying what went wrong."""

from __future__ import annotations

import copy
import functools
import html
import math
import os
import re
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

TOLERANCE = 1e-5  # absolute; values here are of order 1 and float32 will do


@dataclass(frozen=True)
class Verdict:
    """What a check found: true if passed; shown as a note where a notebook displays it.

    Attributes
    ----------
    name : str
        Of the exercise's function.
    passed : bool
        Whether every case came out right.
    message : str
        What was given, returned and expected, and the likely cause; or how many cases passed.
    """

    name: str
    passed: bool
    message: str

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"{'passed' if self.passed else 'not yet'}: {self.name}: {self.message}"

    def _repr_html_(self) -> str:
        colour, word = ("#2e7d32", "Passed") if self.passed else ("#c62828", "Not yet")
        style = f"border-left: 4px solid {colour}; padding: 0.2em 0.8em; white-space: pre-wrap"
        text = re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(self.message))
        return f'<div style="{style}"><b>{word}:</b> <code>{self.name}</code>: {text}</div>'


class Wrong(Exception):
    """The student's answer is wrong; the message says how."""


class NotYet(AssertionError):
    """A check failed while nbgrader runs the notebook, which counts errors, not notes."""


def checker(cases: Callable[[Callable], int]) -> Callable[[Any], Verdict | None]:
    """Turn a function that raises `Wrong` or returns the number of cases into a check.

    The check returns a `Verdict`. Where nbgrader executes the notebook it raises `NotYet` for one
    that failed and prints one that passed: nbgrader counts errors, and takes what a cell returns
    for partial credit, and a warning for a failure.
    """
    name = cases.__name__.removeprefix("check_")

    @functools.wraps(cases)
    def check(fn: Any) -> Verdict:
        if not os.environ.get("NBGRADER_EXECUTION"):
            return _judge(name, cases, fn)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            verdict = _judge(name, cases, fn)
        if not verdict:
            raise NotYet(f"{name}: {verdict.message}")
        print(verdict)
        return None

    return check


def _judge(name: str, cases: Callable[[Callable], int], fn: Any) -> Verdict:
    if not callable(fn):
        said = f"got {say(fn)}; give the check the function itself, without (...)"
        return Verdict(name, False, said)
    try:
        count = cases(fn)
    except Wrong as wrong:
        return Verdict(name, False, str(wrong))
    except Exception as error:  # a check never raises, whatever it was handed
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        cause = "it returned something that this check cannot read; compare with the docstring"
        return Verdict(name, False, f"{cause} ({said})")
    return Verdict(name, True, f"all {count} cases are right")


def call(fn: Callable, given: str, *arguments: Any, in_place: bool = False) -> Any:
    """Call a student's function; whatever goes wrong in it becomes `Wrong`.

    It gets copies, which must stay as they are; with `in_place` the arguments, to be changed.
    """
    handed = arguments if in_place else copy.deepcopy(arguments)
    try:
        result = fn(*handed)
    except NotImplementedError:
        raise Wrong(
            "it is not written yet: put your code where `raise NotImplementedError()` stands"
        ) from None
    except (Exception, SystemExit) as error:
        raise Wrong(f"for {given} it raised {_where(error, fn)}") from None
    if not in_place and not all(map(_same, handed, arguments)):
        raise Wrong(
            f"for {given} it changed its input in place: work on a copy, or use operations that "
            "return something new (`x / 255`, not `x /= 255`)"
        )
    if result is None:
        raise Wrong(f"for {given} it returned None: is the `return` missing?")
    return result


def _where(error: BaseException, fn: Callable) -> str:
    """Name an exception and the line of the student's cell that it passed last."""
    text = f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"
    cell = getattr(getattr(fn, "__code__", None), "co_filename", None)
    theirs = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == cell]
    if not theirs and not isinstance(error, TypeError):
        return text
    if not theirs:
        return f"{text}. Likely cause: it does not take the arguments that the task names"
    line = f": `{theirs[-1].line}`" if theirs[-1].line else ""
    cause = ""
    if isinstance(error, NameError) and not isinstance(error, UnboundLocalError):
        cause = ". Likely cause: a slip of the pen, or a cell above that did not run"
    return f"{text} (in line {theirs[-1].lineno} of its cell{line}){cause}"


def _same(a: Any, b: Any) -> bool:
    if hasattr(a, "shape"):
        return np.array_equal(_array(a), _array(b), equal_nan=_array(a).dtype.kind == "f")
    return bool(a == b)


def _array(value: Any) -> np.ndarray:
    """Turn a tensor, array, number or sequence of these into an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def numbers(given: str, result: Any) -> np.ndarray:
    """Turn what a student's function returned into an array of numbers, or say that it is none."""
    try:
        array = _array(result)
        read = array.astype(np.float64) if array.dtype.kind != "c" else None
    except Exception:  # lists of uneven lengths, words among numbers, ...
        array, read = np.empty(0, "U"), None
    if array.dtype.kind == "c":
        raise Wrong(f"for {given} it returned {say(result)}, not real: np.abs gives the modulus")
    # NumPy reads digits in text, and None as NaN
    if array.dtype.kind in "US" or any(value is None for value in array.ravel().tolist()):
        raise Wrong(f"for {given} it returned {say(result)}, which is not all numbers of one shape")
    return read


def say(value: Any) -> str:
    """Describe a value in a few words."""
    shape = getattr(value, "shape", None)  # of NumPy itself, a function
    if isinstance(shape, tuple) and hasattr(value, "dtype") and math.prod(shape) > 6:
        return f"{type(value).__name__} of shape {tuple(value.shape)}, {value.dtype}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def fail(given: str, returned: str, expected: str, cause: str) -> None:
    raise Wrong(f"for {given} it returned {returned}, expected {expected}. Likely cause: {cause}")


def need_shape(
    given: str, result: Any, expected: tuple[int, ...], causes: Mapping, other: str
) -> None:
    """Require a shape; `causes` maps wrong shapes to what leads to them."""
    got = numbers(given, result).shape
    if got != expected:
        fail(given, f"shape {got}", f"shape {expected}", causes.get(got, other))


def need_values(
    given: str,
    result: Any,
    expected: np.ndarray,
    mistakes: Sequence[tuple[Any, str]],
    other: str,
) -> None:
    """Require values; `mistakes` pairs what a known mistake returns with its name."""
    got = numbers(given, result)
    if np.allclose(got, expected, rtol=0, atol=TOLERANCE):
        return
    cause = other
    if np.isnan(got).any():
        cause = "a division by zero, or a logarithm of zero"
    for wrong, name in mistakes:
        if np.shape(wrong) == got.shape and np.allclose(got, wrong, rtol=0, atol=TOLERANCE):
            cause = name
    at = np.unravel_index(int(np.argmax(~np.isclose(got, expected, 0, TOLERANCE))), got.shape)
    place = f" at [{', '.join(map(str, at))}]" if at else ""
    fail(given, f"{got[at]:.6g}{place}", f"{expected[at]:.6g}", cause)
