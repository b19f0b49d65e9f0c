"""A table of runs in numbers: hand-worked cases, planted differences, holes in the table."""

import json

import numpy as np
import pytest
from rows import ARMS, DOMAINS, GOOD, planted, row, without
from scipy import stats

from hfnmp_lite.experiments.ablation import arms_of, read_rows, write_rows
from hfnmp_lite.experiments.paired import ALONE, BOTH, gain, mean_interval, say_gain, tabulate
from hfnmp_lite.experiments.summary import (
    GOAL_ARM,
    GOALS,
    render,
    say_chance,
    say_goal,
    summarise,
    summarise_file,
)
from hfnmp_lite.files import InputError


def counts(target, *errors):
    """Subjects with 2 live and 4 attacks each; errors as (live rejected, attacks accepted)."""
    return {f"{target}-{i}": [r, 2, a, 4] for i, (r, a) in enumerate(errors)}


def two_arms():
    """Two domains, two seeds, two subjects: HTERs 1/2, 3/8 | 1/4, 1/8 and so on, see the test."""
    return [
        row("lbp", "phone", 0, counts("phone", (1, 2), (1, 2)), auc="0.8", hter_oracle="0.3"),
        row("lbp", "phone", 1, counts("phone", (1, 2), (1, 0)), auc="0.6", hter_oracle="0.1"),
        row("lbp", "webcam", 0, counts("webcam", (2, 0), (2, 0)), auc="0.5"),
        row("lbp", "webcam", 1, counts("webcam", (2, 0), (2, 0)), auc="0.5"),
        row(GOAL_ARM, "phone", 0, counts("phone", (0, 2), (1, 0))),
        row(GOAL_ARM, "phone", 1, counts("phone", (0, 0), (0, 2))),
        row(GOAL_ARM, "webcam", 0, counts("webcam", (1, 0), (1, 0))),
        row(GOAL_ARM, "webcam", 1, counts("webcam", (1, 0), (1, 0))),
    ]


def test_a_case_worked_by_hand():
    said = summarise(two_arms())
    lbp, mp = said["arms"]["lbp"], said["arms"][GOAL_ARM]
    # phone, seed 0: (2/4 + 4/8) / 2 = 1/2; seed 1: (2/4 + 2/8) / 2 = 3/8; webcam: (4/4 + 0) / 2
    assert lbp["targets"]["phone"]["hter"] == pytest.approx(7 / 16)
    assert lbp["targets"]["phone"]["auc"] == pytest.approx(0.7)
    assert lbp["targets"]["phone"]["hter_oracle"] == pytest.approx(0.2)
    assert lbp["hter"] == pytest.approx((7 / 16 + 1 / 2) / 2)
    assert lbp["auc"] == pytest.approx((0.7 + 0.5) / 2)
    # phone: (1/4 + 2/8) / 2 = 1/4 and (0 + 2/8) / 2 = 1/8; webcam: (2/4 + 0) / 2
    assert mp["hter"] == pytest.approx((3 / 16 + 1 / 4) / 2)
    found = said["gains"]["lbp"][GOAL_ARM]
    assert found["targets"]["phone"]["points"] == pytest.approx(25)
    assert found["targets"]["webcam"]["points"] == pytest.approx(25)
    assert found["points"] == pytest.approx(25)
    # Before the phone, seeds by subjects, in points: 25, 25 | 50, 0. Seeds have equal means, 25;
    # subjects 37.5 and 12.5, as far apart as in the rest, -12.5, 12.5 | 12.5, -12.5: nothing is
    # left for them. Mean square of the rest: 4 x 156.25 / 1; of the mean: 625 / 4 = 12.5 squared.
    # Student's t at one degree of freedom: 12.706.
    half = 12.706205 * 12.5
    assert found["targets"]["phone"]["interval"] == pytest.approx((25 - half, 25 + half))
    assert found["targets"]["webcam"]["interval"] == (25, 25)
    assert found["interval"] == pytest.approx((25 - half / 2, 25 + half / 2))
    assert found["over"] == BOTH
    assert found["clear"] is False


# --- intervals ---------------------------------------------------------------------------------


def test_where_only_seeds_or_only_subjects_vary_it_is_students_interval():
    values = np.random.default_rng(0).normal(3, 2, 7)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    for table in (np.tile(values[:, None], 5), np.tile(values, (4, 1)), values[None]):
        assert mean_interval([table]) == pytest.approx(tuple(expected))


def test_two_targets_make_welchs_interval():
    draw = np.random.default_rng(1)
    a, b = draw.normal(3, 2, 5), draw.normal(1, 6, 4)
    welch = stats.ttest_ind(a, -b, equal_var=False).confidence_interval()  # of mean a + mean b
    found = mean_interval([np.tile(a[:, None], 6), np.tile(b[:, None], 3)])
    assert found == pytest.approx((welch.low / 2, welch.high / 2))


def test_seeds_and_subjects_that_only_add_up_add_their_variances():
    draw = np.random.default_rng(2)
    seeds, subjects = draw.normal(0, 4, 5), draw.normal(0, 9, 30)
    low, high = mean_interval([seeds[:, None] + subjects])
    parts = seeds.var(ddof=1) / 5, subjects.var(ddof=1) / 30
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 4 + parts[1] ** 2 / 29)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(sum(parts))
    assert (high - low) / 2 == pytest.approx(half)
    assert (high + low) / 2 == pytest.approx(seeds.mean() + subjects.mean())


@pytest.mark.parametrize("spreads", [(2.5, 2.5, 12), (10, 3, 12), (0, 3, 12)])
@pytest.mark.parametrize("seeds", [3, 5])
def test_the_promise_is_kept_with_few_seeds(seeds, spreads):
    """Spreads of seeds, subjects and both together, in points: the truth, 0, is in 95 of 100."""
    draw = np.random.default_rng(0)
    held = []
    for _ in range(400):
        tables = [
            spreads[0] * draw.standard_normal((seeds, 1))
            + spreads[1] * draw.standard_normal((1, 40))
            + spreads[2] * draw.standard_normal((seeds, 40))
            for _ in range(4)
        ]
        low, high = mean_interval(tables)
        held.append(low <= 0 <= high)
    assert 0.92 <= np.mean(held) <= 0.995


def test_a_planted_difference_is_covered_about_as_often_as_promised():
    covered, clear = [], []
    for number in range(120):
        table = tabulate(planted({"lbp": 0.35, "rgb": 0.4}, seeds=5, subjects=20, rng=number))
        found = gain(table, "lbp", "rgb", DOMAINS)
        covered.append(found.interval[0] <= 5 <= found.interval[1])
        clear.append(found.clear)
    assert 0.88 <= np.mean(covered) <= 0.995
    assert np.mean(clear) > 0.2  # the interval is not so wide that it tells nothing


def test_uneven_subjects_weigh_as_they_do_in_the_error():
    """A subject without attacks, one with many: a run's subjects still average to its HTER."""
    uneven = {"a": [1, 2, 0, 0], "b": [0, 1, 5, 9], "c": [3, 3, 1, 2]}
    table = tabulate([row("lbp", "phone", 0, uneven)])
    errors = table.errors("lbp", "phone", [0])
    assert errors.shape == (1, 3)
    assert errors.mean() == pytest.approx(100 * (4 / 6 + 6 / 11) / 2)


def test_what_both_arms_share_is_not_in_the_interval():
    """Hard subjects and bad seeds move both arms alike: nothing is left to be uncertain about."""
    rows = planted({"lbp": 0.5}, subjects=30, spread=(0.2, 0.3))
    worse = []
    for one in rows:
        tally = {n: [2, 4, a, 8] for n, (_, _, a, _) in json.loads(one["subjects"]).items()}
        less = {n: [1, *rest] for n, (_, *rest) in tally.items()}
        worse.append(row("lbp", one["target"], int(one["seed"]), tally))
        worse.append(row("rgb", one["target"], int(one["seed"]), less))
    found = summarise(worse)["gains"]["lbp"]["rgb"]
    assert found["points"] == pytest.approx(12.5)
    assert found["interval"] == pytest.approx((12.5, 12.5), abs=1e-6)


def test_equal_arms_differ_by_exactly_zero():
    rows = planted({"lbp": 0.3}, seeds=3, subjects=7)
    rows += [row("rgb", r["target"], int(r["seed"]), json.loads(r["subjects"])) for r in rows]
    found = summarise(rows)["gains"]["rgb"]["lbp"]
    assert found["points"] == 0
    assert found["interval"] == (0, 0)
    assert found["clear"] is False


def test_the_order_of_rows_does_not_matter():
    rows = planted(GOOD, seeds=3, subjects=10)
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    for one in shuffled[::2]:
        tally = list(json.loads(one["subjects"]).items())
        one["subjects"] = json.dumps(dict(tally[::-1]))
    assert summarise(shuffled) == summarise(rows)


def test_gains_against_each_other_are_opposite():
    gains = summarise(planted(GOOD, subjects=10))["gains"]
    one, other = gains["lbp"]["rgb"], gains["rgb"]["lbp"]
    assert one["points"] == pytest.approx(-other["points"])
    assert one["interval"] == pytest.approx((-other["interval"][1], -other["interval"][0]))


# --- holes -------------------------------------------------------------------------------------


def test_a_missing_target_leaves_no_mean_but_its_parts():
    rows = without(planted(GOOD, subjects=10), pattern="mp", target="webcam")
    said = summarise(rows)
    arm, found = said["arms"][GOAL_ARM], said["gains"]["lbp"][GOAL_ARM]
    assert arm["hter"] is None
    assert set(arm["targets"]) == {"handheld", "mixed", "phone"}
    assert found["points"] is found["interval"] is found["clear"] is None
    assert set(found["targets"]) == {"handheld", "mixed", "phone"}
    assert said["missing"] == ["mp alternating 2 lacks webcam (every seed)"]
    assert all(goal["met"] is None for goal in said["goals"])
    assert "open, runs are missing" in render(said)


def test_only_seeds_that_both_arms_have_are_compared():
    whole = planted(GOOD, seeds=4, subjects=10)
    rows = without(whole, pattern="mp", target="webcam", seed=2)
    rows = without(rows, pattern="lbp", target="webcam", seed=0)
    found = summarise(rows)["gains"]["lbp"][GOAL_ARM]["targets"]
    assert [found[t]["seeds"] for t in DOMAINS] == [4, 4, 4, 2]
    kept = [r for r in whole if r["target"] == "webcam" and r["seed"] in "13"]
    hters = {
        p: np.mean([float(r["hter"]) for r in kept if r["pattern"] == p]) for p in ("lbp", "mp")
    }
    assert found["webcam"]["points"] == pytest.approx(100 * (hters["lbp"] - hters["mp"]))
    assert summarise(rows)["missing"] == [
        "lbp lacks webcam (seed 0)",
        "mp alternating 2 lacks webcam (seed 2)",
    ]


def test_one_seed_says_nothing_about_seeds_and_decides_no_goal():
    said = summarise(planted(GOOD | {GOAL_ARM: 0.05}, seeds=1))
    found = said["gains"]["lbp"][GOAL_ARM]
    assert found["over"] == ALONE
    assert found["clear"]
    assert all(goal["met"] is None for goal in said["goals"])
    assert "(s)" in render(said)
    # one target with one common seed is enough
    rows = planted(GOOD, seeds=3)
    rows = without(without(rows, pattern="mp", target="phone", seed=1), target="phone", seed=2)
    assert summarise(rows)["gains"]["lbp"][GOAL_ARM]["over"] == ALONE


def test_one_arm_alone_and_one_subject_alone_are_summarised_too():
    said = summarise(planted({"mp joint 1": 0.2}, subjects=5))
    assert said["gains"] == {}
    assert "mp joint 1" in render(said)
    found = summarise(planted({"lbp": 0.2, "rgb": 0.4}, subjects=1))["gains"]["lbp"]["rgb"]
    assert found["points"] is not None
    assert found["interval"] is None
    assert found["clear"] is False


# --- goals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        (GOOD, {"lbp": True, "rgb": True, "random": True}),
        (GOOD | {"lbp": 0.17, "random": 0.14}, {"lbp": False, "rgb": True, "random": False}),
    ],
)
def test_goals_are_held_against_what_was_found(errors, expected):
    said = summarise(planted(errors, seeds=5, spread=(0.01, 0.05)))
    assert {g["baseline"]: g["met"] for g in said["goals"]} == expected
    for goal in said["goals"]:
        assert goal["points"] == said["gains"][goal["baseline"]][GOAL_ARM]["points"]
        word = "met" if goal["met"] else "not met"
        assert f": {word}, {goal['points']:+z.1f} [" in say_goal(goal)
        assert say_goal(goal) in render(said)
    assert {g["baseline"]: g["goal"] for g in said["goals"]} == GOALS


def test_a_gain_that_reaches_the_goal_but_not_past_zero_does_not_meet_it():
    said = summarise(planted(GOOD | {GOAL_ARM: 0.16}, seeds=2, subjects=4, spread=(0.3, 0.3)))
    for goal in said["goals"]:
        assert goal["interval"][0] < 0
        assert goal["met"] is False


def test_the_goal_names_an_arm_of_the_grid():
    assert GOAL_ARM in arms_of("core")
    assert set(ARMS) <= set(arms_of("core"))


# --- what cannot be compared -------------------------------------------------------------------


def broken(change):
    rows = planted({"lbp": 0.3, "rgb": 0.4}, seeds=2, subjects=4)
    change(rows)
    return rows


def other_preset(rows):
    config = json.loads(rows[3]["config"])
    rows[3]["config"] = json.dumps(config | {"preset": "smoke"})


def other_people(rows):
    tally = json.loads(rows[3]["subjects"])
    rows[3]["subjects"] = json.dumps({f"{name}x": four for name, four in tally.items()})


def fewer_people(rows):
    tally = json.loads(rows[3]["subjects"])
    tally.popitem()
    rows[3]["subjects"] = json.dumps(tally)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows.clear(), "no run yet"),
        (lambda rows: rows[3].update(data_sha256="f" * 64), "2 different data"),
        (other_preset, "2 different --training presets"),
        (other_people, "rgb, handheld, seed 1.*other presentations"),
        (fewer_people, "other presentations"),
        (lambda rows: rows[3].update(hter="0.123"), "rgb, handheld, seed 1.*make 0"),
        (lambda rows: rows[3].update(hter="nan"), "make 0"),
        (lambda rows: rows[3].update(auc="much"), "damaged"),
        (lambda rows: rows[3].update(subjects="[1, 2]"), "damaged"),
        (lambda rows: rows[3].update(subjects='{"a": [1]}'), "damaged"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused_with_one_line(change, words, tmp_path):
    rows = broken(change)
    with pytest.raises(InputError, match=words) as caught:
        summarise(rows)
    assert "\n" not in str(caught.value)
    write_rows(tmp_path / "table.csv", rows)
    with pytest.raises(InputError, match=r"table\.csv"):
        summarise_file(tmp_path / "table.csv")


def test_a_file_is_named_with_its_checksum_and_its_origin(tmp_path):
    path = tmp_path / "table.csv"
    rows = planted({"lbp": 0.3, "rgb": 0.4}, seeds=2, subjects=4)
    rows[0]["commit"] = "2" * 40
    write_rows(path, rows)
    assert read_rows(path) == rows
    said = summarise_file(path)
    assert said["rows"]["file"] == "table.csv"
    assert said["rows"]["n"] == 16
    assert said["rows"]["commit"] == ["1" * 40, "2" * 40]
    assert said["rows"]["hardware"] == [{"cores": 2}]
    assert len(said["rows"]["sha256"]) == 64
    json.dumps(said)


def test_a_gain_in_words():
    rows = planted(GOOD, seeds=4, spread=(0.01, 0.05))
    table = tabulate(without(rows, pattern="rgb", target="phone"))
    said = say_gain("lbp", GOAL_ARM, gain(table, "lbp", GOAL_ARM, DOMAINS))
    assert said.startswith("lbp over mp alternating 2: -")
    assert said.endswith("over subjects and seeds: a difference")
    missing = gain(table, "lbp", "rgb", DOMAINS)
    assert say_gain("lbp", "rgb", missing) == "lbp over rgb: runs are missing"


# --- where no threshold works ------------------------------------------------------------------


def turned_away(rows, target):
    """Every live face rejected, every attack too: an HTER of exactly one half."""
    for r in rows:
        if r["target"] == target:
            tally = json.loads(r["subjects"])
            r["subjects"] = json.dumps({name: [2, 2, 0, 4] for name in tally})
            r["hter"] = "0.5"
    return rows


def test_a_target_where_every_arm_is_at_chance_is_named_with_its_rankings():
    rows = turned_away(planted(GOOD, seeds=2, subjects=6), "webcam")
    for r in rows:
        if r["target"] == "webcam":
            better = r["pattern"] == "mp"
            r |= {"auc": "0.9" if better else "0.7", "hter_oracle": "0.1" if better else "0.35"}
    said = summarise(rows)
    assert said["at_chance"] == {"webcam": {"auc": [0.7, 0.9], "hter_oracle": [0.1, 0.35]}}
    line = say_chance("webcam", said["at_chance"]["webcam"])
    assert "before webcam no arm's threshold works" in line
    assert "AUC 0.700 to 0.900" in line
    assert "10.0 to 35.0 %" in line
    assert line in render(said)


def test_one_arm_whose_threshold_works_is_enough():
    rows = turned_away(planted(GOOD, seeds=2, subjects=6), "webcam")
    working = planted({GOAL_ARM: 0.1}, seeds=2, subjects=6, targets=("webcam",))
    rows = [r for r in rows if (r["pattern"], r["target"]) != ("mp", "webcam")] + working
    assert summarise(rows)["at_chance"] == {}
