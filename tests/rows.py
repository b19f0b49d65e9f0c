"""Rows of an ablation table, made up: what `ablate` would write, without learning anything."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from hfnmp_lite.config import make_config
from hfnmp_lite.experiments.ablation import COLUMNS, FACTORS

DOMAINS = ("handheld", "mixed", "phone", "webcam")
ARMS = {
    "rgb": {"pattern": "rgb"},
    "identity": {"pattern": "identity"},
    "lbp": {"pattern": "lbp"},
    "random": {"pattern": "random"},
    "mp joint 1": {"pattern": "mp", "order": "joint", "stages": 1},
    "mp alternating 2": {"pattern": "mp"},
}
GOOD = {"lbp": 0.25, "mp alternating 2": 0.15, "rgb": 0.3, "random": 0.25, "identity": 0.3}
ABOUT = {
    "selected_on": "a rule",
    "threshold_rule": "another",
    "seconds": "60.0",
    "peak_memory_mb": "900",
    "threads": "1",
    "data": "made up",
    "data_sha256": "0" * 64,
    "date": "2026-01-01",
    "commit": "1" * 40,
    "versions": '{"python": "3.11"}',
    "hardware": '{"cores": 2}',
    "command": "made up",
}


def row(arm: str, target: str, seed: int, counts: Mapping[str, list[int]], **changes) -> dict:
    """One row as text; `counts` is subject -> [live rejected, live, attacks accepted, attacks]."""
    config = make_config("classroom", target, DOMAINS, seed=seed, **ARMS[arm]).to_dict()
    rejected, live, accepted, attacks = np.sum(list(counts.values()), axis=0)
    made = dict.fromkeys(COLUMNS, "0") | {name: str(config[name]) for name in FACTORS}
    made |= ABOUT | {"target": target, "seed": str(seed), "config": json.dumps(config)}
    made |= {"hter": repr(float((rejected / live + accepted / attacks) / 2))}
    made |= {"hter_oracle": "0.1", "auc": "0.9", "subjects": json.dumps(counts)}
    made |= {
        "devices": json.dumps({"camera": {"one": [int(n) for n in np.sum([*counts.values()], 0)]}})
    }
    return made | changes


def planted(
    errors: Mapping[str, float],
    seeds: int = 3,
    subjects: int = 40,
    targets: tuple[str, ...] = DOMAINS,
    spread: tuple[float, float] = (0.05, 0.1),
    rng: int = 0,
) -> list[dict]:
    """Rows whose expected HTER is `errors[arm]`, moved by seeds and subjects.

    `spread` holds the standard deviation over seeds, which every arm draws by itself, and over
    subjects, which is the same for every arm, as a hard subject is for every detector.
    """
    draw = np.random.default_rng(rng)
    rows = []
    for target in targets:
        hard = spread[1] * draw.standard_normal(subjects)
        for arm, error in errors.items():
            for seed in range(seeds):
                moved = np.clip(error + hard + spread[0] * draw.standard_normal(), 0, 1)
                rejected, accepted = draw.binomial(2, moved), draw.binomial(4, moved)
                counts = {
                    f"{target}-{i:03}": [int(rejected[i]), 2, int(accepted[i]), 4]
                    for i in range(subjects)
                }
                rows.append(row(arm, target, seed, counts))
    return rows


def without(rows: list[dict], **cells: object) -> list[dict]:
    """The rows that do not hold all of these values."""
    return [r for r in rows if any(str(r[k]) != str(v) for k, v in cells.items())]
