"""Arms compared run by run: paired differences of errors, with intervals.

The *gain* of an arm over a baseline is the baseline's HTER less the arm's, in points (hundredths),
at the source threshold: positive where the arm errs less. It is a mean over the subjects and the
seeds that both have, then over the targets. It is paired in both respects: a subject's error with
one arm is subtracted from the same subject's with the other, learned with the same seed.

Before one target the gains form a table of seeds by subjects. Its two-way analysis of variance
tells what seeds move, what subjects move, and what they do together; the three make the variance of
the mean as if other seeds and other people had been drawn. Variances are added up over the
targets. The 95 % interval takes Student's t at Satterthwaite's degrees of freedom ("An approximate
distribution of estimates of variance components", 1946): few where few seeds carry the uncertainty.
A component that comes out negative counts as zero, which makes the interval a little longer.

Why no bootstrap over both: drawing n seeds from n gives (n - 1) / n of their variance, two thirds
at three seeds, and knows nothing of t's longer tails, so that it is too short where seeds move
much; and it counts what seeds and subjects do together three times (Owen, "The pigeonhole
bootstrap", 2007), so that it is too long where that is most of it. Notebook 08 compares them.

A gain is a *difference* where the 95 % interval is clear of zero, *no difference of 3 points* where
the 90 % interval lies within 3 points of zero (two one-sided tests, Schuirmann 1987), and else
*undecided*.

What the intervals do not tell:

- *Three or five seeds are few.* Their spread is itself hardly known, hence the long tails; and t
  trusts that it is roughly normal. Where one training in ten collapses, three seeds mostly miss it,
  and no formula finds what is not there. With *one* seed the interval is over subjects alone: it is
  about these trained networks, not about the method, and is marked so.
- The targets are fixed: these domains, not a further one. So are the data: the sources' subjects
  stay (a seed moves only which of them are held out), and so does what the search chose.
- Seeds of two targets count as having nothing in common; they share their initial weights.
- No correction is made for how many arms are compared. The best of many looks better than it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from hfnmp_lite.evaluate.intervals import LEVEL
from hfnmp_lite.experiments.ablation import arms_of, name_of
from hfnmp_lite.files import InputError

FIGURES = ("hter", "hter_oracle", "auc")
BOTH, ALONE = "subjects and seeds", "subjects alone"  # what an interval is over
ALIKE = 3.0  # points: a gain that surely is smaller is none worth speaking of
NARROW = 0.90  # level of the interval that tells so
DIFFERENCE = "a difference"
NO_DIFFERENCE = f"no difference of {ALIKE:g} points"
UNDECIDED = "undecided"
Interval = tuple[float, float]


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

    def errors(self, arm: str, target: str, seeds: Sequence[int]) -> np.ndarray:
        """Error of every subject in points, (n_seeds, n_subjects); a run's mean is its HTER.

        Where all subjects have as many live presentations and as many attacks, that is the mean of
        a subject's two error rates; elsewhere a subject with more of them weighs more.
        """
        place = [self.seeds[arm, target].index(s) for s in seeds]
        wrong, shown = self.wrong[arm, target][place], self.shown[target]
        rates = wrong.sum(1, keepdims=True) / shown.sum(0)  # (n_seeds, 1, 2)
        return 100 * (rates + (wrong - rates * shown) * len(shown) / shown.sum(0)).mean(2)


@dataclass(frozen=True)
class Gain:
    """HTER points that an arm saves against a baseline.

    Attributes
    ----------
    points : float
        The baseline's HTER less the arm's, in points.
    interval, narrow : (float, float) or None
        95 % and 90 %; None where a target has fewer than two subjects.
    over : str
        What the interval is over: `BOTH`, or `ALONE` where a target has one common seed.
    seeds : dict
        target -> number of common seeds.
    """

    points: float
    interval: Interval | None
    narrow: Interval | None
    over: str
    seeds: dict[str, int]

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return decide(self.interval, self.narrow) == DIFFERENCE

    @property
    def verdict(self) -> str:
        """`DIFFERENCE`, `NO_DIFFERENCE` or `UNDECIDED`; one seed decides nothing of a method."""
        return UNDECIDED if self.over == ALONE else decide(self.interval, self.narrow)


def decide(interval: Interval | None, narrow: Interval | None) -> str:
    """Turn the 95 % and the 90 % interval of a gain, in points, into a verdict."""
    if interval is None or narrow is None:
        return UNDECIDED
    if interval[0] > 0 or interval[1] < 0:
        return DIFFERENCE
    return NO_DIFFERENCE if -ALIKE < narrow[0] <= narrow[1] < ALIKE else UNDECIDED


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


def gain(table: Table, arm: str, baseline: str, targets: Sequence[str]) -> Gain | None:
    """Compare two arms on targets; None where they have no common seed on one of these."""
    seeds = {t: table.common(arm, baseline, t) for t in targets}
    if not all(seeds.values()):
        return None
    gains = [table.errors(baseline, t, s) - table.errors(arm, t, s) for t, s in seeds.items()]
    numbers = {t: len(s) for t, s in seeds.items()}
    over = BOTH if min(numbers.values()) > 1 else ALONE
    points = float(np.mean([g.mean() for g in gains]))
    return Gain(points, mean_interval(gains), mean_interval(gains, NARROW), over, numbers)


def mean_interval(tables: Sequence[np.ndarray], level: float = LEVEL) -> Interval | None:
    """Interval of the mean over tables of each table's mean, see above.

    Parameters
    ----------
    tables : sequence of (n_seeds, n_subjects) ndarray
        Independent of each other; they need not be of one shape. Where one has a single row, only
        its columns count as drawn.
    level : float
        How often the interval is to hold the mean, in (0, 1).

    Returns
    -------
    (float, float) or None
        None where a table has fewer than two columns.
    """
    if min(t.shape[1] for t in tables) < 2:
        return None
    parts = [part for t in tables for part in _variance_parts(t)]
    mean = float(np.mean([t.mean() for t in tables]))
    variance = sum(v for v, _ in parts)
    if variance <= 0:  # no table varies at all
        return mean, mean
    freedom = variance**2 / sum(v**2 / f for v, f in parts)
    reach = stdtrit(freedom, (1 + level) / 2) * np.sqrt(variance) / len(tables)
    return mean - float(reach), mean + float(reach)


def _variance_parts(table: np.ndarray) -> list[tuple[float, int]]:
    """Parts that add up to the variance of a table's mean, each with its degrees of freedom."""
    n_seeds, n_subjects = table.shape
    if n_seeds == 1:
        return [(float(table.var(ddof=1)) / n_subjects, n_subjects - 1)]
    by_seed, by_subject = table.mean(1, keepdims=True), table.mean(0)
    free = n_seeds - 1, n_subjects - 1, (n_seeds - 1) * (n_subjects - 1)
    rest = ((table - by_seed - by_subject + table.mean()) ** 2).sum() / free[2]
    # mean squares, divided by the table's size: what each adds to the variance of the mean
    seeds = float(by_seed.var(ddof=1)) / n_seeds, free[0]
    subjects = float(by_subject.var(ddof=1)) / n_subjects, free[1]
    together = float(rest) / table.size, free[2]
    larger = [part for part in (seeds, subjects) if part[0] > together[0]]
    if len(larger) == 2:  # each of them holds what they do together; it counts once
        return [*larger, (-together[0], together[1])]
    return larger or [together]


def say_gain(arm: str, baseline: str, found: Gain | None) -> str:
    """Say in a line what an arm gains over a baseline, and what that decides."""
    if found is None:
        return f"{arm} over {baseline}: runs are missing"
    text = f"{arm} over {baseline}: {found.points:+z.1f} points"
    if found.interval is None:
        return f"{text}, too few subjects for an interval"
    low, high = found.interval
    return f"{text} [{low:+.1f}, {high:+.1f}] over {found.over}: {found.verdict}"
