"""Killed at any moment and resumed, a run ends as if nothing had happened."""

import contextlib
import csv
import os
import signal
import time

import numpy as np
import pytest
from forks import FORKS

from hfnmp_lite.config import Machine, make_config
from hfnmp_lite.experiments.run import _claim, run
from hfnmp_lite.files import InputError, exclusive

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")

DOMAINS = ("handheld", "mixed", "phone", "webcam")
MOMENTS = 10


def go(manifest, folder, resume, dies_at=None):
    """One run, in a process of its own that torch was imported for beforehand.

    With `dies_at` it is killed at that write of last.ckpt, the one before having been moved away.
    """
    import torch

    from hfnmp_lite.learn import state

    write, writes = state.write_whole, []

    def write_or_die(path, data):
        if path.name == "last.ckpt":
            writes.append(path)
            if len(writes) == dies_at:
                os.kill(os.getpid(), signal.SIGKILL)
        write(path, data)

    state.write_whole = write_or_die

    torch.set_num_threads(1)
    config = make_config(
        "smoke", "webcam", DOMAINS, extractor_iterations=6, iterations=8, validate_every=2
    )
    run(config, folder, manifest, resume, progress=False, machine=Machine(accelerator="cpu"))


def finish(*arguments):
    process = FORKS.Process(target=go, args=arguments)
    process.start()
    process.join(600)
    assert process.exitcode == 0


def what_it_left(folder):
    with open(folder / "log.csv", newline="") as file:
        log = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    names = ("model.safetensors", "scores.csv", "snapshots.safetensors")
    return log, *((folder / name).read_bytes() for name in names)


@pytest.fixture(scope="module")
def manifest(small_samples):
    return small_samples / "manifest.csv"


@pytest.fixture(scope="module")
def whole(manifest, tmp_path_factory):
    """What a run leaves that nobody disturbs, and its seconds when it is the second of its kind."""
    folder = tmp_path_factory.mktemp("resume")
    finish(manifest, folder / "whole", False)
    started = time.perf_counter()
    finish(manifest, folder / "again", False)
    duration = time.perf_counter() - started
    left = what_it_left(folder / "whole")
    assert what_it_left(folder / "again") == left
    return left, duration


@pytest.mark.parametrize(("dies_at", "left"), [(1, 0), (2, 1), (3, 1), (4, 1), (6, 1)])
def test_killed_between_two_checkpoints(manifest, whole, tmp_path, dies_at, left):
    """Before there is any; in the first stage, at its end; in the second, at its beginning."""
    process = FORKS.Process(target=go, args=(manifest, tmp_path, False, dies_at))
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "last.ckpt").exists()
    assert (tmp_path / "before.ckpt").exists() == left
    finish(manifest, tmp_path, True)
    assert what_it_left(tmp_path) == whole[0]


def test_killed_at_random_moments_and_resumed_equals_never_killed(manifest, whole, tmp_path):
    whole, duration = whole
    rng = np.random.default_rng(int(time.time()))  # other moments every time, on purpose
    unfinished = 0
    for i, moment in enumerate(rng.uniform(0, duration, MOMENTS)):
        folder = tmp_path / str(i)
        process = FORKS.Process(target=go, args=(manifest, folder, False))
        process.start()
        time.sleep(moment)
        with contextlib.suppress(ProcessLookupError):  # it was faster
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        if not (folder / "metrics.json").exists():
            unfinished += 1
            begun = (folder / "config.json").exists()
            finish(manifest, folder, begun)
        assert what_it_left(folder) == whole, f"killed after {moment:.3f} s"
    assert unfinished >= MOMENTS // 2


@pytest.mark.parametrize("name", ["log.csv", "model.safetensors"])
def test_what_the_user_put_into_a_stopped_run_stays(manifest, whole, tmp_path, name):
    process = FORKS.Process(target=go, args=(manifest, tmp_path, False, 3))
    process.start()
    process.join(300)
    with open(tmp_path / name, "a") as file:
        file.write("my notes\n")
    mine = (tmp_path / name).read_bytes()
    config = make_config(
        "smoke", "webcam", DOMAINS, extractor_iterations=6, iterations=8, validate_every=2
    )
    with pytest.raises(InputError, match=f"{name}: is in the way"):
        run(config, tmp_path, manifest, True, machine=Machine(accelerator="cpu"), progress=False)
    (tmp_path / name).rename(tmp_path / "mine")
    finish(manifest, tmp_path, True)
    assert what_it_left(tmp_path) == whole[0]
    assert (tmp_path / "mine").read_bytes() == mine


def test_two_at_one_run_refuse_each_other(manifest, tmp_path):
    config = make_config("smoke", "webcam", DOMAINS, "rgb")
    machine = Machine(accelerator="cpu")
    _claim(config, tmp_path, manifest, machine, resume=False)  # as a run begins
    with exclusive(tmp_path / "run"), pytest.raises(InputError, match="another process"):
        run(config, tmp_path, manifest, resume=True, machine=machine, progress=False)


def test_a_run_that_is_refused_leaves_no_folder(manifest, tmp_path):
    config = make_config("smoke", "webcam", DOMAINS, "rgb")
    machine = Machine(accelerator="cpu", sync_batch_norm=True)
    for folder in (tmp_path / "new", tmp_path):
        with pytest.raises(InputError, match="needs GPUs"):
            run(config, folder, manifest, machine=machine, progress=False)
        assert list(tmp_path.iterdir()) == []
