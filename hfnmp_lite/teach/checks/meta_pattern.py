"""Checks of notebook 03, the meta pattern."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import numpy as np

from hfnmp_lite.teach.checks.fusion import conv3x3
from hfnmp_lite.teach.checks.verdict import (
    call,
    checker,
    fail,
    need_shape,
    need_values,
    say,
)


@checker
def check_build_extractor(fn: Callable) -> int:
    """Exercise 03.1: width -> conv, batch norm, ReLU, conv, batch norm, sigmoid."""
    import torch
    from torch import nn

    widths = [6, 2, 5, 7]
    for width in widths:
        given = f"width {width}"
        module = call(fn, given, width)
        if not isinstance(module, nn.Module):
            fail(given, say(module), "a torch module", "put the layers into nn.Sequential(...)")
        if type(module).forward is nn.Module.forward:
            fail(given, "a module without forward", "one that can be called", "write its forward")
        convs = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
        norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
        shapes = [tuple(c.weight.shape) for c in convs]
        expected = [(width, 3, 3, 3), (3, width, 3, 3)]
        if shapes != expected:
            cause = f"3x3 from 3 to {width} channels, then 3x3 from {width} to 3"
            fail(given, f"convs with weights {shapes}", f"{expected}", cause)
        if [n.num_features for n in norms] != [width, 3]:
            got = f"{[n.num_features for n in norms]} channels in batch norms"
            fail(given, got, f"[{width}, 3]", "a batch norm follows each conv")
        if any(c.bias is None for c in convs):
            fail(given, "a conv without bias", "biases", "the release keeps nn.Conv2d's bias")
        if any(n.weight is None or n.running_mean is None for n in norms):
            cause = (
                "the release keeps nn.BatchNorm2d's defaults, gamma, beta and running statistics"
            )
            fail(given, "a batch norm that lacks some of its tensors", "all of them", cause)
        rng = np.random.default_rng(width)
        _fill(convs, norms, rng)
        images = rng.random((2, 3, 5, 4))
        module.eval()
        shown = f"{given} and images of shape {images.shape}"
        with torch.no_grad():
            result = call(module, shown, torch.from_numpy(images).float())
        causes = {(2, 3, 1, 0): "padding=1 keeps the size", (2, 3, 3, 2): "padding=1 in both convs"}
        need_shape(given, result, images.shape, causes, "padding=1 in both convs keeps the size")
        need_values(
            given,
            result,
            _forward(images, convs, norms, "cbrcbs"),
            [
                (_forward(images, convs, norms, "crbcbs"), "batch norm comes before the ReLU"),
                (_forward(images, convs, norms, "cbcbs"), "the ReLU is missing"),
                (_forward(images, convs, norms, "cbrcb"), "the sigmoid at the end is missing"),
                (
                    _forward(images, convs, norms, "cbrcsb"),
                    "the sigmoid comes last, after the norm",
                ),
                (_forward(images, convs, norms, "cbrcbr"), "a sigmoid ends it, not a ReLU"),
                (_forward(images, convs, norms, "cbscbs"), "a ReLU stands between, not a sigmoid"),
                (_forward(images, convs, norms, "cbrcbrs"), "one ReLU, between; a sigmoid ends it"),
            ],
            "the order asked for is conv, batch norm, ReLU, conv, batch norm, sigmoid, all else "
            "as PyTorch has it by default",
        )
    return len(widths)


def _fill(convs: list, norms: list, rng: np.random.Generator) -> None:
    """Random weights and statistics, so that a wrong order cannot hide."""
    import torch

    with torch.no_grad():
        for layer in (*convs, *norms):
            for tensor in layer.parameters():
                tensor.copy_(torch.from_numpy(rng.normal(size=tuple(tensor.shape))))
        for norm in norms:
            norm.running_mean.copy_(torch.from_numpy(rng.normal(size=norm.num_features)))
            norm.running_var.copy_(torch.from_numpy(rng.uniform(0.5, 2, norm.num_features)))


def _forward(images: np.ndarray, convs: list, norms: list, order: str) -> np.ndarray:
    """Apply c conv, b batch norm (of running statistics), r ReLU, s sigmoid, in this order."""
    x, convs, norms = images, iter(convs), iter(norms)
    for step in order:
        if step == "c":
            x = conv3x3(x, *_weights(next(convs)))
        elif step == "b":
            norm = next(norms)
            mean, var = (t.numpy().astype(float) for t in (norm.running_mean, norm.running_var))
            gamma, beta, mean, var = (v[:, None, None] for v in (*_weights(norm), mean, var))
            x = gamma * (x - mean) / np.sqrt(var + norm.eps) + beta
        else:
            x = np.maximum(x, 0) if step == "r" else 1 / (1 + np.exp(-x))
    return x


def _weights(layer: object) -> tuple[np.ndarray, np.ndarray]:
    return tuple(p.detach().numpy().astype(float) for p in (layer.weight, layer.bias))


@checker
def check_fold(fn: Callable) -> int:
    """Exercise 03.2: conv and batch norm (eval mode) -> weight and bias of one conv."""
    import torch

    weight = [[[[2.0, -1.0]]], [[[0.5, 4.0]]]]  # (2, 1, 1, 2)
    bias, mean, var = [1.0, -2.0], [3.0, 0.5], [3.99, 0.24]
    gamma, beta, eps = [3.0, -1.0], [0.5, 1.5], 0.01
    # gamma / sqrt(var + eps): 3 / 2 and -1 / 0.5; bias: 0.5 + 1.5 * (1 - 3), 1.5 - 2 * (-2 - 0.5)
    cases = [
        ((weight, bias, mean, var, gamma, beta, eps),
         ([[[[3.0, -1.5]]], [[[-1.0, -8.0]]]], [-2.5, 6.5])),
        ((weight, bias, [0.0, 0.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0], 0.0), (weight, bias)),
    ]  # fmt: skip
    for handed, expected in cases:
        given = f"mean {handed[2]}, var {handed[3]}, gamma {handed[4]}, beta {handed[5]}"
        result = call(fn, given, *(torch.tensor(v) for v in handed[:6]), handed[6])
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            fail(given, say(result), "a pair", "return the weight and the bias")
        causes = {(2,): "the bias came first"}
        other = "a weight like the one given: view(-1, 1, 1, 1) spreads a factor over its channels"
        need_shape(given, result[0], (2, 1, 1, 2), causes, other)
        need_shape(given, result[1], (2,), {}, "a bias for each channel")
        w, b, m, v, g, be = (np.array(x) for x in handed[:6])
        factor, bare = g / np.sqrt(v + handed[6]), g / np.sqrt(v)
        four = (slice(None), None, None, None)
        mistakes = [
            (w * (g / (v + handed[6]))[four], "divide by the standard deviation: the root of var"),
            (w * bare[four], "eps is added to var under the root"),
            (w * (g / (np.sqrt(v) + handed[6]))[four], "eps is added to var under the root"),
            (w * factor, "the factor went along the columns: view(-1, 1, 1, 1) first"),
            (w * (1 / np.sqrt(v + handed[6]))[four], "gamma is missing"),
            (w, "the batch norm's factor multiplies the weight, too"),
        ]
        other = "of the weight: gamma / sqrt(var + eps) times the conv's, channel by channel"
        need_values(given, result[0], np.array(expected[0]), mistakes, other)
        mistakes = [
            (be - m * factor, "the conv's own bias is missing"),
            (be + b * factor, "the mean is missing"),
            ((b - m) * factor, "beta is missing"),
            (be + b - m * factor, "the conv's bias is scaled as well"),
            (be + (b + m) * factor, "the mean is subtracted"),
        ]
        other = "of the bias: beta + (bias - mean) * gamma / sqrt(var + eps)"
        need_values(given, result[1], np.array(expected[1]), mistakes, other)
    return len(cases)


@checker
def check_gain(fn: Callable) -> int:
    """Exercise 03.3: kernel (3, 3), frequencies along x and y -> |H|."""
    across = [[0.0, 0.0, 0.0], [-0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]
    box = [[1 / 9] * 3] * 3
    laplace = [[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]
    odd = [[1.0, 2.0, 0.0], [0.0, -1.0, 0.5], [3.0, 0.0, 0.0]]
    # By hand: a slope answers to sin(2 pi f), a mean of three to (1 + 2 cos(2 pi f)) / 3, the
    # Laplacian at 0 to nothing and at the corner to 8; the first by its definition.
    cases = [
        ("an odd kernel", odd, 0.15, -0.3, abs(_transfer(odd, 0.15, -0.3))),
        ("half a difference along x", across, 0.25, 0.0, 1.0),
        ("half a difference along x", across, 0.0, 0.25, 0.0),
        ("half a difference along x", across, 1 / 12, 0.4, 0.5),
        ("the mean of nine", box, 1 / 3, 0.1, 0.0),
        ("the mean of nine", box, 0.25, 0.5, 1 / 9),
        ("a Laplacian", laplace, 0.0, 0.0, 0.0),
        ("a Laplacian", laplace, 0.5, 0.5, 8.0),
    ]
    for name, kernel, fx, fy, expected in cases:
        given = f"{name} at fx = {fx:.4g}, fy = {fy:.4g}"
        result = call(fn, given, np.array(kernel), fx, fy)
        need_shape(given, result, (), {}, "one number")
        total = _transfer(kernel, fx, fy)
        turned = [list(row) for row in zip(*kernel, strict=True)]
        mistakes = [
            (total.real, "the real part alone: the modulus of the complex sum is asked for"),
            (abs(total.real), "the real part alone: the modulus of the complex sum is asked for"),
            (abs(total) ** 2, "this is the power; take the root"),
            (abs(_transfer(turned, fx, fy)), "x counts columns, y counts rows"),
            (abs(_transfer(kernel, fx / (2 * math.pi), fy / (2 * math.pi))), "2 pi is missing"),
            (abs(sum(map(sum, kernel))), "that is the gain at frequency 0"),
        ]
        other = "|sum over i, j of k[i, j] exp(-2 pi 1j (fx j + fy i))|"
        need_values(given, result, np.array(expected), mistakes, other)
    return len(cases)


def _transfer(kernel: list[list[float]], fx: float, fy: float) -> complex:
    turn = -2j * math.pi
    return sum(
        k * cmath.exp(turn * (fx * x + fy * y))
        for y, row in enumerate(kernel)
        for x, k in enumerate(row)
    )


@checker
def check_ring_power(fn: Callable) -> int:
    """Exercise 03.4: picture (n, n) -> mean |FFT|^2 on rings of radius 0, 1, ..., n / 2 - 1."""
    n = 8
    wave = [[math.cos(2 * math.pi * 3 * x / n) for x in range(n)] for _ in range(n)]
    spot = [[float(x == 2 and y == 5) for x in range(n)] for y in range(n)]
    slope = [[x + 2.0 * y for x in range(n)] for y in range(n)]
    for name, picture in (("a spot", spot), ("upright stripes", wave), ("a slope", slope)):
        given = f"{name}, {n} x {n} pixels"
        power, rings = _dft_power(picture), {}
        for (y, x), value in power.items():
            rings.setdefault(round(math.hypot(x, y)), []).append(value)
        members = [rings[r] for r in range(n // 2)]
        expected = np.array([sum(of) / len(of) for of in members])
        result = call(fn, given, np.array(picture))
        causes = {
            (n // 2 + 1,): "rings 0 to n / 2 - 1: leave the last out",
            (max(rings) + 1,): "the corners' rings are incomplete: keep 0 to n / 2 - 1",
            (n, n): "the rings are missing",
        }
        need_shape(given, result, (n // 2,), causes, "one number for each ring")
        corner, cut = {}, {}
        for (y, x), value in power.items():
            cut.setdefault(int(math.hypot(x, y)), []).append(value)
            corner.setdefault(round(math.hypot(x % n, y % n)), []).append(value)
        mistakes = [
            ([sum(of) for of in members], "the mean over a ring is asked for, not the sum"),
            ([sum(math.sqrt(p) for p in of) / len(of) for of in members], "square the modulus"),
            ([sum(cut[r]) / len(cut[r]) for r in range(n // 2)], "round the radius, do not cut it"),
            (expected / n**2, "no division by the number of pixels is asked for"),
            (expected / n**4, "no division by the number of pixels is asked for"),
            ([sum(corner[r]) / len(corner[r]) for r in range(n // 2)],
             "radii run from frequency 0, in the middle after np.fft.fftshift"),
        ]  # fmt: skip
        other = "|FFT|^2, its zero frequency in the middle, averaged over round(hypot(fx, fy)) = r"
        need_values(given, result, expected, mistakes, other)
    return 3


def _dft_power(picture: list[list[float]]) -> dict[tuple[int, int], float]:
    """|DFT|^2 by its definition; frequencies from -n / 2 to n / 2 - 1."""
    n = len(picture)
    waves = [cmath.exp(-2j * math.pi * k / n) for k in range(n)]
    return {
        (v, u): abs(
            sum(picture[y][x] * waves[(u * x + v * y) % n] for y in range(n) for x in range(n))
        )
        ** 2
        for v in range(-n // 2, n // 2)
        for u in range(-n // 2, n // 2)
    }
