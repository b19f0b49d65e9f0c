"""Right and wrong answers to the exercises of notebook 03; tests/test_checks.py reads them."""

import cmath

import numpy as np
import torch
from torch import nn

from hfnmp_lite import MetaPatternExtractor


def conv(c_in, c_out):
    return nn.Conv2d(c_in, c_out, 3, padding=1)


def layers(width):
    first = [conv(3, width), nn.BatchNorm2d(width), nn.ReLU()]
    return [*first, conv(width, 3), nn.BatchNorm2d(3), nn.Sigmoid()]


def build_extractor(width):
    return nn.Sequential(*layers(width))


def build_as_the_library(width):
    if width == 6:
        return MetaPatternExtractor()
    first = nn.Sequential(conv(3, width), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
    return nn.Sequential(first, nn.Sequential(conv(width, 3), nn.BatchNorm2d(3)), nn.Sigmoid())


def in_order(*places):
    return lambda width: nn.Sequential(*(layers(width)[i] for i in places))


def replaced(place, layer):
    def build(width):
        parts = layers(width)
        parts[place] = layer(width)
        return nn.Sequential(*parts)

    return build


class WithoutForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.encoder = build_extractor(width)


class ForwardWithoutReturn(WithoutForward):
    def forward(self, images):
        self.encoder(images)


class Functional(WithoutForward):
    def forward(self, images):
        conv1, norm1, _, conv2, norm2, _ = self.encoder
        return torch.sigmoid(norm2(conv2(torch.relu(norm1(conv1(images))))))


def fold(weight, bias, mean, var, gamma, beta, eps):
    factor = gamma / torch.sqrt(var + eps)
    return weight * factor.view(-1, 1, 1, 1), beta + (bias - mean) * factor


def fold_by_channel(weight, bias, mean, var, gamma, beta, eps):
    factors = [float(g) * (float(v) + eps) ** -0.5 for g, v in zip(gamma, var, strict=True)]
    new = torch.stack([w * f for w, f in zip(weight, factors, strict=True)])
    shift = [float(b + (c - m) * f) for b, c, m, f in zip(beta, bias, mean, factors, strict=True)]
    return [new, torch.tensor(shift)]


def gain(kernel, fx, fy):
    y, x = np.indices(kernel.shape)
    return np.abs((kernel * np.exp(-2j * np.pi * (fx * x + fy * y))).sum())


def gain_in_python(kernel, fx, fy):
    total = 0
    for i in (-1, 0, 1):  # a shifted centre turns the phase alone
        for j in (-1, 0, 1):
            total += kernel[i + 1, j + 1] * cmath.exp(2j * cmath.pi * (fx * j + fy * i))
    return abs(total)


def real_part(kernel, fx, fy):
    y, x = np.indices(kernel.shape)
    return (kernel * np.cos(2 * np.pi * (fx * x + fy * y))).sum()


def not_modulus(kernel, fx, fy):
    y, x = np.indices(kernel.shape)
    return (kernel * np.exp(-2j * np.pi * (fx * x + fy * y))).sum()


def rings(n, shifted=True):
    y, x = np.indices((n, n)) - (n // 2 if shifted else 0)
    return np.hypot(x, y).round().astype(int).ravel()


def power(picture):
    return np.abs(np.fft.fftshift(np.fft.fft2(picture))) ** 2


def ring_power(picture):
    r = rings(len(picture))
    return (np.bincount(r, power(picture).ravel()) / np.bincount(r))[: len(picture) // 2]


def ring_power_by_masks(picture):
    f = np.fft.fftfreq(len(picture), 1 / len(picture))
    radius = np.round(np.sqrt(f**2 + f[:, None] ** 2))
    spectrum = np.abs(np.fft.fft2(picture)) ** 2
    return [spectrum[radius == r].mean() for r in range(len(picture) // 2)]


def unshifted(picture):
    r, spectrum = rings(len(picture), False), np.abs(np.fft.fft2(picture)) ** 2
    return (np.bincount(r, spectrum.ravel()) / np.bincount(r))[: len(picture) // 2]


def ring_sums(picture):
    return np.bincount(rings(len(picture)), power(picture).ravel())[: len(picture) // 2]


def amplitudes(picture):
    r = rings(len(picture))
    return (np.bincount(r, power(picture).ravel() ** 0.5) / np.bincount(r))[: len(picture) // 2]


def cut_radii(picture):
    y, x = np.indices(picture.shape) - len(picture) // 2
    r = np.hypot(x, y).astype(int).ravel()
    return (np.bincount(r, power(picture).ravel()) / np.bincount(r))[: len(picture) // 2]


def all_rings(picture):
    r = rings(len(picture))
    return np.bincount(r, power(picture).ravel()) / np.bincount(r)


ANSWERS = {
    "build_extractor": (
        [build_extractor, build_as_the_library, Functional],
        [
            (in_order(0, 2, 1, 3, 4, 5), ["batch norm comes before the ReLU"]),
            (in_order(0, 1, 3, 4, 5), ["ReLU is missing"]),
            (in_order(0, 1, 2, 3, 4), ["sigmoid at the end is missing"]),
            (in_order(0, 1, 2, 3, 5, 4), ["sigmoid comes last"]),
            (in_order(0, 1, 2, 3, 5), ["a batch norm follows each conv"]),
            (replaced(5, lambda w: nn.ReLU()), ["not a ReLU"]),
            (replaced(2, lambda w: nn.Sigmoid()), ["not a sigmoid"]),
            (replaced(3, lambda w: nn.Conv2d(w, 3, 3)), ["padding=1"]),
            (replaced(0, lambda w: nn.Conv2d(3, w, 5, padding=2)), ["(6, 3, 5, 5)"]),
            (replaced(0, lambda w: nn.Conv2d(3, w, 3, padding=1, bias=False)), ["bias"]),
            (lambda width: build_extractor(8), ["expected [(6, 3, 3, 3), (3, 6, 3, 3)]"]),
            (lambda width: layers(width), ["nn.Sequential"]),
            (replaced(2, lambda w: nn.Tanh()), ["the order asked for"]),
            (replaced(1, lambda w: nn.BatchNorm2d(w, affine=False)), ["lacks some", "gamma"]),
            (
                replaced(1, lambda w: nn.BatchNorm2d(w, track_running_stats=False)),
                ["lacks some", "running statistics"],
            ),
            (in_order(0, 2, 3, 5), ["[] channels", "follows each conv"]),
            (in_order(0, 1, 2, 3, 4, 2, 5), ["one ReLU, between"]),
            (replaced(2, lambda w: nn.LeakyReLU(0.1)), ["the order asked for"]),
            (replaced(2, lambda w: nn.Flatten()), ["RuntimeError", "images of shape (2, 3, 5, 4)"]),
            (lambda width: build_extractor(width).double(), ["RuntimeError", "same"]),
            (lambda width: nn.Sequential, ["a torch module"]),
            (WithoutForward, ["without forward", "write its forward"]),
            (ForwardWithoutReturn, ["returned None", "return"]),
        ],
    ),
    "fold": (
        [fold, fold_by_channel],
        [
            (lambda w, b, m, v, g, e, s: fold(w, b, m, v**2, g, e, s), ["of the weight"]),
            (
                lambda w, b, m, v, g, e, s: (
                    w * (g / (v + s)).view(-1, 1, 1, 1),
                    e + (b - m) * g / (v + s),
                ),
                ["root of var"],
            ),
            (lambda w, b, m, v, g, e, s: fold(w, b, m, v, g, e, 0), ["eps is added"]),
            (
                lambda w, b, m, v, g, e, s: fold(w, b, m, (v**0.5 + s) ** 2, g, e, 0),
                ["under the root"],
            ),
            (lambda w, b, m, v, g, e, s: (fold(w, b, m, v, g, e, s)[0], b), ["of the bias"]),
            (
                lambda w, b, m, v, g, e, s: dict(zip("wb", fold(w, b, m, v, g, e, s), strict=True)),
                ["expected a pair"],
            ),
            (
                lambda w, b, m, v, g, e, s: (
                    w * (g / (v + s) ** 0.5),
                    fold(w, b, m, v, g, e, s)[1],
                ),
                ["along the columns"],
            ),
            (lambda w, b, m, v, g, e, s: fold(w, b, m, v, 1, e, s), ["gamma is missing"]),
            (lambda w, b, m, v, g, e, s: fold(w, 0, m, v, g, e, s), ["own bias is missing"]),
            (lambda w, b, m, v, g, e, s: fold(w, b, 0, v, g, e, s), ["mean is missing"]),
            (lambda w, b, m, v, g, e, s: fold(w, b, m, v, g, 0, s), ["beta is missing"]),
            (lambda w, b, m, v, g, e, s: fold(w, b, -m, v, g, e, s), ["mean is subtracted"]),
            (lambda w, b, m, v, g, e, s: fold(w, b, m, v, g, e, s)[::-1], ["bias came first"]),
            (lambda w, b, m, v, g, e, s: fold(w, b, m, v, g, e, s)[0], ["expected a pair"]),
        ],
    ),
    "gain": (
        [gain, gain_in_python],
        [
            (real_part, ["real part alone"]),
            (not_modulus, ["np.abs"]),
            (lambda k, fx, fy: gain(k, fx, fy) ** 2, ["take the root"]),
            (lambda k, fx, fy: gain(k, fy, fx), ["x counts columns"]),
            (lambda k, fx, fy: gain(k, fx / 2 / np.pi, fy / 2 / np.pi), ["2 pi is missing"]),
            (lambda k, fx, fy: k.sum(), ["at frequency 0"]),
            (lambda k, fx, fy: k, ["shape (3, 3)"]),
            (lambda k, fx, fy: gain(k, fx, -fy), ["exp(-2 pi"]),
            (lambda k, fx, fy: np.abs(k).sum(), ["exp(-2 pi"]),
            (lambda k, fx, fy: 2.0, ["exp(-2 pi"]),
        ],
    ),
    "ring_power": (
        [ring_power, ring_power_by_masks],
        [
            (ring_sums, ["not the sum"]),
            (lambda p: amplitudes(p), ["square the modulus"]),
            (lambda p: ring_power(p) / p.size, ["no division"]),
            (unshifted, ["fftshift"]),
            (all_rings, ["corners"]),
            (cut_radii, ["do not cut"]),
            (power, ["rings are missing"]),
            (lambda p: ring_power(p - p.mean()), ["Likely cause"]),
        ],
    ),
}
