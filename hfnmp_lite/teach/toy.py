"""Learning to learn with two numbers: one for the pattern, one for the network that reads it.

Two cues tell a live face from an attack. The pattern shows phi of the first and 1 - phi of the
second. The first is equally strong in both domains; the second, a shortcut, is twice as strong in
the meta-train domain and cannot be seen in the meta-test domain. So the pattern's strength is
m = phi * 1 + (1 - phi) * 2 = 2 - phi in meta-train and m = phi * 1 + (1 - phi) * 0 = phi in
meta-test. The network answers theta * m, and 1 would be right: L = (1 - theta * m)^2 / 2. Both
losses vanish at theta = phi = 1 alone.

theta and phi are numbers, arrays or tensors alike. The orders are those of `learn.meta_step`.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

Number = TypeVar("Number")  # a float, an array, a tensor


def train_loss(theta: Number, phi: Number) -> Number:
    """L(theta, phi; meta-train)."""
    return (1 - theta * (2 - phi)) ** 2 / 2


def test_loss(theta: Number, phi: Number) -> Number:
    """L(theta, phi; meta-test)."""
    return (1 - theta * phi) ** 2 / 2


def network_step(theta: Number, phi: Number, alpha: float) -> Number:
    """theta - alpha / 2 * d/dtheta L(meta-train): H's step, real or virtual."""
    return theta + alpha / 2 * (2 - phi) * (1 - theta * (2 - phi))


def pattern_gradient(order: str, theta: Number, phi: Number, alpha: float) -> Number:
    """What phi descends: d/dphi L(meta-test), in one of the three orders."""
    if order == "alternating":
        return -theta * (1 - theta * phi)
    adapted = network_step(theta, phi, alpha)
    direct = -adapted * (1 - adapted * phi)
    if order == "bilevel-first-order":
        return direct
    if order != "bilevel":
        raise ValueError(f"order '{order}' is unknown; expected one of those of `meta_step`")
    reader_moves = -alpha / 2 * (1 - 2 * theta * (2 - phi))  # d theta' / d phi
    return direct - phi * (1 - adapted * phi) * reader_moves


def path(
    order: str,
    start: tuple[float, float],
    alpha: float,
    inner_steps: int,
    beta: float = 0.15,
    iterations: int = 60,
) -> np.ndarray:
    """Follow an order from `start` = (theta, phi): in turn K steps of E and one of H.

    Parameters
    ----------
    order, start, alpha
        As above; alpha is the rate of H, in virtual and real steps.
    inner_steps : int
        K.
    beta : float
        Rate of E.
    iterations : int
        Of K + 1 steps each.

    Returns
    -------
    (1 + iterations * (K + 1), 2) ndarray
        (theta, phi) at the start and after every step of either.
    """
    theta, phi = start
    places = [start]
    for _ in range(iterations):
        for _ in range(inner_steps):
            phi = phi - beta * pattern_gradient(order, theta, phi, alpha)
            places.append((theta, phi))
        theta = network_step(theta, phi, alpha)
        places.append((theta, phi))
    return np.array(places)
