"""The build of the sample benchmark, its check, and what is shipped."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from hfnmp_lite.data import samples, showcase
from hfnmp_lite.data.presentations import MANIFEST_COLUMNS, read_manifest
from hfnmp_lite.files import InputError
from hfnmp_lite.simulate import scene
from hfnmp_lite.simulate.domains import CHANGES, DOMAINS
from hfnmp_lite.simulate.inventory import inventory_of

TINY = {"seed": 4, "subjects": 1, "size": 32}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("samples") / "tiny"
    return samples.build(out, **TINY, workers_count=2, progress=False)


def rows_of(folder: Path) -> list[dict]:
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def test_a_killed_build_goes_on_and_ends_in_the_same_bytes(tiny, tmp_path):
    out = tmp_path / "again"
    code = (
        "from hfnmp_lite.data import samples\n"
        "if __name__ == '__main__':\n"
        f"    samples.build({str(out)!r}, **{TINY!r}, workers_count=1, progress=False)\n"
    )
    script = tmp_path / "build.py"
    script.write_text(code)
    parts = tmp_path / ".again.partial" / "parts"
    process = subprocess.Popen([sys.executable, script], env=os.environ)
    deadline = time.monotonic() + 60
    while not list(parts.glob("*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    finished = {p: p.stat().st_mtime_ns for p in parts.glob("*.json")}
    assert finished
    assert not out.exists()
    for other in ({"seed": 5}, {"inventory": "5"}):
        with pytest.raises(InputError, match="begun with other arguments"):
            samples.build(out, **(TINY | other), progress=False)
    # what was finished is kept, what is damaged is made again
    one = json.loads(next(iter(finished)).read_text())[0]["path"]
    (tmp_path / ".again.partial" / one).write_bytes(b"")
    samples.build(out, **TINY, workers_count=1, progress=False)
    assert contents(out) == contents(tiny)
    assert not (tmp_path / ".again.partial").exists()


def test_manifest_and_layout(tiny):
    rows = rows_of(tiny)
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    assert len(rows) == len(DOMAINS) * scene.PRESENTATIONS * len(scene.KINDS) * scene.FRAMES
    presentations = read_manifest(tiny / "manifest.csv")
    assert all(len(p.frames) == scene.FRAMES for p in presentations)
    assert {(p.domain, p.attack_type) for p in presentations} == {
        (d, k) for d in DOMAINS for k in scene.KINDS
    }
    for row in rows:
        image = cv2.imread(str(tiny / row["path"]))
        assert image.shape == (32, 32, 3)
        assert len(row["parameters"]) < 1300
    sheets = ("contact_sheet.jpg", "devices.jpg")
    for part in ("cues", "astronaut", *sheets, "README.md", "checksums.sha256"):
        assert (tiny / part).exists()
    assert not (tiny / "parts").exists()


def test_rows_can_be_rendered_again(tiny):
    for row in rows_of(tiny)[::7]:
        frame = scene.render(samples.take_of(row), 32)
        stored = cv2.imread(str(tiny / row["path"]))[..., ::-1]
        assert np.abs(frame.image.astype(int) - stored).mean() < 2


def test_every_row_names_camera_instrument_and_light_of_its_data_set(tiny):
    for row in rows_of(tiny):
        domain = DOMAINS[row["domain"]]
        assert row["camera"] in {c.name for c in domain.cameras}
        assert row["light"] in {light.name for light in domain.lights}
        held = {"": (), "print": domain.printers, "replay": domain.displays}[row["attack_type"]]
        assert row["instrument"] in {d.name for d in held} or not held
        assert bool(row["instrument"]) == (row["live"] == "0")
    of_rows = {(r["presentation"], r["camera"], r["instrument"], r["light"]) for r in rows_of(tiny)}
    read = read_manifest(tiny / "manifest.csv")
    assert {(p.id, p.camera, p.instrument or "", p.light) for p in read} == of_rows


def test_a_drawn_inventory_is_built_of_its_own_devices_and_rendered_again(tmp_path):
    out = samples.build(tmp_path / "drawn", 4, "9", 1, 32, workers_count=2, progress=False)
    drawn, rows = inventory_of("9"), rows_of(out)
    assert {row["domain"] for row in rows} == set(drawn)
    assert samples.verify(out) == []
    for row in rows[::11]:
        assert row["camera"] in {c.name for c in drawn[row["domain"]].cameras}
        take = samples.take_of(row)
        assert (take.camera.name, take.light) == (row["camera"], row["light"])
        stored = cv2.imread(str(out / row["path"]))[..., ::-1]
        assert np.abs(scene.render(take, 32).image.astype(int) - stored).mean() < 2
    text = (out / "README.md").read_text(encoding="utf-8")
    assert "--inventory 9" in text
    assert showcase.device_tables(drawn.values()) in text


def test_cue_maps_cover_every_cue_in_every_domain(tiny):
    check_cue_maps(tiny, least=1)


def check_cue_maps(folder: Path, least: int) -> None:
    rows = {row["path"]: row for row in rows_of(folder)}
    with open(folder / "cues" / "manifest.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == samples.CUE_COLUMNS
    seen = [(rows[x["path"]]["domain"], rows[x["path"]]["attack_type"], x["cue"]) for x in lines]
    for domain in DOMAINS:
        for kind, names in scene.CUES_OF.items():
            assert all(seen.count((domain, kind, cue)) >= least for cue in names)
    for line in lines[::5]:
        maps = cv2.imread(str(folder / line["maps"]))[..., ::-1]
        before, mask = maps[..., 0].astype(int), maps[..., 2] == 255
        assert (before[mask] >= 6).all()
        assert (before[~mask] <= 6).all()
        assert mask.mean() == pytest.approx(float(line["mask_share"]), abs=1e-4)
        assert cv2.imread(str(folder / line["without"])).shape == maps.shape
        assert bool(line["envelope"]) == (line["cue"] != "gamut")


def test_verify_names_what_is_wrong(tiny, tmp_path):
    assert samples.verify(tiny) == []
    copy = tmp_path / "copy"
    shutil.copytree(tiny, copy)
    (copy / "frames" / "000003.jpg").write_bytes(b"not a jpeg")
    (copy / "frames" / "000007.jpg").unlink()
    (copy / "frames" / "stray.jpg").write_bytes(b"x")
    (copy / "results").mkdir()
    (copy / "results" / "audit.json").write_text("{}")
    assert samples.verify(copy) == [
        "frames/000003.jpg: damaged (its sha256 differs)",
        "frames/000007.jpg: missing",
        "frames/stray.jpg: is not part of the build",
    ]
    text = (copy / "manifest.csv").read_text().splitlines()
    (copy / "manifest.csv").write_text("\n".join(text[:5]) + "\nframes/0")
    problems = samples.verify(copy)
    assert problems[0].startswith("manifest.csv: damaged") or "manifest.csv" in "".join(problems)
    (copy / "checksums.sha256").unlink()
    (problem,) = samples.verify(copy)
    assert "cannot be read" in problem
    (problem,) = samples.verify(tmp_path / "nowhere")
    assert "nowhere" in problem


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"subjects": 0}, "subjects is 0"),
        ({"size": 8}, "size is 8"),
        ({"seed": -1}, "seed is -1"),
        ({"preset": "lurid"}, "preset is 'lurid'"),
        ({"inventory": "drawn"}, "inventory is 'drawn'"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        samples.build(tmp_path / "out", **arguments, progress=False)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(tiny, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        samples.build(tmp_path / "out", **TINY, progress=False)
    assert contents(tmp_path) == {"out/thesis.txt": b"mine"}
    with pytest.raises(InputError, match="holds a finished build"):
        samples.build(tiny, **TINY, progress=False)


# --- what is shipped ----------------------------------------------------------------------------


def test_shipped_benchmark_is_whole_and_as_large_as_promised():
    folder = samples.root()
    assert samples.verify(folder) == []
    presentations = read_manifest(folder / "manifest.csv")
    for domain in DOMAINS:
        own = [p for p in presentations if p.domain == domain]
        subjects = {p.subject for p in own}
        assert len(subjects) >= 80
        for subject in subjects:
            kinds = [p.attack_type for p in own if p.subject == subject]
            assert all(kinds.count(kind) == 2 for kind in scene.KINDS)
    frames = sum(p.stat().st_size for p in (folder / "frames").iterdir())
    everything = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert frames <= 24e6
    assert everything <= 48e6
    check_cue_maps(folder, least=samples.CUE_MAPS)


def test_names_and_order_of_shipped_files_carry_no_label():
    rows = sorted(rows_of(samples.root()), key=lambda row: row["path"])
    live = np.array([int(row["live"]) for row in rows])[:: scene.FRAMES]
    place = np.arange(len(live))
    spread = (len(live) / np.sqrt(12)) * np.sqrt(1 / live.sum() + 1 / (len(live) - live.sum()))
    assert abs(place[live == 1].mean() - place[live == 0].mean()) < 3 * spread


def test_shipped_readme_agrees_with_the_code():
    text = (samples.root() / "README.md").read_text(encoding="utf-8")
    assert showcase.CAVEAT in text
    assert showcase.device_tables(DOMAINS.values()) in text
    assert all(change in text for change in CHANGES)
    assert (
        "hfnmp samples build --out DIR --seed 0 --inventory shipped --subjects 80 --size 128"
        in text
    )
    for column in (*MANIFEST_COLUMNS, *samples.CUE_COLUMNS):
        assert column in text


def test_the_portrait_is_there_in_every_domain():
    folder = samples.root() / "astronaut"
    for domain in DOMAINS:
        for kind in ("live", "print", "replay"):
            image = cv2.imread(str(folder / f"{domain}-{kind}.jpg"))
            assert image.shape == (showcase.PORTRAIT_SIZE, showcase.PORTRAIT_SIZE, 3)
