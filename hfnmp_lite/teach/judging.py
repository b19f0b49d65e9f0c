"""Figures of the notebook on judging: what a threshold, a choice and an interval are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hfnmp_lite.evaluate import metrics
from hfnmp_lite.teach.figures import PALETTE, SIZE, _dress, _figure, _per_cent, colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = np.linspace(0, 1, 26)
CHOSEN = {"by sources": ("o", PALETTE["threshold"]), "by target (oracle)": ("D", "white")}


def threshold_on_roc(scores: Mapping[str, np.ndarray], threshold: float) -> tuple[Figure, str]:
    """Show a threshold twice: across the histograms of the scores, and as a point on the ROC.

    Parameters
    ----------
    scores : mapping
        "live" and each attack type -> (n,) scores in [0, 1]; at or above the threshold: accepted.
    threshold : float
        The one to show.

    Returns
    -------
    figure : Figure
        Left, one histogram for each kind, the accepted side tinted, wrong decisions hatched; right,
        the ROC with the threshold's point and the point where FAR = FRR (oracle).
    alt : str
        The rates in words.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.7))
    # Fixed margins: a slider redraws this, and a computed layout takes twice the time.
    grid = figure.add_gridspec(
        len(scores), 2, width_ratios=(1.2, 1), left=0.06, right=0.975, bottom=0.13, top=0.86
    )
    grid.update(wspace=0.22, hspace=0.5)
    accepted = {kind: float((given >= threshold).mean()) for kind, given in scores.items()}
    for row, (kind, given) in enumerate(scores.items()):
        axes = _dress(figure.add_subplot(grid[row, 0]))
        shade = colour(kind, list(scores))
        wrong = given[(given >= threshold) != (kind == "live")]
        for values, style in (
            (given, {"color": shade, "alpha": 0.85}),
            (wrong, {"facecolor": "white", "edgecolor": shade, "hatch": "////", "linewidth": 1.2}),
        ):
            counts, _ = np.histogram(values, BINS)
            axes.stairs(counts, BINS, fill=True, **style)  # one patch; hist draws one a bar
        axes.axvline(threshold, color="black", linewidth=2)
        axes.axvspan(threshold, 1, color=PALETTE["live"], alpha=0.07, linewidth=0)
        axes.set(xlim=(0, 1), xticks=(0, 0.5, 1), yticks=())  # the title counts; ticks cost time
        axes.tick_params(labelbottom=row == len(scores) - 1)
        axes.set_title(f"{kind}: {accepted[kind]:.1%} accepted", fontsize=SIZE, loc="left")
    axes.set_xlabel("score, and threshold", fontsize=SIZE)
    live = scores["live"]
    attack = np.concatenate([given for kind, given in scores.items() if kind != "live"])
    far, frr = float((attack >= threshold).mean()), float((live < threshold).mean())
    axes = _roc(figure.add_subplot(grid[:, 1]), attack, live)
    axes.plot(far, 1 - frr, "o", color="black", markersize=12, label="this threshold", zorder=5)
    axes.legend(loc="lower right", fontsize=SIZE - 2, framealpha=0.95)
    figure.suptitle(
        f"threshold {threshold:.2f}:  FAR {far:.1%}   FRR {frr:.1%}   HTER {(far + frr) / 2:.1%}",
        fontsize=SIZE + 2,
    )
    worst = max((rate, kind) for kind, rate in accepted.items() if kind != "live")
    return figure, (
        f"Histograms of {attack.size + live.size} simulated scores, {live.size} of them live, and "
        f"their ROC, with an AUC of {metrics.auc(*_joined(attack, live)):.3f}. "
        f"At threshold {threshold:.2f}: FAR {far:.1%}, FRR {frr:.1%}, HTER {(far + frr) / 2:.1%}; "
        f"APCER {worst[0]:.1%} ({worst[1]}), BPCER {frr:.1%}."
    )


def _joined(attack: np.ndarray, live: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([attack, live]), np.repeat([0, 1], [attack.size, live.size])


def _roc(axes: Axes, attack: np.ndarray, live: np.ndarray) -> Axes:
    scores, labels = _joined(attack, live)
    far, frr, _ = metrics.roc(scores, labels)
    axes.plot([0, 1], [0, 1], ":", color="#999999", linewidth=1.5, label="guessing")
    axes.plot(far, 1 - frr, color=PALETTE["live"], linewidth=2.5)
    balanced = metrics.eer_threshold(scores, labels)
    at = float((attack >= balanced).mean()), float((live >= balanced).mean())
    style = {"color": PALETTE["oracle"], "markerfacecolor": "white", "markeredgewidth": 2}
    axes.plot(*at, "D", markersize=10, label="FAR = FRR (oracle)", linestyle="none", **style)
    _dress(axes, "attacks accepted (FAR)", "live accepted (1 − FRR)")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    _per_cent(axes.xaxis)
    _per_cent(axes.yaxis)
    axes.grid(color="#E5E5E5")
    return axes


def checkpoints(
    iterations: Sequence[int], hter: Mapping[str, np.ndarray], chosen: Mapping[str, tuple[str, int]]
) -> Figure:
    """Show figures over the checkpoints of one training run, and which checkpoint each rule takes.

    Parameters
    ----------
    iterations : (m,) sequence of int
        When each checkpoint was kept.
    hter : mapping
        Name of a curve -> (m,) HTER.
    chosen : mapping
        "by sources" or "by target (oracle)" -> (name of the curve it lies on, index).
    """
    figure = _figure(8.6, 4.8)
    axes = _dress(figure.subplots(), "iteration of the checkpoint", "HTER")
    styles = ((":", "#009E73"), ("-", PALETTE["replay"]), ("--", PALETTE["oracle"]))
    for (name, values), (line, shade) in zip(hter.items(), styles, strict=True):
        axes.plot(iterations, values, line, color=shade, linewidth=2.5, label=name)
    for name, (curve, at) in chosen.items():
        mark, face = CHOSEN[name]
        value = hter[curve][at]
        style = {"color": "black", "markerfacecolor": face, "markeredgewidth": 2}
        axes.plot(
            iterations[at],
            value,
            mark,
            markersize=12,
            label=f"chosen {name}: {value:.1%}",
            linestyle="none",
            **style,
        )
    axes.set_ylim(0, 1.08 * max(map(max, hter.values())))
    _per_cent(axes.yaxis)
    axes.grid(axis="y", color="#E5E5E5")
    axes.legend(loc="lower left", fontsize=SIZE - 1, ncols=2)
    return figure


def staircase(steps: Mapping[str, float], causes: Sequence[str]) -> Figure:
    """Show how a figure changes from choice to choice, and what each change is due to.

    Parameters
    ----------
    steps : mapping
        What was done -> HTER, in order; a name that holds "oracle" is drawn hollow.
    causes : sequence of str
        What stands on the arrow between two steps, one less than there are steps.
    """
    figure = _figure(9.2, 0.9 + 0.85 * len(steps))
    axes = _dress(figure.subplots(), "HTER on the target")
    names, values = list(steps), list(steps.values())
    for row, (name, value) in enumerate(steps.items()):
        mark, face = CHOSEN["by target (oracle)" if "oracle" in name else "by sources"]
        style = {"color": "black", "markerfacecolor": face, "markeredgewidth": 2}
        axes.plot(value, row, mark, markersize=13, zorder=3, **style)
        # Beside the marker, where no arrow comes or goes
        side = (
            {"xytext": (14, -8)} if row == len(steps) - 1 else {"xytext": (-14, 8), "ha": "right"}
        )
        axes.annotate(f"{value:.1%}", (value, row), textcoords="offset points", va="center", **side)
    for row, (before, after, cause) in enumerate(zip(values[:-1], values[1:], causes, strict=True)):
        shade = PALETTE["live"] if after < before else PALETTE["replay"]
        style = {"arrowstyle": "-|>", "color": shade, "linewidth": 2.5, "shrinkA": 9, "shrinkB": 9}
        axes.annotate("", (after, row + 1), (before, row), arrowprops=style)
        change = f"{100 * (after - before):+.1f}".replace("-", "−")
        said = f"{change} points: {cause}"
        place = ((before + after) / 2 + 0.015, row + 0.5)
        axes.text(*place, said, color=shade, fontsize=SIZE - 1, va="center")
    axes.set_yticks(range(len(names)), names, fontsize=SIZE)
    axes.set(ylim=(len(names) - 0.6, -0.4), xlim=(min(values) - 0.05, max(values) + 0.12))
    for text in axes.texts:
        text.set_fontsize(SIZE)
    _per_cent(axes.xaxis)
    axes.grid(axis="x", color="#E5E5E5")
    axes.set_axisbelow(True)
    return figure


def luck(counts: Sequence[int], best: Mapping[str, np.ndarray]) -> Figure:
    """Show how low the best of many guessing checkpoints comes.

    Parameters
    ----------
    counts : (k,) sequence of int
        How many checkpoints there were to choose from.
    best : mapping
        Name of a test set -> (k,) HTER of the best, averaged over repetitions.
    """
    figure = _figure(8.6, 4.4)
    axes = _dress(figure.subplots(), "checkpoints to choose from", "HTER of the best")
    axes.axhline(0.5, color="#999999", linestyle=":", linewidth=2)
    axes.annotate("what guessing is worth", (counts[0], 0.507), fontsize=SIZE - 1, color="#555555")
    shades = (PALETTE["live"], PALETTE["replay"], "#009E73")
    for (name, values), shade, mark in zip(best.items(), shades, "os^", strict=False):
        axes.plot(counts, values, mark + "-", color=shade, linewidth=2.5, markersize=8)
        axes.annotate(
            name,
            (counts[-1], values[-1]),
            (12, 0),
            textcoords="offset points",
            va="center",
            color=shade,
            fontsize=SIZE,
        )
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{c:,}" for c in counts])
    axes.minorticks_off()
    axes.set_ylim(min(0.2, *(v.min() - 0.03 for v in best.values())), 0.54)
    _per_cent(axes.yaxis)
    axes.grid(axis="y", color="#E5E5E5")
    return figure


def interval_columns(truth: float, intervals: Mapping[str, np.ndarray]) -> Figure:
    """Show many intervals for each way to draw, and which of them miss the truth.

    Parameters
    ----------
    truth : float
        What every interval means to hold.
    intervals : mapping
        Name -> (m, 2) lower and upper ends, one row a test set.
    """
    figure = _figure(9.6, 4.8)
    grid = figure.subplots(1, len(intervals), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (name, ends) in zip(grid, intervals.items(), strict=True):
        _dress(axes)
        miss = (ends[:, 0] > truth) | (ends[:, 1] < truth)
        rows = np.arange(len(ends))
        axes.hlines(rows[~miss], *ends[~miss].T, color="#9DBFD6", linewidth=2)
        axes.hlines(rows[miss], *ends[miss].T, color=PALETTE["replay"], linewidth=3)
        at = ends[miss].mean(1)
        axes.plot(at, rows[miss], "x", color="black", markersize=6, markeredgewidth=1.5)
        axes.axvline(truth, color="black", linewidth=2)
        axes.set_title(f"by {name}:\n{miss.sum()} of {len(ends)} miss", fontsize=SIZE + 1)
        axes.set_xlabel("live rejected", fontsize=SIZE)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        _per_cent(axes.xaxis)
    return figure
