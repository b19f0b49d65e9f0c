"""The figures of the ablations say what the table says."""

from __future__ import annotations

import itertools

import numpy as np
from rows import DOMAINS, GOOD, planted, without

from hfnmp_lite.experiments.paired import gain, tabulate
from hfnmp_lite.experiments.summary import GOAL_ARM, summarise
from hfnmp_lite.teach import ablation_figures, figures


def test_the_forest_shows_every_arm_and_leaves_out_what_is_not_there():
    rows = without(planted(GOOD, seeds=2, subjects=6), pattern="mp", target="handheld")
    said = summarise(rows)
    figure = ablation_figures.forest(said)
    means, *panels = figure.axes
    assert [t.get_text() for t in means.get_yticklabels()] == list(said["arms"])
    assert [p.get_title() for p in panels] == [f"against {b}" for b in said["gains"]]
    for panel, found in zip(panels, said["gains"].values(), strict=True):
        drawn = sorted(
            round(float(line.get_xdata()[0]), 6)
            for line in panel.lines
            if line.get_marker() == "o" and len(line.get_xdata()) == 1
        )
        held = [one["points"] for one in found.values() if one["points"] is not None]
        assert drawn == sorted(round(p, 6) for p in held)
    assert figures.png(figure).startswith(b"\x89PNG")


def test_a_pair_says_what_it_shows():
    rows = without(planted(GOOD, seeds=2, subjects=6), pattern="mp", target="handheld")
    table = tabulate(rows)
    said = set()
    places = (*DOMAINS, ablation_figures.MEAN)
    for baseline, target in itertools.product(("lbp", "rgb"), places):
        _, alt = ablation_figures.pair(table, "random", baseline, target)
        found = gain(table, "random", baseline, DOMAINS if target == "mean" else [target])
        assert f"{found.points:+z.1f} [" in alt
        assert target in alt
        said.add(alt)
    assert len(said) == 10
    _, alt = ablation_figures.pair(table, GOAL_ARM, "lbp", ablation_figures.MEAN)
    assert "runs are missing" in alt


def test_spreads_and_coverage_are_drawn_where_they_should_be():
    figure = ablation_figures.spreads({"a": np.arange(101.0), "b": np.arange(11.0)})
    first, second = figure.axes
    assert list(first.lines[0].get_xdata()) == [2.5, 97.5]
    assert second.get_title(loc="left") == "b: [+0.2, +9.8], 9.5 points long"
    figure = ablation_figures.coverage({"one way": {1: 0.5, 3: 0.9}})
    line = figure.axes[0].lines[0]
    assert list(zip(line.get_xdata(), line.get_ydata(), strict=True)) == [(1, 0.5), (3, 0.9)]


def test_the_forest_says_why_a_place_is_empty():
    rows = without(planted(GOOD, seeds=2, subjects=6), pattern="mp", target="handheld")
    said = summarise(rows)
    for panel, found in zip(ablation_figures.forest(said).axes[1:], said["gains"], strict=True):
        places = {round(t.get_position()[1]): t.get_text().strip() for t in panel.texts}
        expected = {"itself": found, "runs are missing": GOAL_ARM}
        arms = list(said["arms"])
        assert places == {arms.index(arm): words for words, arm in expected.items()}


def test_transfer_shows_both_errors_of_every_arm_and_target():
    rows = without(planted(GOOD, seeds=2, subjects=6), pattern="mp", target="handheld")
    for number, row in enumerate(rows):
        row["hter_oracle"] = repr(0.01 + number / 1000)
    said = summarise(rows)
    figure = ablation_figures.transfer(said)
    assert [axes.get_title() for axes in figure.axes] == said["targets"]
    for axes, target in zip(figure.axes, said["targets"], strict=True):
        drawn = {"o": [], "D": []}
        for line in axes.lines:
            if line.get_marker() in drawn:
                drawn[line.get_marker()].append((line.get_ydata()[0], line.get_xdata()[0]))
        held = {
            place: of["targets"][target]
            for place, of in enumerate(said["arms"].values())
            if target in of["targets"]
        }
        assert drawn["o"] == [(y, 100 * of["hter_oracle"]) for y, of in held.items()]
        assert drawn["D"] == [(y, 100 * of["hter"]) for y, of in held.items()]
    assert len(held) == len(said["arms"])  # the last target, webcam, lacks none
    assert figures.png(figure).startswith(b"\x89PNG")
