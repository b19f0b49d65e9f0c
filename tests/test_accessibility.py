"""Figures for all eyes: colours told apart by anyone, text that can be read, nothing cut off."""

from __future__ import annotations

import base64
import io
import itertools
import re

import nbformat
import numpy as np
import pytest
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from hfnmp_lite.data import samples
from hfnmp_lite.teach import figures, widgets

NOTEBOOKS = sorted(samples.notebooks_root().glob("[0-9][0-9]_*.ipynb"))
COLOURS = {**figures.PALETTE, **{f"other {i}": c for i, c in enumerate(figures.OTHERS)}}
# Machado, Oliveira and Fernandes, 2009: linear RGB as seen without one kind of cones.
VISIONS = {
    "full": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
APART = 9.0  # CIEDE2000; about 2 is seen side by side, and a legend does not stand side by side
SMALLEST = 9.0  # CSS pixels, of the smallest text of a figure where a notebook shows it


def linear(colour: str) -> np.ndarray:
    """Hexadecimal sRGB -> linear RGB (3,)."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def seen(colour: str, vision: str) -> np.ndarray:
    """Hexadecimal sRGB -> CIELAB (3,) of what that eye sees."""
    rgb = np.clip(VISIONS[vision] @ linear(colour), 0, 1)
    rgb = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
    return rgb2lab(rgb[None, None])[0, 0]


@pytest.mark.parametrize("vision", VISIONS)
def test_colours_are_told_apart(vision):
    lab = {name: seen(colour, vision) for name, colour in COLOURS.items()}
    apart = {
        p: float(deltaE_ciede2000(lab[p[0]], lab[p[1]])) for p in itertools.combinations(lab, 2)
    }
    assert min(apart.values()) >= APART, min(apart, key=apart.get)


def test_the_simulation_of_eyes_knows_what_is_confused():
    """Red and green of equal lightness: far apart for most, near for a deuteranope."""
    pair = "#C06020", "#808000"
    full, deutan = (
        float(deltaE_ciede2000(*(seen(colour, vision) for colour in pair)))
        for vision in ("full", "deuteranopia")
    )
    assert full > 30 > 10 > deutan


def pictures(path):
    """Every picture of a notebook: (cell id, PNG's width in pixels, width it is shown at)."""
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {}).get("image/png")
            if data:
                width = Image.open(io.BytesIO(base64.b64decode(data))).width
                shown = output.metadata.get("image/png", {}).get("width", width)
                yield cell.id, width, shown


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_text_in_figures_can_be_read(path):
    """Figures take their sizes from SIZE; the smallest anywhere must still be read when shown."""
    package = samples.notebooks_root().parent / "hfnmp_lite" / "teach"
    sources = "".join(file.read_text() for file in package.glob("*.py"))
    less = max(map(int, re.findall(r"SIZE - (\d)", sources)))
    assert not re.search(r"(?:font|label)size=\"?[\d.]+", sources)  # all by SIZE
    found = list(pictures(path))
    assert found
    for cell, width, shown in found:
        assert shown <= widgets.SHOWN_WIDTH, cell
        assert (figures.SIZE - less) * widgets.DPI / 72 * shown / width >= SMALLEST, cell


def test_a_picture_is_shown_at_the_width_that_fits():
    """The widest that a notebook shows fits beside the prompts and the list of files, 1280 px."""
    wide = widgets.gallery([np.zeros((8, 400, 3), np.uint8)] * 3, "ABC")
    picture = widgets.still(wide, "Three black bars, A to C.")
    assert picture.width == widgets.SHOWN_WIDTH == 820
    narrow = widgets.gallery([np.zeros((8, 200, 3), np.uint8)], "A")
    assert widgets.still(narrow, "One black bar, named A.").width == 208
