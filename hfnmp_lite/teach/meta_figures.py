"""Figures of learning to learn: losses around a step, cosines, the toy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hfnmp_lite.teach import toy
from hfnmp_lite.teach.figures import OTHERS, PALETTE, SIZE, _dress, _figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINES = (PALETTE["live"], PALETTE["replay"], *OTHERS)
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
MARKS = "osD^vX"
ORDERS = ("alternating", "bilevel-first-order", "bilevel")
ORDER_COLOURS = dict(zip(ORDERS, (PALETTE["replay"], OTHERS[0], PALETTE["live"]), strict=True))
PHI, THETA = (-0.35, 2.55), (-0.6, 1.9)  # the part of the toy's plane that is drawn
LEVELS = (0, 0.02, 0.08, 0.2, 0.4, 0.8, 1.6)
GROUND = ("#FFFFFF", "#F1F4F6", "#E2E8EC", "#D2DAE0", "#C2CCD4", "#B1BDC7", "#A0AEBA")


# --- runs and steps ----------------------------------------------------------------------------


def _line(i: int) -> dict[str, object]:
    """Colour, dashes and mark of the i-th line: told apart without colour, too."""
    return {
        "color": LINES[i % len(LINES)],
        "linestyle": STYLES[i % len(STYLES)],
        "marker": MARKS[i % len(MARKS)],
        "markersize": 6,
        "linewidth": 2.2,
    }


def around_steps(steps: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]]) -> Figure:
    """Change of each domain's loss by a step, as bars, one panel a step; hatched where it rose.

    Parameters
    ----------
    steps : mapping
        Title -> (before, after), each domain -> loss, as `learn.diagnostics.around_step` gives
        them; the same domains in each.
    """
    domains = list(next(iter(steps.values()))[0])
    figure = _figure(1.6 + 4.2 * len(steps), 1.3 + 0.62 * len(domains))
    panels = figure.subplots(1, len(steps), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (title, (before, after)) in zip(panels, steps.items(), strict=True):
        _dress(axes, "change of the loss")
        for y, domain in enumerate(domains):
            change = after[domain] - before[domain]
            rose = change > 0
            look = {"color": PALETTE["live"]}
            if rose:
                look = {"color": "white", "edgecolor": PALETTE["replay"], "hatch": "////"}
            axes.barh(y, change, 0.55, **look)
            axes.annotate(
                f"{before[domain]:.3f} → {after[domain]:.3f}",
                (0, y),
                (-6 if rose else 6, 0),
                textcoords="offset points",
                ha="right" if rose else "left",
                va="center",
                fontsize=SIZE - 1,
            )
        axes.axvline(0, color="black", linewidth=1.2)
        axes.set_yticks(range(len(domains)), domains, fontsize=SIZE)
        axes.set_ylim(len(domains) - 0.5, -0.5)
        axes.set_title(title, fontsize=SIZE)
    reach = 1.1 * max(abs(a[d] - b[d]) for b, a in steps.values() for d in domains)
    panels[0].set_xlim(-max(reach, 1e-6), max(reach, 1e-6))
    return figure


def gradient_cosines(
    iterations: Sequence[int], panels: Mapping[str, Mapping[str, Sequence[float]]]
) -> Figure:
    """Cosines between gradients over the iterations, with their means at the right.

    Parameters
    ----------
    iterations : (n,) sequence of int
        Where they were measured.
    panels : mapping
        Title, such as the module whose parameters are meant -> line -> (n,) cosines in [-1, 1].
    """
    figure = _figure(1.2 + 4.6 * len(panels), 4.3)
    drawn = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (title, lines) in zip(drawn, panels.items(), strict=True):
        _dress(axes, "iteration", "cosine" if axes is drawn[0] else "")
        axes.axhline(0, color="#888888", linewidth=1)
        for i, (name, values) in enumerate(lines.items()):
            axes.plot(iterations, values, **_line(i), label=name)
            right = 1.03 + 0.05 * i
            axes.plot(
                right,
                np.mean(values),
                MARKS[i],
                color=LINES[i],
                markersize=9,
                transform=axes.get_yaxis_transform(),
                clip_on=False,
            )
        axes.text(1.055, 1.02, "mean", ha="center", fontsize=SIZE - 2, transform=axes.transAxes)
        axes.set_ylim(-1, 1)
        axes.grid(color="#E5E5E5")
        axes.set_title(title, fontsize=SIZE)
    figure.legend(
        *drawn[0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=4,
        fontsize=SIZE - 1,
        frameon=False,
    )
    return figure


def differences(alphas: Sequence[float], lines: Mapping[str, Sequence[float]]) -> Figure:
    """Relative differences between gradients over the rate of the virtual step, both logarithmic.

    Parameters
    ----------
    alphas : (n,) sequence of float
        Rates.
    lines : mapping
        Name -> (n,) relative differences, such as |first-order - exact| / |exact|.
    """
    figure = _figure(7.4, 4.2)
    axes = _dress(figure.subplots(), "rate α of the virtual step", "relative difference")
    for i, (name, values) in enumerate(lines.items()):
        style = _line(i) | ({"color": ORDER_COLOURS[name]} if name in ORDER_COLOURS else {})
        axes.loglog(alphas, values, **style, label=name)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    axes.grid(color="#E5E5E5")
    axes.legend(fontsize=SIZE - 1)
    return figure


# --- the toy -----------------------------------------------------------------------------------


def toy_losses() -> Figure:
    """Draw both losses of the toy over (phi, theta), each with its valley; they cross at (1, 1)."""
    figure = _figure(9.6, 4.4)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    theta, phi = _plane()
    for axes, loss, title in zip(
        panels, (toy.train_loss, toy.test_loss), ("meta-train", "meta-test"), strict=True
    ):
        drawn = _ground(axes, loss(theta, phi))
        _valleys(axes)
        axes.set_title(f"L(θ, φ; {title})", fontsize=SIZE + 1)
    panels[0].set_ylabel("θ: the reader's trust", fontsize=SIZE)
    panels[0].legend(loc="upper left", fontsize=SIZE - 3, framealpha=0.95)
    bar = figure.colorbar(drawn, ax=panels, spacing="uniform")
    bar.set_label("loss", fontsize=SIZE)
    return figure


def toy_slopes(theta: float, phi: float, alpha: float) -> Figure:
    """Draw the meta-test loss against phi, for today's reader and for tomorrow's, with slopes.

    The bilevel gradient is the slope of tomorrow's curve at phi, the alternating one that of
    today's; the first-order one is the slope of neither.
    """
    figure = _figure(8.4, 4.6)
    axes = _dress(figure.subplots(), "φ: share of the cue that both domains hold", "meta-test loss")
    line = np.linspace(0, 2.15, 200)
    soon = toy.network_step(theta, line, alpha)
    today, tomorrow = toy.test_loss(theta, line), toy.test_loss(soon, line)
    axes.plot(line, today, "--", color="#555555", linewidth=1.6, label="today's reader θ")
    axes.plot(line, tomorrow, color="black", linewidth=1.6, label="tomorrow's reader θ'(φ)")
    reach = np.array([-0.42, 0.42])
    adapted = toy.network_step(theta, phi, alpha)
    for order in ORDERS:
        slope = toy.pattern_gradient(order, theta, phi, alpha)
        height = toy.test_loss(theta if order == "alternating" else adapted, phi)
        style = "--" if order == "bilevel-first-order" else "-"
        axes.plot(
            phi + reach,
            height + slope * reach,
            style,
            color=ORDER_COLOURS[order],
            linewidth=4,
            label=f"{order}: {slope:+.3f}",
        )
        axes.plot(phi, height, "o", color="black", markersize=7, zorder=5)
    axes.set_xlim(0, 2.15)
    axes.grid(color="#E5E5E5")
    axes.legend(fontsize=SIZE - 2, loc="upper right", bbox_to_anchor=(1.0, 1.0))
    return figure


def toy_paths(
    start: tuple[float, float],
    alpha: float,
    inner_steps: int,
    orders: Sequence[str] = ORDERS,
) -> tuple[Figure, str]:
    """Follow orders from start = (theta, phi): K steps of E (sideways), one of H (upright), ...

    The ground of a panel is the meta-test loss that E's steps descend: of the reader as it is, in
    the bilevel orders of the reader after its virtual step. Small arrows say which way E would go;
    yellow is where that is not the bilevel order's way.

    Returns
    -------
    figure : Figure
    alt : str
        Where each path ends, in words.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.0 + 3.7 * len(orders), 4.5))
    panels = figure.subplots(1, len(orders), sharex=True, sharey=True, squeeze=False)[0]
    # Fixed margins: a slider redraws this, and a computed layout takes twice the time.
    figure.subplots_adjust(
        left=0.75 / (1 + 3.7 * len(orders)), right=0.99, bottom=0.14, top=0.86, wspace=0.06
    )
    theta, phi = _plane()
    told = []
    for axes, order in zip(panels, orders, strict=True):
        reader = theta if order == "alternating" else toy.network_step(theta, phi, alpha)
        _ground(axes, toy.test_loss(reader, phi))
        _arrows(axes, order, alpha)
        ways = [toy.pattern_gradient(o, theta, phi, alpha) for o in (order, "bilevel")]
        against = np.where(ways[0] * ways[1] < 0, 1.0, np.nan)
        axes.contourf(phi, theta, against, [0.5, 1.5], colors=["#F0E442"], alpha=0.45)
        _valleys(axes)
        places = toy.path(order, start, alpha, inner_steps)
        shade = ORDER_COLOURS[order]
        axes.plot(places[:, 1], places[:, 0], color="white", linewidth=3.6)
        axes.plot(places[:, 1], places[:, 0], color=shade, linewidth=2)
        axes.plot(start[1], start[0], "o", color=shade, markeredgecolor="white", markersize=10)
        end = places[-1]
        axes.plot(end[1], end[0], "X", color=shade, markeredgecolor="white", markersize=12)
        arrived = np.hypot(*(end - 1)) < 0.05
        axes.set_title(f"{order}\n{'arrives' if arrived else 'does not arrive'}", fontsize=SIZE)
        told.append(f"{order} ends at φ = {end[1]:.2f}, θ = {end[0]:.2f}")
    panels[0].set_ylabel("θ: the reader's trust", fontsize=SIZE)
    return figure, (
        f"Paths over the toy's meta-test loss from φ = {start[1]:g}, θ = {start[0]:g}, with "
        f"α = {alpha:.2f} and K = {inner_steps}: {'; '.join(told)}. Both losses vanish at (1, 1)."
    )


def _plane() -> tuple[np.ndarray, np.ndarray]:
    phi, theta = np.meshgrid(np.linspace(*PHI, 59), np.linspace(*THETA, 51))
    return theta, phi


def _ground(axes: Axes, loss: np.ndarray) -> object:
    """Filled contours, light where the loss is small."""
    _dress(axes, "φ: share of the shared cue")
    theta, phi = _plane()
    return axes.contourf(phi, theta, loss, LEVELS, colors=GROUND, extend="max")


def _arrows(axes: Axes, order: str, alpha: float) -> None:
    phi, theta = np.meshgrid(np.linspace(-0.2, 2.4, 12), np.linspace(-0.45, 1.75, 10))
    way = -np.sign(toy.pattern_gradient(order, theta, phi, alpha))
    axes.quiver(
        phi,
        theta,
        way,
        0 * way,
        color=ORDER_COLOURS[order],
        alpha=0.55,
        angles="xy",
        scale_units="xy",
        scale=7.5,
        width=0.007,
        pivot="middle",
    )


def _valleys(axes: Axes) -> None:
    """Where each domain's loss is zero; their crossing."""
    for strength, style, name in (
        (lambda phi: 2 - phi, "-", "meta-train right"),
        (lambda phi: phi, "--", "meta-test right"),
    ):
        phi = np.linspace(*PHI, 120)
        m = strength(phi)
        with np.errstate(divide="ignore"):
            theta = np.where(m > 0, 1 / m, np.nan)
        axes.plot(phi, theta, style, color="black", linewidth=1.6, label=name)
    axes.plot(1, 1, "*", color="#F0E442", markeredgecolor="black", markersize=17, zorder=4)
    axes.set(xlim=PHI, ylim=THETA, xticks=(0, 1, 2), yticks=(0, 1))
