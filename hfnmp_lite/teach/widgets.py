"""Pictures of the notebooks: a figure with its alternative text, still or behind controls.

Core ipywidgets alone. A picture behind controls is an HTML element that holds a PNG and its
alternative text; both change with the controls, so that a reader who does not see the picture, and
a test, learn what changed.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from typing import TYPE_CHECKING

import ipywidgets
from IPython.display import Image

from hfnmp_lite.teach.figures import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_WIDTH = 820  # pixels: of a wide figure in a notebook; the PNG itself holds more


def still(figure: Figure, alt: str) -> Image:
    """Return a figure as a picture for a notebook, with alternative text.

    Parameters
    ----------
    figure : Figure
        Drawn at 110 dots per inch.
    alt : str
        What there is to see, in a sentence or two.
    """
    _need_alt(alt)
    data = png(figure)
    return Image(data=data, format="png", alt=alt, width=_width(figure))


class Explorer(ipywidgets.VBox):
    """Controls above a picture that follows them.

    Parameters
    ----------
    draw : callable
        Takes the controls' values by name; returns (Figure, alternative text).
    **controls : ipywidgets.Widget
        With a `value`; the keyword is the name that `draw` knows it by.

    Attributes
    ----------
    controls : dict
        The controls by name; set `explorer.controls["threshold"].value` to move one from Python.
    alt : str
        The alternative text of the picture that is shown.
    """

    def __init__(
        self, draw: Callable[..., tuple[Figure, str]], **controls: ipywidgets.Widget
    ) -> None:
        self._draw, self.controls, self.alt = draw, controls, ""
        self._picture = ipywidgets.HTML()
        super().__init__([*controls.values(), self._picture])
        for control in controls.values():
            control.observe(self._follow, names="value")
        self._follow(None)

    @property
    def picture(self) -> str:
        """The picture that is shown, as HTML: an `img` with its `alt`."""
        return self._picture.value

    def _follow(self, _change: object) -> None:
        values = {name: control.value for name, control in self.controls.items()}
        figure, alt = self._draw(**values)
        _need_alt(alt)
        data = base64.b64encode(png(figure)).decode()
        self._picture.value = (
            f'<img src="data:image/png;base64,{data}" alt="{html.escape(alt)}" '
            f'width="{_width(figure)}">'
        )
        self.alt = alt


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


def _width(figure: Figure) -> int:
    return min(SHOWN_WIDTH, round(110 * figure.get_figwidth()))


def _need_alt(alt: str) -> None:
    if not alt.strip():
        raise ValueError("the picture has no alternative text; say in a sentence what it shows")
