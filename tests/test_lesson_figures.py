"""Figures of notebooks 03, 04 and 07 say what their data say; expected values by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hfnmp_lite.teach import figures, fusion_figures, judging, pattern_figures


def texts(figure) -> list[str]:
    """Everything that is written on a figure."""
    import matplotlib.text

    return [t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_text()]


@pytest.fixture(autouse=True)
def every_figure_can_be_drawn(monkeypatch):
    drawn = []
    for module in (fusion_figures, judging, pattern_figures):
        monkeypatch.setattr(
            module, "_figure", lambda w, h: drawn.append(figures._figure(w, h)) or drawn[-1]
        )
    yield
    for figure in drawn:
        assert len(figures.png(figure, 40)) > 1000


SCORES = {
    "live": np.array([0.2, 0.5, 0.9, 0.95]),
    "print": np.array([0.1, 0.5]),
    "replay": np.array([0.1, 0.2, 0.6]),
}


def test_a_threshold_on_the_roc_says_every_rate():
    figure, said = judging.threshold_on_roc(SCORES, 0.5)  # a score at the threshold is accepted
    assert "9 simulated scores, 4 of them live" in said
    assert "FAR 40.0%, FRR 25.0%, HTER 32.5%; APCER 50.0% (print), BPCER 25.0%" in said
    assert "AUC of 0.800" in said  # 15 wins and 2 ties of 20 pairs
    assert {"live: 75.0% accepted", "print: 50.0% accepted", "replay: 33.3% accepted"} <= set(
        texts(figure)
    )
    (axes,) = [a for a in figure.axes if a.get_ylabel().startswith("live accepted")]
    (point,) = [line for line in axes.lines if line.get_label() == "this threshold"]
    assert (point.get_xdata()[0], point.get_ydata()[0]) == pytest.approx((0.4, 0.75))


def test_the_staircase_names_each_step():
    steps = {"sources": 0.42, "target (oracle)": 0.3, "others": 0.35}
    written = texts(judging.staircase(steps, ["down", "up"]))
    assert "−12.0 points: down" in written
    assert "+5.0 points: up" in written
    assert {"42.0%", "30.0%", "35.0%"} <= set(written)


def test_checkpoints_are_marked_where_the_rules_chose():
    hter = {"sources": [0.3, 0.2], "target": [0.5, 0.4], "own (oracle)": [0.25, 0.35]}
    chosen = {"by sources": ("target", 1), "by target (oracle)": ("own (oracle)", 0)}
    figure = judging.checkpoints([10, 20], hter, chosen)
    written = texts(figure)
    assert "chosen by sources: 40.0%" in written
    assert "chosen by target (oracle): 25.0%" in written


def test_intervals_that_miss_are_counted():
    ends = np.array([[0.1, 0.3], [0.21, 0.3], [0.1, 0.19], [0.2, 0.2]])
    written = texts(judging.interval_columns(0.2, {"frame": ends, "subject": ends[:1]}))
    assert "by frame:\n2 of 4 miss" in written
    assert "by subject:\n0 of 1 miss" in written


def test_the_luck_of_every_test_set_has_its_line():
    best = {"24": np.array([0.4, 0.2]), "240": np.array([0.45, 0.4])}
    lines = judging.luck((1, 10), best).axes[0].lines
    assert [list(line.get_ydata()) for line in lines[1:]] == [[0.4, 0.2], [0.45, 0.4]]


def test_a_part_without_a_gradient_is_crossed():
    norms = {"cross-entropy": np.array([0.0, 2.0]), "map loss": np.array([0.5, 0.0])}
    written = texts(fusion_figures.who_learns(["laterals", "conv6, conv7"], norms))
    assert written.count("× nothing") == 2
    assert {"2", "0.5", "laterals", "conv6, conv7"} <= set(written)


def test_levels_carry_their_shares_and_moves_their_names():
    energy, shares = np.ones((2, 3, 4, 4)), np.array([[0.5, -0.1, 0.0], [0.4, 0.2, 0.0]])
    written = texts(fusion_figures.level_grid(energy, shares, np.zeros((8, 8, 3))))
    assert {"image, c5: 50%", "image, c4: -10%", "pattern, c4: 20%"} <= set(written)
    curves = {"pair": np.arange(3.0), "one": np.arange(3.0), "half": np.arange(3.0) / 2}
    assert {"pair", "one", "half"} <= set(texts(fusion_figures.moves({"SGD": curves})))


def test_a_transplant_says_both_means():
    maps = np.full((4, 4), 0.25), np.full((4, 4), 0.75)
    pictures = [np.zeros((8, 8, 3))] * 2
    _, said = fusion_figures.transplant(pictures, ["replay", "live"], maps, "c5 (image)")
    assert said.endswith("mean 0.250. With c5 (image) from a live one: mean 0.750.")


def test_a_snapshot_says_its_gain():
    gains = {"now": np.array([1.0, 0.25]), "at the start": np.array([0.5, 0.5])}
    maps = np.random.default_rng(0).random((2, 8, 8, 3))
    figure, said = pattern_figures.snapshot(maps, ["live", "print"], [0.1, 0.5], gains, "run 1")
    assert "gain 1.00 at 0.10 and 0.25 at 0.50" in said
    assert {"run 1", "live", "print", "now", "at the start"} <= set(texts(figure))


def test_patterns_share_a_sheet_and_many_curves_one_label():
    rng = np.random.default_rng(0)
    images = rng.random((2, 8, 8, 3))
    sheet = pattern_figures.side_by_side(images, {"LBP": images / 9}, ["live", "print"])
    shown = [a.images[0].get_array() for a in sheet.axes]
    np.testing.assert_array_equal(shown[0], images[0])  # the image as it is, patterns stretched
    assert shown[1].max() == 1
    curves = {"LBP": np.ones((1, 2)), "untrained": rng.random((5, 2))}
    figure = pattern_figures.how_much([0.01, 0.1], curves, [0.1, 0.5], curves)
    assert {"LBP", "untrained (5)"} <= set(texts(figure))
    figure = pattern_figures.spectra(np.array([0.1, 0.5]), curves, {"print": curves})
    assert {"print minus live", "untrained (5)"} <= set(texts(figure))
    figure = pattern_figures.learning([0.1, 0.5], {"true labels": {0: np.ones(2), 5: np.ones(2)}})
    assert {"0", "5", "true labels"} <= set(texts(figure))
