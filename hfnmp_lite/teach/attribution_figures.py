"""Figures of attributions: what is there, and what each method says of each network.

Signed maps diverge around zero: blue speaks for live, vermilion for attack, as in score maps. What
is strongest for each side also carries a sign, + or -, so that print in black and white and readers
of any colour vision lose nothing. One column has one scale, the same for every network, and states
it; all pixelwise columns share theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hfnmp_lite.explain.measures import LARGEST
from hfnmp_lite.explain.tour import Explained, Picture
from hfnmp_lite.teach.figures import SIZE, _figure, score_colours
from hfnmp_lite.teach.shown import SHOWN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL = 4  # pixels a side over which pixelwise maps are summed to be legible
PIXELWISE = "margin in 4 x 4 pixels"
COLUMNS = {
    "occlusion": ("occlusion\nof the image", "margin lost"),
    "ig": ("gradients (IG)\nof the image", PIXELWISE),
    "ig, streams: image": ("IG, pattern space:\nimage stream", PIXELWISE),
    "ig, streams: pattern": ("IG, pattern space:\npattern stream", PIXELWISE),
    "gradcam": ("Grad-CAM\non c5", "no unit"),
}
"""Map of a sheet -> title and unit. Values in pixels are summed over cells, others averaged."""
LAYERS = {f"gradcam, {p}": (f"Grad-CAM of the map\non {p}", "no unit") for p in ("p3", "p4", "p5")}
"""Maps beside those of a sheet, for `side_by_side`."""
CLIPPED = 99.0  # per cent of a column's values that its scale holds


def sheet(
    picture: Picture, explained: Sequence[Explained], title: str = "image", note: str = ""
) -> tuple[Figure, str]:
    """Draw one picture: what is there above, what each network makes of it below.

    Parameters
    ----------
    picture : Picture
    explained : sequence of Explained
        One row each.
    title, note : str
        Over the picture, and beside it where there is room.

    Returns
    -------
    figure : Figure
    alt : str
        What there is to see, in words.
    """
    columns = [name for name in COLUMNS if any(name in one.maps for one in explained)]
    width = 1 + len(columns)
    figure = _figure(2.05 * width, 2.3 * (1 + len(explained)) + 0.75)
    heights = [1] * (1 + len(explained)) + [0.07]
    grid = figure.subplots(len(heights), width, squeeze=False, height_ratios=heights)
    _what_is_there(grid[0], picture, explained, title)
    if note:
        beside = grid[0][1]
        place = {"transform": beside.transAxes, "in_layout": False}  # it may be wider than a cell
        beside.text(0, 1, note, fontsize=SIZE - 1, va="top", **place)
    drawn = [
        {k: cells(v, COLUMNS[k][1] == PIXELWISE) for k, v in one.maps.items() if k in COLUMNS}
        for one in explained
    ]
    scales = _scales(drawn, columns)
    for row, one, maps in zip(grid[1:-1], explained, drawn, strict=True):
        _score_map(row[0], picture, one)
        for axes, name in zip(row[1:], columns, strict=True):
            _signed(axes, maps.get(name), picture.image, scales[name])
        row[0].set_ylabel(_said(one), fontsize=SIZE - 2)
    titles, units = zip(("score map", ""), *(COLUMNS[name] for name in columns), strict=True)
    for axes, title in zip(grid[1], titles, strict=True):
        axes.set_title(title, fontsize=SIZE - 1)
    for axes, scale, unit in zip(grid[-1], [None, *scales.values()], units, strict=True):
        _colour_bar(axes, scale, unit)
    return figure, _alt(picture, explained)


def _what_is_there(
    row: Sequence[Axes], picture: Picture, explained: Sequence[Explained], title: str
) -> None:
    """Image, each network's pattern, and the true cues, largest first, as far as there is room."""
    shown: list[tuple[str, np.ndarray, bool]] = [(title, picture.image, False)]
    for one in explained:
        if one.pattern is not None:
            own = SHOWN[one.pattern_name]
            shown.append((own.title, own.picture(one.pattern), False))
    known = sorted(picture.cues.items(), key=lambda item: -item[1].mean())
    for cue, member in known:
        if member.mean() > 0:
            shown.append((f"true {cue}, black\n({member.mean():.0%} of all)", member, True))
    for axes, (title, values, is_cue) in zip(row, shown, strict=False):
        if is_cue:
            axes.imshow(values, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        else:
            axes.imshow(values, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontsize=SIZE - 1)
    for axes in row[len(shown) :]:
        axes.set_axis_off()
    row[0].set_ylabel(picture.kind or "your picture", fontsize=SIZE + 1)


def _scales(drawn: Sequence[Mapping[str, np.ndarray]], columns: Sequence[str]) -> dict[str, float]:
    """The limit of each column, on both sides of zero, for every network; one for all pixelwise."""
    groups: dict[str, list[np.ndarray]] = {}
    for name in columns:
        unit = COLUMNS[name][1]
        groups.setdefault(unit, []).extend(maps[name] for maps in drawn if name in maps)
    limits = {unit: _limit(values) for unit, values in groups.items()}
    return {name: limits[COLUMNS[name][1]] for name in columns}


def _limit(maps: Sequence[np.ndarray]) -> float:
    """What nearly all values stay within, on both sides of zero; never zero."""
    sizes = np.abs(np.concatenate([values.ravel() for values in maps]))
    return float(np.percentile(sizes, CLIPPED)) or float(sizes.max()) or 1.0


def cells(values: np.ndarray, summed: bool, side: int = CELL) -> np.ndarray:
    """Sum a map (H, W) over cells of `side` x `side` pixels, or average it."""
    height, width = (n // side * side for n in values.shape)
    kept = np.asarray(values, np.float64)[:height, :width]
    cut = kept.reshape(height // side, side, width // side, side)
    return cut.sum((1, 3)) if summed else cut.mean((1, 3))


def paint(values: np.ndarray, image: np.ndarray, limit: float) -> np.ndarray:
    """Paint a signed map over a pale grey picture: (H, W, 3) in [0, 1].

    Parameters
    ----------
    values : ndarray
        (h, w) signed; enlarged to the picture, cell by cell.
    image : ndarray
        (H, W, 3) uint8 RGB.
    limit : float
        Values of this size and beyond have the full colour; zero has none.
    """
    height, width = image.shape[:2]
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    strength = np.clip(values / limit, -1, 1)[rows][:, columns]
    colour = score_colours()((strength + 1) / 2)[..., :3]
    pale = 0.62 + 0.38 * image.mean(-1, keepdims=True) / 255
    return pale * (1 - np.abs(strength[..., None])) + colour * np.abs(strength[..., None])


def _signed(axes: Axes, values: np.ndarray | None, image: np.ndarray, limit: float) -> None:
    if values is None:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "one stream,\nno pattern", ha="center", va="center", fontsize=SIZE - 1)
        return
    axes.imshow(paint(values, image, limit), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    step = image.shape[0] / values.shape[0]
    for sign, mark in ((1, "+"), (-1, "−")):
        strongest = np.max(sign * values)
        if strongest > 0.1 * limit:
            # the middle of the cells that are strongest, where several are equal
            row, column = np.argwhere(sign * values == strongest).mean(0)
            _mark(axes, (column + 0.5) * step, (row + 0.5) * step, mark)


def _mark(axes: Axes, x: float, y: float, mark: str) -> None:
    """A sign on a white disc beside its place, kept clear of the picture's border."""
    side = axes.get_xlim()[1]
    aside = 0.055 * side if mark == "+" else -0.055 * side  # two signs at one place stay apart
    x, y = (float(np.clip(v, 0.06 * side, 0.94 * side)) for v in (x + aside, y - 0.055 * side))
    disc = {"boxstyle": "circle,pad=0.08", "facecolor": "white", "edgecolor": "#333333"}
    axes.text(x, y, mark, ha="center", va="center", fontsize=SIZE - 2, fontweight="bold", bbox=disc)


def _score_map(axes: Axes, picture: Picture, one: Explained) -> None:
    height, width = picture.image.shape[:2]
    axes.imshow(picture.image.mean(-1), cmap="gray", vmin=0, vmax=255)
    axes.imshow(
        one.map,
        score_colours(),
        vmin=0,
        vmax=1,
        alpha=0.6,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="nearest",
    )
    axes.set(xticks=[], yticks=[])


def _said(one: Explained) -> str:
    verdict = "" if one.verdict is None else f": {one.verdict}"
    shares = one.numbers.get("shapley", {}).get("margin")
    told = f"{one.network}\nscore {one.score:.2f}{verdict}"
    if shares:
        told += f"\nimage {shares['image']:+.1f}, pattern {shares['pattern']:+.1f}"
    return told


def _colour_bar(axes: Axes, limit: float | None, unit: str) -> None:
    """The column's scale under it: attack, zero, live, with the limit in numbers."""
    axes.imshow(np.linspace(0, 1, 64)[None], score_colours(), vmin=0, vmax=1, aspect="auto")
    axes.set(yticks=[])
    words = ("attack", "", "live") if limit is None else (f"−{_short(limit)}", "0", _short(limit))
    axes.set_xticks([1, 31.5, 62], words, fontsize=SIZE - 3)
    axes.set_xlabel(unit, fontsize=SIZE - 3)
    axes.tick_params(length=2)


def _short(value: float) -> str:
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"


def _alt(picture: Picture, explained: Sequence[Explained]) -> str:
    what = picture.kind or "picture"
    cues = ", ".join(f"{c} {m.mean():.0%}" for c, m in picture.cues.items() if m.mean() > 0)
    said = "; ".join(
        f"{one.network} scores {one.score:.2f}"
        + (f" ({one.verdict})" if one.verdict else "")
        + "".join(
            f", {name} completeness error {told['error']:+.2f} of {told['explained']:+.2f}"
            for name, told in one.numbers["attributions"].items()
            if "error" in told
        )
        for one in explained
    )
    known = f" True cues by area: {cues}." if cues else ""
    return f"Attributions of a {what}, {picture.name}: {said}.{known}"


def side_by_side(picture: Picture, explained: Sequence[Explained], name: str) -> tuple[Figure, str]:
    """Draw one attribution of every network between the picture and one of its true cues.

    Of the cues it takes the largest under half the picture: one that has a place to point to. It is
    quick enough to follow a control: a quarter of a second.

    Parameters
    ----------
    picture : Picture
    explained : sequence of Explained
    name : str
        A map of `COLUMNS` or `LAYERS` that every network has.

    Returns
    -------
    figure : Figure
    alt : str
        What there is to see, in words.
    """
    from matplotlib.figure import Figure

    areas = {cue: float(member.mean()) for cue, member in picture.cues.items()}
    cue = max(areas, key=lambda name: (areas[name] < LARGEST, areas[name]), default=None)
    panels = 2 + len(explained)
    figure = Figure(figsize=(2.5 * panels, 3.3))
    grid = figure.subplots(1, panels)
    figure.subplots_adjust(left=0.02, right=0.98, top=0.84, bottom=0.14, wspace=0.08)
    grid[0].imshow(picture.image, interpolation="nearest")
    grid[0].set_title(picture.kind or "picture", fontsize=SIZE)
    title, unit = (COLUMNS | LAYERS)[name]
    drawn = [{name: cells(one.maps[name], unit == PIXELWISE)} for one in explained]
    limit = _limit([maps[name] for maps in drawn])
    for axes, one, maps in zip(grid[1:-1], explained, drawn, strict=True):
        _signed(axes, maps[name], picture.image, limit)
        axes.set_title(f"{one.network}\nscore {one.score:.2f}", fontsize=SIZE)
    if cue is not None:
        grid[-1].imshow(picture.cues[cue], cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        grid[-1].set_title(f"true {cue}, black", fontsize=SIZE)
    else:
        grid[-1].set_title("no cue", fontsize=SIZE)
        grid[-1].spines[:].set_visible(False)
    for axes in grid:
        axes.set(xticks=[], yticks=[])
    told = title.replace("\n", " ")
    said = f"{told}: blue (+) speaks for live, vermilion (−) for attack; full colour at {limit:.2g}"
    figure.text(0.5, 0.03, f"{said} ({unit})", ha="center", fontsize=SIZE - 2)
    ends = "; ".join(
        f"{one.network} {maps[name].max():+.2g} and {maps[name].min():+.2g}"
        for one, maps in zip(explained, drawn, strict=True)
    )
    return figure, f"{told} of a {picture.kind or 'picture'}; largest and least value: {ends}."


def sanity(
    image: np.ndarray, maps: Mapping[str, Sequence[np.ndarray]], titles: Sequence[str]
) -> Figure:
    """Show what becomes of explanations when the network's weights are drawn anew.

    Parameters
    ----------
    image : ndarray
        (H, W, 3) uint8.
    maps : mapping
        Method -> its signed maps (H, W), one a title.
    titles : sequence of str
        Of the columns. Every panel has its own scale: form is compared, not size.
    """
    figure = _figure(2.2 * len(titles) + 0.6, 2.35 * len(maps) + 0.7)
    grid = figure.subplots(len(maps), len(titles), squeeze=False)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=SIZE - 1)
    for row, (method, found) in zip(grid, maps.items(), strict=True):
        for axes, values in zip(row, found, strict=True):
            summed = cells(values, True)
            _signed(axes, summed, image, _limit([summed]))
        row[0].set_ylabel(method, fontsize=SIZE)
    figure.supxlabel("blue (+) speaks for live, vermilion (−) for attack", fontsize=SIZE - 2)
    return figure
