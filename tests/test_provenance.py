"""A result names the commit that computed it, and whether the package differed from it."""

import subprocess

import pytest

from hfnmp_lite import provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository of a package and a page, one commit old."""
    package = tmp_path / "hfnmp_lite"
    package.mkdir()
    (package / "provenance.py").write_text("x = 1\n")
    (tmp_path / "README.md").write_text("a page\n")
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    someone = ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"]
    for call in (["init", "-q"], ["add", "."], someone):
        subprocess.run(["git", "-C", tmp_path, *call], check=True)
    return tmp_path


def test_a_changed_page_is_no_changed_package(checkout):
    name = provenance.commit()
    assert len(name) == 40
    (checkout / "README.md").write_text("another page\n")
    assert provenance.commit() == name
    (checkout / "hfnmp_lite" / "provenance.py").write_text("x = 2\n")
    assert provenance.commit() == f"{name}+changes"


def test_outside_a_checkout_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "hfnmp_lite" / "provenance.py"))
    assert provenance.commit() is None


def test_models_of_one_name_are_told_apart(monkeypatch):
    one = "processor : 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n"
    monkeypatch.setattr(provenance.Path, "read_text", lambda path: f"{one}\n{one}")
    assert provenance.hardware()["processor"] == "AMD EPYC (family 25, model 17)"
    monkeypatch.setattr(provenance.Path, "read_text", lambda path: "processor\t: 0\n")
    monkeypatch.setattr(provenance.platform, "processor", lambda: "an arm")
    assert provenance.hardware()["processor"] == "an arm"
