"""Processes that share a run, precision, and what a machine cannot do."""

import copy
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from hfnmp_lite.config import Machine, make_config
from hfnmp_lite.data.loaders import DomainBatches, join
from hfnmp_lite.data.presentations import read_manifest
from hfnmp_lite.data.protocols import leave_one_out
from hfnmp_lite.files import InputError
from hfnmp_lite.learn.compute import Compute
from hfnmp_lite.learn.fit import fit
from hfnmp_lite.learn.losses import presentation_loss
from hfnmp_lite.learn.state import start_stage

DOMAINS = ("handheld", "mixed", "phone", "webcam")
ITERATIONS = 3

SHARED = f"""
import sys
from dataclasses import replace
from pathlib import Path
import torch
from hfnmp_lite.config import Machine, make_config
from hfnmp_lite.data.presentations import read_manifest
from hfnmp_lite.data.protocols import leave_one_out
from hfnmp_lite.learn.compute import Compute
from hfnmp_lite.learn.fit import _step
from hfnmp_lite.learn.state import start_stage

manifest, out, order, fail = sys.argv[1:]
torch.set_num_threads(1)
compute = Compute(Machine(accelerator="cpu", devices=2))
config = replace(make_config("smoke", "webcam", {DOMAINS!r}, order=order, stages=1), seed=5)
protocol = leave_one_out(read_manifest(Path(manifest)), config.target, config.sources)
state = start_stage(config, protocol.training, 1, None, compute)
for i in range({ITERATIONS}):
    if fail == "yes" and compute.rank == 1 and i == 1:
        raise RuntimeError("this rank has had enough")
    if fail == "kill" and compute.rank == 1 and i == 1:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    _step(config, state, compute)
    state.iteration += 1
state.supply.close()
compute.average_buffers(state.detector)
scored = compute.score(state.detector.eval(), protocol.validation[:7], config.size)
torch.save(
    {{"weights": state.detector.state_dict(), "order": [s.presentation for s in scored]}},
    f"{{out}}.{{compute.rank}}",
)
"""


@pytest.fixture(scope="module")
def manifest(small_samples):
    return small_samples / "manifest.csv"


def two_processes(manifest, folder, order, fail="no"):
    script = folder / "shared.py"
    script.write_text(SHARED)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, script, manifest, folder / "out", order, fail],
        capture_output=True,
        text=True,
        timeout=110,
        env=environment,
        check=False,
    )


def transcription(manifest, order):
    """One process that computes both sub-batches with two copies and averages their gradients."""
    config = make_config("smoke", "webcam", DOMAINS, order=order, stages=1, seed=5)
    protocol = leave_one_out(read_manifest(manifest), config.target, config.sources)
    state = start_stage(config, protocol.training, 1, None, Compute(Machine(accelerator="cpu")))
    state.supply.close()
    halves = []
    for rank in (0, 1):
        detector = copy.deepcopy(state.detector).train()
        supplies = {
            d: DomainBatches(
                [p for p in protocol.training if p.domain == d],
                config.per_class,
                config.size,
                seed=1000 + config.seed,
                shift=config.shift,
                first=rank,
                step=2,
            )
            for d in config.sources
        }
        halves.append((detector, supplies))
    optimizers = [
        torch.optim.AdamW(halves[0][0].network.parameters(), lr=config.network_lr),
        torch.optim.AdamW(halves[0][0].extractor.parameters(), lr=config.extractor_lr),
    ]

    def together(part, losses, optimizer):
        """Step along the mean gradient in the first copy; the second takes its parameters over."""
        own, other = (list(getattr(d, part).parameters()) for d, _ in halves)
        grads = [torch.autograd.grad(v, p) for v, p in zip(losses, (own, other), strict=True)]
        for parameter, a, b in zip(own, *grads, strict=True):
            parameter.grad = (a + b) / 2
        optimizer.step()
        with torch.no_grad():
            for mine, yours in zip(own, other, strict=True):
                yours.copy_(mine)

    for i in range(ITERATIONS):
        rng = np.random.default_rng([config.seed, 3, i])
        test, *train = rng.permutation(sorted(config.sources))
        tests = [[s[test].draw() for _ in range(config.inner_steps)] for _, s in halves]
        trains = [join([s[d].draw() for d in train]) for _, s in halves]
        for k in range(config.inner_steps):
            losses = []
            for (detector, _), batches in zip(halves, tests, strict=True):
                images, live = batches[k]
                losses.append(presentation_loss(detector(images), live))
            together("extractor", losses, optimizers[1])
        losses = []
        for (detector, _), (images, live) in zip(halves, trains, strict=True):
            with torch.no_grad():
                pattern = detector.extractor(images)
            losses.append(presentation_loss(detector.network(images, pattern), live) / 2)
        together("network", losses, optimizers[0])
    return [d for d, _ in halves], protocol


def test_two_processes_equal_one_that_averages_their_gradients(manifest, tmp_path):
    done = two_processes(manifest, tmp_path, "alternating")
    assert done.returncode == 0, done.stderr[-2000:]
    ours = [torch.load(tmp_path / f"out.{rank}") for rank in (0, 1)]
    (a, b), protocol = transcription(manifest, "alternating")
    for name, tensor in ours[0]["weights"].items():
        assert torch.equal(tensor, ours[1]["weights"][name]), name
        expected = a.state_dict()[name]
        if "running" in name:
            expected = (expected + b.state_dict()[name]) / 2
        torch.testing.assert_close(tensor, expected, atol=1e-5, rtol=0)
    # seven presentations over two processes: none is lost, none comes twice, the order stays
    assert ours[0]["order"] == [p.id for p in protocol.validation[:7]] == ours[1]["order"]


@pytest.mark.parametrize(("fail", "words"), [("yes", "this rank has had enough"), ("kill", "")])
def test_one_process_that_ends_ends_the_others(manifest, tmp_path, fail, words):
    done = two_processes(manifest, tmp_path, "alternating", fail)  # within its timeout
    assert done.returncode != 0
    assert words in done.stderr
    assert not (tmp_path / "out.0").exists()


def test_sixteen_bits_learn_much_the_same(manifest, tmp_path):
    config = make_config("smoke", "webcam", DOMAINS, "rgb")
    protocol = leave_one_out(read_manifest(manifest), config.target, config.sources)
    logs = {}
    for precision in ("32-true", "bf16-mixed"):
        rows = []
        folder = tmp_path / precision
        folder.mkdir()
        fit(
            config,
            protocol.training,
            protocol.validation,
            folder,
            progress=False,
            compute=Compute(Machine(accelerator="cpu", precision=precision)),
            watch=rows.append,
        )
        logs[precision] = [row["meta_train"] for row in rows]
    full, half = logs.values()
    assert full != half
    assert half == pytest.approx(full, rel=0.05)


def test_larger_losses_move_the_weights_alike_and_an_overflow_leaves_a_step_out():
    compute = Compute(Machine(accelerator="cpu"))
    compute.scale = torch.tensor(1024.0)
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = compute.share(torch.optim.SGD([weight], lr=0.1))
    larger = compute.scaled(lambda out, live: (weight**2).sum())

    class Out:
        logits = weight

    weight.grad = torch.autograd.grad(larger(Out, None), weight)[0]
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.tensor([0.8, -1.6]))
    before, scale = weight.detach().clone(), compute.scale.item()
    weight.grad = torch.tensor([float("inf"), 1.0])
    optimizer.step()
    assert torch.equal(weight.detach(), before)
    assert compute.scale.item() == scale / 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"accelerator": "cuda"}, "no usable NVIDIA GPU"),
        ({"precision": "16-mixed"}, "needs a GPU"),
        ({"sync_batch_norm": True}, "needs GPUs"),
    ],
)
def test_what_this_machine_cannot_do_is_refused(asked, words):
    with pytest.raises(InputError, match=words):
        Compute(Machine(**asked))


@pytest.mark.parametrize(
    "asked", [{"devices": 0}, {"nodes": -1}, {"precision": "8"}, {"accelerator": "tpu"}]
)
def test_machines_that_mean_nothing_are_refused(asked):
    with pytest.raises(InputError, match="expected"):
        Machine(**asked)


def test_float16_and_a_differentiated_step_do_not_go_together():
    config = make_config("smoke", "webcam", DOMAINS, order="bilevel")
    with pytest.raises(InputError, match="bf16-mixed"):
        Machine(precision="16-mixed").check_order(config)
