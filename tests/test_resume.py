"""Killed at any moment and resumed, a run ends as if nothing had happened."""

import contextlib
import csv
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

from hfnmp_lite.config import Machine, make_config

DOMAINS = ("handheld", "mixed", "phone", "webcam")
MOMENTS = 10


def go(manifest, folder, resume):
    """One run, in a process of its own that torch was imported for beforehand."""
    import torch

    from hfnmp_lite.experiments.run import run

    torch.set_num_threads(1)
    config = make_config(
        "smoke", "webcam", DOMAINS, extractor_iterations=12, iterations=16, validate_every=3
    )
    run(config, folder, manifest, resume, progress=False, machine=Machine(accelerator="cpu"))


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "hfnmp_lite.learn.fit", "hfnmp_lite.experiments.run"])
    return context


def finish(processes, *arguments):
    process = processes.Process(target=go, args=arguments)
    process.start()
    process.join(120)
    assert process.exitcode == 0


def what_it_left(folder):
    with open(folder / "log.csv", newline="") as file:
        log = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    names = ("model.safetensors", "scores.csv", "snapshots.safetensors")
    return log, *((folder / name).read_bytes() for name in names)


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_killed_at_random_moments_and_resumed_equals_never_killed(
    small_samples, tmp_path, processes
):
    manifest = small_samples / "manifest.csv"
    finish(processes, manifest, tmp_path / "whole", False)
    started = time.perf_counter()
    finish(processes, manifest, tmp_path / "again", False)
    whole, duration = what_it_left(tmp_path / "whole"), time.perf_counter() - started
    assert what_it_left(tmp_path / "again") == whole
    rng = np.random.default_rng(int(time.time()))  # other moments every time, on purpose
    unfinished = 0
    for i, moment in enumerate(rng.uniform(0, duration, MOMENTS)):
        folder = tmp_path / str(i)
        process = processes.Process(target=go, args=(manifest, folder, False))
        process.start()
        time.sleep(moment)
        with contextlib.suppress(ProcessLookupError):  # it was faster
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        if not (folder / "metrics.json").exists():
            unfinished += 1
            begun = (folder / "config.json").exists()
            finish(processes, manifest, folder, begun)
        assert what_it_left(folder) == whole, f"killed after {moment:.3f} s"
    assert unfinished >= MOMENTS // 2
