"""From a licensed layout to a verdict, through the command line, on miniatures."""

import csv
import json
import shutil
import subprocess
import sys

import cv2
import pytest

from hfnmp_lite import cli
from hfnmp_lite.data import commands, extract, miniature, ocim, videos

DATASETS = ("oulu", "casia", "replay", "msu")


@pytest.fixture
def hfnmp(capsys):
    """Run a command in this process: (status, stdout, the lines of stderr that are ours)."""

    def run(*arguments):
        status = cli.main([str(a) for a in arguments])
        said = capsys.readouterr()
        errors = [line for line in said.err.splitlines() if line.startswith("hfnmp")]
        assert "Traceback" not in said.err
        return status, said.out, errors

    return run


@pytest.fixture(scope="module")
def licensed(tmp_path_factory):
    """The four miniatures, indexed and prepared through the command line."""
    top = tmp_path_factory.mktemp("licensed")
    for dataset in DATASETS:
        miniature.build(top / dataset, dataset, frames=4)
        assert cli.main(["data", "index", str(top / dataset), "--dataset", dataset]) == 0
    indexes = [str(top / dataset / "manifest.csv") for dataset in DATASETS]
    status = cli.main(["data", "prepare", *indexes, "--out", str(top / "all"), "--size", "64"])
    assert status == 1  # casia's empty video
    return top / "all" / "manifest.csv"


@pytest.fixture(scope="module")
def finished(licensed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    asked = ["--preset", "smoke", "--manifest", str(licensed), "--out", str(folder)]
    assert cli.main(["train", "--protocol", "OMI-C", "--pattern", "lbp", *asked]) == 0
    return folder


def test_the_door_knows_the_same_names_as_the_rooms_behind_it():
    assert commands.RULES == videos.RULES
    assert commands.CROPS == extract.CROPS
    assert set(commands.DATASETS) == {*ocim.LAYOUTS, "own", "release"}


def test_help_stays_light():
    code = (
        "import sys, hfnmp_lite.cli as c; c.build_parser().format_help();"
        "print([m for m in ('torch', 'cv2', 'numpy', 'skimage') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_training_on_all_of_it_names_protocol_and_lists(finished):
    stored = json.loads((finished / "metrics.json").read_text())
    assert stored["protocol"] == "OMI-C"
    assert stored["target"] == "casia"
    assert stored["sources"] == ["msu", "oulu", "replay"]
    assert stored["lists"] == {
        "casia": "released and short lists (train, test): 16 of 600 videos",
        "msu": "released and short lists (train, test): 12 of 280 videos",
        "oulu": "released list (train, dev, test): 12 of 4950 videos",
        "replay": "released list (train, dev, test): 12 of 1200 videos",
    }
    assert (stored["n_listed"], stored["n_presentations"]) == (16, 15)
    rows = list(csv.DictReader((finished / "scores.csv").open(newline="")))
    (unseen,) = [row for row in rows if not row["score"]]
    assert unseen["presentation"] == "casia/test_release/2/4.avi"
    # the empty video is an attack that was not accepted; every other one counts as scored
    accepted = sum(
        float(row["score"]) >= stored["threshold"]
        for row in rows
        if row["attack_type"] == "print" and row["score"]
    )
    assert stored["apcer"]["print"] == accepted / 4


def test_evaluate_judges_again_and_its_report_shows_no_face(finished, hfnmp, tmp_path):
    page = tmp_path / "page.html"
    status, said, _ = hfnmp("evaluate", finished, "--report", page)
    assert status == 0
    assert "15 of 16 presentations scored" in said
    assert "casia: released and short lists (train, test): 16 of 600 videos" in said
    hidden = page.read_text()
    assert "real people" in hidden
    assert "Best and worst cases" not in hidden
    hfnmp("evaluate", finished, "--report", page, "--show-faces")
    shown = page.read_text()
    assert "Best and worst cases" in shown
    assert shown.count("data:image") > hidden.count("data:image")


def test_the_shorter_list_from_the_same_frames(licensed, hfnmp, tmp_path):
    short = tmp_path / "short.csv"
    status, said, _ = hfnmp("data", "join", licensed, "--out", short, "--list", "short")
    assert status == 0
    assert "oulu: short list (train, test): 9 of 3600 videos" in said
    arguments = ["--manifest", short, "--preset", "smoke", "--pattern", "rgb"]
    status, said, _ = hfnmp("train", "--protocol", "mi-o", *arguments, "--out", tmp_path / "run")
    assert status == 0
    assert "short list (train, test): 9 of 3600" in said
    stored = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (stored["protocol"], stored["sources"]) == ("MI-O", ["msu", "replay"])
    assert "casia" not in stored["lists"]


def test_zips_and_lists_of_the_release_are_trained_on_as_they_are(hfnmp, tmp_path):
    root = tmp_path / "release"
    miniature.build_release(root)
    before = sorted(p for p in root.rglob("*"))
    out = tmp_path / "release.csv"
    status, said, _ = hfnmp(
        *("data", "index", root, "--dataset", "release", "--lists", root / "lists", "--out", out)
    )
    assert status == 0  # faces that nobody found are results, not errors
    assert "failures to acquire: 2 of 52" in said
    arguments = ["--manifest", out, "--preset", "smoke", "--pattern", "rgb"]
    status, said, _ = hfnmp("train", "--target", "msu", *arguments, "--out", tmp_path / "run")
    assert status == 0
    assert "10 of 12 presentations scored" in said
    assert sorted(p for p in root.rglob("*")) == before


def test_ones_own_folder_is_judged_by_a_finished_run(finished, hfnmp, tmp_path):
    root = tmp_path / "desk"
    miniature.build_own(root, frames=3)
    assert hfnmp("data", "index", root, "--dataset", "own")[0] == 0
    status, said, _ = hfnmp("data", "prepare", root / "manifest.csv", "--size", "64")
    assert status == 0
    assert "9 presentations" in said
    prepared = root / "prepared" / "manifest.csv"
    status, said, _ = hfnmp("evaluate", finished, "--manifest", prepared, "--domain", "desk")
    assert status == 0
    assert "target desk: 9 of 9 presentations scored" in said
    status, _, errors = hfnmp("evaluate", finished, "--manifest", prepared)
    assert status == 2
    assert "they hold desk" in errors[0]


def test_predict_scores_videos_frame_by_frame(finished, hfnmp, tmp_path):
    film = tmp_path / "a.mov"
    miniature.film(film, miniature.face_of("phone", 1, None), 7)
    wall = tmp_path / "wall.avi"
    miniature.film(wall, 0 * miniature.face_of("phone", 1, None) + 90, 4)
    (tmp_path / "empty.mp4").touch()
    cv2.imwrite(str(tmp_path / "z.png"), miniature.scene(miniature.face_of("phone", 1, None), 0))
    files = [film, wall, tmp_path / "empty.mp4", tmp_path / "z.png"]
    folder = tmp_path / "figures"
    status, said, _ = hfnmp(
        *("predict", finished, *files, "--frames", 3, "--format", "json", "--timeline", folder)
    )
    assert status == 1
    moving, plain, empty, image = json.loads(said)
    assert [f["frame"] for f in moving["frames"]] == [0, 3, 6]
    assert [f["seconds"] for f in moving["frames"]] == [0, 0.12, 0.24]
    mean = sum(f["score"] for f in moving["frames"]) / 3
    assert moving["score"] == pytest.approx(mean, abs=1e-12)
    assert (moving["face"], plain["face"], image["face"]) == ("cascade", "none", "cascade")
    assert moving["frames"][0]["score"] == pytest.approx(image["score"], abs=1e-6)  # the same frame
    assert moving["verdict"] == ("live" if mean >= moving["threshold"] else "attack")
    assert empty["score"] is None
    assert "is empty" in empty["error"]
    assert image["frames"] == []
    assert sorted(p.name for p in folder.glob("*.png")) == ["a.png", "wall.png"]
    status, said, _ = hfnmp("predict", finished, film, film, "--timeline", folder, "--show-faces")
    assert status == 0
    assert said.count("frame ") == 14
    heights = {p.name: cv2.imread(str(p)).shape[0] for p in folder.glob("*.png")}
    assert heights["a.png"] == heights["a-2.png"] > heights["wall.png"]
    photograph = film.with_suffix(".png")
    photograph.write_bytes(b"mine")
    (tmp_path / "wall.png").unlink(missing_ok=True)
    status, said, complaint = hfnmp("predict", finished, wall, film, "--timeline", tmp_path)
    assert status == 2
    assert said.count("frame ") == 4 + 7  # the scores are there
    assert f"{photograph}: is in the way" in complaint[-1]
    assert photograph.read_bytes() == b"mine"
    assert not (tmp_path / "wall.png").exists()


def test_predict_scores_a_manifest_as_evaluate_does(finished, licensed, hfnmp):
    status, said, _ = hfnmp("predict", finished, "--manifest", licensed, "--format", "csv")
    assert status == 1  # one video has no frame
    rows = {row["file"]: row for row in csv.DictReader(said.splitlines())}
    assert len(rows) == 52
    assert "is empty" in rows["casia/test_release/2/4.avi"]["error"]
    stored = list(csv.DictReader((finished / "scores.csv").open(newline="")))
    for row in stored:
        predicted = rows[row["presentation"]]["score"]
        assert predicted == row["score"] or float(predicted) == pytest.approx(
            float(row["score"]), abs=1e-6
        )
    assert [f.split(":")[0] for f in rows["oulu/Dev_files/1_1_21_1.avi"]["frames"].split()] == [
        *("0", "3")
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data", "index", "{no}", "--dataset", "oulu"], "no such folder"),
        (["data", "index", "{top}", "--dataset", "oulu"], "holds no video named as in 'oulu'"),
        (["data", "index", "{top}", "--dataset", "release"], "--lists"),
        (["data", "index", "{top}", "--dataset", "oulu", "--domain", "x"], "--domain"),
        (["data", "index", "{top}", "--dataset", "own"], "sort the recordings"),
        (["data", "prepare", "{no}"], "no such manifest"),
        (["data", "prepare", "{no}", "{no}"], "--out"),
        (["data", "prepare", "{no}", "--frames", "0"], "frames is 0"),
        (["data", "prepare", "{no}", "--workers", "0"], "workers is 0"),
        (["data", "join", "{no}", "--out", "{top}/j.csv"], "no such manifest"),
        (["train", "--protocol", "OCIM-X"], "expected one of OCI-M"),
        (["train", "--protocol", "OCI-M", "--target", "oulu"], "give one of them"),
        (["train", "--protocol", "OCI-M", "--preset", "smoke"], "the data hold handheld"),
        (["predict", "{no}", "{no}", "--show-faces"], "--timeline"),
        (["predict", "{no}"], "--manifest"),
        (["predict", "{no}", "{no}", "--manifest", "{no}"], "what is to be scored"),
        (["evaluate", "{no}", "--show-faces"], "--report"),
    ],
)
def test_what_cannot_be_done_is_one_line(hfnmp, tmp_path, arguments, words):
    (tmp_path / "top").mkdir()
    places = {"no": tmp_path / "none.csv", "top": tmp_path / "top"}
    status, _, errors = hfnmp(*(a.format(**places) for a in arguments))
    assert status == 2
    assert len(errors) == 1
    assert words in errors[0]
    assert list((tmp_path / "top").iterdir()) == []


def test_an_index_is_not_mistaken_for_frames(licensed, hfnmp):
    index = licensed.parent.parent / "oulu" / "manifest.csv"
    status, _, errors = hfnmp("train", "--target", "oulu", "--manifest", index)
    assert status == 2
    assert "hfnmp data prepare" in errors[0]


def test_judging_on_what_was_learned_from_is_refused(finished, licensed, hfnmp, tmp_path):
    status, _, errors = hfnmp("evaluate", finished, "--domain", "oulu")
    assert status == 2
    assert "learned from 'oulu'" in errors[0]
    shutil.copy(finished / "model.safetensors", tmp_path / "model.safetensors")
    checkpoint = tmp_path / "model.safetensors"
    assert "--manifest" in hfnmp("evaluate", checkpoint)[2][0]
    status, said, _ = hfnmp("evaluate", checkpoint, "--manifest", licensed)
    assert status == 0
    assert "15 of 16 presentations scored" in said


def test_frames_that_cannot_be_read_cost_only_themselves(hfnmp, tmp_path, capsys):
    """Two damaged zips of a source and one of the target: training, judging, explaining go on."""
    root = tmp_path / "release"
    miniature.build_release(root)
    out = tmp_path / "release.csv"
    asked = ["--dataset", "release", "--lists", root / "lists", "--out", out]
    assert hfnmp("data", "index", root, *asked)[0] == 0
    zips = (
        sorted((root / "+CASIA-FASD").rglob("*.zip"))[:2]
        + sorted((root / "+MSU-MFSD").rglob("attack*.zip"))[:1]
    )
    for path in zips:
        content = bytearray(path.read_bytes())
        while (at := content.find(b"IDAT")) >= 0:
            content[at : at + 8] = b"damaged!"
        path.write_bytes(bytes(content))
    asked = ["--manifest", out, "--preset", "smoke", "--pattern", "rgb", "--out", tmp_path / "run"]
    assert cli.main([*map(str, ("train", "--protocol", "OCI-M", *asked))]) == 0
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    stored = json.loads((tmp_path / "run" / "metrics.json").read_text())
    named = [line for line in said.err.splitlines() if "the frame is left out" in line]
    of_sources = [line for line in named if any(path.name in line for path in zips[:2])]
    assert stored["unreadable_source_frames"] == len(of_sources) > 0
    assert len(of_sources) < len(named)  # the target's, too
    assert (stored["n_listed"], stored["n_presentations"]) == (12, 9)  # two were upside down
    status, said, errors = hfnmp("predict", tmp_path / "run", "--manifest", out)
    assert status == 1
    assert errors[-1].startswith("hfnmp: 5 of 52 could not be scored")


def test_ablate_names_the_lists_and_calls_nothing_simulated(licensed, hfnmp, tmp_path):
    out = tmp_path / "table.csv"
    asked = ["--arms", "rgb", "--targets", "msu", "--seeds", 1, "--training", "smoke"]
    status, said, errors = hfnmp(
        *("ablate", "--manifest", licensed, "--out", out, *asked, "--workers", 1)
    )
    assert (status, errors) == (0, [])
    assert "Simulated" not in said
    assert "oulu: released list (train, dev, test): 12 of 4950 videos" in said
    (row,) = csv.DictReader(out.open(newline=""))
    assert row["data"].startswith(f"{licensed}; casia: released and short lists")
    summary = json.loads(out.with_suffix(".summary.json").read_text())
    assert summary["rows"]["data"] == [row["data"]]
