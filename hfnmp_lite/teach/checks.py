"""Checks of the course's exercises: did I get it right, and if not, why not?

`check_<name>(fn)` calls a student's function on small cases and returns a `Verdict`, which a
notebook shows as a green or red note. A check never raises and never stops "Run All". Expected
values are worked out by hand or in plain Python, never with the code that the exercise leads to.
"""

from __future__ import annotations

import copy
import functools
import html
import math
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hfnmp_lite.data.presentations import Presentation

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


class _Wrong(Exception):
    """The student's answer is wrong; the message says how."""


def _checker(cases: Callable[[Callable], int]) -> Callable[[Any], Verdict]:
    """Turn a function that raises `_Wrong` or returns the number of cases into a check."""
    name = cases.__name__.removeprefix("check_")

    @functools.wraps(cases)
    def check(fn: Any) -> Verdict:
        if not callable(fn):
            return Verdict(
                name, False, f"got {_say(fn)}; give the check the function itself, without (...)"
            )
        try:
            count = cases(fn)
        except _Wrong as wrong:
            return Verdict(name, False, str(wrong))
        return Verdict(name, True, f"all {count} cases are right")

    return check


def _call(fn: Callable, given: str, *arguments: Any) -> Any:
    """Call a student's function; whatever goes wrong in it becomes `_Wrong`."""
    handed = copy.deepcopy(arguments)
    try:
        result = fn(*handed)
    except NotImplementedError:
        raise _Wrong(
            "it is not written yet: put your code where `raise NotImplementedError()` stands"
        ) from None
    except Exception as error:
        raise _Wrong(f"for {given} it raised {_where(error, fn)}") from None
    if not all(map(_same, handed, arguments)):
        raise _Wrong(
            f"for {given} it changed its input in place: work on a copy, or use operations that "
            "return something new (`x / 255`, not `x /= 255`)"
        )
    if result is None:
        raise _Wrong(f"for {given} it returned None: is the `return` missing?")
    return result


def _where(error: Exception, fn: Callable) -> str:
    """Name an exception and the line of the student's cell that it passed last."""
    text = f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"
    cell = getattr(getattr(fn, "__code__", None), "co_filename", None)
    theirs = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == cell]
    if not theirs:
        return f"{text}. Likely cause: it does not take the arguments that the task names"
    line = f": `{theirs[-1].line}`" if theirs[-1].line else ""
    return f"{text} (in line {theirs[-1].lineno} of its cell{line})"


def _same(a: Any, b: Any) -> bool:
    if hasattr(a, "shape"):
        return np.array_equal(_array(a), _array(b), equal_nan=_array(a).dtype.kind == "f")
    return bool(a == b)


def _array(value: Any) -> np.ndarray:
    """Turn a tensor, array, number or sequence of these into an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def _numbers(given: str, result: Any) -> np.ndarray:
    """Turn what a student's function returned into an array of numbers, or say that it is none."""
    try:
        return _array(result).astype(np.float64)
    except Exception:  # lists of uneven lengths, text, None among numbers, ...
        raise _Wrong(f"for {given} it returned {_say(result)}, which is not all numbers") from None


def _say(value: Any) -> str:
    """Describe a value in a few words."""
    if hasattr(value, "shape") and hasattr(value, "dtype") and math.prod(value.shape) > 6:
        return f"{type(value).__name__} of shape {tuple(value.shape)}, {value.dtype}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def _fail(given: str, returned: str, expected: str, cause: str) -> None:
    raise _Wrong(f"for {given} it returned {returned}, expected {expected}. Likely cause: {cause}")


def _shape(given: str, result: Any, expected: tuple[int, ...], causes: Mapping, other: str) -> None:
    """Require a shape; `causes` maps wrong shapes to what leads to them."""
    got = _numbers(given, result).shape
    if got != expected:
        _fail(given, f"shape {got}", f"shape {expected}", causes.get(got, other))


def _values(
    given: str,
    result: Any,
    expected: np.ndarray,
    mistakes: Sequence[tuple[Any, str]],
    other: str,
) -> None:
    """Require values; `mistakes` pairs what a known mistake returns with its name."""
    got = _numbers(given, result)
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
    _fail(given, f"{got[at]:.6g}{place}", f"{expected[at]:.6g}", cause)


# --- 00, start here -----------------------------------------------------------------------------


@_checker
def check_count_kinds(fn: Callable) -> int:
    """Exercise 00.1: presentations -> how many are "live", "print", "replay"."""
    frames = (Path("a.jpg"), Path("b.jpg"))
    kinds = ["print", None, "replay", "print", None, "print"]
    shown = [
        Presentation(f"p{i}", "webcam", f"s{i}", kind is None, kind, None, frames[: 1 + i % 2])
        for i, kind in enumerate(kinds)
    ]
    cases = [
        ("2 live, 3 print and 1 replay", shown, {"live": 2, "print": 3, "replay": 1}),
        ("one print alone", shown[:1], {"print": 1}),
    ]
    for given, presentations, expected in cases:
        counts = _call(fn, given, presentations)
        if not isinstance(counts, Mapping):
            _fail(given, _say(counts), "a dict", "the counts were not put under their names")
        counts = {kind: n for kind, n in counts.items() if n != 0}
        n_frames = sum(len(p.frames) for p in presentations)
        if counts == expected:
            continue
        if None in counts:
            cause = "`attack_type` is None for a live face; the key asked for is 'live'"
        elif sum(counts.values()) == n_frames:
            cause = "frames were counted; a presentation counts once, however many frames it has"
        elif set(counts) == set(expected) - {"live"}:
            cause = "live presentations were left out"
        else:
            cause = "each presentation counts once: 'live' if it is live, else its attack_type"
        _fail(given, str(dict(counts)), str(expected), cause)
    return len(cases)


@_checker
def check_to_batch(fn: Callable) -> int:
    """Exercise 00.2: image (H, W, 3) uint8 -> batch (1, 3, H, W) float32 in [0, 1]."""
    import torch

    sizes = [(4, 6), (8, 3)]
    for height, width in sizes:
        given = f"an image of shape ({height}, {width}, 3)"
        levels = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
        levels[0, 0] = (255, 0, 51)
        batch = _call(fn, given, levels)
        if not isinstance(batch, torch.Tensor):
            _fail(given, _say(batch), "a torch.Tensor", "torch.from_numpy was not called")
        causes = {
            (3, height, width): "the axis of the batch is missing: index with [None]",
            (1, height, width, 3): "channels stand last: permute(2, 0, 1) puts them first",
            (height, width, 3): "the image's axes were left as they were: permute, then [None]",
            (1, 3, width, height): "rows and columns changed places: permute(2, 0, 1)",
        }
        _shape(given, batch, (1, 3, height, width), causes, "the order asked for is N, 3, H, W")
        if batch.dtype != torch.float32:
            cause = "call .float() on the tensor; uint8 / 255 in NumPy gives float64"
            _fail(given, str(batch.dtype), "torch.float32", cause)
        expected = np.empty((1, 3, height, width))
        for row in range(height):
            for column in range(width):
                for channel in range(3):
                    expected[0, channel, row, column] = int(levels[row, column, channel]) / 255
        mistakes = [
            (255 * expected, "values were not divided by 255"),
            (255 / 256 * expected, "divide by 255, the largest level, not by 256"),
            (np.floor(expected), "levels were divided as integers: call .float() first"),
            (levels.reshape(expected.shape) / 255, "reshape moves no axis; permute does"),
            (expected[:, ::-1], "red and blue changed places; images here are RGB"),
        ]
        _values(given, batch, expected, mistakes, "pixels ended up in other places")
    return len(sizes)


@_checker
def check_live_score(fn: Callable) -> int:
    """Exercise 00.3: logits (N, 2), map (N, 1, h, w) -> score (N,)."""
    import torch

    logits = [[0.0, 0.0], [2.0, -1.0], [-0.5, 3.0]]
    maps = [[[0.0, 0.2], [0.4, 0.6]], [[1.0, 0.5], [0.0, 0.5]], [[0.9, 0.9], [0.9, 0.7]]]
    counts = (3, 1)
    for n in counts:
        given = f"a batch of {n}"
        live = [math.exp(b) / (math.exp(a) + math.exp(b)) for a, b in logits[:n]]
        mean = [sum(map(sum, values)) / 4 for values in maps[:n]]
        score = _call(fn, given, torch.tensor(logits[:n]), torch.tensor(maps[:n])[:, None])
        causes = {
            (): "the mean ran over the batch too: mean((1, 2, 3)) keeps one number a face",
            (n, 1): "the map's channel axis was kept: mean((1, 2, 3))",
            (n, 2): "both classes were kept: take [:, 1], the probability of live",
        }
        _shape(given, score, (n,), causes, "one score is asked for each face")
        live, mean = np.array(live), np.array(mean)
        raw = np.array(logits[:n])
        down = np.exp(raw) / np.exp(raw).sum(0)
        mistakes = [
            (live, "the map is missing: it gives the other half of the score"),
            (mean, "the class logits are missing: they give the other half of the score"),
            (live + mean, "halve the sum, so that a score stays in [0, 1]"),
            ((1 - live + mean) / 2, "index 1 is live; index 0 is attack"),
            ((down[:, 1] + mean) / 2, "softmax ran over the batch: softmax(1) runs over classes"),
            ((raw[:, 1] + mean) / 2, "logits are no probabilities yet: softmax(1)"),
            ((live + mean.mean()) / 2, "the map's mean ran over the batch too: mean((1, 2, 3))"),
        ]
        _values(given, score, (live + mean) / 2, mistakes, "compare with the equation of s")
    return len(counts)


@_checker
def check_error_rates(fn: Callable) -> int:
    """Exercise 00.4: scores (n,), live (n,), threshold -> (FAR, FRR)."""
    # attack scores, live scores, threshold -> FAR, FRR: worked by hand
    cases = [
        ([0.1, 0.2, 0.6], [0.4, 0.8, 0.9, 0.95], 0.5, (1 / 3, 1 / 4)),
        ([0.1, 0.5], [0.5, 0.3, 0.9], 0.5, (1 / 2, 1 / 3)),  # a score at the threshold is accepted
        ([0.8, 0.9], [0.1, 0.2, 0.3], 0.5, (1.0, 1.0)),
        ([0.1, 0.2, 0.3], [0.7], 0.0, (1.0, 0.0)),
    ]
    for attack, real, threshold, expected in cases:
        given = f"attack scores {attack}, live scores {real} and threshold {threshold}"
        scores = np.array(attack + real)
        live = np.array([0] * len(attack) + [1] * len(real))
        rates = _call(fn, given, scores, live, threshold)
        other = "return two numbers: FAR, then FRR"
        _shape(given, rates, (2,), {(): "one number came back; two are asked for"}, other)
        n, missed, refused = len(scores), expected[0] * len(attack), expected[1] * len(real)
        above = (scores[live == 0] > threshold).mean(), (scores[live == 1] <= threshold).mean()
        mistakes = [
            (above, "a score equal to the threshold is accepted: >=, not >"),
            ((missed / n, refused / n), "divide by the attacks alone, and by the live alone"),
            ((1 - expected[0], 1 - expected[1]), "these are shares of right decisions, not errors"),
            (expected[::-1], "FAR comes first, then FRR"),
            ((missed, refused), "these are counts; rates are shares"),
        ]
        other = "FAR: accepted attacks / attacks; FRR: rejected live / live"
        _values(given, rates, np.array(expected), mistakes, other)
    return len(cases)
