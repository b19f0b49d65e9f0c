"""Where data lie and results may go, and what files are called in old locales."""

import errno
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hfnmp_lite import cli
from hfnmp_lite.experiments import run
from hfnmp_lite.files import InputError

# --- where a run's data lie -----------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A finished run on `data/manifest.csv`, and a folder whose `data/` holds other data."""
    for place in ("home", "away"):
        (tmp_path / place / "data").mkdir(parents=True)
        (tmp_path / place / "data/manifest.csv").write_text(
            f"path,domain,subject,presentation,live,attack_type\n0.png,webcam,{place},p,1,\n"
        )
        (tmp_path / place / "data/0.png").touch()
    monkeypatch.chdir(tmp_path / "home")
    (tmp_path / "run").mkdir()
    about = {"data": run._identity("data/manifest.csv"), "config": {}, "machine": {}}
    (tmp_path / "run/config.json").write_text(json.dumps(about))
    (tmp_path / "run/metrics.json").write_text(json.dumps({"data": "data/manifest.csv"}))
    return tmp_path


@pytest.mark.parametrize("command", ["evaluate", "explain"])
def test_a_run_is_judged_on_the_data_it_was_made_on_or_not_at_all(
    elsewhere, monkeypatch, capsys, command
):
    from hfnmp_lite.teach import explanations

    assert [p.subject for p in run.stored_data(elsewhere / "run")] == ["home"]
    for folder, words in (("away", "its sha256 differs"), ("run", "not found from this folder")):
        monkeypatch.chdir(elsewhere / folder)
        with pytest.raises(InputError, match=words):
            run.stored_data(elsewhere / "run")
        if command == "evaluate":
            assert cli.main(["evaluate", str(elsewhere / "run")]) == 2
            line = capsys.readouterr().err
            assert words in line
            assert line.count("\n") == 1
        else:
            with pytest.raises(InputError, match=words):
                explanations._own_data(elsewhere / "run")


# --- where nothing can be written, and names in old locales ---------------------------------------


@pytest.mark.parametrize("action", ["index", "prepare"])
def test_a_read_only_data_root_suggests_out(tmp_path, monkeypatch, capsys, action):
    (tmp_path / "live/ann").mkdir(parents=True)
    (tmp_path / "live/ann/1.mov").touch()
    arguments = ["data", "index", str(tmp_path), "--dataset", "own"]
    if action == "prepare":
        assert cli.main(arguments) == 0
        arguments = ["data", "prepare", str(tmp_path / "manifest.csv")]

    def read_only(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path))

    monkeypatch.setattr(tempfile, "mkstemp", read_only)
    monkeypatch.setattr(Path, "mkdir", read_only)
    capsys.readouterr()
    assert cli.main(arguments) == 2
    assert "Read-only file system" in (line := capsys.readouterr().err)
    assert "--out names another place" in line


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has other encodings of names")
def test_names_in_utf8_are_read_in_any_locale(tmp_path):
    for folder in ("live/Zo\u00eb", "attack/print/Zo\u00eb"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "\u81c9.png").touch()
    command = [sys.executable, "-m", "hfnmp_lite.cli", "data", "index", tmp_path]
    for utf8 in ("0", "1"):
        environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": utf8}
        done = subprocess.run(
            [*command, "--dataset", "own"], env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "Zo\u00eb/\u81c9.png" in (tmp_path / "manifest.csv").read_text(encoding="utf-8")
        (tmp_path / "manifest.csv").unlink()
