"""Figures of notebook 03: patterns side by side, what they answer to, an extractor as it learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hfnmp_lite.teach.figures import PALETTE, SIZE, _dress, _figure, stretch

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = {
    "image": {"color": "#555555", "linestyle": ":", "linewidth": 3},
    "LBP": {"color": PALETTE["replay"], "linestyle": "--", "linewidth": 3},
    "meta pattern": {"color": PALETTE["live"], "linestyle": "-", "linewidth": 3.5},
    "untrained": {"color": "#009E73", "linestyle": "-", "linewidth": 1, "alpha": 0.8},
}
"""Look of each pattern's curve; of the untrained there are several, all thin."""


MARKS = "osD^v"
"""Of an extractor's curves while it learns."""


def side_by_side(
    images: np.ndarray, patterns: Mapping[str, np.ndarray], names: Sequence[str]
) -> Figure:
    """Lay out images and their patterns: a row a presentation, a column a pattern.

    Parameters
    ----------
    images : (N, H, W, 3) ndarray
        RGB in [0, 1].
    patterns : mapping
        Title -> (N, H, W, 3); the contrast of each is stretched, by one range for all its rows.
    names : (N,) sequence of str
        What stands beside the rows.
    """
    columns = {"image": images, **{name: stretch(p) for name, p in patterns.items()}}
    figure = _figure(2.0 * len(columns), 2.0 * len(images) + 0.4)
    grid = figure.subplots(len(images), len(columns), squeeze=False)
    for axes, (title, shown) in zip(grid.T, columns.items(), strict=True):
        axes[0].set_title(title, fontsize=SIZE + 1)
        for place, picture in zip(axes, shown, strict=True):
            place.imshow(picture, vmin=0, vmax=1, interpolation="nearest")
            place.set(xticks=[], yticks=[])
    for place, name in zip(grid[:, 0], names, strict=True):
        place.set_ylabel(name, fontsize=SIZE + 1)
    return figure


def _draw(axes: Axes, x: Sequence[float], curves: Mapping[str, np.ndarray]) -> None:
    """Draw every pattern's curve (m,) or several of them (k, m) over x, under one label."""
    for name, values in curves.items():
        rows = np.atleast_2d(values)
        for row in rows:
            axes.plot(x, row, **LINES[name])
        style = LINES[name] | {"linewidth": max(2, LINES[name]["linewidth"])}
        label = name if len(rows) == 1 else f"{name} ({len(rows)})"
        axes.plot([], [], label=label, **style)


def _legend(figure: Figure, axes: Axes, title: str | None = None) -> None:
    handles, names = axes.get_legend_handles_labels()
    style = {"ncols": len(names), "fontsize": SIZE, "frameon": False}
    style |= {"title": title, "title_fontsize": SIZE}
    figure.legend(handles, names, loc="outside lower center", **style)


def how_much(
    contrasts: Sequence[float],
    changes: Mapping[str, np.ndarray],
    frequencies: Sequence[float],
    courses: Mapping[str, np.ndarray],
) -> Figure:
    """Show what gratings change in patterns: over their contrast, and over their frequency.

    Parameters
    ----------
    contrasts, frequencies : (m,), (n,) sequences of float
        Michelson contrast; cycles per pixel.
    changes, courses : mappings
        Pattern, as in `LINES` -> RMS change (m,) or (k, m); relative response (n,) or (k, n).
    """
    figure = _figure(9.8, 4.7)
    left, right = figure.subplots(1, 2)
    _dress(left, "contrast of the grating", "RMS change of the pattern")
    _draw(left, contrasts, changes)
    left.set(xscale="log", yscale="log")
    ticks = [0.004, 0.02, 0.1, 0.5]
    left.set_xticks(ticks, [f"{100 * t:g}%" for t in ticks])
    left.minorticks_off()
    left.set_title("how much, or whether", fontsize=SIZE + 1)
    _dress(right, "frequency (cycles per pixel)", "response, own largest = 1")
    _draw(right, frequencies, courses)
    right.set(xlim=(0, 0.5), ylim=(0, 1.05))
    right.set_title("coarse, or fine", fontsize=SIZE + 1)
    for axes in (left, right):
        axes.grid(color="#E5E5E5")
    _legend(figure, right)
    return figure


def spectra(
    rings: np.ndarray,
    live: Mapping[str, np.ndarray],
    attacks: Mapping[str, Mapping[str, np.ndarray]],
) -> Figure:
    """Show spectra of patterns, and what an attack changes in them.

    Parameters
    ----------
    rings : (m,) ndarray
        Frequencies, cycles per pixel.
    live : mapping
        Pattern, as in `LINES` -> (m,) or (k, m) power of live faces, dB.
    attacks : mapping
        Attack type -> {pattern: power minus that of live, dB}.
    """
    figure = _figure(10.4, 4.7)
    panels = figure.subplots(1, 1 + len(attacks), width_ratios=[1.2, *[1] * len(attacks)])
    below = "cycles per pixel"
    _dress(panels[0], below, "power (dB), lowest ring = 0")
    _draw(panels[0], rings, live)
    panels[0].set_title("live faces", fontsize=SIZE + 1)
    for axes, (kind, curves) in zip(panels[1:], attacks.items(), strict=True):
        _dress(axes, below, "difference (dB)" if axes is panels[1] else "")
        axes.axhline(0, color="black", linewidth=1)
        _draw(axes, rings, curves)
        axes.set_title(f"{kind} minus live", fontsize=SIZE + 1)
        axes.sharey(panels[1])
    for axes in panels:
        axes.set_xscale("log")
        axes.set_xticks([0.01, 0.03, 0.1, 0.3], ["0.01", "0.03", "0.1", "0.3"])
        axes.minorticks_off()
        axes.grid(color="#E5E5E5")
    _legend(figure, panels[0])
    return figure


def learning(frequencies: Sequence[float], runs: Mapping[str, Mapping[int, np.ndarray]]) -> Figure:
    """Show the frequency response of an extractor as it learns, one panel a run.

    Parameters
    ----------
    frequencies : (n,) sequence of float
        Cycles per pixel.
    runs : mapping
        Title -> {iteration: (n,) gain}, the first of them before learning.
    """
    from matplotlib import colormaps

    figure = _figure(9.8, 5.0)
    panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    for axes, (title, course) in zip(panels, runs.items(), strict=True):
        _dress(axes, "frequency (cycles per pixel)", "gain" if axes is panels[0] else "")
        last = max(course)
        for iteration, gain in course.items():
            style = {"color": colormaps["Blues"](0.35 + 0.6 * iteration / last), "linewidth": 2}
            if iteration == min(course):
                style = LINES["untrained"] | {"linestyle": "--", "linewidth": 3}
            elif iteration == last:
                style = {"color": "black", "linewidth": 4}
            else:  # light to dark, and each with a mark of its own
                style |= {"marker": MARKS[list(course).index(iteration) % len(MARKS)]}
            axes.plot(frequencies, gain, label=f"{iteration}", **style)
        axes.set_title(title, fontsize=SIZE + 1)
        axes.set(xlim=(0, 0.5), ylim=(0, None))
        axes.grid(color="#E5E5E5")
    _legend(figure, panels[0], "iteration")
    return figure


def snapshot(
    patterns: np.ndarray,
    names: Sequence[str],
    frequencies: Sequence[float],
    gains: Mapping[str, np.ndarray],
    title: str,
) -> tuple[Figure, str]:
    """Show an extractor at one moment: its maps, and its response beside that of the start.

    Parameters
    ----------
    patterns : (N, H, W, 3) ndarray
        In [0, 1]; the contrast is stretched, by one range for all.
    names : (N,) sequence of str
        Kinds of the presentations.
    frequencies : (n,) sequence of float
        Cycles per pixel.
    gains : mapping
        "now", "at the start" -> (n,).
    title : str
        Which moment of which run.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.2, 3.5))
    # Fixed margins: a control redraws this, and a computed layout takes twice the time.
    grid = figure.add_gridspec(
        1, len(patterns) + 1, width_ratios=[1] * len(patterns) + [1.25], wspace=0.08
    )
    grid.update(left=0.01, right=0.98, bottom=0.17, top=0.8)
    for place, (picture, name) in enumerate(zip(stretch(patterns), names, strict=True)):
        axes = figure.add_subplot(grid[place])
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(name, fontsize=SIZE)
        axes.set(xticks=[], yticks=[])
    axes = _dress(figure.add_axes((0.76, 0.2, 0.225, 0.58)), "frequency (cycles per pixel)")
    start = LINES["untrained"] | {"linestyle": "--", "linewidth": 2.5}
    axes.plot(frequencies, gains["at the start"], label="at the start", **start)
    axes.plot(frequencies, gains["now"], color="black", linewidth=3.5, label="now")
    axes.set(xlim=(0, 0.5), ylim=(0, 1.4 * max(g.max() for g in gains.values())))
    axes.set_title("gain", fontsize=SIZE)
    axes.grid(color="#E5E5E5")
    axes.legend(fontsize=SIZE - 2, frameon=False, loc="upper right")
    figure.suptitle(title, fontsize=SIZE + 2)
    now = gains["now"]
    return figure, (
        f"{title}: maps of {', '.join(names)}; gain {now[0]:.2f} at {frequencies[0]:.2f} and "
        f"{now[-1]:.2f} at {frequencies[-1]:.2f} cycles per pixel."
    )
