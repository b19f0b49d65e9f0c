"""What is measured on a GPU, run here on the CPU; and the step asks the device for nothing."""

import itertools

import pytest
import torch
from tqdm import tqdm

from hfnmp_lite import HFN, MetaPatternExtractor, meta_step
from hfnmp_lite.experiments import bench, card
from hfnmp_lite.experiments.card import WAYS, Runner, limit, time_by_kind
from hfnmp_lite.experiments.steps import Case, Step
from hfnmp_lite.experiments.timing import Matmul, count_flop
from hfnmp_lite.files import InputError
from hfnmp_lite.learn.meta_step import ORDERS

SMALL = Case("lite", 32, per_class=1)


@pytest.fixture(scope="module")
def found():
    """Measured by a clock that says that every run takes a quarter of a second."""
    ticks = itertools.count()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card, "compile_passes", lambda network: None)
        patch.setattr(card, "WARM_UP", 0)
        patch.setattr(card, "OUTER_STEPS", 1)
        patch.setattr("time.perf_counter", lambda: 0.25 * next(ticks))
        return card.measure_card(SMALL, 2, outer_batches=(2, 4), progress=False)


def test_every_figure_follows_from_the_times(found):
    assert set(found["variants"]) == set(WAYS)
    rate = 2 * 0.256**3 / 0.25  # of 256 x 256 matrices, in 10^9 a second
    assert found["matmul_bf16_gflops"] == pytest.approx(rate)
    assert found["matmul_float32_gflops"] == pytest.approx(2 * 2.048**3 / 0.25)
    flop = count_flop(Step("ours", SMALL)) / 1e9
    for variant in found["variants"].values():
        assert variant["seconds"] == 0.25
        assert variant["images_per_second"] == (4 * 2 + 4) / 0.25
        assert variant["model_flop_utilisation"] == pytest.approx(flop / 0.25 / rate)
    assert found["ratios"]["released / ours"] == {
        **{"ratio": 1, "range": [1, 1], "wanted": 6.0, "reached": False}
    }
    assert [o["images"] for o in found["outer_step"]] == [2, 4]
    one, two = (o["gflop"] for o in found["outer_step"])
    assert two == 2 * one > 0
    for outer in found["outer_step"]:
        reached = outer["share_of_bf16_matmul_rate"]
        assert reached == pytest.approx(outer["gflop"] / 0.25 / rate)
        assert sum(outer["time"].values()) == pytest.approx(1)
        assert outer["limited_by"] == limit(outer["time"], reached)
    text = "\n".join(card.table(found))
    for words in ("images/s", "released / ours", "wanted 6: missed", "outer step, 4 images"):
        assert words in text


def test_our_way_computes_in_sixteen_bits_and_the_released_does_not():
    for name, expected in (("released", torch.float32), ("ours", torch.bfloat16)):
        runner, seen = Runner(WAYS[name], SMALL), set()

        def note(module, given, out, seen=seen):
            seen.add(out.dtype)

        runner.step.network.classifier.register_forward_hook(note)
        runner()
        assert seen == {expected}
    assert Matmul("cpu", torch.bfloat16).a.dtype == torch.bfloat16


def test_what_cannot_be_compiled_is_left_out_and_said(monkeypatch):
    def fails(network):
        raise RuntimeError("no compiler here\nand more")

    few = {name: way for name, way in WAYS.items() if name != "released_tf32"}
    monkeypatch.setattr(card, "WAYS", few)
    monkeypatch.setattr(card, "compile_passes", fails)
    monkeypatch.setattr(card, "WARM_UP", 0)
    found = card.measure_card(SMALL, 1, outer_batches=(), progress=False)
    assert set(found["variants"]) == {"released", "ours"}
    assert found["left_out"] == {"compiled": "RuntimeError: no compiler here"}
    assert "left out: RuntimeError: no compiler here" in "\n".join(card.table(found))


def test_too_little_memory_is_one_line_and_a_batch_too_large_is_left_out(monkeypatch):
    def full(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory")

    runner = Runner(WAYS["released"], SMALL)
    monkeypatch.setattr(Runner, "outer", full)
    with tqdm(disable=True) as bar:
        assert card._outer(runner, SMALL, 2, 1.0, bar) is None
    monkeypatch.setattr(Runner, "__call__", full)
    with pytest.raises(InputError, match=r"does not hold a step of 'released'"):
        card.measure_card(SMALL, 1, progress=False)


def test_time_is_told_apart_by_kind():
    a = torch.rand(300, 300)
    shares = time_by_kind(lambda: [a @ a for _ in range(20)], "cpu", 0.0)
    assert shares["convolutions"] > 0.8
    shares = time_by_kind(lambda: a @ a, "cpu", 1000.0)
    assert shares["waiting"] > 0.99


def test_what_limits_is_named_in_order():
    shares = {"convolutions": 0.5, "batch norm": 0.2, "optimizer": 0.001, "waiting": 0.299}
    assert limit(shares, 0.3) == (
        "convolutions have 50 % of the time, in which they reach 60 % of the matmul rate; "
        "waiting 30 %, batch norm 20 %"
    )


def test_a_bench_on_a_gpu_holds_the_card(monkeypatch, found):
    given = {}

    def measured(case, rounds, **how):
        given["case"] = case
        return found

    section = {"variants": {}, "ratios": {}, "what": "-", "matmul_gflops": 1.0}
    for name in ("measure_steps", "measure_lbp", "measure_metrics"):
        monkeypatch.setattr(bench, name, lambda *_: section)
    few = {"seconds_to_first_batch": 1.0}
    loading = {"what": "-", "rows": {"few": 1, "many": 2}, "few": few, "many": few}
    simulator = {"what": "-", "frames_per_second": 1.0}
    monkeypatch.setattr(bench, "measure_card", measured)
    monkeypatch.setattr(bench, "measure_simulator", lambda *_: simulator)
    monkeypatch.setattr(bench, "measure_loading", lambda *_: loading)
    monkeypatch.setattr(bench, "prepare", lambda *_: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    result = bench.bench("cuda", progress=False)
    assert given["case"] == Case("resnet50", 256, "cuda")
    assert result["device"] == "a card"
    assert "outer step, 2 images" in bench.table(result)


@pytest.mark.parametrize("order", ORDERS)
def test_the_step_never_waits_for_the_device(order):
    """On the device "meta" tensors have no values: to ask for one is an error."""
    network, extractor = HFN().to("meta").train(), MetaPatternExtractor().to("meta").train()
    batch = (
        torch.rand(4, 3, 64, 64, device="meta"),
        torch.zeros(4, dtype=torch.long, device="meta"),
    )
    losses = meta_step(
        network,
        extractor,
        [batch, batch],
        [batch],
        torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9),
        torch.optim.AdamW(extractor.parameters(), lr=0.1, capturable=False),
        order,
    )
    assert losses["meta_train"].device.type == "meta"
    with pytest.raises((RuntimeError, NotImplementedError)):
        losses["meta_train"].item()
