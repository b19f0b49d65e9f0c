"""Arms compared run by run: paired differences of errors, with intervals.

The *gain* of an arm over a baseline is the baseline's HTER less the arm's, in points (hundredths),
at the source threshold: positive where the arm errs less. It is a mean over the seeds that both
have, then over the targets. Its interval is a bootstrap, paired in both respects: within each
target, subjects are drawn with replacement, as many as there are, and seeds, one fewer than there
are; both arms are judged on the same subjects and with the same seeds. It runs from the 2.5th to
the 97.5th percentile of the resampled gain.

Why one seed fewer: n drawn from n spread with (n - 1) / n of the variance that they should, two
thirds at three seeds; n - 1 drawn from n have the right one (McCarthy and Snowden, "The bootstrap
and finite population sampling", 1985). Where subjects and seeds act together no bootstrap is exact;
drawing both overstates that part a little (Owen, "The pigeonhole bootstrap", 2007).

What the intervals do not tell:

- *Three or five seeds are few.* Their spread is itself hardly known, and a percentile knows nothing
  of the longer tails that Student's t would give. Where seeds move the error more than subjects do,
  the interval at two or three seeds is still too short, at five about right (notebook 08 measures
  it). With *one*, only subjects are drawn: the interval is then about these trained networks, not
  about the method, and is marked so.
- The targets are fixed: these domains, not a further one. So are the data: the sources' subjects
  stay (a seed moves only which of them are held out), and so does what the search chose.
- Seeds are drawn in each target by themselves, as if equal seeds before two targets had nothing in
  common; they share their initial weights.
- No correction is made for how many arms are compared. The best of many looks better than it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hfnmp_lite.evaluate.intervals import LEVEL, draw_subjects
from hfnmp_lite.experiments.ablation import arms_of, name_of
from hfnmp_lite.files import InputError

FIGURES = ("hter", "hter_oracle", "auc")
RESAMPLES = 2000
BOTH, ALONE = "subjects and seeds", "subjects alone"  # what an interval is over


@dataclass(frozen=True)
class Table:
    """The runs of a table by arm and target, ready to be compared.

    Attributes
    ----------
    arms, targets : tuple of str
        In the order of the grid; by name.
    seeds : dict
        (arm, target) -> its seeds, ascending; absent where there is no run.
    figures : dict
        (arm, target) -> {"hter", "hter_oracle", "auc": (n_seeds,) float64}.
    wrong : dict
        (arm, target) -> (n_seeds, n_subjects, 2): live rejected, attacks accepted.
    shown : dict
        target -> (n_subjects, 2): live presentations, attacks.
    """

    arms: tuple[str, ...]
    targets: tuple[str, ...]
    seeds: dict[tuple[str, str], tuple[int, ...]]
    figures: dict[tuple[str, str], dict[str, np.ndarray]]
    wrong: dict[tuple[str, str], np.ndarray]
    shown: dict[str, np.ndarray]

    def common(self, arm: str, baseline: str, target: str) -> tuple[int, ...]:
        """Return the seeds that both have."""
        first, second = (self.seeds.get((name, target), ()) for name in (arm, baseline))
        return tuple(s for s in first if s in second)


@dataclass(frozen=True)
class Gain:
    """HTER points that an arm saves against a baseline.

    Attributes
    ----------
    points : float
        The baseline's HTER less the arm's, in points.
    interval : (float, float) or None
        95 %; None where a target has fewer than two subjects.
    over : str
        What the interval is over: `BOTH`, or `ALONE` where a target has one common seed.
    seeds : dict
        target -> number of common seeds.
    """

    points: float
    interval: tuple[float, float] | None
    over: str
    seeds: dict[str, int]

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


def tabulate(rows: Sequence[Mapping[str, str]]) -> Table:
    """Arrange the rows of `ablation.read_rows`; their order does not matter.

    Raises
    ------
    InputError
        No rows; rows on other data or of another preset than the rest; a row whose error is not
        that of its own subjects.
    """
    if not rows:
        raise InputError("the table holds no run yet; run hfnmp ablate without --report first")
    for what, values in (
        ("data", {row["data_sha256"] for row in rows}),
        ("--training presets", {json.loads(row["config"])["preset"] for row in rows}),
    ):
        if len(values) > 1:
            raise InputError(
                f"the table holds runs of {len(values)} different {what}, which no difference may "
                "mix; keep them in files of their own"
            )
    people: dict[str, list[str]] = {}
    shown: dict[str, np.ndarray] = {}
    held: dict[tuple[str, str], dict[int, tuple[Mapping[str, str], np.ndarray]]] = {}
    for row in rows:
        target = row["target"]
        counts, figures = _counts(row)
        names = people.setdefault(target, sorted(counts))
        totals = np.array([counts[n][1::2] for n in sorted(counts)])  # (n_subjects, 2)
        if names != sorted(counts) or not np.array_equal(shown.setdefault(target, totals), totals):
            raise InputError(f"{_name(row)}: was judged on other presentations than the rest")
        wrong = np.array([counts[n][0::2] for n in names])
        again = float((wrong.sum(0) / totals.sum(0)).mean())
        if not abs(again - figures["hter"]) < 1e-9:
            raise InputError(
                f"{_name(row)}: its hter is {figures['hter']}, but the errors of its subjects make "
                f"{again}; remove the row and run again"
            )
        held.setdefault((name_of(row), target), {})[int(row["seed"])] = figures, wrong
    ordered = {cell: sorted(runs.items()) for cell, runs in held.items()}
    return Table(
        arms=_in_order({arm for arm, _ in held}),
        targets=tuple(sorted(people)),
        seeds={cell: tuple(seed for seed, _ in runs) for cell, runs in ordered.items()},
        figures={
            cell: {f: np.array([of[f] for _, (of, _) in runs]) for f in FIGURES}
            for cell, runs in ordered.items()
        },
        wrong={cell: np.stack([w for _, (_, w) in runs]) for cell, runs in ordered.items()},
        shown=shown,
    )


def _counts(row: Mapping[str, str]) -> tuple[dict[str, list[int]], dict[str, float]]:
    """Read a row's errors by subject and its figures, or say that it is damaged."""
    try:
        counts = {n: [int(c) for c in four] for n, four in json.loads(row["subjects"]).items()}
        if not counts or any(len(four) != 4 for four in counts.values()):
            raise ValueError("subjects without their four counts")
        return counts, {f: float(row[f]) for f in FIGURES}
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{_name(row)}: the row is damaged ({error}); remove it") from None


def _name(row: Mapping[str, str]) -> str:
    return f"{name_of(row)}, {row['target']}, seed {row['seed']}"


def _in_order(arms: set[str]) -> tuple[str, ...]:
    known = arms_of("full")
    return (*(a for a in known if a in arms), *sorted(arms - set(known)))


class Draws:
    """Subjects and seeds drawn for a table, once: every arm is judged on the same ones.

    Parameters
    ----------
    table : Table
    resamples, seed : int
        How many draws; of the generator.
    """

    def __init__(self, table: Table, resamples: int = RESAMPLES, seed: int = 0) -> None:
        self._table, self._resamples, self._seed = table, resamples, seed
        self._people: dict[str, np.ndarray] = {}
        self._known: dict[tuple[object, ...], np.ndarray] = {}

    def hter(self, arm: str, target: str, seeds: tuple[int, ...]) -> np.ndarray:
        """HTER in points of an arm's runs with these seeds, in every resample: (resamples,)."""
        asked = arm, target, seeds
        if asked not in self._known:
            self._known[asked] = self._resampled(*asked)
        return self._known[asked]

    def _resampled(self, arm: str, target: str, seeds: tuple[int, ...]) -> np.ndarray:
        shown, at = self._table.shown[target], self._table.targets.index(target)
        if target not in self._people:
            rng = np.random.default_rng([self._seed, 0, at])
            self._people[target] = draw_subjects(rng, len(shown), self._resamples)
        people = self._people[target]  # (resamples, n_subjects)
        place = [self._table.seeds[arm, target].index(s) for s in seeds]
        wrong = self._table.wrong[arm, target][place]  # (n_seeds, n_subjects, 2)
        with np.errstate(invalid="ignore"):
            rates = np.einsum("rp,spk->rsk", people, wrong, optimize=True)
            errors = 100 * (rates / (people @ shown)[:, None]).mean(2)  # (resamples, n_seeds)
        rng = np.random.default_rng([self._seed, 1, at])  # the same for every arm
        drawn = rng.integers(len(seeds), size=(self._resamples, max(1, len(seeds) - 1)))
        return np.take_along_axis(errors, drawn, 1).mean(1)


def gain(
    table: Table, arm: str, baseline: str, targets: Sequence[str], draws: Draws
) -> Gain | None:
    """Compare two arms on targets; None where they have no common seed on one of these."""
    seeds = {t: table.common(arm, baseline, t) for t in targets}
    if not all(seeds.values()):
        return None

    def error(name: str, target: str) -> float:
        place = [table.seeds[name, target].index(s) for s in seeds[target]]
        return 100 * float(table.figures[name, target]["hter"][place].mean())

    # Target by target, so that two equal arms differ by 0 and not by a rounding.
    points = np.mean([error(baseline, t) - error(arm, t) for t in targets])
    resampled = np.mean(
        [draws.hter(baseline, t, seeds[t]) - draws.hter(arm, t, seeds[t]) for t in targets], axis=0
    )
    usable = resampled[~np.isnan(resampled)]  # a class may be absent from a draw of few subjects
    interval = None
    if min(len(table.shown[t]) for t in targets) > 1 and 2 * usable.size >= resampled.size:
        tail = 50 * (1 - LEVEL)
        low, high = np.percentile(usable, [tail, 100 - tail])
        interval = float(low), float(high)
    numbers = {t: len(s) for t, s in seeds.items()}
    return Gain(float(points), interval, BOTH if min(numbers.values()) > 1 else ALONE, numbers)


def say_gain(arm: str, baseline: str, found: Gain | None) -> str:
    """Say in a line what an arm gains over a baseline, and whether it is clear of zero."""
    if found is None:
        return f"{arm} over {baseline}: runs are missing"
    text = f"{arm} over {baseline}: {found.points:+.1f} points"
    if found.interval is None:
        return f"{text}, too few subjects for an interval"
    low, high = found.interval
    word = "clear of zero" if found.clear else "not clear of zero"
    return f"{text} [{low:+.1f}, {high:+.1f}] over {found.over}, {word}"
