"""The toy of notebook 05: its hand-derived gradients against autograd, its promises kept."""

import numpy as np
import pytest
import torch

from hfnmp_lite.learn.meta_step import ORDERS
from hfnmp_lite.teach import toy

PLACES = [(0.1, 1.6), (-0.4, 0.2), (0.7, -0.3), (1.3, 0.9)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("alpha", [0.3, 1.1])
def test_pattern_gradient_is_autograds(order, alpha):
    for place in PLACES:
        theta, phi = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in place)
        adapted = theta
        if order != "alternating":
            (gradient,) = torch.autograd.grad(
                toy.train_loss(theta, phi), theta, create_graph=order == "bilevel"
            )
            adapted = theta - alpha / 2 * gradient
            assert adapted.item() == pytest.approx(toy.network_step(*place, alpha))
        (expected,) = torch.autograd.grad(toy.test_loss(adapted, phi), phi)
        assert toy.pattern_gradient(order, *place, alpha) == pytest.approx(expected.item())


def test_an_unknown_order_is_refused():
    with pytest.raises(ValueError, match="unknown"):
        toy.pattern_gradient("sideways", 0.0, 0.0, 1.0)


def test_both_losses_vanish_at_one_place_alone():
    theta, phi = np.meshgrid(np.linspace(-2, 2, 401), np.linspace(-2, 3, 501))
    small = np.argwhere(np.maximum(toy.train_loss(theta, phi), toy.test_loss(theta, phi)) < 1e-6)
    assert {(round(theta[i, j], 2), round(phi[i, j], 2)) for i, j in small} == {(1.0, 1.0)}


def test_a_path_takes_k_steps_of_e_and_one_of_h_in_turn():
    places = toy.path("alternating", (0.2, 0.4), 0.8, inner_steps=2, beta=0.5, iterations=3)
    assert places.shape == (10, 2)
    moves = np.diff(places, axis=0)
    of_e, of_h = np.arange(9) % 3 < 2, np.arange(9) % 3 == 2
    assert (moves[of_e, 0] == 0).all()
    assert (moves[of_h, 1] == 0).all()
    # by hand: phi - 0.5 * -0.2 (1 - 0.2 * 0.4), and again; then theta + 0.4 m (1 - 0.2 m)
    assert places[1, 1] == pytest.approx(0.492)
    assert places[2, 1] == pytest.approx(0.492 + 0.1 * (1 - 0.2 * 0.492))
    m = 2 - places[2, 1]
    assert places[3, 0] == pytest.approx(0.2 + 0.4 * m * (1 - 0.2 * m))


def test_the_orders_part_where_the_notebook_says_so():
    def misses(order, start, alpha, inner_steps):
        return np.hypot(*(toy.path(order, start, alpha, inner_steps)[-1] - 1))

    ordinary, late = (0.1, 0.2), (0.1, 1.6)
    for order in ORDERS:
        assert misses(order, ordinary, 0.4, 4) < 0.05
        assert misses(order, late, 0.4, 1) < 0.05
    assert misses("bilevel", late, 0.4, 4) < 0.05
    assert misses("bilevel-first-order", late, 0.4, 4) > 1
    assert misses("alternating", late, 0.4, 4) > 1
    assert misses("bilevel", late, 0.2, 4) > 1  # it looks one step ahead, not two
    signs = {order: np.sign(toy.pattern_gradient(order, *late, 0.4)) for order in ORDERS}
    assert signs["bilevel"] == 1
    assert signs["bilevel-first-order"] == signs["alternating"] == -1
