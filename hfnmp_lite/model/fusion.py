"""Hierarchical fusion: two streams of features become one pyramid, from coarse to fine."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from hfnmp_lite.model.trunk import Trunk

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Pyramid(NamedTuple):
    """What one stream hands to the fusion, all of the fusion's width C."""

    f3: Tensor  # (N, C, H/8, W/8)
    f4: Tensor  # (N, C, H/16, W/16)
    f5: Tensor  # (N, C, H/32, W/32)
    p7: Tensor  # (N, C, H/128, W/128), rounded up


class Stream(nn.Module):
    """A trunk, its lateral 1x1 convs and two more halvings (*released code*).

    Shapes: (N, channels, H, W) -> Pyramid of `width` channels. With `normalise`, every three
    channels of the input, in [0, 1], are normalised by the mean and deviation of ImageNet. Raises
    ValueError for other channels and for sides that are no multiple of 32.
    """

    def __init__(self, trunk: str, width: int, normalise: bool, channels: int = 3) -> None:
        super().__init__()
        self.trunk = Trunk(trunk, channels)
        c3, c4, c5 = self.trunk.channels
        self.lateral3 = nn.Conv2d(c3, width, 1)
        self.lateral4 = nn.Conv2d(c4, width, 1)
        self.lateral5 = nn.Conv2d(c5, width, 1)
        self.conv6 = nn.Conv2d(c5, width, 3, stride=2, padding=1)
        self.conv7 = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.normalise, self.channels = normalise, channels
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Stream:
        super()._apply(fn, recurse)
        for buffer, exact in ((self.mean, IMAGENET_MEAN), (self.std, IMAGENET_STD)):
            if not buffer.is_meta:  # after .double() the constants are exact in double, too
                buffer.copy_(torch.tensor(exact, dtype=torch.float64).view(3, 1, 1))
        return self

    def forward(self, x: Tensor) -> Pyramid:
        fits = x.ndim == 4 and x.shape[1] == self.channels and x.numel()
        if not fits or x.shape[2] % 32 or x.shape[3] % 32:
            raise ValueError(
                f"images have shape {tuple(x.shape)}; expected (N, {self.channels}, H, W) with "
                "sides that are multiples of 32: resize them"
            )
        if self.normalise:
            k = self.channels // 3
            x = (x - self.mean.repeat(k, 1, 1)) / self.std.repeat(k, 1, 1)
        c3, c4, c5 = self.trunk(x)
        p7 = self.conv7(torch.relu(self.conv6(c5)))
        return Pyramid(self.lateral3(c3), self.lateral4(c4), self.lateral5(c5), p7)


class HierarchicalFusion(nn.Module):
    """Fuse the streams level by level, top down (HFM; *released code*).

    F_l is the mean of the streams' laterals; p5 = F5, p4 = smooth4(up(p5) + F4),
    p3 = smooth3(up(p4) + F3), `up` the nearest neighbour. The release averages two convs of one
    input, which are one conv with the averaged weights.

    Shapes: one or two Pyramids -> p3 (N, C, H/8, W/8), p7 (N, C, H/128, W/128). With `top` (*our
    ablation*) the fusion ends where it begins, and p5 stands for p3.
    """

    def __init__(self, width: int, top: bool = False) -> None:
        super().__init__()
        self.top = top
        if not top:
            self.smooth4 = nn.Conv2d(width, width, 3, padding=1)
            self.smooth3 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, image: Pyramid, pattern: Pyramid | None) -> tuple[Tensor, Tensor]:
        fused = image
        if pattern is not None:
            fused = Pyramid(*((a + b) / 2 for a, b in zip(image, pattern, strict=True)))
        if self.top:
            return fused.f5, fused.p7
        p4 = self.smooth4(interpolate(fused.f5, size=fused.f4.shape[2:]) + fused.f4)
        p3 = self.smooth3(interpolate(p4, size=fused.f3.shape[2:]) + fused.f3)
        return p3, fused.p7
