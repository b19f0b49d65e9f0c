"""Patterns that nobody trains: the rivals and controls of the Meta Pattern, beside LBP."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor, nn

from hfnmp_lite.model.patterns import MetaPatternExtractor

GREY = (0.299, 0.587, 0.114)  # luma of ITU-R BT.601


class IdentityPattern(nn.Module):
    """The image again: two streams' capacity without a pattern.

    Shapes: (N, 3, H, W) in [0, 1] -> the same.
    """

    name = "identity"
    settings: ClassVar[dict[str, object]] = {}

    def forward(self, images: Tensor) -> Tensor:
        return images


class RandomExtractor(MetaPatternExtractor):
    """The Meta Pattern's extractor, never trained: does learning it matter?

    Its random weights ask for no gradient; `settle` gives its batch norms the statistics of the
    data. Shapes: (N, 3, H, W) in [0, 1] -> the same.
    """

    name = "random"

    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(False)

    @torch.no_grad()
    def settle(self, images: Tensor) -> None:
        """Take the running statistics from images (N, 3, H, W), and stay in eval mode."""
        norms = [m for m in self.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 1.0  # the statistics of this batch alone
        self.train()(images)
        for norm in norms:
            norm.momentum = 0.1
        self.eval()


class MultiScaleRetinex(nn.Module):
    """What remains of each colour channel when slow changes of illumination are divided out.

    R = mean over scales s of log(I + e) - log(G_s * I + e), G_s a Gaussian, e one grey level, the
    border mirrored; the output is the logistic function of 2 R: 1/2 where a pixel is as bright as
    its surroundings.

    Shapes: (N, 3, H, W) in [0, 1] -> the same.

    Parameters
    ----------
    scales : tuple of float
        Standard deviations of the Gaussians as shares of the image's height and width.

    References
    ----------
    Jobson, Rahman, Woodell, "A multiscale retinex for bridging the gap between color images and
    the human observation of scenes", IEEE TIP 6, 1997.
    """

    name = "msr"

    def __init__(self, scales: tuple[float, ...] = (0.02, 0.08, 0.25)) -> None:
        super().__init__()
        if not scales or not all(0 < s <= 1 for s in scales):
            raise ValueError(f"scales are {scales}; expected shares of the side, above 0 to 1")
        self.scales = tuple(scales)
        self.settings = {"scales": list(self.scales)}

    def forward(self, images: Tensor) -> Tensor:
        floor = 1 / 255
        log = torch.log(images + floor)
        retinex = torch.zeros_like(images)
        for scale in self.scales:
            rows, columns = (_blur_matrix(side, scale * side).to(images) for side in log.shape[2:])
            blurred = rows @ images @ columns.T  # a Gaussian is separable
            retinex += (log - torch.log(blurred + floor)) / len(self.scales)
        return torch.sigmoid(2 * retinex)


@lru_cache(maxsize=16)
def _blur_matrix(side: int, sigma: float) -> Tensor:
    """Return the (side, side) matrix that blurs a column of pixels, the border mirrored."""
    return torch.from_numpy(gaussian_filter1d(np.eye(side), sigma, axis=0, mode="mirror"))


class GradientPattern(nn.Module):
    """Sobel gradient of the grey image: its magnitude and the signs of its two components.

    Channels: |g| in [0, 1] (1 for the steepest edge there can be), the sign of the derivative to
    the right and downwards (0 falling, 1/2 level, 1 rising); the border mirrored.

    Shapes: (N, 3, H, W) in [0, 1] -> the same.
    """

    name = "gradient"
    settings: ClassVar[dict[str, object]] = {}
    LEVEL = 1e-4  # differences below, a fortieth of a grey level, are rounding

    def forward(self, images: Tensor) -> Tensor:
        grey = torch.einsum("nchw,c->nhw", images, images.new_tensor(GREY))
        grey = nn.functional.pad(grey[:, None], (1, 1, 1, 1), mode="reflect")
        across = images.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 4
        kernels = torch.stack([across, across.T])[:, None]
        slope = nn.functional.conv2d(grey, kernels)  # (N, 2, H, W), each in [-1, 1]
        magnitude = slope.norm(dim=1, keepdim=True) / math.sqrt(1.25)  # its largest value
        signs = (slope > self.LEVEL).to(slope) - (slope < -self.LEVEL).to(slope)
        return torch.cat([magnitude, (signs + 1) / 2], 1)
