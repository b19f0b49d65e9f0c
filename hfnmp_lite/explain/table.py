"""Records become a table: means with intervals by subject, and sentences that answer.

One row a number: which `network`, `where` ("known": domains it learned from, "unseen": its target),
which `measure`, by which `method`, about which `cue`. `value` has a 95 % interval `low` to `high`
by bootstrap over subjects (`evaluate.intervals`): presentations of one person are alike. Where a
measure has a level that it reaches by chance, that stands in `chance`, and `above_low` to
`above_high` is the interval of value - chance: the two vary together and are resampled together.

| measure | what | chance |
|---|---|---|
| auc | live against attacks, with "every" cue, "none", or one alone | .5 |
| removal | mean rise of an attack's score when the cue is removed; "every": all at once | 0 |
| removal, response | the same of the response, in standard deviations of it over pictures | 0 |
| share | share of the map's absolute mass inside the cue | the cue's area |
| pointing | how often the largest value lies in the cue (cues under half the picture) | its area |
| correlation | Spearman, attribution inside the cue against the response's change by the cue | \
that of a map without places: the cue's area |
| deletion, insertion | area gained over random orders, as a share of the mean change | 0 |
| infidelity | squared miss of the change when places take the method's own baseline, as a share \
of the mean squared change | 1 |
| sensitivity | largest relative change of the map under noise of two grey levels | |
| randomised heads, deep, all | correlation with the map of a network with weights drawn anew | |
| incompleteness | absolute completeness errors by the absolute changes to be explained | |
| pattern's share | absolute Shapley value of the pattern, by that of both streams | .5 |
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from tqdm import tqdm

from hfnmp_lite.evaluate.intervals import draw_subjects
from hfnmp_lite.explain.measures import HOW_FAR, rank_correlations

Record = Mapping[str, object]
RESAMPLES = 1000
WHERE = ("known", "unseen")


@dataclass(frozen=True)
class Row:
    """A number of the table; see the module's text. NaN where there is none."""

    network: str
    where: str
    measure: str
    method: str
    cue: str
    value: float
    low: float
    high: float
    chance: float
    above_low: float
    above_high: float
    n: int
    subjects: int


COLUMNS = tuple(f.name for f in fields(Row))
Key = tuple[str, str, str]  # measure, method, cue
Statistic = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""How often each of n observations counts, (r, n) -> r values, and what chance would give."""


@dataclass(frozen=True)
class Sample:
    """What one number is made of: who is behind each observation, and the number itself."""

    people: np.ndarray
    statistic: Statistic


def summarise(
    records: Sequence[Record], unseen: Mapping[str, str], seed: int = 0, progress: bool = False
) -> list[Row]:
    """Sum up the records of several networks.

    Parameters
    ----------
    records : sequence of mapping
        From `examine.examine`, each with "network".
    unseen : mapping
        Network -> the domain that it never saw.
    seed : int
        Of the bootstrap.
    """
    rows = []
    for network, target in unseen.items():
        own = [r for r in records if r["network"] == network]
        for where in WHERE:
            here = [r for r in own if (r["domain"] == target) == (where == "unseen")]
            told = f"{network}, {where}"
            for key, sample in _bar(samples_of(here).items(), told, progress):
                rows.append(_row(network, where, *key, sample, seed))
    return rows


def _row(
    network: str, where: str, measure: str, method: str, cue: str, sample: Sample, seed: int
) -> Row:
    (weights,) = _weights([sample.people], seed)
    values, chances = sample.statistic(weights)
    low, high = _interval(values[1:])
    above = _interval(values[1:] - chances[1:])
    told = float(values[0]), low, high, float(chances[0]), *above
    n, subjects = len(sample.people), len(set(sample.people))
    return Row(network, where, measure, method, cue, *told, n, subjects)


def _bar(items: Iterable, told: str, progress: bool) -> Iterable:
    return tqdm(list(items), desc=told, unit="number", leave=False, disable=not progress)


def differences(
    records: Sequence[Record],
    unseen: Mapping[str, str],
    first: str,
    second: str,
    seed: int = 0,
    progress: bool = False,
) -> list[Row]:
    """Every number of one network less the same of another, as rows of "first - second".

    Both saw the same pictures: subjects are drawn for both together. `chance` is 0.
    """
    rows = []
    for where in WHERE:
        here = [
            samples_of(
                [
                    r
                    for r in records
                    if r["network"] == name and (r["domain"] == unseen[name]) == (where == "unseen")
                ]
            )
            for name in (first, second)
        ]
        both = [key for key in here[0] if key in here[1]]
        for key in _bar(both, f"{first} - {second}, {where}", progress):
            one, other = here[0][key], here[1][key]
            a, b = _weights([one.people, other.people], seed)
            value, *found = one.statistic(a)[0] - other.statistic(b)[0]
            low, high = _interval(np.array(found))
            told = float(value), low, high, 0.0, low, high
            counts = len(one.people), len(set(one.people))
            rows.append(Row(f"{first} - {second}", where, *key, *told, *counts))
    return rows


def _weights(people: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    """How often each observation counts, (1 + resamples, n) for each sample: at first, once each.

    Subjects are drawn for all samples together.
    """
    names = np.unique(np.concatenate(people))
    drawn = draw_subjects(np.random.default_rng(seed), len(names), RESAMPLES)
    counts = np.concatenate([np.ones((1, len(names))), drawn])
    return [counts[:, np.searchsorted(names, one)] for one in people]


def _interval(values: np.ndarray) -> tuple[float, float]:
    """2.5th to 97.5th percentile; none where fewer than half of the resamples give a number."""
    usable = values[~np.isnan(values)]
    if 2 * len(usable) < len(values):
        return np.nan, np.nan
    low, high = np.percentile(usable, [2.5, 97.5])
    return float(low), float(high)


# --- what the numbers are made of ---------------------------------------------------------------


def samples_of(records: Sequence[Record]) -> dict[Key, Sample]:
    """Every number that the records of one network in one place can give."""
    found: dict[Key, Sample] = {}
    live = [r for r in records if r["what"] == "live"]
    attacks = [r for r in records if r["what"] == "attack"]
    decoys = [r for r in records if r["what"] == "decoy"]
    if live and attacks:
        found |= _aucs(live, attacks)
    spread = float(np.std([r["response"] for r in live + attacks])) if live + attacks else np.nan
    found |= _removals(attacks, spread)
    found |= {key: s for key, s in _removals(decoys, spread).items() if key[2] == "decoy"}
    found |= _streams([r for r in attacks if "shapley" in r])
    explained = [r for r in attacks if "methods" in r]
    found |= _overlaps([*explained, *(r for r in decoys if "methods" in r)])
    found |= _correlations([*explained, *(r for r in decoys if "methods" in r)])
    found |= _curves(explained)
    found |= _completeness(explained)
    return found


def _aucs(live: Sequence[Record], attacks: Sequence[Record]) -> dict[Key, Sample]:
    cues = sorted({cue for r in attacks for cue in r["alone"]})
    against = {"every": [(r, r["score"]) for r in attacks]}
    against["none"] = [(r, r["bare"]["score"]) for r in attacks]
    for cue in cues:
        shown = [r for r in attacks if cue in r["present"]]
        against[f"{cue} alone"] = [(r, r["alone"][cue]["score"]) for r in shown]
    found = {}
    for name, pairs in against.items():
        if not pairs:
            continue
        people = _people([*live, *(r for r, _ in pairs)])
        scores = np.array([r["score"] for r in live] + [score for _, score in pairs])
        labels = np.arange(len(scores)) < len(live)
        found["auc", "", name] = Sample(people, _auc(scores, labels))
    return found


def _auc(scores: np.ndarray, labels: np.ndarray) -> Statistic:
    """How often a live picture scores higher than an attack; a tie is half a win."""
    live, attack = scores[labels][:, None], scores[~labels]
    wins = (live > attack) + 0.5 * (live == attack)

    def statistic(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        w, v = weights[:, labels], weights[:, ~labels]
        return _divided((w @ wins * v).sum(1), w.sum(1) * v.sum(1)), np.full(len(weights), 0.5)

    return statistic


def _removals(records: Sequence[Record], spread: float) -> dict[Key, Sample]:
    changes: dict[str, list[tuple[Record, Record]]] = {}
    for r in records:
        for cue, after in r["without"].items():
            if cue in r.get("present", r["without"]):
                changes.setdefault(cue, []).append((r, after))
        if "freed" in r:
            changes.setdefault("every", []).append((r, r["freed"]))
    found = {}
    for cue, pairs in changes.items():
        people = _people([r for r, _ in pairs])
        for measure, name, unit in (
            ("removal", "score", 1.0),
            ("removal, response", "response", spread),
        ):
            rise = np.array([after[name] - r[name] for r, after in pairs])
            found[measure, "", cue] = Sample(people, _mean(rise / unit if unit else rise, 0.0))
    return found


def _overlaps(records: Sequence[Record]) -> dict[Key, Sample]:
    gathered: dict[Key, list[tuple[Record, float, float]]] = {}
    for r in records:
        for method, said in r["methods"].items():
            for measure in ("share", "pointing"):
                for cue, value in said[measure].items():
                    key = (measure, method, cue)
                    gathered.setdefault(key, []).append((r, value, r["area"][cue]))
    return {
        key: Sample(_people([r for r, *_ in rows]), _mean(*np.array([row[1:] for row in rows]).T))
        for key, rows in gathered.items()
    }


def _correlations(records: Sequence[Record]) -> dict[Key, Sample]:
    """Evidence inside a cue against what the response loses with it; both positive for live."""
    gathered: dict[Key, list[tuple[Record, float, float, float]]] = {}
    for r in records:
        for method, said in r["methods"].items():
            for cue, evidence in said["evidence"].items():
                if cue not in r.get("present", said["evidence"]):
                    continue
                effect = r["response"] - r["without"][cue]["response"]
                one = (r, evidence, effect, -r["area"][cue])
                gathered.setdefault(("correlation", method, cue), []).append(one)
                if cue != "decoy":
                    gathered.setdefault(("correlation", method, "all cues"), []).append(one)
    return {
        key: Sample(_people([r for r, *_ in rows]), _spearman(np.array([x[1:] for x in rows])))
        for key, rows in gathered.items()
    }


def _spearman(columns: np.ndarray) -> Statistic:
    """Evidence, effect, and the evidence of a map without places, as columns."""
    evidence, effect, blind = columns.T

    def statistic(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        said = rank_correlations(evidence, effect, weights)
        return said, rank_correlations(blind, effect, weights)

    return statistic


def _curves(attacks: Sequence[Record]) -> dict[Key, Sample]:
    found: dict[Key, Sample] = {}
    if not attacks:
        return found
    people = _people(attacks)
    change = np.array([abs(r["unmarked"]["response"] - r["response"]) for r in attacks])
    for method in attacks[0]["methods"]:
        told = [r["methods"][method] for r in attacks]
        gains = {
            "deletion": [
                t["deletion"] - r["random_deletion"] for t, r in zip(told, attacks, strict=True)
            ],
            "insertion": [
                r["random_insertion"] - t["insertion"] for t, r in zip(told, attacks, strict=True)
            ],
        }
        for measure, gain in gains.items():
            found[measure, method, "every"] = Sample(people, _ratio(np.array(gain), change, 0.0))
        missed = np.array([t["infidelity"] for t in told])
        found["infidelity", method, ""] = Sample(people, _mean(missed, 1.0))
        tried = [(r, t) for r, t in zip(attacks, told, strict=True) if "sensitivity" in t]
        if tried:
            few = _people([r for r, _ in tried])
            changed = np.array([t["sensitivity"] for _, t in tried])
            found["sensitivity", method, ""] = Sample(few, _mean(changed))
            for far in HOW_FAR:
                like = np.array([t["randomised"][far] for _, t in tried])
                found[f"randomised {far}", method, ""] = Sample(few, _mean(like))
    return found


def _streams(attacks: Sequence[Record]) -> dict[Key, Sample]:
    if not attacks:
        return {}
    image, pattern = (np.abs([r["shapley"][k] for r in attacks]) for k in ("image", "pattern"))
    share = _ratio(pattern, image + pattern, 0.5)
    return {("pattern's share", "", ""): Sample(_people(attacks), share)}


def _completeness(attacks: Sequence[Record]) -> dict[Key, Sample]:
    found: dict[Key, Sample] = {}
    if not attacks:
        return found
    people = _people(attacks)
    for method in attacks[0]["completeness"]:
        told = [r["completeness"][method] for r in attacks]
        error, whole = (np.abs([t[k] for t in told]) for k in ("error", "explained"))
        found["incompleteness", method, ""] = Sample(people, _ratio(error, whole))
    return found


def _people(records: Iterable[Record]) -> np.ndarray:
    return np.array([r["subject"] for r in records])


def _mean(values: np.ndarray, chance: np.ndarray | float = np.nan) -> Statistic:
    """Weighted mean of the values that are numbers, and of their chance."""
    known = ~np.isnan(values)
    values, chances = values[known], np.broadcast_to(chance, known.shape)[known]

    def statistic(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        w = weights[:, known]
        total = w.sum(1)
        return _divided(w @ values, total), _divided(w @ chances, total)

    return statistic


def _ratio(above: np.ndarray, below: np.ndarray, chance: float = np.nan) -> Statistic:
    def statistic(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _divided(weights @ above, weights @ below), np.full(len(weights), chance)

    return statistic


def _divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


# --- on disk ------------------------------------------------------------------------------------


def write(rows: Iterable[Row]) -> str:
    """Return the table as CSV; numbers with five significant digits, NaN empty."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_said(v) for v in asdict(row).values()])
    return text.getvalue()


def _said(value: object) -> object:
    if not isinstance(value, float):
        return value
    return "" if np.isnan(value) else f"{value:.5g}"


def read(text: str) -> list[Row]:
    """Read a table that `write` made."""
    return [
        Row(*(_read(f.type, raw[f.name]) for f in fields(Row)))
        for raw in csv.DictReader(io.StringIO(text, newline=""))
    ]


def _read(kind: str, said: str) -> object:
    if kind == "float":
        return float(said) if said else np.nan
    return int(said) if kind == "int" else said
