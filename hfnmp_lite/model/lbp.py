"""Local Binary Patterns as a torch module, equal to scikit-image's bit for bit."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn


class LocalBinaryPattern(nn.Module):
    """Local Binary Patterns of each colour channel, as scikit-image computes them.

    Neighbour p sets bit p when it is at least as bright as the centre. Agrees bit for bit with
    `skimage.feature.local_binary_pattern` on the 8-bit image; the output is the code divided by
    the largest code of the method. Not differentiable; no parameters.

    Shapes: images (N, 3, H, W) in [0, 1] -> pattern (N, 3, H, W) in [0, 1].

    Parameters
    ----------
    points : int
        Neighbours on the circle, 1 to 24.
    radius : float
        Radius of the circle in pixels.
    method : {"default", "ror", "uniform", "nri_uniform"}
        "default": the code of `points` bits, invariant to monotone changes of the grey levels.
        "ror": the smallest of its rotations, invariant to turning the image too. "uniform": the
        number of set bits where at most two neighbouring bits differ, points + 1 elsewhere.
        "nri_uniform": the uniform codes told apart by their rotation.

    Raises
    ------
    ValueError
        An unknown method, or points or radius out of range.

    References
    ----------
    Ojala, Pietikainen, Maenpaa, "Multiresolution gray-scale and rotation invariant texture
    classification with local binary patterns", IEEE TPAMI 24, 2002.
    """

    name = "lbp"
    METHODS = ("default", "ror", "uniform", "nri_uniform")

    def __init__(self, points: int = 8, radius: float = 1.0, method: str = "default") -> None:
        super().__init__()
        if method not in self.METHODS:
            raise ValueError(f"LBP method '{method}' is unknown; expected one of {self.METHODS}")
        if not 1 <= points <= 24:
            raise ValueError(f"LBP points is {points}; expected 1 to 24")
        if not 0 < radius < math.inf:
            raise ValueError(f"LBP radius is {radius}; expected a positive number of pixels")
        self.points, self.radius, self.method = points, float(radius), method
        self.settings = {"points": points, "radius": self.radius, "method": method}

    @property
    def largest_code(self) -> int:
        """The largest code that the method can give."""
        p = self.points
        ror = 2**p - 1
        return {"default": ror, "ror": ror, "uniform": p + 1, "nri_uniform": p * (p - 1) + 2}[
            self.method
        ]

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        # scikit-image interpolates in double at r + dy, c + dx with R in single and the offsets
        # rounded to five digits; equal neighbours are ties, so every rounding is repeated here.
        grey = (images * 255).round().to(torch.float64, memory_format=torch.contiguous_format)
        angles = 2 * np.pi * np.arange(self.points) / self.points
        radius = float(np.float32(self.radius))
        offsets = np.round(np.stack([-radius * np.sin(angles), radius * np.cos(angles)], 1), 5)
        reach = math.ceil(radius)
        padded = nn.functional.pad(grey, (reach,) * 4)  # outside the image is black
        columns = {dx: _interpolate(padded, dx, reach, 3) for dx in set(offsets[:, 1])}
        code = torch.zeros(grey.shape, dtype=torch.int32, device=grey.device)
        for p, (dy, dx) in enumerate(offsets):
            code += (_interpolate(columns[dx], dy, reach, 2) >= grey).to(torch.int32) << p
        if self.method != "default":
            code = _relabel(code, self.points, self.method)
        return code.to(images.dtype) / self.largest_code


def _interpolate(padded: Tensor, offset: float, reach: int, dim: int) -> Tensor:
    """Sample linearly at `offset` from each inner position along `dim`; drops the padding there."""
    size = padded.shape[dim] - 2 * reach
    low = padded.narrow(dim, reach + math.floor(offset), size)
    if float(offset).is_integer():
        return low
    position = torch.arange(size, dtype=padded.dtype, device=padded.device) + offset
    weight = position - position.floor()
    weight = weight if dim == 3 else weight[:, None]
    high = padded.narrow(dim, reach + math.ceil(offset), size)
    return (1 - weight) * low + weight * high


def _relabel(code: Tensor, points: int, method: str) -> Tensor:
    """Turn codes of `points` bits, int32, into those of another method."""
    if method == "ror":
        smallest = rotated = code
        for _ in range(points - 1):
            rotated = (rotated >> 1) | ((rotated & 1) << (points - 1))
            smallest = torch.minimum(smallest, rotated)
        return smallest
    bits = [(code >> p) & 1 for p in range(points)]
    ones = torch.stack(bits).sum(0, dtype=torch.int32)
    changes = sum(bits[p] ^ bits[p + 1] for p in range(points - 1)) + torch.zeros_like(code)
    if method == "uniform":
        return torch.where(changes <= 2, ones, points + 1)
    first_one = _first(bits, 1)
    rotation = torch.where(first_one == 0, ones - _first(bits, 0), points - first_one)
    inner = 1 + (ones - 1) * points + rotation
    inner = torch.where(ones == 0, 0, torch.where(ones == points, points * (points - 1) + 1, inner))
    return torch.where(changes <= 2, inner, points * (points - 1) + 2)


def _first(bits: list[Tensor], value: int) -> Tensor:
    """Index of the first bit that equals `value`, or the number of bits."""
    index = torch.full_like(bits[0], len(bits))
    for p in reversed(range(len(bits))):
        index = torch.where(bits[p] == value, p, index)
    return index
