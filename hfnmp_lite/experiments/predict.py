"""Score files of any kind with a trained detector."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tqdm import tqdm

from hfnmp_lite.config import RunConfig
from hfnmp_lite.data.capture import crop_face, read_image, whole_image
from hfnmp_lite.data.loaders import to_batch
from hfnmp_lite.evaluate.scoring import score_images
from hfnmp_lite.files import InputError
from hfnmp_lite.model.checkpoint import load_checkpoint


@dataclass(frozen=True)
class Verdict:
    """What a detector says of one file.

    Attributes
    ----------
    file : str
        As given, or as found in a given folder.
    score : float or None
        In [0, 1], higher = live; None where the file could not be read.
    verdict : str or None
        "live" or "attack" at the detector's threshold; None where it has none.
    face : str
        "cascade": cropped to the face that was found; "none": none was found, the whole image was
        scored; "not sought": the whole image, as asked.
    error : str or None
        Why there is no score.
    """

    file: str
    score: float | None
    verdict: str | None
    face: str
    error: str | None


def predict(checkpoint: Path, files: Sequence[Path], crop: bool = True) -> list[Verdict]:
    """Score image files, and the files in folders, in the order given.

    A file that cannot be read gets a verdict that says so, and the rest goes on.

    Raises
    ------
    InputError
        The checkpoint cannot be used.
    """
    detector = load_checkpoint(checkpoint)
    size = RunConfig.from_dict(detector.config).size if detector.config else 128
    verdicts = []
    listed = [file for given in files for file in _listed(given)]
    for file in tqdm(listed, desc="scoring", unit="file", disable=len(listed) < 20, leave=False):
        try:
            image = read_image(file)
        except InputError as error:
            verdicts.append(Verdict(str(file), None, None, "none", str(error)))
            continue
        image, face = crop_face(image, size) if crop else (whole_image(image, size), "not sought")
        score = float(score_images(detector, to_batch([image]))[0])
        named = None
        if detector.threshold is not None:
            named = "live" if score >= detector.threshold else "attack"
        verdicts.append(Verdict(str(file), score, named, face, None))
    return verdicts


def _listed(given: Path) -> list[Path]:
    """Return the file itself, or the files of a folder by name, hidden ones left out."""
    if not given.is_dir():
        return [given]
    found = sorted(p for p in given.iterdir() if not p.is_dir() and not p.name.startswith("."))
    return found or [given]


def render(verdicts: Sequence[Verdict], form: str) -> str:
    """Write verdicts as "table", "csv" or "json"."""
    if form == "json":
        return json.dumps([asdict(v) for v in verdicts], indent=2)
    if form == "csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, [f.name for f in fields(Verdict)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(v) for v in verdicts)
        return text.getvalue().rstrip("\n")
    wide = max(len(_printable(v.file)) for v in verdicts)  # error messages name their file
    lines = []
    for v in verdicts:
        said = f"{_printable(v.file):{wide}}  "
        lines.append(v.error or f"{said}{v.score:.4f}  {v.verdict or '-':6}  face={v.face}")
    return "\n".join(lines)


def _printable(name: str) -> str:
    """Show a file name on one line, whatever characters it holds."""
    return name if name.isprintable() else ascii(name)
