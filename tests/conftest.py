"""What many tests share."""

from __future__ import annotations

import os

# Before numpy, OpenCV and torch are imported: one thread, since tests are small.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest

# Files that take a minute or more, the longest first: begun last, one would be waited for alone.
LONG = ("launchers", "compute", "fit", "resume", "bench", "cli", "ablation", "real_data_cli")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    names = [f"test_{name}" for name in LONG]
    items.sort(key=lambda item: [*names, item.path.stem].index(item.path.stem))


@pytest.fixture(scope="session")
def small_samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny benchmark, built once for all tests that only read it: 4 subjects a domain, 64 px."""
    from hfnmp_lite.data.samples import build

    base = tmp_path_factory.getbasetemp()
    if os.name == "nt":
        return build(base / "small", seed=3, subjects=4, size=64)
    import fcntl

    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # where all workers meet; who comes first builds
    with open(base / "small.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base / "small").exists():
            build(base / "small", seed=3, subjects=4, size=64)
    return base / "small"
