"""What a step does and what an extractor has learned: measured, and nothing moved by measuring."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Optimizer

from hfnmp_lite.config import SNAPSHOTS
from hfnmp_lite.files import InputError
from hfnmp_lite.learn.losses import presentation_loss
from hfnmp_lite.learn.meta_step import Batch, Loss, meta_step
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.model.network import HFN
from hfnmp_lite.model.patterns import MetaPatternExtractor


class GradientCosine(NamedTuple):
    """Cosines between the gradients of meta-train and meta-test loss, each in [-1, 1]."""

    extractor: float
    """With respect to the parameters of E."""
    network: float
    """With respect to the parameters of H."""


class AroundStep(NamedTuple):
    """Loss by domain on the two sides of a step."""

    before: dict[str, float]
    after: dict[str, float]


# --- what a pattern answers to -----------------------------------------------------------------


@torch.no_grad()
def frequency_response(
    pattern: nn.Module,
    frequencies: Sequence[float],
    angles: Sequence[float],
    contrast: float = 0.1,
    size: int = 64,
    phases: int = 8,
) -> np.ndarray:
    """Gain of a pattern for faint sinusoidal gratings on mid grey.

    The grating is 1/2 + contrast / 2 * sin(2 pi f (x cos a + y sin a) + phase), in all three
    channels; x points right, y down. The gain is the RMS of what it changes in the output, against
    the output for flat grey, over channels, phases and the pixels further than size / 8 from the
    border, divided by the grating's RMS, contrast / sqrt(8). For a linear filter of each channel
    it is |H(f)|; for the identity it is 1.

    A learned extractor is nearly linear for a small contrast, and the number barely depends on it.
    LBP is not linear: any visible grating flips its codes by as much, so the change hardly
    depends on the contrast and the number falls as 1 / contrast. It still says at which
    frequencies the codes leave their value for flat grey, not how strongly they would pass them;
    compare its course over the frequencies with others', never its height.

    Parameters
    ----------
    pattern : Module
        (N, 3, H, W) in [0, 1] -> (N, C, H, W); a copy in eval mode is measured.
    frequencies : (F,) sequence of float
        Cycles per pixel, 0 to 0.5.
    angles : (A,) sequence of float
        Degrees from x towards y: 0 varies along the rows (upright stripes).
    contrast : float
        Michelson contrast of the grating, above 0 to 1.
    size : int
        Side of the images in pixels.
    phases : int
        Evenly spaced ones to average over, at least 3: then the mean square of the grating is the
        same at every pixel.

    Returns
    -------
    (A, F) ndarray

    Raises
    ------
    ValueError
        A value outside these ranges.
    """
    f = np.asarray(frequencies, dtype=float)
    if not (np.isfinite(f).all() and (f >= 0).all() and (f <= 0.5).all()):
        raise ValueError(f"frequencies are {f}; expected 0 to 0.5 cycles per pixel")
    if not 0 < contrast <= 1 or phases < 3:
        raise ValueError(
            f"contrast is {contrast} with {phases} phases; expected a contrast above 0 to 1 and at "
            "least 3 phases"
        )
    pattern = copy.deepcopy(pattern).eval()
    weight = next(pattern.parameters(), torch.empty(0))
    grid = torch.arange(size, dtype=torch.float64)
    shift = torch.arange(phases, dtype=torch.float64).view(-1, 1, 1) * (2 * torch.pi / phases)
    inner = slice(size // 8, size - size // 8)

    def answer(planes: Tensor) -> Tensor:
        images = planes[:, None].expand(-1, 3, -1, -1).to(weight.device, weight.dtype)
        return pattern(images)[..., inner, inner].double()

    flat = answer(torch.full((1, size, size), 0.5, dtype=torch.float64))
    gains = np.empty((len(angles), len(f)))
    for row, angle in enumerate(np.deg2rad(angles)):
        along = grid * np.cos(angle) + grid[:, None] * np.sin(angle)  # (size, size)
        for column, frequency in enumerate(f):
            wave = torch.sin(2 * torch.pi * frequency * along + shift)  # (phases, size, size)
            change = answer(0.5 + contrast / 2 * wave) - flat
            gains[row, column] = change.square().mean().sqrt() / (contrast / np.sqrt(8))
    return gains


# --- what a step does --------------------------------------------------------------------------


def domain_losses(
    detector: nn.Module, batches: Mapping[str, Batch], loss: Loss = presentation_loss
) -> dict[str, float]:
    """Loss on one batch of each domain; nothing moves, not even running statistics.

    Parameters
    ----------
    detector : Module
        A `Detector`, or any module that turns images into an Output. It is measured in the mode
        that it is in: in train mode, as learning sees it, with the statistics of each batch.
    batches : mapping
        Domain -> images (N, 3, H, W) in [0, 1], live (N,) int64.
    loss : callable
        Output, live -> scalar.
    """
    with torch.no_grad():
        return {d: float(loss(_still(detector, x), live)) for d, (x, live) in batches.items()}


def around_step(
    batches: Mapping[str, Batch],
    network: HFN,
    extractor: nn.Module,
    meta_test: Sequence[Batch],
    meta_train: Sequence[Batch],
    network_optimizer: Optimizer,
    extractor_optimizer: Optimizer,
    order: str = "alternating",
    inner_lr: float | None = None,
    loss: Loss = presentation_loss,
) -> AroundStep:
    """Loss of each domain before and after one `meta_step`, which is done on copies.

    Everything given stays as it is, the optimizers' momenta too.

    Parameters
    ----------
    batches : mapping
        Domain -> the batch to measure on, by preference none that the step uses.
    network, extractor, ..., loss
        As `meta_step` takes them; modules in train mode.
    """
    given = (network, extractor, network_optimizer, extractor_optimizer)
    network, extractor, network_optimizer, extractor_optimizer = copy.deepcopy(given)
    detector = Detector(extractor, network)
    before = domain_losses(detector, batches, loss)
    meta_step(
        network,
        extractor,
        meta_test,
        meta_train,
        network_optimizer,
        extractor_optimizer,
        order,
        inner_lr,
        loss,
    )
    return AroundStep(before, domain_losses(detector, batches, loss))


def gradient_cosine(
    network: HFN,
    extractor: nn.Module,
    meta_train: Batch,
    meta_test: Batch,
    loss: Loss = presentation_loss,
) -> GradientCosine:
    """Say whether two batches pull the parameters the same way: 1 the same, -1 the opposite.

    For phi of E, cos(grad_phi L(meta_train), grad_phi L(meta_test)); for theta of H alike. NaN
    where a gradient is zero or there is no parameter that learns. The modules, their running
    statistics and their `.grad` stay as they are.
    """
    parts = [[p for p in m.parameters() if p.requires_grad] for m in (extractor, network)]
    pulls = []
    for images, live in (meta_train, meta_test):
        value = loss(_still(network, images, _still(extractor, images)), live)
        gradients = torch.autograd.grad(value, parts[0] + parts[1], materialize_grads=True)
        split = gradients[: len(parts[0])], gradients[len(parts[0]) :]
        pulls.append([_flat(part) for part in split])
    return GradientCosine(*(_cosine(a, b) for a, b in zip(*pulls, strict=True)))


def _flat(gradients: Sequence[Tensor]) -> Tensor:
    return torch.cat([g.double().ravel() for g in gradients]) if gradients else torch.zeros(1)


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / (a.norm() * b.norm()))  # 0 / 0 is NaN


def _still(module: nn.Module, *arguments: Tensor) -> object:
    """Call a module whose batch norms write their running statistics into copies."""
    buffers = {name: b.clone() for name, b in module.named_buffers()}
    return functional_call(module, buffers, arguments)


# --- what was learned on the way ---------------------------------------------------------------


def load_snapshots(path: str | Path) -> list[tuple[int, MetaPatternExtractor]]:
    """Load the extractors that a run kept at every look of its first stage.

    Parameters
    ----------
    path : path
        The run directory; it holds `snapshots.safetensors`.

    Returns
    -------
    list of (int, MetaPatternExtractor)
        Iteration and extractor, in eval mode, in order.

    Raises
    ------
    InputError
        The file is missing, damaged, or holds something else.
    """
    file = Path(path) / SNAPSHOTS
    try:
        tensors = load(file.read_bytes())
    except OSError as error:
        raise InputError(
            f"{file}: cannot be read ({error.strerror}); expected the directory of a run that "
            "learned a pattern (hfnmp train --pattern mp)"
        ) from None
    except (SafetensorError, ValueError) as error:
        raise InputError(
            f"{file}: is damaged or not a safetensors file ({error}); train the run again"
        ) from None
    states: dict[int, dict[str, Tensor]] = {}
    try:
        for name, tensor in tensors.items():
            iteration, parameter = name.split("/")
            states.setdefault(int(iteration), {})[parameter] = tensor
        if not states:
            raise ValueError("it is empty")
        return [(i, _revived(states[i])) for i in sorted(states)]
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"{file}: holds no snapshots of this version's extractor "
            f"({str(error).splitlines()[0].rstrip(':')}); train the run again"
        ) from None


def _revived(state: dict[str, Tensor]) -> MetaPatternExtractor:
    extractor = MetaPatternExtractor()
    extractor.load_state_dict(state)
    return extractor.eval()
