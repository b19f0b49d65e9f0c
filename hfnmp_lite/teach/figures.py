"""Figures of the report and the notebooks: plain arrays in, a matplotlib `Figure` out.

Nothing here touches pyplot's global state; a notebook shows what is returned, `png` and `svg` turn
it into bytes. Colours are those of Okabe and Ito, told apart by people of any colour vision; no
statement rests on colour alone. Text is sized to be read from the back of a room.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design", 2008.
PALETTE = {
    "live": "#0072B2",
    "print": "#E69F00",
    "replay": "#D55E00",
    "threshold": "#000000",
    "oracle": "#767676",
}
OTHERS = ("#CC79A7", "#009E73", "#56B4E9", "#802000")  # further types; the last is ours
SIZE = 13  # points, of the figures' text
TICKS = 5  # at most so many steps on an axis: large letters need room, and ticks cost the most time


def colour(name: str, names: Sequence[str] = ()) -> str:
    """Return the colour of a class or attack type; one that has none gets it by its place."""
    if name in PALETTE:
        return PALETTE[name]
    unknown = [n for n in names if n not in PALETTE]
    return OTHERS[unknown.index(name) % len(OTHERS) if name in unknown else 0]


def png(figure: Figure, dpi: int = 110) -> bytes:
    """Draw a figure as PNG, compressed in haste: a twentieth larger, and a picture moves sooner."""
    return _saved(figure, "png", dpi=dpi, pil_kwargs={"compress_level": 1})


def svg(figure: Figure) -> bytes:
    """Draw a figure as SVG with its letters as outlines: no font is needed to see it."""
    import matplotlib

    # A fixed salt and no date: the same figure gives the same bytes.
    with matplotlib.rc_context({"svg.hashsalt": "hfnmp_lite", "svg.fonttype": "path"}):
        return _saved(figure, "svg", metadata={"Date": None})


def _saved(figure: Figure, form: str, **options: object) -> bytes:
    held = io.BytesIO()
    figure.savefig(held, format=form, facecolor="white", **options)
    return held.getvalue()


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _dress(axes: Axes, x: str = "", y: str = "") -> Axes:
    axes.set_xlabel(x, fontsize=SIZE)
    axes.set_ylabel(y, fontsize=SIZE)
    axes.tick_params(labelsize=SIZE - 1)
    axes.locator_params(nbins=TICKS)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _per_cent(axis: object) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1, decimals=0))


def roc_curves(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    points: Mapping[str, tuple[float, float]] | None = None,
) -> Figure:
    """ROC: live accepted against attacks accepted, with operating points marked.

    Parameters
    ----------
    curves : mapping
        Name -> (far, frr), (m,) each, as `metrics.roc` gives them.
    points : mapping, optional
        Name -> (FAR, FRR) at a threshold. A name that holds "oracle" is drawn hollow and grey.
    """
    figure = _figure(6.2, 5.6)
    axes = _dress(figure.subplots(), "attacks accepted (FAR)", "live accepted (1 − FRR)")
    axes.plot([0, 1], [0, 1], color="#BBBBBB", linewidth=1, linestyle=":", label="chance")
    lines = [PALETTE["live"], PALETTE["replay"], *OTHERS]
    styles = ["-", "--", "-.", (0, (5, 1, 1, 1, 1, 1))]
    for i, (name, (far, frr)) in enumerate(curves.items()):
        order = np.lexsort((1 - np.asarray(frr), far))
        axes.plot(
            np.asarray(far)[order],
            1 - np.asarray(frr)[order],
            color=lines[i % len(lines)],
            linestyle=styles[i % len(styles)],
            linewidth=2.5,
            label=name,
        )
    for name, (far, frr) in (points or {}).items():
        oracle = "oracle" in name
        axes.plot(
            far,
            1 - frr,
            marker="D" if oracle else "o",
            markersize=11,
            color=PALETTE["oracle" if oracle else "threshold"],
            markerfacecolor="white" if oracle else PALETTE["threshold"],
            markeredgewidth=2,
            linestyle="none",
            label=name,
            zorder=5 if oracle else 4,
        )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    _per_cent(axes.xaxis)
    _per_cent(axes.yaxis)
    axes.grid(color="#E5E5E5")
    axes.legend(loc="lower right", fontsize=SIZE - 2, framealpha=0.95)
    return figure


def score_histograms(
    scores: Mapping[str, np.ndarray],
    threshold: float | None = None,
    oracle: float | None = None,
    bins: int = 30,
) -> Figure:
    """Show one histogram of scores for each class, above each other; wrong decisions are hatched.

    Parameters
    ----------
    scores : mapping
        "live" and each attack type -> its scores in [0, 1]; NaN (failure to acquire) is counted
        in the text beside.
    threshold : float, optional
        The source-side threshold, a black line through all panels.
    oracle : float, optional
        The threshold that the target's labels would choose, a dashed grey line.
    """
    figure = _figure(8.2, 1.2 + 1.45 * len(scores))
    panels = figure.subplots(len(scores), 1, sharex=True, squeeze=False)[:, 0]
    every = np.concatenate([np.ravel(s) for s in scores.values()])
    edges = _edges(every, (threshold, oracle), bins)
    for axes, (name, given) in zip(panels, scores.items(), strict=True):
        _dress(axes, "", "")
        given = np.asarray(given, dtype=float)
        acquired = given[~np.isnan(given)]
        shade = colour(name, list(scores))
        axes.hist(acquired, edges, color=shade, alpha=0.85)
        note = f"n = {given.size}"
        if threshold is not None:
            accepted = acquired >= threshold
            wrong = acquired[accepted != (name == "live")]
            axes.hist(wrong, edges, color="white", edgecolor=shade, hatch="////", linewidth=1.2)
            note = f"{int(accepted.sum())} of {given.size} accepted"
        if np.isnan(given).any():
            note += f", {int(np.isnan(given).sum())} without a score"
        axes.set_title(f"{name}: {note}", loc="left", fontsize=SIZE, color="#111111")
        _mark(axes, threshold, oracle, edges[-1])
        axes.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    panels[-1].set_xlabel("score (0 = attack, 1 = live)", fontsize=SIZE)
    panels[-1].set_xlim(edges[0], edges[-1])
    panels[len(panels) // 2].set_ylabel("presentations", fontsize=SIZE)
    if threshold is not None:
        handles = panels[0].get_legend_handles_labels()
        figure.legend(
            *handles, loc="outside upper right", ncols=2, fontsize=SIZE - 2, frameon=False
        )
    return figure


def _edges(scores: np.ndarray, lines: Sequence[float | None], bins: int) -> np.ndarray:
    """Bin edges over [0, 1], or over scores and lines where these lie close; one at the first line.

    With an edge at the threshold no bar holds accepted and rejected presentations together.
    """
    drawn = [line for line in lines if line is not None]
    shown = np.concatenate([scores[~np.isnan(scores)], drawn])
    low, high = (shown.min(), shown.max()) if shown.size else (0.0, 1.0)
    if high - low > 0.5:
        low, high = min(low, 0.0), max(high, 1.0)
    high = max(high, low + 1e-3)
    step = (high - low) / bins
    start = drawn[0] if drawn else low
    first, last = np.floor((low - start) / step + 1e-9), np.ceil((high - start) / step - 1e-9)
    return start + step * np.arange(first, last + 1)


def _mark(axes: Axes, threshold: float | None, oracle: float | None, end: float) -> None:
    """Thresholds as vertical lines, the accepted side in a faint tint."""
    if threshold is not None:
        axes.axvspan(threshold, end, color=PALETTE["live"], alpha=0.06, linewidth=0)
        style = {"color": PALETTE["threshold"], "linewidth": 2}
        axes.axvline(threshold, label=f"source threshold {threshold:.3f}", **style)
    if oracle is not None:
        style = {"color": PALETTE["oracle"], "linewidth": 2, "linestyle": "--"}
        axes.axvline(oracle, label=f"oracle {oracle:.3f}", **style)


def rate_bars(
    rates: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float] | None] | None = None,
    groups: Mapping[str, str] | None = None,
    chance: float | None = None,
) -> Figure:
    """Show rates as dots with their intervals, one line each, in the order given.

    Parameters
    ----------
    rates : mapping
        Name -> rate in [0, 1]. A name that holds "oracle" is drawn hollow and grey.
    intervals : mapping, optional
        Name -> (low, high), or None where there is none.
    groups : mapping, optional
        Name -> class or attack type, whose colour it takes.
    chance : float, optional
        A dotted line at the rate of guessing.
    """
    figure = _figure(8.2, 0.9 + 0.55 * len(rates))
    axes = _dress(figure.subplots())
    for y, (name, rate) in enumerate(rates.items()):
        oracle = "oracle" in name
        group = (groups or {}).get(name, "oracle" if oracle else "threshold")
        shade = colour(group)
        between = (intervals or {}).get(name)
        text = f"{rate:.1%}"
        if between is not None:
            axes.plot(between, [y, y], color=shade, linewidth=5, alpha=0.45, solid_capstyle="butt")
            text += f"  [{between[0]:.1%}, {between[1]:.1%}]"
        face = "white" if oracle else shade
        mark = "D" if oracle else "o"
        axes.plot(
            rate, y, mark, color=shade, markerfacecolor=face, markersize=10, markeredgewidth=2
        )
        axes.annotate(
            text, (1.01, y), xycoords=("axes fraction", "data"), va="center", fontsize=SIZE
        )
    highest = max([*rates.values(), *(b[1] for b in (intervals or {}).values() if b)])
    if chance is not None:
        axes.axvline(chance, color="#999999", linestyle=":", linewidth=1.5)
        axes.annotate(
            "guessing", (chance, 1), xycoords=("data", "axes fraction"), ha="right", va="bottom"
        )
        highest = max(highest, chance)
    axes.set_xlim(-0.01, min(1.01, max(0.2, highest * 1.08)))
    axes.set_ylim(len(rates) - 0.5, -0.5)
    axes.set_yticks(range(len(rates)), list(rates), fontsize=SIZE)
    _per_cent(axes.xaxis)
    axes.grid(axis="x", color="#E5E5E5")
    axes.set_axisbelow(True)
    return figure


def learning_curves(
    rows: Sequence[Mapping[str, object]], selected: Mapping[str, int] | None = None
) -> Figure:
    """Losses and validation figures over the iterations, one column for each stage.

    Parameters
    ----------
    rows : sequence of mappings
        The rows of a run's `log.csv`: stage, iteration, meta_train, meta_test, val_loss, val_auc,
        val_hter; a value that was not measured is empty (or None).
    selected : mapping, optional
        Stage, as in the rows -> the iteration whose checkpoint was kept, marked by a line.
    """
    stages = sorted({str(row["stage"]) for row in rows})
    figure = _figure(1.4 + 4.6 * max(1, len(stages)), 6.2)
    panels = figure.subplots(2, max(1, len(stages)), squeeze=False, sharex="col", sharey="row")
    for column, stage in enumerate(stages):
        here = [row for row in rows if str(row["stage"]) == stage]
        top, bottom = panels[:, column]
        meta = any(row.get("meta_test") not in ("", None) for row in here)
        for name, label, shade, style in (
            ("meta_train", "meta-train" if meta else "training", PALETTE["live"], "-"),
            ("meta_test", "meta-test", PALETTE["print"], "-"),
            ("val_loss", "held-out subjects", PALETTE["threshold"], "--"),
        ):
            _curve(top, here, name, label, shade, style)
        for name, label, shade in (
            ("val_auc", "AUC", PALETTE["live"]),
            ("val_hter", "HTER", PALETTE["replay"]),
        ):
            _curve(bottom, here, name, label, shade, "-")
        kept = (selected or {}).get(stage)
        for axes in (top, bottom):
            if kept is not None:
                axes.axvline(
                    kept, color=PALETTE["oracle"], linestyle=":", linewidth=2, label="kept"
                )
            axes.grid(color="#E5E5E5")
            if axes.get_legend_handles_labels()[0]:
                axes.legend(fontsize=SIZE - 2)
        _dress(top, "", "loss" if column == 0 else "").set_ylim(bottom=0)
        _dress(bottom, "iteration", "on held-out subjects" if column == 0 else "").set_ylim(0, 1.02)
        top.set_title(f"stage {stage}", fontsize=SIZE + 1)
    return figure


def _curve(axes: Axes, rows: Sequence[Mapping], name: str, label: str, shade: str, style: str):
    found = [(float(r["iteration"]), float(r[name])) for r in rows if r.get(name) not in ("", None)]
    if not found:
        return
    x, y = np.array(found).T
    if len(x) > 40:  # a batch's loss jumps: the line is a running mean over a faint one
        axes.plot(x, y, color=shade, alpha=0.2, linewidth=1)
        width = max(3, len(x) // 25) | 1
        padded = np.pad(y, width // 2, mode="edge")
        y = np.convolve(padded, np.ones(width) / width, "valid")
    mark = "o" if len(x) <= 40 else ""
    axes.plot(x, y, style, color=shade, linewidth=2.2, marker=mark, markersize=4, label=label)


def score_colours():
    """Colour map of score maps: vermilion = attack (0), white = undecided, blue = live (1)."""
    from matplotlib.colors import LinearSegmentedColormap

    ends = [PALETTE["replay"], "#F7F7F7", PALETTE["live"]]
    return LinearSegmentedColormap.from_list("attack_live", ends)


def stretch(patterns: np.ndarray, percentile: float = 1.0) -> np.ndarray:
    """Stretch the contrast of patterns (..., 3) to [0, 1], by one range per channel for all.

    The range runs between two percentiles over all images together, so that brightness may still
    be compared between the images of a sheet.
    """
    patterns = np.asarray(patterns, dtype=np.float32)
    axes = tuple(range(patterns.ndim - 1))
    low, high = np.percentile(patterns, [percentile, 100 - percentile], axis=axes)
    return np.clip((patterns - low) / np.maximum(high - low, 1e-6), 0, 1)


def pattern_rows(
    images: np.ndarray,
    patterns: Mapping[str, np.ndarray],
    maps: np.ndarray,
    scores: np.ndarray,
    names: Sequence[str],
    threshold: float | None = None,
) -> Figure:
    """A sheet: one row a presentation, columns image, each pattern, score map, score.

    Parameters
    ----------
    images : (N, H, W, 3) ndarray
        RGB in [0, 1].
    patterns : mapping
        Column title -> (N, H, W, 3) RGB or (N, H, W) grey, in [0, 1], drawn as given.
    maps : (N, h, w) ndarray
        Score maps in [0, 1], drawn over the image at their own resolution.
    scores : (N,) ndarray
        Of the same frames.
    names : sequence of str
        Class or attack type of each row; the first word decides the colour.
    threshold : float, optional
        A tick on each score's bar.
    """
    columns = 3 + len(patterns)
    figure = _figure(2.25 * columns, 2.25 * len(images) + 0.7)
    heights = [1] * len(images) + [0.07]  # the last row holds the colour bar alone
    grid = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights)
    painted = score_colours()
    for i, row in enumerate(grid[:-1]):
        pictures = [images[i], *(p[i] for p in patterns.values())]
        for axes, picture in zip(row, pictures, strict=False):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        height, width = images[i].shape[:2]
        where = (-0.5, width - 0.5, height - 0.5, -0.5)
        row[-2].imshow(images[i].mean(-1), cmap="gray", vmin=0, vmax=1)
        drawn = row[-2].imshow(
            maps[i], painted, vmin=0, vmax=1, alpha=0.6, extent=where, interpolation="nearest"
        )
        for axes in row[:-1]:
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel(names[i], fontsize=SIZE + 1, color="#111111")
        _score_bar(row[-1], float(scores[i]), threshold, names[i].split()[0])
    titles = ["image", *patterns, "score map", "score"]
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=SIZE + 1)
    for axes in [*grid[-1, :-2], grid[-1, -1]]:
        axes.set_axis_off()
    bar = figure.colorbar(drawn, cax=grid[-1, -2], orientation="horizontal", ticks=[0, 1])
    bar.ax.set_xticklabels(["attack", "live"], fontsize=SIZE - 1)
    return figure


def _score_bar(axes: Axes, score: float, threshold: float | None, name: str) -> None:
    axes.set(xlim=(0, 1), ylim=(-1.6, 2.2), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.barh(0, 1, 0.5, color="#EEEEEE")
    axes.barh(0, 0 if np.isnan(score) else score, 0.5, color=colour(name))
    said = "no score" if np.isnan(score) else f"{score:.2f}"
    if threshold is not None:
        axes.plot([threshold] * 2, [-0.45, 0.45], color=PALETTE["threshold"], linewidth=2.5)
        accepted = bool(score >= threshold)
        right = accepted == (name == "live")
        verdict = f"{'accepted' if accepted else 'rejected'}: {'right' if right else 'WRONG'}"
        axes.text(0.5, -1.0, verdict, ha="center", fontsize=SIZE - 1)
    axes.text(0.5, 0.65, said, ha="center", fontsize=SIZE + 5)
