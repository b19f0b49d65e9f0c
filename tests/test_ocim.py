"""The four layouts: what names say, what was published, what lies about."""

import dataclasses
import os
from itertools import product
from pathlib import Path

import pytest

from hfnmp_lite.data import ocim, own
from hfnmp_lite.data.annotation import lies_in, read_annotation, turned
from hfnmp_lite.data.capture import Box
from hfnmp_lite.data.presentations import read_manifest
from hfnmp_lite.data.recordings import File, read_index, write_index
from hfnmp_lite.files import InputError


def every_path(dataset):
    """All paths of a data set as its owners number them, written down from their descriptions."""
    if dataset == "oulu":
        users = {"Train": range(1, 21), "Dev": range(21, 36), "Test": range(36, 56)}
        for part, people in users.items():
            for phone, session, user, file in product(range(1, 7), (1, 2, 3), people, range(1, 6)):
                yield f"{part}_files/{phone}_{session}_{user:02}_{file}.avi"
    elif dataset == "casia":
        names = [*map(str, range(1, 9)), *(f"HR_{i}" for i in range(1, 5))]
        for part, people in (("train", 20), ("test", 30)):
            for user, name in product(range(1, people + 1), names):
                yield f"{part}_release/{user}/{name}.avi"
    elif dataset == "replay":
        clients = iter([*range(1, 39), *range(101, 118)])
        media = {"print": ["highdef_photo"], "mobile": ["mobile_photo", "mobile_video"]}
        media["highdef"] = ["highdef_photo", "highdef_video"]
        for part, people in (("train", 15), ("devel", 15), ("test", 20)):
            for _ in range(people):
                client = f"client{next(clients):03}_session01"
                for light in ("adverse", "controlled"):
                    for take in (1, 2):
                        yield f"{part}/real/{client}_webcam_authenticate_{light}_{take}.mov"
                    for support, (device, shown) in product(("fixed", "hand"), media.items()):
                        for what in shown:
                            folder = f"{part}/attack/{support}"
                            yield f"{folder}/attack_{device}_{client}_{what}_{light}.mov"
    else:
        people = (2, 3, 5, 6, 7, 8, 9, 11, 12, 21, 22, 34, 53, 54, 55)
        people += (1, 13, 14, 23, 24, 26, 28, 29, 30, 32, 33, 35, 36, 37, 39, 42, 48, 49, 50, 51)
        for user, (device, suffix) in product(people, (("laptop", "mov"), ("android", "mp4"))):
            start = f"client{user:03}_{device}_SD"
            yield f"scene01/real/real_{start}_scene01.{suffix}"
            for shown in ("ipad_video", "iphone_video", "printed_photo"):
                yield f"scene01/attack/attack_{start}_{shown}_scene01.{suffix}"


# live, print, replay videos; subjects by partition; videos of the shorter list where there is one
PUBLISHED = {
    "oulu": ((990, 1980, 1980), {"train": 20, "dev": 15, "test": 20}, 3600),
    "casia": ((150, 300, 150), {"train": 20, "test": 30}, 600),
    "replay": ((200, 200, 800), {"train": 15, "dev": 15, "test": 20}, 840),
    "msu": ((70, 70, 140), {"train": 15, "test": 20}, 280),
}


@pytest.fixture
def listing(monkeypatch, tmp_path):
    """Let `find` see given paths without a file for each."""

    def find(dataset, paths):
        files = [File(p, 1) if isinstance(p, str) else p for p in paths]
        monkeypatch.setattr(ocim, "walk", lambda root, remarks: iter(files))
        return ocim.find(tmp_path, dataset)

    return find


@pytest.mark.parametrize("dataset", PUBLISHED)
def test_a_complete_data_set_has_the_published_counts(listing, dataset):
    videos, subjects, short = PUBLISHED[dataset]
    found, remarks = listing(dataset, every_path(dataset))
    kinds = [r.attack_type or "live" for r in found]
    assert tuple(map(kinds.count, ("live", "print", "replay"))) == videos
    for partition, count in subjects.items():
        assert len({r.subject for r in found if r.partition == partition}) == count
    assert len({r.subject for r in found}) == sum(subjects.values())
    kept = [r for r in found if r.partition != "dev" or dataset not in ("oulu", "replay")]
    assert len(kept) == short
    assert remarks[-1] == f"{dataset}: {sum(videos)} videos, as published"
    assert len({r.id for r in found}) == len(found)


def test_every_difference_from_the_published_counts_is_a_line(listing):
    paths = [p for p in every_path("oulu") if not p.startswith("Dev_files/6_3_35_")]
    paths.remove("Train_files/2_1_07_1.avi")
    assert [r for r in listing("oulu", paths).remarks if "annotation" not in r] == [
        "oulu train live: 359 found, 360 published",
        "oulu dev live: 269 found, 270 published",
        "oulu dev print: 538 found, 540 published",
        "oulu dev replay: 538 found, 540 published",
        "oulu train live: 17 of subject oulu-07 found, 18 published",
        "oulu dev live: 17 of subject oulu-35 found, 18 published",
        "oulu dev print: 34 of subject oulu-35 found, 36 published",
        "oulu dev replay: 34 of subject oulu-35 found, 36 published",
    ]
    few = listing("casia", ["train_release/3/1.avi"]).remarks
    assert "casia train subjects: 1 found, 20 published" in few
    assert "casia test subjects: 0 found, 30 published" in few


@pytest.mark.parametrize(
    ("dataset", "path", "expected"),
    [
        (
            "oulu",
            "OULU-NPU/Dev_files/4_2_21_3.avi",
            ("oulu-21", "print", "printer 2", "dev", "2", "phone 4"),
        ),
        (
            "oulu",
            "test_files/6_3_055_5.AVI",
            ("oulu-55", "replay", "display 2", "test", "3", "phone 6"),
        ),
        (
            "casia",
            "test_release/7/HR_1.avi",
            ("casia-test-07", None, None, "test", None, "high quality"),
        ),
        (
            "casia",
            "train_release/07/06.avi",
            ("casia-train-07", "print", "cut photo", "train", None, "normal quality"),
        ),
        (
            "replay",
            "devel/attack/hand/attack_highdef_client103_session01_highdef_photo_controlled.mov",
            ("replay-103", "replay", "highdef photo, hand", "dev", "01 controlled", "webcam"),
        ),
        (
            "replay",
            "train/attack/fixed/attack_print_client001_session01_highdef_photo_adverse.mov",
            ("replay-001", "print", "print, fixed", "train", "01 adverse", "webcam"),
        ),
        (
            "msu",
            "MSU-MFSD/scene01/attack/attack_client034_laptop_SD_iphone_video_scene01.MOV",
            ("msu-034", "replay", "iphone video", "train", "scene01", "laptop"),
        ),
        (
            "msu",
            "scene01/real/real_client1_android_SD_scene01.mp4",
            ("msu-001", None, None, "test", "scene01", "android"),
        ),
    ],
)
def test_a_name_says_all_of_this(dataset, path, expected):
    r = ocim.LAYOUTS[dataset].parse(path)
    assert (r.subject, r.attack_type, r.instrument, r.partition, r.session, r.device) == expected
    assert r.live is (expected[1] is None)
    assert (r.path, r.domain) == (path, dataset)


@pytest.mark.parametrize(
    ("dataset", "path"),
    [
        ("oulu", "Train_files/7_1_01_1.avi"),
        ("oulu", "Train_files/1_4_01_1.avi"),
        ("oulu", "Train_files/1_1_01_6.avi"),
        ("oulu", "Other_files/1_1_01_1.avi"),
        ("oulu", "Train_files/1_1_01.avi"),
        ("casia", "train_release/3/9.avi"),
        ("casia", "train_release/3/HR_5.avi"),
        ("replay", "enroll/train/client001_session01_webcam_enroll_adverse_1.mov"),
        ("replay", "train/attack/attack_print_client001_session01_highdef_photo_adverse.mov"),
        ("msu", "scene01/real/attack_client001_android_SD_ipad_video_scene01.mp4"),
        ("msu", "scene01/attack/attack_client001_android_SD_scene01.mp4"),
    ],
)
def test_other_names_are_no_presentations(dataset, path):
    assert ocim.LAYOUTS[dataset].parse(path) is None


def test_six_live_videos_of_msu_are_upside_down():
    """Named in the published facts: 003 and 005 to 009, live, by the android phone."""
    turned_ones = [
        Path(p).name for p in every_path("msu") if ocim.LAYOUTS["msu"].parse(p).rotation == 180
    ]
    assert sorted(turned_ones) == [
        f"real_client{n:03}_android_SD_scene01.mp4" for n in (3, 5, 6, 7, 8, 9)
    ]


def test_what_is_odd_is_said_and_the_rest_goes_on(listing):
    paths = [
        "Train_files/1_1_1_1.avi",
        "Train_files/1_1_01_1.AVI",  # the same capture again
        File("Train_files/1_1_02_1.avi", 0),
        "Train_files/notes.avi",
        "Train_files/1_1_02_1.txt",
    ]
    found, remarks = listing("oulu", paths)
    assert [r.path for r in found] == ["Train_files/1_1_1_1.avi", "Train_files/1_1_02_1.avi"]
    assert found[1].annotation == "Train_files/1_1_02_1.txt"
    said = "\n".join(remarks)
    assert "1_1_01_1.AVI: is the capture of Train_files/1_1_1_1.avi again" in said
    assert "1_1_02_1.avi: is empty; it counts as a failure to acquire" in said
    assert "notes.avi: is not named as in 'oulu'" in said
    assert "1 of 2 videos have no annotation" in said
    enrolled = "enroll/train/client001_session01_webcam_enroll_adverse_1.mov"
    real = "train/real/client001_session01_webcam_authenticate_adverse_1.mov"
    remarks = listing("replay", [real, enrolled]).remarks
    assert "1 enrolment videos are no presentations of the protocol" in remarks
    assert "is not named" not in "\n".join(remarks)


def test_annotations_are_found_where_each_data_set_keeps_them(listing):
    real = "R/train/real/client001_session01_webcam_authenticate_adverse_1"
    face = "R/Face-Locations/train/real/client001_session01_webcam_authenticate_adverse_1.FACE"
    assert listing("replay", [f"{real}.mov", face]).recordings[0].annotation == face
    (msu,) = listing(
        "msu",
        [
            "scene01/real/real_client001_android_SD_scene01.mp4",
            "scene01/real/real_client001_android_SD_scene01.face",
        ],
    ).recordings
    assert msu.annotation.endswith("client001_android_SD_scene01.face")
    assert msu.annotation_kind == "corners"


def test_the_data_sets_own_list_of_subjects_decides(tmp_path):
    real = tmp_path / "scene01/real"
    real.mkdir(parents=True)
    for user in (1, 2):
        (real / f"real_client{user:03}_laptop_SD_scene01.mov").write_bytes(b"x")
    (tmp_path / "train_sub_list.txt").write_text("01\r\n")
    (tmp_path / "Test_sub_list.txt").write_text("02\n\n")
    found = ocim.find(tmp_path, "msu").recordings
    assert [r.partition for r in found] == ["train", "test"]  # published: the other way round


def test_links_are_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/1_1_01_2.avi").write_bytes(b"x")
    home = tmp_path / "root/Train_files"
    home.mkdir(parents=True)
    (home / "1_1_01_1.avi").write_bytes(b"x")
    (home / "1_1_01_2.avi").symlink_to(tmp_path / "elsewhere/1_1_01_2.avi")
    (home / "loop").symlink_to(home)
    found, remarks = ocim.find(tmp_path / "root", "oulu")
    assert [r.path for r in found] == ["Train_files/1_1_01_1.avi"]
    assert sum("is a link and is not followed" in line for line in remarks) == 2


def test_odd_names_and_depths_cost_only_themselves(tmp_path):
    home = tmp_path / "Train_files"
    home.mkdir()
    (home / "1_1_01_1.avi").write_bytes(b"x")
    (home / "new\nline.avi").write_bytes(b"x")
    deep = tmp_path / "/".join(["d"] * 60)
    deep.mkdir(parents=True)
    try:
        (tmp_path / os.fsdecode(b"bytes\xff.avi")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system has names of text alone")
    found, remarks = ocim.find(tmp_path, "oulu")
    write_index(tmp_path / "m.csv", tmp_path, found)
    assert len(read_index(tmp_path / "m.csv")) == 1
    said = "\n".join(remarks)
    assert "no UTF-8 text" in said
    assert "lies too deep" in said
    assert "'Train_files/new\\nline.avi': is not named" in said


def test_folders_without_the_data_set_are_refused(tmp_path):
    (tmp_path / "a.avi").write_bytes(b"x")
    with pytest.raises(InputError, match=r"Train_files/1_1_01_1\.avi"):
        ocim.find(tmp_path, "oulu")
    with pytest.raises(InputError, match="no such folder"):
        ocim.find(tmp_path / "none", "casia")


# --- annotations ----------------------------------------------------------------------------------


def boxes(tmp_path, text, kind):
    (tmp_path / "a.face").write_text(text)
    return read_annotation(tmp_path / "a.face", kind)


def test_boxes_are_read_and_gaps_and_nonsense_left_out(tmp_path):
    text = (
        "0 10 20 60 80\n2 0 0 0 0\n3 10 20\n\nx 1 2 3 4\n4 1 2 nan 40\n-1 1 1 40 40\n5 1 2 5 90\n"
    )
    assert boxes(tmp_path, text, "xywh").boxes == {0: Box(10, 20, 60, 80)}
    read = boxes(tmp_path, "7, 100,50,180,150, 120,80,160,80\n", "corners")
    assert read.boxes == {7: Box(100, 50, 80, 100)}
    assert not read.head_down
    assert boxes(tmp_path, "7,100,50,180,150,120,120,160,121\n", "corners").head_down
    (eyes,) = boxes(tmp_path, "0,100,80,140,80\n", "eyes").boxes.values()
    assert eyes.width == eyes.height == 92  # 2.3 distances between the eyes
    assert eyes.x + eyes.width / 2 == 120
    assert 80 - eyes.y == pytest.approx(0.34 * 92, abs=1)
    assert boxes(tmp_path, "", "xywh").boxes == {}
    with pytest.raises(InputError, match="has no line"):
        boxes(tmp_path, "<html>not found</html>\n", "xywh")
    with pytest.raises(InputError, match="cannot be read"):
        read_annotation(tmp_path / "none.face", "xywh")


def test_a_box_turns_with_its_image():
    box = Box(10, 20, 30, 40)
    assert turned(box, 160, 120) == Box(120, 60, 30, 40)
    assert turned(turned(box, 160, 120), 160, 120) == box
    assert lies_in(box, 160, 120)
    assert not lies_in(Box(150, 20, 30, 40), 160, 120)
    assert not lies_in(Box(-50, -50, 300, 300), 160, 120)


# --- indexes --------------------------------------------------------------------------------------


def test_an_index_reads_back_beside_above_and_away_from_the_data(listing, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    found = listing("msu", every_path("msu")).recordings
    for out in (data / "manifest.csv", tmp_path / "above.csv", tmp_path / "away/index.csv"):
        write_index(out, data, found)
        read = read_index(out)
        assert [root / r.path for root, r in read] == [data / r.path for r in found]
        assert [r.rotation for _, r in read] == [r.rotation for r in found]
        assert [(r.id, r.partition, r.device) for _, r in read] == [
            (r.id, r.partition, r.device) for r in found
        ]
        with pytest.raises(InputError, match="hfnmp data prepare"):
            read_manifest(out)
    (data / "mine.csv").write_text("path\n")
    with pytest.raises(InputError, match="is in the way"):
        write_index(data / "mine.csv", data, found)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (",msu,", ",../msu,", "cannot name a folder"),
        (",corners,", ",polygon,", "expected xywh, corners or eyes"),
        (",180", ",90", "expected 0 or 180"),
        ("scene01/real/", "../real/", "leaves the manifest's folder"),
        ("beside.face", "../beside.face", "leaves the data set's folder"),
    ],
)
def test_an_index_edited_by_hand_is_refused_with_its_line(tmp_path, old, new, words):
    r = ocim.parse_msu("scene01/real/real_client003_android_SD_scene01.mp4")
    r = dataclasses.replace(r, annotation="beside.face", annotation_kind="corners")
    write_index(tmp_path / "i.csv", tmp_path, [r])
    text = (tmp_path / "i.csv").read_text()
    assert old in text
    (tmp_path / "i.csv").write_text(text.replace(old, new))
    with pytest.raises(InputError, match="line 2") as refused:
        read_index(tmp_path / "i.csv")
    assert words in str(refused.value)


# --- a folder of one's own ------------------------------------------------------------------------


def lay(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def test_live_and_attack_folders_are_enough(tmp_path):
    root = tmp_path / "my office"
    lay(root, "live/a.mov", "live/b.JPG", "attack/print/c.png", "attack/Replay/d.mp4", "notes.txt")
    lay(root, "other.mp4", ".live/hidden.mp4")
    found, remarks = own.find(root)
    assert {(r.path, r.attack_type, r.domain) for r in found} == {
        ("live/a.mov", None, "my-office"),
        ("live/b.JPG", None, "my-office"),
        ("attack/print/c.png", "print", "my-office"),
        ("attack/Replay/d.mp4", "replay", "my-office"),
    }
    assert len({r.subject for r in found}) == 4
    assert any("4 recordings lie in no folder of a subject" in line for line in remarks)
    assert any("other.mp4: lies neither in live/" in line for line in remarks)


def test_folders_below_are_subjects_and_folders_above_domains(tmp_path):
    for place in ("desk", "door"):
        lay(tmp_path, f"{place}/live/ann/1.mov", f"{place}/live/ann/2.mov")
        lay(tmp_path, f"{place}/attack/print/ann/1.png", f"{place}/attack/mask/bob/1.png")
    found, remarks = own.find(tmp_path)
    assert {r.subject for r in found} == {
        *("desk-ann", "desk-bob", "door-ann", "door-bob"),
    }
    assert {r.domain for r in found} == {"desk", "door"}
    assert not remarks
    lay(tmp_path, "desk/prepared/frames/desk/live/ann/1.mov/0.png", "desk/prepared/progress.jsonl")
    assert len(own.find(tmp_path / "desk").recordings) == 4
    assert not own.find(tmp_path / "desk").remarks
    lay(tmp_path / "one", "live/ann/1.mov")
    assert "has no attack" in own.find(tmp_path / "one").remarks[0]
    with pytest.raises(InputError, match="sort the recordings"):
        own.find(tmp_path / "one/live")
    with pytest.raises(InputError, match="domain is"):
        own.find(tmp_path / "one", "a/b")


def test_every_format_that_is_read_is_taken_and_the_rest_is_counted_and_named(tmp_path):
    read = ("jfif", "jpe", "avif", "jp2", "ppm", "mts", "m2ts", "3gp", "ts", "TIFF", "webp", "mpo")
    lay(tmp_path, *(f"live/ann/{i}.{suffix}" for i, suffix in enumerate(read)))
    lay(tmp_path, *(f"attack/print/ann/{i}.HEIC" for i in range(5)))
    lay(tmp_path, "attack/print/ann/a.pfm", "attack/print/ann/note.xyz", "live/ann/plain", "a.txt")
    found, remarks = own.find(tmp_path)
    assert {r.path.rpartition(".")[2] for r in found} == set(read)
    said = "\n".join(remarks)
    assert "not read and left out: 5 .heic (HEIC): attack/print/ann/0.HEIC" in said
    assert "and 2 more" in said
    assert "left out: 1 .pfm (PFM): " in said
    assert "left out: 1 .xyz: attack/print/ann/note.xyz" in said
    assert "left out: 1 without suffix: live/ann/plain" in said
    assert "a.txt" not in said
    lay(tmp_path / "other", "live/ann/1.heic")
    with pytest.raises(InputError, match=r"left out: 1 \.heic \(HEIC\)"):  # all there is
        own.find(tmp_path / "other")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zo\u00eb", "Zoe\u0308"),
        ("Anna", "anna"),
        ("STRASSE", "stra\u00dfe"),
        ("\u00c5sa", "a\u030asa"),
    ],
)
def test_spellings_of_one_name_are_one_subject_and_one_domain(tmp_path, one, other):
    lay(tmp_path, f"desk/live/{one}/1.mov", f"desk/attack/print/{other}/1.mov")
    lay(tmp_path, f"desk/attack/replay/{other}/room/2.mov")
    lay(tmp_path, f"{one}/live/x/1.mov", f"{other}/attack/print/x/1.mov")
    found, remarks = own.find(tmp_path)
    assert len({r.subject for r in found if r.domain == "desk"}) == 1
    assert len({r.domain for r in found}) == 2
    assert len({r.subject for r in found}) == 2
    assert sum("are taken as one" in line for line in remarks) == 2
    assert all(line.isprintable() for line in remarks)


@pytest.mark.parametrize("names", [("Live", "Attack"), ("LIVE", "attack"), ("live", "ATTACK")])
def test_live_and_attack_are_known_in_any_case(tmp_path, names):
    lay(tmp_path, f"{names[0]}/ann/1.mov", f"{names[1]}/Print/ann/1.mov")
    found, remarks = own.find(tmp_path, "desk")
    assert {(r.domain, r.subject, r.attack_type) for r in found} == {
        ("desk", "desk-ann", None),
        ("desk", "desk-ann", "print"),
    }
    assert not remarks


def test_linked_folders_are_said_to_be_links(tmp_path):
    lay(tmp_path / "far", "live/ann/1.mov", "attack/print/ann/1.mov")
    (tmp_path / "near").mkdir()
    for part in ("live", "attack"):
        (tmp_path / "near" / part).symlink_to(tmp_path / "far" / part)
    with pytest.raises(InputError, match="live: is a link and is not followed"):
        own.find(tmp_path / "near")
    (tmp_path / "oulu").mkdir()
    (tmp_path / "oulu/Train_files").symlink_to(tmp_path / "far")
    with pytest.raises(InputError, match="Train_files: is a link and is not followed"):
        ocim.find(tmp_path / "oulu", "oulu")
