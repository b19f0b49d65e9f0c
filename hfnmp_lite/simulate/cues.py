"""Where a cue is: the picture with it and without it, all else equal.

A counterfactual renders a take twice, with all cues and with one cue off, under the same noise
(common random numbers), exposure and white balance. What differs is the cue's doing. Overlap with
these maps alone proves little about an attribution: it is to be scored against the model's own
response to the cue's removal, for which `CueMap.without` is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hfnmp_lite.simulate.geometry import CUES
from hfnmp_lite.simulate.scene import ALL, CUES_OF, Frame, Take, measure, render

LOCATED = tuple(cue for cue in CUES if cue != "gamut")
"""Cues that have a place; "gamut" (gamut, gamma, black level) is everywhere and never scored so."""

LEVELS = 6.0
"""A pixel is in the mask if the cue changes it by more than this many grey levels."""


@dataclass(frozen=True)
class CueMap:
    """What one cue does to one frame.

    Attributes
    ----------
    cue : str
    soft_before_jpeg, soft_after_jpeg : ndarray
        (size, size) float32, grey levels 0 to 255: the largest absolute difference over the three
        channels. Before JPEG it is exactly zero outside the cue's support; after JPEG it spreads
        over blocks of 8 x 8 (chroma: 16 x 16).
    mask : ndarray
        (size, size) bool, `soft_before_jpeg` > `LEVELS`.
    envelope : ndarray or None
        (size, size) float32 analytic map (see `geometry.Presented`); None for "gamut".
    full, without : Frame
        The frame with all cues, and with this one off.
    """

    cue: str
    soft_before_jpeg: np.ndarray
    soft_after_jpeg: np.ndarray
    mask: np.ndarray
    envelope: np.ndarray | None
    full: Frame
    without: Frame


def counterfactual(
    take: Take, cue: str, size: int = 128, *, canvas: np.ndarray | None = None
) -> CueMap:
    """Render a take with and without a cue and return the difference.

    Parameters
    ----------
    take : Take
        An attack; a live face has no cues.
    cue : str
        One of the cues of its attack type, `scene.CUES_OF`.
    canvas : ndarray, optional
        As in `scene.render`.

    Raises
    ------
    ValueError
        The take has no such cue.
    """
    has = CUES_OF.get(take.attack_type, ())
    if cue not in has:
        kind = take.attack_type or "live face"
        raise ValueError(f"a {kind} has no cue '{cue}'; it has {', '.join(has) or 'none'}")
    full = render(take, size, canvas=canvas)
    without = render(take, size, ALL - {cue}, canvas=canvas, settings=full.settings)
    before = 255 * np.abs(full.rgb_before_jpeg - without.rgb_before_jpeg).max(axis=2)
    after = np.abs(full.image.astype(np.float32) - without.image).max(axis=2)
    return CueMap(cue, before, after, before > LEVELS, full.envelopes.get(cue), full, without)


def only(take: Take, cues: frozenset[str], size: int = 128) -> Frame:
    """Render an attack with these cues alone, as a picture of its own: single cues, or none at all.

    Unlike a counterfactual, exposure and white balance are those that the camera chooses when it
    sees this picture. With no cue an attack is still captured twice; nothing else betrays it.
    """
    return render(take, size, cues, settings=measure(take, size, cues))
