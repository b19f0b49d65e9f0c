"""Error rates against hand-worked cases, exact brute force, scikit-learn and a plain bootstrap."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from hfnmp_lite.evaluate import intervals, metrics
from hfnmp_lite.files import InputError

NAN = float("nan")


def labelled(attack, live):
    return np.array([*attack, *live]), np.array([0] * len(attack) + [1] * len(live))


# ---------------------------------------------------------------- thresholds

GOLDEN = [
    ([0.1, 0.2, 0.3], [0.7, 0.8], 0.5, 0, 0),
    ([0.1, 0.2, 0.6], [0.4, 0.8, 0.9], 0.5, 1 / 3, 1 / 3),
    ([0.5, 0.5], [0.5, 0.5, 0.5], 0.5, 1, 0),
    ([0.8, 0.9], [0.1, 0.2], 0.5, 1, 1),
    ([0.1, 0.9], [0.5], 0.3, 0.5, 0),
]


@pytest.mark.parametrize(("attack", "live", "threshold", "far", "frr"), GOLDEN)
def test_golden_eer_thresholds(attack, live, threshold, far, frr):
    scores, labels = labelled(attack, live)
    found = metrics.eer_threshold(scores, labels)
    assert found == pytest.approx(threshold, abs=1e-15)
    result = metrics.evaluate(scores, labels, threshold=found)
    assert (result.far, result.frr) == pytest.approx((far, frr))
    assert result.eer == result.hter == metrics.hter(scores, labels, found)
    assert result.eer_threshold_oracle == found


def slow_scan(scores, live):
    """(threshold, accepted attacks, rejected live) of every candidate, one score at a time."""
    values = sorted({s for s in scores if s == s})
    middles = [m if a < (m := a / 2 + b / 2) < b else b for a, b in pairwise(values)]
    rows = []
    for t in [values[0], *middles, np.nextafter(values[-1], np.inf)]:
        accepted = sum(1 for s, y in zip(scores, live, strict=True) if not y and s >= t)
        rejected = sum(1 for s, y in zip(scores, live, strict=True) if y and not s >= t)
        rows.append((t, accepted, rejected))
    return rows


def slow_best(scores, live, by_difference):
    """Method.md's rule in fractions: (threshold, HTER there)."""
    n_live, n_attack = sum(live), len(live) - sum(live)
    best = None
    rows = slow_scan(scores, live)
    for i, (t, accepted, rejected) in enumerate(rows):
        far, frr = Fraction(accepted, n_attack), Fraction(rejected, n_live)
        key = (abs(far - frr), far + frr)
        key = key if by_difference else key[::-1]
        last = i == len(rows) - 1
        if best is None or key < best[0] or (key == best[0] and not last):
            best = (key, float(t), float((far + frr) / 2))
    return best[1:]


# Few distinct values, so that ties between and within the classes are common.
SCORE = st.one_of(st.integers(0, 6).map(lambda k: k / 6), st.just(NAN), st.floats(0, 1))


@st.composite
def presentations(draw, acquired_only=False):
    rows = draw(st.lists(st.tuples(SCORE, st.integers(0, 1)), min_size=2, max_size=24))
    rows += [(draw(SCORE), 0), (draw(SCORE), 1), (0.5, 0), (0.25, 1)]
    if acquired_only:
        rows = [row for row in rows if row[0] == row[0]]
    return [r[0] for r in rows], [r[1] for r in rows]


@settings(max_examples=300, deadline=None)
@given(presentations())
def test_thresholds_against_a_brute_force_scan(case):
    scores, live = case
    threshold, eer = slow_best(scores, live, by_difference=True)
    assert metrics.eer_threshold(scores, live) == threshold
    result = metrics.evaluate(scores, live)
    assert result.eer == pytest.approx(eer, abs=1e-15)
    lowest = slow_best(scores, live, by_difference=False)
    assert (result.hter_threshold_oracle, result.hter_oracle) == pytest.approx(lowest, abs=1e-15)
    assert metrics.hter(scores, live, result.hter_threshold_oracle) == result.hter_oracle

    far, frr, thresholds = metrics.roc(scores, live)
    slow = slow_scan(scores, live)
    assert list(thresholds) == [row[0] for row in slow]
    np.testing.assert_allclose(far, [row[1] / (len(live) - sum(live)) for row in slow])
    np.testing.assert_allclose(frr, [row[2] / sum(live) for row in slow])


def test_neighbouring_floats_and_huge_scores_are_kept_apart():
    low = 0.5
    high = np.nextafter(low, 1)  # no float lies between
    assert metrics.eer_threshold([low, high], [0, 1]) == high
    big = np.finfo(float).max / 2
    threshold = metrics.eer_threshold([-big * 1.5, big * 1.5], [0, 1])
    assert threshold == 0  # the plain difference of these two overflows
    tiny = 5e-324  # the smallest positive float; half of it is 0
    assert metrics.hter([0.0, tiny], [0, 1], metrics.eer_threshold([0.0, tiny], [0, 1])) == 0


def test_acceptance_includes_the_threshold_itself():
    assert metrics.hter([0.2, 0.5], [0, 1], 0.5) == 0
    assert metrics.hter([0.5, 0.5], [0, 1], 0.5) == 0.5


# ---------------------------------------------------------------- AUC


@settings(max_examples=200, deadline=None)
@given(presentations(acquired_only=True))
def test_auc_equals_scikit_learn(case):
    scores, live = case
    assert metrics.auc(scores, live) == pytest.approx(roc_auc_score(live, scores), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(presentations())
def test_auc_ranks_a_failure_below_every_score(case):
    scores, live = case
    lowest = [-1.0 if s != s else s for s in scores]
    assert metrics.auc(scores, live) == pytest.approx(roc_auc_score(live, lowest), abs=1e-12)


def test_auc_counts_ties_half():
    assert metrics.auc([0.5, 0.5], [0, 1]) == 0.5
    assert metrics.auc([0.1, 0.5, 0.5, 0.9], [0, 0, 1, 1]) == 3.5 / 4


# ---------------------------------------------------------------- APCER, BPCER, failures to acquire


def test_rates_worked_by_hand():
    # print: 1 of 4 accepted; replay: 1 of 2; live: 1 of 5 rejected; threshold .5
    scores = [0.1, 0.2, 0.3, 0.9, 0.4, 0.6, 0.45, 0.5, 0.7, 0.8, 0.95]
    live = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    kinds = ["print"] * 4 + ["replay"] * 2 + [None, "", "print", None, None]
    result = metrics.evaluate(scores, live, kinds, threshold=0.5)
    assert result.apcer == {"print": 0.25, "replay": 0.5}
    assert result.apcer_max == 0.5
    assert result.bpcer == result.frr == pytest.approx(0.2)
    assert result.acer == pytest.approx(0.35)
    assert result.far == pytest.approx(2 / 6)
    assert result.hter == pytest.approx((2 / 6 + 1 / 5) / 2)
    assert (result.n, result.n_live, result.n_attack, result.n_failed) == (11, 5, 6, 0)
    assert result.intervals is None
    assert result.n_subjects is None
    # Every type's APCER <= 5 % needs a threshold above .9: only the live .95 passes.
    assert result.bpcer20_oracle == pytest.approx(0.8)
    assert result.live_accepted_at_apcer1_oracle == pytest.approx(0.2)


def test_bpcer20_allows_exactly_one_in_twenty_per_type():
    scores = [0.9] + [0.1] * 19 + [0.2] * 20 + [0.5, 0.95]
    live = [0] * 40 + [1, 1]
    kinds = ["print"] * 20 + ["replay"] * 20 + [None, None]
    result = metrics.evaluate(scores, live, kinds)
    assert result.bpcer20_oracle == 0  # 1 of 20 prints passes at .35
    assert result.live_accepted_at_apcer1_oracle == 0.5  # here none may pass


def test_failures_to_acquire_follow_the_formulas():
    # Attacks: 8 listed, 2 not acquired, 3 of the other 6 accepted.
    # Live: 5 listed, 1 not acquired, 1 of the other 4 rejected.
    attack = [NAN, NAN, 0.1, 0.2, 0.3, 0.7, 0.8, 0.9]
    live = [NAN, 0.2, 0.6, 0.7, 0.8]
    scores, labels = labelled(attack, live)
    kinds = ["print"] * 3 + ["replay"] * 5 + [None] * 5
    result = metrics.evaluate(scores, labels, kinds, threshold=0.5)
    assert result.fta_attack == 2 / 8
    assert result.fta_live == 1 / 5
    assert result.far == pytest.approx(3 / 6 * (1 - 2 / 8))
    assert result.frr == pytest.approx(1 / 5 + 1 / 4 * (1 - 1 / 5))
    assert result.hter == pytest.approx((result.far + result.frr) / 2)
    assert result.hter == pytest.approx(metrics.hter(scores, labels, 0.5))
    assert result.apcer == {"print": 0, "replay": 3 / 5}
    assert result.bpcer == result.frr
    assert (result.n, result.n_failed) == (13, 3)


def test_every_live_presentation_failing_is_a_result_but_no_way_to_choose_a_threshold():
    scores, labels = labelled([0.2, 0.8], [NAN, NAN])
    result = metrics.evaluate(scores, labels, threshold=0.5)
    assert (result.frr, result.far, result.hter, result.auc) == (1, 0.5, 0.75, 0)
    with pytest.raises(InputError, match="every live score is NaN"):
        metrics.eer_threshold(scores, labels)


def test_without_a_threshold_nothing_is_judged_at_one():
    result = metrics.evaluate([0.1, 0.9], [0, 1], subject=["a", "b"])
    for name in ("hter", "far", "frr", "apcer", "apcer_max", "bpcer", "acer", "threshold"):
        assert getattr(result, name) is None
    assert result.intervals["hter"] is None
    assert result.auc == 1
    assert result.hter_oracle == 0


def test_without_types_all_attacks_are_one_type():
    result = metrics.evaluate([0.1, 0.6, 0.9], [0, 0, 1], threshold=0.5)
    assert result.apcer == {"attack": 0.5}
    assert result.acer == result.hter


# ---------------------------------------------------------------- invariance


@settings(max_examples=100, deadline=None)
@given(presentations(), st.integers(-3, 3))
def test_rates_do_not_change_under_a_monotone_rescaling(case, power):
    scores, live = np.array(case[0]), case[1]
    # Order-preserving without rounding: a dense rank, scaled by a power of two.
    finite = np.unique(scores[~np.isnan(scores)])
    ranked = np.where(np.isnan(scores), NAN, np.searchsorted(finite, scores) * 2.0**power - 5)
    before, after = metrics.evaluate(scores, live), metrics.evaluate(ranked, live)
    for name in ("auc", "eer", "hter_oracle", "bpcer20_oracle", "live_accepted_at_apcer1_oracle"):
        assert getattr(before, name) == getattr(after, name)
    moved = metrics.eer_threshold(ranked, live)  # another number, the same decisions
    assert ((ranked >= moved) == (scores >= before.eer_threshold_oracle)).all()


# ---------------------------------------------------------------- bootstrap


def crowd(n_subjects=12, seed=3):
    rng = np.random.default_rng(seed)
    rows = [
        (f"s{s}", kind, rng.normal(0.6 if kind == "" else 0.4, 0.2) + rng.normal(0, 0.1))
        for s in range(n_subjects)
        for kind in ("", "", "print", "replay")
    ]
    subject, kinds, scores = (list(column) for column in zip(*rows, strict=True))
    scores = np.round(scores, 1)  # ties
    scores[5] = NAN
    return scores, [int(k == "") for k in kinds], kinds, subject


def test_intervals_equal_a_plain_loop_over_the_same_resamples():
    scores, live, kinds, subject = crowd()
    found = metrics.evaluate(scores, live, kinds, subject, 0.5, resamples=200, seed=7)

    names = sorted(set(subject))
    counts = intervals.draw_subjects(np.random.default_rng(7), len(names), 200)
    assert (counts.sum(1) == len(names)).all()
    values = {name: [] for name in ("auc", "hter", "far", "frr", "bpcer", "acer", "apcer_max")}
    by_type = {"print": [], "replay": []}
    for row in counts:
        rows = [
            i
            for name, times in zip(names, row, strict=True)
            for _ in range(int(times))
            for i in range(len(subject))
            if subject[i] == name
        ]
        one = metrics.evaluate(
            scores[rows], [live[i] for i in rows], [kinds[i] for i in rows], threshold=0.5
        )
        for name in values:
            values[name].append(getattr(one, name))
        for name in by_type:
            by_type[name].append(one.apcer[name])
    for name, column in values.items():
        assert found.intervals[name] == pytest.approx(np.percentile(column, [2.5, 97.5])), name
    for name, column in by_type.items():
        expected = np.percentile(column, [2.5, 97.5])
        assert found.intervals["apcer"][name] == pytest.approx(expected)


def test_intervals_hold_the_figure_and_repeat_with_the_seed():
    scores, live, kinds, subject = crowd(40)
    first = metrics.evaluate(scores, live, kinds, subject, 0.5)
    again = metrics.evaluate(scores, live, kinds, subject, 0.5)
    assert first.intervals == again.intervals
    for name in ("auc", "hter", "far", "frr", "bpcer", "acer"):
        low, high = first.intervals[name]
        assert low <= getattr(first, name) <= high
        assert low < high
    assert first.n_subjects == 40


def test_repeating_each_presentation_does_not_narrow_the_interval():
    scores, live, kinds, subject = crowd()
    once = metrics.evaluate(scores, live, kinds, subject, 0.5).intervals
    tenfold = metrics.evaluate(
        np.repeat(scores, 10),
        np.repeat(live, 10),
        np.repeat(kinds, 10),
        np.repeat(subject, 10),
        0.5,
    ).intervals
    for name in ("auc", "hter", "far", "frr"):
        assert tenfold[name] == pytest.approx(once[name])


def test_subjects_of_one_class_only_and_resamples_without_a_class():
    # Live and attacks come from different people, few of them: some resamples lack a class.
    scores = [0.9, 0.4, 0.8, 0.1, 0.6, 0.2]
    live = [1, 1, 1, 0, 0, 0]
    found = metrics.evaluate(scores, live, subject=list("aabcde"), threshold=0.5).intervals
    for name in ("auc", "hter", "far", "frr"):
        low, high = found[name]
        assert 0 <= low <= high <= 1


def test_one_subject_behind_a_class_gives_no_interval():
    found = metrics.evaluate(
        [0.9, 0.4, 0.1, 0.6, 0.2],
        [1, 1, 0, 0, 0],
        ["", "", "print", "print", "replay"],
        subject=list("aabcb"),
        threshold=0.5,
    ).intervals
    assert found["frr"] is None
    assert found["hter"] is None
    assert found["auc"] is None
    assert found["far"] is not None
    assert found["apcer"]["print"] is not None
    assert found["apcer"]["replay"] is None
    assert found["acer"] is None


def test_a_hundred_thousand_scores():
    rng = np.random.default_rng(0)
    live = rng.random(100_000) < 0.3
    scores = rng.normal(live, 1).astype(np.float32)
    subject = rng.integers(500, size=live.size)
    result = metrics.evaluate(scores, live, None, subject, 0.5, resamples=20)
    assert result.auc == pytest.approx(roc_auc_score(live, scores), abs=1e-12)
    assert abs(result.eer - result.hter_oracle) < 0.01


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("scores", "live", "message"),
    [
        ([], [], "no scores"),
        ([0.1, 0.2], [1], "shape"),
        ([[0.1], [0.2]], [[1], [0]], "shape"),
        (0.5, 1, "shape"),
        ([0.1, 0.2], [1, 1], "all 2 presentations are live"),
        ([0.1, 0.2], [0, 0], "all 2 presentations are attack"),
        ([0.1, float("inf")], [0, 1], "score 1 is inf"),
        ([0.1, 0.2], [0, 2], "label 1 is 2"),
        ([0.1, 0.2], [-1, 1], "label 0 is -1"),
        ([0.1, 0.2], [0, NAN], "label 1 is nan"),
        (["a", "b"], [0, 1], "must be numbers"),
        ([NAN, NAN], [0, 1], "NaN"),
    ],
)
def test_bad_scores_and_labels_are_named(scores, live, message):
    with pytest.raises(InputError, match=message):
        metrics.evaluate(scores, live, threshold=0.5)
    with pytest.raises(InputError, match=message):
        metrics.hter(scores, live, 0.5)
    for function in (metrics.eer_threshold, metrics.auc, metrics.roc):
        with pytest.raises(InputError, match=message):
            function(scores, live)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attack_type": ["print"]}, "1 attack types for 3 scores"),
        ({"attack_type": ["print", None, None]}, "attack presentation 1 has no attack type"),
        ({"subject": ["a", "b"]}, "2 subjects for 3 scores"),
        ({"subject": ["a", "", "b"]}, "presentation 1 has no subject"),
        ({"resamples": 0}, "resamples is 0"),
        ({"threshold": NAN}, "threshold is NaN"),
        ({"threshold": "high"}, "threshold is 'high'"),
    ],
)
def test_bad_companions_are_named(change, message):
    with pytest.raises(InputError, match=message):
        metrics.evaluate([0.1, 0.2, 0.9], [0, 0, 1], **change)


def test_lists_none_and_booleans_are_welcome():
    result = metrics.evaluate([0.1, None, 0.9], [False, False, True], threshold=0.5)
    assert result.n_failed == 1
    assert result.far == 0
