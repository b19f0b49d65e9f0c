"""The shortcut audit: what separates live from attack without looking at a face or an attack cue.

    python -m hfnmp_lite.experiments.audit --data data_samples --out data_samples/results/audit.json

Sections of the result, each with its own function, each run again without touching the others:

- `shortcuts`: logistic regression, in-domain, on colour statistics, border pixels, radial spectrum
  and file size, with the ceilings that the benchmark was to keep.
- `null_medium`: live faces against ideal copies that went the way of an attack. If these can be
  told apart, something other than a medium betrays attacks. Controls show that the same classifier
  does find media.

Needs scikit-learn (`pip install hfnmp-lite[dev]`).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from hfnmp_lite.data import samples, workers
from hfnmp_lite.evaluate import metrics
from hfnmp_lite.files import InputError, write_whole
from hfnmp_lite.provenance import provenance
from hfnmp_lite.simulate import cues, scene
from hfnmp_lite.simulate.domains import DOMAINS

CEILINGS = {"colour": 0.75, "border": 0.75, "spectrum": 0.90, "file_size": 0.75}
NULL_CEILING = 0.55
NULL_FIRST_SUBJECT = 500_000  # nobody of the benchmark
FOLDS = 5
RESAMPLES = 1000


# --- features -----------------------------------------------------------------------------------


def colour_features(image: np.ndarray) -> np.ndarray:
    """Mean, standard deviation and skewness of R, G, B; mean and deviation of Cb and Cr.

    Parameters
    ----------
    image : (h, w, 3) uint8 RGB

    Returns
    -------
    (13,) float64
    """
    x = image.reshape(-1, 3) / 255.0
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    skewness = (((x - mean) / deviation) ** 3).mean(0)
    chroma = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)[..., 1:].reshape(-1, 2) / 255.0
    return np.concatenate([mean, deviation, skewness, chroma.mean(0), chroma.std(0)])


def border_features(image: np.ndarray) -> np.ndarray:
    """Mean RGB of 8 segments on each side of a 4-pixel frame, and each side's deviation.

    Returns
    -------
    (108,) float64
    """
    x = image / 255.0
    sides = [x[:4], x[-4:], x[:, :4].transpose(1, 0, 2), x[:, -4:].transpose(1, 0, 2)]
    parts = []
    for side in sides:  # (4, w, 3)
        parts += [segment.mean((0, 1)) for segment in np.array_split(side, 8, axis=1)]
        parts.append(side.std((0, 1)))
    return np.concatenate(parts)


def spectrum_features(image: np.ndarray, bins: int = 24) -> np.ndarray:
    """Logarithm of the grey image's power in rings of equal width, up to the Nyquist frequency.

    Returns
    -------
    (bins,) float64
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) / 255.0
    h, w = grey.shape
    window = np.hanning(h)[:, None] * np.hanning(w)[None, :]
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2
    radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None, :])
    ring = np.minimum((radius / 0.5 * bins).astype(int), bins)  # the last: corners, left out
    total = np.bincount(ring.ravel(), power.ravel(), bins + 1)[:bins]
    return np.log(total / np.bincount(ring.ravel(), minlength=bins + 1)[:bins] + 1e-9)


def all_features(image: np.ndarray, file_bytes: int) -> dict[str, np.ndarray]:
    """Return the four feature vectors of an image, by the names of `CEILINGS`."""
    return {
        "colour": colour_features(image),
        "border": border_features(image),
        "spectrum": spectrum_features(image),
        "file_size": np.log([file_bytes]),
    }


# --- classifier ---------------------------------------------------------------------------------


def cross_validated_scores(
    features: np.ndarray, live: np.ndarray, subject: np.ndarray, c: float = 1.0
) -> np.ndarray:
    """Score every row by a logistic regression that saw none of its subject's rows.

    Parameters
    ----------
    features : (N, k)
    live : (N,) int
    subject : (N,) of str
    c : float
        Inverse strength of the L2 penalty, on standardised features.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scores = np.full(len(live), np.nan)
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=c, max_iter=5000, class_weight="balanced")
    )
    for train, test in GroupKFold(FOLDS).split(features, live, subject):
        scores[test] = model.fit(features[train], live[train]).decision_function(features[test])
    return scores


def auc_with_interval(
    scores: np.ndarray, live: np.ndarray, subject: np.ndarray, seed: int
) -> dict[str, object]:
    """AUC and its 95 % interval, bootstrapped over subjects."""
    names = np.unique(subject)
    rows = {name: np.flatnonzero(subject == name) for name in names}
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(RESAMPLES):
        pick = np.concatenate([rows[name] for name in rng.choice(names, len(names))])
        if 0 < live[pick].sum() < len(pick):
            drawn.append(metrics.auc(scores[pick], live[pick]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {
        "auc": round(float(metrics.auc(scores, live)), 4),
        "interval": [round(float(low), 4), round(float(high), 4)],
    }


# --- sections -----------------------------------------------------------------------------------


def shortcuts(folder: Path, seed: int) -> dict[str, object]:
    """Audit the frames of a build: for each domain and feature the AUC of live against attack."""
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    manifest = hashlib.sha256((folder / "manifest.csv").read_bytes()).hexdigest()
    result: dict[str, object] = {"manifest_sha256": manifest}
    worst = dict.fromkeys(CEILINGS, 0.0)
    for domain in sorted({row["domain"] for row in rows}, key=list(DOMAINS).index):
        group = [row for row in rows if row["domain"] == domain]
        features = [_read_features(folder / row["path"]) for row in group]
        live = np.array([int(row["live"]) for row in group])
        kind = np.array([row["attack_type"] for row in group])
        subject = np.array([row["subject"] for row in group])
        if len(np.unique(subject)) < FOLDS:
            raise InputError(
                f"{folder}: domain '{domain}' has {len(np.unique(subject))} subjects; the audit "
                f"needs at least {FOLDS}: build with more subjects"
            )
        found: dict[str, object] = {"frames": len(group)}
        for name, ceiling in CEILINGS.items():
            x = np.stack([f[name] for f in features])
            scores = cross_validated_scores(x, live, subject)
            entry = auc_with_interval(scores, live, subject, seed)
            for attack in ("print", "replay"):
                some = (live == 1) | (kind == attack)
                entry[f"auc_{attack}"] = round(float(metrics.auc(scores[some], live[some])), 4)
            worst[name] = max(worst[name], entry["auc"])
            found[name] = entry | {"ceiling": ceiling, "kept": entry["auc"] <= ceiling}
        result[domain] = found
    result["worst"] = worst
    result["kept"] = all(worst[name] <= ceiling for name, ceiling in CEILINGS.items())
    return result


def _read_features(path: Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return all_features(np.ascontiguousarray(image[..., ::-1]), len(data))


def null_medium(subjects: int, seed: int, count: int | None = None) -> dict[str, object]:
    """Try to tell live faces from ideal copies; and, as controls, from attacks.

    Each of `subjects` people in each domain gives one frame live, as an ideal copy, printed,
    replayed, and printed and replayed with every cue off. The classifier, the same for all: a
    logistic regression on the radial spectrum, colour statistics, file size and an 8 x 8 grey
    thumbnail, standardised in each domain, cross-validated by subject. Pictures come in pairs of
    the same person, pose, camera and view, so that only a leak of the attack's path can help.
    """
    jobs = [(d, seed, NULL_FIRST_SUBJECT + i) for d in DOMAINS for i in range(subjects)]
    with workers.pool(count or workers.default_count()) as submit:
        found = sorted(submit(_null_features, jobs), key=lambda entry: entry[:2])
    domain = np.array([entry[0] for entry in found])
    subject = np.array([f"{entry[0]}-{entry[1]}" for entry in found])
    features = {kind: np.stack([entry[2][kind] for entry in found]) for kind in found[0][2]}
    for name in DOMAINS:
        at = domain == name
        pooled = np.concatenate([x[at] for x in features.values()])
        for x in features.values():
            x[at] = (x[at] - pooled.mean(0)) / (pooled.std(0) + 1e-9)
    result: dict[str, object] = {"pairs": len(found), "ceiling": NULL_CEILING}
    live = np.repeat([1, 0], len(found))
    groups = np.tile(subject, 2)
    for kind in features:
        if kind != "live":
            x = np.concatenate([features["live"], features[kind]])
            scores = cross_validated_scores(x, live, groups, c=0.03)
            result[kind] = auc_with_interval(scores, live, groups, seed)
    low = result["null"]["interval"][0]
    result["indistinguishable"] = low <= 0.5 and result["null"]["auc"] <= NULL_CEILING
    result["controls_found"] = all(
        result[kind]["interval"][0] > NULL_CEILING for kind in ("print", "replay")
    )
    return result


def _null_features(domain: str, seed: int, subject: int) -> tuple[str, int, dict[str, np.ndarray]]:
    kinds = (None, "null", "print", "replay")
    drawn = scene.draw_subject_takes(domain, seed, subject, presentations=1, frames=1, kinds=kinds)
    found = {}
    for key, (take,) in drawn.items():
        name = key.kind or "live"
        found[name] = _null_vector(scene.render(take))
        if key.kind in scene.CUES_OF:
            found[f"{name}_cues_off"] = _null_vector(cues.only(take, frozenset()))
    return domain, subject, found


def _null_vector(frame: scene.Frame) -> np.ndarray:
    features = all_features(frame.image, len(frame.jpeg))
    grey = cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY)
    tiny = cv2.resize(grey, (8, 8), interpolation=cv2.INTER_AREA).ravel() / 255.0
    return np.concatenate([features[k] for k in ("spectrum", "colour", "file_size")] + [tiny])


# --- command line -------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the audit and merge its sections into the result file."""
    parser = argparse.ArgumentParser(
        prog="python -m hfnmp_lite.experiments.audit", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("--data", type=Path, default=None, help="a build; by default the shipped")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write or to update")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=60, help="null medium: people in each domain")
    parser.add_argument("--sections", nargs="+", default=["shortcuts", "null_medium"])
    options = parser.parse_args(arguments)
    data = options.data or samples.root()
    sections: dict[str, Callable[[], dict]] = {
        "shortcuts": lambda: shortcuts(data, options.seed),
        "null_medium": lambda: null_medium(options.pairs, options.seed),
    }
    unknown = set(options.sections) - set(sections)
    if unknown:
        parser.error(f"unknown sections {sorted(unknown)}; choose from {', '.join(sections)}")
    result = _begun(options.out, set(sections))
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = "python -m hfnmp_lite.experiments.audit " + shlex.join(given)
    for name in options.sections:
        found = sections[name]()
        result[name] = found | {
            "command": command,
            "seed": options.seed,
            "simulator": samples.source_digest(),
            "provenance": provenance(),
        }
        write_whole(options.out, json.dumps(result, indent=1) + "\n")
    _print(result)
    return 0


def _begun(out: Path, sections: set[str]) -> dict:
    """Read the sections that an earlier audit wrote; refuse anything else under that name."""
    try:
        result = json.loads(out.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        result = None
    if not isinstance(result, dict) or set(result) - sections:
        raise InputError(f"{out}: exists and is no audit; give --out another file")
    return result


def _print(result: dict) -> None:
    for domain in DOMAINS:
        if domain in result.get("shortcuts", {}):
            found = result["shortcuts"][domain]
            cells = [f"{k} {found[k]['auc']:.3f} (<= {c:.2f})" for k, c in CEILINGS.items()]
            print(f"{domain:9s} " + "  ".join(cells))
    null = result.get("null_medium", {})
    for kind, entry in null.items():
        if isinstance(entry, dict) and "auc" in entry:
            low, high = entry["interval"]
            print(f"live against {kind:16s} AUC {entry['auc']:.3f} ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        print(f"audit: {error}", file=sys.stderr)
        sys.exit(2)
