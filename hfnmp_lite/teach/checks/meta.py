"""Checks of notebook 05, the meta-learning step.

The losses handed to a student are polynomials whose derivatives were worked out by hand; expected
values are plain Python.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hfnmp_lite.teach.checks.verdict import call, checker, fail, need_shape, need_values, say


@checker
def check_alternating_step(fn: Callable) -> int:
    """Exercise 05.1: K steps of phi on meta-test, then one of theta on meta-train / 2."""
    # L_test = t0 p0^2 + t1 p1 (d/dp = 2 t0 p0, t1); L_train = t0^2 p0 + 3 t1 p1 + t2^2 / 2
    cases = [
        ([1.0, -0.5, 0.2], [0.8, 0.3], 0.4, 0.1, 3),
        ([0.4, 0.3, -1.0], [-0.6, 1.0], 0.2, 0.5, 1),
    ]
    for theta, phi, alpha, beta, steps in cases:
        given = f"theta {theta}, phi {phi}, alpha {alpha}, beta {beta} and K = {steps}"
        result = call(fn, given, _tensor(theta), _tensor(phi), _train, _test, alpha, beta, steps)
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            fail(given, say(result), "a pair", "return the new theta and the new phi")
        new_theta, new_phi = result
        other = "theta comes first, then phi, each in the shape in which it was given"
        need_shape(
            given, new_theta, (3,), {(2,): "phi came first; theta is asked for first"}, other
        )
        need_shape(given, new_phi, (2,), {}, other)
        right = _descend_phi(theta, phi, beta, steps)
        late = _descend_theta(theta, phi, alpha / 2)
        p_mistakes = [
            (phi, "phi did not move: was the step computed and not kept?"),
            (_descend_phi(theta, phi, beta, 1), "phi takes K steps, and only one was made"),
            (_descend_phi(theta, phi, beta / 2, steps), "only H's loss is halved, not E's"),
            (_descend_phi(theta, phi, -beta, steps), "it climbed: subtract the gradient"),
            (_descend_phi(late, phi, beta, steps), "theta moved first; E's steps come before H's"),
            (_train_phi(theta, phi, beta, steps), "E's steps descend the meta-test loss"),
        ]
        other = "phi <- phi - beta * d/dphi L(meta-test), K times, anew at each phi"
        need_values(given, new_phi, np.array(right), p_mistakes, f"in phi: {other}")
        many = theta
        for _ in range(steps):
            many = _descend_theta(many, right, alpha / 2)
        t_mistakes = [
            (theta, "theta did not move: was the step computed and not kept?"),
            (late, "theta's step used the old phi; it goes through the new one"),
            (_descend_theta(theta, right, alpha), "H descends L / 2: the half is missing"),
            (_descend_theta(theta, right, -alpha / 2), "it climbed: subtract the gradient"),
            (_descend_theta(theta, right, beta / 2), "alpha is theta's rate, beta is phi's"),
            (many, "theta takes one step, not K"),
        ]
        other = "theta <- theta - alpha / 2 * d/dtheta L(meta-train), once, through the new phi"
        expected = np.array(_descend_theta(theta, right, alpha / 2))
        need_values(given, new_theta, expected, t_mistakes, f"in theta: {other}")
    return len(cases)


def _test(theta, phi):
    return theta[0] * phi[0] ** 2 + theta[1] * phi[1]


def _train(theta, phi):
    return theta[0] ** 2 * phi[0] + 3 * theta[1] * phi[1] + theta[2] ** 2 / 2


def _descend_phi(theta: list[float], phi: list[float], beta: float, steps: int) -> list[float]:
    p0, p1 = phi
    for _ in range(steps):
        p0, p1 = p0 - beta * 2 * theta[0] * p0, p1 - beta * theta[1]
    return [p0, p1]


def _train_phi(theta: list[float], phi: list[float], beta: float, steps: int) -> list[float]:
    return [phi[0] - steps * beta * theta[0] ** 2, phi[1] - steps * beta * 3 * theta[1]]


def _descend_theta(theta: list[float], phi: list[float], rate: float) -> list[float]:
    t0, t1, t2 = theta
    return [t0 - rate * 2 * t0 * phi[0], t1 - rate * 3 * phi[1], t2 - rate * t2]


@checker
def check_two_gradients(fn: Callable) -> int:
    """Exercise 05.2: the toy's first-order and exact phi-gradient, by hand."""
    cases = [(0.1, 1.6, 0.4), (0.0, 0.5, 1.0), (-0.4, 0.2, 0.8), (0.7, 1.2, 0.0)]
    for theta, phi, alpha in cases:
        given = f"theta {theta}, phi {phi} and alpha {alpha}"
        found = call(fn, given, theta, phi, alpha)
        causes = {(): "one number came back; two are asked for"}
        need_shape(given, found, (2,), causes, "return two numbers: first-order, then exact")
        first, exact = _toy(theta, phi, alpha / 2)
        adapted = theta + alpha / 2 * (2 - phi) * (1 - theta * (2 - phi))
        gap = exact - first
        today = -theta * (1 - theta * phi)
        mistakes = [
            ((exact, first), "first-order comes first, then the exact one"),
            (_toy(theta, phi, alpha), "H descends L / 2: the virtual step is alpha / 2 long"),
            ((today, exact), "the first-order gradient is taken at theta', not at theta"),
            ((today, today + gap), "both gradients are taken at theta', not at theta"),
            ((first, first), "the second term is missing: dL/dtheta' times dtheta'/dphi"),
            ((first, first - gap), "dtheta'/dphi has the wrong sign"),
            ((first, gap), "the exact gradient is the sum of both terms"),
            ((-first, -exact), "the sign: d/dphi of (1 - theta' phi)^2 / 2 is negative at first"),
            (
                (first, first + (gap / phi if phi else 0)),
                "dL/dtheta' = -phi (1 - theta' phi): the factor phi is missing",
            ),
            (
                (adapted * (1 - adapted * (2 - phi)), exact),
                "E is judged on meta-test, where m = phi",
            ),
        ]
        other = "work out theta' first, then -theta' (1 - theta' phi), then the chain rule's term"
        need_values(given, found, np.array([first, exact]), mistakes, other)
    return len(cases)


def _toy(theta: float, phi: float, rate: float) -> tuple[float, float]:
    """With u = theta' phi as a polynomial in phi, L = (1 - u)^2 / 2 and dL/dphi = -(1 - u) u'."""
    u = theta * phi + rate * (phi * (2 - phi) - theta * phi * (2 - phi) ** 2)
    slope = theta + rate * (2 - 2 * phi - theta * (2 - phi) * (2 - 3 * phi))
    adapted = theta + rate * (2 - phi) * (1 - theta * (2 - phi))
    return -(1 - u) * adapted, -(1 - u) * slope


@checker
def check_central_difference(fn: Callable) -> int:
    """Exercise 05.3: slope of a function along a direction, from two values."""
    # f = sum x^3: (f(x + h d) - f(x - h d)) / 2h = sum 3 x^2 d + h^2 d^3, by the binomial theorem
    cases = [([1.0, 2.0], [1.0, 2.0], 0.25), ([0.5, -1.0, 0.0], [0.0, 1.0, -2.0], 0.1)]
    for place, direction, h in cases:
        given = f"f = sum of cubes, x {place}, direction {direction} and h = {h}"
        pairs = list(zip(place, direction, strict=True))
        slope = call(fn, given, lambda x: (x**3).sum(), _tensor(place), _tensor(direction), h)
        need_shape(given, slope, (), {}, "one number is asked for: the slope along the direction")
        expected = sum(3 * x * x * d + h * h * d**3 for x, d in pairs)
        bend = sum(3 * x * d * d * h for x, d in pairs)
        every = sum(3 * x * x + h * h for x, _ in pairs)
        mistakes = [
            (expected + bend, "that is the one-sided difference: step backwards, too"),
            (expected - bend, "that is the one-sided difference: step forwards, too"),
            (2 * expected, "the two places lie 2 h apart: divide by 2 h"),
            (2 * h * expected, "the difference was not divided by 2 h"),
            (h * expected, "divide by 2 h, not by 2"),
            (h * h * expected, "`/ 2 * h` divides and multiplies: write `/ (2 * h)`"),
            (-expected, "forwards minus backwards, not the other way round"),
            (every, "step along the direction: x + h * direction"),
            (expected - sum(h * h * d**3 for _, d in pairs), "use f's values, not its derivative"),
        ]
        need_values(given, slope, np.array(expected), mistakes, "(f(x + h d) - f(x - h d)) / 2h")
    return len(cases)


@checker
def check_phi_gradient(fn: Callable) -> int:
    """Exercise 05.4: the phi-gradient through the virtual step, or past it, by autograd."""
    cases = [
        ([1.0, -0.5], [0.8, 0.3, -1.2], 0.4, True),
        ([1.0, -0.5], [0.8, 0.3, -1.2], 0.4, False),
        ([-0.3, 0.9], [0.5, -0.7, 0.6], 1.0, False),
        ([-0.3, 0.9], [0.5, -0.7, 0.6], 1.0, True),
    ]
    for theta, phi, alpha, exact in cases:
        given = f"theta {theta}, phi {phi}, alpha {alpha} and exact={exact}"
        arguments = (_tensor(theta), _tensor(phi), _inner, _outer, alpha, exact)
        found = call(fn, given, *arguments)
        causes = {(2,): "that is theta's shape; the gradient with respect to phi is asked for"}
        causes |= {(1, 3): "`torch.autograd.grad` returns a tuple: take its [0]"}
        need_shape(given, found, (3,), causes, "one number is asked for each entry of phi")
        expected = _through(theta, phi, alpha / 2, exact)
        turned = "theta' was differentiated though exact=False: leave its graph away"
        if exact:
            turned = "theta' was a constant: its gradient needs create_graph=True and no detach"
        outer = _test_direct(theta, phi)
        mistakes = [
            (_through(theta, phi, alpha / 2, not exact), turned),
            (outer, "the virtual step is missing: test_loss belongs at theta', not at theta"),
            (_through(theta, phi, alpha, exact), "H descends L / 2: the half is missing"),
            (_through(theta, phi, -alpha / 2, exact), "theta' climbed: subtract the gradient"),
            (
                [theta[0] ** 2, theta[1] * phi[2], theta[1] * phi[1]],
                "that is train_loss's gradient",
            ),
        ]
        other = "theta' = theta - alpha/2 * d/dtheta train_loss; then d/dphi test_loss(theta', phi)"
        need_values(given, found, np.array(expected), mistakes, other)
    return len(cases)


def _inner(theta, phi):
    return theta[0] ** 2 * phi[0] + theta[1] * phi[1] * phi[2]


def _outer(theta, phi):
    return theta[0] * phi[1] + theta[1] ** 2 * phi[0]


def _test_direct(theta: list[float], phi: list[float]) -> list[float]:
    """d/dphi of _outer at a constant theta."""
    return [theta[1] ** 2, theta[0], 0.0]


def _through(theta: list[float], phi: list[float], rate: float, exact: bool) -> list[float]:
    """Differentiate _outer(theta', phi), theta' = theta - rate * (2 t0 p0, p1 p2)."""
    (t0, t1), (p0, p1, p2) = theta, phi
    a0, a1 = t0 - rate * 2 * t0 * p0, t1 - rate * p1 * p2
    gradient = _test_direct([a0, a1], phi)
    if exact:  # d a0 / d p0 = -2 rate t0; d a1 / d p1 = -rate p2; d a1 / d p2 = -rate p1
        on_a0, on_a1 = p1, 2 * a1 * p0
        moved = [on_a0 * -2 * rate * t0, on_a1 * -rate * p2, on_a1 * -rate * p1]
        gradient = [g + m for g, m in zip(gradient, moved, strict=True)]
    return gradient


def _tensor(values: list[float]):
    import torch

    return torch.tensor(values, dtype=torch.float64)
