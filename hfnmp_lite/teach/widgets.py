"""Pictures of the notebooks: a figure with its alternative text, still or behind controls.

`gallery` and `decisions` draw what several notebooks need; `still` and `Explorer` show it. Core
ipywidgets alone. A picture behind controls is an HTML element that holds a PNG and its alternative
text; both change with the controls, so that a reader who does not see the picture, and a test,
learn what changed.
"""

from __future__ import annotations

import base64
import html
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import ipywidgets
import matplotlib
import numpy as np
from IPython.display import Image

from hfnmp_lite.files import InputError
from hfnmp_lite.memory import uncollected
from hfnmp_lite.teach.figures import PALETTE, SIZE, colour, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110  # dots per inch of what is drawn
MOVING_WIDTH = 900  # pixels at most of what follows a control, which is drawn again and again
SHOWN_WIDTH = 820  # pixels: of a wide figure in a notebook; the PNG itself holds more


def still(figure: Figure, alt: str) -> Image:
    """Return a figure as a picture for a notebook, with alternative text.

    Parameters
    ----------
    figure : Figure
        Drawn at `DPI` dots per inch.
    alt : str
        What there is to see, in a sentence or two.
    """
    _need_alt(alt)
    data = png(figure, DPI)
    return Image(data=data, format="png", alt=alt, width=_width(figure))


class Explorer(ipywidgets.VBox):
    """Controls above a picture that follows them.

    An exception in `draw` appears where the picture was, and goes with the next good setting; only
    the first picture, which a cell waits for, raises it.

    Parameters
    ----------
    draw : callable
        Takes the controls' values by name; returns (Figure, alternative text).
    waiting : str
        What to say while `draw` works, if that takes more than a moment.
    **controls : ipywidgets.Widget
        With a `value`; the keyword is the name that `draw` knows it by.

    Attributes
    ----------
    controls : dict
        The controls by name; set `explorer.controls["threshold"].value` to move one from Python.
    alt : str
        The alternative text of the picture that is shown, or what went wrong.
    error : Exception or None
        What the last `draw` raised.
    waiting : str
        As given.
    """

    def __init__(
        self,
        draw: Callable[..., tuple[Figure, str]],
        waiting: str = "",
        **controls: ipywidgets.Widget,
    ) -> None:
        self._draw, self.waiting, self.controls, self.alt = draw, waiting, controls, ""
        self.error: Exception | None = None
        self._picture = ipywidgets.HTML()
        super().__init__([*controls.values(), self._picture])
        for control in controls.values():
            control.observe(self._follow, names="value")
        self._draw_now()

    @property
    def picture(self) -> str:
        """What is shown, as HTML: an `img` with its `alt`, or a message."""
        return self._picture.value

    def __repr__(self) -> str:
        return f"(needs a running kernel) {self.alt}"

    def _follow(self, _change: object) -> None:
        if self.waiting:
            self._picture.value = f'<p role="status">{html.escape(self.waiting)}</p>'
        try:
            with uncollected():  # with torch's objects a collection takes longer than the picture
                self._draw_now()
            self.error = None
        except Exception as error:  # nobody sees what is raised in answer to a control
            self.error = error
            self._show_error(error)

    def _draw_now(self) -> None:
        values = {name: control.value for name, control in self.controls.items()}
        # Titles at a fixed height: to find one, matplotlib would lay out all ticks once more.
        with matplotlib.rc_context({"axes.titley": 1.0}):
            figure, alt = self._draw(**values)
        _need_alt(alt)
        dpi = min(DPI, MOVING_WIDTH / figure.get_figwidth())
        data = base64.b64encode(png(figure, dpi)).decode()
        self._picture.value = (
            f'<img src="data:image/png;base64,{data}" alt="{html.escape(alt)}" '
            f'width="{_width(figure)}">'
        )
        self.alt = alt

    def _show_error(self, error: Exception) -> None:
        self.alt = f"no picture: {type(error).__name__}: {error}"
        said = str(error)
        if not isinstance(error, InputError):  # not what was given: where the code went wrong
            said = "".join(traceback.format_exception(error, limit=-3))
        style = "border-left: 4px solid #c62828; padding: 0.2em 0.8em; white-space: pre-wrap"
        self._picture.value = (
            f'<div role="alert" style="{style}"><b>No picture for this setting.</b>\n'
            f"{html.escape(said)}</div>"
        )


def gallery(
    images: Sequence[np.ndarray], titles: Sequence[str], columns: int = 6, zoom: int = 1
) -> Figure:
    """Lay images out in rows, each under its title, pixel for pixel: no cue is resampled away.

    Parameters
    ----------
    images : sequence of ndarray, (H, W, 3) or (H, W)
        Of one size; uint8, or float in [0, 1].
    titles : sequence of str
        One for each image.
    columns : int
        Images in a row.
    zoom : int
        Pixels of the figure for each pixel of an image, on either side.
    """
    from matplotlib.figure import Figure

    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height, width = (zoom * side for side in images[0].shape[:2])
    gap, head = 8, 26  # pixels: between images; for a title
    whole = columns * (width + gap), rows * (height + head)
    figure = Figure(figsize=(whole[0] / DPI, whole[1] / DPI))
    for i, (image, title) in enumerate(zip(images, titles, strict=True)):
        row, column = divmod(i, columns)
        left, bottom = column * (width + gap) + gap // 2, (rows - 1 - row) * (height + head)
        place = (left / whole[0], bottom / whole[1], width / whole[0], height / whole[1])
        axes = figure.add_axes(place)
        axes.set_axis_off()
        white = 255 if image.dtype == np.uint8 else 1
        axes.imshow(image, cmap="gray", vmin=0, vmax=white, interpolation="nearest", aspect="auto")
        axes.set_title(title, fontsize=SIZE - 1, pad=4)
    return figure


def decisions(scores: Mapping[str, np.ndarray], threshold: float) -> tuple[Figure, str]:
    """Show what a threshold decides: every presentation, and both error rates at all thresholds.

    Parameters
    ----------
    scores : mapping
        "live" and each attack type -> (n,) scores in [0, 1]; a score at or above the threshold is
        accepted.
    threshold : float
        The one to show.

    Returns
    -------
    figure : Figure
        Above, one mark a presentation, crosses where the decision is wrong; below, FAR and FRR.
    alt : str
        The counts and rates in words.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.4, 4.9))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.25, 1))
    # Fixed margins: a slider redraws this, and a computed layout takes twice the time.
    figure.subplots_adjust(left=0.2, right=0.98, bottom=0.1, top=0.93, hspace=0.24)
    accepted = {}
    for place, (kind, given) in enumerate(scores.items()):
        accepted[kind] = int((given >= threshold).sum())
        wrong = (given >= threshold) != (kind == "live")
        height = place + np.linspace(-0.3, 0.3, 7)[np.arange(len(given)) % 7]  # so that all show
        shade = colour(kind, list(scores))
        above.scatter(given[~wrong], height[~wrong], s=16, color=shade, alpha=0.7)
        above.scatter(given[wrong], height[wrong], s=42, color="black", marker="x", linewidth=1.6)
    labels = [
        f"{kind}\n{accepted[kind]} of {len(given)} accepted" for kind, given in scores.items()
    ]
    above.set_yticks(range(len(scores)), labels)
    above.invert_yaxis()
    attack = np.concatenate([given for kind, given in scores.items() if kind != "live"])
    live = scores["live"]
    # Both rates jump at scores, and hold between them up to and with the next: where="pre".
    grid = np.unique(np.concatenate([[0.0, 1.0], attack, live]))
    far = (attack[:, None] >= grid).mean(0)
    frr = (live[:, None] < grid).mean(0)
    now = float((attack >= threshold).mean()), float((live < threshold).mean())
    curves = (("FAR: attacks accepted", far, now[0]), ("FRR: live rejected", frr, now[1]))
    for (name, rates, rate), shade in zip(curves, ("replay", "live"), strict=True):
        style = "-" if shade == "replay" else "--"
        below.step(grid, rates, style, where="pre", color=PALETTE[shade], label=name)
        below.plot(threshold, rate, "o", color=PALETTE[shade], markersize=9)
    below.legend(
        fontsize=SIZE - 2, frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 0.97)
    )
    below.set(xlim=(0, 1), ylim=(-0.03, 1.03), xlabel="score, and threshold", ylabel="rate")
    hter = sum(now) / 2
    above.set_title(
        f"threshold {threshold:.2f}:  FAR {now[0]:.1%}   FRR {now[1]:.1%}   HTER {hter:.1%}",
        fontsize=SIZE + 1,
    )
    for axes in (above, below):
        axes.axvline(threshold, color="black", linewidth=1.6)
        axes.axvspan(threshold, 1, color=PALETTE["live"], alpha=0.07, linewidth=0)
        axes.spines[["top", "right"]].set_visible(False)
    said = ", ".join(f"{accepted[kind]} of {len(given)} {kind}" for kind, given in scores.items())
    return figure, (
        f"Scores of simulated presentations. At threshold {threshold:.2f} accepted are {said}; "
        f"FAR {now[0]:.1%}, FRR {now[1]:.1%}."
    )


def slider(
    label: str, low: float, high: float, value: float, step: float
) -> ipywidgets.FloatSlider:
    """Return a slider wide enough to be moved with care; the arrow keys move it by `step`."""
    return ipywidgets.FloatSlider(
        value=value,
        min=low,
        max=high,
        step=step,
        description=label,
        readout_format=".3f" if step < 0.01 else ".2f",
        style={"description_width": "initial"},
        layout={"width": "520px"},
    )


def choice(label: str, options: Sequence[str]) -> ipywidgets.ToggleButtons:
    """Return one button for each option, the first chosen."""
    return ipywidgets.ToggleButtons(
        options=list(options),
        description=label,
        style={"description_width": "initial", "button_width": "auto"},
    )


def menu(label: str, options: Sequence[str]) -> ipywidgets.Dropdown:
    """Return a menu, for more options than buttons have room; the first is chosen."""
    return ipywidgets.Dropdown(
        options=list(options), description=label, style={"description_width": "initial"}
    )


def upload(label: str) -> ipywidgets.FileUpload:
    """Return a button that takes one picture; its value is () or one dict with name and content."""
    return ipywidgets.FileUpload(
        accept="image/*", multiple=False, description=label, layout={"width": "300px"}
    )


def _width(figure: Figure) -> int:
    return min(SHOWN_WIDTH, round(DPI * figure.get_figwidth()))


def _need_alt(alt: str) -> None:
    if not alt.strip():
        raise ValueError("the picture has no alternative text; say in a sentence what it shows")
