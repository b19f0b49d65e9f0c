"""What makes an explanation faithful, measured: on plain arrays, against known cues.

An explanation is a signed map (H, W), positive for live. A cue's *membership* (H, W) in [0, 1] says
how much each pixel belongs to the cue: 1 where the cue changes it by more than `cues.LEVELS` grey
levels before JPEG, in proportion below. Overlap takes the map's absolute values (where does it
look?); correlation and deletion take its sign (for what?).

Overlap alone proves little: a cue may be seen and not used, or be used and lie where any map has
its weight. So every share stands beside the cue's area, every hit beside its chance, and every
correlation beside the one that a map without places would reach.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from hfnmp_lite.explain.response import Response
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.simulate.cues import LEVELS

PATCH = 1 / 16
"""Side of the patches that are replaced, in heights of the image: 8 pixels of 128."""
LARGEST = 0.5
"""Cues that cover half the image or more are not scored by pointing."""
SMALLEST = 0.002
"""Cues that cover less than this are not scored by overlap: 33 of 128 x 128 pixels."""
HOW_FAR = ("heads", "deep", "all")
"""How far down from the output the weights are drawn anew."""


# --- against the cue's place --------------------------------------------------------------------


def membership(change: np.ndarray) -> np.ndarray:
    """How much each pixel belongs to a cue, in [0, 1], from its change in grey levels."""
    return np.clip(np.asarray(change, np.float64) / LEVELS, 0, 1)


def share_inside(values: np.ndarray, member: np.ndarray) -> float:
    """Share of the map's absolute mass inside the cue; NaN of a map that is zero everywhere.

    A map that looks everywhere alike reaches `member.mean()`, the cue's area.
    """
    mass = np.abs(np.asarray(values, np.float64))
    return float((mass * member).sum() / mass.sum()) if mass.sum() > 0 else np.nan


def pointing(values: np.ndarray, member: np.ndarray) -> float:
    """Pointing game: membership of the largest absolute value; ties count by their mean.

    By chance `member.mean()`, which a constant map reaches.
    """
    mass = np.abs(values)
    return float(member[mass == mass.max()].mean())


def evidence_inside(values: np.ndarray, member: np.ndarray) -> float:
    """Signed attribution inside the cue: to be correlated with what the cue's removal does."""
    return float((np.asarray(values, np.float64) * member).sum())


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's correlation of (n,) values; NaN of fewer than three, or where one is constant."""
    return float(rank_correlations(a, b, np.ones((1, len(a))))[0])


def rank_correlations(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spearman's correlation of weighted observations, for many weightings at once.

    Parameters
    ----------
    a, b : ndarray
        (n,) values.
    weights : ndarray
        (r, n) whole numbers: how often each observation counts, as in a bootstrap.

    Returns
    -------
    ndarray
        (r,); NaN where fewer than three count, or one of a and b is constant.
    """
    total = weights.sum(1)
    ranks = [_ranks(values, weights) for values in (a, b)]
    with np.errstate(invalid="ignore", divide="ignore"):
        ra, rb = (r - ((weights * r).sum(1) / total)[:, None] for r in ranks)
        norm = np.sqrt((weights * ra**2).sum(1) * (weights * rb**2).sum(1))
        found = (weights * ra * rb).sum(1) / norm
    return np.where((total >= 3) & (norm > 1e-6), found, np.nan)


def _ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Ranks (r, n) of values (n,) that count as often as weights (r, n) say; ties share theirs."""
    _, place, sizes = np.unique(values, return_inverse=True, return_counts=True)
    starts = np.cumsum(sizes) - sizes
    counts = np.add.reduceat(weights[:, np.argsort(values, kind="stable")], starts, axis=1)
    return (counts.cumsum(1) - counts / 2 + 0.5)[:, place]


# --- against the model --------------------------------------------------------------------------


def patch_sums(values: np.ndarray) -> np.ndarray:
    """Sum a map (H, W) over its patches, with the weights by which `replacing` fades them in.

    For every mask k of patches, the sum of `mask * patch_sums(values)` is the sum of `values`
    times the faded mask: (rows, columns).
    """
    rows, columns = grid(*values.shape)
    return _fade(rows, values.shape[0]).T @ values @ _fade(columns, values.shape[1])


def grid(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of patches of an image."""
    patch = max(1, round(PATCH * height))
    return max(1, height // patch), max(1, width // patch)


def _fade(patches: int, pixels: int) -> np.ndarray:
    """Weight of each patch at each pixel of a line, (pixels, patches); rows sum to 1."""
    unit = torch.eye(patches, dtype=torch.float64)[:, None]
    line = interpolate(unit, size=pixels, mode="linear", align_corners=False)
    return line[:, 0].T.numpy()


def replacing(
    detector: Detector, image: Tensor, other: Tensor, response: str = "margin", batch: int = 32
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the response as a function of which patches are replaced.

    A replaced patch fades into its neighbours (bilinear): a seam would be a cue of its own. The
    pattern is computed anew from the mixed image.

    Parameters
    ----------
    image, other : Tensor
        (1, 3, H, W) each: what is seen, and what patches are replaced by.

    Returns
    -------
    callable
        (n, rows, columns) bool, True where replaced -> (n,) responses.
    """
    f = Response(detector, response)

    @torch.no_grad()
    def answer(masks: np.ndarray) -> np.ndarray:
        found = []
        for part in torch.from_numpy(masks).split(batch):
            faded = interpolate(
                part[:, None].to(image.dtype),
                size=image.shape[2:],
                mode="bilinear",
                align_corners=False,
            )
            found.append(f(torch.lerp(image, other, faded)).double())
        return torch.cat(found).cpu().numpy()

    return answer


def replaced_in_turn(order: np.ndarray, steps: int = 8) -> np.ndarray:
    """Masks that replace patches one after another: (steps + 1, rows, columns), none to all.

    Parameters
    ----------
    order : ndarray
        (rows, columns): patches with the lowest values are replaced first; ties by their place.
    """
    rank = np.argsort(np.argsort(order.ravel(), kind="stable"), kind="stable").reshape(order.shape)
    counts = np.linspace(0, order.size, steps + 1).round()
    return rank[None] < counts[:, None, None]


def deletion_and_insertion(
    answer: Callable[[np.ndarray], np.ndarray], mass: np.ndarray, steps: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """Deletion and insertion curves, each (steps + 1,) responses.

    Deletion replaces patches by those of the same picture without its located cues, the strongest
    evidence for attack first: if the explanation is right the response rises early. Insertion
    starts from that picture and puts the attack's patches back, the strongest first: it falls
    early. The area under deletion less that of a random order, and the random order's less that
    under insertion, are the gains; higher is more faithful.

    Parameters
    ----------
    answer : callable
        As `replacing` gives it, `other` being the cue-free rendering: blurred or black patches
        would be cues themselves. Gamut, which is everywhere, stays: patches of another colour would
        be cues, too.
    mass : ndarray
        (rows, columns): the signed explanation, summed over patches.
    """
    masks = replaced_in_turn(mass, steps)
    found = answer(np.concatenate([masks, ~masks]))
    return found[: steps + 1], found[steps + 1 :]


def area(curve: np.ndarray) -> float:
    """Area under a curve over [0, 1], by trapezoids: a mean response."""
    return float(np.mean((curve[1:] + curve[:-1]) / 2))


def drawn_anew(detector: Detector, how_far: str, seed: int = 0) -> Detector:
    """Copy a detector with weights drawn anew from the output downwards, for the sanity check.

    An explanation of the network must change when the network's weights do (Adebayo et al. 2018).

    Parameters
    ----------
    how_far : {"heads", "deep", "all"}
        The two heads; these and all but the stem and the first two stages of each trunk; all, the
        extractor's too.
    seed : int
        Of the new weights.
    """
    early = ("conv1", "bn1", "layer1", "layer2")
    fresh = copy.deepcopy(detector)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, module in fresh.named_modules():
            head = "map_head" in name or "classifier" in name
            trunk = name.split("trunk.")[1] if "trunk." in name else ""
            deep = name.startswith("network.") and trunk.split(".")[0] not in early
            if {"heads": head, "deep": deep, "all": True}[how_far]:
                _draw(module)
    return fresh.eval()


def _draw(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
        module.reset_parameters()
