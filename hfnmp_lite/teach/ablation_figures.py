"""Figures of the ablations: all gains of a table at once, and one pair of arms run by run."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from hfnmp_lite.experiments.paired import ALONE, Table, gain
from hfnmp_lite.teach.figures import OTHERS, PALETTE, SIZE, _dress, _figure, _per_cent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = ("o", "s", "^", "D", "v", "P")  # a target is told by its mark and its colour
SHADES = (PALETTE["live"], PALETTE["print"], *OTHERS[:3], OTHERS[3])
MEAN = "mean"  # stands beside the names of the targets


def forest(summary: Mapping[str, object]) -> Figure:
    """Mean HTERs of every arm, and its gain over every baseline with the interval.

    Parameters
    ----------
    summary : mapping
        From `experiments.summary.summarise`.
    """
    arms, gains = list(summary["arms"]), summary["gains"]
    figure = _figure(5.6 + 2.9 * len(gains), 1.9 + 0.42 * len(arms))
    panels = figure.subplots(
        1, 1 + len(gains), sharey=True, squeeze=False, width_ratios=[1.5] + [1] * len(gains)
    )[0]
    for axes in panels:
        for y in range(0, len(arms), 2):
            axes.axhspan(y - 0.5, y + 0.5, color="#F4F4F4", linewidth=0)
    _means(_dress(panels[0], "HTER (%)"), summary)
    low, high = _reach(gains)
    for axes, (baseline, found) in zip(panels[1:], gains.items(), strict=True):
        _gains(_dress(axes, "points saved"), arms, found)
        axes.set_title(f"against {baseline}", fontsize=SIZE + 1)
        axes.set_xlim(low, high)
    panels[0].set_yticks(range(len(arms)), arms, fontsize=SIZE)
    panels[0].set_ylim(len(arms) - 0.5, -0.5)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper left", ncols=len(labels), fontsize=SIZE - 1, frameon=0
    )
    note = (
        "Simulated data; threshold from the sources. Bars: 95 % over subjects and seeds (dashed: "
        "subjects alone). Filled: clear of zero; right: errs less. Not corrected for the number of "
        "comparisons."
    )
    lines = textwrap.wrap(note, int(11.5 * figure.get_figwidth()))
    figure.supxlabel("\n".join(lines), fontsize=SIZE - 2, x=0.01, ha="left")
    return figure


def _means(axes: Axes, summary: Mapping[str, object]) -> None:
    from matplotlib.ticker import MaxNLocator

    for y, held in enumerate(summary["arms"].values()):
        for i, target in enumerate(summary["targets"]):
            if target not in held["targets"]:
                continue
            error = 100 * held["targets"][target]["hter"]
            style = {"color": SHADES[i % len(SHADES)], "label": "" if y else target}
            axes.plot(error, y, MARKS[i % len(MARKS)], markersize=8, alpha=0.85, **style)
        if held["hter"] is not None:
            mean = 100 * held["hter"]
            axes.plot([mean, mean], [y - 0.38, y + 0.38], color="black", linewidth=3.2)
            where = {"xycoords": ("axes fraction", "data"), "va": "center", "ha": "right"}
            axes.annotate(f"{mean:.1f}", (0.995, y), fontsize=SIZE, fontweight="bold", **where)
    low, high = axes.get_xlim()
    axes.set_xlim(low, high + 0.2 * (high - low))  # room for the means in figures
    axes.set_title("mean", loc="right", fontsize=SIZE)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    axes.plot([], [], color="black", linewidth=3.2, label="mean of the domains")
    for target in summary["targets"]:  # so that a target that the first arm lacks is named too
        if target not in axes.get_legend_handles_labels()[1]:
            i = summary["targets"].index(target)
            axes.plot([], [], MARKS[i % len(MARKS)], color=SHADES[i % len(SHADES)], label=target)
    axes.grid(axis="x", color="#E0E0E0")
    axes.set_axisbelow(True)


def _reach(gains: Mapping[str, Mapping]) -> tuple[float, float]:
    ends = [0.0]
    for found in gains.values():
        for one in found.values():
            if one["points"] is not None:
                ends += [one["points"], *(one["interval"] or ())]
    margin = 0.06 * max(1.0, max(ends) - min(ends))
    return min(ends) - margin, max(ends) + margin


def _gains(axes: Axes, arms: list[str], found: Mapping[str, Mapping]) -> None:
    axes.axvline(0, color="black", linewidth=1.2)
    for y, arm in enumerate(arms):
        one = found.get(arm)
        if one is None or one["points"] is None:
            said = "runs are missing" if one else "itself"
            axes.text(0, y, f"  {said}", va="center", fontsize=SIZE - 2, color="#767676")
            continue
        _gain(axes, one["points"], y, one["interval"], one["clear"], one["over"] == ALONE)
    axes.grid(axis="x", color="#E0E0E0")
    axes.set_axisbelow(True)


def _gain(
    axes: Axes,
    points: float,
    y: float,
    interval: tuple[float, float] | None,
    clear: bool,
    alone: bool,
) -> None:
    """One gain: a bar from end to end of its interval and a mark, filled where clear of zero."""
    shade = PALETTE["live"] if points > 0 else PALETTE["replay"]
    if interval is not None:
        style = {"color": shade, "linewidth": 2.6, "linestyle": (0, (3, 1.5)) if alone else "-"}
        axes.plot(interval, [y, y], **style)
    face = shade if clear else "white"
    axes.plot(
        points, y, "o", color=shade, markerfacecolor=face, markersize=9, markeredgewidth=2, zorder=4
    )


def transfer(summary: Mapping[str, object]) -> Figure:
    """What the choice of the threshold costs: every arm's HTER beside the oracle's, by target.

    Parameters
    ----------
    summary : mapping
        From `experiments.summary.summarise`.
    """
    arms, targets = list(summary["arms"]), summary["targets"]
    figure = _figure(3.0 + 1.75 * len(targets), 1.9 + 0.42 * len(arms))
    panels = figure.subplots(1, len(targets), sharex=True, sharey=True, squeeze=False)[0]
    for axes, target in zip(panels, targets, strict=True):
        for y, arm in enumerate(arms):
            held = summary["arms"][arm]["targets"].get(target)
            if held is None:
                continue
            oracle, chosen = 100 * held["hter_oracle"], 100 * held["hter"]
            axes.plot([oracle, chosen], [y, y], color="#9A9A9A", linewidth=2.6, zorder=2)
            label = ("the target's own best threshold (oracle)", "threshold from the sources")
            style = {"markersize": 9, "markeredgewidth": 2, "zorder": 3}
            axes.plot(
                oracle,
                y,
                "o",
                color=PALETTE["oracle"],
                markerfacecolor="white",
                label=label[0],
                **style,
            )
            axes.plot(chosen, y, "D", color=PALETTE["live"], label=label[1], **style)
        _dress(axes, "HTER (%)").set_title(target, fontsize=SIZE + 1)
        axes.grid(axis="x", color="#E0E0E0")
        axes.set_axisbelow(True)
    panels[0].set_yticks(range(len(arms)), arms, fontsize=SIZE)
    panels[0].set(ylim=(len(arms) - 0.5, -0.5), xlim=(0, 58))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles[:2], labels[:2], loc="outside upper left", ncols=2, fontsize=SIZE - 1, frameon=False
    )
    return figure


def pair(table: Table, arm: str, baseline: str, target: str) -> tuple[Figure, str]:
    """Two arms run by run: every seed's two errors joined by a line, and the gains they make.

    Parameters
    ----------
    table : Table
        From `experiments.paired.tabulate`.
    arm, baseline : str
        Two of its arms.
    target : str
        One of its targets, shown in full strength while the others stay pale; or `MEAN`.

    Returns
    -------
    figure : Figure
    alt : str
        The two mean errors, the gain and its interval in words.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 4.4))
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
    figure.subplots_adjust(left=0.09, right=0.985, bottom=0.15, top=0.89, wspace=0.42)
    _slopes(left, table, arm, baseline, target)
    rows = [*table.targets, MEAN]
    for y, name in enumerate(rows):
        found = gain(table, arm, baseline, table.targets if name == MEAN else [name])
        if found is None:
            right.text(0, y, "  no common seed", va="center", fontsize=SIZE - 2)
            continue
        _gain(right, found.points, y, found.interval, found.clear, found.over == ALONE)
    right.axhspan(rows.index(target) - 0.5, rows.index(target) + 0.5, color="#E8F1F8", zorder=0)
    right.axvline(0, color="black", linewidth=1.2)
    _dress(right, "points saved")
    right.set_yticks(range(len(rows)), rows, fontsize=SIZE - 1)
    right.set_ylim(len(rows) - 0.5, -0.5)
    shown = table.targets if target == MEAN else [target]
    whole = gain(table, arm, baseline, shown)
    figure.suptitle(f"{arm} against {baseline}, {target}: {_short(whole)}", fontsize=SIZE + 1)
    return figure, _said(table, arm, baseline, target, shown, whole)


def _slopes(axes: Axes, table: Table, arm: str, baseline: str, target: str) -> None:
    for at, name in enumerate(table.targets):
        strong = target in (name, MEAN)
        for seed in table.common(arm, baseline, name):
            ends = [
                100 * table.figures[a, name]["hter"][table.seeds[a, name].index(seed)]
                for a in (baseline, arm)
            ]
            axes.plot(
                [at - 0.28, at + 0.28],
                ends,
                marker=MARKS[at % len(MARKS)],
                color=SHADES[at % len(SHADES)] if strong else "#CFCFCF",
                linewidth=1.8,
                markersize=6,
                zorder=3 if strong else 2,
            )
    axes.set_xticks(range(len(table.targets)), table.targets)
    axes.set_xlim(-0.6, len(table.targets) - 0.4)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", color="#E5E5E5")
    _dress(axes, f"in each domain: {baseline} (left), {arm} (right)", "HTER (%), a line a seed")
    axes.xaxis.label.set_size(SIZE - 2)


def _short(found: object) -> str:
    if found is None:
        return "runs are missing"
    if found.interval is None:
        return f"{found.points:+z.1f}"
    low, high = found.interval
    return f"{found.points:+z.1f} [{low:+.1f}, {high:+.1f}]"


def _said(table: Table, arm: str, baseline: str, target: str, shown: object, found: object) -> str:
    about = f"Simulated data, {target}: {arm} against {baseline}"
    if found is None:
        return f"{about}; runs are missing."
    errors = {}
    for name in (arm, baseline):
        seeds = {t: table.common(arm, baseline, t) for t in shown}
        held = [
            table.figures[name, t]["hter"][[table.seeds[name, t].index(s) for s in seeds[t]]].mean()
            for t in shown
        ]
        errors[name] = 100 * float(np.mean(held))
    return (
        f"{about}: HTER {errors[arm]:.1f} % and {errors[baseline]:.1f} %, "
        f"{_short(found)} points saved over {found.over}: {found.verdict}."
    )


def spreads(resampled: Mapping[str, np.ndarray]) -> Figure:
    """Show resampled gains above each other on one axis, each with its 95 % interval.

    Parameters
    ----------
    resampled : mapping
        Name -> (n,) gains in points.
    """
    figure = _figure(8.2, 1.0 + 1.35 * len(resampled))
    panels = figure.subplots(len(resampled), 1, sharex=True, squeeze=False)[:, 0]
    every = np.concatenate(list(resampled.values()))
    edges = np.linspace(every.min() - 0.5, every.max() + 0.5, 26)
    for axes, (name, values) in zip(panels, resampled.items(), strict=True):
        low, high = np.percentile(values, [2.5, 97.5])
        height = axes.hist(values, edges, color=PALETTE["live"], alpha=0.45)[0].max()
        axes.plot([low, high], [-0.12 * height] * 2, color=PALETTE["live"], linewidth=5)
        axes.axvline(0, color="black", linewidth=1.4)
        about = f"{name}: [{low:+.1f}, {high:+.1f}], {high - low:.1f} points long"
        axes.set_title(about, loc="left", fontsize=SIZE)
        _dress(axes).set_yticks([])
        axes.spines["left"].set_visible(False)
    panels[-1].set_xlabel("points saved", fontsize=SIZE)
    return figure


def coverage(found: Mapping[str, Mapping[int, float]], promised: float = 0.95) -> Figure:
    """Show how often intervals held the truth, over the number of seeds.

    Parameters
    ----------
    found : mapping
        What was drawn -> {number of seeds: share of intervals that held the truth}.
    promised : float
        The share that the intervals promise, a dashed line.
    """
    figure = _figure(8.2, 4.2)
    axes = _dress(figure.subplots(), "seeds", "intervals that hold the truth")
    styles = zip(("o-", "s--", "^:"), (PALETTE["live"], PALETTE["replay"], OTHERS[1]), strict=True)
    for (style, shade), (name, shares) in zip(styles, found.items(), strict=False):
        axes.plot(
            list(shares), list(shares.values()), style, color=shade, label=name, linewidth=2.4
        )
    axes.axhline(promised, color="black", linewidth=1.2, linestyle="--", label="promised")
    counts = sorted({n for shares in found.values() for n in shares})
    axes.set_xticks(counts)
    axes.set_ylim(min(0.4, *(v for s in found.values() for v in s.values())) - 0.02, 1.01)
    _per_cent(axes.yaxis)
    axes.grid(axis="y", color="#E5E5E5")
    axes.legend(fontsize=SIZE - 1, frameon=False, loc="lower right")
    return figure
