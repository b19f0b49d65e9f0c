"""Which factor of a new data set hurts: exchange one at a time, people and scenes kept.

    python -m hfnmp_lite.experiments.shift --out data_samples/results/shift.json

For every target the plain RGB network learns on the other three domains. New people of each of
these are then shown to it in that domain's own way (`nothing`), and again with one factor exchanged
for the target's: its cameras, lights, printers or displays; at last with all four. The takes are
the same to the pose, so that what the network loses is the factor's doing. No real data set can
show this. Finished targets lie in a folder beside the result, and the same command goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hfnmp_lite.config import PRESETS, make_config
from hfnmp_lite.data.presentations import read_manifest
from hfnmp_lite.data.protocols import leave_one_out
from hfnmp_lite.data.samples import root
from hfnmp_lite.data.workers import default_count
from hfnmp_lite.evaluate import metrics
from hfnmp_lite.experiments.recipe import learn
from hfnmp_lite.files import InputError
from hfnmp_lite.jobs import do_all
from hfnmp_lite.owned import check_free, write_owned
from hfnmp_lite.provenance import provenance
from hfnmp_lite.simulate import scene
from hfnmp_lite.simulate.domains import DOMAINS, Domain

BY = "hfnmp_lite.experiments.shift"
FACTORS = ("cameras", "lights", "printers", "displays")
CHANGES = ("nothing", *FACTORS, "all four")
FIRST_SUBJECT = 700_000  # nobody of the benchmark
PEOPLE = 20  # of each source


def changed(source: Domain, target: Domain, change: str) -> Domain:
    """Return the source's domain with one factor of the target's; the people stay the source's."""
    factors = {"nothing": (), "all four": FACTORS}.get(change, (change,))
    return replace(source, **{factor: getattr(target, factor) for factor in factors})


def job_of_target(job: Mapping[str, object]) -> list[dict[str, object]]:
    """Learn without the target, once a seed; score the sources' people under every change.

    Returns
    -------
    list of dict
        For every seed "threshold" and, change by change, "scores" and "live", source after source.
    """
    from hfnmp_lite.data.loaders import to_batch
    from hfnmp_lite.evaluate.scoring import score_images

    target, presentations = str(job["target"]), read_manifest(str(job["_manifest"]))
    detectors = []
    for seed in range(int(job["seeds"])):
        config = make_config(str(job["preset"]), target, tuple(DOMAINS), "rgb", seed=seed)
        protocol = leave_one_out(presentations, target, config.sources, seed=seed)
        detectors.append(learn(config, protocol.training, protocol.validation))
    results: list[dict[str, object]] = [{"threshold": d.threshold} for d in detectors]
    for change in CHANGES:
        images, live = [], []
        for source in config.sources:
            domain = changed(DOMAINS[source], DOMAINS[target], change)
            for person in range(PEOPLE):
                number = FIRST_SUBJECT + person
                drawn = scene.draw_subject_takes(domain, 0, number, presentations=1, frames=1)
                images += [scene.render(takes[0], config.size).image for takes in drawn.values()]
                live += [key.kind is None for key in drawn]
        for detector, result in zip(detectors, results, strict=True):
            scores = [
                score_images(detector, to_batch(images[start : start + 48]))
                for start in range(0, len(images), 48)
            ]
            result[change] = {"scores": np.concatenate(scores).tolist(), "live": live}
    return results


def summarise(results: Mapping[str, Sequence[Mapping]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return target -> change -> mean over seeds of HTER at the source threshold (%), and AUC."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for target, runs in results.items():
        for change in CHANGES:
            hters, aucs = [], []
            for run in runs:
                scores, live = run[change]["scores"], run[change]["live"]
                hters.append(100 * metrics.hter(scores, live, run["threshold"]))
                aucs.append(metrics.auc(scores, live))
            values = {
                "hter": round(float(np.mean(hters)), 2),
                "auc": round(float(np.mean(aucs)), 4),
            }
            table.setdefault(target, {})[change] = values
    return table


def render(result: Mapping[str, Mapping]) -> str:
    """Return the HTER of every target and change as a markdown table."""
    lines = ["| HTER, % | " + " | ".join(CHANGES) + " |", "|---" * (1 + len(CHANGES)) + "|"]
    for target, changes in result["targets"].items():
        cells = [f"{changes[change]['hter']:.1f}" for change in CHANGES]
        lines.append(f"| towards `{target}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the table with its provenance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--preset", choices=PRESETS, default="classroom")
    parser.add_argument("--workers", type=int, default=default_count())
    given = parser.parse_args(arguments)
    check_free([given.out], BY)
    manifest = root() / "manifest.csv"
    jobs = [
        {"target": target, "seeds": given.seeds, "preset": given.preset, "_manifest": str(manifest)}
        | {"people": PEOPLE, "sha256": hashlib.sha256(manifest.read_bytes()).hexdigest()}
        for target in DOMAINS
    ]
    done = do_all(job_of_target, jobs, given.out.with_suffix(""), given.workers, "targets")
    results = dict(zip(DOMAINS, done, strict=True))
    command = ["python", "-m", "hfnmp_lite.experiments.shift", *(arguments or sys.argv[1:])]
    about = {
        "what": "what the RGB network loses by one factor of an unseen domain, simulated data",
        "seed": given.seeds,
        "people": 3 * PEOPLE,
        "command": shlex.join(command),
        **provenance(),
    }
    result = {"targets": summarise(results), **about}
    write_owned(given.out, json.dumps(result, indent=1) + "\n", BY)
    print(render(result))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        print(f"shift: {error}", file=sys.stderr)
        sys.exit(2)
