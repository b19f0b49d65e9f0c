"""Checks of notebook 08, ablations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hfnmp_lite.teach.checks.verdict import call, checker, need_shape, need_values


@checker
def check_mean_gain(fn: Callable) -> int:
    """Exercise 08.1: {seed: HTER} of baseline and of arm -> points saved, over common seeds."""
    # worked by hand: only seeds 0 and 2 are common, (.10 + .06) / 2 = .08
    cases = [
        ({0: 0.30, 1: 0.20, 2: 0.46}, {2: 0.40, 0: 0.20}, 8.0),
        ({7: 0.25}, {7: 0.40, 3: 0.05}, -15.0),
        ({0: 0.5, 1: 0.5, 4: 0.5}, {4: 0.4, 0: 0.25, 1: 0.5}, 35 / 3),  # of 25, 0 and 10
    ]
    for baseline, arm, expected in cases:
        given = f"baseline {baseline} and arm {arm}"
        result = call(fn, given, baseline, arm)
        need_shape(given, result, (), {}, "one number is asked for, the mean over common seeds")
        apart = sum(baseline.values()) / len(baseline) - sum(arm.values()) / len(arm)
        common = [s for s in baseline if s in arm]
        in_order = zip(baseline.values(), arm.values(), strict=False)
        by_place = [b - a for b, a in in_order]
        mistakes = [
            (-expected, "the sign: baseline less arm, positive where the arm errs less"),
            (expected / 100, "the unit: points are hundredths, so multiply by 100"),
            (100 * apart, "a seed that only one of them has was counted; keep the common ones"),
            (
                100 * sum(by_place) / len(by_place),
                "values were paired by their place; pair them by their seed",
            ),
            (expected * len(common), "this is the sum over seeds; the mean is asked for"),
        ]
        need_values(given, result, np.array(expected), mistakes, "mean of 100 (baseline - arm)")
    return len(cases)


@checker
def check_paired_gains(fn: Callable) -> int:
    """Exercise 08.2: baseline (P,), arm (P,), drawn (B, P) -> gain in every resample (B,)."""
    # worked by hand: gains of the subjects are 50, 0, -25 and 100, 25 points
    cases = [
        (
            [0.75, 0.25, 0.0],
            [0.25, 0.25, 0.25],
            [[0, 1, 2], [0, 0, 0], [2, 2, 1], [0, 2, 2]],
            [25 / 3, 50.0, -50 / 3, 0.0],
        ),
        ([1.0, 0.5], [0.0, 0.25], [[1, 1], [0, 1], [0, 0]], [25.0, 62.5, 100.0]),
    ]
    for baseline, arm, drawn, expected in cases:
        given = f"errors {baseline} and {arm} and draws {drawn}"
        n = len(drawn)
        result = call(fn, given, np.array(baseline), np.array(arm), np.array(drawn))
        causes = {
            (len(baseline),): "the mean ran over the resamples; it runs over the subjects: mean(1)",
            (): "one number came back; one is asked for each resample: mean(1)",
            (n, len(baseline)): "the mean over the drawn subjects is missing: mean(1)",
            (2,): "the interval comes later; here every resample's gain is asked for",
        }
        need_shape(given, result, (n,), causes, "one gain for each resample")
        whole = 100 * (sum(baseline) - sum(arm)) / len(arm)
        base = [100 * sum(baseline[i] for i in row) / len(row) for row in drawn]
        mean_arm = 100 * sum(arm) / len(arm)
        mistakes = [
            ([-e for e in expected], "the sign: baseline less arm"),
            ([e / 100 for e in expected], "the unit: points are hundredths"),
            ([whole] * n, "the draws were not used: index the errors with `drawn`"),
            ([b - mean_arm for b in base], "only the baseline was resampled; both judge the same"),
            ([b - whole for b in base], "only the baseline was resampled; both judge the same"),
            (base, "these are the baseline's errors; subtract the arm's"),
        ]
        need_values(given, result, np.array(expected), mistakes, "mean of the drawn differences")
    return len(cases)


@checker
def check_gains_of_both(fn: Callable) -> int:
    """Exercise 08.3: gains (S, P), seeds (B, M), subjects (B, P) -> mean of every resample (B,)."""
    gains = [[0.0, 8.0, 4.0], [16.0, 32.0, 0.0]]
    # worked by hand: rows drawn, columns drawn, and the mean over all their crossings
    resamples = [
        ([0], [0, 1, 2], 4.0),
        ([1], [1, 1, 1], 32.0),
        ([1], [0, 2, 2], 16 / 3),
        ([0], [2, 2, 1], 16 / 3),
        ([0, 1], [0, 0, 1], (0 + 0 + 8 + 16 + 16 + 32) / 6),
        ([1, 1], [2, 2, 0], 16 / 3),
    ]
    cases = [[r for r in resamples if len(r[0]) == m] for m in (1, 2)]
    for drawn in cases:
        seeds, subjects, expected = (list(part) for part in zip(*drawn, strict=True))
        given = f"gains {gains}, seeds {seeds} and subjects {subjects}"
        result = call(fn, given, np.array(gains), np.array(seeds), np.array(subjects))
        causes = {
            (): "one number came back; one is asked for each resample",
            (len(drawn), 3): "the mean over subjects is missing",
            (len(drawn), len(seeds[0])): "the mean over seeds is missing",
            (len(drawn), len(seeds[0]), 3): "both means are missing: mean((1, 2))",
        }
        need_shape(given, result, (len(drawn),), causes, "one mean for each resample")
        by_subject = [sum(g) / 2 for g in zip(*gains, strict=True)]
        by_seed = [sum(g) / 3 for g in gains]
        mistakes = [
            (
                [sum(by_subject[i] for i in s) / 3 for s in subjects],
                "the drawn seeds were not used: all of them count in every resample",
            ),
            (
                [sum(by_seed[i] for i in s) / len(s) for s in seeds],
                "the drawn subjects were not used",
            ),
            ([sum(by_seed) / 2] * len(drawn), "nothing was resampled: this is the plain mean"),
            ([-e for e in expected], "the gains are given; their sign stays"),
            ([100 * e for e in expected], "the gains are in points already"),
        ]
        other = "every drawn seed meets every drawn subject; take the mean over all crossings"
        need_values(given, result, np.array(expected), mistakes, other)
    return sum(map(len, cases))


@checker
def check_best_of_many(fn: Callable) -> int:
    """Exercise 08.4: two measurements (R, A) -> the winner's mean gain then, and measured anew."""
    # worked by hand: the largest of each row of the first, then the same place of the second
    cases = [
        ([[1.0, 3.0, 2.0], [4.0, 0.0, 5.0]], [[0.0, 1.0, 9.0], [2.0, 8.0, -3.0]], (4.0, -1.0)),
        ([[2.0, 1.0]], [[0.5, 7.0]], (2.0, 0.5)),
        ([[-2.0, -1.0], [-3.0, -4.0], [0.0, 4.0]], [[0, 2], [4, 6], [8, -3]], (0.0, 1.0)),
    ]
    for first, second, expected in cases:
        given = f"first {first} and second {second}"
        result = call(fn, given, np.array(first), np.array(second, dtype=float))
        n = len(first)
        causes = {
            (): "one number came back; return two: then, and anew",
            (2, n): "the mean over the repetitions is missing",
        }
        need_shape(given, result, (2,), causes, "two numbers: then, and anew")
        best_anew = sum(max(row) for row in second) / n
        columns = [sum(c) / n for c in zip(*first, strict=True)]
        overall = columns.index(max(columns))
        one_arm = tuple(sum(row[overall] for row in part) / n for part in (first, second))
        worst = [row.index(min(row)) for row in first]
        wrong_end = tuple(
            sum(row[i] for row, i in zip(part, worst, strict=True)) / n for part in (first, second)
        )
        mistakes = [
            ((expected[0], best_anew), "anew, the arm that won *then* counts, not the new winner"),
            (one_arm, "the winner is chosen in every repetition, not once over all"),
            (wrong_end, "the largest gain wins, not the smallest"),
            (expected[::-1], "the order: then first, anew second"),
            ((expected[0], expected[0]), "the second measurement was not used"),
            ((n * expected[0], n * expected[1]), "these are sums; take means over repetitions"),
        ]
        other = "argmax(1) of the first names the winners; look these up in both"
        need_values(given, result, np.array(expected), mistakes, other)
    return len(cases)
