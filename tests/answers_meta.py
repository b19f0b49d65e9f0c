"""Right and wrong answers to the exercises of notebook 05."""

import torch
from torch.autograd import grad


def alternating_step(theta, phi, train_loss, test_loss, alpha, beta, inner_steps):
    for _ in range(inner_steps):
        phi = phi.detach().requires_grad_()
        phi = phi - beta * grad(test_loss(theta, phi), phi)[0]
    theta = theta.detach().requires_grad_()
    return theta - alpha / 2 * grad(train_loss(theta, phi), theta)[0], phi


def alternating_by_optimizer(theta, phi, train_loss, test_loss, alpha, beta, inner_steps):
    theta, phi = (torch.nn.Parameter(p.clone()) for p in (theta, phi))
    on_theta, on_phi = torch.optim.SGD([theta], alpha), torch.optim.SGD([phi], beta)
    for optimizer, loss, steps in (
        (on_phi, test_loss, inner_steps),
        (on_theta, lambda t, p: train_loss(t, p) / 2, 1),
    ):
        for _ in range(steps):
            on_theta.zero_grad()
            on_phi.zero_grad()
            loss(theta, phi).backward()
            optimizer.step()
    return [theta, phi]


def slope(loss, x):
    x = x.detach().clone().requires_grad_()
    return grad(loss(x), x)[0]


def alternate(theta, phi, train, test, alpha, beta, steps, h_first=False, old=False, h_steps=1):
    """Everything that can be done another way, wrongly."""
    first = phi
    if h_first:
        theta = theta - alpha / 2 * slope(lambda t: train(t, phi), theta)
    for _ in range(steps):
        phi = phi - beta * slope(lambda p: test(theta, p), phi)
    if not h_first:
        seen = first if old else phi
        for _ in range(h_steps):
            theta = theta - alpha / 2 * slope(lambda t: train(t, seen), theta)
    return theta, phi


def two_gradients(theta, phi, alpha):
    m = 2 - phi
    adapted = theta + alpha / 2 * m * (1 - theta * m)
    moves = -alpha / 2 * (1 - 2 * theta * m)
    first = -adapted * (1 - adapted * phi)
    return first, first - phi * (1 - adapted * phi) * moves


def two_gradients_by_autograd(theta, phi, alpha):
    found = []
    for exact in (False, True):
        t, p = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (theta, phi))
        (inner,) = grad((1 - t * (2 - p)) ** 2 / 4, t, create_graph=exact)
        found.append(grad((1 - (t - alpha * inner) * p) ** 2 / 2, p)[0])
    return torch.stack(found)


def today(theta, phi, alpha):
    return -theta * (1 - theta * phi), two_gradients(theta, phi, alpha)[1]


def wrong_sign(theta, phi, alpha):
    first, exact = two_gradients(theta, phi, alpha)
    return first, 2 * first - exact


def lost_phi(theta, phi, alpha):
    first, exact = two_gradients(theta, phi, alpha)
    return first, first + (exact - first) / phi


def central_difference(f, x, direction, h):
    return (f(x + h * direction) - f(x - h * direction)) / (2 * h)


def central_difference_as_float(f, x, direction, h):
    ahead, behind = (f(x + s * h * direction).item() for s in (1, -1))
    return 0.5 * (ahead - behind) / h


def difference_in_place(f, x, direction, h):
    x += h * direction
    ahead = f(x)
    x -= 2 * h * direction
    return (ahead - f(x)) / (2 * h)


def phi_gradient(theta, phi, train_loss, test_loss, alpha, exact):
    theta, phi = theta.detach().requires_grad_(), phi.detach().requires_grad_()
    (inner,) = grad(train_loss(theta, phi), theta, create_graph=exact)
    return grad(test_loss(theta - alpha / 2 * inner, phi), phi)[0]


def phi_gradient_by_transforms(theta, phi, train_loss, test_loss, alpha, exact):
    def outer(p):
        inner = torch.func.grad(lambda t: train_loss(t, p) / 2)(theta)
        if not exact:
            inner = inner.detach()
        return test_loss(theta - alpha * inner, p)

    return torch.func.grad(outer)(phi)


def phi_gradient_detached(theta, phi, train_loss, test_loss, alpha, exact):
    return phi_gradient(theta, phi, train_loss, test_loss, alpha, False)


def without_a_graph(theta, phi, train_loss, test_loss, alpha, exact):
    return grad(test_loss(theta, phi), phi)[0]


def train_alone(theta, phi, train_loss, test_loss, alpha, exact):
    return slope(lambda p: train_loss(theta, p), phi)


ANSWERS = {
    "alternating_step": (
        [alternating_step, alternating_by_optimizer],
        [
            (lambda *a: alternate(*a, h_first=True), ["E's steps come before H's"]),
            (lambda *a: alternate(*a, old=True), ["used the old phi"]),
            (lambda *a: alternate(*a, h_steps=a[-1]), ["one step, not K"]),
            (lambda *a: alternate(*a[:-1], 1), ["phi takes K steps"]),
            (lambda t, p, r, s, a, b, k: alternate(t, p, r, s, 2 * a, b, k), ["half is missing"]),
            (lambda t, p, r, s, a, b, k: alternate(t, p, s, r, a, b, k), ["the meta-test loss"]),
            (lambda t, p, r, s, a, b, k: alternate(t, p, r, s, a, -b, k), ["climbed"]),
            (lambda t, p, r, s, a, b, k: alternate(t, p, r, s, -a, b, k), ["climbed"]),
            (lambda t, p, r, s, a, b, k: alternate(t, p, r, s, a, b / 2, k), ["not E's"]),
            (lambda t, p, r, s, a, b, k: alternate(t, p, r, s, b, b, k), ["alpha is theta's"]),
            (lambda *a: alternate(*a)[::-1], ["shape (2,)", "theta is asked for first"]),
            (lambda *a: (a[0], alternate(*a)[1]), ["theta did not move"]),
            (lambda *a: (alternate(*a)[0], a[1]), ["phi did not move"]),
            (lambda *a: (alternate(*a)[0], 3 * a[1]), ["in phi", "K times"]),
            (lambda *a: (3 * a[0], alternate(*a)[1]), ["in theta", "once"]),
            (lambda *a: alternate(*a)[0], ["expected a pair"]),
        ],
    ),
    "two_gradients": (
        [two_gradients, two_gradients_by_autograd],
        [
            (lambda *a: two_gradients(*a)[::-1], ["first-order comes first"]),
            (lambda t, p, a: two_gradients(t, p, 2 * a), ["alpha / 2"]),
            (today, ["taken at theta', not at theta"]),
            (lambda *a: (two_gradients(*a)[0],) * 2, ["second term is missing"]),
            (wrong_sign, ["wrong sign"]),
            (lost_phi, ["the factor phi is missing"]),
            (lambda *a: [-g for g in two_gradients(*a)], ["the sign"]),
            (lambda *a: two_gradients(*a)[1], ["shape ()", "two are asked for"]),
            (lambda *a: (0.0, 0.0), ["work out theta' first"]),
        ],
    ),
    "central_difference": (
        [central_difference, central_difference_as_float],
        [
            (lambda f, x, d, h: (f(x + h * d) - f(x)) / h, ["one-sided", "backwards"]),
            (lambda f, x, d, h: (f(x) - f(x - h * d)) / h, ["one-sided", "forwards"]),
            (lambda f, x, d, h: central_difference(f, x, d, h) * 2, ["divide by 2 h"]),
            (lambda f, x, d, h: (f(x + h * d) - f(x - h * d)) / 2 * h, ["/ (2 * h)"]),
            (lambda f, x, d, h: (f(x + h * d) - f(x - h * d)) / 2, ["not by 2"]),
            (lambda f, x, d, h: f(x + h * d) - f(x - h * d), ["not divided"]),
            (lambda f, x, d, h: -central_difference(f, x, d, h), ["not the other way round"]),
            (lambda f, x, d, h: (f(x + h) - f(x - h)) / (2 * h), ["along the direction"]),
            (lambda f, x, d, h: (slope(f, x) * d).sum(), ["not its derivative"]),
            (lambda f, x, d, h: slope(f, x) * d, ["shape (2,)", "one number"]),
            (lambda f, x, d, h: h, ["(f(x + h d) - f(x - h d)) / 2h"]),
            (difference_in_place, ["changed its input"]),
        ],
    ),
    "phi_gradient": (
        [phi_gradient, phi_gradient_by_transforms],
        [
            (phi_gradient_detached, ["exact=True", "create_graph=True"]),
            (lambda *a: phi_gradient(*a[:-1], True), ["exact=False", "leave its graph away"]),
            (lambda t, p, r, s, a, e: phi_gradient(t, p, r, s, 2 * a, e), ["half is missing"]),
            (lambda t, p, r, s, a, e: phi_gradient(t, p, r, s, -a, e), ["climbed"]),
            (lambda t, p, r, s, a, e: slope(lambda q: s(t, q), p), ["virtual step is missing"]),
            (train_alone, ["train_loss's gradient"]),
            (lambda *a: phi_gradient(*a)[None], ["shape (1, 3)", "tuple"]),
            (lambda *a: a[0], ["theta's shape"]),
            (without_a_graph, ["RuntimeError", "grad"]),
            (lambda *a: 2 * phi_gradient(*a), ["theta' = theta - alpha/2"]),
        ],
    ),
}
