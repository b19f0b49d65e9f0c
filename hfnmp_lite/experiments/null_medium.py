"""The null medium: live faces against ideal copies that went the way of an attack.

If these can be told apart, something other than a medium betrays attacks. The attacks' own figures
beside it are controls: the same classifier does find media. Needs scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hfnmp_lite.evaluate import metrics
from hfnmp_lite.experiments.simple_statistics import cross_validated, features
from hfnmp_lite.simulate import cues, scene
from hfnmp_lite.simulate.inventory import inventory_of

FIRST_SUBJECT = 500_000  # nobody of the benchmark


def pair_features(job: Mapping[str, object]) -> dict[str, list[float]]:
    """Render one person live, as an ideal copy, printed, replayed, and both with every cue off.

    Parameters
    ----------
    job : mapping
        "inventory", "domain", "seed", "subject".

    Returns
    -------
    dict
        Kind -> simple statistics and the logarithm of the file's size, (58,).
    """
    domain = inventory_of(str(job["inventory"]))[str(job["domain"])]
    ask = {"presentations": 1, "frames": 1, "kinds": (None, "null", "print", "replay")}
    drawn = scene.draw_subject_takes(domain, int(job["seed"]), int(job["subject"]), **ask)
    vectors = {}
    for key, (take,) in drawn.items():
        name = key.kind or "live"
        vectors[name] = _vector(scene.render(take))
        if key.kind in scene.CUES_OF:
            vectors[f"{name}, cues off"] = _vector(cues.only(take, frozenset()))
    return vectors


def _vector(frame: scene.Frame) -> list[float]:
    return [*features(frame.image), float(np.log(len(frame.jpeg)))]


def separability(vectors: list[dict[str, list[float]]]) -> dict[str, float]:
    """AUC of live faces against each other kind, people never shared by training and test.

    Live faces and ideal copies of a person come as a pair; the classifier is the SVM of
    `simple_statistics`.
    """
    people = np.arange(len(vectors))
    live = np.array([v["live"] for v in vectors])
    found = {}
    for kind in vectors[0]:
        if kind == "live":
            continue
        x = np.concatenate([live, [v[kind] for v in vectors]])
        truth = np.repeat([True, False], len(people))
        scores = cross_validated(x, truth, np.concatenate([people, people]))
        found[kind] = round(float(metrics.auc(scores, truth)), 4)
    return found
