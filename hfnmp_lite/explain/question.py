"""A question to a detector, and its answer: which inputs move, between which two ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from hfnmp_lite.explain.response import Response
from hfnmp_lite.files import InputError

OF = ("image", "pattern", "streams")
PARTS = {"image": ("image",), "pattern": ("pattern",), "streams": ("image", "pattern")}
"""What can be asked of -> the inputs that get a map; see `attribution`."""
CHUNK = 25  # images of 128 x 128 in one pass: bounds the memory, whatever the number of steps


@dataclass(frozen=True)
class Attribution:
    """Signed maps of a batch of N images; positive speaks for live.

    Attributes
    ----------
    method, response, of : str
        What was asked.
    parts : dict of str to ndarray
        "image" and / or "pattern" -> (N, H, W), summed over channels: a map for each input that was
        perturbed or differentiated. Integrated Gradients and SmoothGrad are in units of the
        response and pixel by pixel; occlusion is the response's change for a whole window;
        Grad-CAM has units of its own.
    explained : ndarray
        (N,) f(x) - f(x0), the change of the response between the asked inputs and their baselines;
        NaN for Grad-CAM, which has no baseline.
    complete : bool
        Whether the method promises that its maps sum to `explained`.
    """

    method: str
    response: str
    of: str
    parts: dict[str, np.ndarray]
    explained: np.ndarray
    complete: bool = False

    @property
    def map(self) -> np.ndarray:
        """(N, H, W): the sum of the parts."""
        return np.sum(list(self.parts.values()), axis=0)

    @property
    def totals(self) -> dict[str, np.ndarray]:
        """How much comes from each part: (N,), the sum of its map."""
        return {name: values.sum((1, 2)) for name, values in self.parts.items()}

    @property
    def error(self) -> np.ndarray:
        """Completeness error, (N,): what the maps sum to less what they should; NaN if no promise.

        Rounding and the number of steps leave a little. A large error says that the response moved
        by a way that no gradient saw.
        """
        if not self.complete:
            return np.full(len(self.explained), np.nan)
        return self.map.sum((1, 2)) - self.explained


def question(
    f: Response, of: str, x: Tensor, x0: Tensor, m: Tensor | None, m0: Tensor | None
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], Callable[..., Tensor]]:
    """Inputs, baselines and the function of the inputs, for one image."""
    if of == "image":
        inputs, baselines, ask = (x,), (x0,), f
    elif of == "streams":
        inputs, baselines, ask = (x, m), (x0, m0), f
    else:
        inputs, baselines = (m,), (m0,)

        def ask(patterns: Tensor) -> Tensor:
            return f(x.expand(len(patterns), -1, -1, -1), patterns)

    def attached(*given: Tensor) -> Tensor:
        """Keep every input in the graph: where no gradient reaches it, it is zero, not an error."""
        return ask(*given) + sum(0 * one.sum((1, 2, 3)) for one in given)

    return inputs, baselines, attached


def chunk(images: Tensor) -> int:
    """Return how many images of this size one pass takes."""
    return max(1, CHUNK * 128**2 // (images.shape[2] * images.shape[3]))


def need_of(of: str, pattern: Tensor | None) -> None:
    """Say in a line why a question cannot be asked of this detector."""
    if of not in OF:
        raise InputError(f"of is '{of}'; expected one of {OF}")
    if of != "image" and pattern is None:
        raise InputError(
            f"attribution of '{of}' was asked for, but the network has one stream and no pattern; "
            "ask of 'image', or give a checkpoint with a pattern"
        )
