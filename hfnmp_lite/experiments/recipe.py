"""Learn on one thread, then judge: what the table, the search and the regime have in common."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hfnmp_lite.config import Machine, RunConfig
from hfnmp_lite.data.presentations import FACTORS, Presentation
from hfnmp_lite.evaluate import metrics

if TYPE_CHECKING:
    from hfnmp_lite.evaluate.scoring import Scored
    from hfnmp_lite.model.detector import Detector


def learn(
    config: RunConfig,
    training: Sequence[Presentation],
    validation: Sequence[Presentation],
    scratch: str | Path | None = None,
) -> Detector:
    """Learn a detector on one thread of a CPU, so that every row comes of the same arithmetic.

    What it writes meanwhile lies in a folder of its own within `scratch`, by default the system's
    for such; a caller that ends it can clear that away.
    """
    import torch

    from hfnmp_lite.learn.compute import Compute
    from hfnmp_lite.learn.fit import fit

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        compute = Compute(Machine(accelerator="cpu"))
        return fit(config, training, validation, Path(folder), progress=False, compute=compute)


def judge(scored: Sequence[Scored], threshold: float | None) -> dict[str, object]:
    """Turn scores and the source threshold into the figures of metrics.json.

    Figures that looked at the target's own scores for their threshold carry `oracle`. Without a
    threshold the figures that need one are None.
    """
    from hfnmp_lite.evaluate.scoring import as_arrays

    result = metrics.evaluate(**as_arrays(scored), threshold=threshold)
    return {
        "threshold": threshold,
        "hter": result.hter,
        "hter_ci": result.intervals.get("hter"),
        "far": result.far,
        "frr": result.frr,
        "apcer": result.apcer,
        "bpcer": result.bpcer,
        "bpcer_ci": result.intervals.get("bpcer"),
        "acer": result.acer,
        "auc": result.auc,
        "auc_ci": result.intervals["auc"],
        "eer_oracle": result.eer,
        "hter_oracle": result.hter_oracle,
        "bpcer20_oracle": result.bpcer20_oracle,
        "live_accepted_at_apcer1_oracle": result.live_accepted_at_apcer1_oracle,
        "n_presentations": result.n - result.n_failed,
        "n_listed": result.n,
    }


def tally(
    scored: Iterable[Scored], threshold: float, names: Iterable[str | None]
) -> dict[str, list[int]]:
    """Count by the given names: [live rejected, live, attacks accepted, attacks].

    Where there is no score nobody was let in: a live one counts as rejected, an attack does not as
    accepted, as in `evaluate.metrics`. Presentations without a name are left out.
    """
    counts: dict[str, list[int]] = {}
    for s, name in zip(scored, names, strict=True):
        if name is None:
            continue
        count = counts.setdefault(name, [0, 0, 0, 0])
        accepted = s.score >= threshold  # False where there is no score (NaN)
        count[0 if s.live else 2] += int(accepted != s.live)
        count[1 if s.live else 3] += 1
    return counts


def tallies(
    scored: Sequence[Scored], presentations: Sequence[Presentation], threshold: float
) -> dict[str, str]:
    """Return `tally` by subject, and by camera, instrument and light, each as JSON."""
    by_factor = {
        factor: tally(scored, threshold, [getattr(p, factor) for p in presentations])
        for factor in FACTORS
    }
    return {
        "subjects": json.dumps(tally(scored, threshold, [s.subject for s in scored])),
        "devices": json.dumps(by_factor),
    }
