"""Right and wrong answers to the exercises of notebook 04; tests/test_checks.py reads them."""

import torch
from torch.nn.functional import (
    binary_cross_entropy,
    conv2d,
    cross_entropy,
    interpolate,
    mse_loss,
    nll_loss,
)

from hfnmp_lite import presentation_loss
from hfnmp_lite.model.network import Output


def fuse(above, image, pattern, weight, bias):
    large = interpolate(above, scale_factor=2)
    return conv2d(large + (image + pattern) / 2, weight, bias, padding=1)


def fuse_as_released(above, image, pattern, weight, bias):
    large = above.repeat_interleave(2, 2).repeat_interleave(2, 3)
    mean = torch.stack([image, pattern]).mean(0) + large
    one = conv2d(mean, weight / 2, bias / 2, padding=1)
    return one + one


def fuse_in_place(above, image, pattern, weight, bias):
    image += pattern
    return conv2d(interpolate(above, scale_factor=2) + image / 2, weight, bias, padding=1)


def one_conv(weight_a, bias_a, weight_b, bias_b):
    return (weight_a + weight_b) / 2, (bias_a + bias_b) / 2


def one_conv_by_lerp(weight_a, bias_a, weight_b, bias_b):
    return [torch.lerp(weight_a, weight_b, 0.5), torch.stack([bias_a, bias_b]).mean(0)]


def two_losses(logits, live_map, live):
    wanted = live.float().view(-1, 1, 1, 1).expand_as(live_map)
    return cross_entropy(logits, live), mse_loss(live_map, wanted)


def map_of(live, live_map):
    return live.to(live_map).view(-1, 1, 1, 1).expand_as(live_map)


def two_losses_by_hand(logits, live_map, live):
    ce = nll_loss(logits.log_softmax(1), live)
    whole = presentation_loss(Output(logits, live_map), live)
    return torch.stack([ce, whole - ce])


def labels_along_columns(logits, live_map, live):
    return cross_entropy(logits, live), ((live_map - live) ** 2).mean()


def gradient_norms(value, parts):
    norms = {}
    for name, part in parts.items():
        weights = list(part.parameters())
        found = torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)
        norms[name] = sum(float((g**2).sum()) for g in found if g is not None) ** 0.5
    return norms


def by_backward(value, parts):
    for part in parts.values():
        part.zero_grad()
    value.backward()
    return {name: grad_norm(part) for name, part in parts.items()}


def grad_norm(part):
    found = [p.grad.flatten() for p in part.parameters() if p.grad is not None]
    return torch.cat(found).norm() if found else 0.0


def left_in_grad(value, parts):
    value.backward()
    return {name: grad_norm(part) for name, part in parts.items()}


def of_weights(value, parts):
    found = torch.autograd.grad(value, [p.weight for p in parts.values()], allow_unused=True)
    return {k: 0.0 if g is None else g.norm() for k, g in zip(parts, found, strict=True)}


def sum_of_norms(value, parts):
    norms = {}
    for name, part in parts.items():
        weights = list(part.parameters())
        found = torch.autograd.grad(value, weights, retain_graph=True, allow_unused=True)
        norms[name] = sum(float(g.norm()) for g in found if g is not None)
    return norms


def unused_not_allowed(value, parts):
    return {k: torch.autograd.grad(value, list(p.parameters())) for k, p in parts.items()}


ANSWERS = {
    "fuse": (
        [fuse, fuse_as_released],
        [
            (lambda u, a, b, w, c: fuse(u, 2 * a, 2 * b, w, c), ["mean, not their sum"]),
            (lambda u, a, b, w, c: fuse(u / 2, a, b, w, c), ["Likely cause"]),
            (lambda u, a, b, w, c: fuse(u / 2, a / 2, b / 2, w, c), ["do not average"]),
            (lambda u, a, b, w, c: fuse(u, a, a, w, c), ["pattern's lateral is missing"]),
            (lambda u, a, b, w, c: fuse(0 * u, a, b, w, c), ["level above is missing"]),
            (
                lambda u, a, b, w, c: interpolate(u, scale_factor=2) + (a + b) / 2,
                ["conv is missing"],
            ),
            (lambda u, a, b, w, c: fuse(u, 0 * a, 0 * b, w, c) + (a + b) / 2, ["smooth the sum"]),
            (lambda u, a, b, w, c: fuse(u, a, b, w, 0 * c), ["bias is missing"]),
            (
                lambda u, a, b, w, c: conv2d(
                    interpolate(u, scale_factor=2, mode="bilinear") + (a + b) / 2, w, c, padding=1
                ),
                ["nearest"],
            ),
            (lambda u, a, b, w, c: fuse(u, a, b, w, c)[..., 1:-1, 1:-1], ["padding=1"]),
            (lambda u, a, b, w, c: u, ["not enlarged"]),
            (
                lambda u, a, b, w, c: conv2d(
                    interpolate(u, scale_factor=2, mode="bilinear", align_corners=True)
                    + (a + b) / 2,
                    w,
                    c,
                    padding=1,
                ),
                ["nearest"],
            ),
            (lambda u, a, b, w, c: fuse(u, b, b, w, c), ["image's lateral is missing"]),
            (
                lambda u, a, b, w, c: fuse(0 * u, a, b, w, c) + interpolate(u, scale_factor=2),
                ["before you smooth"],
            ),
            (lambda u, a, b, w, c: fuse(u, a, b, w.transpose(0, 1), c), ["T as it is"]),
            (lambda u, a, b, w, c: fuse(u, a, b, w, c).relu(), ["smooth(up(above)"]),
            (lambda u, a, b, w, c: conv2d(u + a + b, w, c), ["RuntimeError", "size of tensor"]),
            (lambda u, a, b, w, c: torch.cat([a, b], 1), ["concatenated"]),
            (fuse_in_place, ["changed its input"]),
        ],
    ),
    "one_conv": (
        [one_conv, one_conv_by_lerp],
        [
            (lambda a, p, b, q: (a + b, p + q), ["half the sum"]),
            (lambda a, p, b, q: (a, p), ["second conv was left out"]),
            (lambda a, p, b, q: ((a + b) / 2, p + q), ["bias", "half the sum"]),
            (lambda a, p, b, q: ((p + q) / 2, (a + b) / 2), ["bias came first"]),
            (lambda a, p, b, q: (torch.cat([a, b]), (p + q) / 2), ["do not concatenate"]),
            (lambda a, p, b, q: (a + b) / 2, ["expected a pair"]),
            (lambda a, p, b, q: (a / 2 + b, p / 2 + q), ["as one convolution of x"]),
            (lambda a, p, b, q: (a, q), ["second conv was left out"]),
        ],
    ),
    "two_losses": (
        [two_losses, two_losses_by_hand],
        [
            (lambda z, q, y: two_losses(z, q, y)[::-1], ["cross-entropy comes first"]),
            (lambda z, q, y: two_losses(z.flip(1), q, y), ["index 1 is live"]),
            (lambda z, q, y: two_losses(z.softmax(1), q, y), ["does the softmax itself"]),
            (labels_along_columns, ["view(-1, 1, 1, 1)"]),
            (lambda z, q, y: sum(two_losses(z, q, y)), ["shape ()", "side by side"]),
            (lambda z, q, y: (cross_entropy(z, y), mse_loss(q.mean((1, 2, 3)), y.float())),
             ["at every place"]),
            (lambda z, q, y: (cross_entropy(z, y), 6 * len(y) * two_losses(z, q, y)[1]),
             ["do not sum"]),
            (lambda z, q, y: (cross_entropy(z, y), (q - y.view(-1, 1, 1, 1)).abs().mean()),
             ["square the difference"]),
            (lambda z, q, y: (cross_entropy(z, y), two_losses(z, q, 1 - y)[1]),
             ["1 where live, 0 where attack"]),
            (lambda z, q, y: two_losses(z, q, 1 - y), ["of the map alike"]),
            (lambda z, q, y: (cross_entropy(z, y), binary_cross_entropy(q, map_of(y, q))),
             ["not a cross-entropy"]),
            (lambda z, q, y: cross_entropy(z, y), ["shape ()", "side by side"]),
            (lambda z, q, y: (cross_entropy(z, y), 0), ["map's loss is missing"]),
            (lambda z, q, y: (cross_entropy(z, y), presentation_loss(Output(z, q), y)),
             ["not the sum"]),
            (lambda z, q, y: (cross_entropy(z, y), 6 * two_losses(z, q, y)[1]), ["do not sum"]),
            (lambda z, q, y: (cross_entropy(z, y), (q - map_of(y, q)) ** 2),
             ["not all numbers of one shape"]),
        ],
    ),
    "gradient_norms": (
        [gradient_norms, by_backward],
        [
            (left_in_grad, ["backward() adds up"]),
            (of_weights, ["bias counts too"]),
            (sum_of_norms, ["then take one root"]),
            (lambda v, parts: {k: n**2 for k, n in gradient_norms(v, parts).items()}, ["squared"]),
            (unused_not_allowed, ["RuntimeError"]),
            (lambda v, parts: list(gradient_norms(v, parts).values()), ["a dict"]),
            (lambda v, parts: dict.fromkeys(parts, 1.0), ["allow_unused=True"]),
            (lambda v, parts: {k: [0.0, 1.0] for k in parts}, ["one number each"]),
            (lambda v, parts: {k: p.weight.grad for k, p in parts.items()}, ["not all numbers"]),
            (lambda v, parts: {k.upper(): 0.0 for k in parts}, ["keys a, b, c"]),
        ],
    ),
}  # fmt: skip
