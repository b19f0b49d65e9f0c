"""A detector scores presentations: one number each, the mean over its frames."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from hfnmp_lite.data.loaders import load_frame, note_unreadable, to_batch
from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.files import InputError, write_whole
from hfnmp_lite.model.detector import Detector


@dataclass(frozen=True)
class Scored:
    """One presentation's verdict: a row of scores.csv.

    Attributes
    ----------
    n_frames : int
        Frames that could be read and were scored.
    score : float
        Their mean score in [0, 1], higher = live; NaN where none could be read (a failure to
        acquire, which the metrics count as an error).
    """

    presentation: str
    domain: str
    subject: str
    live: bool
    attack_type: str | None
    instrument: str | None
    n_frames: int
    score: float


COLUMNS = tuple(f.name for f in fields(Scored))


@torch.inference_mode()
def score_images(detector: Detector, images: torch.Tensor) -> np.ndarray:
    """Score a batch: (N, 3, H, W) in [0, 1] -> (N,) float64.

    Raises
    ------
    FloatingPointError
        A score is not a number: that is no presentation's fault, and no failure to acquire.
    """
    device = next(detector.parameters()).device
    scores = detector(images.to(device)).score.double().cpu().numpy()
    if not np.isfinite(scores).all():
        raise FloatingPointError(
            "the network's score is not a number, its weights are damaged or diverged; train it "
            "again"
        )
    return scores


def score_presentations(
    detector: Detector,
    presentations: Sequence[Presentation],
    size: int = 128,
    batch: int = 48,
    progress: bool = False,
    unreadable: set[Path] | None = None,
) -> list[Scored]:
    """Score every presentation, in order; frames that cannot be read are left out of the mean.

    Parameters
    ----------
    detector : Detector
        In eval mode, else ValueError: in train mode a score depends on the rest of the batch.
    presentations : sequence of Presentation
        What to score.
    size : int
        Side of the network's input in pixels.
    batch : int
        Frames in one pass.
    progress : bool
        Whether to show a progress bar.
    unreadable : set of Path, optional
        Frames that could not be read: they are not tried again, and new ones are added.
    """
    unreadable = set() if unreadable is None else unreadable
    if detector.training:
        raise ValueError("the detector is in train mode; call detector.eval() before scoring")
    jobs = [
        (i, frame)
        for i, p in enumerate(presentations)
        for frame in p.frames
        if frame not in unreadable
    ]
    scores: list[list[float]] = [[] for _ in presentations]
    steps = range(0, len(jobs), batch)
    for start in tqdm(steps, desc="scoring", unit="batch", disable=not progress, leave=False):
        owners, images = [], []
        for owner, frame in jobs[start : start + batch]:
            try:
                images.append(load_frame(frame, size))
            except InputError as error:
                note_unreadable(unreadable, frame, error)
                continue
            owners.append(owner)
        if images:
            for owner, score in zip(owners, score_images(detector, to_batch(images)), strict=True):
                scores[owner].append(float(score))
    return [
        Scored(
            presentation=p.id,
            domain=p.domain,
            subject=p.subject,
            live=p.live,
            attack_type=p.attack_type,
            instrument=p.instrument,
            n_frames=len(s),
            score=float(np.mean(s)) if s else math.nan,
        )
        for p, s in zip(presentations, scores, strict=True)
    ]


def as_arrays(scored: Iterable[Scored]) -> dict[str, np.ndarray]:
    """Return what `metrics.evaluate` takes: scores, live, attack_type, subject, one per row."""
    rows = list(scored)
    return {
        "scores": np.array([s.score for s in rows], np.float64),
        "live": np.array([s.live for s in rows], bool),
        "attack_type": np.array([s.attack_type or "" for s in rows]),
        "subject": np.array([s.subject for s in rows]),
    }


def write_scores(
    path: Path, scored: Iterable[Scored], write: Callable[[Path, str], None] = write_whole
) -> None:
    """Write scores as CSV, whole or not at all; a score keeps every digit, NaN is left empty."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for s in scored:
        row = {**asdict(s), "live": int(s.live)}
        row["score"] = "" if math.isnan(s.score) else repr(s.score)
        writer.writerow(["" if row[c] is None else row[c] for c in COLUMNS])
    write(path, text.getvalue())
