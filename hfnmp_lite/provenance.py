"""Where a number came from: versions, commit, hardware."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "hfnmp-lite",
    "torch",
    "torchvision",
    "numpy",
    "opencv-python",
    "scikit-image",
    "pillow",
)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def commit() -> str | None:
    """Return the checkout's commit, "+changes" where the package differs; None outside one.

    Pages and results may differ: a growing table of results does not change what computes it.
    """
    top = Path(__file__).resolve().parent.parent
    if not (top / ".git").exists():
        return None
    try:
        name = _git(top, "rev-parse", "HEAD").strip()
        package = "--untracked-files=no", "--", "hfnmp_lite"
        changed = _git(top, "status", "--porcelain", *package).strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{name}+changes" if changed else name


def _git(top: Path, *arguments: str) -> str:
    call = ["git", "-C", str(top), *arguments]
    return subprocess.run(call, capture_output=True, text=True, check=True, timeout=20).stdout


def hardware() -> dict[str, object]:
    """Return processor, cores and memory of this machine."""
    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    return {"processor": _processor(), "cores": os.cpu_count(), "memory_gib": memory}


def _processor() -> str:
    """Name the processor; many models, which round differently, share a "model name" on Linux."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    about = dict(re.findall(r"^(model name|cpu family|model)\s*: (.+)$", text, re.MULTILINE))
    if "model name" not in about:
        return platform.processor() or platform.machine()
    which = ", ".join(f"{k.removeprefix('cpu ')} {v}" for k, v in about.items() if "name" not in k)
    return about["model name"] + f" ({which})" * bool(which)


def peak_memory_mb() -> int | None:
    """Return the largest resident size of this process so far, in MB; None where not measured."""
    peak = of_this_process("VmHWM")  # on Linux ru_maxrss counts what the process's parent held
    if peak is None:
        try:
            import resource
        except ImportError:  # Windows
            return None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak *= 1 if sys.platform == "darwin" else 1024
    return round(peak / 1e6)


def of_this_process(name: str) -> int | None:
    """Return a size in bytes from Linux's account of this process; None where there is none."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(name)), None)


def provenance() -> dict[str, object]:
    """Return all of the above with today's date, to be stored beside a result."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "versions": versions(),
        "hardware": hardware(),
    }
