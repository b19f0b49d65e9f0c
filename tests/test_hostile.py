"""Files that nobody should have: each costs one line; nothing waits, grows or is overwritten."""

import csv
import json
import os
import signal
import struct
import zipfile
import zlib

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save

from hfnmp_lite import HFN, Detector, cli, load_checkpoint, save_checkpoint
from hfnmp_lite.data import archive, miniature, ocim, own, prepare, release, samples
from hfnmp_lite.data.annotation import read_annotation
from hfnmp_lite.data.loaders import load_frame
from hfnmp_lite.data.presentations import read_manifest
from hfnmp_lite.data.recordings import write_index
from hfnmp_lite.files import InputError, read_text

HEADER = "path,domain,subject,presentation,live,attack_type\n"
MP = samples.root() / "checkpoints" / "mp-webcam.safetensors"


@pytest.fixture(autouse=True)
def never_waiting():
    """A test that waits for somebody to write into a pipe fails after five minutes."""

    def late(*_):
        raise TimeoutError("waited for five minutes")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(300)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def png(value=90, side=32):
    return cv2.imencode(".png", np.full((side, side, 3), value, np.uint8))[1].tobytes()


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 2000
    return text


# --- what would block or never end ----------------------------------------------------------------


def readers(path):
    """Everything that opens a file that a user, a list or a manifest names."""
    return {
        "manifest": lambda: read_manifest(path),
        "list": lambda: release.read_list(path),
        "annotation": lambda: read_annotation(path, "xywh"),
        "frame": lambda: load_frame(path, 32),
        "frame in a zip": lambda: load_frame(path / "0.png", 32),
        "names in a zip": lambda: archive.image_members(path, frozenset([".png"])),
        "checkpoint": lambda: load_checkpoint(path),
    }


@pytest.mark.parametrize("what", readers(None))
def test_pipes_and_devices_are_refused_at_once(tmp_path, what):
    pipe, endless = tmp_path / "pipe.zip", tmp_path / "endless.zip"
    os.mkfifo(pipe)
    endless.symlink_to("/dev/zero")
    for path in (pipe, endless):
        with pytest.raises(InputError) as refused:
            readers(path)[what]()
        assert path.name in one_line(refused)
    assert not archive.is_there(pipe / "0.png")


def test_a_preparation_meets_pipes_in_an_index_and_in_its_journal(tmp_path):
    miniature.build(tmp_path / "sets", "replay", frames=3)
    assert cli.main(["data", "index", str(tmp_path / "sets"), "--dataset", "replay"]) == 0
    index = tmp_path / "sets" / "manifest.csv"
    rows = list(csv.DictReader(index.open(newline="")))
    for row, column in ((rows[0], "path"), (rows[1], "annotation")):
        (tmp_path / "sets" / row[column]).unlink()
        os.mkfifo(tmp_path / "sets" / row[column])
    settings = prepare.Settings(size=32, crop="annotation")
    summary = prepare.prepare([index], tmp_path / "out", settings, processes=1, progress=False)
    assert (summary.recordings, len(summary.failures)) == (12, 2)
    assert all("pipe" in reason or "regular" in reason for reason in summary.failures.values()), (
        summary.failures
    )
    journal = tmp_path / "out" / "progress.jsonl"
    journal.unlink()
    os.mkfifo(journal)
    with pytest.raises(InputError, match="is a pipe"):
        prepare.prepare([index], tmp_path / "out", settings, processes=1, progress=False)


def test_an_index_says_which_files_it_leaves_out(tmp_path):
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "a.png").write_bytes(png())
    os.mkfifo(tmp_path / "live" / "b.png")
    (tmp_path / "live" / "c\nd.mov").symlink_to("/dev/zero")
    found = own.find(tmp_path)
    assert [r.path for r in found.recordings] == ["live/a.png"]
    said = [line for line in found.remarks if "live/" in line][:2]
    assert "live/b.png: is a pipe, a socket or a device; left out" in said
    assert any("is a link" in line for line in said)
    assert all("\n" not in line for line in found.remarks)


def test_texts_have_a_limit_and_are_utf8(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfa\r\n")
    assert read_text(path, 100) == "a\r\n"
    with pytest.raises(InputError, match="more than"):
        read_text(path, 5)
    path.write_bytes(b"ab\xffc")
    with pytest.raises(InputError, match="byte 2 is 0xff"):
        read_text(path, 100)
    assert read_text(path, 100, errors="replace") == "ab\ufffdc"


# --- frames ---------------------------------------------------------------------------------------


def test_a_damaged_frame_is_one_line_and_the_decoder_keeps_silent(tmp_path, capfd):
    whole = png(side=64)
    noisy = bytearray(whole)
    noisy[len(noisy) // 2] ^= 0x55
    absurd = bytearray(whole)
    absurd[16:24] = struct.pack(">II", 10**6, 10**6)
    absurd[29:33] = struct.pack(">I", zlib.crc32(bytes(absurd[12:29])))
    for name, content in {
        "cut": whole[: len(whole) // 2],
        "noisy": bytes(noisy),
        "absurd": bytes(absurd),
        "text": b"hello",
        "tiny": png(side=15),
        "empty": b"",
    }.items():
        path = tmp_path / f"{name}.png"
        path.write_bytes(content)
        with pytest.raises(InputError) as refused:
            load_frame(path, 32)
        assert path.name in one_line(refused)
    assert capfd.readouterr().err == ""


def test_a_frame_of_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "big.png"
    path.write_bytes(png())
    os.truncate(path, archive.MAX_FILE + 1)  # a hole: it takes no room
    with pytest.raises(InputError, match="has more than"):
        load_frame(path, 32)


# --- zips and lists -------------------------------------------------------------------------------


def shelf(tmp_path, *lines, **zips):
    root = tmp_path / "root"
    (root / "+MY-SET").mkdir(parents=True)
    for name, content in zips.items():
        path = root / f"+MY-SET/{name}.zip"
        if isinstance(content, bytes):
            path.write_bytes(content)
            continue
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
            for member, data in content.items():
                opened.writestr(member, data)
    listed = [*(f"/+MY-SET/{name}.zip,0,1,1" for name in zips), *lines]
    (root / "list.csv").write_text("\n".join(listed), newline="")
    return root


def test_a_zip_without_frames_is_no_face_only_where_somebody_says_so(tmp_path):
    good = {"0.png": png(), "info.txt": "1\t1"}
    root = shelf(tmp_path, nobody={"info.txt": "0\t9"}, empty={}, other={"a.png": png()}, good=good)
    whole = (root / "+MY-SET/good.zip").read_bytes()
    at = whole.index(b"PK\1\2")
    damaged = whole[: at + 28] + b"\xff\xff" + whole[at + 30 :]  # a name of 64 KiB
    (root / "+MY-SET/damaged.zip").write_bytes(damaged)
    (root / "list.csv").write_text((root / "list.csv").read_text() + "\n/+MY-SET/damaged.zip,0,1,1")
    done = release.index(root, [root / "list.csv"], root / "m.csv", progress=False)
    reasons = {key.rpartition("/")[2]: reason for key, reason in done.failures.items()}
    assert reasons.pop("nobody.zip").startswith("no face found")
    assert set(reasons) == {"empty.zip", "other.zip", "damaged.zip"}
    assert "holds no frame" in reasons["empty.zip"]
    assert "holds no frame" in reasons["other.zip"]
    assert "damaged" in reasons["damaged.zip"]


def test_names_too_long_for_the_system_cost_their_line_alone(tmp_path):
    long = "y" * 5000
    root = shelf(
        tmp_path,
        f"/+MY-SET/{long}.zip,0,1,1",
        f"/+MY-SET/{long},0,1,1",
        "z" * 10**6,
        "/+MY-SET/a\vb.zip,1,1,1",
        good={"0.png": png(), "info.txt": "1\t1"},
    )
    done = release.index(root, [root / "list.csv"], root / "m.csv", progress=False)
    assert (done.presentations, done.frames, len(done.failures)) == (3, 1, 2)
    assert any("File name too long" in reason for reason in done.failures.values())
    assert all(len(line) < 1000 and "\n" not in line for line in done.remarks)


def test_an_index_of_lists_overwrites_manifests_alone(tmp_path):
    root = shelf(tmp_path, good={"0.png": png(), "info.txt": "1\t1"})
    (root / "thesis.tex").write_text("years of work")
    for wrong in ("list.csv", "thesis.tex", "+MY-SET"):
        with pytest.raises(InputError, match="is in the way"):
            release.index(root, [root / "list.csv"], root / wrong, progress=False)
    assert (root / "thesis.tex").read_text() == "years of work"
    for _ in range(2):
        release.index(root, [root / "list.csv"], root / "m.csv", progress=False)


def test_bombs_inside_zips_and_links_inside_them_do_nothing(tmp_path, capsys):
    link = zipfile.ZipInfo("7.png")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    root = shelf(
        tmp_path,
        bomb={"0.png": bytes(archive.MAX_MEMBER + 1), "info.txt": "1\t1"},
        link={link: "/etc/hostname", "info.txt": "1\t1"},
        outside={"../../0.png": png(), "/1.png": png(), "2.png": png(), "info.txt": "1\t1"},
    )
    before = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*"))
    out = root / "m.csv"
    done = release.index(root, [root / "list.csv"], out, progress=False)
    (bomb,), (linked,), (outside,) = (p.frames for p in read_manifest(out))
    assert not done.failures
    with pytest.raises(InputError, match="declares 64 MiB"):
        load_frame(bomb, 32)
    with pytest.raises(InputError, match="not an image"):
        load_frame(linked, 32)
    assert outside.name == "2.png"
    assert load_frame(outside, 32).shape == (32, 32, 3)
    out.unlink()
    (root / ".hfnmp.json").unlink()  # what the index recorded of m.csv
    assert sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*")) == before


# --- manifests as spreadsheets and editors leave them ---------------------------------------------


def test_a_byte_order_mark_line_ends_and_quotes_are_no_damage(tmp_path):
    (tmp_path / "0.png").write_bytes(png())
    text = HEADER + '0.png,desk,=1+1,"a ""b"", c",1,\n'
    for content in (text, "\ufeff" + text.replace("\n", "\r\n"), text.replace("\n", "\r")):
        (tmp_path / "m.csv").write_bytes(content.encode())
        (p,) = read_manifest(tmp_path / "m.csv")
        assert (p.id, p.subject) == ('a "b", c', "=1+1")


def test_any_field_of_a_manifest_is_told_on_one_printable_line(tmp_path, capsys):
    (tmp_path / "0.png").write_bytes(png())
    fields = ("a\nb", "a\0b", "\x1b[2J", "y" * 100_000, "a\u202eb")
    for field in fields:
        row = f'0.png,desk,s,"{field}",1,\n'
        (tmp_path / "m.csv").write_text(HEADER + row + row, newline="")
        asked = ["evaluate", str(MP), "--manifest", str(tmp_path / "m.csv"), "--domain", "desk"]
        assert cli.main(asked) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.isprintable()
        assert len(line) < 1100
        (tmp_path / "m.csv").write_text(HEADER + row.replace(",1,", ",live,"), newline="")
        assert cli.main(asked) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "live is 'live'" in line
    long = tmp_path / ("y/" * 3000 + "0.png")
    assert not archive.is_there(long)
    with pytest.raises(InputError, match="File name too long"):
        load_frame(long, 32)


# --- checkpoints ----------------------------------------------------------------------------------


@pytest.fixture
def spoiled(tmp_path):
    """Write the shipped checkpoint with something changed."""

    def write(name, change_tensors=None, change_about=None):
        content = MP.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        tensors, about = load_file(MP), json.loads(metadata["about"])
        if change_tensors:
            change_tensors(tensors)
        if change_about:
            change_about(about)
        path = tmp_path / name
        path.write_bytes(save(tensors, metadata | {"about": json.dumps(about)}))
        return path

    return write


FIRST = "extractor.encoder.0.weight"


@pytest.mark.parametrize(
    ("tensors", "about", "words"),
    [
        (lambda t: t[FIRST].fill_(float("nan")), None, f"'{FIRST}' holds values that are not"),
        (lambda t: t.update({FIRST: t[FIRST].double()}), None, f"'{FIRST}' is torch.float64"),
        (lambda t: t.update({FIRST: t[FIRST].to(torch.int8)}), None, "is torch.int8"),
        (None, lambda a: a.update(threshold=float("nan")), "threshold is nan"),
        (None, lambda a: a.update(threshold="high"), "could not convert"),
        (None, lambda a: a["network"].update(trunk="resnet5000"), "resnet5000"),
        (None, lambda a: a.update(pattern={"name": "os.system"}), "os.system"),
        (None, lambda a: a.update(config=7), "does not fit"),
    ],
)
def test_weights_and_settings_that_give_no_score_are_refused(spoiled, tensors, about, words):
    with pytest.raises(InputError) as refused:
        load_checkpoint(spoiled("bad.safetensors", tensors, about))
    assert words in one_line(refused)


@pytest.mark.parametrize(
    "change", [{"size": 10**6}, {"size": "x"}, {"size": -128}, {"more": 1}, {"sources": 7}]
)
@pytest.mark.parametrize("command", ["predict", "explain"])
def test_settings_that_no_run_had_are_one_line(spoiled, tmp_path, capsys, change, command):
    path = spoiled("bad.safetensors", None, lambda a: a["config"].update(change))
    (tmp_path / "a.png").write_bytes(png(side=64))
    out = ["--out", str(tmp_path / "o")] if command == "explain" else []
    assert cli.main([command, str(path), str(tmp_path / "a.png"), "--no-crop", *out]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"hfnmp: {path}: ")
    assert not (tmp_path / "o").exists()


# --- what predict says of names and failures ------------------------------------------------------


def test_predict_sums_up_and_prints_any_name(tmp_path, capsys):
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "m.safetensors", Detector(None, HFN(streams=1)).eval(), {})
    folder = tmp_path / "pictures"
    folder.mkdir()
    names = [b"a\nb.png", b"bad\xff.png", "ü,\"'.png".encode(), b"=1+1.png", b"x" * 200 + b".png"]
    for name in names:
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            file.write(png(side=64))
    (folder / "empty\n.png").touch()
    for form in ("table", "csv", "json"):
        asked = ["predict", str(tmp_path / "m.safetensors"), str(folder), "--no-crop"]
        assert cli.main([*asked, "--format", form]) == 1
        said = capsys.readouterr()
        assert "hfnmp: 1 of 6 could not be scored" in said.err
        if form == "table":
            assert len(said.out.splitlines()) == 6
        elif form == "json":
            assert len(json.loads(said.out)) == 6


# --- what a hand may write into a manifest, a journal, a run --------------------------------------


def test_partitions_that_nobody_published_are_named_as_they_are():
    from hfnmp_lite.data import lists
    from hfnmp_lite.data.presentations import Presentation

    data = [
        Presentation(f"{n}", "oulu", f"s{n}", True, None, None, (), part)
        for n, part in enumerate(("weird", "test", None, "validation", "train"))
    ]
    said = lists.describe(data)["oulu"]
    assert said == "released list (train, test, no partition, validation, weird): 5 of 4950 videos"


def test_loops_of_links_cost_a_line(tmp_path):
    (tmp_path / "m.csv").symlink_to("m.csv")
    with pytest.raises(InputError, match="links"):
        read_manifest(tmp_path / "m.csv")
    root = shelf(tmp_path, "/+MY-SET/loop.zip,0,1,1", good={"0.png": png(), "info.txt": "1\t1"})
    (root / "+MY-SET/loop.zip").symlink_to("loop.zip")
    done = release.index(root, [root / "list.csv"], root / "m.csv", progress=False)
    assert (done.presentations, done.frames, len(done.failures)) == (2, 1, 1)


def test_a_journal_of_nothing_but_brackets_is_refused(tmp_path):
    miniature.build(tmp_path / "sets", "replay", frames=3)
    found = ocim.find(tmp_path / "sets", "replay")
    write_index(tmp_path / "sets" / "manifest.csv", tmp_path / "sets", found.recordings)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "progress.jsonl").write_text("[" * 100_000)
    with pytest.raises(InputError, match="other settings"):
        prepare.prepare([tmp_path / "sets" / "manifest.csv"], tmp_path / "out", progress=False)


def test_a_run_stays_below_runs_whatever_a_domain_is_called(tmp_path, monkeypatch):

    asked = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "_show_run", lambda config, folder, *_: asked.append(folder))
    rows = []
    for number, domain in enumerate(("../../out", "/etc", "desk")):
        (tmp_path / f"{number}.png").write_bytes(png())
        rows.append(f"{number}.png,{domain},s{number},v{number},1,\n")
    (tmp_path / "m.csv").write_text(HEADER + "".join(rows))
    for target in ("../../out", "/etc"):
        assert cli.main(["train", "--target", target, "--manifest", "m.csv"]) == 0
    assert all(folder.parent.name == "runs" and not folder.is_absolute() for folder in asked)
    assert len(set(asked)) == 2
