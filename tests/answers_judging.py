"""Right and wrong answers to the exercises of notebook 07; tests/test_checks.py reads them."""

import numpy as np

from hfnmp_lite import metrics


def rates(scores, live, threshold):
    accepted = scores >= threshold
    return accepted[live == 0].mean(), (~accepted[live == 1]).mean()


def candidates(scores):
    values = np.unique(scores)
    return np.concatenate([values[:1], (values[:-1] + values[1:]) / 2])


def eer_threshold(scores, live):
    best = None
    for threshold in candidates(scores):
        far, frr = rates(scores, live, threshold)
        key = abs(far - frr), far + frr
        if best is None or key <= best[0]:
            best = key, threshold
    return best[1]


def eer_threshold_sorted(scores, live):
    points = [(*rates(scores, live, t), t) for t in candidates(scores)]
    return min(points, key=lambda p: (abs(p[0] - p[1]), p[0] + p[1], -p[2]))[2]


def first_of_equals(scores, live):
    def key(t):
        far, frr = rates(scores, live, t)
        return abs(far - frr), far + frr

    return min(candidates(scores), key=key)


def least_sum(scores, live):
    return min(candidates(scores), key=lambda t: sum(rates(scores, live, t)))


def among_scores(scores, live):
    return min(np.unique(scores), key=lambda t: abs(np.subtract(*rates(scores, live, t))))


def iso_rates(scores, live, attack_type, threshold):
    accepted = scores >= threshold
    shares = [accepted[attack_type == kind].mean() for kind in np.unique(attack_type[live == 0])]
    return max(shares), 1 - accepted[live == 1].mean()


def iso_rates_by_library(scores, live, attack_type, threshold):
    result = metrics.evaluate(scores, live, attack_type, threshold=threshold)
    return [result.apcer_max, result.bpcer]


def shares(scores, attack_type, threshold):
    return [(scores[attack_type == kind] >= threshold).mean() for kind in ("print", "replay")]


def nan_dropped(scores, live, attack_type, threshold):
    there = ~np.isnan(scores)
    return iso_rates(scores[there], live[there], attack_type[there], threshold)


def best_in_hindsight(scores, live):
    lowest = []
    for row in scores:
        thresholds = [*row, np.inf]
        lowest.append(min(sum(rates(row, live, t)) / 2 for t in thresholds))
    best = int(np.argmin(lowest))
    return best, lowest[best]


def best_by_library(scores, live):
    lowest = [metrics.evaluate(row, live).hter_oracle for row in scores]
    return np.argmin(lowest), np.min(lowest)


def at_one_half(scores, live):
    values = [sum(rates(row, live, 0.5)) / 2 for row in scores]
    return int(np.argmin(values)), min(values)


def worst(scores, live):
    lowest = [metrics.evaluate(row, live).hter_oracle for row in scores]
    return np.argmax(lowest), max(lowest)


def draw_subjects(subject, seed):
    names = np.unique(subject)
    drawn = np.random.default_rng(seed).choice(names, size=len(names))
    return np.concatenate([np.flatnonzero(subject == name) for name in drawn])


def draw_by_counts(subject, seed):
    names, owner = np.unique(subject, return_inverse=True)
    k = len(names)
    counts = np.random.default_rng(seed).multinomial(k, [1 / k] * k)
    return list(np.repeat(np.arange(len(subject)), counts[owner]))


def draw_presentations(subject, seed):
    return np.random.default_rng(seed).integers(len(subject), size=len(subject))


def draw_once(subject, seed):
    names = np.unique(subject)
    drawn = np.random.default_rng(seed).choice(names, size=len(names))
    return np.flatnonzero(np.isin(subject, drawn))


def permuted(subject, seed):
    names = np.random.default_rng(seed).permutation(np.unique(subject))
    return np.concatenate([np.flatnonzero(subject == name) for name in names])


def by_presentation(subject, seed):
    names = np.random.default_rng(seed).choice(subject, size=len(np.unique(subject)))
    return np.concatenate([np.flatnonzero(subject == name) for name in names])


ANSWERS = {
    "eer_threshold": (
        [eer_threshold, eer_threshold_sorted, metrics.eer_threshold],
        [
            (first_of_equals, ["0.45", "the first was taken"]),
            (least_sum, ["FAR + FRR was minimised"]),
            (among_scores, ["midpoints of neighbouring scores"]),
            (lambda s, y: metrics.evaluate(s, y).eer, ["threshold is asked for"]),
            (lambda s, y: (eer_threshold(s, y), 0.1), ["shape (2,)", "threshold alone"]),
            (lambda s, y: 0.5, ["expected 0.3"]),
            (lambda s, y: 0.01, ["expected 0.5", "FAR is 0 and FRR 0"]),
            (lambda s, y: eer_threshold(s, 1 - y), ["Likely cause"]),
            (lambda s, y: (s.sort(), 0.5)[1], ["changed its input"]),
        ],
    ),
    "iso_rates": (
        [iso_rates, iso_rates_by_library],
        [
            (
                lambda s, y, a, t: ((s >= t)[y == 0].mean(), 1 - (s >= t)[y == 1].mean()),
                ["pooled (FAR)"],
            ),
            (
                lambda s, y, a, t: (np.mean(shares(s, a, t)), iso_rates(s, y, a, t)[1]),
                ["types were averaged"],
            ),
            (
                lambda s, y, a, t: (min(shares(s, a, t)), iso_rates(s, y, a, t)[1]),
                ["best type was taken"],
            ),
            (nan_dropped, ["without a score (NaN) were left out"]),
            (
                lambda s, y, a, t: (iso_rates(s, y, a, t)[0], (s < t)[y == 1].mean()),
                ["`NaN < threshold` is False", "expected 0.4"],
            ),
            (lambda s, y, a, t: iso_rates(s, y, a, t)[::-1], ["APCER comes first"]),
            (lambda s, y, a, t: [1 - r for r in iso_rates(s, y, a, t)], ["right decisions"]),
            (
                lambda s, y, a, t: iso_rates(s, y, a, np.nextafter(t, 1)),
                ["equal to the threshold is accepted"],
            ),
            (lambda s, y, a, t: iso_rates(s, y, a, t)[0], ["shape ()", "two are asked for"]),
            (lambda s, y, a, t: dict(enumerate(shares(s, a, t))), ["not all numbers"]),
        ],
    ),
    "best_in_hindsight": (
        [best_in_hindsight, best_by_library],
        [
            (at_one_half, ["only the threshold 0.5"]),
            (worst, ["worst checkpoint"]),
            (lambda s, y: best_in_hindsight(s, y)[::-1], ["number comes first"]),
            (
                lambda s, y: (best_in_hindsight(s, y)[0], 2 * best_in_hindsight(s, y)[1]),
                ["(FAR + FRR) / 2"],
            ),
            (lambda s, y: best_in_hindsight(s, y)[1], ["shape ()"]),
            (
                lambda s, y: [metrics.evaluate(row, y).hter_oracle for row in s],
                ["shape (3,)", "choose one row"],
            ),
            (lambda s, y: (0, 0.0), ["try every score"]),
        ],
    ),
    "draw_subjects": (
        [draw_subjects, draw_by_counts],
        [
            (draw_presentations, ["presentations were drawn", "equally often"]),
            (draw_once, ["np.isin"]),
            (permuted, ["without replacement"]),
            (by_presentation, ["equally likely"]),
            (lambda s, seed: draw_subjects(s, 0), ["seed was not used"]),
            (lambda s, seed: draw_subjects(s, None), ["default_rng(seed)"]),
            (lambda s, seed: np.isin(s, s[:1]), ["mask"]),
            (lambda s, seed: np.random.default_rng(seed).choice(s, 4), ["not all numbers"]),
            (lambda s, seed: draw_subjects(s, seed)[None], ["np.concatenate"]),
            (lambda s, seed: draw_subjects(s, seed) + 1, ["indices from 0 to 7"]),
            (
                lambda s, seed: np.flatnonzero(s == np.random.default_rng(seed).choice(s)),
                ["as many subjects as there are"],
            ),
        ],
    ),
}
