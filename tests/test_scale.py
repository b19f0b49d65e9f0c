"""Ten thousand videos: indexed in seconds of computing, read in place, nothing piling up."""

import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from hfnmp_lite.data import archive, miniature, own, release
from hfnmp_lite.data.loaders import load_frame
from hfnmp_lite.data.presentations import missing_frames, read_manifest
from hfnmp_lite.data.recordings import read_index, write_index
from hfnmp_lite.evaluate.scoring import score_presentations

COUNT = 10_000


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """10,000 listed zips of three small frames each, half of them attacks."""
    root = tmp_path_factory.mktemp("shelf")
    face = cv2.resize(miniature.face_of("phone", 1, None), (32, 32))
    miniature.pack(root / "one.zip", dict.fromkeys(range(3), face), 3)
    content = (root / "one.zip").read_bytes()
    lines = []
    for number in range(COUNT):
        path = f"+MY-SET/{number // 100:03}/{number % 100}.mov.zip"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        lines.append(f"/{path},{number % 2},3,3\n")
    (root / "list.csv").write_text("".join(lines))
    return root


def test_ten_thousand_zips_are_indexed_in_seconds(shelf):
    before = time.process_time()
    done = release.index(shelf, [shelf / "list.csv"], shelf / "manifest.csv", progress=False)
    spent = time.process_time() - before
    assert (done.presentations, done.frames, done.failures) == (COUNT, 2 * COUNT, {})
    assert spent < 30, f"{spent:.1f} s of processor time"


def test_ten_thousand_videos_are_indexed_and_read_back_in_seconds(tmp_path):
    for number in range(COUNT):
        below = "live" if number % 2 else "attack/print"
        folder = tmp_path / below / f"{number // 40:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.mov").touch()
    before = time.process_time()
    found = own.find(tmp_path)
    write_index(tmp_path / "manifest.csv", tmp_path, found.recordings)
    assert len(read_index(tmp_path / "manifest.csv")) == COUNT
    spent = time.process_time() - before
    assert spent < 30, f"{spent:.1f} s of processor time"


class Mean(nn.Module):
    """A detector whose score is the mean of the image."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, images):
        self.score = images.mean((1, 2, 3))
        return self


def used():
    """Open files, and memory in MB, of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return len(os.listdir("/proc/self/fd")), pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_open_files_and_memory_stay_flat_over_ten_thousand_presentations(shelf):
    if not (shelf / "manifest.csv").exists():
        release.index(shelf, [shelf / "list.csv"], shelf / "manifest.csv", progress=False)
    presentations = read_manifest(shelf / "manifest.csv")
    assert not missing_frames(presentations)
    detector = Mean().eval()
    score_presentations(detector, presentations[:500], size=32)
    files, memory = used()
    scored = score_presentations(detector, presentations, size=32)
    files_after, memory_after = used()
    assert len({s.score for s in scored}) == 1
    assert files_after == files
    # what stays is 10,000 records; a kept frame each would be 60 MB, a kept archive 100 MB
    assert memory_after - memory < 20


def test_a_frame_in_a_zip_costs_about_what_a_loose_one_does(tmp_path):
    """300 frames as the release keeps them: read, checked and decoded, in processor time."""
    face = cv2.resize(miniature.face_of("phone", 1, None), (256, 256))
    path = tmp_path / "a.zip"
    miniature.pack(path, {n: np.roll(face, n, axis=1) for n in range(300)}, 300)
    frames, _ = archive.image_members(path, frozenset([".png"]))
    rng = np.random.default_rng(0)
    packed = [path / name for name in frames]
    for frame in packed:
        (tmp_path / frame.name).write_bytes(archive.read_bytes(frame))
    loose = [tmp_path / frame.name for frame in packed]

    def cost(paths):
        before = time.process_time()
        for frame in paths:
            load_frame(frame, 256)
        return time.process_time() - before

    # in turns and in small parts, so that a busy machine disturbs both alike
    ratios = []
    for _ in range(30):
        chosen = rng.permutation(len(packed))[:20]
        ratios.append(cost([packed[i] for i in chosen]) / cost([loose[i] for i in chosen]))
    assert np.median(ratios) <= 1.2
