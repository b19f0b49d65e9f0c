"""The search for each pattern's settings, by leaving one source domain out.

    python -m hfnmp_lite.experiments.search --out data_samples/results/search.csv

Every pattern of the main arms has three `CANDIDATES`; the others keep the preset as it is. A
candidate learns on each pair of domains and is judged on both others. For a target that is not in a
pair, the judgement on the fourth domain, a source of that target, is its leave-one-source-out
error: three for every target, none of which has seen the target. `recipes` gives every pattern and
target the candidate with the lowest mean.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from hfnmp_lite.config import PRESETS, RunConfig, make_config
from hfnmp_lite.data.protocols import domains_of
from hfnmp_lite.data.samples import root
from hfnmp_lite.experiments.ablation import (
    data_identity,
    read_rows,
    run_all,
    still_to_do,
    write_rows,
)
from hfnmp_lite.experiments.run import load_data
from hfnmp_lite.files import InputError, exclusive
from hfnmp_lite.provenance import provenance

Changes = dict[str, object]
CANDIDATES: dict[str, tuple[Changes, ...]] = {
    "rgb": ({}, {"network_lr": 3e-3}, {"network_lr": 5e-4}),
    "random": ({}, {"network_lr": 3e-3}, {"network_lr": 5e-4}),
    "lbp": ({}, {"network_lr": 3e-3}, {"lbp_method": "uniform"}),
    # what the method leaves open: what an episode is, where stage two starts, E's steps and rate
    "mp": (
        {},
        {"episodes": "camera", "second_start": "first"},
        {"extractor_lr": 3e-3, "extractor_iterations": 240},
    ),
}
TRIALS = 3  # a target's sources, each left out once


def trials(domains: Sequence[str], training: str = "classroom") -> list[RunConfig]:
    """Every candidate on every pair of domains; the target named is the first of the others."""
    configs = []
    for pattern, candidates in CANDIDATES.items():
        for changes in candidates:
            for pair in itertools.combinations(domains, 2):
                target = next(d for d in domains if d not in pair)
                configs.append(make_config(training, target, (*pair, target), pattern, **changes))
    return configs


def recipes(rows: Sequence[Mapping[str, str]]) -> dict[tuple[str, str], Changes]:
    """Give every pattern and target the candidate of the lowest leave-one-source-out HTER.

    A target's errors are those on its sources, from runs that learned on two other sources of it;
    the target itself is in none. Ties go to the earlier candidate, and a pattern whose trials are
    not all there keeps the preset as it is.
    """
    configs = [json.loads(row["config"]) for row in rows]
    domains = {row["target"] for row in rows} | {d for c in configs for d in c["sources"]}
    chosen = {}
    for pattern, candidates in CANDIDATES.items():
        usual = asdict(_USUAL)
        for target in sorted(domains):
            means, counts = [], set()
            for changes in candidates:
                wanted = {**usual, "pattern": pattern, **changes}
                errors = [
                    float(row["hter"])
                    for row, config in zip(rows, configs, strict=True)
                    if target not in (row["target"], *config["sources"])
                    and all(config[k] == wanted[k] for k in ("pattern", *_varied(pattern)))
                ]
                means.append(np.mean(errors) if errors else np.inf)
                counts.add(len(errors))
            complete = counts == {TRIALS}
            chosen[pattern, target] = candidates[int(np.argmin(means)) if complete else 0]
    return chosen


def _varied(pattern: str) -> set[str]:
    return {name for changes in CANDIDATES[pattern] for name in changes}


def shipped_recipes() -> dict[tuple[str, str], Changes]:
    """Return what the shipped search found."""
    return recipes(read_search(_shipped()))


def recipes_for(training: str, domains: Sequence[str]) -> dict[tuple[str, str], Changes] | None:
    """Return what the shipped search found where it speaks of these domains and this preset."""
    if training != "classroom" or not _shipped().is_file():
        return None
    found = shipped_recipes()
    return found if {target for _, target in found} == set(domains) else None


def _shipped() -> Path:
    return root() / "results" / "search.csv"


def read_search(path: Path) -> list[dict[str, str]]:
    """Read the search's log; a run stands there once for each pair and domain it was judged on."""
    return read_rows(path, key=_key)


def _key(config: Mapping[str, object]) -> tuple[str, ...]:
    fields = (name for name in asdict(_USUAL) if name != "sources")
    return (str(list(config["sources"])), *(str(config[name]) for name in fields))


_USUAL = make_config("classroom", "-", ("-", "+", "*"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the trials that the log does not hold yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, help="default: the shipped samples")
    parser.add_argument("--training", choices=PRESETS, default="classroom")
    parser.add_argument("--workers", type=int)
    given = parser.parse_args(arguments)
    domains = domains_of(load_data(given.manifest))
    configs = trials(domains, given.training)
    data = data_identity(given.manifest)
    command = ["python", "-m", "hfnmp_lite.experiments.search", *(arguments or sys.argv[1:])]
    about = {k: v if isinstance(v, str) else json.dumps(v) for k, v in provenance().items()}
    about |= {**data, "command": shlex.join(command)}
    with exclusive(given.out):
        rows = read_search(given.out) if given.out.exists() else []
        waiting = still_to_do(configs, rows, data, given.out, key=_key)
        jobs = [(c, given.manifest, _others(c, domains)) for c in waiting]
        problems: list[str] = []

        def keep(done: list[dict[str, object]]) -> None:
            rows.extend({**about, **row} for row in done)
            write_rows(given.out, rows)

        run_all(jobs, given.workers, keep, problems, done=len(configs) - len(waiting))
    for (pattern, target), changes in recipes(rows).items():
        print(f"{pattern:10} {target:10} {changes or 'the preset as it is'}")


def _others(config: RunConfig, domains: Sequence[str]) -> tuple[str, ...]:
    return tuple(d for d in domains if d not in config.sources)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        print(f"search: {error}", file=sys.stderr)
        sys.exit(2)
