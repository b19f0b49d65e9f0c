"""Error rates of presentation attack detection: exact, in integers, with intervals by subject.

Positives are bona fide (live); a presentation is accepted if its score >= the threshold. One
score per *presentation*: the score of a video is the mean over its frames, taken before it comes
here. A score of NaN is a *failure to acquire* (FtA): the system gave no score, so the presentation
is accepted at no threshold. It still counts in every denominator:

    FAR = FPR (1 - FtA_attack) = accepted attacks / all attacks
    FRR = FtA_live + FNR (1 - FtA_live) = (rejected + unacquired live) / all live

APCER and BPCER follow the same rule, and AUC ranks a NaN below every score.

The thresholds that can be told apart by a set of scores are its *candidates*: the lowest score,
the midpoints of consecutive distinct scores, and one just above the highest. Everything is sorted
once, O(n log n); rates are compared as integers, so no tie depends on rounding.

A figure at a threshold chosen on the very scores it judges flatters the system. Such a figure
carries `oracle` in its name (`eer`, by definition of that kind, keeps its usual name).

Sources: ISO/IEC 30107-3 for APCER and BPCER, with one liberty: the standard counts APCER for each
attack *instrument species*, we count it for each attack *type*. ACER is the figure of the OULU-NPU
protocol. The tie rules are our choice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from hfnmp_lite.evaluate.intervals import subject_intervals
from hfnmp_lite.files import InputError


@dataclass(frozen=True)
class Result:
    """What `evaluate` found; every rate lies in [0, 1].

    Attributes
    ----------
    auc : float
        P(live score > attack score) + P(equal) / 2.
    eer : float
        (FAR + FRR) / 2 at `eer_threshold_oracle`, the EER threshold of these very scores.
    hter, far, frr : float or None
        At `threshold`; None without one, like all that follows up to `acer`.
    apcer : dict or None
        Attack type -> share of that type accepted.
    apcer_max, bpcer, acer : float or None
        The worst type's APCER, the share of bona fide rejected (equal to `frr`), and their mean.
    hter_oracle : float
        The lowest HTER that any threshold reaches on these scores.
    threshold : float or None
        The threshold that was given.
    intervals : dict or None
        Name -> 95 % interval (low, high) for auc, hter, far, frr, apcer_max, bpcer, acer;
        `apcer` -> {type: interval}. Bootstrap over subjects, see
        `hfnmp_lite.evaluate.intervals`. None where no subjects were given.
    n, n_live, n_attack, n_failed : int
        Presentations; those of each class; those without a score.
    n_subjects : int or None
        Distinct subjects.
    fta_live, fta_attack : float
        Failure-to-acquire rates.
    eer_threshold_oracle, hter_threshold_oracle : float
        Where `eer` and `hter_oracle` are reached.
    bpcer20_oracle : float
        BPCER at the lowest candidate where every type's APCER <= 5 %.
    live_accepted_at_apcer1_oracle : float
        Share of live accepted at the lowest candidate where every type's APCER <= 1 %. Spelled
        out because "TPR@FPR=1%" means opposite things in two well-known repositories.
    """

    auc: float
    eer: float
    hter: float | None
    far: float | None
    frr: float | None
    apcer: dict[str, float] | None
    apcer_max: float | None
    bpcer: float | None
    acer: float | None
    hter_oracle: float
    threshold: float | None
    intervals: dict[str, Any] | None
    n: int
    n_live: int
    n_attack: int
    n_failed: int
    n_subjects: int | None
    fta_live: float
    fta_attack: float
    eer_threshold_oracle: float
    hter_threshold_oracle: float
    bpcer20_oracle: float
    live_accepted_at_apcer1_oracle: float


def eer_threshold(scores: ArrayLike, live: ArrayLike) -> float:
    """Threshold where FAR and FRR are nearest to each other.

    |FAR - FRR| is minimised over the candidates; ties go to the smaller FAR + FRR, then to the
    later candidate; the one above the highest score wins only if strictly better.

    Parameters
    ----------
    scores : (n,) array_like of float
        Higher = live; NaN = failure to acquire.
    live : (n,) array_like of bool or 0/1
        1 = live (bona fide), 0 = attack.

    Raises
    ------
    InputError
        As `evaluate`, and where a class has no score at all: nothing to place a threshold by.
    """
    scores, live = _check(scores, live)
    for name, members in (("live", live), ("attack", ~live)):
        if np.isnan(scores[members]).all():
            raise InputError(
                f"eer_threshold: every {name} score is NaN; expected at least one acquired {name} "
                "presentation; check why acquisition failed"
            )
    return float(_best(_scan(scores, live), by="difference")[0])


def hter(scores: ArrayLike, live: ArrayLike, threshold: float) -> float:
    """Half total error rate (FAR + FRR) / 2 at a threshold chosen elsewhere.

    Parameters and errors as `evaluate`.
    """
    scores, live = _check(scores, live)
    return _rates(scores >= _check_threshold(threshold), live, np.where(live, "", "a"))["hter"]


def auc(scores: ArrayLike, live: ArrayLike) -> float:
    """Area under the ROC curve, exact: P(live score > attack score) + P(equal) / 2.

    NaN ranks below every score. Parameters and errors as `evaluate`.
    """
    scores, live = _check(scores, live)
    level = _levels(scores)  # NaN is level 0
    live_at = np.bincount(level[live], minlength=level.max() + 1)
    attack_at = np.bincount(level[~live], minlength=level.max() + 1)
    below = np.cumsum(attack_at) - attack_at
    twice_wins = int(live_at @ (2 * below + attack_at))  # integers: exact
    return twice_wins / (2 * int(live_at.sum()) * int(attack_at.sum()))


def roc(scores: ArrayLike, live: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """FAR and FRR at every candidate threshold, for plotting. Input and errors as `evaluate`.

    Returns
    -------
    far, frr, thresholds : (m,) ndarrays of float64
        Thresholds ascend, so FAR falls (to 0) and FRR rises (to 1). With failures to acquire FAR
        starts below 1 and FRR above 0.
    """
    scores, live = _check(scores, live)
    scan = _scan(scores, live)
    return scan.accepted_attack / scan.n_attack, scan.rejected_live / scan.n_live, scan.thresholds


def evaluate(
    scores: ArrayLike,
    live: ArrayLike,
    attack_type: Sequence[str | None] | None = None,
    subject: Sequence[str] | None = None,
    threshold: float | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Result:
    """Judge one score per presentation.

    Parameters
    ----------
    scores : (n,) array_like of float
        Higher = live; NaN (or None) = failure to acquire. Used in float64.
    live : (n,) array_like of bool or 0/1
        1 = live (bona fide), 0 = attack.
    attack_type : (n,) sequence of str, optional
        Each attack's type; what stands at a live presentation is ignored. Without it all attacks
        count as one type, "attack".
    subject : (n,) sequence, optional
        Whose face; needed for the intervals.
    threshold : float, optional
        Chosen elsewhere (on the sources). Without it the figures that need one are None: nothing
        is silently judged at its own best threshold.
    resamples, seed : int
        How many resamples the bootstrap draws, and its seed.

    Returns
    -------
    Result

    Raises
    ------
    InputError
        Empty input, lengths that differ, an infinite score, a label other than 0 and 1, a class
        without a presentation, no acquired score at all, an attack without a type, a presentation
        without a subject, a threshold that is NaN.
    """
    scores, live = _check(scores, live)
    if resamples < 1:
        raise InputError(f"resamples is {resamples}; expected at least 1 (1000 is usual)")
    types = _check_types(attack_type, live)
    people = _check_subjects(subject, live)
    scan = _scan(scores, live)
    eer_at, hter_at = _best(scan, by="difference"), _best(scan, by="sum")
    worst = np.max([_share(scores[types == t], scan) for t in np.unique(types[~live])], axis=0)
    rejected, passed = scan.rejected_live, scan.n_live - scan.rejected_live  # like worst, (m,)

    rates: dict[str, Any] = dict.fromkeys(_AT_THRESHOLD)
    accepted = intervals = None
    if threshold is not None:
        threshold = _check_threshold(threshold)
        accepted = scores >= threshold
        rates = _rates(accepted, live, types)
    if people is not None:
        level = _levels(scores)
        intervals = subject_intervals(level, accepted, live, types, people, resamples, seed)
    failed = np.isnan(scores)
    return Result(
        auc=auc(scores, live),
        eer=eer_at[1],
        hter_oracle=hter_at[1],
        threshold=threshold,
        intervals=intervals,
        n=scores.size,
        n_live=scan.n_live,
        n_attack=scan.n_attack,
        n_failed=int(failed.sum()),
        n_subjects=None if people is None else int(people.max()) + 1,
        fta_live=float(failed[live].mean()),
        fta_attack=float(failed[~live].mean()),
        eer_threshold_oracle=eer_at[0],
        hter_threshold_oracle=hter_at[0],
        bpcer20_oracle=int(rejected[np.argmax(worst <= 0.05)]) / scan.n_live,
        live_accepted_at_apcer1_oracle=int(passed[np.argmax(worst <= 0.01)]) / scan.n_live,
        **rates,
    )


_AT_THRESHOLD = ("hter", "far", "frr", "apcer", "apcer_max", "bpcer", "acer")


def _rates(accepted: np.ndarray, live: np.ndarray, types: np.ndarray) -> dict[str, Any]:
    far, frr = float(accepted[~live].mean()), float((~accepted)[live].mean())
    n_live, n_attack = int(live.sum()), int((~live).sum())
    errors = int((accepted & ~live).sum()) * n_live + int((~accepted & live).sum()) * n_attack
    apcer = {str(t): float(accepted[types == t].mean()) for t in np.unique(types[~live])}
    worst = max(apcer.values())
    return {
        "hter": errors / (2 * n_live * n_attack),  # one division: equal rates are equal floats
        "far": far,
        "frr": frr,
        "apcer": apcer,
        "apcer_max": worst,
        "bpcer": frr,
        "acer": (worst + frr) / 2,
    }


# ---------------------------------------------------------------- thresholds


class _Scan(NamedTuple):
    """Counts at each candidate threshold (ascending)."""

    thresholds: np.ndarray  # (m,) float64
    accepted_attack: np.ndarray  # (m,) int64
    rejected_live: np.ndarray  # (m,) int64, unacquired included
    n_live: int
    n_attack: int


def _candidates(scores: np.ndarray) -> np.ndarray:
    values = np.unique(scores[~np.isnan(scores)])
    low, high = values[:-1], values[1:]
    middle = low / 2 + high / 2  # does not overflow
    # Between neighbouring floats no number lies: the midpoint would round to one of them.
    middle = np.where((middle > low) & (middle < high), middle, high)
    return np.concatenate([values[:1], middle, [np.nextafter(values[-1], np.inf)]])


def _count_accepted(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    acquired = np.sort(scores[~np.isnan(scores)])
    return acquired.size - np.searchsorted(acquired, thresholds, side="left")


def _scan(scores: np.ndarray, live: np.ndarray) -> _Scan:
    thresholds = _candidates(scores)
    n_live, n_attack = int(np.count_nonzero(live)), int(np.count_nonzero(~live))
    return _Scan(
        thresholds,
        _count_accepted(scores[~live], thresholds),
        n_live - _count_accepted(scores[live], thresholds),
        n_live,
        n_attack,
    )


def _share(scores: np.ndarray, scan: _Scan) -> np.ndarray:
    """Share of `scores` (NaN counted, never accepted) at or above each candidate."""
    return _count_accepted(scores, scan.thresholds) / scores.size


def _best(scan: _Scan, by: str) -> tuple[float, float]:
    """(threshold, HTER there) of the candidate with the least |FAR - FRR| or the least FAR + FRR.

    Both are integers once multiplied by n_live n_attack. The one not asked for breaks ties, then
    the later candidate wins; the last (above the highest score) only if strictly better.
    """
    far = scan.accepted_attack * scan.n_live
    frr = scan.rejected_live * scan.n_attack
    difference, total = np.abs(far - frr), far + frr
    first, second = (difference, total) if by == "difference" else (total, difference)
    tied = np.flatnonzero(first == first.min())
    tied = tied[second[tied] == second[tied].min()]
    best = tied[-1]
    if best == first.size - 1 and tied.size > 1:
        best = tied[-2]
    return float(scan.thresholds[best]), float(total[best] / (2 * scan.n_live * scan.n_attack))


# ---------------------------------------------------------------- input


def _levels(scores: np.ndarray) -> np.ndarray:
    """Dense rank of each score, ascending, from 0 up; every NaN shares the lowest rank."""
    ranked = np.where(np.isnan(scores), -np.inf, scores)
    return np.unique(ranked, return_inverse=True)[1].reshape(-1)


def _check(scores: ArrayLike, live: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """(n,) float64 and (n,) bool, or an InputError."""
    try:
        scores = np.asarray(scores, dtype=np.float64)
        labels = np.asarray(live, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"scores and labels must be numbers: {error}") from None
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise InputError(
            f"scores of shape {scores.shape} with labels of shape {labels.shape}; expected one "
            "score and one label per presentation, shape (n,) both"
        )
    if scores.size == 0:
        raise InputError("no scores; expected at least one live and one attack presentation")
    if np.isinf(scores).any():
        where = int(np.flatnonzero(np.isinf(scores))[0])
        raise InputError(
            f"score {where} is {scores[where]}; expected finite scores (NaN = failure to acquire)"
        )
    if np.isnan(scores).all():
        raise InputError(
            f"all {scores.size} scores are NaN (failure to acquire); expected at least one score; "
            "check why acquisition failed"
        )
    wrong = np.flatnonzero((labels != 0) & (labels != 1))
    if wrong.size:
        raise InputError(f"label {wrong[0]} is {labels[wrong[0]]:g}; expected 1 (live), 0 (attack)")
    labels = labels == 1
    if labels.all() or not labels.any():
        kind = "live" if labels.all() else "attack"
        raise InputError(
            f"all {labels.size} presentations are {kind}; error rates need both classes"
        )
    return scores, labels


def _check_threshold(threshold: float) -> float:
    try:
        threshold = float(threshold)
    except (TypeError, ValueError):
        raise InputError(f"threshold is {threshold!r}; expected a number") from None
    if math.isnan(threshold):
        raise InputError("threshold is NaN; expected the number that the sources chose")
    return threshold


def _check_types(attack_type: Sequence[str | None] | None, live: np.ndarray) -> np.ndarray:
    """(n,) str; the live ones hold "", which no attack holds."""
    if attack_type is None:
        return np.where(live, "", "attack")
    given = list(attack_type)
    if len(given) != live.size:
        raise InputError(f"{len(given)} attack types for {live.size} scores; expected one each")
    types = np.array(
        ["" if is_live or _missing(t) else str(t) for t, is_live in zip(given, live, strict=True)]
    )
    untyped = np.flatnonzero((types == "") & ~live)
    if untyped.size:
        raise InputError(
            f"attack presentation {untyped[0]} has no attack type ({untyped.size} such); expected "
            'a name like "print", or attack_type=None for all'
        )
    return types


def _check_subjects(subject: Sequence[str] | None, live: np.ndarray) -> np.ndarray | None:
    """(n,) int, subjects numbered from 0; None where not given."""
    if subject is None:
        return None
    given = list(subject)
    if len(given) != live.size:
        raise InputError(f"{len(given)} subjects for {live.size} scores; expected one each")
    absent = [i for i, name in enumerate(given) if _missing(name)]
    if absent:
        raise InputError(
            f"presentation {absent[0]} has no subject ({len(absent)} such); expected a name each, "
            "or subject=None to go without intervals"
        )
    return np.unique([str(name) for name in given], return_inverse=True)[1].reshape(-1)


def _missing(name: object) -> bool:
    return name is None or name == "" or (isinstance(name, float) and math.isnan(name))
