"""Options: where they may stand, and that none is ignored in silence."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hfnmp_lite import cli
from hfnmp_lite.config import make_config
from hfnmp_lite.data import samples
from hfnmp_lite.experiments import run

MP = str(samples.root() / "checkpoints" / "mp-webcam.safetensors")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("predict C --no-crop a.jpg", {"files": ["a.jpg"], "no_crop": True}),
        ("predict C a.jpg --no-crop b.jpg", {"files": ["a.jpg", "b.jpg"], "no_crop": True}),
        ("predict --frames 3 C --no-crop a.jpg b.jpg", {"files": ["a.jpg", "b.jpg"]}),
        ("predict C a.jpg -- --odd.jpg", {"files": ["a.jpg", "--odd.jpg"]}),
        ("predict C --manifest m.csv", {"files": [], "manifest": Path("m.csv")}),
        ("explain C --out o a.jpg", {"images": ["a.jpg"], "out": Path("o")}),
        ("explain C a.jpg --out o b.jpg", {"images": ["a.jpg", "b.jpg"], "out": Path("o")}),
        ("explain C", {"images": []}),
        ("evaluate --domain d C", {"run": Path("C"), "domain": "d"}),
        ("data join a.csv --out o.csv b.csv", {"manifests": ["a.csv", "b.csv"]}),
        ("data prepare a.csv --size 64 b.csv", {"indexes": ["a.csv", "b.csv"], "size": 64}),
        ("samples build --out o", {"out": Path("o"), "action": "build"}),
    ],
)
def test_options_may_stand_between_positional_arguments(command, expected):
    given = vars(cli.build_parser().parse_args(command.split()))
    for name, value in expected.items():
        found = given[name]
        assert ([str(f) for f in found] if isinstance(found, list) else found) == value


@pytest.mark.parametrize(
    "command", ["predict", "predict C --fly a.jpg", "train x", "data join --out o", "samples build"]
)
def test_what_is_missing_or_unknown_is_still_refused(command):
    with pytest.raises(SystemExit):
        cli.build_parser().parse_args(command.split())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["explain", MP, "--each", "0"], "--each draws from a manifest"),
        (["explain", MP, __file__, "--each", "3"], "leave --each out"),
        (["explain", MP, "--no-crop"], "leave --no-crop out"),
        (["predict", MP, "--manifest", "m", "--no-crop"], "leave --no-crop out"),
        (["predict", MP, "--manifest", "m", "--frames", "0"], "leave --frames out"),
        (["ablate", "--out", "{out}/t.csv", "--report", "--seeds", "0"], "leave --seeds out"),
        (
            ["ablate", "--out", "{out}/t.csv", "--report", "--arms", "mp", "--workers", "2"],
            "leave --workers, --arms out",
        ),
        (["ablate", "--out", "{out}/t.csv", "--report", "--sources", "a"], "leave --sources out"),
        (
            ["train", "--target", "phone", "--pattern", "lbp", "--inner-steps", "3"],
            "leave --inner-steps out",
        ),
        (["data", "index", "{out}", "--dataset", "own", "--frames", "3"], "leave them out"),
        (["data", "index", "{out}", "--dataset", "msu", "--rule", "fixed"], "leave them out"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(tmp_path, monkeypatch, capsys, command, words):
    monkeypatch.chdir(tmp_path)
    assert cli.main([part.format(out=tmp_path) for part in command]) == 2
    assert words in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "given",
    [
        ["--seed", "5"],
        ["--pattern", "lbp"],
        ["--augment", "camera"],
        ["--sources", "webcam,mixed"],
        ["--manifest", "m.csv"],
    ],
)
def test_a_run_is_resumed_with_what_it_was_started_with_or_not_at_all(
    tmp_path, monkeypatch, capsys, given
):
    domains = ("phone", "webcam", "mixed", "handheld")
    begun = make_config("smoke", "phone", domains), None, {}
    monkeypatch.setattr(run, "begun", lambda _: begun)
    resumed = []
    monkeypatch.setattr(cli, "_show_run", lambda *asked: resumed.append(asked))
    resume = ["train", "--resume", "--out", str(tmp_path)]
    assert cli.main([*resume, *given]) == 2
    assert f"a run with other {given[0][2:]}" in capsys.readouterr().err
    assert not resumed
    assert cli.main([*resume, "--seed", "0", "--pattern", "mp"]) == 0
    assert resumed[0][0] == begun[0]


def test_there_is_no_strategy_to_choose(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--target", "phone", "--strategy", "ddp"])
    assert "--strategy" in capsys.readouterr().err


LAB = """
import sys
from pathlib import Path
from hfnmp_lite.teach import classroom

server = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
classroom._need_classroom = lambda: None
classroom.lab_command = lambda folder, browser: [sys.executable, "-c", server, sys.argv[1]]
sys.exit(classroom.open_lab(".", browser=False))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_lab_that_is_killed_takes_its_server_along(tmp_path, number):
    told = tmp_path / "server"
    lab = subprocess.Popen([sys.executable, "-c", LAB, str(told)], cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (told.exists() and told.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    lab.send_signal(number)
    assert lab.wait(timeout=60) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)
