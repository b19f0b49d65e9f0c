"""Which presentations are worth showing, and what the detector sees in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from hfnmp_lite.data.loaders import load_frame, to_batch
from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.evaluate.scoring import Scored
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.model.lbp import LocalBinaryPattern
from hfnmp_lite.teach import figures


def kind(s: Scored | Presentation) -> str:
    """Return "live" or the attack type."""
    return "live" if s.live else str(s.attack_type)


def kinds(scored: Sequence[Scored]) -> list[str]:
    """Return "live" and the attack types that occur, in the order of their names."""
    return ["live", *sorted({kind(s) for s in scored if not s.live})]


def right(s: Scored, threshold: float) -> bool:
    """Whether the decision at this threshold is right."""
    return (s.score >= threshold) == s.live


def typical_subjects(scored: Sequence[Scored], count: int) -> list[list[Scored]]:
    """Choose subjects whose scores are most ordinary, not most flattering.

    A subject is as ordinary as its scores are near the medians of their classes. Where fewer than
    `count` subjects have a presentation of every kind, one row of the presentations nearest to the
    medians takes their place.

    Returns
    -------
    list
        For each subject one presentation of each kind, live first.
    """
    scored = [s for s in scored if not np.isnan(s.score)]
    names = kinds(scored)
    median = {name: np.median([s.score for s in scored if kind(s) == name]) for name in names}

    def distance(s: Scored) -> float:
        return float(abs(s.score - median[kind(s)]))

    rows = []
    for subject in sorted({s.subject for s in scored}):
        own = [s for s in scored if s.subject == subject]
        nearest = [
            min((s for s in own if kind(s) == name), key=distance, default=None) for name in names
        ]
        if None not in nearest:
            rows.append(nearest)
    rows.sort(key=lambda row: sum(map(distance, row)))
    if len(rows) < count:
        rows = [[min((s for s in scored if kind(s) == name), key=distance) for name in names]]
    return rows[:count]


def extremes(
    scored: Sequence[Scored], threshold: float, are_right: bool, count: int
) -> list[Scored]:
    """Return the right (or the wrong) decisions farthest from the threshold, the kinds in turn."""
    found = [s for s in scored if not np.isnan(s.score) and right(s, threshold) == are_right]
    found.sort(key=lambda s: (-abs(s.score - threshold), s.presentation))
    queues = [[s for s in found if kind(s) == name] for name in kinds(scored)]
    turns = [queue[i] for i in range(count) for queue in queues if i < len(queue)]
    return turns[:count]


@dataclass(frozen=True)
class Seen:
    """What the detector makes of the first frame of each of N presentations.

    Attributes
    ----------
    images : (N, H, W, 3) float32, RGB in [0, 1]
    lbp : (N, H, W) float32 in [0, 1]
        Codes of the green channel, whatever the detector's own pattern is.
    pattern : (N, H, W, 3) float32 in [0, 1] or None
        What feeds the second stream; None where there is none.
    maps : (N, H/8, W/8) float32 in [0, 1]
    """

    images: np.ndarray
    lbp: np.ndarray
    pattern: np.ndarray | None
    maps: np.ndarray


@torch.inference_mode()
def look(detector: Detector, presentations: Sequence[Presentation], size: int) -> Seen:
    """Show the first frames to the detector; InputError where one cannot be read."""
    frames = [load_frame(p.frames[0], size) for p in presentations]
    batch = to_batch(frames)
    pattern = detector.pattern(batch)
    out = detector.network(batch, pattern)
    return Seen(
        images=np.stack(frames).astype(np.float32) / 255,
        lbp=LocalBinaryPattern()(batch)[:, 1].numpy(),
        pattern=None if pattern is None else pattern.permute(0, 2, 3, 1).numpy(),
        maps=out.map[:, 0].numpy(),
    )


def image_and_map(image: np.ndarray, score_map: np.ndarray) -> bytes:
    """Return a PNG of the image beside its score map over the grey image, twice its size."""
    side = image.shape[0]
    painted = figures.score_colours()(score_map)[..., :3].astype(np.float32)
    painted = cv2.resize(painted, (side, side), interpolation=cv2.INTER_NEAREST)
    over = 0.4 * image.mean(-1, keepdims=True) + 0.6 * painted
    both = np.concatenate([image, np.ones((side, side // 32, 3), np.float32), over], axis=1)
    encoded = cv2.imencode(".png", (both[..., ::-1] * 255).round().astype(np.uint8))[1]
    return encoded.tobytes()
