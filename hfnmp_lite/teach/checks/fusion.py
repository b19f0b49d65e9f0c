"""Checks of notebook 04, hierarchical fusion."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from hfnmp_lite.teach.checks.verdict import (
    call,
    checker,
    fail,
    need_shape,
    need_values,
    numbers,
    say,
)


def conv3x3(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """3x3 convolution with a border of zeros, by its definition: (N, C, H, W)."""
    n, _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = np.empty((n, len(weight), height, width))
    for row in range(height):
        for column in range(width):
            window = padded[:, None, :, row : row + 3, column : column + 3]  # (N, 1, C, 3, 3)
            out[:, :, row, column] = (window * weight).sum((2, 3, 4)) + bias
    return out


def _up(x: np.ndarray) -> np.ndarray:
    return x.repeat(2, axis=2).repeat(2, axis=3)


@checker
def check_fuse(fn: Callable) -> int:
    """Exercise 04.1: level above, two laterals, smoothing weight and bias -> the fused level."""
    import torch

    sizes = [(1, 2, 3), (2, 1, 3)]
    rng = np.random.default_rng(0)
    for n, h, w in sizes:
        above = rng.normal(size=(n, 2, h, w))
        image, pattern = rng.normal(size=(2, n, 2, 2 * h, 2 * w))
        weight, bias = rng.normal(size=(2, 2, 3, 3)), rng.normal(size=2)
        given = f"a level above of shape {above.shape} and laterals of shape {image.shape}"
        tensors = [torch.from_numpy(a).float() for a in (above, image, pattern, weight, bias)]
        result = call(fn, given, *tensors)
        causes = {
            above.shape: "the level above was not enlarged to the laterals' size",
            (n, 2, 2 * h - 2, 2 * w - 2): "the conv lost the border: padding=1 keeps the size",
            (n, 4, 2 * h, 2 * w): "the streams were concatenated; their mean is asked for",
        }
        need_shape(given, result, image.shape, causes, "the size of the laterals is asked for")
        mean, smooth = (image + pattern) / 2, np.zeros(2)
        smoother = {"scale_factor": 2, "mode": "bilinear"}
        bilinear, to_corners = (
            torch.nn.functional.interpolate(tensors[0], **smoother, align_corners=corners).numpy()
            for corners in (False, True)
        )
        mistakes = [
            (
                conv3x3(_up(above) + image + pattern, weight, bias),
                "the streams' mean, not their sum",
            ),
            (conv3x3((_up(above) + image + pattern) / 2, weight, bias), "halve the streams alone"),
            (conv3x3((_up(above) + mean) / 2, weight, bias), "add the level above, do not average"),
            (conv3x3(_up(above) + image, weight, bias), "the pattern's lateral is missing"),
            (conv3x3(mean, weight, bias), "the level above is missing"),
            (_up(above) + mean, "the smoothing conv is missing"),
            (conv3x3(_up(above), weight, bias) + mean, "smooth the sum, not the level above alone"),
            (conv3x3(_up(above) + mean, weight, smooth), "the bias is missing"),
            (conv3x3(bilinear + mean, weight, bias), "mode='nearest': bilinear blurs"),
            (conv3x3(to_corners + mean, weight, bias), "mode='nearest': bilinear blurs"),
            (conv3x3(_up(above) + pattern, weight, bias), "the image's lateral is missing"),
            (_up(above) + conv3x3(mean, weight, bias), "add the level above before you smooth"),
            (
                conv3x3(_up(above) + mean, weight.swapaxes(0, 1), bias),
                "conv2d takes T as it is: (channels out, channels in, 3, 3)",
            ),
        ]
        other = "smooth(up(above) + (image + pattern) / 2)"
        need_values(given, result, conv3x3(_up(above) + mean, weight, bias), mistakes, other)
    return len(sizes)


@checker
def check_one_conv(fn: Callable) -> int:
    """Exercise 04.2: weights and biases of a pair -> those of the one conv that replaces it."""
    import torch

    a, b = [[[[1.0, 2.0]]], [[[0.5, -4.0]]]], [[[[3.0, -2.0]]], [[[1.5, 1.0]]]]
    cases = [
        ((a, [1.0, 0.0], b, [0.0, -3.0]), ([[[[2.0, 0.0]]], [[[1.0, -1.5]]]], [0.5, -1.5])),
        ((b, [2.0, 4.0], b, [2.0, 4.0]), (b, [2.0, 4.0])),  # alike: nothing changes
    ]
    for handed, expected in cases:
        given = f"biases {handed[1]} and {handed[3]} and two weights of shape (2, 1, 1, 2)"
        result = call(fn, given, *map(torch.tensor, handed))
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            fail(given, say(result), "a pair", "return the weight and the bias")
        weight, bias = result
        causes = {(2,): "the bias came first", (4, 1, 1, 2): "average; do not concatenate"}
        need_shape(given, weight, (2, 1, 1, 2), causes, "a weight like the two given is asked for")
        need_shape(given, bias, (2,), {}, "a bias like the two given is asked for")
        for name, got, place in (("weight", weight, 0), ("bias", bias, 1)):
            first, second = np.array(handed[place]), np.array(handed[place + 2])
            mistakes = [
                (first + second, "the pair's outputs are averaged: half the sum"),
                (first, "the second conv was left out"),
                (second, "the first conv was left out"),
                (first * second, "averaging is linear: no product"),
            ]
            other = f"of the {name}: write (a * x + b * x) / 2 as one convolution of x"
            need_values(given, got, np.array(expected[place]), mistakes, other)
    return len(cases)


@checker
def check_two_losses(fn: Callable) -> int:
    """Exercise 04.3: logits (N, 2), map (N, 1, h, w), live (N,) -> (cross-entropy, map loss)."""
    import torch

    logits = [[0.0, 0.0], [2.0, -1.0], [-0.5, 3.0]]
    maps = [[[0.0, 0.2, 0.3]] * 2, [[1.0, 0.5, 0.1]] * 2, [[0.9, 0.9, 0.6]] * 2]  # w = N: see below
    labels = [[1, 0, 1], [1], [0, 1, 1]]
    for live in labels:
        n = len(live)
        given = f"a batch of {n} with labels {live}"
        handed = torch.tensor(logits[:n]), torch.tensor(maps[:n])[:, None], torch.tensor(live)
        result = call(fn, given, *handed)
        causes = {(): "one number came back; return the two losses side by side"}
        need_shape(given, result, (2,), causes, "return two numbers: cross-entropy, then map loss")
        p = [[math.exp(z) / sum(map(math.exp, pair)) for z in pair] for pair in logits[:n]]
        entropy = [-math.log(p[i][y]) for i, y in enumerate(live)]
        q, y = np.array(maps[:n]), np.array(live)
        squares = (q - y[:, None, None]) ** 2
        ce, mse = sum(entropy) / n, squares.mean()
        swapped_map = ((q - (1 - y)[:, None, None]) ** 2).mean()
        mixed = _cross_entropy(q, y)
        swapped = -sum(math.log(p[i][1 - k]) for i, k in enumerate(live)) / n
        twice = [math.log(sum(map(math.exp, pair))) - pair[k] for pair, k in zip(p, live)]  # noqa: B905
        mistakes = [
            ((mse, ce), "the cross-entropy comes first"),
            ((swapped, mse), "index 1 is live; index 0 is attack"),
            ((sum(twice) / n, mse), "cross_entropy takes logits: it does the softmax itself"),
            ((sum(entropy), squares.sum()), "average over the batch, do not sum"),
            ((ce, squares.sum()), "average over all places, do not sum"),
            ((ce, ((q - y) ** 2).mean()) if n in (1, 3) else (0, 0),
             "labels (N,) were spread along the map's columns: view(-1, 1, 1, 1) first"),
            ((ce, np.abs(q - y[:, None, None]).mean()), "square the difference"),
            ((ce, mixed), "the map's loss is the squared error, not a cross-entropy"),
            ((ce, swapped_map), "the map is 1 where live, 0 where attack"),
            ((swapped, swapped_map), "label 1 is live, of the logits and of the map alike"),
            ((ce, squares.sum() / n), "average over all places, do not sum"),
            ((ce, 0), "the map's loss is missing"),
            ((ce, ce), "the second number is the map's loss"),
            ((ce, ce + mse), "the second number is the map's loss alone, not the sum"),
            ((ce, ((q.mean((1, 2)) - y) ** 2).mean()), "square at every place, then average"),
        ]  # fmt: skip
        need_values(given, result, np.array([ce, mse]), mistakes, "compare with the equation of L")
    return len(labels)


def _cross_entropy(q: np.ndarray, y: np.ndarray) -> float:
    """Binary cross-entropy of maps (N, h, w), with a logarithm of at least -100, as torch has."""
    right = np.where(y[:, None, None] == 1, q, 1 - q)
    return -np.log(np.maximum(right, math.exp(-100))).mean()


@checker
def check_gradient_norms(fn: Callable) -> int:
    """Exercise 04.4: a scalar and named modules -> norm of its gradient by each one's weights."""
    import torch
    from torch import nn

    parts = {"a": nn.Linear(2, 1), "b": nn.Linear(1, 2), "c": nn.Linear(2, 1)}
    filled = {"a": ([[1.0, -2.0]], [0.5]), "b": ([[2.0], [-1.0]], [0.0, 1.0])}
    filled["c"] = ([[1.0, 1.0]], [0.0])
    with torch.no_grad():
        for name, (weight, bias) in filled.items():
            parts[name].weight.copy_(torch.tensor(weight))
            parts[name].bias.copy_(torch.tensor(bias))
    x = torch.tensor([3.0, 1.0])
    # sum(b(a(x))), a(x) = 1.5: by a's weights 1 * (3, 1), bias 1; by b's (1.5, 1.5) and (1, 1).
    # c(x)^2 / 2, c(x) = 4: by c's weights 4 * (3, 1), bias 4.
    cases = [
        (
            "sum(b(a(x)))",
            lambda: parts["b"](parts["a"](x)).sum(),
            ([3, 1, 1], [1.5, 1.5, 1, 1], []),
        ),
        ("c(x)^2 / 2", lambda: parts["c"](x).square().sum() / 2, ([], [], [12, 4, 4])),
    ]
    for said, value, gradients in cases:
        given = f"{said} and linear modules a, b, c"
        norms = call(fn, given, value(), parts, in_place=True)
        if not isinstance(norms, Mapping) or set(norms) != set(parts):
            fail(given, say(norms), "a dict with the keys a, b, c", "one number for each part")
        got = numbers(given, list(norms[name] for name in parts))
        if got.shape != (3,):
            fail(given, f"numbers of shape {got.shape[1:]}", "one number each", "take the norm")
        expected = np.array([math.hypot(*g) for g in gradients])
        mistakes = [
            (expected**2, "this is the squared norm: the root is missing"),
            ([sum(map(abs, g)) for g in gradients], "the root of the sum of squares is asked for"),
            (_by_tensor(gradients), "square and add over weight and bias, then take one root"),
            ([math.hypot(*g[: -max(1, len(g) // 2)]) for g in gradients], "the bias counts too"),
        ]
        if said != cases[0][0]:
            before = np.array([math.hypot(*g) for g in cases[0][2]])
            cause = (
                "gradients of the call before were left in `.grad`, where backward() adds up: use "
                "torch.autograd.grad"
            )
            mistakes.append((np.hypot(before, expected), cause))
        other = "torch.autograd.grad(value, parameters, allow_unused=True); None counts as 0"
        need_values(given, got, expected, mistakes, other)
    return len(cases)


def _by_tensor(gradients: tuple[list[float], ...]) -> list[float]:
    """Sum of the norms of weight and bias, where one norm of both was asked for."""
    sizes = (2, 2, 2)  # how many of each module's gradients belong to its weight
    pairs = zip(gradients, sizes, strict=True)
    return [math.hypot(*g[:k]) + math.hypot(*g[k:]) for g, k in pairs]
