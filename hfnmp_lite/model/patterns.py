"""Patterns: what feeds the second stream. The learned one is here, the handcrafted ones beside."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from hfnmp_lite.model.lbp import LocalBinaryPattern


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
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.Conv2d(6, 3, 3, padding=1),
            nn.BatchNorm2d(3),
            nn.Sigmoid(),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder(images)


PATTERNS = {pattern.name: pattern for pattern in (MetaPatternExtractor, LocalBinaryPattern)}


def build_pattern(name: str, **settings: object) -> nn.Module | None:
    """Build the pattern of that name, or None for "rgb", which has no second stream.

    Raises ValueError for an unknown name or settings that the pattern does not take.
    """
    if name == "rgb":
        return None
    if name not in PATTERNS:
        raise ValueError(f"pattern '{name}' is unknown; expected one of {('rgb', *PATTERNS)}")
    return PATTERNS[name](**settings)
