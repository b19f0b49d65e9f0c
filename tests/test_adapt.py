"""Repairs by unlabelled pictures: statistics by hand, quantiles by hand, nothing given changes."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hfnmp_lite import HFN, Detector, MetaPatternExtractor
from hfnmp_lite.data.loaders import load_frame, to_batch
from hfnmp_lite.data.presentations import read_manifest
from hfnmp_lite.evaluate import adapt, metrics
from hfnmp_lite.evaluate.adapt import adapt_statistics, halves, quantile_threshold, repair, repaired
from hfnmp_lite.evaluate.scoring import score_presentations
from hfnmp_lite.files import InputError

SIZE = 64


@pytest.fixture(scope="module")
def target(small_samples):
    presentations = read_manifest(small_samples / "manifest.csv")
    return [p for p in presentations if p.domain == "webcam"]


@pytest.fixture
def detector():
    torch.manual_seed(0)
    made = Detector(MetaPatternExtractor(), HFN()).eval()
    made.threshold, made.share_rejected = 0.5, 2 / 3
    return made


def state_of(detector):
    return {k: v.clone() for k, v in detector.state_dict().items()}, detector.threshold


def norms_of(module):
    return [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]


def batch_of(presentations):
    return to_batch([load_frame(f, SIZE) for p in presentations for f in p.frames])


def entering(detector, images):
    """What enters every batch norm where each normalises by the batch's own statistics."""
    trained, seen = copy.deepcopy(detector).train(), {}
    for norm in norms_of(trained):
        norm.register_forward_hook(lambda m, given, _: seen.update({m: given[0].detach().clone()}))
    with torch.no_grad():
        trained(images)
    return [seen[norm] for norm in norms_of(trained)]  # the streams take turns in a forward pass


def test_statistics_are_those_of_the_pictures_worked_by_hand(detector, target):
    """One batch: the mean, and the variance with n - 1, of what enters each norm."""
    few = target[:5]
    assert sum(len(p.frames) for p in few) < adapt.BATCH
    before, threshold = state_of(detector)
    adapted = adapt_statistics(detector, few, SIZE)
    seen = entering(detector, batch_of(few))
    norms = norms_of(adapted)
    assert len(norms) == len(seen) > 10
    assert {id(n) for n in norms_of(adapted.extractor)} <= {id(n) for n in norms}
    for norm, x in zip(norms, seen, strict=True):
        torch.testing.assert_close(norm.running_mean, x.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(norm.running_var, x.var((0, 2, 3)), rtol=1e-4, atol=1e-6)
    # the detector that was given, every weight of the copy, and the threshold stay
    after, kept = state_of(detector)
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert kept == threshold == adapted.threshold
    weights = dict(detector.named_parameters())
    assert all(torch.equal(p, weights[name]) for name, p in adapted.named_parameters())
    assert not any(module.training for module in adapted.modules())
    momenta = [[n.momentum for n in norms_of(d)] for d in (adapted, detector)]
    assert momenta[0] == momenta[1]


def test_of_several_batches_the_mean_is_taken(detector, target, monkeypatch):
    one, other = target[:2], target[2:4]
    monkeypatch.setattr(adapt, "BATCH", sum(len(p.frames) for p in one))
    adapted = adapt_statistics(detector, [*one, *other], SIZE)
    first = norms_of(detector.extractor)[0], norms_of(adapted.extractor)[0]
    seen = [entering(detector, batch_of(part))[0] for part in (one, other)]
    mean = sum(x.mean((0, 2, 3)) for x in seen) / 2
    torch.testing.assert_close(first[1].running_mean, mean, rtol=1e-4, atol=1e-5)
    assert not torch.equal(first[0].running_mean, first[1].running_mean)


def test_frames_that_cannot_be_read_are_left_out_and_no_frame_is_an_error(
    detector, target, tmp_path
):
    gone = replace(target[0], frames=(tmp_path / "gone.jpg",))
    one, two = (
        adapt_statistics(detector, part, SIZE) for part in (target[1:3], [gone, *target[1:3]])
    )
    states = one.state_dict(), two.state_dict()
    assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])
    for nothing in ([gone], []):
        with pytest.raises(InputError, match="none of the unlabelled frames can be read"):
            adapt_statistics(detector, nothing, SIZE)


def test_labels_change_nothing(detector, target):
    turned = [replace(p, live=not p.live, attack_type=None if not p.live else "x") for p in target]
    for how in (("quantile", "none"), ("quantile", "statistics")):
        one, two = (repair(detector, part[:6], *how, SIZE) for part in (target, turned))
        assert one.threshold == two.threshold
        assert all(torch.equal(v, two.state_dict()[k]) for k, v in one.state_dict().items())


# --- quantiles ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "share", "threshold"),
    [
        ([0.1, 0.2, 0.6, 0.8], 0.5, 0.4),
        ([0.8, 0.1, 0.6, 0.2], 0.5, 0.4),  # in any order
        ([0.1, 0.2, 0.6, 0.8], 0.25, 0.15),
        ([0.1, 0.2, 0.6, 0.8], 0.0, 0.1),
        ([0.1, 0.2, 0.6, 0.8], 1.0, np.nextafter(0.8, 1)),
        ([0.3], 0.0, 0.3),
        ([0.1, 0.4, 0.7], 2 / 3, 0.55),
    ],
)
def test_quantiles_worked_by_hand(scores, share, threshold):
    assert quantile_threshold(np.array(scores), share) == pytest.approx(threshold, abs=1e-15)


@pytest.mark.parametrize("n", [1, 2, 7, 30, 101])
def test_the_quantile_rejects_exactly_the_share(n):
    scores = np.random.default_rng(n).permutation(np.linspace(0.01, 0.99, n))
    for rejected in range(n + 1):
        threshold = quantile_threshold(scores, rejected / n)
        assert (scores < threshold).sum() == rejected  # at or above it is accepted


def test_scores_that_are_neighbours_among_numbers_are_parted_too():
    low = 0.5
    scores = np.array([low, np.nextafter(low, 1)])
    assert (scores < quantile_threshold(scores, 0.5)).sum() == 1


@pytest.mark.parametrize(
    ("scores", "share", "words"),
    [
        ([], 0.5, "needs unlabelled scores, and there is none"),
        ([0.5], -0.1, "share to reject is -0.1; expected 0 to 1"),
        ([0.5], 1.1, "share to reject is 1.1"),
        ([0.5], float("nan"), "share to reject is nan"),
    ],
)
def test_a_quantile_of_nothing_is_refused(scores, share, words):
    with pytest.raises(InputError, match=words):
        quantile_threshold(np.array(scores), share)


# --- together -----------------------------------------------------------------------------------


def test_repairs_are_made_on_a_copy_and_do_what_they_are_called(detector, target):
    before, threshold = state_of(detector)
    known = {}
    for way in ("source", "quantile"):
        for statistics in ("none", "statistics"):
            known[way, statistics] = repair(detector, target, way, statistics, SIZE)
    after, kept = state_of(detector)
    assert kept == threshold
    assert all(torch.equal(before[k], after[k]) for k in before)
    for (way, statistics), changed in known.items():
        moved = any(not torch.equal(before[k], v) for k, v in changed.state_dict().items())
        assert moved == (statistics == "statistics")
        assert (changed.threshold == threshold) == (way == "source")
        if way == "quantile":
            scores = np.array([s.score for s in score_presentations(changed, target, SIZE)])
            assert (scores < changed.threshold).sum() == round(2 / 3 * len(scores))


def test_what_cannot_be_repaired_is_one_line(detector, target):
    for how, words in (
        ({"threshold": "median"}, "--threshold is 'median'; expected source or quantile"),
        ({"adapt": "weights"}, "--adapt is 'weights'; expected none or statistics"),
    ):
        with pytest.raises(InputError, match=words):
            repair(detector, target, size=SIZE, **how)
    detector.share_rejected = None
    with pytest.raises(InputError, match="does not say which share"):
        repair(detector, target, "quantile", size=SIZE)


def test_each_half_is_judged_by_what_the_other_taught(detector, target):
    first, second = halves(target)
    people = [{p.subject for p in half} for half in (first, second)]
    assert not people[0] & people[1]
    assert {len(p) for p in people} == {2}
    scored = score_presentations(detector, target, SIZE)
    found = repaired(detector, target, scored, SIZE)
    margins, live = [], []
    for unlabelled, judged in ((first, second), (second, first)):
        changed = repair(detector, unlabelled, "quantile", "statistics", SIZE)
        scores = np.array([s.score for s in score_presentations(changed, judged, SIZE)])
        margins.append(scores - changed.threshold)
        live += [p.live for p in judged]
    expected = metrics.hter(np.concatenate(margins), np.array(live), 0.0)
    assert found["hter_adapted_quantile"] == pytest.approx(expected)
    names = {"hter_quantile", "hter_adapted", "hter_adapted_quantile", "auc_adapted"}
    assert set(found) == names
    assert all(0 <= value <= 1 for value in found.values())


def test_what_cannot_be_judged_in_halves_is_none(detector, target, tmp_path):
    def judged(presentations):
        return repaired(detector, presentations, score_presentations(detector, presentations, SIZE))

    one = [p for p in target if p.subject == target[0].subject]
    assert set(judged(one).values()) == {None}
    first, second = halves(target)
    # a half without a picture teaches nothing, a half of one class has no AUC
    gone = [replace(p, frames=(), failure="no face") for p in first]
    assert set(judged([*gone, *second]).values()) == {None}
    found = judged([*(p for p in first if p.live), *(p for p in second if not p.live)])
    assert found["auc_adapted"] is None
    assert 0 <= found["hter_quantile"] <= 1
    detector.share_rejected = None  # of a checkpoint from before: statistics need no share
    found = judged(target)
    assert found["hter_quantile"] is found["hter_adapted_quantile"] is None
    assert 0 <= found["hter_adapted"] <= 1
    detector.threshold = None
    assert set(judged(target).values()) == {None}
