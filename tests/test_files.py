"""Whole files or none."""

import os
from pathlib import Path

import pytest

from hfnmp_lite.files import InputError, clear_remains, exclusive, write_whole


def test_write_whole_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "sub" / "a.txt"
    write_whole(path, "one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["a.txt"]


def test_a_failed_write_keeps_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_whole(path, "kept")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "lost")
    assert path.read_text() == "kept"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_remains_of_a_killed_write_go_and_nothing_else(tmp_path, monkeypatch):
    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", lambda *_, **__: None)  # as when there is no time for it
        killed.setattr(os, "replace", None)
        with pytest.raises(TypeError):
            write_whole(tmp_path / "a.txt", "half")
    (remains,) = tmp_path.iterdir()
    others = ["a.txt", ".a.txt.lock", ".a.txt.mine", ".b.txt.unfinished-x1y2"]
    for name in others:
        (tmp_path / name).write_text("here")
    clear_remains(tmp_path / "a.txt")
    assert not remains.exists()
    assert sorted(os.listdir(tmp_path)) == sorted(others)


def test_one_process_at_a_time(tmp_path):
    with exclusive(tmp_path / "a"):
        with pytest.raises(InputError, match="another process"), exclusive(tmp_path / "a"):
            pass
        with exclusive(tmp_path / "b"):
            pass
    with exclusive(tmp_path / "a"):
        pass
