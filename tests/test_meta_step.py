"""The meta step against a transcription, finite differences, and its own promises."""

import copy

import pytest
import torch

from hfnmp_lite import HFN, MetaPatternExtractor, meta_step, presentation_loss
from hfnmp_lite.experiments.released import (
    ReleasedExtractor,
    ReleasedNetwork,
    copy_ours,
    released_iteration,
)
from hfnmp_lite.learn.meta_step import ORDERS

SIZE = 32


def batch(n, seed):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(n, 3, SIZE, SIZE, generator=generator, dtype=torch.float64)
    return images, torch.arange(n) % 2


def modules(seed=0):
    torch.manual_seed(seed)
    return (
        HFN(normalise_image=False).double().train(),
        MetaPatternExtractor().double().train(),
    )


def sgd(network, extractor, smoothing=1.0):
    smooth = [p for n, p in network.named_parameters() if "smooth" in n]
    rest = [p for n, p in network.named_parameters() if "smooth" not in n]
    groups = [{"params": rest}, {"params": smooth, "lr": 0.001 * smoothing}]
    return (
        torch.optim.SGD(groups, lr=0.001, momentum=0.9),
        torch.optim.SGD(extractor.parameters(), lr=0.004, momentum=0.9),
    )


def test_alternating_reproduces_the_released_step():
    network, extractor = modules()
    old_network, old_extractor = ReleasedNetwork().double(), ReleasedExtractor().double()
    copy_ours(network, old_network)
    old_extractor.encoder.load_state_dict(extractor.encoder.state_dict())
    on_network, on_extractor = sgd(network, extractor, smoothing=0.5)  # half, as each of the pair
    old_on_network = torch.optim.SGD(old_network.parameters(), lr=0.001, momentum=0.9)
    old_on_extractor = torch.optim.SGD(old_extractor.encoder.parameters(), lr=0.004, momentum=0.9)
    for i in range(3):
        tests = [batch(4, 100 * i + k) for k in range(4)]
        train = batch(8, 100 * i + 50)
        meta_step(network, extractor, tests, [train], on_network, on_extractor)
        released_iteration(
            old_network, old_extractor, tests, train, old_on_network, old_on_extractor
        )
    expected = ReleasedNetwork().double()
    copy_ours(network, expected)
    theirs = old_network.state_dict()
    for name, ours in expected.state_dict().items():
        torch.testing.assert_close(ours, theirs[name], rtol=0, atol=1e-9, msg=name)
    theirs = old_extractor.encoder.state_dict()
    for name, ours in extractor.encoder.state_dict().items():
        torch.testing.assert_close(ours, theirs[name], rtol=0, atol=1e-9, msg=name)
    moved = modules()[0].state_dict()
    assert any(not torch.equal(v, moved[k]) for k, v in network.state_dict().items())


class Recorder(torch.optim.SGD):
    """Keeps the gradients that it was last given, and moves nothing."""

    def __init__(self, parameters):
        super().__init__(parameters, lr=0.5)

    def step(self):
        self.seen = [p.grad.clone() for g in self.param_groups for p in g["params"]]


def phi_gradient(order, trains, inner_lr=0.5, weight=1.0):
    network, extractor = modules()
    on_extractor = Recorder(extractor.parameters())
    losses = meta_step(
        network,
        extractor,
        [batch(4, 1)],
        trains,
        Recorder(network.parameters()),
        on_extractor,
        order,
        inner_lr,
        lambda out, live: weight * presentation_loss(out, live),
    )
    return on_extractor.seen, losses


def outer_loss(extractor, trains, inner_lr):
    """L(theta'(phi), phi; meta-test), transcribed with ordinary modules and .backward()."""
    network = modules()[0]
    for images, live in trains:
        loss = presentation_loss(network(images, extractor(images)), live) / 2
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        with torch.no_grad():
            for p, g in zip(network.parameters(), gradients, strict=True):
                p -= inner_lr * g
    images, live = batch(4, 1)
    return presentation_loss(network(images, extractor(images)), live)


@pytest.mark.parametrize("steps", [1, 2])
def test_bilevel_gradient_matches_central_differences(steps):
    trains = [batch(6, 2 + i) for i in range(steps)]
    gradient, _ = phi_gradient("bilevel", trains)
    extractor = modules()[1]
    h = 1e-7  # larger steps cross the kinks of ReLU and max-pooling
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        direction = [
            torch.randn(p.shape, generator=generator, dtype=torch.float64)
            for p in extractor.parameters()
        ]
        values = []
        for sign in (1, -1):
            moved = copy.deepcopy(extractor)
            with torch.no_grad():
                for p, d in zip(moved.parameters(), direction, strict=True):
                    p += sign * h * d
            values.append(outer_loss(moved, trains, 0.5).item())
        numeric = (values[0] - values[1]) / (2 * h)
        exact = sum((g * d).sum().item() for g, d in zip(gradient, direction, strict=True))
        assert exact == pytest.approx(numeric, rel=1e-5)


def test_first_order_is_the_partial_derivative_at_the_adapted_parameters():
    trains = [batch(6, 2), batch(6, 3)]
    first, _ = phi_gradient("bilevel-first-order", trains)
    exact, _ = phi_gradient("bilevel", trains)
    extractor = modules()[1]
    expected = torch.autograd.grad(
        outer_loss(extractor, trains, 0.5), list(extractor.parameters())
    )  # outer_loss moves theta under no_grad: theta' is a constant there
    for f, e in zip(first, expected, strict=True):
        torch.testing.assert_close(f, e, rtol=1e-9, atol=1e-12)
    difference = sum((f - e).square().sum() for f, e in zip(first, exact, strict=True)).sqrt()
    size = sum(e.square().sum() for e in exact).sqrt()
    assert difference > 0.01 * size


def test_adapted_parameters_change_the_outer_loss():
    trains = [batch(6, 2)]
    _, still = phi_gradient("bilevel", trains, inner_lr=0.0)
    _, moved = phi_gradient("bilevel", trains, inner_lr=0.5)
    assert abs(still["meta_test"] - moved["meta_test"]) > 1e-4


@pytest.mark.parametrize("order", ["bilevel", "bilevel-first-order"])
def test_virtual_steps_leave_the_running_statistics_alone(order):
    network, extractor = modules()
    before = {k: v.clone() for k, v in network.named_buffers()}
    trains = [batch(6, 2), batch(6, 3)]
    on_network, on_extractor = sgd(network, extractor)
    meta_step(network, extractor, [batch(4, 1)] * 2, trains, on_network, on_extractor, order)
    counts = [v - before[k] for k, v in network.named_buffers() if "num_batches" in k]
    counts += [v for k, v in extractor.named_buffers() if "num_batches" in k]
    assert [int(c) for c in counts] == [1] * len(counts)  # the real step alone


def test_inner_rate_defaults_to_the_optimizers():
    trains = [batch(6, 2)]
    default, _ = phi_gradient("bilevel", trains, inner_lr=None)  # Recorder's rate is 0.5
    given, _ = phi_gradient("bilevel", trains, inner_lr=0.5)
    assert all(torch.equal(a, b) for a, b in zip(default, given, strict=True))


@pytest.mark.parametrize("order", ORDERS)
def test_what_a_step_returns_and_leaves(order):
    network, extractor = modules()
    flags = [p.requires_grad for p in network.parameters()]
    on_network, on_extractor = sgd(network, extractor)
    losses = meta_step(
        network, extractor, [batch(4, 1)], [batch(6, 2)], on_network, on_extractor, order
    )
    assert set(losses) == {"meta_train", "meta_test"}
    assert all(v.shape == () and not v.requires_grad for v in losses.values())
    assert [p.requires_grad for p in network.parameters()] == flags
    assert all(p.grad is None for m in (network, extractor) for p in m.parameters())


def test_the_extractors_step_asks_nothing_of_the_network():
    """No weight of H and nothing of the image stream is in the graph of the inner loss."""
    from hfnmp_lite.learn.meta_step import _extractor_loss

    network, extractor = modules()
    value = _extractor_loss(network, extractor, batch(4, 1), presentation_loss)
    leaves, todo, seen = set(), [value.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            leaves.add(id(node.variable))
        todo += [n for n, _ in node.next_functions]
    assert leaves == {id(p) for p in extractor.parameters()}


@pytest.mark.parametrize(
    ("order", "tests", "trains", "words"),
    [
        ("sideways", 1, 1, "unknown"),
        ("alternating", 0, 1, "K >= 1"),
        ("alternating", 1, 2, "exactly one"),
        ("bilevel", 1, 0, "at least one"),
    ],
)
def test_wrong_arguments_are_refused(order, tests, trains, words):
    network, extractor = modules()
    on_network, on_extractor = sgd(network, extractor)
    with pytest.raises(ValueError, match=words):
        meta_step(
            network,
            extractor,
            [batch(2, i) for i in range(tests)],
            [batch(2, i) for i in range(trains)],
            on_network,
            on_extractor,
            order,
        )
