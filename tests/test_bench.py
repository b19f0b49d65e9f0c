"""What is timed computes the same, and what measures it measures right."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from tqdm import tqdm

from hfnmp_lite import HFN, MetaPatternExtractor, metrics
from hfnmp_lite.cli import main
from hfnmp_lite.experiments import bench, steps, timing
from hfnmp_lite.experiments.released import ReleasedNetwork, copy_ours
from hfnmp_lite.experiments.steps import VARIANTS, Case, Step
from hfnmp_lite.files import InputError
from hfnmp_lite.provenance import peak_memory_mb

SMALL = Case("lite", 32, per_class=2)


def in_double(name):
    step = Step(name, SMALL)
    step.network.double()
    step.extractor.double()
    step.meta_test = [(images.double(), live) for images, live in step.meta_test]
    step.meta_train = (step.meta_train[0].double(), step.meta_train[1])
    return step


def encoder(step):
    return [p for name, p in step.extractor.named_parameters() if name.startswith("encoder")]


def test_all_variants_give_the_extractor_the_same_gradients():
    gradients = {}
    for name in VARIANTS:
        step = in_double(name)
        step(1)  # after one step the momentum is the gradient
        state = step.on_extractor.state
        gradients[name] = [state[p]["momentum_buffer"] for p in encoder(step)]
    assert sum(g.abs().sum() for g in gradients["ours"]) > 1e-3
    for name in ("released", "plain"):
        for ours, theirs in zip(gradients["ours"], gradients[name], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


def test_all_variants_end_with_the_same_weights():
    done = {name: in_double(name) for name in VARIANTS}
    before = [p.detach().clone() for p in done["ours"].network.parameters()]
    for step in done.values():
        step()
    ours = done["ours"]
    moved = zip(before, ours.network.parameters(), strict=True)
    assert all(not torch.equal(b, p) for b, p in moved)
    for p, q in zip(ours.network.parameters(), done["plain"].network.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=0, atol=1e-9)
    expected = ReleasedNetwork().double()
    copy_ours(ours.network, expected)
    theirs = done["released"].network.state_dict()
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(tensor, theirs[name], rtol=0, atol=1e-9, msg=name)


def test_variants_begin_alike_in_their_own_memory_formats():
    built = {name: Step(name, SMALL) for name in VARIANTS}
    for name, step in built.items():
        images = step.meta_test[0][0]
        assert images.is_contiguous() == (name == "released")
        assert torch.equal(images, built["ours"].meta_test[0][0])
        assert {p.dtype for p in step.network.parameters()} == {torch.float32}
    assert len(built["ours"].meta_test) == 4
    assert len(built["ours"].meta_train[0]) == 2 * len(built["ours"].meta_test[0][0]) == 8


def test_the_count_of_the_work_is_what_is_computed():
    size, inner, outer = 64, 2, 4
    network, extractor = HFN(normalise_image=False), MetaPatternExtractor()
    x = torch.rand(1, 3, size, size)
    with torch.no_grad():
        stream = timing.count_flop(lambda: network.image_stream(x))
        rest = timing.count_flop(lambda: network(x, x)) - 2 * stream
        extract = timing.count_flop(lambda: extractor(x))
    stem, first = (2 * 3 * 16 * 49 * (size // 2) ** 2, 2 * 3 * 6 * 9 * size**2)
    images, work = 4 * inner + outer, steps.stream_work(4, inner, outer)
    # the first conv of what sees images alone needs no gradients of its input
    plain = work["plain"] * stream + 3 * images * (rest + extract) - images * (stem + first)
    ours = work["ours"] * stream + (2 * 4 * inner + 3 * outer) * rest
    ours += (3 * 4 * inner + outer) * extract - 4 * inner * first - 2 * outer * stem
    case = Case("lite", size, per_class=1)
    assert timing.count_flop(Step("plain", case)) == plain
    assert timing.count_flop(Step("ours", case)) == ours
    assert steps.stream_work() == {"plain": 288, "ours": 192}


def test_variants_that_disagree_are_not_timed(monkeypatch):
    def wrong(*arguments):
        return {"meta_test": 1.001 * steps.our_iteration(*arguments)["meta_test"]}

    monkeypatch.setattr(steps, "plain_iteration", wrong)
    with pytest.raises(FloatingPointError, match="first inner losses differ"):
        steps.measure_steps(SMALL, 1, 1, memory=False, progress=False)


def test_a_fresh_process_counts_its_own_memory_alone():
    held = np.ones(600_000_000 // 8)  # in this process, and no business of the other's
    case = Case("lite", 64)
    loss, megabytes = steps._in_fresh_process("ours", case, 1)
    assert float(Step("ours", case)(1)) == pytest.approx(loss, abs=1e-4)
    # its outer batch alone, after the stem: 2 streams x 16 images x 16 channels x 32 x 32 floats
    assert 2 < megabytes < 300 < held.nbytes / 1e6


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is told by Linux")
def test_peak_memory_is_what_was_held_at_once():
    memory = timing.PeakMemory("cpu")
    for _ in range(3):  # one after another
        np.ones(200_000_000 // 8).sum()
    assert memory.megabytes() == pytest.approx(200, abs=20)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is told by Linux")
def test_a_process_is_not_charged_with_what_its_parent_held():
    held = np.ones(600_000_000 // 8)
    script = "from hfnmp_lite.provenance import peak_memory_mb; print(peak_memory_mb())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert 5 < int(done.stdout) < 100 < held.nbytes / 1e6 < peak_memory_mb()


def test_variants_are_run_in_turn():
    calls = []
    variants = {name: lambda name=name: calls.append(name) for name in "ABC"}
    with tqdm(disable=True) as bar:
        seconds = timing.in_turn(variants, 2, bar, lambda: calls.append("-"))
    assert "".join(calls) == "-A--B--C-" * 2
    assert {name: len(each) for name, each in seconds.items()} == {"A": 2, "B": 2, "C": 2}


def test_no_round_begins_once_there_was_enough_but_two_are_made(monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))  # each run: one second
    variants = {"A": int, "B": int}
    for enough, made in ((0, 2), (4, 3), (6, 4), (1000, 5)):
        with tqdm(disable=True) as bar:
            seconds = timing.in_turn(variants, 5, bar, int, enough)
        assert {len(each) for each in seconds.values()} == {made}


def test_what_arithmetic_alone_cannot_give_is_said():
    seconds = {"released": [3.0], "ours": [2.0]}
    peak = dict.fromkeys(("released", "ours"))
    found = steps._ratio("released", 2.0, seconds, {"released": 16, "ours": 10}, peak)
    assert found["of_operations"] == 1.6
    assert "operations alone give 1.60; for 2.00" in found["floor"]
    assert "1.25 times as long" in found["floor"]
    assert "floor" not in steps._ratio("released", 1.5, seconds, {"released": 16, "ours": 10}, peak)
    variants = {"released": {"seconds": 3.0}, "ours": {"seconds": 2.0}}
    for v in variants.values():
        v |= {"floor_seconds": 1.2, "share_of_floor": 0.5}
    *_, line = bench._rows({"variants": variants, "ratios": {"released / ours": found}})
    assert line.endswith("it would be 2.50")
    assert steps.stream_work()["plain"] / steps.stream_work()["ours"] == 1.5


def test_momentum_comes_without_moving_a_weight():
    case = Case("lite", 64)
    for name in VARIANTS:
        step = Step(name, case)
        before = [p.detach().clone() for p in step.network.parameters()]
        step.get_momentum()
        assert all(
            torch.equal(b, p) for b, p in zip(before, step.network.parameters(), strict=True)
        )
        assert "momentum_buffer" in step.on_extractor.state[encoder(step)[0]]
        assert {g["lr"] for g in step.on_extractor.param_groups} == {0.004}
        assert float(step(1)) == pytest.approx(float(Step(name, case)(1)), abs=1e-6)


def test_ratios_are_taken_round_by_round():
    found = timing.compare([2.0, 9.0, 4.0], [1.0, 3.0, 4.0], wanted=2.5)
    assert found == {"ratio": 2.0, "range": [1.0, 3.0], "wanted": 2.5, "reached": False}


def test_the_floor_is_the_arithmetic_at_the_machines_rate():
    found = timing.figure([4.0, 1.0, 2.0], flop=3e9, gflops=6.0)
    assert (found["seconds"], found["floor_seconds"], found["share_of_floor"]) == (2.0, 0.5, 0.25)
    assert timing.Matmul("cpu").gflops([1.0]) == pytest.approx(2 * 2.048**3)


def test_both_scans_come_near_the_exact_figures():
    rng = np.random.default_rng(0)
    live = rng.random(300) < 0.5
    scores = rng.normal(live)
    exact = metrics.evaluate(scores, live)
    for count in (bench.counts_as_released, bench.counts_by_class):
        eer, hter = bench.scan_thresholds(scores, live, 5_001, count)
        assert eer == pytest.approx(exact.eer, abs=1 / 100)
        assert exact.hter_oracle <= hter < exact.hter_oracle + 1 / 100


def test_what_cannot_be_measured_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no GPU here; give --device cpu"):
        bench.bench("cuda")
    with pytest.raises(InputError, match="is in the way"):
        bench.report(json_file=tmp_path)


def test_the_command_measures_and_says_so(monkeypatch, tmp_path, capsys):
    file = tmp_path / "bench.json"
    monkeypatch.setattr(sys, "argv", ["hfnmp", "bench", "--quick", "--json", str(file)])
    monkeypatch.setattr(bench, "default_count", lambda: 1)
    assert main() == 0
    said = capsys.readouterr().out
    result = json.loads(file.read_text())
    assert {"commit", "versions", "hardware"} <= set(result)
    assert (result["seed"], result["threads"], result["device"]) == (0, 1, "cpu")
    assert result["command"] == f"hfnmp bench --quick --json {file}"
    assert set(result["meta_step"]) == {"lite"}
    step = result["meta_step"]["lite"]
    assert set(step["variants"]) == set(VARIANTS)
    for section in (step, result["lbp"], result["metrics"]):
        for variant in section["variants"].values():
            assert 0 < variant["share_of_floor"] < 1
            assert len(variant["seconds_of_rounds"]) == section["rounds"]
    first = step["first_inner_loss"].values()
    assert max(first) - min(first) <= 1e-4
    assert result["simulator"]["frames_per_second"] > 0
    assert result["loading"]["rows"] == {"few": 1_000, "many": 2_000}
    assert all(result["loading"][name]["seconds_to_first_batch"] > 0 for name in ("few", "many"))
    for words in (
        *("released / ours", "plain / ours", "skimage / ours", "scan / ours", "a second"),
        "2,000     rows",
    ):
        assert words in said
