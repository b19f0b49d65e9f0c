"""`hfnmp explain` of real data: what is drawn, which lists are named, and no face on a sheet."""

import dataclasses
import functools
import hashlib
import json

import numpy as np
import pytest

from hfnmp_lite import cli
from hfnmp_lite.data import miniature, samples
from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.explain import attribution, drawn, tour
from hfnmp_lite.files import InputError
from hfnmp_lite.teach import attribution_figures, figures, veil

MP = samples.root() / "checkpoints" / "mp-webcam.safetensors"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(tour, "ASKED", {name: tour.ASKED[name] for name in ("ig", "gradcam")})
    ask = functools.partial(attribution.integrated_gradients, steps=4)
    monkeypatch.setitem(attribution.METHODS, "ig", ask)


@pytest.fixture(scope="module")
def zips(tmp_path_factory):
    """Lists and zips of the release, indexed: 52 videos of four sets."""
    root = tmp_path_factory.mktemp("release")
    miniature.build_release(root / "sets")
    out = root / "manifest.csv"
    asked = ["--dataset", "release", "--lists", root / "sets" / "lists", "--out", out]
    assert cli.main(["data", "index", *map(str, (root / "sets", *asked))]) == 0
    return out


def of(subject, kind, number, frames=1):
    name = f"{subject}-{kind}-{number}"
    paths = tuple(samples.root() / f"no-such-{name}-{i}.png" for i in range(frames))
    return Presentation(
        name, "desk", subject, kind is None, kind, None, paths, failure=None if frames else "empty"
    )


# --- which are drawn ------------------------------------------------------------------------------


def test_everybody_comes_once_before_anybody_comes_twice(monkeypatch):
    read = []

    def load(path, size):
        read.append(path.name)
        return np.zeros((size, size, 3), np.uint8)

    monkeypatch.setattr(drawn, "load_frame", load)
    data = [of(s, k, n, 3) for s in "abc" for k in (None, "print") for n in range(20)]
    data.append(of("d", None, 0, frames=0))
    data.append(dataclasses.replace(of("e", None, 0), domain="elsewhere"))
    pictures, problems = drawn.draw(data, "desk", 4, 32)
    assert not problems
    assert [p.kind for p in pictures] == ["live"] * 4 + ["print"] * 4
    assert all(name.endswith("-1.png") for name in read)  # the middle of three frames
    for kind in ("live", "print"):
        names = [p.name for p in pictures if p.kind == kind]
        assert {name[0] for name in names[:3]} == set("abc")
        own = [p.id for p in data if p.id.startswith(names[0][:2]) and p.live == (kind == "live")]
        assert names[0] == min(own, key=lambda i: hashlib.sha256(i.encode()).digest())
    again, _ = drawn.draw(data[::-1], "desk", 4, 32)
    assert [p.name for p in again] == [p.name for p in pictures]  # rows may come in any order


def test_a_frame_that_cannot_be_read_gives_its_place_to_the_next(zips, tmp_path):
    from hfnmp_lite.data.presentations import read_manifest

    data = [p for p in read_manifest(zips) if p.domain == "replay"]
    (first, *_), _ = drawn.draw(data, "replay", 1, 64)
    broken = [
        dataclasses.replace(p, frames=(tmp_path / "gone.png",)) if p.id == first.name else p
        for p in data
    ]
    pictures, problems = drawn.draw(broken, "replay", 1, 64)
    assert [p.kind for p in pictures] == ["live", "print", "replay"]
    assert pictures[0].name != first.name
    assert len(problems) == 1
    assert "gone.png" in problems[0]
    with pytest.raises(InputError, match=r"gone\.png.*has no live presentation"):
        drawn.draw([p for p in broken if p.id == first.name], "replay", 1, 64)
    for each in (0, 51):
        with pytest.raises(InputError, match=f"each is {each}"):
            drawn.draw(data, "replay", each, 64)


# --- through the command line ---------------------------------------------------------------------


def test_a_manifest_is_explained_by_a_stated_rule_and_names_its_list(zips, tmp_path, capsys, quick):
    out = tmp_path / "o"
    asked = ["explain", MP, "--manifest", zips, "--domain", "casia", "--each", 1, "--out", out]
    assert cli.main([str(a) for a in asked]) == 0
    said = capsys.readouterr().out
    assert "drawn: 1 of live and of each attack type of 'casia'" in said
    assert "casia: released and short lists (train, test): 16 of 600 videos" in said
    assert "faces are left out" in said
    told = json.loads((out / "numbers.json").read_text())
    assert told["lists"] == {"casia": "released and short lists (train, test): 16 of 600 videos"}
    assert "before anything was scored" in told["drawn"]
    assert [p["kind"] for p in told["pictures"]] == ["live", "print", "replay"]
    assert {p["domain"] for p in told["pictures"]} == {"casia"}
    assert {p.name for p in out.iterdir()} == {
        *(".hfnmp.json", "numbers.json"),
        *(p["figure"] for p in told["pictures"]),
    }
    hidden = {p.name: p.read_bytes() for p in out.glob("*.png")}
    assert cli.main([*map(str, asked), "--show-faces"]) == 0
    assert "faces are left out" not in capsys.readouterr().out
    shown = {p.name: p.read_bytes() for p in out.glob("*.png")}
    assert hidden.keys() == shown.keys()
    assert all(hidden[name] != shown[name] for name in hidden)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--manifest", "{zips}"], "hold no domain 'webcam'"),
        (["--manifest", "{zips}", "--domain", "webcam"], "they hold casia, msu, oulu, replay"),
        (["--manifest", "{zips}", "--domain", "casia", "--each", "0"], "each is 0"),
        (["--domain", "phone"], "--manifest"),
        (["{zips}", "--manifest", "{zips}"], "not both"),
        (["--manifest", "{zips}x"], "no such manifest"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(zips, tmp_path, capsys, more, words):
    out = tmp_path / "o"
    given = [a.format(zips=zips) for a in more]
    assert cli.main(["explain", str(MP), *given, "--out", str(out)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert words in lines[0]
    assert not out.exists()


def test_a_samples_file_is_nobody_and_is_shown(tmp_path, capsys, quick):
    image = next((samples.root() / "frames").rglob("*.jpg"))
    asked = ["explain", str(MP), str(image), "--no-crop", "--out", str(tmp_path / "o")]
    assert cli.main(asked) == 0
    assert "faces are left out" not in capsys.readouterr().out


# --- no face --------------------------------------------------------------------------------------


def explained(maps, score_map, pattern):
    numbers = {"attributions": {}}
    return tour.Explained("one", "mp", 0.25, 0.5, score_map, pattern, maps, numbers)


def sheet_of(image, maps, score_map, pattern):
    picture = tour.Picture("p", image, "live", "desk", "as prepared")
    found = [explained(maps, score_map, pattern)]
    hidden = veil.veiled(picture, found)
    return figures.png(attribution_figures.sheet(*hidden, veil.TITLE, veil.note(picture))[0])


def test_a_veiled_sheet_depends_on_nothing_but_means_over_8_x_8_cells():
    """Two people whose maps have the same means get the same bytes."""
    # multiples of 1/1024 and checks of a power of two: means are exact
    cells = np.round(1024 * np.random.default_rng(3).normal(size=(8, 8))) / 1024
    check = np.array([[1.0, -1.0], [-1.0, 1.0]])

    def person(seed):
        own = np.random.default_rng(seed)
        size = 2.0**seed
        maps = {
            name: np.kron(cells, np.ones((16, 16))) + size * k * np.tile(check, (64, 64))
            for k, name in enumerate(("ig", "occlusion"), 1)
        }
        score_map = 0.5 + np.tile(check, (8, 8)) * size / 32
        image = own.integers(0, 255, (128, 128, 3), dtype=np.uint8)
        return image, maps, score_map, own.random((128, 128, 3))

    assert sheet_of(*person(1)) == sheet_of(*person(2))
    image, maps, score_map, pattern = person(1)
    other = dict(maps, ig=maps["ig"] + np.linspace(0, 3, 128))
    assert sheet_of(image, other, score_map, pattern) != sheet_of(image, maps, score_map, pattern)


@pytest.mark.parametrize("side", [4, 8, 16, 20, 96, 128])
def test_coarse_maps_keep_their_sums_and_have_at_most_64_values(side):
    values = np.random.default_rng(side).normal(size=(side, side))
    found = veil.coarse(values)
    assert found.shape == values.shape
    assert len(np.unique(found)) <= 64
    assert found.sum() == pytest.approx(values.sum(), abs=1e-9)
    if side % 8 == 0:
        by_hand = values.reshape(8, side // 8, 8, side // 8).mean((1, 3))
        np.testing.assert_allclose(found[:: side // 8, :: side // 8], by_hand, atol=1e-12)
    if side <= 8:
        np.testing.assert_array_equal(found, values)


def test_a_whole_picture_lies_over_no_drawing():
    image = np.zeros((64, 64, 3), np.uint8)
    maps = {"ig": np.zeros((64, 64))}
    found = [explained(maps, np.full((8, 8), 0.5), None)]
    crop, _ = veil.veiled(tour.Picture("p", image, face="cascade"), found)
    whole, _ = veil.veiled(tour.Picture("p", image, face="not sought"), found)
    assert len(np.unique(crop.image)) > 2
    assert len(np.unique(whole.image)) == 1
