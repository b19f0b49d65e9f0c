"""The authors' lists and zips: read as they are, in order of their numbers, whatever they hold."""

import io
import os
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from hfnmp_lite.data import archive, lists, miniature, protocols, release, samples
from hfnmp_lite.data.loaders import load_frame
from hfnmp_lite.data.presentations import Presentation, missing_frames, read_manifest
from hfnmp_lite.files import InputError

REAL = "+OULU-NPU/Train_files/1_1_01_1.avi.zip"


def png(value, size=32):
    return cv2.imencode(".png", np.full((size, size, 3), value, np.uint8))[1].tobytes()


def packed(path, members, method=zipfile.ZIP_STORED):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return path


def shelf(tmp_path, text, **zips):
    """A root with a list and zips of the training subject 1 of OULU-NPU, by file number."""
    (tmp_path / "list.csv").write_text(text)
    for name, members in zips.items():
        packed(tmp_path / f"+OULU-NPU/Train_files/1_1_01_{name[1:]}.avi.zip", members)
    (tmp_path / "+OULU-NPU").mkdir(exist_ok=True)
    return tmp_path


def indexed(root, **more):
    out = root / "manifest.csv"
    done = release.index(root, [root / "list.csv"], out, progress=False, **more)
    return done, {p.id.rpartition("/")[2]: p for p in read_manifest(out)}


# --- lists ----------------------------------------------------------------------------------------


def test_lists_are_read_with_their_blank_lines(tmp_path):
    (tmp_path / "debug.csv").write_bytes(
        b"\xef\xbb\xbf/+CASIA-FASD/test_release/11/1.avi.zip,0,107,107\r\n\r\n"
        b"/+CASIA-FASD/test_release/11/3.avi.zip,1,211,211\n"
        b"/+ROSE-YOUTU/train/2/Vm_1.mp4.zip,2,9,10\n  \n"
        b"/+SiW-M/Mask/PaperMask/a b.mov.zip,3,1,1\n\n"
    )
    listed, refused = release.read_list(tmp_path / "debug.csv")
    assert [(e.path, e.kind, e.faces) for e in listed] == [
        ("+CASIA-FASD/test_release/11/1.avi.zip", None, 107),
        ("+CASIA-FASD/test_release/11/3.avi.zip", "print", 211),
        ("+ROSE-YOUTU/train/2/Vm_1.mp4.zip", "replay", 9),
        ("+SiW-M/Mask/PaperMask/a b.mov.zip", "mask", 1),
    ]
    assert not refused


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("/OULU-NPU/a.zip,0,1,1", "+DATASET"),
        ("/+OULU-NPU/../../etc/passwd.zip,0,1,1", "no path to a zip"),
        ("/+OULU-NPU/a.avi,0,1,1", "no path to a zip"),
        ("/+OULU-NPU.zip,0,1,1", "no path to a zip"),
        ("/+OULU-NPU/a.zip,4,1,1", "label is '4'"),
        ("/+OULU-NPU/a.zip", "label is ''"),
        ("/+OULU-NPU/a.zip,0,one,1", "expected path,label,faces,frames"),
        ("/+OULU-NPU/a.zip,0,-1,1", "expected path,label,faces,frames"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_and_the_rest_goes_on(tmp_path, line, word):
    (tmp_path / "list.csv").write_text(f"/{REAL},0,2,2\n{line}\n")
    listed, refused = release.read_list(tmp_path / "list.csv")
    assert [e.path for e in listed] == [REAL]
    assert len(refused) == 1
    assert "line 2" in refused[0]
    assert word in refused[0]
    (tmp_path / "list.csv").write_text(f"{line}\n")
    with pytest.raises(InputError, match="line 1"):
        release.read_list(tmp_path / "list.csv")


def test_frames_are_taken_in_the_order_of_their_numbers(tmp_path):
    members = {f"{n}.png": png(n) for n in (10, 9, 100, 2, 1, 30)}
    members["info.txt"] = "6\t101"
    root = shelf(tmp_path, f"/{REAL},0,6,101\n\n", _1=members)
    done, found = indexed(root, frames=3)
    (p,) = found.values()
    assert [f.name for f in p.frames] == ["1.png", "9.png", "100.png"]  # of 1 2 9 10 30 100
    assert [load_frame(f, 32)[0, 0, 0] for f in p.frames] == [1, 9, 100]
    assert (p.domain, p.subject, p.partition, p.live) == ("oulu", "oulu-01", "train", True)
    assert (done.presentations, done.frames, done.failures, done.remarks) == (1, 3, {}, [])
    assert not missing_frames([p])
    assert missing_frames(
        [Presentation("a", "b", "c", True, None, None, (p.frames[0].parent / "3.png",))]
    )


def test_every_listed_video_is_in_the_manifest(tmp_path):
    text = f"/{REAL},0,2,2\n" + "".join(
        f"/+OULU-NPU/Train_files/1_1_01_{n}.avi.zip,{label},{faces},5\n"
        for n, label, faces in ((2, 1, 0), (3, 1, 2), (4, 3, 1), (5, 0, 3))
    )
    root = shelf(
        tmp_path,
        text + f"/{REAL},0,2,2\n",
        _1={"0.png": png(0), "7.png": png(7), "info.txt": "2\t9"},
        _2={"info.txt": "0\t5"},
        _4={"3.jpg": png(3), "info.txt": "1\t5", "../../evil.png": b"", "sub/1.png": b""},
        _5={"1.png": png(1), "2.png": png(2), "info.txt": "2\t5"},
    )
    done, found = indexed(root)
    assert len(found) == done.presentations == 5  # the line that stands twice counts once
    kinds = {n: found[f"1_1_01_{n}.avi.zip"].attack_type for n in range(1, 6)}
    assert kinds == {1: None, 2: "print", 3: "print", 4: "mask", 5: None}
    without = [name for name, p in found.items() if not p.frames]
    assert without == ["1_1_01_2.avi.zip", "1_1_01_3.avi.zip"]
    assert found["1_1_01_2.avi.zip"].failure.startswith("no face found")
    assert "no such file" in found["1_1_01_3.avi.zip"].failure
    said = "\n".join(done.remarks)
    assert "holds '../../evil.png' and 1 more, no frame" in said
    assert "the label says mask, the name replay; the label is taken" in said
    assert "the label says live, the name replay" in said
    assert "line 5: says 3 faces, the zip's info.txt 2" in said
    (root / "other.csv").write_text(f"/{REAL},1,2,2\n")
    with pytest.raises(InputError, match=r"other\.csv, line 1: calls"):
        release.index(root, [root / "list.csv", root / "other.csv"], root / "m.csv", progress=False)
    with pytest.raises(InputError, match="holds no folder '\\+OULU-NPU'"):
        release.index(root / "+OULU-NPU", [root / "list.csv"], root / "m.csv", progress=False)


def test_bad_zips_are_failures_of_their_own(tmp_path):
    names = dict.fromkeys(["text", "cut", "link", "outside"])
    text = "".join(f"/+MY-SET/{name}.mov.zip,1,1,1\n" for name in names)
    good = packed(tmp_path / "elsewhere/good.zip", {"0.png": png(3), "info.txt": "1\t1"})
    root = tmp_path / "root"
    (root / "+MY-SET").mkdir(parents=True)
    (root / "list.csv").write_text(text + "/+MY-SET/dir/x.mov.zip,1,1,1\n/+MY-SET/ok.zip,0,1,1\n")
    (root / "+MY-SET/text.mov.zip").write_text("not found")
    (root / "+MY-SET/cut.mov.zip").write_bytes(good.read_bytes()[:-30])
    (root / "+MY-SET/link.mov.zip").symlink_to(good)
    (root / "+MY-SET/outside.mov.zip").mkdir()
    (root / "+MY-SET/dir").symlink_to(tmp_path / "elsewhere")
    (root / "+MY-SET/ok.zip").write_bytes(good.read_bytes())
    _, found = indexed(root)
    assert found.pop("ok.zip").frames
    reasons = {name.partition(".")[0]: p.failure for name, p in found.items()}
    assert "damaged" in reasons["text"]
    assert "damaged" in reasons["cut"]
    assert "leads out of" in reasons["link"]
    assert "leads out of" in reasons["x"]
    assert "no such file" in reasons["outside"]
    assert all(str(tmp_path) not in reason for reason in reasons.values())


# --- zips, against the standard library -----------------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("before", [0, 1234])
@pytest.mark.parametrize("comment", [b"", b"packed by hand"])
def test_members_are_those_that_the_library_reads(tmp_path, method, before, comment):
    rng = np.random.default_rng(before)
    members = {f"{n}.png": rng.bytes(int(rng.integers(0, 3000))) for n in range(700)}
    members |= {"1.png1.png": b"longer name", "info.txt": b"1.png", "ä.png": b"umlaut"}
    path = packed(tmp_path / "a.zip", members, method)
    with zipfile.ZipFile(path, "a") as opened:
        opened.comment = comment
    path.write_bytes(bytes(before) + path.read_bytes())
    with zipfile.ZipFile(path) as opened:
        for name in ["0.png", "1.png", "333.png", "699.png", "1.png1.png", "info.txt", "ä.png"]:
            assert archive.read_member(path, name) == opened.read(name) == members[name]
    frames, others = archive.image_members(path, frozenset([".png"]))
    assert frames == [f"{n}.png" for n in range(700)]
    assert sorted(others) == ["1.png1.png", "info.txt", "ä.png"]
    for name in ("700.png", ".png", "png", "0.pn"):
        with pytest.raises(InputError, match="holds no"):
            archive.read_member(path, name)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_with_one_name_the_last_counts(tmp_path):
    path = tmp_path / "a.zip"
    for content in (b"first", b"second"):
        with zipfile.ZipFile(path, "a") as opened:
            opened.writestr("0.png", content)
    assert archive.read_member(path, "0.png") == b"second"


def test_damaged_and_greedy_members_are_refused(tmp_path, monkeypatch):
    path = packed(tmp_path / "a.zip", {"0.png": png(200), "1.png": png(3)})
    whole = path.read_bytes()
    at = whole.index(b"IDAT") + 6
    path.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
    with pytest.raises(InputError, match="checksum"):
        archive.read_member(path, "0.png")
    assert archive.read_member(path, "1.png") == png(3)
    bomb = packed(tmp_path / "bomb.zip", {"0.png": bytes(10**7)}, zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(archive, "MAX_MEMBER", 10**6)
    with pytest.raises(InputError, match="at most"):
        archive.read_member(bomb, "0.png")
    lie = bomb.read_bytes().replace((10**7).to_bytes(4, "little"), (10**4).to_bytes(4, "little"))
    bomb.write_bytes(lie)  # declares 10 kB and inflates to 10 MB
    with pytest.raises(InputError, match="differs from its checksum"):
        archive.read_member(bomb, "0.png")
    directory = bytearray(whole)
    directory[-10:-6] = (2**31).to_bytes(4, "little")  # the directory's size
    path.write_bytes(bytes(directory))
    with pytest.raises(InputError, match="directory"):
        archive.read_member(path, "0.png")
    assert not archive.is_there(path / "0.png")


def test_encrypted_members_are_refused(tmp_path):
    path = packed(tmp_path / "a.zip", {"0.png": png(1)})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="encrypted"):
        archive.read_member(path, "0.png")


def test_a_frame_that_is_no_image_or_declares_too_much_is_named(tmp_path):
    bomb = io.BytesIO(png(0))
    huge = bytearray(bomb.getvalue())
    huge[16:24] = (10**6).to_bytes(4, "big") * 2
    path = packed(tmp_path / "a.zip", {"0.png": b"hello", "1.png": bytes(huge), "2.png": png(9)})
    for name in ("0.png", "1.png", "7.png"):
        with pytest.raises(InputError, match=r"a\.zip"):
            load_frame(path / name, 32)
    assert load_frame(path / "2.png", 16).shape == (16, 16, 3)
    with pytest.raises(InputError, match=r"b\.zip"):
        load_frame(tmp_path / "b.zip/0.png", 32)
    folder = tmp_path / "loose.zip"  # a folder may be called so, too
    folder.mkdir()
    (folder / "0.png").write_bytes(png(5))
    assert load_frame(folder / "0.png", 32)[0, 0, 0] == 5


def test_nothing_stays_open_and_nothing_is_kept(tmp_path):
    path = packed(tmp_path / "a.zip", {f"{n}.png": png(n % 256) for n in range(300)})
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else None
    for n in range(300):
        archive.read_bytes(path / f"{n}.png")
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before


# --- protocols and lists --------------------------------------------------------------------------


def test_protocols_have_names():
    assert protocols.named("OCI-M") == (("casia", "oulu", "replay"), "msu")
    assert protocols.named("ioc-m") == protocols.named("OCI-M")
    assert protocols.named("MI-C") == (("msu", "replay"), "casia")
    assert protocols.named("IM-O") == (("msu", "replay"), "oulu")
    assert [protocols.name_of(*protocols.named(n)) for n in protocols.NAMES] == [*protocols.NAMES]
    assert protocols.name_of(["webcam"], "phone") is None
    for wrong in ("OC-M", "OCM-M", "MI-I", "OCIM", "", "O-C-I"):
        with pytest.raises(InputError, match="expected one of OCI-M"):
            protocols.named(wrong)


def some(domain, partition, count, **more):
    return [
        Presentation(
            f"{domain}-{partition}-{n}", domain, f"{domain}-{n}", True, None, None, (), partition
        )
        for n in range(count)
    ]


def test_a_list_is_named_by_what_it_holds():
    whole = some("oulu", "train", 1800) + some("oulu", "dev", 1350) + some("oulu", "test", 1800)
    assert lists.describe(whole) == {
        "oulu": "released list (train, dev, test): 4950 of 4950 videos"
    }
    short = [p for p in whole if p.partition != "dev"] + some("msu", "test", 280)
    assert lists.describe(short) == {
        "oulu": "short list (train, test): 3600 of 3600 videos",
        "msu": "released and short lists (test): 280 of 280 videos",
    }
    assert lists.describe(some("replay", None, 7) + some("webcam", None, 3)) == {
        "replay": "released list (no partition): 7 of 1200 videos"
    }


def test_manifests_are_joined_where_they_lie(tmp_path):
    roots = [tmp_path / "a", tmp_path / "b"]
    zips = miniature.build_release(roots[0])
    only = [path for path in zips if "OULU" in path.name or "MSU" in path.name]
    release.index(roots[0], only, roots[0] / "manifest.csv", progress=False)
    out = tmp_path / "away" / "all.csv"
    given = [roots[0] / "manifest.csv", samples.root() / "manifest.csv"]
    count = lists.join(given, out)
    together = read_manifest(out)
    apart = [p for path in given for p in read_manifest(path)]
    assert count == len(together) == len(apart)
    assert {p.id: p for p in together} == {p.id: p for p in apart}
    assert not missing_frames(together)
    lists.join(given, tmp_path / "short.csv", "short")
    parts = {p.partition for p in read_manifest(tmp_path / "short.csv") if p.domain == "oulu"}
    assert parts == {"train", "test"}
    with pytest.raises(InputError, match="exists"):
        lists.join(given, out)
    with pytest.raises(InputError, match="already"):
        lists.join([*given, out], tmp_path / "twice.csv")
    text = given[0].read_text().replace(",dev,", ",,")
    given[0].write_text(text)
    with pytest.raises(InputError, match="states no partition"):
        lists.join(given, tmp_path / "none.csv", "short")
    assert not (tmp_path / "twice.csv").exists()


def test_who_has_no_frame_teaches_nobody_and_counts_in_the_end():
    def of(domain, subject, live, frames):
        kind = None if live else "print"
        name = f"{domain}-{subject}-{live}"
        return Presentation(name, domain, f"{domain}-{subject}", live, kind, None, frames)

    frame = (Path("a.png"),)
    data = [
        of(domain, subject, live, () if (subject, live) == (0, True) else frame)
        for domain in ("one", "two", "end")
        for subject in range(6)
        for live in (True, False)
    ]
    found = protocols.leave_one_out(data, "end", ["one", "two"])
    assert all(p.frames for p in found.training + found.validation)
    assert found.frameless == 2
    assert len(found.target) == 12
    assert sum(not p.frames for p in found.target) == 1
    bare = [of(p.domain, p.subject, p.live, () if p.domain == "end" else frame) for p in data]
    with pytest.raises(InputError, match="no frame at all"):
        protocols.leave_one_out(bare, "end", ["one", "two"])


# --- labels against names -------------------------------------------------------------------------


def lines(labels):
    names = [f"/+OULU-NPU/Train_files/1_1_01_{file}.avi.zip" for file in range(1, 6)]
    return "".join(f"{name},{label},1,1\n" for name, label in zip(names, labels, strict=True))


@pytest.mark.parametrize("labels", ["10000", "12211", "22211", "00000"])
def test_a_list_that_most_names_contradict_is_refused(tmp_path, labels):
    root = shelf(tmp_path, "".join(lines("01122")))  # this one is right
    (root / "inverted.csv").write_text(lines(labels).replace("1_1_01", "1_1_02"))
    wrong = sum(a != b for a, b in zip(labels, "01122", strict=True))
    assert wrong > 2
    with pytest.raises(InputError, match=f"inverted.csv: {wrong} of 5 labels contradict"):
        release.index(
            root, [root / "list.csv", root / "inverted.csv"], root / "out.csv", progress=False
        )
    assert not (root / "out.csv").exists()


def test_a_list_that_few_names_contradict_is_taken_with_a_remark(tmp_path):
    done, _ = indexed(shelf(tmp_path, lines("01120")))
    assert sum("the label is taken" in line for line in done.remarks) == 1


def test_a_list_with_semicolons_is_told_so(tmp_path):
    (tmp_path / "list.csv").write_text(lines("01122").replace(",", ";"))
    with pytest.raises(InputError, match="is separated by semicolons"):
        release.read_list(tmp_path / "list.csv")
