"""The loop: no target inside, the same result twice, resume equals never having stopped."""

import csv
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import load_file

from hfnmp_lite import LocalBinaryPattern, MetaPatternExtractor
from hfnmp_lite.config import (
    FUSION_NAMES,
    LBP_METHODS,
    LEARNED,
    LOSS_NAMES,
    META_ORDERS,
    ORDER_NAMES,
    PATTERN_NAMES,
    PRESETS,
    UNSEEN,
    Machine,
    RunConfig,
    make_config,
)
from hfnmp_lite.data import loaders
from hfnmp_lite.data.presentations import FACTORS, read_manifest
from hfnmp_lite.data.protocols import leave_one_out
from hfnmp_lite.evaluate.scoring import score_presentations
from hfnmp_lite.experiments.run import run
from hfnmp_lite.files import InputError
from hfnmp_lite.learn import fit as fit_module
from hfnmp_lite.learn.fit import fit
from hfnmp_lite.learn.losses import LOSSES
from hfnmp_lite.learn.meta_step import ORDERS
from hfnmp_lite.learn.state import seeded
from hfnmp_lite.model.catalogue import PATTERNS, build_pattern
from hfnmp_lite.model.checkpoint import load_checkpoint, save_checkpoint
from hfnmp_lite.model.network import FUSIONS

DOMAINS = ("handheld", "mixed", "phone", "webcam")


@pytest.fixture(scope="module")
def protocol(small_samples):
    presentations = read_manifest(small_samples / "manifest.csv")
    return leave_one_out(presentations, "webcam", DOMAINS[:3])


def smoke(**changes):
    return make_config("smoke", "webcam", DOMAINS, **changes)


def learn(config, protocol, folder, **more):
    folder.mkdir(exist_ok=True)
    return fit(config, protocol.training, protocol.validation, folder, progress=False, **more)


def same(a, b):
    states = a.state_dict(), b.state_dict()
    return all(torch.equal(states[0][k], states[1][k]) for k in states[0])


def test_no_target_image_reaches_training_or_selection(protocol, tmp_path, monkeypatch):
    read = set()
    original = loaders.load_frame

    def watched(path, size):
        read.add(path)
        return original(path, size)

    monkeypatch.setattr(loaders, "load_frame", watched)
    monkeypatch.setattr("hfnmp_lite.evaluate.scoring.load_frame", watched)
    learn(smoke(), protocol, tmp_path / "run")
    target = {f for p in protocol.target for f in p.frames}
    sources = {f for p in (*protocol.training, *protocol.validation) for f in p.frames}
    held_out = {f for p in protocol.validation for f in p.frames}
    assert read
    assert not read & target
    assert read <= sources
    assert held_out <= read  # the watch does see what selection reads
    with pytest.raises(InputError, match="never the target"):
        fit(smoke(), protocol.training + protocol.target, protocol.validation, tmp_path)


def test_the_same_seed_gives_the_same_detector_and_another_seed_another(protocol, tmp_path):
    a, b, c = (learn(smoke(seed=s), protocol, tmp_path / f"{i}") for i, s in enumerate((1, 1, 2)))
    assert same(a, b)
    assert a.threshold == b.threshold
    assert not same(a, c)


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4])
def test_resumed_equals_never_stopped(protocol, tmp_path, monkeypatch, stop_after):
    """Stopped after each of the four looks at the validation set, one of them between stages."""
    config = smoke(extractor_iterations=4)
    whole = learn(config, protocol, tmp_path / "whole")
    original, looks = fit_module.save, []

    def save_then_die(*arguments):
        original(*arguments)
        looks.append(1)
        if len(looks) == stop_after:
            raise KeyboardInterrupt

    monkeypatch.setattr(fit_module, "save", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        learn(config, protocol, tmp_path / "cut")
    monkeypatch.undo()
    resumed = learn(config, protocol, tmp_path / "cut", resume=True)
    assert same(whole, resumed)
    assert whole.threshold == resumed.threshold
    without_seconds = [
        [line.rsplit(",", 1)[0] for line in (tmp_path / n / "log.csv").read_text().splitlines()]
        for n in ("whole", "cut")
    ]
    assert without_seconds[0] == without_seconds[1]


def test_the_frozen_extractor_stays_as_it_was(protocol, tmp_path, monkeypatch):
    seen = []
    original = fit_module._step

    def watched(config, state, compute):
        losses = original(config, state, compute)
        extractor = state.detector.extractor
        seen.append((state.stage, {k: v.clone() for k, v in extractor.state_dict().items()}))
        if state.stage == 2:
            assert not extractor.training
        return losses

    monkeypatch.setattr(fit_module, "_step", watched)
    detector = learn(smoke(), protocol, tmp_path / "run")
    second = [weights for stage, weights in seen if stage == 2]
    assert len(second) == 4
    for weights in second:
        for name, value in detector.extractor.state_dict().items():
            assert torch.equal(weights[name], value), name
    first = [weights for stage, weights in seen if stage == 1]
    assert not torch.equal(first[0]["encoder.0.weight"], first[1]["encoder.0.weight"])


@pytest.mark.parametrize(
    ("pattern", "order", "stages"),
    [
        *[("rgb", "joint", 1), ("lbp", "joint", 1), ("mp", "joint", 1), ("mp", "joint", 2)],
        *[("mp", "alternating", 1), ("mp", "bilevel", 2), ("mp", "bilevel-first-order", 1)],
        *[(name, "joint", 1) for name in ("identity", "random", "msr", "gradient")],
    ],
)
def test_every_other_kind_of_run(protocol, tmp_path, pattern, order, stages):
    config = smoke(pattern=pattern, order=order, stages=stages)
    detector = learn(config, protocol, tmp_path / "run")
    assert detector.threshold is not None
    assert (detector.extractor is None) == (pattern == "rgb")
    assert RunConfig.from_dict(detector.config) == config


@pytest.mark.parametrize(
    "changes",
    [
        *[
            {"fusion": f, "pattern": p}
            for f in ("late", "concat", "top", "alone")
            for p in ("mp", "lbp")
        ],
        *[{"augment": "camera"}, {"episodes": "camera"}],
        *[{"loss": "ce"}, {"loss": "ce", "pattern": "rgb"}, {"loss": "ce", "fusion": "late"}],
        {"pattern": "lbp", "lbp_points": 4, "lbp_radius": 2.0, "lbp_method": "uniform"},
    ],
)
def test_every_fusion_loss_and_variant(protocol, tmp_path, changes):
    config = smoke(**changes)
    detector = learn(config, protocol, tmp_path / "run")
    assert detector.network.settings["fusion"] == config.fusion
    assert detector.network.settings["map_in_score"] == (config.loss != "ce")
    if config.pattern == "lbp":
        assert detector.extractor.settings == config.pattern_settings


def test_a_pattern_is_tried_alone_with_the_extractor_of_two_streams(
    protocol, tmp_path, monkeypatch
):
    """The first stage is the same as where both streams are judged; only then the image goes."""
    seen = {}
    original = fit_module._run_stage

    def watched(config, state, *rest):
        network = state.detector.network
        seen[config.fusion, state.stage] = network.settings["fusion"]
        original(config, state, *rest)

    monkeypatch.setattr(fit_module, "_run_stage", watched)
    alone, both = (learn(smoke(fusion=f), protocol, tmp_path / f) for f in ("alone", "hfm"))
    assert seen == {
        **{("alone", 1): "hfm", ("alone", 2): "alone"},
        **{("hfm", 1): "hfm", ("hfm", 2): "hfm"},
    }
    assert same(alone.extractor, both.extractor)
    assert not hasattr(alone.network, "image_stream")


@pytest.mark.parametrize("fusion", ["hfm", "alone"])
@pytest.mark.parametrize("start", ["first", "anew"])
def test_the_second_stage_starts_where_it_is_told(protocol, tmp_path, monkeypatch, fusion, start):
    begun, chosen = {}, {}
    original = fit_module._run_stage

    def watched(config, state, *rest):
        network = state.detector.network
        begun[state.stage] = {k: v.clone() for k, v in network.state_dict().items()}
        original(config, state, *rest)
        chosen[state.stage] = {
            k.removeprefix("network."): v for k, v in state.best["weights"].items()
        }

    monkeypatch.setattr(fit_module, "_run_stage", watched)
    learn(smoke(fusion=fusion, second_start=start), protocol, tmp_path / "run")
    equal = [torch.equal(begun[2][k], chosen[1][k]) for k in begun[2] if k.endswith("weight")]
    assert len(equal) > 10
    assert (
        all(equal)
        if start == "first"
        else not any(
            torch.equal(begun[2][k], chosen[1][k])
            for k in begun[2]
            if "conv" in k or "classifier" in k
        )
    )


def test_a_run_resumed_in_a_second_stage_that_goes_on_equals_never_stopped(
    protocol, tmp_path, monkeypatch
):
    config = smoke(second_start="first", episodes="camera", augment="camera")
    whole = learn(config, protocol, tmp_path / "whole")
    original, looks = fit_module.save, []

    def save_then_die(*arguments):
        original(*arguments)
        looks.append(1)
        if len(looks) == 2:  # within the second stage
            raise KeyboardInterrupt

    monkeypatch.setattr(fit_module, "save", save_then_die)
    with pytest.raises(KeyboardInterrupt):
        learn(config, protocol, tmp_path / "cut")
    monkeypatch.undo()
    assert same(whole, learn(config, protocol, tmp_path / "cut", resume=True))


def test_the_share_rejected_is_that_of_the_held_out_and_a_checkpoint_keeps_it(protocol, tmp_path):
    detector = learn(smoke(pattern="rgb"), protocol, tmp_path / "run")
    scored = score_presentations(detector, protocol.validation, 64)
    rejected = sum(s.score < detector.threshold for s in scored) / len(scored)
    assert detector.share_rejected == pytest.approx(rejected)
    assert 0 < rejected < 1
    path = tmp_path / "detector.safetensors"
    save_checkpoint(path, detector, detector.config)
    assert load_checkpoint(path).share_rejected == detector.share_rejected
    detector.share_rejected = None  # as in checkpoints from before
    save_checkpoint(path, detector, detector.config)
    assert load_checkpoint(path).share_rejected is None


def test_a_random_extractor_settles_on_the_training_images_and_stays(protocol, tmp_path):
    detector = learn(smoke(pattern="random"), protocol, tmp_path / "a")
    again = learn(smoke(pattern="random"), protocol, tmp_path / "b")
    for name, value in detector.extractor.state_dict().items():
        assert torch.equal(value, again.extractor.state_dict()[name])
    fresh = seeded(0, build_pattern, "random").state_dict()
    for name, value in detector.extractor.state_dict().items():
        learned_from_data = "running" in name or "num_batches" in name
        assert torch.equal(value, fresh[name]) != learned_from_data, name


def test_snapshots_hold_the_extractor_at_every_look(protocol, tmp_path):
    config = smoke(extractor_iterations=4)
    learn(config, protocol, tmp_path / "run")
    snapshots = load_file(tmp_path / "run" / "snapshots.safetensors")
    assert {name.split("/")[0] for name in snapshots} == {"2", "4"}
    one = {k.split("/")[1]: v for k, v in snapshots.items() if k.startswith("2/")}
    MetaPatternExtractor().load_state_dict(one)
    assert not torch.equal(snapshots["2/encoder.0.weight"], snapshots["4/encoder.0.weight"])
    learn(smoke(pattern="random"), protocol, tmp_path / "random")
    assert not (tmp_path / "random" / "snapshots.safetensors").exists()


@pytest.mark.parametrize(("look", "what"), [(2, "meta_train loss"), (1, "score of held-out")])
def test_an_exploding_loss_ends_the_run_with_one_line(protocol, tmp_path, look, what):
    """The first step is taken down a finite loss: a look right after it sees it in the scores."""
    config = smoke(pattern="rgb", network_lr=1e30, optimizer="sgd", validate_every=look)
    with pytest.raises(FloatingPointError, match=f"the {what}.*lower the learning rates"):
        learn(config, protocol, tmp_path / "run")


def test_a_held_out_presentation_that_cannot_be_read_does_not_choose(protocol, tmp_path, capsys):
    first, *others = protocol.validation
    gone = replace(first, frames=(tmp_path / "gone.jpg",))
    config = smoke(pattern="rgb")
    (tmp_path / "a").mkdir()
    found = fit(config, protocol.training, [gone, *others], tmp_path / "a", progress=False)
    assert found.validation["unreadable_frames"] == 1
    assert capsys.readouterr().err.count("gone.jpg") == 1  # at the first of two looks
    assert same(found, learn(config, replace(protocol, validation=others), tmp_path / "b"))


def test_held_out_subjects_without_a_readable_attack_are_an_error(protocol, tmp_path):
    validation = [
        p if p.live or p.domain != "mixed" else replace(p, frames=(tmp_path / f"{p.id}.jpg",))
        for p in protocol.validation
    ]
    with pytest.raises(InputError, match="'mixed': of its held-out subjects no attack can be read"):
        fit(smoke(pattern="rgb"), protocol.training, validation, tmp_path, progress=False)


@pytest.mark.parametrize("order", ["alternating", "bilevel"])
def test_two_source_domains_are_enough(small_samples, tmp_path, order):
    presentations = read_manifest(small_samples / "manifest.csv")
    protocol = leave_one_out(presentations, "webcam", DOMAINS[:2])
    config = make_config("smoke", "webcam", (*DOMAINS[:2], "webcam"), order=order, stages=1)
    assert config.sources == DOMAINS[:2]
    assert learn(config, protocol, tmp_path / "run").validation["iteration"] in (2, 4)


def test_a_damaged_or_foreign_last_checkpoint_is_refused(protocol, tmp_path):
    config = smoke(pattern="rgb")
    learn(config, protocol, tmp_path / "run")
    with pytest.raises(InputError, match="other settings"):
        learn(smoke(pattern="rgb", seed=9), protocol, tmp_path / "run", resume=True)
    for name in ("last.ckpt", "before.ckpt"):
        path = tmp_path / "run" / name
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"last.ckpt.*damaged.*before.ckpt.*damaged"):
        learn(config, protocol, tmp_path / "run", resume=True)


def test_a_damaged_last_checkpoint_falls_back_to_the_one_before(protocol, tmp_path, capsys):
    config = smoke(pattern="rgb")
    whole = learn(config, protocol, tmp_path / "run")
    last = tmp_path / "run" / "last.ckpt"
    for damage in (b"", b"PK\x03\x04 nothing", last.read_bytes()[:-500]):
        last.write_bytes(damage)
        assert same(whole, learn(config, protocol, tmp_path / "run", resume=True))
        assert "going on from before.ckpt" in capsys.readouterr().out
    last.unlink()
    (tmp_path / "run" / ".last.ckpt.unfinished-0123").write_bytes(b"what a killed process left")
    assert same(whole, learn(config, protocol, tmp_path / "run", resume=True))
    assert "was not finished; going on from before.ckpt" in capsys.readouterr().out
    assert not (tmp_path / "run" / ".last.ckpt.unfinished-0123").exists()


def test_a_checkpoint_of_another_architecture_is_refused(protocol, tmp_path):
    config = smoke(pattern="rgb")
    learn(config, protocol, tmp_path / "run")
    last = tmp_path / "run" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    detector = content["detector"]
    for damage in (
        {k: v for k, v in detector.items() if "classifier" not in k},
        {k: v[:1] if "classifier" in k else v for k, v in detector.items()},
    ):
        torch.save(content | {"detector": damage}, last)
        with pytest.raises(InputError, match=r"last.ckpt: does not fit this version"):
            learn(config, protocol, tmp_path / "run", resume=True)
    torch.save({k: v for k, v in content.items() if k != "scale"} | {"optimizers": {}}, last)
    with pytest.raises(InputError, match=r"last.ckpt: does not fit this version"):
        learn(config, protocol, tmp_path / "run", resume=True)


def test_one_iteration_of_the_paper_preset_as_it_is(protocol, tmp_path):
    """ResNet-50, 256 px, K = 4, 8 images of each domain: about a minute on one core, 4 GB."""
    config = replace(make_config("paper", "webcam", DOMAINS, stages=1), iterations=1)
    assert (config.trunk, config.size, config.inner_steps) == ("resnet50", 256, 4)
    assert (config.per_class, config.optimizer, config.network_lr) == (4, "sgd", 1e-3)
    few = [  # a live face and an attack of each source, one frame each
        replace(p, frames=p.frames[:1])
        for domain in config.sources
        for live in (True, False)
        for p in [p for p in protocol.validation if (p.domain, p.live) == (domain, live)][:1]
    ]
    rows = []
    detector = fit(config, protocol.training, few, tmp_path, progress=False, watch=rows.append)
    assert sum(p.numel() for p in detector.network.parameters()) == 60_946_307
    assert [row["iteration"] for row in rows] == [1]
    assert 0 < rows[0]["meta_train"] < 3
    assert 0 < rows[0]["meta_test"] < 3


def test_both_stages_of_the_paper_preset_on_little_images(protocol, tmp_path):
    config = replace(
        make_config("paper", "webcam", DOMAINS),
        iterations=1,
        extractor_iterations=1,
        size=64,
        per_class=1,
        inner_steps=1,
    )
    assert learn(config, protocol, tmp_path / "run").network.settings["trunk"] == "resnet50"


def test_the_log_for_tensorboard(small_samples, tmp_path):
    config, manifest = smoke(pattern="rgb"), small_samples / "manifest.csv"
    how = {"progress": False, "machine": Machine(accelerator="cpu"), "tensorboard": True}
    if find_spec("tensorboard") is None:
        with pytest.raises(InputError, match=r"pip install \"hfnmp-lite\[tensorboard\]\""):
            run(config, tmp_path / "run", manifest, **how)
        return
    run(config, tmp_path / "run", manifest, **how)
    events = import_module("tensorboard.backend.event_processing.event_accumulator")
    found = events.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    found.Reload()
    with open(tmp_path / "run" / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for name in ("meta_train", "val_auc", "val_hter"):
        written = [(e.step, e.value) for e in found.Scalars(f"stage 1/{name}")]
        expected = [(int(r["iteration"]), float(r[name])) for r in rows if r[name]]
        assert written == [(step, pytest.approx(value)) for step, value in expected]


def test_names_agree_with_the_model():
    assert META_ORDERS == ORDERS
    assert set(FUSION_NAMES) == set(FUSIONS)
    assert UNSEEN == FACTORS
    assert set(LOSS_NAMES) == set(LOSSES)
    assert LBP_METHODS == LocalBinaryPattern.METHODS
    assert set(PATTERN_NAMES) == {"rgb", *PATTERNS}
    assert all(any(p.requires_grad for p in PATTERNS[n]().parameters()) for n in LEARNED)
    for preset in PRESETS:
        for pattern in PATTERN_NAMES:
            config = make_config(preset, "webcam", DOMAINS, pattern)
            assert config.order in ORDER_NAMES
            assert RunConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "moon"}, "unknown"),
        ({"pattern": "sift"}, "unknown"),
        ({"pattern": "lbp", "order": "alternating"}, "no parameters"),
        ({"inner_steps": 0}, "at least 1"),
        ({"fusion": "sum"}, "unknown"),
        ({"loss": "mse"}, "unknown"),
        ({"pattern": "rgb", "fusion": "late"}, "nothing to fuse"),
        ({"pattern": "rgb", "lbp_points": 4}, "add --pattern lbp"),
        ({"pattern": "lbp", "lbp_points": 0}, "1 to 24"),
        ({"pattern": "lbp", "lbp_radius": float("nan")}, "radius"),
        ({"pattern": "lbp", "lbp_method": "var"}, "unknown"),
        ({"size": 100}, "multiple of 32"),
        ({"augment": "flip"}, "augment 'flip' is unknown; expected one of none, camera"),
        ({"episodes": "light"}, "episodes 'light' is unknown; expected one of domain, camera"),
        ({"second_start": "best"}, "second_start 'best' is unknown; expected one of anew, first"),
        ({"pattern": "rgb", "fusion": "alone"}, "nothing to fuse"),
        ({"domains": ("webcam", "phone")}, "at least 2 source domains"),
        ({"domains": ("webcam",), "order": "joint"}, "at least one source"),
    ],
)
def test_configs_that_mean_nothing_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        make_config(**({"preset": "smoke", "target": "webcam", "domains": DOMAINS} | changes))
