"""How each pattern is shown to people: its name, what it is, and its picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import nn

from hfnmp_lite.model.lbp import LocalBinaryPattern
from hfnmp_lite.teach.figures import stretch

KEPT_OF_CODES = {
    "default": "",
    "ror": " and the smallest of the code's rotations is kept",
    "uniform": " and only how many they are is kept, where they form one arc",
    "nri_uniform": " and only which arc they form is kept, where they form one",
}


@dataclass(frozen=True)
class Shown:
    """What a page says of a pattern, and how it draws it.

    Attributes
    ----------
    title : str
        Above a picture of it.
    kind : str
        Its name in full, and whether it is learned.
    caption : str
        What it does, and what of it the picture holds, in sentences.
    picture : function
        Patterns (..., H, W, 3) in [0, 1] -> RGB of that shape, or grey (..., H, W), in [0, 1].
    """

    title: str
    kind: str
    caption: str
    picture: Callable[[np.ndarray], np.ndarray]


def _lbp(pattern: LocalBinaryPattern) -> Shown:
    return Shown(
        "LBP",
        "Local Binary Patterns (handcrafted)",
        f"LBP codes each pixel by which of {pattern.points} neighbours, {pattern.radius:g} px "
        f"away, are at least as bright{KEPT_OF_CODES[pattern.method]}; all three colour channels "
        "feed the second stream, the green one is shown.",
        lambda codes: codes[..., 1],
    )


def _steepness(pattern: np.ndarray) -> np.ndarray:
    return pattern[..., 0] / max(float(pattern[..., 0].max()), 1e-6)


SHOWN = {
    "mp": Shown(
        "Meta Pattern",
        "Meta Pattern (learned)",
        "The Meta Pattern is learned: three channels made by two small convolutions (351 numbers), "
        "shown as a colour image with its contrast stretched alike for all rows.",
        stretch,
    ),
    "lbp": _lbp(LocalBinaryPattern()),
    "rgb": Shown(
        "no pattern",
        "none: one stream, the image alone",
        "This network has one stream and sees the image alone.",
        lambda pattern: pattern,
    ),
    "identity": Shown(
        "image again",
        "the image again (a control: two streams and no pattern)",
        "The second stream sees the image once more: a control, which tells what two streams do "
        "without any pattern.",
        lambda pattern: pattern,
    ),
    "random": Shown(
        "untrained pattern",
        "an extractor that was never trained (a control)",
        "The pattern comes from the Meta Pattern's extractor with random weights, never trained: a "
        "control. Its three channels are shown as a colour image with its contrast stretched alike "
        "for all rows.",
        stretch,
    ),
    "msr": Shown(
        "retinex",
        "Multi-scale retinex (handcrafted)",
        "The multi-scale retinex divides slow changes of the light out of each colour channel: "
        "grey where a pixel is as bright as its surroundings.",
        lambda pattern: pattern,
    ),
    "gradient": Shown(
        "gradient",
        "Sobel gradient (handcrafted)",
        "The gradient tells how steep the edge at a pixel is, and which way it rises. The "
        "steepness is shown, white for the steepest here.",
        _steepness,
    ),
}


def shown(extractor: nn.Module | None) -> Shown:
    """How the pattern of an extractor is shown, its settings said; None has one stream."""
    if isinstance(extractor, LocalBinaryPattern):
        return _lbp(extractor)
    return SHOWN["rgb" if extractor is None else extractor.name]
