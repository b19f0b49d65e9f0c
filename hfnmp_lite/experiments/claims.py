"""What the claims rest on: the main arms on data sets whose devices a seed drew.

    python -m hfnmp_lite.experiments.claims

Every inventory of `ablation.CLAIMS` gives four targets, on which nothing was tuned. A target's gain
is one draw from the data sets that the simulator can make; the interval is Student's over these
draws, so that people, training runs and data sets all have their part in it. Targets of one
inventory share sources, which the interval does not know. The shipped domains are never pooled in,
and nothing is decided before every inventory was run.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hfnmp_lite.data.samples import root
from hfnmp_lite.experiments.ablation import CLAIMS, read_rows
from hfnmp_lite.experiments.paired import (
    NARROW,
    Interval,
    Table,
    decide,
    mean_interval,
    tabulate,
)
from hfnmp_lite.experiments.run import SHIPPED
from hfnmp_lite.experiments.summary import GOAL_ARM, GOALS
from hfnmp_lite.files import InputError

TARGETS = 4 * len(CLAIMS)  # every data set of an inventory is left out once


@dataclass(frozen=True)
class Claim:
    """A gain over the targets of drawn inventories.

    Attributes
    ----------
    baseline : str
        What `summary.GOAL_ARM` is compared with.
    by_target : dict
        (inventory, target) -> points saved there.
    points : float
        Their mean.
    interval, narrow : (float, float) or None
        95 % and 90 %; None with fewer than two targets.
    between : float or None
        Share in [0, 1] of the spread of `by_target` that other people would not remove: it lies
        between targets and training runs.
    """

    baseline: str
    by_target: dict[tuple[str, str], float]
    points: float
    interval: Interval | None
    narrow: Interval | None
    between: float | None

    @property
    def verdict(self) -> str:
        """One of `paired.DIFFERENCE`, `NO_DIFFERENCE`, `UNDECIDED`."""
        return decide(self.interval, self.narrow)


def claim(tables: Mapping[str, Table], baseline: str) -> Claim | None:
    """Compare `GOAL_ARM` with a baseline wherever both ran; None where they never did.

    Parameters
    ----------
    tables : mapping
        Inventory -> its table of runs.
    """
    gains: dict[tuple[str, str], np.ndarray] = {}  # of every subject, mean over the common seeds
    for inventory, table in tables.items():
        for target in table.targets:
            if seeds := table.common(GOAL_ARM, baseline, target):
                apart = [table.errors(arm, target, seeds).mean(0) for arm in (baseline, GOAL_ARM)]
                gains[inventory, target] = apart[0] - apart[1]
    if not gains:
        return None
    values = np.array([gain.mean() for gain in gains.values()])
    between = None
    if len(values) > 1 and values.var() > 0:
        within = np.mean([gain.var(ddof=1) / len(gain) for gain in gains.values()])
        between = float(max(0.0, 1 - within / values.var(ddof=1)))
    return Claim(
        baseline,
        dict(zip(gains, values.tolist(), strict=True)),
        float(values.mean()),
        mean_interval([values[None]]),  # of a single row: Student's, over its columns
        mean_interval([values[None]], NARROW),
        between,
    )


def read_claims(folder: Path) -> dict[str, Table]:
    """Read what `ablate` wrote of the inventories; those not run yet are absent.

    Raises
    ------
    InputError
        A table is damaged or of the shipped samples, or two are of the same data.
    """
    tables: dict[str, Table] = {}
    seen: dict[str, Path] = {}
    for inventory in CLAIMS:
        file = folder / f"claims-{inventory}.csv"
        if not file.is_file():
            continue
        rows = read_rows(file)
        tables[inventory] = tabulate(rows)
        if rows[0]["data"] == SHIPPED:
            raise InputError(
                f"{file} holds runs on the shipped samples; expected a drawn inventory"
            )
        other = seen.setdefault(rows[0]["data_sha256"], file)
        if other != file:
            raise InputError(f"{file} and {other} are of the same data; expected two inventories")
    return tables


def say_claims(tables: Mapping[str, Table], baselines: Sequence[str] = tuple(GOALS)) -> list[str]:
    """Say in a line for each baseline what the drawn inventories decide."""
    if not tables:
        return ["no inventory was run yet: nothing is claimed"]
    lines = []
    for baseline in baselines:
        found = claim(tables, baseline)
        if found is None or found.interval is None:
            lines.append(f"{GOAL_ARM} over {baseline}: runs are missing")
            continue
        low, high = found.interval
        said = found.verdict
        if len(found.by_target) < TARGETS:
            said = f"open, {TARGETS - len(found.by_target)} targets are missing"
        share = "" if found.between is None else f"; {found.between:.0%} of the spread is theirs"
        lines.append(
            f"{GOAL_ARM} over {baseline}: {found.points:+z.1f} points [{low:+.1f}, {high:+.1f}] "
            f"over {len(found.by_target)} targets{share}: {said} (goal {GOALS[baseline]:g})"
        )
    return lines


if __name__ == "__main__":
    try:
        print("\n".join(say_claims(read_claims(root() / "results"))))
    except InputError as error:
        sys.exit(f"claims: {error}")
