"""Trunks: an image becomes features at strides 8, 16 and 32."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.models.resnet import BasicBlock

TRUNKS = ("lite", "resnet18", "resnet50")


class Trunk(nn.Module):
    """A residual network without its classifier.

    "lite" has the stem of a ResNet and four stages of one BasicBlock each, 16-32-64-128 channels
    (*our choice*); "resnet18" and "resnet50" are torchvision's, with its parameter names.

    Shapes: (N, 3, H, W) -> c3 (N, C3, H/8, W/8), c4 (N, C4, H/16, W/16), c5 (N, C5, H/32, W/32).

    Attributes
    ----------
    channels : tuple of int
        (C3, C4, C5).

    Raises
    ------
    ValueError
        An unknown name.
    """

    def __init__(self, name: str = "lite") -> None:
        super().__init__()
        if name == "lite":
            self.conv1 = nn.Conv2d(3, 16, 7, stride=2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(16)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
            self.layer1 = nn.Sequential(BasicBlock(16, 16))
            self.layer2 = _halving_stage(16, 32)
            self.layer3 = _halving_stage(32, 64)
            self.layer4 = _halving_stage(64, 128)
            self.channels = (32, 64, 128)
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif name in TRUNKS:
            full = getattr(resnet, name)(weights=None)
            for part in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
                setattr(self, part, getattr(full, part))
            self.channels = (128, 256, 512) if name == "resnet18" else (512, 1024, 2048)
        else:
            raise ValueError(f"trunk '{name}' is unknown; expected one of {TRUNKS}")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N, C, H/4, W/4)
        c3 = self.layer2(self.layer1(x))  # (N, C3, H/8, W/8)
        c4 = self.layer3(c3)  # (N, C4, H/16, W/16)
        return c3, c4, self.layer4(c4)  # c5 (N, C5, H/32, W/32)


def _halving_stage(channels_in: int, channels: int) -> nn.Sequential:
    shortcut = nn.Sequential(
        nn.Conv2d(channels_in, channels, 1, stride=2, bias=False), nn.BatchNorm2d(channels)
    )
    return nn.Sequential(BasicBlock(channels_in, channels, stride=2, downsample=shortcut))
