"""Confidence intervals by bootstrap over subjects.

Presentations of one person are alike: 160 presentations of 40 people are worth less than 160 of
160. So *subjects* are drawn with replacement, as many as there are, and each brings all its
presentations, live and attack. Scores and threshold stay fixed: the interval tells how the figure
would move with other people before the same trained system, not with another training run.

The interval runs from the 2.5th to the 97.5th percentile of the resampled figure.

- A resample in which a figure has no denominator (a class or a type is absent) is left out for that
  figure; with fewer than half the resamples left there is no interval.
- With fewer than two subjects behind a class or type there is none either: one person says nothing
  about how people differ.
- Where no error was observed the interval of that rate is [0, 0]. That is a limit of the bootstrap,
  not a proof: after n independent trials without an error, rates up to about 3 / n are plausible.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Interval = tuple[float, float]

LEVEL = 0.95
_CHUNK = 4_000_000  # elements of the largest array: 32 MB


def subject_intervals(
    level: np.ndarray,
    accepted: np.ndarray | None,
    live: np.ndarray,
    types: np.ndarray,
    people: np.ndarray,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Intervals of the figures of `metrics.Result`; its input has been checked there.

    Parameters
    ----------
    level : (n,) int ndarray
        Dense rank of each score, from 0 up, equal where scores are equal.
    accepted : (n,) bool ndarray or None
        Score >= threshold; None where there is no threshold: then only AUC has an interval.
    live : (n,) bool ndarray
    types : (n,) str ndarray
        Attack type; "" at live presentations.
    people : (n,) int ndarray
        Subject numbers, from 0 up, without a gap.
    resamples, seed : int

    Returns
    -------
    dict
        Name -> (low, high) or None; "apcer" -> {type: (low, high) or None}.
    """
    n_subjects = int(people.max()) + 1
    names = [str(t) for t in np.unique(types[~live])]
    masks = [live, ~live, *(types == t for t in names)]
    # Presentations and errors of each mask, by subject: (masks, subjects)
    total = np.array([np.bincount(people[m], minlength=n_subjects) for m in masks])
    behind = np.count_nonzero(total, axis=1)  # subjects that have such a presentation at all
    if accepted is not None:
        wrong = accepted != live
        errors = np.array([np.bincount(people[m & wrong], minlength=n_subjects) for m in masks])

    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // level.size)
    areas, rates = [], []
    for start in range(0, resamples, rows):
        counts = draw_subjects(rng, n_subjects, min(rows, resamples - start))
        areas.append(_auc(counts, level, live, people))
        if accepted is not None:
            with np.errstate(invalid="ignore"):
                rates.append((counts @ errors.T) / (counts @ total.T))  # (rows, masks)

    names_of_all = ("auc", "hter", "far", "frr", "apcer", "apcer_max", "bpcer", "acer")
    intervals: dict[str, Any] = dict.fromkeys(names_of_all)
    intervals["auc"] = _interval(np.concatenate(areas), min(behind[:2]))
    if accepted is None:
        return intervals
    frr, far, *apcer = np.concatenate(rates).T  # each (resamples,)
    worst = np.max(apcer, axis=0)  # keeps the NaN of an absent type
    intervals["far"] = _interval(far, behind[1])
    intervals["frr"] = intervals["bpcer"] = _interval(frr, behind[0])
    intervals["hter"] = _interval((far + frr) / 2, min(behind[:2]))
    intervals["apcer"] = {
        name: _interval(values, subjects)
        for name, values, subjects in zip(names, apcer, behind[2:], strict=True)
    }
    intervals["apcer_max"] = _interval(worst, min(behind[2:]))
    intervals["acer"] = _interval((worst + frr) / 2, min(behind))
    return intervals


def draw_subjects(rng: np.random.Generator, n_subjects: int, resamples: int) -> np.ndarray:
    """How often each subject is drawn, with replacement, in each resample.

    Returns
    -------
    (resamples, n_subjects) float64 ndarray
        Whole numbers; each row sums to n_subjects.
    """
    drawn = rng.integers(n_subjects, size=(resamples, n_subjects))
    flat = drawn + np.arange(resamples)[:, None] * n_subjects
    counts = np.bincount(flat.ravel(), minlength=resamples * n_subjects)
    return counts.reshape(resamples, n_subjects).astype(np.float64)


def _auc(counts: np.ndarray, level: np.ndarray, live: np.ndarray, people: np.ndarray) -> np.ndarray:
    """AUC of each resample, (rows,), from counts (rows, subjects); NaN where a class is absent."""
    order = np.argsort(level, kind="stable")
    starts = np.flatnonzero(np.diff(level[order], prepend=-1))  # first of each distinct score
    weight = counts[:, people[order]]  # (rows, n)
    live_at = np.add.reduceat(weight * live[order], starts, axis=1)  # (rows, levels)
    attack_at = np.add.reduceat(weight * ~live[order], starts, axis=1)
    below = np.cumsum(attack_at, axis=1) - attack_at
    twice_wins = np.einsum("rl,rl->r", live_at, 2 * below + attack_at)
    with np.errstate(invalid="ignore"):
        return twice_wins / (2 * live_at.sum(1) * attack_at.sum(1))


def _interval(values: np.ndarray, subjects: int) -> Interval | None:
    usable = values[~np.isnan(values)]
    if subjects < 2 or usable.size == 0 or 2 * usable.size < values.size:
        return None
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(usable, [tail, 100 - tail])
    return float(low), float(high)
