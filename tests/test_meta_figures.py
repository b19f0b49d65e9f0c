"""Figures of learning to learn: what is drawn is what was given."""

import numpy as np
import pytest

from hfnmp_lite.teach import meta_figures, toy


def lines(axes):
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def test_around_steps_draw_each_change_and_hatch_what_rose():
    before, after = {"phone": 0.8, "webcam": 1.0}, {"phone": 0.75, "webcam": 1.02}
    (axes,) = meta_figures.around_steps({"a step": (before, after)}).axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([-0.05, 0.02])
    assert [bool(bar.get_hatch()) for bar in axes.patches] == [False, True]
    assert [text.get_text() for text in axes.texts] == ["0.800 → 0.750", "1.000 → 1.020"]


def test_differences_are_drawn_in_the_orders_colours():
    given = {"alternating": [0.02, 0.3], "bilevel-first-order": [0.001, 0.1]}
    (axes,) = meta_figures.differences([0.001, 0.1], given).axes
    for line in axes.lines:
        assert line.get_color() == meta_figures.ORDER_COLOURS[line.get_label()]
        np.testing.assert_array_equal(line.get_ydata(), given[line.get_label()])
    assert axes.get_yscale() == axes.get_xscale() == "log"


def test_gradient_cosines_mark_their_means():
    values = {"other": [0.1, -0.3, 0.5], "same": [0.2, 0.4, 0.6]}
    (axes,) = meta_figures.gradient_cosines([0, 5, 10], {"E": values}).axes
    marks = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert [float(line.get_ydata()[0]) for line in marks] == pytest.approx([0.1, 0.4])


def test_the_toys_tangents_touch_the_curves_they_belong_to():
    theta, phi, alpha = 0.1, 1.6, 0.4
    (axes,) = meta_figures.toy_slopes(theta, phi, alpha).axes
    drawn = lines(axes)
    for order, curve, touches in (
        ("alternating", "today's reader θ", True),
        ("bilevel", "tomorrow's reader θ'(φ)", True),
        ("bilevel-first-order", "tomorrow's reader θ'(φ)", False),
    ):
        (tangent,) = [xy for label, xy in drawn.items() if label.startswith(f"{order}:")]
        x, y = drawn[curve].T
        slope = np.interp(phi, x, np.gradient(y, x))
        found = (tangent[1, 1] - tangent[0, 1]) / (tangent[1, 0] - tangent[0, 0])
        assert tangent[:, 1].mean() == pytest.approx(np.interp(phi, x, y), abs=1e-4)
        assert (abs(found - slope) < 1e-3) == touches


def test_the_toys_paths_are_drawn_and_told():
    start = (0.1, 1.6)
    figure, alt = meta_figures.toy_paths(start, 0.4, 4)
    for axes, order in zip(figure.axes, meta_figures.ORDERS, strict=True):
        places = toy.path(order, start, 0.4, 4)
        assert any(np.array_equal(line.get_xydata(), places[:, ::-1]) for line in axes.lines)
        assert order in axes.get_title()
        assert f"{order} ends at φ = {places[-1, 1]:.2f}, θ = {places[-1, 0]:.2f}" in alt
    assert figure.axes[2].get_title().endswith("\narrives")
    assert "not arrive" in figure.axes[0].get_title()
    assert "α = 0.40 and K = 4" in alt


def test_the_toys_valleys_are_where_the_losses_vanish():
    for axes in meta_figures.toy_losses().axes[:2]:
        for name, loss in (
            ("meta-train right", toy.train_loss),
            ("meta-test right", toy.test_loss),
        ):
            phi, theta = lines(axes)[name].T
            known = np.isfinite(theta)
            assert known.sum() > 50
            np.testing.assert_allclose(loss(theta[known], phi[known]), 0, atol=1e-12)
