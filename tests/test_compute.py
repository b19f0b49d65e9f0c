"""Processes that share a run, precision, and what a machine cannot do."""

import copy
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from forks import in_two

from hfnmp_lite import HFN, Detector, MetaPatternExtractor, meta_step
from hfnmp_lite.config import Machine, is_first, make_config
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
import os
import signal
import sys
import time
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
    if i == 1 and fail != "no":
        Path(f"{{out}}.failed").touch()
        if fail == "error" and compute.rank == 1:
            raise RuntimeError("this rank has had enough")
        if fail == f"kill {{compute.rank}}":
            os.kill(os.getpid(), signal.SIGKILL)
        if fail == "kill 0":
            time.sleep(300)  # busy, and asks nothing of the other
    _step(config, state, compute)
    state.iteration += 1
state.supply.close()
compute.average_buffers(state.detector)
scored = compute.score(state.detector.eval(), protocol.validation[:7], config.size)
torch.save(
    {{"weights": state.detector.state_dict(), "order": [s.presentation for s in scored]}},
    f"{{out}}.{{compute.rank}}",
)
compute.close()
"""


@pytest.fixture(scope="module")
def manifest(small_samples):
    return small_samples / "manifest.csv"


def two_processes(manifest, folder, fail):
    script = folder / "shared.py"
    script.write_text(SHARED)
    return subprocess.run(
        [sys.executable, script, manifest, folder / "out", "alternating", fail],
        capture_output=True,  # until the last process that could write has ended
        text=True,
        timeout=900,  # on a machine with much else to do
        env=os.environ | {"OMP_NUM_THREADS": "1"},
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


def run_shared(*arguments):
    sys.argv = ["shared.py", *arguments]
    exec(SHARED, {})


def test_two_processes_equal_one_that_averages_their_gradients(manifest, tmp_path):
    in_two(run_shared, str(manifest), str(tmp_path / "out"), "alternating", "no")
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


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("fail", "words"),
    [
        ("error", "this rank has had enough"),
        ("kill 1", "lost the others|terminated with code -9"),  # whichever notices first
        ("kill 0", "the first process ended"),
    ],
)
def test_one_process_that_ends_ends_the_others(manifest, tmp_path, fail, words):
    done = two_processes(manifest, tmp_path, fail)
    assert time.time() - (tmp_path / "out.failed").stat().st_mtime < 60
    assert done.returncode != 0
    assert re.search(words, done.stderr)
    assert not list(tmp_path.glob("out.[01]"))


def test_sixteen_bits_learn_much_the_same(manifest, tmp_path):
    config = make_config("smoke", "webcam", DOMAINS, "rgb", size=96)
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


def test_in_sixteen_bits_every_step_sees_the_weights_that_the_one_before_left():
    torch.manual_seed(0)
    given = HFN().train(), MetaPatternExtractor().train()
    batches = [(torch.rand(4, 3, 96, 96), torch.arange(4) % 2) for _ in range(4)]

    def fresh():
        network, extractor = copy.deepcopy(given)
        on_network = torch.optim.SGD(network.parameters(), 0.1)
        return network, extractor, on_network, torch.optim.SGD(extractor.parameters(), 1.0)

    network, extractor, on_network, on_extractor = fresh()
    with Compute(Machine(accelerator="cpu", precision="bf16-mixed")).autocast():
        losses = meta_step(network, extractor, batches[:3], batches[3:], on_network, on_extractor)
    assert torch.is_autocast_cache_enabled()
    other, its_extractor, on_other, on_its_extractor = fresh()
    for images, live in batches[:3]:
        with torch.autocast("cpu", torch.bfloat16):  # one for each step: nothing is kept
            loss = presentation_loss(other(images, its_extractor(images)), live)
        loss.backward()
        on_its_extractor.step()
        on_its_extractor.zero_grad()
        other.zero_grad()
    images, live = batches[3]
    with torch.autocast("cpu", torch.bfloat16):
        loss = presentation_loss(other(images, its_extractor(images)), live)
    (loss / 2).backward()
    on_other.step()
    assert losses["meta_train"] == loss
    for module, expected in ((network, other), (extractor, its_extractor)):
        for (name, p), q in zip(module.named_parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=0, atol=1e-6, msg=name)
    assert not torch.equal(extractor.encoder[0].weight, given[1].encoder[0].weight)


def test_larger_losses_move_the_weights_alike_and_an_overflow_leaves_a_step_out():
    compute = Compute(Machine(accelerator="cpu"))
    compute.scale = torch.tensor(1024.0)
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = compute.share(torch.optim.SGD([weight], lr=0.1, momentum=0.9, fused=True))
    larger = compute.scaled(lambda out, live: (weight**2).sum())
    weight.grad = torch.autograd.grad(larger(None, None), weight)[0]
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.tensor([0.8, -1.6]))
    compute.after_iteration()
    assert compute.scale.item() == pytest.approx(1024 * 1.001)
    before, scale = copy.deepcopy((weight.detach(), optimizer.state_dict())), compute.scale.item()
    for gradient in ([float("inf"), 1.0], [1.0, 1.0]):  # two steps of one iteration
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        if gradient[0] > 1:
            assert torch.equal(weight.detach(), before[0])
            momentum = before[1]["state"][0]["momentum_buffer"]
            assert torch.equal(optimizer.state[weight]["momentum_buffer"], momentum)
    assert not torch.equal(weight.detach(), before[0])
    assert compute.scale.item() == scale  # the same throughout an iteration
    compute.after_iteration()
    assert compute.scale.item() == scale / 2


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, {}),
        (
            {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"},
            {"devices": 4, "nodes": 2},
        ),
        (
            {"LT_ACCELERATOR": "gpu", "LT_PRECISION": "bf16"},
            {"accelerator": "cuda", "precision": "bf16-mixed"},
        ),
        ({"LT_STRATEGY": "ddp", "LT_PRECISION": "16-mixed"}, {"precision": "16-mixed"}),
    ],
)
def test_what_a_launcher_fixed_is_taken_over(environment, expected):
    assert Machine().launched(environment) == Machine(**expected)


@pytest.mark.parametrize(
    ("name", "value"), [("STRATEGY", "fsdp"), ("ACCELERATOR", "mps"), ("PRECISION", "64-true")]
)
def test_what_fabric_run_offers_beyond_this_is_refused(name, value):
    with pytest.raises(InputError, match=f"'{value}' is unknown; expected one of"):
        Machine().launched({f"LT_{name}": value})


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"TORCHELASTIC_RUN_ID": "x", "RANK": "2", "LOCAL_RANK": "0"}, False),
        ({"HFNMP_STARTED_BY": "7", "LOCAL_RANK": "1"}, False),
        ({"RANK": "1", "LOCAL_RANK": "1", "NODE_RANK": "1", "WORLD_SIZE": "2"}, True),
        ({"RANK": "one", "LOCAL_RANK": "", "NODE_RANK": "-1"}, True),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "JSM_NAMESPACE_RANK": "1"}, True),
    ],
)
def test_one_process_of_all_writes_whatever_other_programs_left(monkeypatch, environment, first):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_first() == first
    if "TORCHELASTIC_RUN_ID" not in environment:
        monkeypatch.setenv("NODE_RANK", "1")
        assert not is_first(nodes=2)
        monkeypatch.setenv("NODE_RANK", "0")
        assert is_first(nodes=2) == first


@pytest.mark.parametrize(
    ("nodes", "environment", "words"),
    [
        (2, {"NODE_RANK": "2"}, "NODE_RANK is 2; of 2 machines expected 0 to 1"),
        (2, {"NODE_RANK": "one"}, "NODE_RANK is 'one'"),
        (1, {"TORCHELASTIC_RUN_ID": "x", "RANK": "one"}, "RANK is 'one'"),
        (1, {"TORCHELASTIC_RUN_ID": "x"}, "RANK is ''"),
    ],
)
def test_a_rank_that_is_none_is_named(monkeypatch, nodes, environment, words):
    monkeypatch.delenv("RANK", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=re.escape(words)):
        is_first(nodes)


STRAY = {
    "RANK": "one",
    "LOCAL_RANK": "1",
    "NODE_RANK": "1",
    "GROUP_RANK": "1",
    "WORLD_SIZE": "2",
    "SLURM_NTASKS": "2",
    "SLURM_JOB_ID": "1",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "1",
    "MASTER_ADDR": "nowhere.invalid",
}


def test_variables_that_another_program_left_change_nothing(monkeypatch):
    for name, value in STRAY.items():
        monkeypatch.setenv(name, value)
    compute = Compute(Machine(accelerator="cpu"))
    assert (compute.first, compute.rank, compute.world) == (True, 0, 1)


def launched(program, *arguments, **environment):
    """Run a program that makes a `Compute`; return what it printed on stdout and on stderr."""
    done = subprocess.run(
        [sys.executable, program, *arguments],
        capture_output=True,  # until the last process that could write has ended
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        check=False,
    )
    lines = done.stdout.splitlines()
    said = [line for line in lines if not line.startswith("[Gloo]")]  # as torch 2.9 remarks
    return done.returncode, said, done.stderr.splitlines()


MEETS = """
import sys
from hfnmp_lite.config import Machine, is_first
from hfnmp_lite.files import InputError
from hfnmp_lite.learn.compute import Compute

try:
    compute = Compute(Machine(accelerator="cpu", devices=2))
except InputError as error:
    sys.exit(str(error))
sys.stdout.write(f"{compute.rank}{compute.world}{is_first()}\\n")  # whole, beside the other's
sys.stdout.flush()
compute.from_first(None)
compute.close()
"""


def test_two_processes_meet_whatever_other_programs_left(tmp_path):
    (tmp_path / "meets.py").write_text(MEETS)
    status, said, complaint = launched(tmp_path / "meets.py", **STRAY)
    assert (status, sorted(said)) == (0, ["02True", "12False"]), complaint


def test_a_port_that_is_taken_ends_every_process_in_one_line(tmp_path):
    (tmp_path / "meets.py").write_text(MEETS)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        status, said, complaint = launched(tmp_path / "meets.py", MASTER_PORT=port)
    assert (status, said) == (1, [])
    (line,) = complaint
    assert line.startswith(f"MASTER_PORT is '{port}', where the processes cannot meet")


@pytest.mark.parametrize("port", ["http", "", "0", "65536"])
def test_a_port_that_is_none_is_named(monkeypatch, port):
    monkeypatch.setenv("MASTER_PORT", port)
    with pytest.raises(InputError, match=f"MASTER_PORT is '{port}', where"):
        Compute(Machine(accelerator="cpu", devices=2))


def test_where_the_first_process_cannot_meet_the_others_none_is_left(tmp_path):
    """The port is taken between the look at it and the meeting."""
    fails = MEETS.replace("try:", f"{FAILS}try:", 1)
    (tmp_path / "meets.py").write_text(fails)
    begun = time.monotonic()
    status, said, complaint = launched(tmp_path / "meets.py")
    assert (status, said) == (1, [])
    assert complaint == [complaint[0]]
    assert "the processes of the run could not meet (no room; a port)" in complaint[0]
    assert time.monotonic() - begun < 120


FAILS = """
import torch
from hfnmp_lite.config import STARTED_BY
import os

meet = torch.distributed.init_process_group
started = os.environ.get(STARTED_BY)

def fail(*arguments, **options):
    if started is None:
        raise RuntimeError("no room; a port")
    meet(*arguments, **options)

torch.distributed.init_process_group = fail
"""


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


def test_what_does_not_go_together_with_a_differentiated_step():
    config = make_config("smoke", "webcam", DOMAINS, order="bilevel")
    with pytest.raises(InputError, match="bf16-mixed"):
        Machine(precision="16-mixed").check_order(config)
    with pytest.raises(InputError, match="no second derivative"):
        Machine(sync_batch_norm=True).check_order(config)
    first_order = make_config("smoke", "webcam", DOMAINS, order="bilevel-first-order")
    Machine(sync_batch_norm=True).check_order(first_order)


def test_sixteen_bits_on_a_processor_need_larger_images():
    small, larger = (make_config("smoke", "webcam", DOMAINS, size=size) for size in (64, 96))
    Compute(Machine(accelerator="cpu")).check(small)
    compute = Compute(Machine(accelerator="cpu", precision="bf16-mixed"))
    compute.check(larger)
    with pytest.raises(InputError, match="give --precision 32-true"):
        compute.check(small)


def test_synchronised_batch_norms_take_the_place_of_all_others():
    """In one process, where there is nobody to agree with, they do the same as the others."""
    compute = Compute(Machine(accelerator="cpu"))
    compute.machine = replace(compute.machine, sync_batch_norm=True)
    plain = Detector(MetaPatternExtractor(), HFN()).train()
    detector = copy.deepcopy(plain)
    parameters = list(detector.parameters())
    compute.prepare(detector, meta=True)
    norms = [m for m in detector.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    assert {type(m) for m in norms} == {torch.nn.SyncBatchNorm}
    assert all(a is b for a, b in zip(parameters, detector.parameters(), strict=True))
    images = torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(detector(images).score, plain(images).score)
    plain.load_state_dict(detector.state_dict())  # a checkpoint does not know which it was
