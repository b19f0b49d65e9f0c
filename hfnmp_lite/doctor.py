"""What this machine has, and whether the installation works."""

from __future__ import annotations

import importlib
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from hfnmp_lite.provenance import hardware

Finding = tuple[str, bool, str]


def examine() -> Iterator[Finding]:
    """Examine the machine and yield (what, whether it is well, what was seen) one by one."""
    for name, check in (
        ("python", _python),
        ("machine", _machine),
        ("versions", _versions),
        ("torch", _torch),
        ("images", _images),
        ("samples", _samples),
        ("method", _method),
        ("classroom", _classroom),
    ):
        try:
            well, text = check()
        except Exception as error:  # a broken installation can raise anything; say it and go on
            well, text = False, f"{type(error).__name__}: {error}"
        yield name, well, text.splitlines()[0] if text else ""


def _python() -> tuple[bool, str]:
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return good, platform.python_version() + ("" if good else "; expected 3.11 to 3.13")


def _machine() -> tuple[bool, str]:
    about, free = hardware(), shutil.disk_usage(".").free / 2**30
    return free > 1, (
        f"{about['processor']}, {about['cores']} cores, {about['memory_gib']} GiB, "
        f"{free:.0f} GiB free here{'' if free > 1 else '; make at least 1 GiB free'}"
    )


def _versions() -> tuple[bool, str]:
    """Compare what is installed with the bounds that pyproject.toml declares, extras included."""
    wrong, count = [], 0
    for requirement in map(Requirement, requires("hfnmp-lite") or ()):
        extra = 'extra == "' in str(requirement.marker)
        if not extra and requirement.marker and not requirement.marker.evaluate():
            continue  # of another system
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            if not extra:
                wrong.append((requirement, "is missing"))
            continue
        count += 1
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append((requirement, f"is {installed}"))
    if not wrong:
        return True, f"{count} packages are as recent as they must be"
    bounds = [f"{r.name}{r.specifier}" for r, _ in wrong]
    said = ", ".join(f"{r.name} {what}" for r, what in wrong)
    wanted = " ".join(f'"{bound}"' for bound in bounds)
    return False, f"{said}; expected {', '.join(bounds)}: pip install {wanted}"


def _torch() -> tuple[bool, str]:
    torch, torchvision = importlib.import_module("torch"), importlib.import_module("torchvision")
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU: the CPU is used"
    return True, (
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, "
        f"{torch.get_num_threads()} threads; {gpu}"
    )


def _images() -> tuple[bool, str]:
    from skimage.data import astronaut

    from hfnmp_lite.data.capture import find_face

    found = find_face(astronaut()) is not None
    return found, (
        f"opencv-python {version('opencv-python')}, pillow {version('pillow')}; the face finder "
        f"{'works' if found else 'misses the astronaut: reinstall scikit-image'}"
    )


def _samples() -> tuple[bool, str]:
    from hfnmp_lite.data import samples

    problems = samples.verify(samples.root())
    if problems:
        return False, f"{len(problems)} problem(s), the first: {problems[0]}"
    return True, "every file is as listed"


def _method() -> tuple[bool, str]:
    import torch

    from hfnmp_lite import HFN, Detector, MetaPatternExtractor

    out = Detector(MetaPatternExtractor(), HFN()).eval()(torch.rand(1, 3, 128, 128))
    return bool(out.score.isfinite().all()), "a network scores an image"


def _classroom() -> tuple[bool, str]:
    try:
        return True, f"jupyterlab {version('jupyterlab')}, ipywidgets {version('ipywidgets')}"
    except PackageNotFoundError as error:
        return True, f"{error.name} is not installed: no notebooks (extra 'classroom')"
