"""The shortcut audit: its classifier decides, and what is stored belongs to what is shipped."""

import hashlib
import json

import numpy as np
import pytest

pytest.importorskip("sklearn")

from hfnmp_lite.data import samples
from hfnmp_lite.evaluate import metrics
from hfnmp_lite.experiments import audit


def test_the_classifier_finds_a_planted_shortcut_and_nothing_in_noise():
    rng = np.random.default_rng(0)
    live = np.tile([1, 0, 0], 100)
    subject = np.repeat(np.arange(50).astype(str), 6)
    noise = rng.standard_normal((300, 13))
    found = audit.cross_validated_scores(noise, live, subject)
    assert metrics.auc(found, live) < 0.6
    planted = noise + np.outer(live, np.eye(13)[4]) * 2
    found = audit.cross_validated_scores(planted, live, subject)
    entry = audit.auc_with_interval(found, live, subject, seed=0)
    assert entry["interval"][0] < entry["auc"] < entry["interval"][1]
    assert entry["interval"][0] > 0.8


def test_a_subject_is_never_in_training_and_test():
    rng = np.random.default_rng(1)
    # every subject has its own label and its own feature: only memory of the subject can tell
    subject = np.repeat(np.arange(40).astype(str), 5)
    live = np.repeat(rng.permutation(np.arange(40) % 2), 5)
    features = np.repeat(np.eye(40), 5, axis=0)
    scores = audit.cross_validated_scores(features, live, subject)
    assert metrics.auc(scores, live) < 0.6


def test_spectrum_features_place_a_grating_in_its_ring():
    x = np.arange(128)
    grating = 0.5 + 0.4 * np.cos(2 * np.pi * 0.25 * x)[None, :] * np.ones((128, 1))
    image = np.repeat((255 * grating).astype(np.uint8)[..., None], 3, axis=2)
    assert np.argmax(audit.spectrum_features(image)) == 12  # .25 / .5 * 24


def test_stored_audit_is_of_the_shipped_frames_and_keeps_the_ceilings():
    result = json.loads((samples.root() / "results" / "audit.json").read_text())
    shortcuts, null = result["shortcuts"], result["null_medium"]
    manifest = (samples.root() / "manifest.csv").read_bytes()
    assert shortcuts["manifest_sha256"] == hashlib.sha256(manifest).hexdigest()
    assert shortcuts["kept"]
    assert all(shortcuts["worst"][k] <= ceiling for k, ceiling in audit.CEILINGS.items())
    assert null["indistinguishable"]
    assert null["controls_found"]
    assert null["null"]["auc"] <= audit.NULL_CEILING
    for section in (shortcuts, null):
        assert section["command"].startswith("python -m hfnmp_lite.experiments.audit")
        assert section["simulator"] in (samples.root() / "README.md").read_text(encoding="utf-8")
        assert {"date", "commit", "versions", "hardware"} <= set(section["provenance"])
