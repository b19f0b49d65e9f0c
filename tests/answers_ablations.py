"""Right and wrong answers to the exercises of notebook 08, for tests/test_checks.py."""

import statistics

import numpy as np


def mean_gain(baseline, arm):
    return 100 * np.mean([baseline[s] - arm[s] for s in baseline.keys() & arm.keys()])


def mean_gain_in_python(baseline, arm):
    common = [seed for seed in arm if seed in baseline]
    return statistics.fmean(baseline[s] * 100 for s in common) - statistics.fmean(
        arm[s] * 100 for s in common
    )


def mean_gain_apart(baseline, arm):
    return 100 * (np.mean(list(baseline.values())) - np.mean(list(arm.values())))


def mean_gain_by_place(baseline, arm):
    pairs = list(zip(baseline.values(), arm.values(), strict=False))
    return 100 * sum(b - a for b, a in pairs) / len(pairs)


def mean_gain_popping(baseline, arm):
    return 100 * statistics.fmean(baseline.pop(s) - arm[s] for s in list(baseline) if s in arm)


def paired_gains(baseline, arm, drawn):
    return 100 * (baseline - arm)[drawn].mean(1)


def paired_gains_in_a_loop(baseline, arm, drawn):
    result = []
    for row in drawn:
        result.append(100 * sum(baseline[i] - arm[i] for i in row) / len(row))
    return result


def gains_of_both(gains, seeds, subjects):
    return gains[seeds[:, :, None], subjects[:, None, :]].mean((1, 2))


def gains_of_both_in_a_loop(gains, seeds, subjects):
    return [gains[np.ix_(s, p)].mean() for s, p in zip(seeds, subjects, strict=True)]


def best_of_many(first, second):
    winner = first.argmax(1)
    every = np.arange(len(first))
    return first[every, winner].mean(), second[every, winner].mean()


def best_of_many_in_a_loop(first, second):
    pairs = [(row.max(), again[row.argmax()]) for row, again in zip(first, second, strict=True)]
    return list(np.mean(pairs, axis=0))


ANSWERS = {
    "mean_gain": (
        [mean_gain, mean_gain_in_python],
        [
            (lambda b, a: -mean_gain(b, a), ["sign", "expected 8"]),
            (lambda b, a: mean_gain(b, a) / 100, ["hundredths", "0.08"]),
            (mean_gain_apart, ["only one of them has"]),
            (mean_gain_by_place, ["paired by their place"]),
            (lambda b, a: mean_gain(b, a) * len(b.keys() & a.keys()), ["sum over seeds"]),
            (lambda b, a: [b[s] - a[s] for s in a if s in b], ["shape (2,)", "one number"]),
            (lambda b, a: mean_gain(b, a) ** 2, ["mean of 100"]),
            (mean_gain_popping, ["changed its input"]),
        ],
    ),
    "paired_gains": (
        [paired_gains, paired_gains_in_a_loop],
        [
            (lambda b, a, d: -paired_gains(b, a, d), ["sign"]),
            (lambda b, a, d: paired_gains(b, a, d) / 100, ["hundredths"]),
            (lambda b, a, d: 100 * (b - a)[d].mean(0), ["shape (3,)", "mean(1)"]),
            (lambda b, a, d: 100 * (b - a)[d].mean(), ["shape ()"]),
            (lambda b, a, d: 100 * (b - a)[d], ["shape (4, 3)", "missing"]),
            (lambda b, a, d: np.full(len(d), 100 * (b - a).mean()), ["draws were not used"]),
            (lambda b, a, d: 100 * (b[d].mean(1) - a.mean()), ["only the baseline"]),
            (lambda b, a, d: 100 * b[d].mean(1), ["subtract the arm's"]),
            (lambda b, a, d: np.percentile(paired_gains(b, a, d), [2.5, 97.5]), ["comes later"]),
        ],
    ),
    "gains_of_both": (
        [gains_of_both, gains_of_both_in_a_loop],
        [
            (lambda g, s, p: g.mean(0)[p].mean(1), ["seeds were not used"]),
            (lambda g, s, p: g.mean(1)[s].mean(1), ["subjects were not used"]),
            (lambda g, s, p: np.full(len(s), g.mean()), ["plain mean"]),
            (lambda g, s, p: 100 * gains_of_both(g, s, p), ["points already"]),
            (lambda g, s, p: -gains_of_both(g, s, p), ["sign stays"]),
            (lambda g, s, p: g[s[:, :1], p], ["shape (4, 3)", "over subjects is missing"]),
            (lambda g, s, p: g[s[:, :, None], p[:, None, :]], ["(4, 1, 3)", "both means"]),
            (lambda g, s, p: g[s, p].mean(1), ["IndexError"]),
            (lambda g, s, p: g[s[:, 0][:, None], p].mean(1), ["every drawn seed meets"]),
        ],
    ),
    "best_of_many": (
        [best_of_many, best_of_many_in_a_loop],
        [
            (lambda f, s: (f.max(1).mean(), s.max(1).mean()), ["won *then*"]),
            (
                lambda f, s: (f.mean(0).max(), s[:, f.mean(0).argmax()].mean()),
                ["in every repetition"],
            ),
            (lambda f, s: best_of_many(-f, s)[::1] * np.array([-1, 1]), ["not the smallest"]),
            (lambda f, s: best_of_many(f, s)[::-1], ["then first"]),
            (lambda f, s: (f.max(1).mean(),) * 2, ["not used"]),
            (lambda f, s: f.max(1).mean(), ["one number came back"]),
            (lambda f, s: np.array(best_of_many(f, s)) * len(f), ["sums"]),
            (lambda f, s: (0.0, 0.0), ["argmax(1)"]),
        ],
    ),
}
