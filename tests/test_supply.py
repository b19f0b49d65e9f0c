"""What an iteration computes with: domains or cameras take turns, as many as there are domains."""

from collections import Counter
from dataclasses import replace

import pytest

from hfnmp_lite.config import make_config
from hfnmp_lite.data.presentations import read_manifest
from hfnmp_lite.files import InputError
from hfnmp_lite.learn.supply import Supply

DOMAINS = ("handheld", "mixed", "phone", "webcam")


@pytest.fixture(scope="module")
def training(small_samples):
    presentations = read_manifest(small_samples / "manifest.csv")
    return [p for p in presentations if p.domain != "webcam"]


def supply(training, stage=1, sources=DOMAINS[:3], **changes):
    config = make_config("smoke", "webcam", (*sources, "webcam"), **changes)
    return Supply(config, training, stage)


def moved(before, after):
    """Which have given batches in one iteration, and how many."""
    return {
        name: after[name] - before.get(name, 0)
        for name in after
        if after[name] - before.get(name, 0)
    }


@pytest.mark.parametrize("episodes", ["domain", "camera"])
def test_each_iteration_draws_from_as_many_as_there_are_domains(training, episodes):
    own = supply(training, episodes=episodes)
    cameras = {f"{p.domain}/{p.camera}" for p in training}
    expected = cameras if episodes == "camera" else set(DOMAINS[:3])
    before, tests = {}, Counter()
    try:
        for iteration in range(40):
            drawn = own(iteration)
            given = moved(before, drawn.numbers)
            before = drawn.numbers
            assert set(drawn.numbers) == expected
            assert len(drawn.meta_test) == 2
            # K of one, one of every other: three of them, however many cameras there are
            assert sorted(given.values()) == [1, 1, 2]
            (tested,) = (name for name, count in given.items() if count == 2)
            tests[tested] += 1
            per_class = len(drawn.meta_test[0][1]) // 2
            assert len(drawn.meta_train[1]) == 2 * 2 * per_class
            assert all(
                live.tolist() == [0] * per_class + [1] * per_class for _, live in drawn.meta_test
            )
    finally:
        own.close()
    assert len(tests) > len(expected) / 2  # they take turns by lot


def test_with_cameras_as_domains_a_batch_holds_one_camera(training, monkeypatch):
    from hfnmp_lite.learn import supply as module

    groups = []
    original = module.DomainBatches

    def watched(presentations, *args, **kwargs):
        groups.append({(p.domain, p.camera) for p in presentations})
        return original(presentations, *args, **kwargs)

    monkeypatch.setattr(module, "DomainBatches", watched)
    supply(training, episodes="camera").close()
    assert sorted(map(len, groups)) == [1] * len(groups)
    assert set().union(*groups) == {(p.domain, p.camera) for p in training}
    # beyond the meta step a domain is a domain
    for other in ({"stage": 2}, {"order": "joint", "stages": 1}):
        groups.clear()
        stage = other.pop("stage", 1)
        supply(training, stage, episodes="camera", **other).close()
        assert {frozenset(d for d, _ in g) for g in groups} == {frozenset({d}) for d in DOMAINS[:3]}


def test_one_source_of_two_cameras_is_enough_for_the_meta_step(training):
    own = [p for p in training if p.domain == "mixed"]
    assert len({p.camera for p in own}) > 1
    one = supply(own, sources=("mixed",), episodes="camera")
    try:
        assert sorted(moved({}, one(0).numbers).values()) == [1, 2]
    finally:
        one.close()


def test_what_cannot_be_met_is_one_line(training):
    own = [replace(p, camera=None) for p in training if p.domain == "mixed"]
    with pytest.raises(
        InputError, match="at least 2 domains or cameras, and 'mixed/None' is the only"
    ):
        supply(own, sources=("mixed",), episodes="camera")
    chosen = next(p.camera for p in training if p.domain == "mixed")
    no_attack = [p for p in training if p.live or p.camera != chosen]
    with pytest.raises(InputError, match=f"'mixed/{chosen}' has no attack to learn from"):
        supply(no_attack, episodes="camera")
    supply(no_attack).close()  # a domain of several cameras still has both


def test_going_on_draws_what_would_have_come(training):
    whole, cut = (supply(training, episodes="camera", augment="camera") for _ in range(2))
    try:
        _, second, drawn = (whole(iteration) for iteration in range(3))
        cut.go_on(second.numbers)
        again = cut(2)
        assert again.numbers == drawn.numbers
        assert all(
            (one[0] == two[0]).all()
            for one, two in zip(again.meta_test, drawn.meta_test, strict=True)
        )
        assert (again.meta_train[0] == drawn.meta_train[0]).all()
    finally:
        whole.close()
        cut.close()
