"""How hard the benchmark is at home and abroad, beside what published systems show on real data.

    python -m hfnmp_lite.experiments.regime --out data_samples/results/regime.json

Measures every row of `WANTED`: simple statistics of colour and texture (`simple_statistics`), the
plain RGB network, and the null medium. These rows, which come from published figures on real data,
are the only grounds on which a parameter of the data may change; no pattern is compared. Network
rows are means over `SEEDS` and over two builds, the shipped one and one of another seed. *Home* is
of source subjects that chose neither checkpoint nor threshold. Finished runs lie in a folder beside
the result, and the same command goes on. Needs scikit-learn.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hfnmp_lite.config import PRESETS, RunConfig
from hfnmp_lite.data.loaders import load_frame
from hfnmp_lite.data.presentations import Presentation, read_manifest, split_subjects
from hfnmp_lite.data.protocols import domains_of
from hfnmp_lite.data.samples import build, root
from hfnmp_lite.data.workers import default_count, pool
from hfnmp_lite.evaluate import metrics
from hfnmp_lite.experiments import null_medium, simple_statistics
from hfnmp_lite.experiments.null_medium import FIRST_SUBJECT
from hfnmp_lite.experiments.recipe import learn
from hfnmp_lite.files import InputError
from hfnmp_lite.jobs import do_all
from hfnmp_lite.owned import check_free, write_owned
from hfnmp_lite.provenance import provenance
from hfnmp_lite.simulate.inventory import inventory_of

BY = "hfnmp_lite.experiments.regime"
SEEDS = 3
OTHER_BUILD = 2028  # seed of the second build: other people, prints, screens and takes
TEST_SHARE, VALIDATION_SHARE = 0.20, 0.25  # of all subjects; of the rest: 60 / 20 / 20
PAIRS = 60  # people in each domain, of the null medium
NOBODY = "(nothing left out)"  # the target's name while a network learns

# measure: (lowest, highest) wanted, and what published figures on real data it comes from
WANTED: dict[str, tuple[float, float, str]] = {
    "statistics alone, worst EER": (3, 15, "4.1 to 4.9 colour, blur, specular; 13.8 to 21.4 LBP"),
    "statistics alone, best EER": (3, 15, "4.1 to 4.9 colour, blur, specular; 13.8 to 21.4 LBP"),
    "statistics alone, mean EER": (3, 12, "as above"),
    "statistics pooled, EER": (10, 20, "15.3 (three sets pooled); 19.7 grey LBP"),
    "statistics unseen, mean AUC": (0.0, 0.78, "HTER 30.3, 37.7 across two sets"),
    "statistics unseen, lowest AUC": (0.0, 0.62, "as above"),
    "network over statistics unseen, mean AUC": (0.07, 1.0, "as above"),
    "network home, HTER": (0, 5, "1.57 (SSDG-R, pooled)"),
    "network home, AUC": (0.985, 1.0, "0.998 (SSDG-R, pooled)"),
    "network unseen, worst HTER": (8, 28, "24.3 (SSDG-R), 22.6 (RFM), source threshold"),
    "network unseen, best HTER": (8, 28, "11.2 (SSDG-R), 10.2 (RFM), source threshold"),
    "network unseen, mean HTER": (12, 22, "16.7 (SSDG-R), 17.7 (RFM), source threshold"),
    "network unseen, lowest AUC": (0.83, 0.98, "0.887 (SSDG-R)"),
    "network unseen, highest AUC": (0.83, 0.98, "0.947 (SSDG-R)"),
    "threshold's cost, HTER": (0, 9, "5.5 (SSDG-R; epoch and threshold by the target)"),
    "one source, mean HTER": (25, 40, "30.3 and 37.7 (colour texture across two sets)"),
    "null medium, AUC": (0.0, 0.55, "by construction"),
}  # fmt: skip


def statistics_rows(presentations: Sequence[Presentation]) -> dict[str, object]:
    """Measure what simple statistics tell: each domain alone, all pooled, one left out."""
    frames = [(p, path) for p in presentations for path in p.frames]
    x = np.stack([simple_statistics.features(load_frame(path, 128)) for _, path in frames])
    live = np.array([p.live for p, _ in frames])
    domain = np.array([p.domain for p, _ in frames])
    subject = np.array([p.subject for p, _ in frames])
    ids = np.array([p.id for p, _ in frames])
    alone, unseen = {}, {}
    for d in domains_of(presentations):
        here = domain == d
        scores = simple_statistics.cross_validated(x[here], live[here], subject[here])
        alone[d] = _eer(scores, live[here], ids[here])
        scores = simple_statistics.decide(x[~here], live[~here], x[here])
        unseen[d] = float(metrics.auc(*_by_presentation(scores, live[here], ids[here])))
    scores = simple_statistics.cross_validated(x, live, subject)
    return {"alone_eer": alone, "unseen_auc": unseen, "pooled_eer": _eer(scores, live, ids)}


def _by_presentation(
    scores: np.ndarray, live: np.ndarray, ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean score and label of each presentation."""
    _, first, number = np.unique(ids, return_index=True, return_inverse=True)
    return np.bincount(number, scores) / np.bincount(number), live[first]


def _eer(scores: np.ndarray, live: np.ndarray, ids: np.ndarray) -> float:
    scores, live = _by_presentation(scores, live, ids)
    return 100 * float(metrics.hter(scores, live, metrics.eer_threshold(scores, live)))


def network_job(job: Mapping[str, object]) -> dict[str, object]:
    """Learn the RGB network on some domains; judge it at home and on every other domain.

    Parameters
    ----------
    job : mapping
        "_manifest", "sources", "seed", "preset"; what else is there tells jobs apart.
    """
    from hfnmp_lite.evaluate.scoring import as_arrays, score_presentations

    sources, seed = tuple(job["sources"]), int(job["seed"])
    presentations = read_manifest(str(job["_manifest"]))
    of_sources = [p for p in presentations if p.domain in sources]
    rest, home = split_subjects(of_sources, TEST_SHARE, seed)
    config = RunConfig(
        **PRESETS[str(job["preset"])],
        target=NOBODY,
        sources=sources,
        pattern="rgb",
        order="joint",
        stages=1,
        seed=seed,
        preset=str(job["preset"]),
    )
    detector = learn(config, *split_subjects(rest, VALIDATION_SHARE, seed))

    def figures(judged: Sequence[Presentation]) -> dict[str, float]:
        scored = as_arrays(score_presentations(detector, judged, config.size))
        result = metrics.evaluate(scored["scores"], scored["live"], threshold=detector.threshold)
        values = {"hter": 100 * result.hter, "oracle": 100 * result.hter_oracle, "auc": result.auc}
        return {name: round(float(value), 4) for name, value in values.items()}

    others = [d for d in domains_of(presentations) if d not in sources]
    unseen = {d: figures([p for p in presentations if p.domain == d]) for d in others}
    return {"home": figures(home), "unseen": unseen}


def summarise(
    statistics: Mapping[str, object],
    leave_one_out: Sequence[Mapping],
    one_source: Sequence[Mapping],
    null: Mapping[str, float],
) -> dict[str, object]:
    """Turn what was measured into the rows of `WANTED` and the figures by domain."""
    unseen: dict[str, list[Mapping[str, float]]] = {}
    for result in leave_one_out:
        for domain, values in result["unseen"].items():
            unseen.setdefault(domain, []).append(values)

    def mean(of: Sequence[Mapping[str, float]], name: str) -> float:
        return float(np.mean([values[name] for values in of]))

    hter = {d: mean(of, "hter") for d, of in unseen.items()}
    auc = {d: mean(of, "auc") for d, of in unseen.items()}
    cost = [mean(of, "hter") - mean(of, "oracle") for of in unseen.values()]
    home = [result["home"] for result in leave_one_out]
    alone, apart = statistics["alone_eer"].values(), statistics["unseen_auc"].values()
    away = [v["hter"] for result in one_source for v in result["unseen"].values()]
    values = {
        "statistics alone, worst EER": max(alone),
        "statistics alone, best EER": min(alone),
        "statistics alone, mean EER": float(np.mean(list(alone))),
        "statistics pooled, EER": statistics["pooled_eer"],
        "statistics unseen, mean AUC": float(np.mean(list(apart))),
        "statistics unseen, lowest AUC": min(apart),
        "network over statistics unseen, mean AUC": float(
            np.mean(list(auc.values())) - np.mean(list(apart))
        ),
        "network home, HTER": mean(home, "hter"),
        "network home, AUC": mean(home, "auc"),
        "network unseen, worst HTER": max(hter.values()),
        "network unseen, best HTER": min(hter.values()),
        "network unseen, mean HTER": float(np.mean(list(hter.values()))),
        "network unseen, lowest AUC": min(auc.values()),
        "network unseen, highest AUC": max(auc.values()),
        "threshold's cost, HTER": float(np.mean(cost)),
        "one source, mean HTER": float(np.mean(away)) if away else None,
        "null medium, AUC": null["null"],
    }
    rows = []
    for name, (low, high, published) in WANTED.items():
        value = values[name]
        inside = None if value is None else low <= value <= high
        value = None if value is None else round(value, 4)
        rows.append(
            {"measure": name, "value": value, "wanted": [low, high], "inside": inside}
            | {"published": published}
        )
    return {
        "rows": rows,
        "by_domain": {
            d: {"hter": hter[d], "auc": auc[d], "oracle": mean(unseen[d], "oracle")}
            | {"statistics_alone_eer": statistics["alone_eer"][d]}
            | {"statistics_unseen_auc": statistics["unseen_auc"][d]}
            for d in unseen
        },
        "null_medium": dict(null),
    }


def render(result: Mapping[str, object]) -> str:
    """Return the rows as a markdown table."""
    lines = ["| measure | here (simulated) | wanted | real data, published |", "|---|---|---|---|"]
    for row in result["rows"]:
        low, high = row["wanted"]
        value = "not yet" if row["value"] is None else f"{row['value']:.3g}"
        mark = "" if row["inside"] in (True, None) else " **(outside)**"
        lines.append(
            f"| {row['measure']} | {value}{mark} | {low:g} to {high:g} | {row['published']} |"
        )
    return "\n".join(lines)


def network_jobs(
    manifests: Sequence[Path], domains: Sequence[str], seeds: int, preset: str, one_source: bool
) -> list[dict[str, object]]:
    """Return what `network_job` is to do: each domain left out, then each alone, seed by seed."""
    of_three = [[d for d in domains if d != target] for target in domains]
    of_one = [[d] for d in domains] if one_source else []
    settings = RunConfig("-", ("+",), "rgb", "joint", 1, **PRESETS[preset]).to_dict()
    return [
        {"_manifest": str(manifest), "sources": sources, "seed": seed, "preset": preset}
        | {"sha256": hashlib.sha256(manifest.read_bytes()).hexdigest(), "settings": settings}
        for seed in range(seeds)
        for manifest in manifests
        for sources in (*of_three, *of_one)
    ]


def measure_null(domains: Sequence[str], inventory: str, workers: int) -> dict[str, float]:
    """Render `PAIRS` new people of each domain and tell what can be told apart."""
    pairs = [
        ({"inventory": inventory, "domain": d, "seed": 0, "subject": FIRST_SUBJECT + i},)
        for d in domains
        for i in range(PAIRS)
    ]
    with pool(workers) as submit:
        found = submit(null_medium.pair_features, pairs)
        vectors = list(tqdm(found, desc="null medium", total=len(pairs), unit="person"))
    return null_medium.separability(sorted(vectors, key=lambda v: v["live"]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the table with its provenance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, help="default: the shipped samples")
    parser.add_argument("--inventory", default="shipped", help="of the manifest, as it was built")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--one-build", action="store_true", help="leave the second build out")
    parser.add_argument("--no-one-source", action="store_true", help="leave that row out")
    parser.add_argument("--preset", choices=PRESETS, default="classroom")
    parser.add_argument("--workers", type=int, default=default_count())
    given = parser.parse_args(arguments)
    check_free([given.out], BY)
    manifests = [given.manifest or root() / "manifest.csv"]
    if not given.one_build:
        other = Path("runs") / f"regime-{given.inventory}-{OTHER_BUILD}"
        if not (other / "manifest.csv").is_file():
            build(other, OTHER_BUILD, given.inventory)
        manifests.append(other / "manifest.csv")
    domains = list(inventory_of(given.inventory))
    null = measure_null(domains, given.inventory, given.workers)
    jobs = network_jobs(manifests, domains, given.seeds, given.preset, not given.no_one_source)
    results = do_all(network_job, jobs, given.out.with_suffix(""), given.workers, "networks")
    network = [(len(job["sources"]), result) for job, result in zip(jobs, results, strict=True)]
    result = summarise(
        statistics_rows(read_manifest(manifests[0])),
        [r for n, r in network if n > 1],
        [r for n, r in network if n == 1],
        null,
    )
    command = ["python", "-m", "hfnmp_lite.experiments.regime", *(arguments or sys.argv[1:])]
    about = {
        "what": "the benchmark's regime, simulated data; HTER and EER in %, AUC by presentation",
        "seed": given.seeds,
        "builds": len(manifests),
        "command": shlex.join(command),
        **provenance(),
    }
    write_owned(given.out, json.dumps(result | about, indent=1) + "\n", BY)
    print(render(result))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        print(f"regime: {error}", file=sys.stderr)
        sys.exit(2)
