"""Sheets of real people without their faces: where a network looked, and not at whom.

Attributions of pixels carry the pixels: drawn finely they are a portrait. So every map is brought
down to 8 x 8 cells, which hold evidence and no grey levels, over a face that is drawn. Patterns,
which are pictures of the skin, are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from hfnmp_lite.data.recordings import printable
from hfnmp_lite.explain.tour import Explained, Picture

CELLS = 8
TITLE = "a drawing"


def veiled(picture: Picture, explained: Sequence[Explained]) -> tuple[Picture, list[Explained]]:
    """Return a picture and its explanations without anything that shows who it is.

    Returns
    -------
    picture : Picture
        `stand_in` in the image's place, without cue maps and cue-free renderings.
    explained : list of Explained
        Without patterns; each map averaged over 8 x 8 cells and as large as before, so that its
        sums stay what they are. Scores and numbers are untouched.
    """
    side = picture.image.shape[0]
    drawing = stand_in(side) if picture.face != "not sought" else np.full_like(picture.image, 225)
    hidden = replace(picture, image=drawing, cues={}, without={})
    return hidden, [
        replace(
            one,
            map=coarse(one.map),
            pattern=None,
            maps={name: coarse(values) for name, values in one.maps.items()},
        )
        for one in explained
    ]


def note(picture: Picture) -> str:
    """Say what is explained, and what is not shown, in lines that fit beside the drawing."""
    return (
        f"{printable(picture.name)[-90:]}\n"
        f"{picture.kind or 'your picture'}{picture.domain and f', domain {picture.domain}'}\n\n"
        "No face is shown: every map below is averaged over 8 x 8 cells and lies over a\n"
        "drawing. It tells where the network looked, and not at whom."
    )


def coarse(values: np.ndarray) -> np.ndarray:
    """Average a map (H, W) over `CELLS` x `CELLS` cells, which stay as large as they were.

    Sides need not be multiples: cells then differ by a pixel. A map of fewer cells stays as it is.
    """
    found = np.asarray(values, np.float64)
    for axis in (0, 1):
        n = found.shape[axis]
        edges = np.unique(np.linspace(0, n, CELLS + 1).astype(int))
        sums = np.add.reduceat(found, edges[:-1], axis)
        sizes = np.diff(edges)
        means = sums / (sizes[:, None] if axis == 0 else sizes)
        found = np.repeat(means, sizes, axis)
    return found


def stand_in(side: int) -> np.ndarray:
    """Draw nobody's face where crops of this package have one: (side, side, 3) uint8 RGB."""
    large = np.full((512, 512, 3), 225, np.uint8)
    skin, line = (200, 200, 200), (120, 120, 120)
    cv2.ellipse(large, (256, 235), (175, 225), 0, 0, 360, skin, -1, cv2.LINE_AA)
    cv2.ellipse(large, (256, 235), (175, 225), 0, 0, 360, line, 6, cv2.LINE_AA)
    for x in (172, 340):
        cv2.ellipse(large, (x, 193), (32, 14), 0, 0, 360, line, 6, cv2.LINE_AA)
        cv2.circle(large, (x, 193), 7, line, -1, cv2.LINE_AA)
    cv2.polylines(large, [np.array([(256, 205), (236, 290), (272, 294)])], False, line, 6)
    cv2.ellipse(large, (256, 352), (58, 24), 0, 15, 165, line, 6, cv2.LINE_AA)
    return cv2.resize(large, (side, side), interpolation=cv2.INTER_AREA)
