"""A command replaces and removes only what it wrote itself."""

import json
import os

import pytest

from hfnmp_lite import cli
from hfnmp_lite.data import samples
from hfnmp_lite.experiments import regime, shift
from hfnmp_lite.explain import faithfulness
from hfnmp_lite.files import InputError
from hfnmp_lite.owned import RECORD, check_free, owned_folder, write_owned


def fill(final, by="hfnmp explain", **files):
    with owned_folder(final, by) as folder:
        for name, text in files.items():
            (folder / name).write_text(text)


def held(folder):
    return {p.name: p.read_text() for p in folder.iterdir() if p.name != RECORD}


def test_a_file_of_ones_own_is_replaced_and_named(tmp_path, capsys):
    path = tmp_path / "new" / "a.png"
    write_owned(path, b"one", "hfnmp predict")
    assert capsys.readouterr().err == ""
    write_owned(path, "two", "hfnmp predict")
    assert path.read_bytes() == b"two"
    assert capsys.readouterr().err == f"replaced, as hfnmp predict wrote it: {path}\n"
    write_owned(path, "two", "hfnmp predict")
    assert capsys.readouterr().err == ""
    assert sorted(os.listdir(path.parent)) == [RECORD, "a.png"]


def photograph(path):
    path.write_text("a photograph")


def edited(path):
    write_owned(path, "ours", "hfnmp predict")
    path.write_text("ours, with a note in the margin")


def of_another_command(path):
    write_owned(path, "a figure", "hfnmp explain")


def of_the_same_content(path):
    photograph(path)
    write_owned(path, "a photograph", "hfnmp predict")


def moved_in_the_place_of_ours(path):
    write_owned(path, "ours", "hfnmp predict")
    path.unlink()
    photograph(path)


def link(path):
    photograph(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def link_to_nothing(path):
    path.symlink_to(path.with_name("nowhere"))


def folder(path):
    path.mkdir()


SOMEBODY_ELSES = [
    *(photograph, edited, of_another_command, of_the_same_content),
    *(moved_in_the_place_of_ours, link, link_to_nothing, folder),
]


@pytest.mark.parametrize("put", SOMEBODY_ELSES, ids=lambda put: put.__name__)
def test_a_file_of_somebody_else_is_refused_by_name_and_stays(tmp_path, put):
    path = tmp_path / "IMG_1.png"
    put(path)
    before = path.read_text() if path.is_file() else None
    with pytest.raises(InputError, match=r"IMG_1\.png: is in the way"):
        check_free([path, tmp_path / "free.png"], "hfnmp predict")
    with pytest.raises(InputError, match=r"IMG_1\.png: is in the way"):
        write_owned(path, "new", "hfnmp predict")
    assert os.path.lexists(path)
    assert (path.read_text() if path.is_file() else None) == before


def test_every_file_in_the_way_is_named(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"a, .*b: are in the way"):
        check_free([tmp_path / name for name in "abc"], "hfnmp ablate")


def test_a_folder_that_was_not_there_appears_whole_or_not_at_all(tmp_path):
    def break_off():
        with owned_folder(tmp_path / "final", "hfnmp explain") as folder:
            (folder / "a").write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        break_off()
    assert os.listdir(tmp_path) == []
    fill(tmp_path / "final", a="whole")
    assert held(tmp_path / "final") == {"a": "whole"}
    with pytest.raises(RuntimeError, match="killed"):
        break_off()
    assert held(tmp_path / "final") == {"a": "whole"}
    assert os.listdir(tmp_path) == ["final"]


def test_notes_folders_and_edited_files_stay_where_ones_own_go(tmp_path, capsys):
    out = tmp_path / "explain"
    fill(out, sheet="1", old="1", edited="1", moved="1")
    (out / "notes.txt").write_text("mine")
    (out / "mine").mkdir()
    (out / "mine" / "thesis.txt").write_text("years")
    (out / "edited").write_text("1, and my remark")
    (out / "moved").rename(out / "kept")
    capsys.readouterr()
    fill(out, sheet="2", new="2")
    assert (out / "mine" / "thesis.txt").read_text() == "years"
    (out / "mine" / "thesis.txt").unlink()
    (out / "mine").rmdir()
    expected = {"sheet": "2", "new": "2", "notes.txt": "mine", "edited": "1, and my remark"}
    assert held(out) == {**expected, "kept": "1"}
    said = capsys.readouterr().err
    assert f"replaced, as hfnmp explain wrote it: {out / 'sheet'}\n" in said
    assert f"removed, as hfnmp explain wrote it: {out / 'old'}\n" in said
    with pytest.raises(InputError, match=r"edited, .*notes\.txt: are in the way"):
        fill(out, **{"edited": "3", "notes.txt": "3", "sheet": "3"})
    assert held(out) == {**expected, "kept": "1"}


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "numbers.json").write_text("{}")
    with pytest.raises(InputError, match="no hfnmp explain made"):
        fill(tmp_path, sheet="1")
    fill(tmp_path / "demo", by="hfnmp demo", report="1")
    with pytest.raises(InputError, match="no hfnmp explain made"):
        fill(tmp_path / "demo", sheet="1")
    with pytest.raises(InputError, match="is a file"):
        fill(tmp_path / "numbers.json", sheet="1")
    assert held(tmp_path / "demo") == {"report": "1"}


def test_the_present_folder_can_be_written_into_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(".", sheet="1")
    fill(".", sheet="2")
    assert held(tmp_path) == {"sheet": "2"}


def test_a_command_that_was_killed_while_it_wrote_knows_its_own_again(tmp_path, monkeypatch):
    path, out = tmp_path / "a", tmp_path / "out"
    write_owned(path, "1", "hfnmp ablate")
    fill(out, sheet="1", more="1")
    replace = os.replace

    def killed(old, new):
        if os.path.basename(new) in ("a", "more"):
            raise KeyboardInterrupt
        replace(old, new)

    for text in ("2", "3"):
        with monkeypatch.context() as now:
            now.setattr(os, "replace", killed)
            with pytest.raises(KeyboardInterrupt):
                write_owned(path, text, "hfnmp ablate")
            with pytest.raises(KeyboardInterrupt):
                fill(out, sheet=text, more=text)
        assert path.read_text() == "1"
        assert held(out) == {"sheet": text}
    write_owned(path, "4", "hfnmp ablate")
    fill(out, sheet="4", more="4")
    assert path.read_text() == "4"
    assert held(out) == {"sheet": "4", "more": "4"}


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}', '{"a": {"by": 1, "sha256": []}}'])
def test_a_record_that_is_none_is_named_and_kept(tmp_path, text):
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(InputError, match="is damaged"):
        write_owned(tmp_path / "a", "1", "hfnmp ablate")
    assert (tmp_path / RECORD).read_text() == text


def test_the_record_forgets_what_is_no_longer_there(tmp_path):
    write_owned(tmp_path / "a", "1", "hfnmp ablate")
    (tmp_path / "a").unlink()
    write_owned(tmp_path / "b", "1", "hfnmp ablate")
    assert list(json.loads((tmp_path / RECORD).read_text())) == ["b"]


# --- every command that writes ------------------------------------------------------------------

MP = samples.root() / "checkpoints" / "mp-webcam.safetensors"
COMMANDS = [
    ("numbers.json", cli.main, ["explain", MP, "--out", "{folder}"]),
    ("report.html", cli.main, ["demo", "--preset", "smoke", "--out", "{folder}"]),
    ("grid.png", cli.main, ["ablate", "--out", "{folder}/grid.csv", "--report"]),
    ("grid.png", cli.main, ["ablate", "--out", "{folder}/grid.csv", "--seeds", "1"]),
    ("grid.summary.json", cli.main, ["ablate", "--out", "{folder}/grid.csv", "--report"]),
    ("run.html", cli.main, ["evaluate", "{folder}", "--report", "{folder}/run.html"]),
    ("f.json", cli.main, ["bench", "--quick", "--json", "{folder}/f.json"]),
    ("manifest.csv", cli.main, ["data", "index", "{folder}", "--dataset", "own"]),
    ("table.json", faithfulness.main, [MP, "--subjects", "2", "--out", "{folder}/table.csv"]),
    ("table.csv", faithfulness.main, [MP, "--subjects", "2", "--out", "{folder}/table.csv"]),
]


@pytest.mark.parametrize(("name", "main", "command"), COMMANDS)
def test_no_command_writes_over_a_file_of_somebody_else(tmp_path, capsys, name, main, command):
    from hfnmp_lite.data.presentations import MANIFEST_COLUMNS

    frame = next((samples.root() / "frames").iterdir())
    for kind in ("live/anna", "attack/print/anna"):
        (tmp_path / kind).mkdir(parents=True)
        (tmp_path / kind / "1.jpg").write_bytes(frame.read_bytes())
    mine = ",".join(MANIFEST_COLUMNS) + "\n"
    (tmp_path / name).write_text(mine)
    assert main([str(part).format(folder=tmp_path) for part in command]) == 2
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0
    assert str(tmp_path) in said
    assert (tmp_path / name).read_text() == mine


@pytest.mark.parametrize("main", [regime.main, shift.main])
def test_what_measures_the_samples_writes_over_nobodys_file_either(tmp_path, main):
    mine = tmp_path / "mine.json"
    mine.write_text('{"figures": 1}')
    with pytest.raises(InputError, match=r"mine\.json: is in the way"):
        main(["--out", str(mine)])
    assert mine.read_text() == '{"figures": 1}'


def test_an_index_is_written_anew_until_somebody_changes_it(tmp_path, capsys):
    frame = next((samples.root() / "frames").iterdir())
    for kind in ("live/anna", "attack/print/anna"):
        (tmp_path / kind).mkdir(parents=True)
        (tmp_path / kind / "1.jpg").write_bytes(frame.read_bytes())
    index = ["data", "index", str(tmp_path), "--dataset", "own"]
    assert cli.main(index) == 0
    (tmp_path / "live" / "anna" / "2.jpg").write_bytes(frame.read_bytes())
    assert cli.main(index) == 0
    assert "replaced, as hfnmp data index wrote it" in capsys.readouterr().err
    manifest = tmp_path / "manifest.csv"
    corrected = manifest.read_text().replace("anna", "Anne")
    manifest.write_text(corrected)
    assert cli.main(index) == 2
    assert f"{manifest}: is in the way" in capsys.readouterr().err
    assert manifest.read_text() == corrected
