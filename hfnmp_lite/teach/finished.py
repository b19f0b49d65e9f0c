"""A finished run, read from its folder and checked against itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hfnmp_lite.data.presentations import Presentation, is_simulated
from hfnmp_lite.evaluate import metrics
from hfnmp_lite.evaluate.scoring import COLUMNS, Scored, as_arrays
from hfnmp_lite.experiments.run import SHIPPED, read_metrics
from hfnmp_lite.files import InputError, opened_table
from hfnmp_lite.model.detector import Detector

MAX_TABLE = 2**28  # bytes


@dataclass(frozen=True)
class Run:
    """What a finished run left, read and checked."""

    stored: Mapping[str, object]  # metrics.json
    size: int  # side of the network's input
    log: list[dict[str, str]]
    scored: list[Scored]
    result: metrics.Result  # of `scored`, at the run's threshold
    presentations: dict[str, Presentation]
    detector: Detector

    @property
    def target(self) -> str:
        return str(self.stored["target"])

    @property
    def threshold(self) -> float:
        return self.result.threshold

    @property
    def simulated(self) -> bool:
        """Whether the data are those of the simulator."""
        data = self.stored.get("data")
        return data == SHIPPED or is_simulated(str(data))


def read_run(folder: Path, presentations: Sequence[Presentation], detector: Detector) -> Run:
    """Read a finished run.

    Parameters
    ----------
    folder : Path
        Holds metrics.json, config.json, log.csv and scores.csv.
    presentations : sequence of Presentation
        Its data; the target's are needed.
    detector : Detector
        Its detector.

    Raises
    ------
    InputError
        A file is missing or damaged, the figures contradict the scores, or a scored presentation
        is not among those given.
    """
    stored = read_metrics(folder)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        size = int(config["config"]["size"])
        with opened_table(folder / "log.csv", (), MAX_TABLE) as reader:
            log = list(reader)
        with opened_table(folder / "scores.csv", COLUMNS, MAX_TABLE) as reader:
            scored = [_scored(row) for row in reader]
        threshold, hter = float(stored["threshold"]), float(stored["hter"])
        result = metrics.evaluate(**as_arrays(scored), threshold=threshold)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder}: cannot be reported ({error or type(error).__name__}); expected the "
            "metrics.json, config.json, log.csv and scores.csv of a finished run"
        ) from None
    if abs(result.hter - hter) > 1e-6:
        raise InputError(
            f"{folder}: metrics.json says HTER {hter:.6f} and scores.csv gives {result.hter:.6f}; "
            "expected two files of one run"
        )
    known = {p.id: p for p in presentations}
    missing = [s.presentation for s in scored if s.presentation not in known]
    if missing:
        raise InputError(
            f"{folder}: presentation '{missing[0]}' was scored and is not in the data given "
            f"({len(missing)} such); expected the data of the run"
        )
    return Run(stored, size, log, scored, result, known, detector)


def _scored(row: Mapping[str, str]) -> Scored:
    if set(row) != set(COLUMNS):
        raise ValueError(f"scores.csv has columns {list(row)}, expected {list(COLUMNS)}")
    return Scored(
        presentation=row["presentation"],
        domain=row["domain"],
        subject=row["subject"],
        live=bool(int(row["live"])),
        attack_type=row["attack_type"] or None,
        instrument=row["instrument"] or None,
        n_frames=int(row["n_frames"]),
        score=float(row["score"] or "nan"),
    )
