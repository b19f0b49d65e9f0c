"""Figures of notebook 02: what a local binary pattern keeps of a picture, and what it loses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hfnmp_lite.teach.figures import OTHERS, PALETTE, SIZE, _dress, _figure, colour
from hfnmp_lite.teach.widgets import DPI

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLACES = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
"""Row and column of neighbour p = 0 to 7 from the centre: right first, then counter-clockwise."""

LOOKS = {
    "webcam": (PALETTE["live"], "-", "o"),
    "handheld": (PALETTE["print"], "--", "s"),
    "mixed": (OTHERS[0], "-.", "D"),
    "phone": (OTHERS[1], ":", "^"),
}
"""Colour, line and mark of each domain."""

# --- codes --------------------------------------------------------------------------------------


def square_codes(image: np.ndarray) -> np.ndarray:
    """Local binary patterns of the eight neighbours at whole pixels: no interpolation.

    Parameters
    ----------
    image : ndarray
        (H, W), any type with an order; floats are not rounded.

    Returns
    -------
    ndarray
        (H - 2, W - 2) uint8 codes of the inner pixels; bit p as in `PLACES`.

    References
    ----------
    Ojala, Pietikainen, Harwood, "A comparative study of texture measures with classification
    based on featured distributions", Pattern Recognition 29, 1996; the order of bits is
    scikit-image's.
    """
    height, width = image.shape
    centre, code = image[1:-1, 1:-1], np.zeros((height - 2, width - 2), np.uint8)
    for p, (row, column) in enumerate(PLACES):
        there = image[1 + row : height - 1 + row, 1 + column : width - 1 + column]
        code |= (there >= centre).astype(np.uint8) << np.uint8(p)
    return code


def circle_codes(
    images: Sequence[np.ndarray], points: int = 8, radius: float = 1.0, method: str = "uniform"
) -> np.ndarray:
    """Codes of `hfnmp_lite.LocalBinaryPattern` on the images' mean over the channels.

    Parameters
    ----------
    images : sequence of (H, W, 3) uint8
        Of one size.
    points, radius, method
        As there.

    Returns
    -------
    ndarray
        (N, H, W) int64. Codes nearer to the border than the radius saw black beyond it.
    """
    import torch

    from hfnmp_lite.model.lbp import LocalBinaryPattern

    pattern = LocalBinaryPattern(points, radius, method)
    grey = torch.from_numpy(np.stack([image.mean(2) for image in images])).float() / 255
    return (pattern(grey[:, None])[:, 0] * pattern.largest_code).round().long().numpy()


def local_contrast(grey: np.ndarray) -> np.ndarray:
    """Largest minus smallest level of each inner pixel and its neighbours: (H - 2, W - 2)."""
    around = np.lib.stride_tricks.sliding_window_view(np.asarray(grey, float), (3, 3))
    return around.max((2, 3)) - around.min((2, 3))


# --- pictures -----------------------------------------------------------------------------------


def one_pixel(patch: np.ndarray) -> tuple[Figure, str]:
    """Show how the code of one pixel comes about.

    Parameters
    ----------
    patch : ndarray
        (3, 3) levels.
    """
    figure = _figure(8.2, 3.1)
    levels, bits, weights = figure.subplots(1, 3)
    code, said = 0, []
    for axes, title in ((levels, "levels"), (bits, "at least the centre?"), (weights, "weights")):
        axes.set(xlim=(-1.5, 1.5), ylim=(1.5, -1.5), xticks=[-0.5, 0.5], yticks=[-0.5, 0.5])
        axes.set_aspect("equal")
        axes.grid(color="black")
        axes.tick_params(labelbottom=False, labelleft=False, length=0)
        axes.set_title(title, fontsize=SIZE + 1)
    text = {"ha": "center", "va": "center", "fontsize": SIZE + 4}
    levels.text(0, 0, f"{patch[1, 1]}", weight="bold", **text)
    for p, (row, column) in enumerate(PLACES):
        value = patch[1 + row, 1 + column]
        bit = int(value >= patch[1, 1])
        code += bit << p
        levels.text(column, row, f"{value}", **text)
        bits.text(column, row, f"{bit}", weight="bold" if bit else "normal", **text)
        shade = {"color": "black", "weight": "bold"} if bit else {"color": "#8A8A8A"}
        weights.text(column, row, f"{1 << p}", **shade, **text)
        if bit:
            said.append(str(1 << p))
    total = f"{' + '.join(said) or '0'} = {code}"
    figure.supxlabel(f"code: {total}", fontsize=SIZE + 3)
    return figure, f"A patch of 3 by 3 pixels, the bits of its eight neighbours, and {total}."


def agreement(curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> tuple[Figure, str]:
    """Show how often a code survives new noise, over the contrast around its pixel.

    Parameters
    ----------
    curves : mapping
        Domain -> (contrast in grey levels, share of codes that stay), (m,) each.
    """
    figure = _figure(8.2, 4.6)
    axes = _dress(figure.subplots(), "local contrast (grey levels)", "codes that stay the same")
    said = []
    for domain, (contrast, stays) in curves.items():
        shade, line, mark = LOOKS[domain]
        style = {"color": shade, "linestyle": line, "marker": mark, "linewidth": 2.2}
        axes.plot(contrast, stays, label=domain, markersize=7, **style)
        said.append(f"{domain} from {stays[0]:.0%} to {stays[-1]:.0%}")
    axes.set_xscale("log")
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_xticks((2, 5, 10, 20, 50, 100), ("2", "5", "10", "20", "50", "100"))
    axes.minorticks_off()
    axes.grid(color="#E5E5E5")
    axes.legend(fontsize=SIZE - 1)
    return figure, (
        "Share of codes that stay when only the noise is drawn anew, from the flattest places to "
        f"those of the most contrast: {', '.join(said)}."
    )


def handwriting(mean: Mapping[str, Mapping[str, np.ndarray]]) -> tuple[Figure, str]:
    """Show what an attack changes in a histogram of codes, and below what the camera changes.

    Parameters
    ----------
    mean : mapping
        Domain -> kind, "live" first -> (m,) mean histogram, shares that sum to 1.

    Returns
    -------
    figure : Figure
        Above, attack minus live within each domain; below, live minus the mean of the other
        domains' live; all on one scale, in percentage points.
    alt : str
        The sums of absolute changes in words.
    """
    figure = _figure(8.6, 5.4)
    panels = figure.subplots(2, len(mean), sharex=True, sharey=True)
    said = []
    for (above, below), (domain, kinds) in zip(panels.T, mean.items(), strict=True):
        live = kinds["live"]
        attacks = {kind: 100 * (given - live) for kind, given in kinds.items() if kind != "live"}
        for i, (kind, change) in enumerate(attacks.items()):
            at = np.arange(len(change)) + 0.4 * (i - (len(attacks) - 1) / 2)
            hatch = "" if i == 0 else "////"
            style = {"color": colour(kind, list(attacks)), "edgecolor": "white", "linewidth": 0}
            above.bar(at, change, 0.4, label=kind, hatch=hatch, **style)
        others = np.mean([k["live"] for name, k in mean.items() if name != domain], axis=0)
        camera = 100 * (live - others)
        below.bar(np.arange(len(camera)), camera, 0.8, color=PALETTE["live"], label="live")
        above.set_title(domain, fontsize=SIZE + 1)
        sizes = [np.abs(c).sum() for c in (*attacks.values(), camera)]
        words = ", ".join(f"{k} {s:.1f}" for k, s in zip((*attacks, "camera"), sizes, strict=True))
        said.append(f"{domain}: {words}")
        for axes, y in ((above, "attack − live\n(points)"), (below, "camera − others\n(points)")):
            _dress(axes, "", y if domain == next(iter(mean)) else "")
            axes.axhline(0, color="black", linewidth=0.8)
            axes.grid(axis="y", color="#E5E5E5")
            axes.set_axisbelow(True)
    panels[0, -1].legend(loc="lower right", fontsize=SIZE - 2, frameon=False)
    panels[0, 0].set_xticks((0, 4, 8), ("0", "4", "8"))
    figure.supxlabel("uniform code: 0 peak, 4 edge, 8 pit or flat, 9 irregular", fontsize=SIZE)
    return figure, (
        "Changes of the histogram of codes, summed over the codes, in percentage points: "
        f"{'; '.join(said)}."
    )


def travels(rates: np.ndarray, names: Sequence[str]) -> tuple[Figure, str]:
    """Show error rates as a table in colour: learned on the row's domain, judged on the column's.

    Parameters
    ----------
    rates : ndarray
        (m, m) in [0, 1/2] or a little above; 1/2 is guessing.
    names : sequence of str
        Of the m domains.
    """
    from matplotlib import colormaps

    figure = _figure(7.4, 4.6)
    axes = figure.subplots()
    shown = axes.imshow(rates, cmap="cividis", vmin=0.2, vmax=0.5, aspect="auto")
    for row, column in np.ndindex(rates.shape):
        shade = colormaps["cividis"](np.clip((rates[row, column] - 0.2) / 0.3, 0, 1))
        ink = "white" if sum(shade[:3]) < 1.4 else "black"
        weight = "bold" if row == column else "normal"
        said = f"{rates[row, column]:.0%}"
        place = {"ha": "center", "va": "center", "fontsize": SIZE + 4}
        axes.text(column, row, said, color=ink, weight=weight, **place)
    axes.set_xticks(range(len(names)), names, fontsize=SIZE)
    axes.set_yticks(range(len(names)), names, fontsize=SIZE)
    axes.set_xlabel("judged on", fontsize=SIZE)
    axes.set_ylabel("learned on", fontsize=SIZE)
    bar = figure.colorbar(shown, ax=axes, ticks=[0.2, 0.3, 0.4, 0.5])
    bar.ax.set_yticklabels(["20%", "30%", "40%", "50%, a coin"], fontsize=SIZE - 1)
    rows = [
        f"learned on {name}: " + ", ".join(f"{n} {r:.0%}" for n, r in zip(names, row, strict=True))
        for name, row in zip(names, rates, strict=True)
    ]
    return figure, f"HTER. {'; '.join(rows)}."


# --- the bench ----------------------------------------------------------------------------------


def bench(
    image: np.ndarray, kind: str, points: int, radius: float, method: str
) -> tuple[Figure, str]:
    """Show a picture, the circle of neighbours at one enlarged place, its codes, their histogram.

    Parameters
    ----------
    image : ndarray
        (H, W, 3) uint8.
    kind : str
        What it shows, for title and text.
    points, radius, method
        As in `hfnmp_lite.LocalBinaryPattern`.
    """
    from matplotlib.figure import Figure

    codes = circle_codes([image], points, radius, method)[0]
    edge = int(np.ceil(radius))
    inner = codes[edge:-edge, edge:-edge]
    largest = _largest(points, method)
    side, gap, head, foot = 256, 16, 30, 44  # pixels
    width, height = 3 * side + 4 * gap, head + side + foot
    figure = Figure(figsize=(width / DPI, height / DPI))
    small = 118

    def place(left: float, bottom: float, w: float, h: float) -> Axes:
        return figure.add_axes((left / width, bottom / height, w / width, h / height))

    shown = ((image, kind), (codes / largest, f"codes, {method}"))
    for i, (picture, title) in enumerate(shown):
        axes = place(gap + i * (side + gap), foot, side, side)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        axes.set_title(title, fontsize=SIZE, pad=5)
    left = 3 * gap + 2 * side
    inset = place(left + (side - small) / 2, foot + side - small, small, small)
    _circle(inset, image, points, radius)
    bins = min(largest + 1, 64)
    shares = np.histogram(inner / largest, bins, (0, 1 + 1e-9))[0] / inner.size
    axes = _dress(place(left + 24, foot, side - 24, side - small - 34))
    axes.bar((np.arange(bins) + 0.5) / bins, shares, 1 / bins, color=PALETTE["live"])
    axes.set(xlim=(0, 1), xticks=[0, 1])
    axes.set_xticklabels(["0", f"{largest:,}"])
    axes.set_yticks([])
    axes.set_title("share of pixels by code", fontsize=SIZE - 1, pad=4)
    used, counts = np.unique(inner, return_counts=True)
    return figure, (
        f"Local binary patterns of a simulated {kind} face: {points} points, radius {radius:.1f}, "
        f"method {method}. {len(used):,} of {largest + 1:,} codes occur; the most frequent one has "
        f"{counts.max() / inner.size:.1%} of the pixels."
    )


def _largest(points: int, method: str) -> int:
    from hfnmp_lite.model.lbp import LocalBinaryPattern

    return LocalBinaryPattern(points, 1.0, method).largest_code


def _circle(axes: Axes, image: np.ndarray, points: int, radius: float) -> None:
    """Draw the neighbours of one pixel over the enlarged picture."""
    row, column = (side * 3 // 8 for side in image.shape[:2])  # about an eye
    reach = int(np.ceil(radius)) + 2  # pixels on each side: a small circle is to be seen, too
    cut = image[row - reach : row + reach + 1, column - reach : column + reach + 1]
    axes.imshow(cut, interpolation="nearest", extent=(-reach - 0.5, reach + 0.5) * 2)
    angles = 2 * np.pi * np.arange(points) / points
    x, y = radius * np.cos(angles), radius * np.sin(angles)
    axes.plot(x, y, "o", color="white", markeredgecolor="black", markersize=5)
    axes.plot(0, 0, "X", color=PALETTE["replay"], markeredgecolor="white", markersize=8)
    axes.set(xticks=[], yticks=[])
    axes.set_title(f"neighbours ({2 * reach + 1} pixels wide)", fontsize=SIZE - 1, pad=4)
