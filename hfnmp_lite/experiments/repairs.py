"""When a repair helps and when it harms: shares of attacks, and how many pictures it needs.

    python -m hfnmp_lite.experiments.repairs --out data_samples/results/repairs.json \
        data_samples/checkpoints/mp-webcam.safetensors

The unlabelled pictures of a new camera hold an unknown share of attacks, which the quantile takes
to be that of the sources, and the statistics of batch norms likewise. So each detector is repaired
with pictures of which 10 to 90 % are attacks, as many at every share, and with few and many
pictures at the target's own share. Half of the target's subjects are adapted to, all
presentations of the other half judged, then the halves change places; means over `DRAWS` draws.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from hfnmp_lite.config import RunConfig
from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.experiments.run import load_data, protocol_of
from hfnmp_lite.files import InputError
from hfnmp_lite.owned import check_free, write_owned
from hfnmp_lite.provenance import provenance

if TYPE_CHECKING:
    from hfnmp_lite.model.detector import Detector

BY = "hfnmp_lite.experiments.repairs"
SHARES = (0.10, 0.33, 0.50, 0.67, 0.90)
NUMBERS = (6, 12, 24, 48, 96, 192)  # presentations adapted to
DRAWS = 3


def draw(
    presentations: Sequence[Presentation], number: int, share: float, seed: int
) -> list[Presentation]:
    """Draw presentations of which a share are attacks, at least one of each class.

    Raises
    ------
    InputError
        There are not as many of a class.
    """
    attacks = min(max(round(number * share), 1), number - 1)
    rng = np.random.default_rng(seed)
    drawn = []
    for live, wanted in ((True, number - attacks), (False, attacks)):
        of = [p for p in presentations if p.live is live]
        if len(of) < wanted:
            name = "live presentations" if live else "attacks"
            raise InputError(f"{wanted} {name} are to be drawn, and there are {len(of)}")
        drawn += [of[i] for i in rng.permutation(len(of))[:wanted]]
    return drawn


def largest_number(presentations: Sequence[Presentation]) -> int:
    """Return how many presentations can be drawn at every one of `SHARES`."""
    live = sum(p.live for p in presentations)
    attacks = len(presentations) - live
    return int(min(*(live / (1 - s) for s in SHARES), *(attacks / s for s in SHARES)))


def measure(
    detector: Detector, target: Sequence[Presentation], progress: bool = True
) -> dict[str, object]:
    """Repair a detector at each share and with each number; HTER in [0, 1].

    Returns
    -------
    dict
        "hter" unrepaired; "shares" and "numbers": records of "share", "number" and the figures of
        `evaluate.adapt.repaired`, means over draws.
    """
    from hfnmp_lite.evaluate.adapt import halves, repaired
    from hfnmp_lite.evaluate.scoring import as_arrays, score_presentations
    from hfnmp_lite.experiments.recipe import judge

    size = RunConfig.from_dict(detector.config).size
    scored = score_presentations(detector, target, size)
    labels = as_arrays(scored)["live"]
    own_share = float(1 - labels.mean())
    parts = halves(target)
    number = min(map(largest_number, parts))
    most = min(map(len, parts))
    cells = {
        "shares": [(share, number) for share in SHARES],
        "numbers": [(own_share, n) for n in NUMBERS if n <= most],
    }
    result: dict[str, object] = {"hter": judge(scored, detector.threshold)["hter"]}
    total = DRAWS * sum(map(len, cells.values()))
    with tqdm(total=total, unit="repair", disable=not progress) as bar:
        for name, wanted in cells.items():
            result[name] = []
            for share, count in wanted:
                figures = []
                for seed in range(DRAWS):
                    choose = partial(draw, number=count, share=share, seed=seed)
                    figures.append(repaired(detector, target, scored, size, choose))
                    bar.update()
                means = {k: _mean([f[k] for f in figures]) for k in figures[0]}
                result[name].append({"share": share, "number": count, **means})
    return result


def _mean(values: Sequence[float | None]) -> float | None:
    return None if None in values else float(np.mean(values))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each checkpoint before its own unseen domain; write figures with their provenance."""
    from hfnmp_lite.model.checkpoint import load_checkpoint

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", type=Path, nargs="+", metavar="CHECKPOINT")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, help="default: the shipped samples")
    given = parser.parse_intermixed_args(arguments)
    check_free([given.out], BY)
    detectors = {file.stem: load_checkpoint(file) for file in given.checkpoints}
    presentations = load_data(given.manifest)
    results = {}
    for name, detector in detectors.items():
        print(name, file=sys.stderr)
        target = protocol_of(RunConfig.from_dict(detector.config), presentations).target
        results[name] = measure(detector, target)
    command = ["python", "-m", "hfnmp_lite.experiments.repairs", *(arguments or sys.argv[1:])]
    about = {
        "what": "HTER of repaired detectors by share of attacks and number of pictures, simulated",
        "seed": list(range(DRAWS)),
        "command": shlex.join(command),
        **provenance(),
    }
    write_owned(given.out, json.dumps({"networks": results} | about, indent=1) + "\n", BY)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        print(f"repairs: {error}", file=sys.stderr)
        sys.exit(2)
