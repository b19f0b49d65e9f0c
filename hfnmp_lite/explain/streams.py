"""How much of a response comes from the image stream, and how much from the pattern's, exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hfnmp_lite.explain.question import chunk, need_of
from hfnmp_lite.explain.response import Response, baseline_pair, need_images
from hfnmp_lite.model.detector import Detector


@dataclass(frozen=True)
class StreamShares:
    """Shapley values of image and pattern as two players, exact: four passes, one a coalition.

    Attributes
    ----------
    nothing, image_alone, pattern_alone, both : ndarray
        (N,) the response to (x0, m0), (x, m0), (x0, m) and (x, m), where m is the pattern of x and
        m0 that of x0.
    """

    nothing: np.ndarray
    image_alone: np.ndarray
    pattern_alone: np.ndarray
    both: np.ndarray

    @property
    def image(self) -> np.ndarray:
        """(N,): what the image stream adds, the mean over both orders of joining."""
        return ((self.image_alone - self.nothing) + (self.both - self.pattern_alone)) / 2

    @property
    def pattern(self) -> np.ndarray:
        """(N,): what the pattern stream adds; `image + pattern` is `both - nothing`."""
        return ((self.pattern_alone - self.nothing) + (self.both - self.image_alone)) / 2


def stream_shares(
    detector: Detector,
    images: Tensor,
    response: str = "margin",
    baseline: Tensor | None = None,
) -> StreamShares:
    """Share the response between the streams by their Shapley values; any pattern will do.

    Raises
    ------
    InputError
        As `integrated_gradients`; the network has one stream.
    """
    f = Response(detector, response)
    images = need_images(images)
    x0, m0 = baseline_pair(detector, images, baseline)
    need_of("streams", m0)
    passes: list[list[Tensor]] = [[], [], [], []]
    with torch.no_grad():
        at_once = chunk(images)
        for x, base, base_m in zip(*(t.split(at_once) for t in (images, x0, m0)), strict=True):
            m = detector.pattern(x)
            coalitions = ((base, base_m), (x, base_m), (base, m), (x, m))
            for found, pair in zip(passes, coalitions, strict=True):
                found.append(f(*pair))
    return StreamShares(*(torch.cat(found).double().cpu().numpy() for found in passes))
