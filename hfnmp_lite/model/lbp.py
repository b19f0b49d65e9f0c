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
        grey = (images * 255).round().flatten(0, 1)  # (3N, H, W), whole numbers
        # Plane by plane a CPU finds everything in its cache; a GPU is faster with all at once.
        step = 1 if images.device.type == "cpu" else max(1, len(grey))
        circle = _Circle(self.points, self.radius, (step, *grey.shape[1:]), grey.device)
        code = torch.empty(grey.shape, dtype=torch.int32, device=grey.device)
        for i in range(0, len(grey), step):
            code[i : i + step] = circle.codes(grey[i : i + step])
        if self.method != "default":
            code = _relabel(code, self.points, self.method)
        return code.to(images.dtype).div_(self.largest_code).view(images.shape)


class _Circle:
    """The neighbours of every pixel of grey planes, and the buffers that sampling them takes.

    scikit-image interpolates in double at r + dy, c + dx with R in single and the offsets rounded
    to five digits; equal neighbours are ties, so every rounding is repeated here.
    """

    def __init__(
        self, points: int, radius: float, shape: tuple[int, int, int], device: torch.device
    ) -> None:
        angles = 2 * np.pi * np.arange(points) / points
        radius = float(np.float32(radius))
        offsets = np.round(np.stack([-radius * np.sin(angles), radius * np.cos(angles)], 1), 5)
        n, h, w = shape
        reach = math.ceil(radius)
        new = {"dtype": torch.float64, "device": device}
        padded = torch.zeros(n, h + 2 * reach, w + 2 * reach, **new)  # outside the image is black
        self.inner = padded[:, reach : reach + h, reach : reach + w]
        spare = torch.empty(n, h + 2 * reach, w, **new)
        self.columns = {}
        for dx in sorted(set(offsets[:, 1])):
            self.columns[dx] = _Interpolation(padded, dx, reach, 2, torch.empty_like(spare), spare)
        self.bit, self.code, value = (torch.empty(shape, **new) for _ in range(3))
        self.rows = [
            _Interpolation(self.columns[dx].value, dy, reach, 1, value, spare[:, :h])
            for dy, dx in offsets
        ]

    def codes(self, grey: Tensor) -> Tensor:
        """Return the codes (n, H, W) of planes of this shape, until the next call."""
        self.inner.copy_(grey)
        self.code.zero_()
        for column in self.columns.values():
            column.sample()
        for p, row in enumerate(self.rows):
            torch.ge(row.sample(), self.inner, out=self.bit)
            self.code.add_(self.bit, alpha=2**p)
        return self.code


class _Interpolation:
    """Linear samples at `offset` from each inner position along `dim`: `value`, without padding."""

    def __init__(
        self, padded: Tensor, offset: float, reach: int, dim: int, value: Tensor, spare: Tensor
    ) -> None:
        size = padded.shape[dim] - 2 * reach
        self.low = padded.narrow(dim, reach + math.floor(offset), size)
        self.between = not float(offset).is_integer()
        self.value, self.spare = value if self.between else self.low, spare
        position = torch.arange(size, dtype=padded.dtype, device=padded.device) + offset
        weight = position - position.floor()
        self.weight = weight if dim == 2 else weight[:, None]
        self.rest = 1 - self.weight
        self.high = padded.narrow(dim, reach + math.ceil(offset), size)

    def sample(self) -> Tensor:
        """Sample what the padded planes hold now."""
        if self.between:
            torch.mul(self.low, self.rest, out=self.value)
            self.value.add_(torch.mul(self.high, self.weight, out=self.spare))
        return self.value


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
