"""Every pattern by its name."""

from __future__ import annotations

from torch import nn

from hfnmp_lite.model.handcrafted import (
    GradientPattern,
    IdentityPattern,
    MultiScaleRetinex,
    RandomExtractor,
)
from hfnmp_lite.model.lbp import LocalBinaryPattern
from hfnmp_lite.model.patterns import MetaPatternExtractor

PATTERNS = {
    pattern.name: pattern
    for pattern in (
        MetaPatternExtractor,
        LocalBinaryPattern,
        IdentityPattern,
        RandomExtractor,
        MultiScaleRetinex,
        GradientPattern,
    )
}


def build_pattern(name: str, **settings: object) -> nn.Module | None:
    """Build the pattern of that name, or None for "rgb", which has no second stream.

    A pattern is a module: images (N, 3, H, W) in [0, 1] in, the same shape and range out. Its
    class has a `name`, the module `settings`, the arguments that build it again.

    Raises
    ------
    ValueError
        An unknown name, or settings out of range.
    """
    if name == "rgb":
        return None
    if name not in PATTERNS:
        raise ValueError(f"pattern '{name}' is unknown; expected one of {('rgb', *PATTERNS)}")
    return PATTERNS[name](**settings)
