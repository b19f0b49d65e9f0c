"""Score files of any kind with a trained detector."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from hfnmp_lite.data.capture import crop_face, read_image, whole_image
from hfnmp_lite.data.formats import VIDEO_SUFFIXES
from hfnmp_lite.data.loaders import load_frame, to_batch
from hfnmp_lite.data.presentations import read_manifest
from hfnmp_lite.data.videos import choose, decode
from hfnmp_lite.evaluate.adapt import repair as repair_detector
from hfnmp_lite.evaluate.scoring import score_images
from hfnmp_lite.experiments.run import settings_of
from hfnmp_lite.files import InputError, one_line
from hfnmp_lite.model.checkpoint import load_checkpoint
from hfnmp_lite.model.detector import Detector

WIDEST = 60  # characters of a file's column in the table
BATCH = 32  # frames of a video in one pass


class FrameScore(NamedTuple):
    """One frame of a video: its number, its score, and seconds from the start by its time stamp.

    Seconds are None where the file states none.
    """

    frame: int
    seconds: float | None
    score: float
    face: str


class Repair(NamedTuple):
    """How a detector is repaired (`evaluate.adapt.repair`), and by which pictures."""

    threshold: str
    adapt: str
    unlabelled: Path


@dataclass(frozen=True)
class Verdict:
    """What a detector says of one file.

    Attributes
    ----------
    file : str
        As given, or as found in a given folder.
    score : float or None
        In [0, 1], higher = live, of a video the mean over its frames; None where the file could
        not be read.
    verdict : str or None
        "live" or "attack" at the detector's threshold; None where it has none.
    face : str
        "cascade": cropped to the face that was found; "none": none was found, the whole image was
        scored; "not sought": the whole image, as asked. Of a video, frames without a face count
        only where no frame has one.
    error : str or None
        Why there is no score.
    threshold : float or None
        The detector's.
    frames : tuple of FrameScore
        Of a video, in order; empty for an image.
    crops : tuple of ndarray
        What was scored, where it was asked for: uint8 (size, size, 3) RGB.
    """

    file: str
    score: float | None
    verdict: str | None
    face: str
    error: str | None
    threshold: float | None = None
    frames: tuple[FrameScore, ...] = ()
    crops: tuple[np.ndarray, ...] = field(default=(), repr=False, compare=False)


COLUMNS = ("file", "score", "verdict", "face", "error", "threshold", "frames")


def predict(
    checkpoint: Path,
    files: Sequence[Path],
    crop: bool = True,
    frames: int = 10,
    keep_crops: bool = False,
    repair: Repair | None = None,
) -> list[Verdict]:
    """Score image and video files, and the files in folders, in the order given.

    A file that cannot be read gets a verdict that says so, and the rest goes on.

    Parameters
    ----------
    checkpoint : Path
        A checkpoint, ours or the authors', or the directory of a finished run.
    files : sequence of Path
        Files and folders.
    crop : bool
        Whether to look for the face and score it alone.
    frames : int
        How many of a video are scored, evenly spaced.
    keep_crops : bool
        Whether verdicts hold what was scored.
    repair : Repair, optional
        Changes a copy of the detector first.

    Raises
    ------
    InputError
        The checkpoint cannot be used, or `frames` is less than 1.
    """
    if frames < 1:
        raise InputError(f"frames is {frames}; expected at least 1")
    detector, size = _repaired(checkpoint, repair)
    verdicts = []
    listed = [file for given in files for file in _listed(given)]
    films = any(file.suffix.lower() in VIDEO_SUFFIXES for file in listed)
    quiet = len(listed) < (3 if films else 20)
    for file in tqdm(listed, desc="scoring", unit="file", disable=quiet, leave=False):
        try:
            if file.suffix.lower() in VIDEO_SUFFIXES:
                scored, crops = _score_video(detector, file, size, crop, frames)
                score, face = float(np.mean([f.score for f in scored])), scored[0].face
            else:
                image, face = _cut(read_image(file), size, crop)
                scored, crops = (), (image,)
                score = float(score_images(detector, to_batch([image]))[0])
        except InputError as error:
            verdicts.append(Verdict(str(file), None, None, "none", str(error)))
            continue
        named = _named(detector, score)
        crops = crops if keep_crops else ()
        verdicts.append(
            Verdict(str(file), score, named, face, None, detector.threshold, scored, crops)
        )
    return verdicts


def predict_manifest(
    checkpoint: Path, manifest: Path, keep_crops: bool = False, repair: Repair | None = None
) -> list[Verdict]:
    """Score every presentation of a manifest as `predict` scores files, its frames as they are.

    Raises
    ------
    InputError
        The checkpoint or the manifest cannot be used.
    """
    presentations = read_manifest(manifest)
    detector, size = _repaired(checkpoint, repair)
    verdicts = []
    quiet = len(presentations) < 20
    for p in tqdm(presentations, desc="scoring", unit="video", disable=quiet, leave=False):
        crops, problem = {}, p.failure or "it has no frames"
        for frame in p.frames:
            try:
                crops[frame] = load_frame(frame, size)
            except InputError as error:
                problem = str(error)
        if not crops:
            verdicts.append(Verdict(p.id, None, None, "none", f"{p.id}: {problem}"))
            continue
        scores = _scores(detector, list(crops.values()))
        scored = tuple(
            FrameScore(int(f.stem) if f.stem.isdecimal() else i, None, score, "not sought")
            for i, (f, score) in enumerate(zip(crops, scores, strict=True))
        )
        score, kept = float(np.mean(scores)), tuple(crops.values()) if keep_crops else ()
        named = _named(detector, score)
        verdicts.append(
            Verdict(p.id, score, named, "not sought", None, detector.threshold, scored, kept)
        )
    return verdicts


def _repaired(checkpoint: Path, asked: Repair | None) -> tuple[Detector, int]:
    """Load a detector, repaired where that is asked for, and the side of its input."""
    detector = load_checkpoint(checkpoint)
    size = settings_of(checkpoint, detector).size
    if asked is not None:
        pictures = read_manifest(asked.unlabelled)
        detector = repair_detector(detector, pictures, asked.threshold, asked.adapt, size)
    return detector, size


def _named(detector: Detector, score: float) -> str | None:
    if detector.threshold is None:
        return None
    return "live" if score >= detector.threshold else "attack"


def _scores(detector: Detector, crops: Sequence[np.ndarray]) -> list[float]:
    return [
        float(score)
        for start in range(0, len(crops), BATCH)
        for score in score_images(detector, to_batch(crops[start : start + BATCH]))
    ]


def _cut(image: np.ndarray, size: int, crop: bool) -> tuple[np.ndarray, str]:
    return crop_face(image, size) if crop else (whole_image(image, size), "not sought")


def _score_video(
    detector: Detector, file: Path, size: int, crop: bool, frames: int
) -> tuple[tuple[FrameScore, ...], tuple[np.ndarray, ...]]:
    """Score frames of a video: those with a face, or all where none has one."""
    decoded = decode(
        file,
        lambda count: choose(range(count), "linspace", frames),
        lambda _, image: _cut(image, size, crop),
    )
    if not decoded.taken:
        raise InputError(f"{file}: none of its chosen frames can be decoded; export it again")
    cut = {n: c for n, c in sorted(decoded.taken.items()) if c[1] != "none"} or decoded.taken
    crops = [image for image, _ in cut.values()]
    scores = _scores(detector, crops)
    scored = tuple(
        FrameScore(number, decoded.seconds.get(number), score, face)
        for (number, (_, face)), score in zip(cut.items(), scores, strict=True)
    )
    return scored, tuple(crops)


def _listed(given: Path) -> list[Path]:
    """Return the file itself, or the files of a folder by name, hidden ones left out."""
    if not given.is_dir():
        return [given]
    found = sorted(p for p in given.iterdir() if not p.is_dir() and not p.name.startswith("."))
    return found or [given]


def render(verdicts: Sequence[Verdict], form: str) -> str:
    """Write verdicts as "table", "csv" or "json"; a video's frames follow it, or are a field."""
    if form == "json":
        rows = [{c: getattr(v, c) for c in COLUMNS} for v in verdicts]
        for row in rows:
            row["frames"] = [frame._asdict() for frame in row["frames"]]
        return json.dumps(rows, indent=2)
    if form == "csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for v in verdicts:
            frames = " ".join(f"{f.frame}:{f.score:.6f}" for f in v.frames)
            writer.writerow({c: getattr(v, c) for c in COLUMNS} | {"frames": frames})
        return text.getvalue().rstrip("\n")
    wide = min(max(len(one_line(v.file)) for v in verdicts), WIDEST)
    lines = []
    for v in verdicts:
        said = f"{one_line(v.file):{wide}}  "
        lines.append(
            one_line(v.error or "") or f"{said}{v.score:.4f}  {v.verdict or '-':6}  face={v.face}"
        )
        for f in v.frames:
            at = "" if f.seconds is None else f" ({f.seconds:.2f} s)"
            lines.append(f"{f'frame {f.frame}{at}':>{wide}}  {f.score:.4f}")
    return "\n".join(lines)
