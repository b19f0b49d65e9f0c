"""What many tests share."""

from __future__ import annotations

import os

# Before numpy, OpenCV and torch are imported: one thread, since tests are small.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def small_samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny benchmark, built once for all tests that only read it: 4 subjects a domain, 64 px."""
    from hfnmp_lite.data.samples import build

    folder = tmp_path_factory.mktemp("samples") / "small"
    build(folder, seed=3, subjects=4, size=64)
    return folder
