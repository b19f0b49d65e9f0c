"""One run through the command line under every launcher, killed in one and resumed in another."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from forks import in_two

from hfnmp_lite import cli

BIN = Path(sys.executable).parent
pytestmark = [
    pytest.mark.classroom,  # not what a classroom does, but minutes long: .ci/run alone runs it
    pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL and process groups"),
]

# The command line, but the first process dies where `last.ckpt` has been moved out of the way and
# the new one is not there yet.
DIES = """
import os
import signal
import sys
from hfnmp_lite import cli
from hfnmp_lite.learn import state

write = state.write_whole

def write_or_die(path, data):
    if path.name == "last.ckpt" and (path.parent / "before.ckpt").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, data)

state.write_whole = write_or_die
sys.exit(cli.main())
"""
# The command line, but the first process alone is interrupted, within its first stage.
INTERRUPTED = """
import os
import signal
import sys
from hfnmp_lite import cli
from hfnmp_lite.learn import fit

step = fit._step

def step_or_stop(config, state, compute):
    if compute.first and (state.stage, state.iteration) == (1, 1):
        os.kill(os.getpid(), signal.SIGINT)
    return step(config, state, compute)

fit._step = step_or_stop
sys.exit(cli.main())
"""


def launch(*command, status=0):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [str(c) for c in command],
        capture_output=True,
        text=True,
        timeout=600,
        env=environment,
        check=False,
    )
    assert done.returncode == status or (status is None and done.returncode), done.stderr[-3000:]
    return done


def what_it_left(folder):
    log = (folder / "log.csv").read_text().splitlines()
    names = ("model.safetensors", "scores.csv", "snapshots.safetensors")
    return [line.rsplit(",", 1)[0] for line in log], *(
        (folder / name).read_bytes() for name in names
    )


@pytest.fixture(scope="module")
def asked(small_samples):
    manifest = small_samples / "manifest.csv"
    return ["train", "--target", "webcam", "--preset", "smoke", "--manifest", manifest]


@pytest.fixture(scope="module")
def whole(asked, tmp_path_factory):
    """The run that nobody disturbs: two processes as torchrun starts them."""
    folder = tmp_path_factory.mktemp("launchers") / "whole"
    in_two(cli.main, [str(c) for c in (*asked, "--accelerator", "cpu", "--out", folder)])
    return folder


def test_killed_under_fabric_run_and_resumed_under_torchrun(asked, whole, tmp_path):
    script, folder = tmp_path / "dies.py", tmp_path / "run"
    script.write_text(DIES)
    how = ["--devices", "2", "--accelerator", "cpu", "--strategy", "ddp"]
    launch(BIN / "fabric", "run", *how, script, *asked, "--out", folder, status=None)
    left = {path.name for path in folder.iterdir()}
    assert "before.ckpt" in left
    assert not left & {"last.ckpt", "metrics.json"}
    torchrun = [BIN / "torchrun", "--nproc-per-node", "2", "-m", "hfnmp_lite.cli"]
    launch(*torchrun, "train", "--resume", "--out", folder)
    assert what_it_left(folder) == what_it_left(whole)


def test_interrupted_in_one_process_both_stop_and_either_goes_on(asked, whole, tmp_path, capsys):
    script, folder = tmp_path / "interrupted.py", tmp_path / "run"
    script.write_text(INTERRUPTED)
    how = ["--devices", "2", "--accelerator", "cpu", "--out", folder]
    done = launch(sys.executable, script, *asked, *how, status=130)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("hfnmp:")]
    command = f"hfnmp train --resume --out {folder}"
    assert line == f"hfnmp: interrupted; {command} goes on"
    assert not (folder / "metrics.json").exists()
    alone = tmp_path / "alone"
    shutil.copytree(folder, alone)
    assert cli.main(["train", "--resume", "--out", str(alone), "--devices", "1"]) == 2
    assert "other devices" in capsys.readouterr().err
    done = launch(sys.executable, "-m", "hfnmp_lite.cli", "train", "--resume", "--out", folder)
    assert done.stdout.count("The run:") == 1  # one of the two speaks
    assert what_it_left(folder) == what_it_left(whole)
