"""Diagnostics against linear filters, plain autograd and hand-made modules; nothing moves."""

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from hfnmp_lite import HFN, Detector, LocalBinaryPattern, MetaPatternExtractor, presentation_loss
from hfnmp_lite.config import make_config
from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.files import InputError
from hfnmp_lite.learn import diagnostics
from hfnmp_lite.learn.fit import fit
from hfnmp_lite.learn.meta_step import meta_step
from hfnmp_lite.model.catalogue import PATTERNS, build_pattern
from hfnmp_lite.model.network import Output

FREQUENCIES = (0.03, 0.1, 0.21, 0.35, 0.5)
ANGLES = (0, 30, 90, 135)


def random_batch(seed, n=4, size=32, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 3, size, size, generator=generator, dtype=dtype), torch.arange(n) % 2


def modules(seed=0):
    torch.manual_seed(seed)
    return HFN().double().train(), MetaPatternExtractor().double().train()


class Filter(nn.Module):
    """Each channel through one 3x3 kernel."""

    def __init__(self, kernel):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False).double()
        self.conv.weight.data[:] = torch.tensor(kernel, dtype=torch.float64)

    def forward(self, images):
        return 0.5 + self.conv(images)


def analytic(kernel, frequency, angle):
    """|H| of a 3x3 kernel, summed by hand; rows are y, columns x."""
    a = np.deg2rad(angle)
    total = 0
    for row in range(3):
        for column in range(3):
            turns = frequency * ((column - 1) * np.cos(a) + (row - 1) * np.sin(a))
            total += kernel[row][column] * np.exp(2j * np.pi * turns)
    return abs(total)


@pytest.mark.parametrize(
    "kernel",
    [
        [[0, 0, 0], [-0.5, 0, 0.5], [0, 0, 0]],
        [[1 / 16, 2 / 16, 1 / 16], [2 / 16, 4 / 16, 2 / 16], [1 / 16, 2 / 16, 1 / 16]],
        [[0.3, -0.1, 0.2], [0.05, 0.4, -0.6], [-0.2, 0.7, 0.1]],
    ],
    ids=["difference", "blur", "any"],
)
def test_a_linear_filter_has_its_analytic_response(kernel):
    found = diagnostics.frequency_response(Filter(kernel), FREQUENCIES, ANGLES, size=40)
    expected = [[analytic(kernel, f, a) for f in FREQUENCIES] for a in ANGLES]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_identity_has_gain_one_at_every_contrast():
    for contrast in (0.01, 0.1, 1.0):
        found = diagnostics.frequency_response(nn.Identity(), FREQUENCIES, ANGLES, contrast, 32)
        np.testing.assert_allclose(found, 1, rtol=1e-5)


def test_lbp_gives_the_fall_with_contrast_that_its_docstring_tells():
    low, high = (
        diagnostics.frequency_response(LocalBinaryPattern(), (0.12, 0.3), (0,), contrast)
        for contrast in (0.1, 0.4)
    )
    np.testing.assert_allclose(low / high, 4, rtol=0.25)


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_has_a_response_and_stays_as_it_is(name):
    pattern = build_pattern(name).train()
    before = copy.deepcopy(pattern.state_dict())
    found = diagnostics.frequency_response(pattern, (0.1, 0.4), (0, 90, 45), size=32)
    assert found.shape == (3, 2)
    assert np.isfinite(found).all()
    assert pattern.training
    assert all(torch.equal(v, before[k]) for k, v in pattern.state_dict().items())


@pytest.mark.parametrize(
    "wrong",
    [{"frequencies": (0.6,)}, {"frequencies": (np.nan,)}, {"contrast": 0}, {"phases": 2}],
)
def test_gratings_that_mean_nothing_are_refused(wrong):
    arguments = {"frequencies": (0.1,), "angles": (0,)} | wrong
    with pytest.raises(ValueError, match="expected"):
        diagnostics.frequency_response(nn.Identity(), **arguments)


def unchanged(modules, before):
    return all(
        torch.equal(value, old[name])
        for module, old in zip(modules, before, strict=True)
        for name, value in module.state_dict().items()
    )


@pytest.mark.parametrize("training", [True, False])
def test_domain_losses_are_the_losses_and_move_nothing(training):
    network, extractor = modules()
    detector = Detector(extractor, network).train(training)
    before = copy.deepcopy(detector.state_dict())
    batches = {name: random_batch(i) for i, name in enumerate("abc")}
    found = diagnostics.domain_losses(detector, batches)
    assert unchanged([detector], [before])
    assert list(found) == ["a", "b", "c"]
    for name, (images, live) in batches.items():
        expected = presentation_loss(copy.deepcopy(detector)(images), live).item()
        assert found[name] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("order", ["alternating", "bilevel"])
def test_around_step_does_the_step_on_copies(order):
    network, extractor = modules()
    optimizers = (
        torch.optim.SGD(network.parameters(), 0.01, momentum=0.9),
        torch.optim.AdamW(extractor.parameters(), 0.01),
    )
    step = ([random_batch(5)] * 2, [random_batch(6)])
    meta_step(network, extractor, *step, *optimizers, order)  # momenta are no longer empty
    batches = {"a": random_batch(1), "b": random_batch(2)}
    before = [copy.deepcopy(m.state_dict()) for m in (network, extractor)]
    momenta = [copy.deepcopy(o.state_dict()) for o in optimizers]
    around = diagnostics.around_step(batches, network, extractor, *step, *optimizers, order)
    assert unchanged((network, extractor), before)
    for optimizer, old in zip(optimizers, momenta, strict=True):
        now = optimizer.state_dict()
        for i, state in old["state"].items():
            assert all(torch.equal(v, now["state"][i][k]) for k, v in state.items())
    detector = Detector(extractor, network)
    assert around.before == diagnostics.domain_losses(detector, batches)
    meta_step(network, extractor, *step, *optimizers, order)
    assert around.after == pytest.approx(diagnostics.domain_losses(detector, batches), rel=1e-9)
    assert around.after != around.before


def test_gradient_cosine_agrees_with_plain_autograd_and_moves_nothing():
    network, extractor = modules()
    before = [copy.deepcopy(m.state_dict()) for m in (network, extractor)]
    batches = random_batch(1), random_batch(2, n=6)
    found = diagnostics.gradient_cosine(network, extractor, *batches)
    assert unchanged((network, extractor), before)
    assert all(p.grad is None for m in (network, extractor) for p in m.parameters())
    gradients = []
    for images, live in batches:
        pair = copy.deepcopy(nn.ModuleList([extractor, network]))
        presentation_loss(pair[1](images, pair[0](images)), live).backward()
        gradients.append([torch.cat([p.grad.ravel() for p in m.parameters()]) for m in pair])
    for value, a, b in zip(found, *gradients, strict=True):
        expected = torch.nn.functional.cosine_similarity(a, b, dim=0).item()
        assert value == pytest.approx(expected, abs=1e-9)
        assert abs(expected) < 0.999


def test_gradient_cosine_of_a_batch_with_itself_is_one():
    network, extractor = modules()
    batch = random_batch(3)
    found = diagnostics.gradient_cosine(network, extractor, batch, batch)
    assert found == pytest.approx((1, 1))
    lbp = LocalBinaryPattern()
    nothing_learned = diagnostics.gradient_cosine(network, lbp, batch, batch)
    assert np.isnan(nothing_learned.extractor)
    assert nothing_learned.network == pytest.approx(1)


class Scale(nn.Module):
    """x -> w x, w of two numbers."""

    def __init__(self, *weight):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))

    def forward(self, x):
        return self.weight * x


class Sum(Scale):
    def forward(self, x, pattern):
        return Output((self.weight * pattern).sum(1), pattern)


def test_gradient_cosine_of_a_case_worked_by_hand():
    """L = theta . (phi * x): grad_phi = theta * x and grad_theta = phi * x, for one x a batch."""
    batches = [(torch.tensor([x], dtype=torch.float64), None) for x in ([1.0, 2.0], [3.0, -1.0])]
    loss = lambda out, live: out.logits.sum()  # noqa: E731
    found = diagnostics.gradient_cosine(Sum(1.0, 3.0), Scale(2.0, 1.0), *batches, loss)
    # grad_phi: (1, 6), (3, -3); grad_theta: (2, 2), (6, -1)
    assert found.extractor == pytest.approx(-15 / (37 * 18) ** 0.5)
    assert found.network == pytest.approx(10 / (8 * 37) ** 0.5)


# --- snapshots ---------------------------------------------------------------------------------


def presentations(folder, split, domains):
    """Noise before two cameras: one live face and one print a domain."""
    rng = np.random.default_rng(0)
    for domain in domains:
        for kind in (None, "print"):
            path = folder / f"{split}-{domain}-{kind}.png"
            Image.fromarray(rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(path)
            name = f"{split}-{domain}"
            yield Presentation(path.stem, domain, name, kind is None, kind, None, (path,))


def test_snapshots_of_a_run_come_in_order_and_in_eval_mode(tmp_path):
    config = make_config("smoke", "webcam", ("mixed", "phone", "webcam"), stages=1)
    training, validation = (
        list(presentations(tmp_path, split, config.sources)) for split in ("train", "held-out")
    )
    detector = fit(replace(config, iterations=12), training, validation, tmp_path, progress=False)
    found = diagnostics.load_snapshots(tmp_path)
    assert [i for i, _ in found] == [2, 4, 6, 8, 10, 12]  # as text, 10 would come before 2
    assert not any(e.training for _, e in found)
    kept = dict(found)[detector.validation["iteration"]]
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(kept(images), detector.extractor(images))
    assert not torch.equal(found[0][1](images), found[-1][1](images))


def write_snapshots(folder, change):
    state = MetaPatternExtractor().state_dict()
    save_file(change({f"5/{name}": tensor for name, tensor in state.items()}), folder)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: None, "cannot be read"),
        (lambda path: path.write_bytes(b"not tensors at all"), "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (partial(write_snapshots, change=lambda s: {"weight": s["5/encoder.0.bias"]}), "holds no"),
        (partial(write_snapshots, change=lambda s: dict(list(s.items())[2:])), "holds no"),
        (partial(write_snapshots, change=lambda s: {f"x{k}": v for k, v in s.items()}), "holds no"),
        (partial(write_snapshots, change=lambda s: {}), "it is empty"),
    ],
)
def test_snapshots_that_cannot_be_used_are_refused_in_one_line(tmp_path, damage, words):
    damage(tmp_path / "snapshots.safetensors")
    with pytest.raises(InputError, match=words) as caught:
        diagnostics.load_snapshots(tmp_path)
    assert "\n" not in str(caught.value)
