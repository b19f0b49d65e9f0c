"""Checks of notebook 07, judging fairly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from hfnmp_lite.teach.checks.verdict import (
    call,
    checker,
    fail,
    need_shape,
    need_values,
    numbers,
    say,
)


def _rates(attack: Sequence[float], live: Sequence[float], at: float) -> tuple[Fraction, Fraction]:
    """FAR and FRR by counting, exact."""
    far = Fraction(sum(s >= at for s in attack), len(attack))
    return far, Fraction(sum(s < at for s in live), len(live))


def _candidates(scores: Sequence[float]) -> list[float]:
    values = sorted(set(scores))
    return values[:1] + [(a + b) / 2 for a, b in pairwise(values)]


def _eer_threshold(attack: Sequence[float], live: Sequence[float]) -> float:
    points = {at: _rates(attack, live, at) for at in _candidates(attack + live)}
    return min(points, key=lambda at: (abs(points[at][0] - points[at][1]), sum(points[at]), -at))


def _drawn(count: int) -> Iterator[tuple[list[float], list[float]]]:
    """Scores of attacks and of live faces at random, in eighths, so that many are equal.

    Their numbers are powers of two: rates are then exact, and a tie is one for everybody.
    """
    rng = np.random.default_rng(0)
    for _ in range(count):
        sizes = rng.choice([1, 2, 4], 2)
        yield tuple((rng.integers(0, 9, size) / 8).tolist() for size in sizes)


@checker
def check_eer_threshold(fn: Callable) -> int:
    """Exercise 07.1: scores (n,), live (n,) -> the threshold where FAR and FRR are nearest."""
    # attack scores, live scores -> threshold: worked by hand
    cases = [
        ([0.1, 0.2, 0.3], [0.7, 0.8], 0.5),
        ([0.1, 0.2, 0.6], [0.4, 0.8, 0.9], 0.5),
        ([0.8, 0.9], [0.1, 0.2], 0.5),
        ([0.5, 0.5], [0.5, 0.5, 0.5], 0.5),
        ([0.1, 0.9], [0.5], 0.3),  # .3 and .7 are equally far apart: the smaller sum wins
        ([0.1, 0.2, 0.4, 0.9], [0.15, 0.4, 0.5, 0.6], 0.45),  # .3 and .45 tie: the later wins
        ([0.05, 0.15, 0.25, 0.65], [0.35, 0.55, 0.75, 0.85, 0.95], 0.45),
    ]
    cases += [(attack, live, _eer_threshold(attack, live)) for attack, live in _drawn(12)]
    for attack, live, expected in cases:
        given = f"attack scores {attack} and live scores {live}"
        scores = np.array(live + attack)
        labels = np.array([1] * len(live) + [0] * len(attack))
        result = call(fn, given, scores, labels)
        need_shape(given, result, (), {(2,): "return the threshold alone"}, "one number")
        points = {at: _rates(attack, live, at) for at in _candidates(attack + live)}
        far, frr = points[expected]
        gap = {at: abs(a - r) for at, (a, r) in points.items()}
        total = {at: a + r for at, (a, r) in points.items()}
        ascending, rising = sorted(points), sorted(scores)
        mistakes = [
            (min(ascending, key=gap.get), "of equally good candidates the first was taken"),
            (min(ascending, key=total.get), "FAR + FRR was minimised; the EER wants them equal"),
            (
                min(rising, key=lambda at: abs(np.subtract(*_rates(attack, live, at)))),
                "candidates are midpoints of neighbouring scores, not the scores",
            ),
            (float(far + frr) / 2, "this is the error rate; the threshold is asked for"),
        ]
        need_values(
            given,
            result,
            np.array(expected),
            mistakes,
            f"there FAR is {far} and FRR {frr}; compare |FAR - FRR| over all candidates",
        )
    return len(cases)


@checker
def check_iso_rates(fn: Callable) -> int:
    """Exercise 07.2: scores (n,), live (n,), attack_type (n,), threshold -> (APCER, BPCER)."""
    nan = float("nan")
    # scores of live, print, replay; threshold -> APCER, BPCER: worked by hand
    cases = [
        ([0.9, 0.8, 0.3, 0.6], [0.1, 0.6, 0.2], [0.7, 0.8, 0.2, 0.4, 0.9], 0.5, (3 / 5, 1 / 4)),
        ([0.9, nan, 0.3, 0.6, 0.7], [0.9, 0.6, 0.2], [0.7, 0.1, nan, nan], 0.5, (2 / 3, 2 / 5)),
        ([0.4, 0.2], [0.4, 0.1, 0.1], [0.1], 0.4, (1 / 3, 1 / 2)),  # at the threshold: accepted
    ]
    for live, prints, replays, threshold, expected in cases:
        given = f"live {live}, print {prints}, replay {replays} and threshold {threshold}"
        scores = np.array(live + prints + replays)
        labels = np.array([1] * len(live) + [0] * len(prints + replays))
        types = np.array([""] * len(live) + ["print"] * len(prints) + ["replay"] * len(replays))
        result = call(fn, given, scores, labels, types, threshold)
        other = "return two numbers: APCER, then BPCER"
        need_shape(given, result, (2,), {(): "one number came back; two are asked for"}, other)
        apcer, bpcer = expected
        shares = [sum(s >= threshold for s in kind) / len(kind) for kind in (prints, replays)]
        pooled = sum(s >= threshold for s in prints + replays) / len(prints + replays)
        scored = [[s for s in kind if s == s] for kind in (live, prints, replays)]
        skipped = [sum(s >= threshold for s in kind) / len(kind) for kind in scored]
        above = [sum(s > threshold for s in kind) / len(kind) for kind in (live, prints, replays)]
        below = sum(s < threshold for s in live) / len(live)
        mistakes = [
            ((max(above[1:]), 1 - above[0]), "a score equal to the threshold is accepted"),
            (
                (pooled, bpcer),
                "all attacks were pooled (FAR); APCER is the worst type's share",
            ),
            ((sum(shares) / 2, bpcer), "the types were averaged; APCER is the worst type's share"),
            ((min(shares), bpcer), "the best type was taken; APCER is the worst type's share"),
            (
                (max(skipped[1:]), 1 - skipped[0]),
                "presentations without a score (NaN) were left out; they count in every share",
            ),
            (
                (apcer, below),
                "a live face without a score (NaN) is rejected, and `NaN < threshold` is False: "
                "count what is not accepted",
            ),
            ((bpcer, apcer), "APCER comes first, then BPCER"),
            ((1 - apcer, 1 - bpcer), "these are shares of right decisions, not errors"),
        ]
        other = "accepted of each type / all of it, the largest; rejected live / all live"
        need_values(given, result, np.array(expected), mistakes, other)
    return len(cases)


@checker
def check_best_in_hindsight(fn: Callable) -> int:
    """Exercise 07.3: scores (m, n), live (n,) -> (checkpoint, lowest HTER at any threshold)."""
    # Each checkpoint's live scores, attack scores -> the best one's number and HTER: by hand
    cases = [
        (
            [
                ([0.9, 0.2], [0.1, 0.3, 0.4]),  # 1/4 at 0.65
                ([0.6, 0.51], [0.55, 0.1, 0.2]),  # 1/6 at 0.51
                ([0.3, 0.45], [0.1, 0.2, 0.05]),  # 0 at 0.25
            ],
            (2, 0.0),
        ),
        (
            [
                ([0.7, 0.9], [0.75, 0.65]),  # 1/4 at 0.7
                ([0.1, 0.2], [0.8, 0.9]),  # 1/2: accept all, or none
            ],
            (0, 1 / 4),
        ),
        ([([0.2], [0.4, 0.6, 0.8])], (0, 1 / 2)),
        (
            [
                ([0.5, 0.9], [0.1, 0.2, 0.3, 0.6, 0.95]),  # 1/5
                ([0.1, 0.9], [0.05, 0.2, 0.3, 0.4, 0.85]),  # 1/4: FAR 0, FRR 1/2
                ([0.3, 0.4], [0.1, 0.2, 0.35, 0.9, 0.25]),  # 1/5, but later
            ],
            (0, 1 / 5),
        ),
    ]
    cases += [(rows, _best(rows)) for rows in _drawn_rows(8)]
    for rows, expected in cases:
        given = f"(live | attack) scores {'; '.join(f'{a} | {b}' for a, b in rows)}"
        scores = np.array([live + attack for live, attack in rows])
        labels = np.array([1] * len(rows[0][0]) + [0] * len(rows[0][1]))
        result = call(fn, given, scores, labels)
        causes = {(): "one number came back; two are asked for", (len(rows),): "choose one row"}
        causes.pop((2,), None)
        need_shape(given, result, (2,), causes, "return the row's number, then its HTER")
        fixed = [float(sum(_rates(attack, live, 0.5))) / 2 for live, attack in rows]
        lowest = [_lowest(live, attack) for live, attack in rows]
        worst = max(range(len(rows)), key=lambda i: lowest[i])
        mistakes = [
            ((int(np.argmin(fixed)), min(fixed)), "only the threshold 0.5 was tried; try all"),
            ((worst, max(lowest)), "the worst checkpoint was chosen"),
            (expected[::-1], "the checkpoint's number comes first, then its HTER"),
            ((expected[0], 2 * expected[1]), "HTER is (FAR + FRR) / 2"),
            ((expected[0], sum(lowest) / len(lowest)), "the mean over checkpoints, not the best's"),
        ]
        other = "try every score as a threshold, for every row; of equally good rows take the first"
        need_values(given, result, np.array(expected), mistakes, other)
    return len(cases)


def _best(rows: Sequence[tuple[Sequence[float], Sequence[float]]]) -> tuple[int, float]:
    lowest = [_lowest(live, attack) for live, attack in rows]
    return lowest.index(min(lowest)), min(lowest)


def _drawn_rows(count: int) -> Iterator[list[tuple[list[float], list[float]]]]:
    """Scores of two checkpoints on four live faces and four attacks, in eighths."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        both = (rng.integers(0, 9, (2, 8)) / 8).tolist()
        yield [(scores[:4], scores[4:]) for scores in both]


def _lowest(live: Sequence[float], attack: Sequence[float]) -> float:
    return float(min(sum(_rates(attack, live, at)) / 2 for at in [*live, *attack, np.inf]))


@checker
def check_draw_subjects(fn: Callable) -> int:
    """Exercise 07.4: subject (n,), seed -> indices of the presentations of the subjects drawn."""
    cases = [["a", "b", "b", "c", "b", "c", "d", "d"], ["y", "x", "y", "x", "x"]]
    for names in cases:
        subject, kinds = np.array(names), sorted(set(names))
        given = f"subjects {names}"
        met = []
        for seed in range(300):
            here = f"{given} and seed {seed}"
            drawn = _indices(here, call(fn, here, subject, seed), len(names))
            times = [drawn.count(i) for i in range(len(names))]
            by = {kind: {t for t, name in zip(times, names, strict=True) if name == kind}
                  for kind in kinds}  # fmt: skip
            split = next((kind for kind in kinds if len(by[kind]) > 1), None)
            if split is not None:
                fail(
                    here,
                    f"presentations of '{split}' {sorted(by[split])} times",
                    "all of a subject's presentations equally often",
                    "presentations were drawn; draw subjects, and each brings all that are theirs",
                )
            counts = [min(by[kind]) for kind in kinds]
            if sum(counts) != len(kinds):
                cause = "draw as many subjects as there are"
                if max(counts) == 1 and sum(counts) > 1:
                    cause = (
                        "a subject drawn twice brings its presentations twice: `np.isin` does not"
                    )
                fail(here, f"{sum(counts)} subjects", f"{len(kinds)}", cause)
            met.append(tuple(counts))
        for seed in range(20):  # one or two may agree by chance
            again, first = (
                sorted(_indices(given, call(fn, given, subject, seed), len(names))) for _ in "ab"
            )
            if again != first:
                cause = "draw with `np.random.default_rng(seed)`, so that a result can be repeated"
                here = f"{given} and seed {seed}, twice"
                fail(here, "two different draws", "the same draw", cause)
        _need_chance(given, met, len(kinds))
    return len(cases)


def _indices(given: str, result: object, n: int) -> list[int]:
    values = numbers(given, result)
    plain = result.detach() if hasattr(result, "detach") else result
    if values.ndim != 1 or np.asarray(plain).dtype == bool:
        cause = "return one list of numbers; `np.concatenate` joins those of the subjects"
        if values.ndim == 1:
            cause = "a mask holds each presentation once at most; return indices (np.flatnonzero)"
        fail(given, say(result), "indices, shape (k,)", cause)
    if (values != values.round()).any() or (values < 0).any() or (values >= n).any():
        fail(given, say(result), f"indices from 0 to {n - 1}", "np.flatnonzero(subject == one)")
    return [int(v) for v in values]


def _need_chance(given: str, met: list[tuple[int, ...]], k: int) -> None:
    """The counts of k subjects over many seeds look like draws with replacement."""
    here = f"{given} and {len(met)} seeds"
    if len(set(met)) == 1:
        cause = "the seed was not used"
        if set(met[0]) == {1}:
            cause = "without replacement every subject comes once: nothing is left to chance"
        fail(here, f"always the counts {met[0]}", "draws that differ", cause)
    mean = np.mean(met, axis=0)
    spread = 5 * np.sqrt((1 - 1 / k) / len(met))  # five standard errors of a mean count
    if (np.abs(mean - 1) > spread).any():
        cause = "every subject must be equally likely, whatever the number of its presentations"
        fail(here, f"mean counts {mean.round(2).tolist()}", "1 for each subject", cause)
