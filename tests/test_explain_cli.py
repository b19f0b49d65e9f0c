"""`hfnmp explain`: sheets and numbers, of files and of the samples, and what is refused."""

import functools
import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage.data import astronaut

from hfnmp_lite import HFN, Detector, cli, load_checkpoint, save_checkpoint
from hfnmp_lite.data import samples
from hfnmp_lite.data.loaders import to_batch
from hfnmp_lite.explain import attribution, tour
from hfnmp_lite.explain.response import respond
from hfnmp_lite.explain.table import Row
from hfnmp_lite.teach import attribution_figures, faithfulness_figures, figures
from hfnmp_lite.teach.figures import PALETTE

MP = samples.root() / "checkpoints" / "mp-webcam.safetensors"


@pytest.fixture
def face(tmp_path):
    path = tmp_path / "a face, mine.png"
    cv2.imwrite(str(path), astronaut()[..., ::-1])
    return path


@pytest.fixture
def wall(tmp_path):
    path = tmp_path / "wall.png"
    cv2.imwrite(str(path), np.full((200, 200, 3), 128, np.uint8))
    return path


@pytest.fixture
def quick(monkeypatch):
    """Two methods are enough to see a sheet."""
    kept = {name: tour.ASKED[name] for name in ("ig", "gradcam")}
    monkeypatch.setattr(tour, "ASKED", kept)
    ask = functools.partial(attribution.integrated_gradients, steps=4)
    monkeypatch.setitem(attribution.METHODS, "ig", ask)


def complaint(capsys):
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("hfnmp: ")]
    (line,) = lines
    return line


def test_a_users_photo_is_explained_and_a_wall_is_not(face, wall, tmp_path):
    """The one run through the real door: nothing patched."""
    out = tmp_path / "explained"
    command = [sys.executable, "-m", "hfnmp_lite.cli", "explain", MP, wall, face, "--out", out]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [text for text in done.stderr.splitlines() if text.startswith("hfnmp: ")]
    assert str(wall) in line
    assert "no face" in line
    assert "--no-crop" in line
    assert {p.name for p in out.iterdir()} == {"00-a_face_mine.png", "numbers.json", ".hfnmp.json"}
    said = json.loads((out / "numbers.json").read_text())
    assert {"command", "commit", "versions", "hardware"} <= set(said)
    (picture,) = said["pictures"]
    assert picture["face"] == "cascade"
    assert len(picture["alt"]) > 40
    (network,) = picture["networks"].values()
    assert network["pattern"] == "mp"
    assert network["verdict"] in ("live", "attack")
    assert set(network["attributions"]) == set(tour.ASKED)
    ig = network["attributions"]["ig"]
    assert ig["explained"] + ig["error"] == pytest.approx(ig["totals"]["image"], abs=1e-3)
    assert abs(ig["error"]) < 0.1 * abs(ig["explained"]) + 0.1
    shares = network["shapley"]["margin"]
    whole = shares["image"] + shares["pattern"] + shares["baseline"]
    assert whole == pytest.approx(network["responses"]["margin"], abs=1e-3)
    sheet = cv2.imread(str(out / "00-a_face_mine.png"))
    assert sheet.shape[1] > 1000
    assert said["peak_memory_mb"] is None or 200 < said["peak_memory_mb"] < 2000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.safetensors"], ["missing.safetensors", "no such file"]),
        (["{mp}", "nowhere.jpg"], ["nowhere.jpg", "no such file"]),
        (["{mp}", "--against", "missing"], ["missing", "no such file"]),
    ],
)
def test_what_is_not_there_is_refused_before_torch_is_imported(arguments, words):
    given = [a.format(mp=MP) for a in arguments]
    code = (
        f"import sys; from hfnmp_lite import cli; status = cli.main({['explain', *given]!r});"
        "print(status, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["2", "False"], done.stderr
    for word in words:
        assert word in done.stderr
    assert done.stderr.count("\n") == 1


def test_other_refusals_are_one_line(face, wall, tmp_path, capsys, quick):
    explain = ["explain", str(MP)]
    assert cli.main([*explain, str(wall), "--out", str(tmp_path / "o")]) == 2
    assert "no face" in complaint(capsys)
    assert not (tmp_path / "o").exists()
    assert cli.main([*explain, str(MP), "--out", str(tmp_path / "o")]) == 2
    assert "image" in complaint(capsys)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    assert cli.main([*explain, str(face), "--out", str(tmp_path / "mine")]) == 2
    assert "--out another" in complaint(capsys)
    assert (tmp_path / "mine" / "thesis.tex").exists()
    assert cli.main([*explain, str(face), "--against", str(MP)]) == 2
    assert "one name" in complaint(capsys)


def test_whole_pictures_are_explained_on_demand_and_again_beside_ones_notes(
    wall, tmp_path, capsys, quick
):
    out = tmp_path / "o"
    explain = ["explain", str(MP), str(wall), "--no-crop", "--out", str(out)]
    assert cli.main(explain) == 0
    (out / "00-wall.png").rename(out / "kept.png")
    (out / "notes").mkdir()
    (out / "notes" / "thesis.tex").write_text("years of work")
    assert cli.main(explain) == 0
    assert (out / "notes" / "thesis.tex").read_text() == "years of work"
    names = {".hfnmp.json", "00-wall.png", "kept.png", "notes", "numbers.json"}
    assert {p.name for p in out.iterdir()} == names
    (picture,) = json.loads((out / "numbers.json").read_text())["pictures"]
    assert picture["face"] == "not sought"
    told = capsys.readouterr()
    assert re.search(r"00-wall.png: mp-webcam [01]\.\d", told.out)
    assert f"replaced, as hfnmp explain wrote it: {out / 'numbers.json'}\n" in told.err
    assert "removed" not in told.err
    (out / "00-wall.png").write_bytes(b"cut out by hand")
    assert cli.main(explain) == 2
    assert f"{out / '00-wall.png'}: is in the way" in complaint(capsys)
    assert (out / "00-wall.png").read_bytes() == b"cut out by hand"


def test_a_network_without_a_pattern_is_explained_of_the_image_and_says_so(
    face, tmp_path, capsys, quick
):
    torch.manual_seed(0)
    path = tmp_path / "rgb-webcam.safetensors"
    save_checkpoint(path, Detector(None, HFN(streams=1)).eval(), {})
    out = tmp_path / "o"
    arguments = ["explain", str(MP), str(face), "--against", str(path), "--out", str(out)]
    assert cli.main(arguments) == 1
    assert "one stream and no pattern" in complaint(capsys)
    (picture,) = json.loads((out / "numbers.json").read_text())["pictures"]
    assert "shapley" not in picture["networks"]["rgb-webcam"]
    assert picture["networks"]["rgb-webcam"]["verdict"] is None
    assert set(picture["networks"]["rgb-webcam"]["attributions"]) == {"ig", "gradcam"}


# --- the tour -----------------------------------------------------------------------------------


def test_without_images_there_is_a_tour_of_an_unseen_and_a_known_domain(tmp_path, capsys, quick):
    out = tmp_path / "o"
    lbp = MP.with_name("lbp-phone.safetensors")
    assert cli.main(["explain", str(lbp), "--out", str(out)]) == 0
    names = [line.split(":")[0] for line in capsys.readouterr().out.splitlines() if ".png:" in line]
    kinds = ["-".join(name.split("-")[1:3]) for name in names]
    assert kinds == [f"{d}-{k}" for d in ("phone", "webcam") for k in ("live", "print", "replay")]
    assert {p.name for p in out.iterdir()} == {*names, "numbers.json", ".hfnmp.json"}
    told = json.loads((out / "numbers.json").read_text())["pictures"]
    assert [p["figure"] for p in told] == names
    for picture in told:
        removed = picture["networks"]["lbp-phone"].get("removal", {})
        assert set(removed) >= set(picture.get("cues", ()))
        assert bool(removed) == (picture["kind"] != "live")


def test_the_tour_shows_each_kind_with_its_true_cues(quick):
    shown = list(tour.tour(["handheld", "nowhere"], 128))
    assert [p.kind for p in shown] == ["live", "print", "replay"]
    live, print_, replay = shown
    assert not live.cues
    assert {"halftone", "glare"} <= set(print_.cues)
    assert "gamut" not in replay.cues
    assert "gamut" in replay.without
    detector = load_checkpoint(MP)
    found = tour.explain_picture(detector, replay, "mp-webcam")
    numbers = tour.numbers(replay, [found])
    json.dumps(numbers, allow_nan=False)
    cue = next(iter(replay.without))
    before, after = respond(detector, to_batch([replay.image, replay.without[cue]]), "score")
    told = numbers["networks"]["mp-webcam"]["removal"][cue]["score"]
    assert told == pytest.approx(float(after - before), abs=1e-5)


def test_stored_cue_maps_are_the_simulators():
    import csv

    from hfnmp_lite.simulate import cues

    (replay,) = [p for p in tour.tour(["phone"], 128) if p.kind == "replay"]
    with open(samples.root() / "manifest.csv", newline="") as file:
        name = replay.name.rsplit("-", 1)[1]
        (row,) = [r for r in csv.DictReader(file) if Path(r["path"]).stem == name]
    take = samples.take_of(row)
    for cue, member in replay.cues.items():
        expected = cues.counterfactual(take, cue).soft_before_jpeg
        np.testing.assert_allclose(6 * member, np.minimum(expected, 6), atol=0.51)


# --- figures ------------------------------------------------------------------------------------


def explained(name, scale):
    side = 32
    maps = {
        "ig": scale * np.random.default_rng(0).normal(size=(side, side)),
        "occlusion": scale * np.ones((side, side)),
    }
    numbers = {"attributions": {"ig": {"error": 0.5, "explained": 2.0}}}
    return tour.Explained(name, "mp", 0.25, 0.5, np.full((4, 4), 0.5), None, maps, numbers)


def test_a_sheet_has_one_stated_scale_a_column_for_all_networks():
    picture = tour.Picture("p", np.full((32, 32, 3), 90, np.uint8), "print")
    pair = [explained("one", 1.0), explained("two", 3.0)]
    figure, alt = attribution_figures.sheet(picture, pair)
    assert "one scores 0.25 (attack)" in alt
    assert "completeness error +0.50 of +2.00" in alt
    labels = [[t.get_text() for t in axes.get_xticklabels()] for axes in figure.axes[-3:]]
    assert labels[0] == ["attack", "", "live"]
    assert labels[1] == ["−3", "0", "3"]  # occlusion: the mean of a cell, of the larger network
    low, zero, high = labels[2]
    cells = attribution_figures.cells(pair[1].maps["ig"], True)
    both = np.concatenate([cells.ravel(), cells.ravel() / 3])
    assert (low, zero) == (f"−{high}", "0")
    assert float(high) == pytest.approx(np.percentile(np.abs(both), 99), rel=0.05)
    assert figures.png(figure)


def test_signed_maps_diverge_around_zero():
    image = np.full((8, 8, 3), 100, np.uint8)
    values = np.array([[0.0, 2.0], [-2.0, 1.0]])
    drawn = attribution_figures.paint(values, image, 2.0)
    grey = drawn[0, 0]
    assert np.ptp(grey) < 1e-9  # zero has no colour
    for place, name in (((0, 7), "live"), ((7, 0), "replay")):
        rgb = [int(PALETTE[name][i : i + 2], 16) / 255 for i in (1, 3, 5)]
        np.testing.assert_allclose(drawn[place], rgb, atol=0.01)
    assert np.abs(drawn[7, 7] - grey).max() < np.abs(drawn[0, 7] - grey).max()
    twice = attribution_figures.paint(2 * values, image, 2.0)
    np.testing.assert_allclose(twice[0, 7], drawn[0, 7])  # beyond the limit: full colour


def test_cells_sum_or_average():
    values = np.arange(64.0).reshape(8, 8)
    by_hand = [[values[:4, :4].sum(), values[:4, 4:].sum()]]
    by_hand += [[values[4:, :4].sum(), values[4:, 4:].sum()]]
    np.testing.assert_allclose(attribution_figures.cells(values, True), by_hand)
    np.testing.assert_allclose(attribution_figures.cells(values, False), np.divide(by_hand, 16))


def painted(axes):
    (drawn,) = axes.get_images()
    return np.asarray(drawn.get_array())


def test_networks_side_by_side_share_one_stated_scale():
    member = np.zeros((32, 32))
    member[:8] = 1
    image = np.full((32, 32, 3), 90, np.uint8)
    picture = tour.Picture(
        "p", image, "print", cues={"moire": 1 - member, "bands": 0 * member, "glare": member}
    )
    pair = [explained("one", 1.0), explained("two", 4.0)]
    figure, alt = attribution_figures.side_by_side(picture, pair, "occlusion")
    assert figures.png(figure)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["print", "one\nscore 0.25", "two\nscore 0.25", "true glare, black"]
    assert "full colour at 4 " in figure.texts[0].get_text()  # of the network with the larger map
    assert "margin lost" in figure.texts[0].get_text()
    assert alt.endswith("largest and least value: one +1 and +1; two +4 and +4.")
    expected = attribution_figures.paint(np.ones((8, 8)), image, 4.0)
    np.testing.assert_allclose(painted(figure.axes[1]), expected)
    np.testing.assert_array_equal(painted(figure.axes[3]), member)
    bare = tour.Picture("p", image, "live")
    figure, _ = attribution_figures.side_by_side(bare, pair, "ig")
    assert figure.axes[-1].get_title() == "no cue"
    assert "margin in 4 x 4 pixels" in figure.texts[0].get_text()


def test_a_layer_has_its_own_title_beside_those_of_a_sheet():
    one = explained("one", 1.0)
    one.maps["gradcam, p4"] = np.zeros((32, 32))
    picture = tour.Picture("p", np.full((32, 32, 3), 90, np.uint8), "live")
    _, alt = attribution_figures.side_by_side(picture, [one], "gradcam, p4")
    assert alt.startswith("Grad-CAM of the map on p4 of a live;")
    assert len(attribution_figures.sheet(picture, [one])[0].axes) == 3 * 3  # no column of its own


def test_sanity_compares_form_and_marks_both_signs():
    image = np.full((32, 32, 3), 90, np.uint8)
    values = np.zeros((32, 32))
    values[:4, :4], values[28:, 28:] = 1, -1
    maps = {"ig": [values, 1000 * values], "edges": [values, -values]}
    figure = attribution_figures.sanity(image, maps, ["trained", "drawn"])
    assert figures.png(figure)
    trained, drawn, _, turned = (painted(axes) for axes in figure.axes)
    np.testing.assert_array_equal(trained, drawn)  # every panel has its own scale
    np.testing.assert_allclose(turned[0, 0], trained[-1, -1])
    assert [axes.get_title() for axes in figure.axes] == ["trained", "drawn", "", ""]
    assert [axes.get_ylabel() for axes in figure.axes] == ["ig", "", "edges", ""]
    assert [{t.get_text() for t in axes.texts} for axes in figure.axes] == [{"+", "−"}] * 4


def test_the_summaries_draw_every_network_and_tell_it_in_words():
    made = []
    for i, network in enumerate(("mp", "lbp")):
        for where in ("known", "unseen"):
            for measure, cue in (("correlation", "all cues"), ("infidelity", "")):
                for method in ("ig", "occlusion"):
                    numbers = (0.25 + i / 10, 0.1, 0.4, 0.05, 0.0, 0.2)
                    made.append(Row(network, where, measure, method, cue, *numbers, 9, 9))
            for cue in ("every", "glare"):
                made.append(
                    Row(network, where, "removal, response", "", cue, 0.5, 0.1, 0.9, 0, 0, 1, 9, 9)
                )
    for draw in (faithfulness_figures.summary, faithfulness_figures.reliance):
        figure, alt = draw(made, ["mp", "lbp"])
        assert figures.png(figure)
        assert "mp" in alt
        assert "simulated" in alt
        (legend,) = figure.legends
        assert [t.get_text() for t in legend.get_texts()] == ["mp", "lbp"]
    assert (
        "ig 0.25, occlusion 0.25; lbp: ig 0.35"
        in faithfulness_figures.summary(made, ["mp", "lbp"])[1]
    )
