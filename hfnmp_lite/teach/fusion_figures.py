"""Figures of the notebook on hierarchical fusion: averaged convs, who learns from whom, levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hfnmp_lite.teach.figures import PALETTE, SIZE, _dress, _figure, score_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def moves(panels: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Show how far weights have moved from their start, step by step, one panel an optimizer.

    Parameters
    ----------
    panels : mapping
        Title -> {name of a curve -> (steps + 1,) distances}; the first curve is drawn broad, so
        that another upon it shows.
    """
    figure = _figure(9.6, 4.4)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    styles = (
        {"color": "#9DBFD6", "linewidth": 9, "solid_capstyle": "butt"},
        {"color": PALETTE["replay"], "linewidth": 2.5, "linestyle": "--"},
        {"color": "black", "linewidth": 2, "linestyle": ":", "marker": "o", "markevery": 5},
    )
    for axes, (title, curves) in zip(grid, panels.items(), strict=True):
        _dress(axes, "step", "distance of the weights\nfrom their start" if axes is grid[0] else "")
        for (name, values), style in zip(curves.items(), styles, strict=True):
            axes.plot(values, label=name, **style)
        axes.set_title(title, fontsize=SIZE + 1)
        axes.set_ylim(bottom=0)
        axes.grid(color="#E5E5E5")
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, fontsize=SIZE, frameon=False)
    return figure


def who_learns(parts: Sequence[str], gradients: Mapping[str, np.ndarray]) -> Figure:
    """Show which part of a network receives a gradient from which loss.

    Parameters
    ----------
    parts : (n,) sequence of str
        Names of the parts, from the input to the output.
    gradients : mapping
        Name of a loss -> (n,) norm of its gradient by each part; 0 is drawn as a crossed, empty
        field.
    """
    values = np.stack(list(gradients.values()), 1)  # (n, losses)
    figure = _figure(2.2 + 2.9 * values.shape[1], 0.9 + 0.43 * len(parts))
    axes = _dress(figure.subplots())
    shown = np.log10(np.where(values > 0, values, np.nan))
    low, high = np.nanmin(shown), np.nanmax(shown)
    axes.imshow(shown, cmap="Blues", vmin=low - (high - low) * 0.6, vmax=high, aspect="auto")
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        dark = value > 0 and shown[row, column] > low + 0.45 * (high - low)
        text = f"{value:.2g}" if value > 0 else "× nothing"
        shade = "white" if dark else "black" if value > 0 else PALETTE["replay"]
        axes.text(column, row, text, ha="center", va="center", fontsize=SIZE, color=shade)
    axes.set_xticks(range(values.shape[1]), list(gradients), fontsize=SIZE + 1)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(parts)), parts, fontsize=SIZE)
    axes.set_xticks(np.arange(values.shape[1] - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(parts) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=3)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    return figure


def level_grid(energy: np.ndarray, shares: np.ndarray, image: np.ndarray) -> Figure:
    """Show what each level of each stream adds to p3, and where.

    Parameters
    ----------
    energy : (2, 3, h, w) ndarray
        RMS over the channels of each addend; streams image, pattern; levels c5, c4, c3.
    shares : (2, 3) ndarray
        Share of p3, in the title of each.
    image : (H, W, 3) ndarray
        RGB in [0, 1], shown beside.
    """
    figure = _figure(9.2, 4.9)
    grid = figure.subplots(2, 4)
    for row, stream in enumerate(("image", "pattern")):
        for column, level in enumerate(("c5", "c4", "c3")):
            axes = grid[row, column + 1]
            drawn = axes.imshow(energy[row, column], "viridis", vmin=0, vmax=energy.max())
            axes.set_title(f"{stream}, {level}: {shares[row, column]:.0%}", fontsize=SIZE + 1)
    grid[0, 0].imshow(image)
    for axes in grid.ravel():
        axes.set(xticks=[], yticks=[])
    grid[1, 0].set_axis_off()
    bar = figure.colorbar(drawn, ax=grid[1, 0], location="left", fraction=0.2)
    bar.set_label("RMS over channels", fontsize=SIZE)
    bar.ax.tick_params(labelsize=SIZE - 1)
    return figure


def transplant(
    images: Sequence[np.ndarray],
    names: Sequence[str],
    maps: Sequence[np.ndarray],
    level: str,
) -> tuple[Figure, str]:
    """Show a score map before and after one level came from another presentation.

    Parameters
    ----------
    images : two (H, W, 3) ndarrays
        RGB in [0, 1]: who is judged, and who gives.
    names : two str
        Their kinds.
    maps : two (h, w) ndarrays
        The score map, in [0, 1], before and after.
    level : str
        What was replaced, in words.
    """
    from matplotlib.figure import Figure

    means = [float(m.mean()) for m in maps]
    figure = Figure(figsize=(9.4, 2.85))
    figure.subplots_adjust(left=0.01, right=0.915, bottom=0.02, top=0.82, wspace=0.06)
    grid = figure.subplots(1, 4)
    titles = (
        f"judged:\n{names[0]}",
        f"its map:\nmean {means[0]:.2f}",
        f"{names[1]} gives\n{level}",
        f"map with it:\nmean {means[1]:.2f}",
    )
    for axes, title, shown in zip(grid, titles, (images[0], maps[0], images[1], maps[1])):  # noqa: B905
        drawn = axes.imshow(shown, score_colours(), vmin=0, vmax=1)
        axes.set_title(title, fontsize=SIZE)
        axes.set(xticks=[], yticks=[])
    _score_bar(figure, drawn)
    return figure, (
        f"Score map of a simulated {names[0]} presentation: mean {means[0]:.3f}. With {level} from "
        f"a {names[1]} one: mean {means[1]:.3f}."
    )


def _score_bar(figure: Figure, drawn: object) -> Axes:
    axes = figure.add_axes((0.925, 0.1, 0.014, 0.62))
    bar = figure.colorbar(drawn, cax=axes, ticks=[0, 1])
    bar.ax.set_yticklabels(["attack", "live"], fontsize=SIZE - 3)
    return axes
