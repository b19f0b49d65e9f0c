"""Whole files or none."""

import os

import pytest

from hfnmp_lite.files import InputError, clear_remains, exclusive, fresh_folder, write_whole


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


def test_fresh_folder_appears_whole_or_not_at_all(tmp_path):
    final = tmp_path / "final"
    with fresh_folder(final) as folder:
        (folder / "a").write_text("old")
        assert not final.exists()

    def break_off():
        with fresh_folder(final) as folder:
            (folder / "a").write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        break_off()
    assert (final / "a").read_text() == "old"
    with fresh_folder(final) as folder:
        (folder / "b").write_text("new")
    assert os.listdir(final) == ["b"]
    assert os.listdir(tmp_path) == ["final"]


def test_remains_of_a_killed_write_go_and_nothing_else(tmp_path):
    for name in ("a.txt", ".a.txt.x1y2", ".a.txt.lock", ".b.txt.x1y2"):
        (tmp_path / name).write_text("here")
    clear_remains(tmp_path / "a.txt")
    assert sorted(os.listdir(tmp_path)) == [".a.txt.lock", ".b.txt.x1y2", "a.txt"]


def test_one_process_at_a_time(tmp_path):
    with exclusive(tmp_path / "a"):
        with pytest.raises(InputError, match="another process"), exclusive(tmp_path / "a"):
            pass
        with exclusive(tmp_path / "b"):
            pass
    with exclusive(tmp_path / "a"):
        pass
