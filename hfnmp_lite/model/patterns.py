"""The Meta Pattern: the small network that learns what feeds the second stream."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn


class MetaPatternExtractor(nn.Module):
    """The network that learns what to extract (351 parameters).

    As in the *released code*, without its unused decoder. Shapes: images (N, 3, H, W) in [0, 1] ->
    pattern (N, 3, H, W) in [0, 1].
    """

    name = "mp"
    settings: ClassVar[dict[str, object]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True)),
            *(nn.Conv2d(6, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Sigmoid()),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for layer in self.encoder:
            # of so few channels, torch's channels-last batch norm is ten times as slow (2.15, CPU)
            x = layer(x.contiguous() if isinstance(layer, nn.BatchNorm2d) else x)
        return x
