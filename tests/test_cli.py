"""The command line through its real entry point."""

import csv
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from forks import FORKS, hfnmp
from packaging.requirements import Requirement
from skimage.data import astronaut

from hfnmp_lite import cli, doctor

FILES = {
    ".hfnmp.json",
    "config.json",
    "last.ckpt",
    "log.csv",
    "metrics.json",
    "model.safetensors",
    "scores.csv",
}
ON_THE_WAY = {"before.ckpt", "snapshots.safetensors"}


def one_clear_line(done, *words, status=2):
    """Assert that a command failed with one line that holds the words, and no traceback."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert lines, done.stdout
    assert sum(line.startswith("hfnmp") for line in lines) == 1, done.stderr
    for word in words:
        assert word in lines[-1]


@pytest.fixture(scope="module")
def manifest(small_samples):
    return small_samples / "manifest.csv"


@pytest.fixture(scope="module")
def finished(manifest, tmp_path_factory):
    """A finished smoke run."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    done = hfnmp(
        "train", "--target", "phone", "--preset", "smoke", "--manifest", manifest, "--out", folder
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_installed_command_is_this_one():
    script = Path(sys.executable).with_name("hfnmp")
    done = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("hfnmp-lite ")


def test_help_imports_nothing_heavy():
    code = (
        "import sys, hfnmp_lite, hfnmp_lite.cli as c; c.build_parser().format_help();"
        "print([m for m in ('torch', 'torchvision', 'cv2', 'matplotlib', 'skimage') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["fly"], "invalid choice"),
        (["train", "--pattern", "sift"], "invalid choice"),
        (["train", "--stages", "3"], "invalid choice"),
        (["samples"], "ACTION"),
        (["predict", "x"], "FILE_OR_FOLDER"),
    ],
)
def test_wrong_words_are_explained(arguments, words):
    done = hfnmp(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_leaves_what_it_promises(finished):
    assert {p.name for p in finished.iterdir()} == FILES | {"snapshots.safetensors"}
    metrics = json.loads((finished / "metrics.json").read_text())
    wanted = (
        "target sources pattern order seed selected_on threshold hter hter_ci eer_oracle "
        "hter_oracle auc apcer bpcer n_presentations n_listed seconds peak_memory_mb versions "
        "commit"
    )
    assert set(wanted.split()) <= set(metrics)
    assert set(metrics["apcer"]) == {"print", "replay"}
    assert metrics["n_listed"] == 4 * 3 * 2
    rows = list(csv.DictReader((finished / "scores.csv").open(newline="")))
    assert len(rows) == 24
    assert {r["domain"] for r in rows} == {"phone"}


def test_evaluate_gives_the_numbers_that_the_run_wrote(finished):
    done = hfnmp("evaluate", finished)
    metrics = json.loads((finished / "metrics.json").read_text())
    assert done.returncode == 0, done.stderr
    assert f"{100 * metrics['hter']:.1f} %" in done.stdout
    assert f"{100 * metrics['auc']:.1f} %" in done.stdout
    assert "24 of 24" in done.stdout


def test_train_refuses_what_would_be_lost_or_cannot_be(finished, manifest, tmp_path):
    before = {p.name: p.read_bytes() for p in finished.iterdir()}
    train = ["train", "--target", "phone", "--preset", "smoke", "--manifest", manifest]
    one_clear_line(hfnmp(*train, "--out", finished), "finished run")
    assert {p.name: p.read_bytes() for p in finished.iterdir()} == before
    one_clear_line(hfnmp(*train, "--out", tmp_path / "new", "--resume"), "--resume")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    one_clear_line(hfnmp(*train, "--out", tmp_path / "mine"), "other files")
    one_clear_line(hfnmp("train", "--target", "moon", "--manifest", manifest), "moon", "phone")
    one_clear_line(hfnmp("train", "--target", "phone", "--manifest", tmp_path / "no.csv"), "no.csv")
    one_clear_line(hfnmp("train", "--out", finished, "--resume"), "nothing to resume")
    one_clear_line(hfnmp(*train, "--seed", "-1"), "seed")
    one_clear_line(hfnmp(*train, "--trunk-weights", "w.pth"), "lite")
    paper = [*train, "--preset", "paper", "--out", tmp_path / "new"]
    one_clear_line(hfnmp(*paper, "--trunk-weights", tmp_path / "w.pth"), "no such file")
    assert not (tmp_path / "new").exists()


def test_killed_and_resumed_gives_the_same_scores(finished, manifest, tmp_path):
    folder = tmp_path / "run"
    train = ["train", "--target", "phone", "--preset", "smoke", "--manifest", str(manifest)]
    process = FORKS.Process(target=cli.main, args=([*train, "--out", str(folder)],))
    process.start()
    deadline = time.monotonic() + 120
    while not (folder / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join()
    assert not (folder / "metrics.json").exists()
    assert {p.name for p in folder.iterdir() if p.name[0] != "."} <= FILES | ON_THE_WAY
    one_clear_line(hfnmp(*train, "--out", folder), "unfinished", "--resume")
    assert hfnmp("train", "--out", folder, "--resume").returncode == 0
    assert (folder / "scores.csv").read_bytes() == (finished / "scores.csv").read_bytes()


def test_a_full_disk_ends_with_one_line_and_nothing_half_written(manifest, tmp_path):
    folder = tmp_path / "run"
    train = ["train", "--target", "phone", "--pattern", "rgb", "--preset", "smoke"]
    most = (resource.RLIMIT_FSIZE, (100_000, 100_000))
    done = hfnmp(*train, "--manifest", manifest, "--out", folder, limit=most)
    one_clear_line(done, "too large")
    assert {p.name for p in folder.iterdir()} == {"config.json"}


def test_predict_scores_what_it_can_and_says_what_it_cannot(finished, tmp_path):
    from PIL import Image

    photograph = Image.fromarray(astronaut())
    photograph.save(tmp_path / "a.png")
    photograph.convert("CMYK").resize((300, 300)).save(tmp_path / "b.jpg")
    Image.new("L", (90, 50), 128).save(tmp_path / "c.gif")
    (tmp_path / "d.jpg").write_bytes(b"")
    (tmp_path / "e.png").write_bytes((tmp_path / "a.png").read_bytes()[:3000])
    done = hfnmp("predict", finished, tmp_path, tmp_path / "none.jpg", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert done.returncode == 1, done.stderr
    assert [Path(r["file"]).name for r in rows] == [
        *("a.png", "b.jpg", "c.gif", "d.jpg", "e.png", "none.jpg")
    ]
    assert [r["face"] for r in rows[:3]] == ["cascade", "cascade", "none"]
    assert all(0 <= float(r["score"]) <= 1 and not r["error"] for r in rows[:3])
    assert all(r["error"] and not r["score"] for r in rows[3:])
    done = hfnmp("predict", finished, tmp_path / "a.png", "--no-crop", "--format", "json")
    (verdict,) = json.loads(done.stdout)
    assert done.returncode == 0
    assert verdict["face"] == "not sought"
    one_clear_line(hfnmp("predict", tmp_path / "a.png", tmp_path / "a.png"), "a.png")
    one_clear_line(hfnmp("predict", tmp_path, tmp_path / "a.png"), "model.safetensors")


def test_verify_names_every_damaged_and_missing_file(small_samples, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(small_samples, folder)
    assert hfnmp("samples", "verify", "--dir", folder).returncode == 0
    first, second = sorted((folder / "frames").iterdir())[:2]
    first.write_bytes(first.read_bytes()[:-1] + b"x")
    second.unlink()
    done = hfnmp("samples", "verify", "--dir", folder)
    assert done.returncode == 1
    assert first.name in done.stdout
    assert second.name in done.stdout
    one_clear_line(
        hfnmp("train", "--target", "phone", "--manifest", folder / "manifest.csv"), second.name
    )


def test_demo_makes_its_report_and_replaces_only_its_own(tmp_path):
    out = tmp_path / "demo"
    for _ in range(2):
        done = hfnmp("demo", "--preset", "smoke", "--out", out)
        assert done.returncode == 0, done.stderr
        assert FILES | {"report.html"} <= set(os.listdir(out))
        assert os.listdir(tmp_path) == ["demo"]
        (out / "notes.txt").write_text("what I saw")
    assert "replaced, as hfnmp demo wrote it" in done.stderr
    assert "notes.txt" not in done.stderr
    with open(out / "report.html", "a") as page:
        page.write("<!-- mine -->")
    one_clear_line(
        hfnmp("demo", "--preset", "smoke", "--out", out), f"{out / 'report.html'}: is in"
    )
    assert (out / "notes.txt").read_text() == "what I saw"
    report = (out / "report.html").read_text()
    assert "simulated" in report.lower()
    assert "://" not in report.replace("http://www.w3.org", "")  # nothing to fetch
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years")
    one_clear_line(hfnmp("demo", "--preset", "smoke", "--out", mine), "no hfnmp demo made")
    one_clear_line(hfnmp("demo", "--target", "moon"), "moon")


def versions():
    return next(about for what, *about in doctor.examine() if what == "versions")


@pytest.mark.parametrize("name", ["opencv-python", "pytest"])  # needed, and of an extra
def test_doctor_names_a_package_that_is_too_old(monkeypatch, name):
    true = doctor.version
    monkeypatch.setattr(doctor, "version", lambda n: "4.10" if n == name else true(n))
    bound = next(r for r in map(Requirement, requires("hfnmp-lite")) if r.name == name)
    wanted = f"{name}{bound.specifier}"
    assert versions() == [False, f'{name} is 4.10; expected {wanted}: pip install "{wanted}"']


def test_doctor_misses_what_is_needed_and_not_what_is_extra(monkeypatch):
    true, gone = doctor.version, {"safetensors", "jupyterlab"}

    def version(name):
        if name in gone:
            raise PackageNotFoundError(name)
        return true(name)

    monkeypatch.setattr(doctor, "version", version)
    well, text = versions()
    assert not well
    assert "safetensors is missing" in text
    assert "jupyterlab" not in text


def test_doctor_finds_this_machine_well():
    done = hfnmp("doctor")
    assert done.returncode == 0, done.stdout
    assert "FAIL" not in done.stdout
