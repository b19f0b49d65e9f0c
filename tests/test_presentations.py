"""Manifests at the door, splits by subject, batches, protocols."""

import csv
import gc
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from hfnmp_lite.data.loaders import DomainBatches, load_frame
from hfnmp_lite.data.presentations import (
    MANIFEST_COLUMNS,
    missing_frames,
    read_manifest,
    read_rows,
    split_subjects,
    write_manifest,
)
from hfnmp_lite.data.protocols import leave_one_out
from hfnmp_lite.files import InputError
from hfnmp_lite.memory import uncollected


def row(number=0, **changes):
    values = dict.fromkeys(MANIFEST_COLUMNS, "")
    values |= {
        "path": f"f/{number}.jpg",
        "domain": "d",
        "subject": f"s{number}",
        "presentation": f"p{number}",
        "live": "1",
    }
    return values | changes


def manifest(folder, *rows):
    write_manifest(folder / "manifest.csv", rows)
    return folder / "manifest.csv"


def test_reading_back_what_was_written(tmp_path):
    rows = [
        row(0, presentation="a"),
        row(1, presentation="a", subject="s0"),
        row(2, live="0", attack_type="print", instrument="laser"),
    ]
    first, second = read_manifest(manifest(tmp_path, *rows))
    assert first.frames == (tmp_path / "f/0.jpg", tmp_path / "f/1.jpg")
    assert (first.live, first.attack_type, first.instrument) == (True, None, None)
    assert (second.live, second.attack_type, second.instrument) == (False, "print", "laser")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no rows"),
        ([row(0), row(0)], "line 3.*line 2"),
        ([row(0, live="2")], "expected 1 .live. or 0"),
        ([row(0, live="yes")], "expected 1"),
        ([row(0, live="0")], "attack_type"),
        ([row(0, attack_type="print")], "attack_type"),
        ([row(0, path="../secret.jpg")], "leaves the manifest's folder"),
        ([row(0, path="/etc/passwd")], "leaves the manifest's folder"),
        ([row(0, domain=" ")], "'domain' is empty"),
        ([row(0), row(1, presentation="p0")], "must agree"),
        ([row(0), row(1, subject="s0", domain="other")], "one domain"),
    ],
)
def test_wrong_manifests_are_refused_with_their_line(tmp_path, rows, words):
    with pytest.raises(InputError, match=words):
        read_manifest(manifest(tmp_path, *rows))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no column"),
        (b"\xff\xfe\x00binary", "no UTF-8 text"),
        (b"path,domain\nx,y\n", "no column subject, presentation, live, attack_type"),
        (b"path,domain,subject,presentation,live,attack_type\na,b\n", "number of fields"),
        (b"path,domain,subject,presentation,live,attack_type\na,b,c,d,1,,,9\n", "number of fields"),
        (b'path,domain,subject,presentation,live,attack_type\n"a,b\n', "valid CSV"),
    ],
)
def test_tables_of_something_else_are_refused(tmp_path, content, words):
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_manifest(path)
    with pytest.raises(InputError, match="no such manifest"):
        read_manifest(tmp_path / "none.csv")


def test_split_is_by_subject_in_every_domain_and_ignores_order(small_samples):
    presentations = read_manifest(small_samples / "manifest.csv")
    training, validation = split_subjects(presentations, 0.25, seed=5)
    for domain in {p.domain for p in presentations}:
        left = {p.subject for p in training if p.domain == domain}
        right = {p.subject for p in validation if p.domain == domain}
        assert not left & right
        assert len(right) == 1
    again = split_subjects(presentations[::-1], 0.25, seed=5)
    assert {p.id for p in again[1]} == {p.id for p in validation}
    others = [{p.id for p in split_subjects(presentations, 0.25, s)[1]} for s in range(6)]
    assert len({frozenset(o) for o in others}) > 1
    with pytest.raises(InputError, match="at least 2"):
        split_subjects([p for p in presentations if p.subject == presentations[0].subject])


def test_a_protocol_needs_both_classes_and_known_domains(small_samples):
    presentations = read_manifest(small_samples / "manifest.csv")
    domains = sorted({p.domain for p in presentations})
    with pytest.raises(InputError, match="unknown"):
        leave_one_out(presentations, "moon", domains[:3])
    no_live = [p for p in presentations if not (p.live and p.domain == domains[0])]
    with pytest.raises(InputError, match=f"'{domains[0]}' has no live presentation"):
        leave_one_out(no_live, domains[3], domains[:3])
    no_attack = [p for p in presentations if p.live or p.domain != domains[3]]
    with pytest.raises(InputError, match=f"'{domains[3]}' has no attack"):
        leave_one_out(no_attack, domains[3], domains[:3])


@pytest.fixture(scope="module")
def one_domain(small_samples):
    presentations = read_manifest(small_samples / "manifest.csv")
    return [p for p in presentations if p.domain == "phone"]


def test_batches_are_balanced_and_a_function_of_their_number(one_domain):
    first = DomainBatches(one_domain, per_class=3, size=64, seed=7, shift=5)
    drawn = [first.draw() for _ in range(5)]
    second = DomainBatches(one_domain, per_class=3, size=64, seed=7, shift=5)
    second.drawn = 4
    images, live = second.draw()
    assert np.array_equal(images, drawn[4][0])
    assert live.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.shape == (6, 3, 64, 64)
    assert 0 <= images.min() <= images.max() <= 1
    assert not np.array_equal(drawn[0][0], drawn[1][0])


def test_frames_read_side_by_side_make_the_same_batches(one_domain):
    alone = DomainBatches(one_domain, per_class=3, size=64, seed=7, shift=5)
    with ThreadPoolExecutor(4) as readers:
        many = DomainBatches(one_domain, per_class=3, size=64, seed=7, shift=5, readers=readers)
        for _ in range(5):
            assert np.array_equal(alone.draw()[0], many.draw()[0])


def test_of_a_large_manifest_little_is_kept(tmp_path):
    def held(letters):
        rows = [
            {
                **{"path": f"{i}.png", "domain": "d", "subject": f"s{i // 10}", "live": i % 2},
                **{"presentation": f"p{i}", "attack_type": "" if i % 2 else "print"},
                "parameters": letters * "x",
            }
            for i in range(2_000)
        ]
        write_manifest(tmp_path / "manifest.csv", rows)
        del rows
        tracemalloc.start()
        try:
            presentations = read_manifest(tmp_path / "manifest.csv")
            assert len(presentations) == 2_000
            return np.array(tracemalloc.get_traced_memory())  # now, and the peak
        finally:
            tracemalloc.stop()

    short, long = held(10), held(5_000)  # what was drawn for a frame is not read into memory
    assert max(long - short) < 200_000 < 2_000 * 5_000
    assert short[0] < 2_000 * 2_000


def test_every_frame_comes_once_before_any_comes_twice(one_domain):
    batches = DomainBatches(one_domain, per_class=2, size=64, seed=0)
    live = sorted(f for p in one_domain if p.live for f in p.frames)
    seen = []
    for _ in range(len(live) // 2):
        seen += [batches._frames[1][place] for place in batches._places(1, batches.drawn)]
        batches.drawn += 1
    assert sorted(seen) == live


def damaged(presentation, folder, frames):
    """The presentation with some of its frames cut off, elsewhere."""
    for frame in frames:
        (folder / frame.name).write_bytes(frame.read_bytes()[:100])
    changed = (folder / f.name if f in frames else f for f in presentation.frames)
    return replace(presentation, frames=tuple(changed))


def test_the_next_frame_takes_the_place_of_one_that_cannot_be_read(one_domain, tmp_path, capsys):
    changed = [damaged(p, tmp_path, p.frames[:1]) if p.live else p for p in one_domain]
    broken, unreadable = set(tmp_path.iterdir()), set()
    how = {"per_class": 4, "size": 64, "seed": 0}
    batches = DomainBatches(changed, **how, unreadable=unreadable)
    good = [load_frame(f, 64) for p in changed for f in p.frames if p.live and f not in broken]
    drawn = [batches.draw() for _ in range(3 * len(good) // 4)]
    for images, live in drawn:
        for image in images[live == 1]:
            got = (image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
            assert any(np.array_equal(got, g) or np.array_equal(got[:, ::-1], g) for g in good)
    assert unreadable == broken
    said = capsys.readouterr().err
    assert all(said.count(path.name) == 1 for path in broken)
    again = DomainBatches(changed, **how)  # what was known before makes no difference
    again.drawn = 2
    assert np.array_equal(again.draw()[0], drawn[2][0])


def test_a_class_without_a_frame_that_can_be_read_is_an_error(one_domain, tmp_path):
    changed = [damaged(p, tmp_path, p.frames) if p.live else p for p in one_domain]
    with pytest.raises(InputError, match=r"'phone': none of its \d+ frames of live faces"):
        DomainBatches(changed, per_class=2, size=64, seed=0).draw()


def test_images_are_moved_and_mirrored_and_nothing_else(one_domain):
    shift, size = 3, 64
    still = DomainBatches(one_domain, per_class=20, size=size, seed=7)
    chosen = [still._frames[label][i] for label in (0, 1) for i in still._places(label, 0)]
    frames = [load_frame(path, size) for path in chosen]
    moved = DomainBatches(one_domain, per_class=20, size=size, seed=7, shift=shift)
    seen = set()
    for image, frame in zip(moved.draw()[0], frames, strict=True):
        got = (image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        padded = np.pad(frame, ((shift, shift), (shift, shift), (0, 0)), mode="reflect")
        found = [
            (y, x, flip)
            for y in range(2 * shift + 1)
            for x in range(2 * shift + 1)
            for flip in (1, -1)
            if np.array_equal(padded[y : y + size, x : x + size][:, ::flip], got)
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert len({y for y, _, _ in seen}) == len({x for _, x, _ in seen}) == 2 * shift + 1
    assert {flip for _, _, flip in seen} == {1, -1}


def test_frames_are_rgb_and_damaged_ones_are_named(one_domain, tmp_path):
    import cv2

    path = tmp_path / "red.png"
    cv2.imwrite(str(path), np.full((40, 40, 3), (0, 0, 255), np.uint8))  # OpenCV writes BGR
    assert load_frame(path, 32)[5, 5].tolist() == [255, 0, 0]
    frame = one_domain[0].frames[0].read_bytes()
    for name, content in (("empty.jpg", b""), ("text.jpg", b"hello"), ("cut.jpg", frame[:100])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            load_frame(tmp_path / name, 64)
    head = b"IHDR" + (60_000).to_bytes(4) * 2 + b"\x08\x02\x00\x00\x00"  # a bomb's header
    chunk = (13).to_bytes(4) + head + zlib.crc32(head).to_bytes(4) + b"\0\0\0\x01IDAT"
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    with pytest.raises(InputError, match="too many pixels"):
        load_frame(tmp_path / "bomb.png", 64)
    with pytest.raises(InputError, match=r"none\.jpg"):
        load_frame(tmp_path / "none.jpg", 64)


def test_manifest_stays_readable_by_the_csv_module(small_samples):
    with open(small_samples / "manifest.csv", newline="") as file:
        assert tuple(csv.DictReader(file).fieldnames) == MANIFEST_COLUMNS


def test_frames_that_are_not_there_are_named(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "0.jpg").touch()
    (tmp_path / "f" / "1.jpg").symlink_to("0.jpg")
    (tmp_path / "f" / "2.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "f" / "3.jpg").mkdir()
    rows = [*map(row, range(5)), row(5, path="g/5.jpg"), row(6, path="f/0.jpg/6.jpg")]
    missing = missing_frames(read_manifest(manifest(tmp_path, *rows)))
    assert [frame.name for frame in missing] == ["2.jpg", "3.jpg", "4.jpg", "5.jpg", "6.jpg"]


@pytest.mark.parametrize("kept", [False, True])
def test_only_what_is_kept_counts_as_old(kept):
    with uncollected(kept):
        assert not gc.isenabled()
        made = [[]]
    assert any(made is old for old in gc.get_objects(generation=2)) is kept
    assert gc.isenabled()
    assert not gc.get_freeze_count()


@pytest.mark.parametrize("column", ["subject", "domain", "attack_type"])
@pytest.mark.parametrize(("one", "other"), [("Zo\u00eb", "Zoe\u0308"), ("Anna", "anna")])
def test_two_spellings_of_one_name_are_refused_and_both_named(tmp_path, column, one, other):
    header = "path,domain,subject,presentation,live,attack_type"
    rows = []
    for number, name in enumerate((one, other)):
        row = {"domain": "d", "subject": f"s{number}", "attack_type": "print", column: name}
        fields = (f"{number}.png", row["domain"], row["subject"], f"p{number}", "0")
        rows.append(",".join((*fields, row["attack_type"])))
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    for read in (read_manifest, read_rows):
        with pytest.raises(InputError, match=f"line 3: {column} ") as refused:
            read(path)
        assert "line 2" in str(refused.value)
        assert ("e\\u0308" in str(refused.value)) is (one != "Anna")


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_a_manifest_that_other_signs_separate_is_told_so(tmp_path, sign, name):
    path = tmp_path / "manifest.csv"
    text = "path,domain,subject,presentation,live,attack_type\n0.png,d,s,p,1,\n"
    path.write_text("\ufeff" + text.replace(",", sign), encoding="utf-8")
    with pytest.raises(InputError, match=f"is separated by {name}; save it as CSV with commas"):
        read_manifest(path)
    path.write_text("\ufeff" + text, encoding="utf-8")
    assert len(read_manifest(path)) == 1
