"""Videos to frames: what is decoded, chosen and cropped, and what becomes of bad files."""

import csv
import json
import os
import re
import shutil
import struct
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import cv2
import numpy as np
import pytest

from hfnmp_lite.data import extract, miniature, ocim, prepare, videos, workers
from hfnmp_lite.data.extract import Settings, make
from hfnmp_lite.data.presentations import missing_frames, read_manifest
from hfnmp_lite.data.recordings import Recording, write_index
from hfnmp_lite.files import InputError

FACE = miniature.FACE


@pytest.fixture(scope="module")
def face():
    return miniature.face_of("phone", 3, None)


@pytest.fixture(scope="module")
def film(face, tmp_path_factory):
    """Nine frames without loss."""
    path = tmp_path_factory.mktemp("film") / "film.avi"
    miniature.film(path, face, 9)
    return path


def rgb(image):
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def opened(png):
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)


def recording(path="film.avi", **more):
    return Recording(path, "own", "own-a", True, **more)


# --- choosing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "rule", "count", "expected"),
    [
        (9, "linspace", 2, [0, 8]),
        (9, "linspace", 3, [0, 4, 8]),
        (10, "linspace", 4, [0, 3, 6, 9]),
        (5, "linspace", 1, [0]),
        (2, "linspace", 5, [0, 1]),
        (1, "linspace", 2, [0]),
        (300, "fixed", 2, [6, 156]),
        (13, "fixed", 2, [6, 12]),
        (12, "fixed", 2, [0, 6]),
        (1, "fixed", 2, [0]),
    ],
)
def test_rules_choose_these_frames(n, rule, count, expected):
    assert videos.choose(range(n), rule, count) == expected
    shifted = videos.choose(range(5, 5 + n), rule, count)  # of candidates, not of numbers
    assert shifted == [i + 5 for i in expected]


def test_linspace_is_numpys_truncated():
    for n in range(1, 60):
        for count in range(1, 12):
            expected = np.linspace(0, n - 1, num=min(n, count), dtype=int).tolist()
            assert videos.choose(range(n), "linspace", count) == expected


# --- decoding -------------------------------------------------------------------------------------


def test_frames_are_those_that_were_filmed(film, face):
    decoded = videos.decode(film, lambda n: [0, n // 2, n - 1], lambda i, image: image)
    assert decoded.count == 9
    assert decoded.rate == 25
    assert sorted(decoded.taken) == [0, 4, 8]
    for number, image in decoded.taken.items():
        assert np.array_equal(image, rgb(miniature.scene(face, number)))


@pytest.mark.parametrize("suffix", [".avi", ".mov", ".mp4"])
def test_upside_down_is_turned_back(face, tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    miniature.film(path, face, 3, turned=True)
    upright = rgb(miniature.scene(face, 2)).astype(int)
    for rotation, small in ((180, True), (0, False)):
        last = videos.decode(path, lambda n: [n - 1], lambda i, image: image, rotation).taken[2]
        assert bool(abs(last - upright).mean() < 6) is small


def test_a_video_cut_short_gives_the_frames_it_holds(film, face, tmp_path):
    whole = film.read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: len(whole) // 2])  # the header still states nine frames
    capture, held = cv2.VideoCapture(str(cut), cv2.CAP_FFMPEG), 0
    while capture.grab():
        held += 1
    assert 1 < held < 9
    decoded = videos.decode(cut, lambda n: videos.choose(range(n), "linspace", 2), lambda i, x: x)
    assert decoded.count == held
    assert sorted(decoded.taken) == [0, held - 1]
    assert np.array_equal(decoded.taken[held - 1], rgb(miniature.scene(face, held - 1)))


def zoo(film, folder):
    """Bad files, and a word that the refusal of each holds."""
    whole = film.read_bytes()
    mp4 = folder / "whole.mp4"
    miniature.film(mp4, np.zeros((32, 32, 3), np.uint8), 3)
    huge = bytearray(whole)
    at = whole.index(b"strf") + 8 + 4  # width and height in the stream's format
    huge[at : at + 8] = np.array([12_000, 12_000], "<i4").tobytes()
    files = {
        "empty.avi": (b"", "is empty"),
        "text.avi": (b"live from the room\n" * 50, "is no video"),
        "list.avi": (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n", "is no video"),
        "page.mov": (b"<html>404</html>", "is no video"),
        "head.avi": (whole[:400], "decoded"),
        "cut.mp4": (mp4.read_bytes()[: mp4.stat().st_size // 2], "cannot be decoded"),
        "noise.mp4": (b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 20, "cannot be decoded"),
        "huge.avi": (bytes(huge), "12000 x 12000"),
    }
    for name, (content, _) in files.items():
        (folder / name).write_bytes(content)
    return {name: word for name, (_, word) in files.items()}


def test_a_zoo_of_bad_videos_is_refused_one_line_each(film, tmp_path, capfd):
    for name, word in zoo(film, tmp_path).items():
        with pytest.raises(InputError) as refused:
            videos.decode(tmp_path / name, lambda n: [0], lambda i, x: x)
        assert str(refused.value).startswith(str(tmp_path / name))
        assert word in str(refused.value)
        assert "\n" not in str(refused.value)
    for path in (tmp_path, tmp_path / "none.avi"):
        with pytest.raises(InputError):
            videos.decode(path, lambda n: [0], lambda i, x: x)
    assert capfd.readouterr().err == ""  # the decoder keeps quiet


# --- one recording --------------------------------------------------------------------------------


def test_annotated_faces_are_cut_out_exactly(film, face, tmp_path):
    """A crop is 1.3 boxes wide: here the pasted face, pixel by pixel."""
    side = FACE - 2 * miniature.WINDOW  # 74 px; 1.3 times that is the face's 96
    assert round(1.3 * side) == FACE
    x, y = (a + miniature.WINDOW for a in miniature.AT)
    lines = [f"{n} {x + n} {y} {side} {side}" for n in (2, 3, 5)]
    (tmp_path / "film.face").write_text("\n".join(lines))
    shutil.copy(film, tmp_path / "film.avi")
    given = recording(annotation="film.face", annotation_kind="xywh")
    made = make(tmp_path, given, Settings(size=FACE))
    assert made.failure is None
    assert made.cropped == {2: "annotation", 5: "annotation"}  # both ends of what is annotated
    pasted = cv2.resize(face, (FACE, FACE), interpolation=cv2.INTER_AREA)
    for png in made.frames.values():
        assert np.array_equal(opened(png), pasted)
    made = make(tmp_path, given, Settings(size=FACE, crop="none", frames=3))
    assert list(made.frames) == [0, 4, 8]
    (tmp_path / "film.face").write_text("no annotation at all")
    assert set(make(tmp_path, given, Settings()).cropped.values()) == {"detector"}
    made = make(tmp_path, given, Settings(crop="annotation"))
    assert made.failure.startswith("film.face: ")


@pytest.mark.parametrize("drawn", ["as stored", "upright"])
def test_faces_stored_upside_down_come_out_upright(face, tmp_path, drawn):
    miniature.film(tmp_path / "a.avi", face, 3, turned=True)
    side = FACE - 2 * miniature.WINDOW
    lines = []
    for n in range(3):
        x, y = miniature.AT[0] + n + miniature.WINDOW, miniature.AT[1] + miniature.WINDOW
        up = 0.3
        if drawn == "as stored":
            x, y, up = miniature.WIDTH - x - side, miniature.HEIGHT - y - side, 0.7
        eyes = f"{x + 20},{y + up * side},{x + 54},{y + up * side}"
        lines.append(f"{n},{x},{y},{x + side},{y + side},{eyes}")
    (tmp_path / "a.face").write_text("\n".join(lines))
    turned = recording("a.avi", annotation="a.face", annotation_kind="corners", rotation=180)
    made = make(tmp_path, turned, Settings(size=FACE))
    pasted = cv2.resize(face, (FACE, FACE), interpolation=cv2.INTER_AREA)
    assert [np.array_equal(opened(png), pasted) for png in made.frames.values()] == [True, True]


def test_without_a_face_there_is_a_failure_and_near_frames_are_tried(tmp_path, monkeypatch):
    miniature.film(tmp_path / "wall.avi", np.full((32, 32, 3), 90, np.uint8), 9)
    made = make(tmp_path, recording("wall.avi"), Settings())
    assert made.failure.startswith("no face found")
    assert not made.frames
    seen = []

    def only_in_the_third(image):
        seen.append(image)
        return extract.Box(40, 40, 60, 60) if len(seen) == 4 else None

    monkeypatch.setattr(extract, "find_face", only_in_the_third)
    made = make(tmp_path, recording("wall.avi"), Settings())
    assert made.cropped == {2: "detector"}  # 0 and 8 were tried, then 1, then 2
    assert made.failure is None


def test_images_and_bad_images(face, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), miniature.scene(face, 0))
    made = make(tmp_path, recording("a.png"), Settings(size=64))
    assert made.cropped == {0: "detector"}
    assert opened(made.frames[0]).shape == (64, 64, 3)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:500])
    assert "damaged" in make(tmp_path, recording("b.png"), Settings()).failure
    assert make(tmp_path, recording("c.png"), Settings()).failure.startswith("no such file")


@pytest.mark.parametrize(
    "wrong",
    [
        {"rule": "random"},
        {"crop": "circle"},
        {"frames": 0},
        {"rule": "fixed", "frames": 3},
        {"size": 16},
    ],
)
def test_settings_are_checked(wrong):
    with pytest.raises(InputError):
        Settings(**wrong)


# --- all of them ----------------------------------------------------------------------------------

SMALL = Settings(size=64, crop="annotation")


@pytest.fixture(scope="module")
def replay(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "replay"
    miniature.build(root, "replay", frames=4)
    (root / "train/real/client001_session01_webcam_authenticate_adverse_1.mov").write_bytes(b"")
    write_index(root / "manifest.csv", root, ocim.find(root, "replay").recordings)
    return root / "manifest.csv"


@pytest.fixture(scope="module")
def prepared(replay, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "prepared"
    summary = prepare.prepare([replay], out, SMALL, processes=2, progress=False)
    assert summary.manifest == out / "manifest.csv"
    return out, summary


def content(out):
    return {p.relative_to(out): p.read_bytes() for p in out.rglob("*.png")}


def test_every_recording_is_in_the_manifest(prepared):
    out, summary = prepared
    presentations = read_manifest(out / "manifest.csv")
    assert not missing_frames(presentations)
    assert summary.recordings == len(presentations) == 12
    (failed,) = [p for p in presentations if p.failure]
    assert failed.frames == ()
    assert failed.live
    assert "is empty" in failed.failure
    assert list(summary.failures) == [failed.id]
    assert {len(p.frames) for p in presentations if p is not failed} == {2}
    assert summary.frames == 22
    assert {p.partition for p in presentations} == {"train", "dev", "test"}
    names = {f.name for p in presentations for f in p.frames}
    assert names == {"0.png", "2.png"}  # 1 has a box of no size, 3 no line
    rows = list(csv.DictReader((out / "manifest.csv").open(newline="")))
    made = {r["path"]: r["sha256"] for r in rows if not r["failure"]}
    assert len(set(made)) == 22
    assert all(len(digest) == 64 for digest in made.values())


def test_an_interrupted_preparation_goes_on_and_ends_the_same(replay, prepared, tmp_path):
    complete, _ = prepared
    out = tmp_path / "half"
    shutil.copytree(complete, out)
    (out / "manifest.csv").unlink()
    lines = (out / "progress.jsonl").read_text().splitlines()
    # killed while the sixth was written; of the second a frame was deleted since
    nonsense = '[1]\n{"key": "a", "rows": [["../x"]]}\nnull\n'
    (out / "progress.jsonl").write_text("\n".join(lines[:6]) + "\n" + nonsense + lines[6][:20])
    second = json.loads(lines[2])
    victim = out / "frames" / second["key"] / f"{second['rows'][0][0]}.png"
    victim.unlink()
    written = [p for p in out.rglob("*.png")]
    times = {p: p.stat().st_mtime_ns for p in written}
    prepare.prepare([replay], out, SMALL, processes=1, progress=False)
    assert content(out) == content(complete)
    assert (out / "manifest.csv").read_bytes() == (complete / "manifest.csv").read_bytes()
    kept = [json.loads(line)["key"] for line in lines[1:6]]
    kept.remove(second["key"])
    untouched = [p for p in written if any(p.is_relative_to(out / "frames" / k) for k in kept)]
    assert untouched
    assert all(p.stat().st_mtime_ns == times[p] for p in untouched)


def test_other_settings_and_other_folders_are_refused(replay, prepared, tmp_path):
    out, _ = prepared
    before = content(out)
    with pytest.raises(InputError, match="other settings"):
        prepare.prepare([replay], out, Settings(size=32), progress=False)
    with pytest.raises(InputError, match="listed twice"):
        prepare.prepare([replay, replay], tmp_path / "new", SMALL, progress=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years")
    with pytest.raises(InputError, match="other files"):
        prepare.prepare([replay], tmp_path / "mine", SMALL, progress=False)
    assert content(out) == before


def test_a_video_that_kills_the_decoder_costs_only_itself(replay, tmp_path, monkeypatch):
    """Workers are played by this process; one of them dies of a certain file."""
    deadly = "attack_print_client002"

    @contextmanager
    def pool(count):
        def submit(function, jobs):
            for job in jobs:
                if deadly in job[0]:
                    raise BrokenProcessPool("a child process terminated abruptly")
                yield function(*job)

        yield submit

    monkeypatch.setattr(workers, "pool", pool)
    summary = prepare.prepare([replay], tmp_path / "out", SMALL, processes=2, progress=False)
    assert summary.recordings == 12
    assert summary.frames == 20
    (crashed,) = [reason for key, reason in summary.failures.items() if deadly in key]
    assert "crashed" in crashed


# --- what is kept ---------------------------------------------------------------------------------


@pytest.fixture
def here(monkeypatch):
    """Workers are played by this process."""

    @contextmanager
    def pool(count):
        yield lambda function, jobs: (function(*job) for job in jobs)

    monkeypatch.setattr(workers, "pool", pool)


@pytest.fixture
def two_films(face, tmp_path):
    """Two annotated videos, prepared, and a third without an annotation: a failure to acquire."""
    root = tmp_path / "own"
    root.mkdir()
    side = FACE - 2 * miniature.WINDOW
    x, y = (a + miniature.WINDOW for a in miniature.AT)
    recordings = []
    for name in ("a", "b", "c"):
        miniature.film(root / f"{name}.avi", face, 3)
        if name != "c":
            write_boxes(root / f"{name}.face", x, y, side)
        kind = {"annotation": f"{name}.face", "annotation_kind": "xywh"}
        recordings.append(recording(f"{name}.avi", **kind))
    write_index(root / "manifest.csv", root, recordings)
    return root


def write_boxes(path, x, y, side, numbers=(0, 1, 2)):
    path.write_text("\n".join(f"{n} {x} {y} {side} {side}" for n in numbers))


def annotate_elsewhere(root):
    write_boxes(root / "a.face", 20, 20, 40)


def annotate_other_frames(root):
    write_boxes(root / "a.face", 30, 30, 60, numbers=(1,))


def annotate_what_failed(root):
    write_boxes(root / "c.face", 30, 30, 60)


def film_anew_with_the_old_time(root):
    """Nothing but the content tells: what follows an AVI's end is ignored, so sizes can agree."""
    path = root / "a.avi"
    status = path.stat()
    miniature.film(path, np.zeros((32, 32, 3), np.uint8), 3)
    os.truncate(path, status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def lose_a_video(root):
    (root / "a.avi").unlink()


def turn_in_the_index(root):
    index = (root / "manifest.csv").read_text().splitlines()
    at = index[0].split(",").index("rotation")
    row = index[1].split(",")
    row[at] = "180"
    index[1] = ",".join(row)
    (root / "manifest.csv").write_text("\n".join(index) + "\n")


@pytest.mark.parametrize(
    "change",
    [
        annotate_elsewhere,
        annotate_other_frames,
        annotate_what_failed,
        film_anew_with_the_old_time,
        lose_a_video,
        turn_in_the_index,
    ],
)
@pytest.mark.parametrize("crop", ["annotation", "none"])
def test_after_any_change_the_result_is_that_of_a_fresh_preparation(
    change, crop, two_films, here, tmp_path
):
    settings = Settings(size=64, crop=crop)

    def made(out):
        prepare.prepare([two_films / "manifest.csv"], out, settings, progress=False)
        return content(out), (out / "manifest.csv").read_bytes()

    made(tmp_path / "out")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "out/frames/own/b.avi").iterdir()}
    change(two_films)
    assert made(tmp_path / "out") == made(tmp_path / "fresh")
    assert times
    assert all(p.stat().st_mtime_ns == t for p, t in times.items())  # b is kept


def test_frames_of_another_version_of_the_code_are_made_again(two_films, here, tmp_path):
    index, out = two_films / "manifest.csv", tmp_path / "out"
    prepare.prepare([index], out, SMALL, progress=False)
    path = out / "progress.jsonl"
    path.write_text(re.sub(r'"maker": "\w', '"maker": "x', path.read_text()))
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.png")}
    prepare.prepare([index], out, SMALL, progress=False)
    assert before
    assert all(p.stat().st_mtime_ns > t for p, t in before.items())


def test_data_that_were_moved_are_not_prepared_again(two_films, here, tmp_path):
    out = tmp_path / "out"
    prepare.prepare([two_films / "manifest.csv"], out, SMALL, progress=False)
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.png")}
    shutil.copytree(two_films, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    prepare.prepare([tmp_path / "elsewhere/manifest.csv"], out, SMALL, progress=False)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.png")} == before


def test_a_frame_that_somebody_changed_is_neither_kept_nor_overwritten(two_films, here, tmp_path):
    index, out = two_films / "manifest.csv", tmp_path / "out"
    prepare.prepare([index], out, SMALL, progress=False)
    frame = next((out / "frames/own/b.avi").iterdir())
    frame.write_bytes(b"mine")
    with pytest.raises(InputError, match="was changed since it was prepared") as refused:
        prepare.prepare([index], out, SMALL, progress=False)
    assert str(frame) in str(refused.value)
    assert frame.read_bytes() == b"mine"


# --- containers, codecs, time stamps --------------------------------------------------------------


def with_durations(path, ticks):
    """Give the frames of an MP4 of one constant rate durations of their own, in ticks."""
    whole = path.read_bytes()
    edit = whole.index(b"elst") + 12  # how long is shown, in thousandths
    whole = whole[:edit] + struct.pack(">I", 10_000) + whole[edit + 4 :]
    at = whole.index(b"stts") - 4
    entries = b"".join(struct.pack(">II", 1, t) for t in ticks)
    table = struct.pack(">I4sII", 16 + len(entries), b"stts", 0, len(ticks)) + entries
    (old,) = struct.unpack(">I", whole[at : at + 4])
    new = bytearray(whole[:at] + table + whole[at + old :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        start = new.index(box) - 4
        (size,) = struct.unpack(">I", new[start : start + 4])
        new[start : start + 4] = struct.pack(">I", size + len(table) - old)
    path.write_bytes(new)


def test_seconds_are_the_containers_time_stamps(face, tmp_path):
    """A phone in the dark: the rate falls after the third frame."""
    path = tmp_path / "dark.mp4"
    miniature.film(path, face, 6)
    even = videos.decode(path, range, lambda n, image: n).seconds
    with_durations(path, [512, 512, 512, 5120, 1024, 512])  # 12800 ticks a second
    uneven = videos.decode(path, range, lambda n, image: n).seconds
    assert even == pytest.approx({n: n / 25 for n in range(6)})
    assert uneven == pytest.approx({0: 0, 1: 0.04, 2: 0.08, 3: 0.12, 4: 0.52, 5: 0.6})


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".ts", "mpg2"), (".mts", "mpg2"), (".m2ts", "mpg2"), (".3gp", "mp4v"), (".flv", "FLV1")],
)
def test_what_cameras_and_phones_write_is_read(suffix, codec, tmp_path, capfd):
    path = tmp_path / f"film{suffix}"
    fourcc = cv2.VideoWriter_fourcc(*codec)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, 25, (64, 48))
    if not writer.isOpened():
        pytest.skip(f"this OpenCV writes no {suffix}")
    for value in range(20, 220, 20):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    assert suffix in videos.formats.VIDEO_SUFFIXES
    decoded = videos.decode(path, range, lambda n, image: round(float(image.mean())))
    assert decoded.taken == pytest.approx({n: 20 * (n + 1) for n in range(10)}, abs=6)


@pytest.mark.parametrize(
    ("suffix", "old", "new", "name"),
    [
        (".mp4", b"mp4v", b"av01", r"AV1 \((AV01|av01)\)"),
        (".mp4", b"mp4v", b"vvc1", r"VVC \(vvc1\)"),
        (".mov", b"mp4v", b"xq9z", "xq9z"),
        (".mkv", b"V_MPEG4/ISO/ASP", b"V_ODD4/ISO/ASP9", "V_ODD4/ISO/ASP9"),
    ],
)
def test_a_codec_that_cannot_be_decoded_is_named(suffix, old, new, name, face, tmp_path):
    path = tmp_path / f"film{suffix}"
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), 25, (64, 48)
    )
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    assert old in path.read_bytes()
    # the description beside the code goes, too: it would tell the decoder what it is
    path.write_bytes(path.read_bytes().replace(old, new).replace(b"esds", b"free"))
    with pytest.raises(InputError, match=f"its codec is {name}: export it as H.264"):
        videos.decode(path, range, lambda n, image: n)
