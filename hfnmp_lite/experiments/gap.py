"""The domain gap: how well the RGB network does on a domain it saw, and on the same one unseen.

    python -m hfnmp_lite.experiments.gap --out data_samples/results/gap.json

In-domain, the network learns on all four domains and is judged on subjects it never saw, over
`FOLDS` folds of subjects; unseen, it learns on the other three. Checkpoints are chosen on held-out
subjects of what it learns on. Presets, seeds and data are the same; no pattern is compared.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hfnmp_lite.config import PRESETS, RunConfig
from hfnmp_lite.data.presentations import Presentation, split_subjects
from hfnmp_lite.data.protocols import domains_of
from hfnmp_lite.data.workers import pool
from hfnmp_lite.evaluate import metrics
from hfnmp_lite.experiments.run import load_data
from hfnmp_lite.files import InputError
from hfnmp_lite.owned import check_free, write_owned
from hfnmp_lite.provenance import provenance

BY = "hfnmp_lite.experiments.gap"
FOLDS = 4
RESAMPLES = 1000
NOBODY = "(nothing left out)"  # the target's name where every domain is learned from

Score = tuple[str, bool, float]  # subject, live, score


def folds_of(presentations: Sequence[Presentation]) -> list[set[str]]:
    """Deal the subjects of every domain into folds, in turn by name."""
    dealt: list[set[str]] = [set() for _ in range(FOLDS)]
    for domain in domains_of(presentations):
        for i, subject in enumerate(
            sorted({p.subject for p in presentations if p.domain == domain})
        ):
            dealt[i % FOLDS].add(subject)
    return dealt


def learn_and_score(
    learned: Sequence[Presentation], judged: Sequence[Presentation], preset: str, seed: int
) -> dict[str, list[Score]]:
    """Learn the RGB network on some presentations and score others: {domain: scores}."""
    import torch

    from hfnmp_lite.evaluate.scoring import score_presentations
    from hfnmp_lite.learn.fit import fit

    torch.set_num_threads(1)
    config = RunConfig(
        **PRESETS[preset],
        target=NOBODY,
        sources=domains_of(learned),
        pattern="rgb",
        order="joint",
        stages=1,
        seed=seed,
        preset=preset,
    )
    training, validation = split_subjects(learned, config.validation_fraction, seed)
    with tempfile.TemporaryDirectory() as folder:
        detector = fit(config, training, validation, Path(folder), progress=False)
    scores: dict[str, list[Score]] = {}
    for s in score_presentations(detector, judged, config.size):
        scores.setdefault(s.domain, []).append((s.subject, s.live, s.score))
    return scores


def _numbered(number: int, *job: object) -> tuple[int, dict[str, list[Score]]]:
    return number, learn_and_score(*job)


def measure(
    presentations: Sequence[Presentation], preset: str, seed: int, workers: int
) -> dict[str, object]:
    """Measure AUC in-domain and unseen, and their difference, for every domain."""
    domains, folds = domains_of(presentations), folds_of(presentations)
    jobs = [
        (
            [p for p in presentations if p.subject not in f],
            [p for p in presentations if p.subject in f],
        )
        for f in folds
    ] + [
        ([p for p in presentations if p.domain != d], [p for p in presentations if p.domain == d])
        for d in domains
    ]
    numbered = [(i, *job, preset, seed) for i, job in enumerate(jobs)]
    with pool(workers) as submit:
        found = submit(_numbered, numbered)
        done = dict(tqdm(found, desc="runs", total=len(jobs), unit="run"))
    seen = [done[i] for i in range(FOLDS)]
    unseen = [done[i] for i in range(FOLDS, len(jobs))]
    return {
        domain: compare([fold[domain] for fold in seen], unseen[i][domain], seed)
        for i, domain in enumerate(domains)
    }


def compare(
    seen: Sequence[Sequence[Score]], unseen: Sequence[Score], seed: int
) -> dict[str, object]:
    """AUC in-domain (mean over folds), unseen, and the gap, with 95 % intervals over subjects.

    The same subjects are drawn for both figures in every resample: the gap is paired.
    """
    folds = [_by_subject(fold) for fold in seen]
    other = _by_subject(unseen)
    rng = np.random.default_rng(seed)
    found = [_both(folds, other, [sorted(f) for f in folds])]
    for _ in range(RESAMPLES):
        drawn = [list(rng.choice(sorted(f), len(f))) for f in folds]
        found.append(_both(folds, other, drawn))
    values = np.array(found)
    values = np.column_stack([values, values[:, 0] - values[:, 1]])
    low, high = np.percentile(values[1:], [2.5, 97.5], axis=0)
    return {
        name: {
            "value": round(float(values[0, i]), 4),
            "interval": [round(float(low[i]), 4), round(float(high[i]), 4)],
        }
        for i, name in enumerate(("auc_in_domain", "auc_unseen", "gap"))
    }


def _by_subject(scores: Sequence[Score]) -> dict[str, list[Score]]:
    table: dict[str, list[Score]] = {}
    for score in scores:
        table.setdefault(score[0], []).append(score)
    return table


def _both(
    folds: Sequence[dict[str, list[Score]]],
    other: dict[str, list[Score]],
    drawn: Sequence[Sequence[str]],
) -> tuple[float, float]:
    seen = [
        _auc([s for name in names for s in f[name]]) for f, names in zip(folds, drawn, strict=True)
    ]
    return float(np.mean(seen)), _auc([s for names in drawn for n in names for s in other[n]])


def _auc(scores: Sequence[Score]) -> float:
    return metrics.auc([s for _, _, s in scores], [live for _, live, _ in scores])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the result with its provenance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--manifest", type=Path, help="default: the shipped samples")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", choices=PRESETS, default="classroom")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(arguments)
    check_free([given.out], BY)
    presentations = load_data(given.manifest)
    result = {
        "what": "AUC of the RGB network by presentation, simulated data, 95 % intervals by subject",
        "domains": measure(presentations, given.preset, given.seed, given.workers),
        "command": shlex.join(
            ["python", "-m", "hfnmp_lite.experiments.gap", *(arguments or sys.argv[1:])]
        ),
        "seed": given.seed,
        **provenance(),
    }
    write_owned(given.out, json.dumps(result, indent=2) + "\n", BY)
    for domain, found in result["domains"].items():
        print(f"{domain:10}", *(f"{k} {v['value']:.3f} {v['interval']}" for k, v in found.items()))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        print(f"gap: {error}", file=sys.stderr)
        sys.exit(2)
