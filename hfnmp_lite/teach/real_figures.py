"""Figures of notebook 10: where the face is in a frame, and what skipped videos hide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hfnmp_lite.data.annotation import read_annotation, turned
from hfnmp_lite.data.capture import Box, crop_face, find_face
from hfnmp_lite.data.recordings import Recording
from hfnmp_lite.data.videos import decode
from hfnmp_lite.teach.figures import PALETTE, SIZE, _dress, _figure, _per_cent

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Look(NamedTuple):
    """One frame of a video: what `frame_and_crop` takes."""

    image: np.ndarray
    box: Box | None
    crop: np.ndarray
    title: str


def look_at(root: Path, recording: Recording, size: int = 96) -> list[Look]:
    """Decode every frame of a short video and find the face in each, as `hfnmp data prepare` would.

    Parameters
    ----------
    root : Path
        What the recording's paths are relative to.
    recording : Recording
        A video of the index.
    size : int
        Side of the crops in pixels; a frame without a face gives a grey one.
    """
    known = None
    if recording.annotation:
        known = read_annotation(root / recording.annotation, recording.annotation_kind)

    def look(number: int, image: np.ndarray) -> Look:
        height, width = image.shape[:2]
        box, by = known.boxes.get(number) if known else find_face(image), "detector"
        if known:
            by = "annotation"
            if box and recording.rotation and known.head_down:
                box = turned(box, width, height)
        crop = np.full((size, size, 3), 230, np.uint8)
        if box:
            crop = crop_face(image, size, box)[0]
        named = f"{recording.domain}, {recording.attack_type or 'live'}, frame {number}"
        without = "no annotation" if known else "no face found"
        return Look(image, box, crop, f"{named}: {by if box else without}")

    decoded = decode(root / recording.path, range, look, recording.rotation)
    return list(decoded.taken.values())


def frame_and_crop(
    image: np.ndarray, box: Box | None, crop: np.ndarray, title: str
) -> tuple[Figure, str]:
    """Show a frame with the box of the face, and beside it what is cut out.

    Parameters
    ----------
    image : ndarray of uint8, (H, W, 3)
        RGB, upright.
    box : Box or None
        In pixels of `image`; None where nothing says where the face is.
    crop : ndarray of uint8, (size, size, 3)
        What was cut.
    title : str
        Of the frame.

    Returns
    -------
    figure, alt
        The figure, and what there is to see in words.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(7.0, 3.1))
    left, right = figure.subplots(1, 2, width_ratios=(image.shape[1] / image.shape[0], 1))
    # Fixed margins: a computed layout takes twice the time, and a slider redraws this.
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.02, top=0.88, wspace=0.04)
    left.imshow(image, interpolation="nearest")
    said = "nothing is cut out"
    if box is not None:
        for width, colour in ((5, "black"), (2.5, "white")):  # seen on any ground
            left.add_patch(
                Rectangle(box[:2], box.width, box.height, fill=False, ec=colour, lw=width)
            )
        where = f"a box of {box.width} by {box.height} pixels at ({box.x}, {box.y})"
        said = f"{where}, and beside it the crop"
    right.imshow(crop, interpolation="nearest")
    left.set_title(title, fontsize=SIZE)
    right.set_title("crop", fontsize=SIZE)
    for axes in (left, right):
        axes.set_axis_off()
    return figure, f"{title}: {said}."


def hidden_failures(lost: Sequence[int], hter: Mapping[str, Sequence[float]]) -> Figure:
    """Draw HTER against the number of live videos without a face.

    Parameters
    ----------
    lost : sequence of int
        How many were lost.
    hter : mapping
        Way of counting -> HTER in [0, 1] for each of `lost`.
    """
    figure = _figure(7.2, 3.9)
    axes = _dress(figure.subplots(), "live videos in which no face was found", "HTER")
    styles = (("replay", "-", "o"), ("live", "--", "s"))
    for (name, rates), (colour, line, mark) in zip(hter.items(), styles, strict=False):
        axes.plot(lost, rates, line, marker=mark, color=PALETTE[colour], linewidth=2.5, label=name)
    axes.set_xticks(list(lost))
    axes.set_ylim(0, 1.15 * max(map(max, hter.values())))
    _per_cent(axes.yaxis)
    axes.legend(fontsize=SIZE - 1, frameon=False)
    return figure
