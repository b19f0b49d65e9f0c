"""Trunks: an image becomes features at strides 8, 16 and 32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

TRUNKS = ("lite", "resnet18", "resnet50")


class Block(nn.Module):
    """Residual block of two 3x3 convs: torchvision's BasicBlock, whose import takes seconds.

    Shapes: (N, C_in, H, W) -> (N, C, H/stride, W/stride).
    """

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride > 1:
            halving = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(halving, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)) + shortcut)


class Trunk(nn.Module):
    """A residual network without its classifier.

    "lite" has a ResNet's stem and four stages of one block, 16-32-64-128 channels (*our choice*);
    "resnet18" and "resnet50" are torchvision's, with its parameter names, not pretrained.

    Shapes: (N, channels_in, H, W) -> c3, c4, c5 at strides 8, 16, 32, with the channels that
    `channels` lists. Raises ValueError for an unknown name.
    """

    def __init__(self, name: str = "lite", channels_in: int = 3) -> None:
        super().__init__()
        if name not in TRUNKS:
            raise ValueError(f"trunk '{name}' is unknown; expected one of {TRUNKS}")
        base = {"lite": 32, "resnet18": 128, "resnet50": 512}[name]
        self.channels = (base, 2 * base, 4 * base)
        if name != "lite":
            from torchvision.models import resnet

            full = getattr(resnet, name)(weights=None)
            for part in ("conv1", "bn1", "maxpool", "layer1", "layer2", "layer3", "layer4"):
                setattr(self, part, getattr(full, part))
            if channels_in != 3:
                self.conv1 = nn.Conv2d(channels_in, 64, 7, stride=2, padding=3, bias=False)
            return
        self.conv1 = nn.Conv2d(channels_in, 16, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(Block(16, 16))
        self.layer2 = nn.Sequential(Block(16, 32, stride=2))
        self.layer3 = nn.Sequential(Block(32, 64, stride=2))
        self.layer4 = nn.Sequential(Block(64, 128, stride=2))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))  # (N, C, H/4, W/4)
        c3 = self.layer2(self.layer1(x))  # (N, C3, H/8, W/8)
        c4 = self.layer3(c3)  # (N, C4, H/16, W/16)
        return c3, c4, self.layer4(c4)  # c5 (N, C5, H/32, W/32)
