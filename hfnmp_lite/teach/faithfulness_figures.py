"""Figures of the table of faithfulness: what networks respond to, and whom to trust how far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hfnmp_lite.explain.table import Row
from hfnmp_lite.teach.figures import OTHERS, PALETTE, SIZE, _dress, _figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = {
    "correlation": ("all cues", "rank correlation with\nthe measured change", "better →"),
    "deletion": ("every", "deletion: area gained\nover random orders", "better →"),
    "infidelity": ("", "infidelity\n(share missed)", "← better"),
    "sensitivity": ("", "max-sensitivity\n(relative change)", "← better"),
    "randomised all": ("", "likeness after drawing\nall weights anew", "← better"),
}
"""Measure -> the cue it is about, title, and which way is better."""


def summary(
    rows: Sequence[Row], networks: Sequence[str], where: str = "known"
) -> tuple[Figure, str]:
    """Show how faithful each method is for each network: dots with 95 % intervals.

    Parameters
    ----------
    rows : sequence of Row
        A table of `explain.table`.
    networks : sequence of str
        At most four, told apart by colour, shape and place.
    where : {"known", "unseen"}
    """
    shown = [r for r in rows if r.where == where and r.network in networks]
    found = {(r.network, r.measure, r.method, r.cue): r for r in shown}
    methods = list(dict.fromkeys(r.method for r in shown if r.measure == "infidelity"))
    figure = _figure(2.0 + 2.1 * len(MEASURES), 1.5 + 0.30 * len(methods) * max(2, len(networks)))
    panels = figure.subplots(1, len(MEASURES), sharey=True, squeeze=False)[0]
    styles = list(zip((PALETTE["live"], PALETTE["replay"], *OTHERS), "osD^", strict=False))
    for axes, (measure, (cue, title, better)) in zip(panels, MEASURES.items(), strict=True):
        _dress(axes, better)
        for m, method in enumerate(methods):
            for n, (network, (shade, shape)) in enumerate(zip(networks, styles, strict=False)):
                row = found.get((network, measure, method, cue))
                y = m + 0.7 * ((n + 0.5) / len(networks) - 0.5)
                if row is not None and not np.isnan(row.value):
                    _dot(axes, row, y, shade, shape, network if m == 0 else None)
        for level in _levels(found, measure):
            axes.axvline(level, color="#999999", linestyle=":", linewidth=1.5)
        axes.set_title(title, fontsize=SIZE - 1)
        _stripes(axes, len(methods))
    panels[0].set_yticks(range(len(methods)), methods, fontsize=SIZE)
    panels[0].set_ylim(len(methods) - 0.5, -0.5)
    handles, labels = panels[2].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=SIZE - 1)
    return figure, _summary_alt(found, networks, methods, where)


def _stripes(axes: Axes, count: int) -> None:
    """A faint band behind every second line, so that a dot is read with its name."""
    for place in range(0, count, 2):
        axes.axhspan(place - 0.5, place + 0.5, color="#F2F2F2", linewidth=0, zorder=0)
    axes.grid(axis="x", color="#E0E0E0")
    axes.set_axisbelow(True)


def _dot(axes: Axes, row: Row, y: float, shade: str, shape: str, label: str | None) -> None:
    axes.plot([row.low, row.high], [y, y], color=shade, linewidth=3, alpha=0.5)
    axes.plot(row.value, y, shape, color=shade, markersize=7, label=label)
    if not np.isnan(row.chance) and row.measure == "correlation":
        axes.plot([row.chance] * 2, [y - 0.16, y + 0.16], color="#333333", linewidth=1.5)


def _levels(found: Mapping[tuple, Row], measure: str) -> set[float]:
    """Levels of chance that are one number for all; a correlation has its own, a tick each."""
    if measure == "correlation":
        return {0.0}
    return {
        r.chance for (_, m, _, _), r in found.items() if m == measure and not np.isnan(r.chance)
    }


def _summary_alt(
    found: Mapping[tuple, Row], networks: Sequence[str], methods: Sequence[str], where: str
) -> str:
    parts = []
    for network in networks:
        told = [
            f"{method} {found[key].value:.2f}"
            for method in methods
            for key in [(network, "correlation", method, "all cues")]
            if key in found
        ]
        parts.append(f"{network}: {', '.join(told)}")
    return (
        f"Faithfulness by method and network, {where} domains, simulated. Rank correlation of the "
        f"attribution inside the cues with the measured change: {'; '.join(parts)}."
    )


def reliance(rows: Sequence[Row], networks: Sequence[str]) -> tuple[Figure, str]:
    """Show what each network responds to: the rise of its response as each cue is taken away.

    In standard deviations of the response over pictures; known domains left, the unseen right.
    """
    found = {(r.network, r.where, r.cue): r for r in rows if r.measure == "removal, response"}
    order = ("every", "gamut", "glare", "moire", "halftone", "bands", "bezel", "decoy")
    shown = [cue for cue in order if any(k[2] == cue for k in found)]
    figure = _figure(10.5, 1.6 + 0.28 * len(shown) * max(2, len(networks)))
    panels = figure.subplots(1, 2, sharey=True, sharex=True)
    styles = list(zip((PALETTE["live"], PALETTE["replay"], *OTHERS), "osD^", strict=False))
    for axes, where in zip(panels, ("known", "unseen"), strict=True):
        _dress(axes, "rise of the response (standard deviations)")
        for c, cue in enumerate(shown):
            for n, (network, (shade, shape)) in enumerate(zip(networks, styles, strict=False)):
                row = found.get((network, where, cue))
                y = c + 0.7 * ((n + 0.5) / len(networks) - 0.5)
                if row is not None and not np.isnan(row.value):
                    _dot(axes, row, y, shade, shape, network if c == 0 else None)
        axes.axvline(0, color="#999999", linestyle=":", linewidth=1.5)
        axes.set_title(f"{where} domain{'s' if where == 'known' else ''}", fontsize=SIZE)
        _stripes(axes, len(shown))
    panels[0].set_yticks(range(len(shown)), [_label(cue) for cue in shown], fontsize=SIZE)
    panels[0].set_ylim(len(shown) - 0.5, -0.5)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=SIZE - 1)
    said = "; ".join(
        f"{network} ({where}): "
        + ", ".join(
            f"{cue} {found[network, where, cue].value:+.2f}"
            for cue in shown
            if (network, where, cue) in found
        )
        for network in networks
        for where in ("known", "unseen")
    )
    return figure, f"Rise of the response when a cue is taken away, simulated. {said}."


def _label(cue: str) -> str:
    return {"every": "every cue", "decoy": "decoy (no cue)"}.get(cue, cue)
