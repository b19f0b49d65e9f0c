"""Verdicts by the two intervals; claims over the targets of drawn inventories."""

import numpy as np
import pytest
from rows import GOOD, planted
from scipy import stats

from hfnmp_lite.experiments import claims, paired
from hfnmp_lite.experiments.ablation import CLAIMS, write_rows
from hfnmp_lite.experiments.run import SHIPPED
from hfnmp_lite.experiments.summary import GOAL_ARM
from hfnmp_lite.files import InputError


@pytest.mark.parametrize(
    ("interval", "narrow", "verdict"),
    [
        ((0.1, 9), (0.5, 8), paired.DIFFERENCE),
        ((-2, -0.1), (-1.8, -0.2), paired.DIFFERENCE),
        ((-3.2, 2), (-2.9, 1.5), paired.NO_DIFFERENCE),
        ((-3.2, 2), (-3.1, 1.5), paired.UNDECIDED),
        ((-1, 4), (-0.5, 3.5), paired.UNDECIDED),
        (None, None, paired.UNDECIDED),
    ],
)
def test_a_verdict_follows_from_the_intervals(interval, narrow, verdict):
    assert paired.decide(interval, narrow) == verdict


def test_one_seed_decides_nothing_of_a_method():
    table = paired.tabulate(planted(GOOD, seeds=1, spread=(0, 0.05)))
    found = paired.gain(table, GOAL_ARM, "rgb", table.targets)
    assert found.over == paired.ALONE
    assert found.verdict == paired.UNDECIDED


def test_the_narrow_interval_is_students_at_ninety_per_cent():
    values = np.random.default_rng(0).normal(3, 2, 7)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert paired.mean_interval([values[None]], paired.NARROW) == pytest.approx(tuple(expected))


def tables(count, **settings):
    return {
        CLAIMS[i]: paired.tabulate(planted(GOOD, seeds=1, rng=i, **settings)) for i in range(count)
    }


def test_a_claim_is_students_over_targets():
    of = tables(3)
    found = claims.claim(of, "lbp")
    gains = [
        paired.gain(t, GOAL_ARM, "lbp", [target]).points
        for t in of.values()
        for target in t.targets
    ]
    assert list(found.by_target.values()) == pytest.approx(gains)
    test = stats.ttest_1samp(gains, 0)
    assert found.interval == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert found.narrow == pytest.approx(tuple(test.confidence_interval(0.90)))


@pytest.mark.parametrize(("spread", "low", "high"), [(0.0, 0.0, 0.6), (0.2, 0.8, 1.0)])
def test_the_share_between_targets_grows_with_what_moves_them(spread, low, high):
    found = claims.claim(tables(4, spread=(spread, 0.0), subjects=80), "lbp")
    assert low <= found.between <= high


def test_what_was_not_run_is_not_claimed(tmp_path):
    assert claims.say_claims(claims.read_claims(tmp_path)) == [
        "no inventory was run yet: nothing is claimed"
    ]
    rows = [{**r, "data": "drawn"} for r in planted({"lbp": 0.3, "rgb": 0.4}, seeds=1)]
    write_rows(tmp_path / f"claims-{CLAIMS[1]}.csv", rows)
    said = claims.say_claims(claims.read_claims(tmp_path))
    assert said[0] == f"{GOAL_ARM} over lbp: runs are missing"


def test_nothing_is_decided_before_every_inventory_was_run():
    clear = {**GOOD, GOAL_ARM: 0.05}
    of = {i: paired.tabulate(planted(clear, seeds=1, rng=int(i))) for i in CLAIMS}
    assert paired.DIFFERENCE in claims.say_claims(of)[0]
    some = claims.say_claims({i: of[i] for i in CLAIMS[:3]})[0]
    assert "open, 4 targets are missing" in some
    assert paired.DIFFERENCE not in some


def test_one_inventory_does_not_count_twice_and_the_shipped_domains_never(tmp_path):
    rows = planted(GOOD, seeds=1)
    for inventory in CLAIMS[:2]:
        write_rows(tmp_path / f"claims-{inventory}.csv", [{**r, "data": "drawn"} for r in rows])
    with pytest.raises(InputError, match="same data"):
        claims.read_claims(tmp_path)
    write_rows(tmp_path / f"claims-{CLAIMS[0]}.csv", [{**r, "data": SHIPPED} for r in rows])
    with pytest.raises(InputError, match="shipped samples"):
        claims.read_claims(tmp_path)
