"""What `hfnmp explain` leaves: a sheet for each picture, and one file with all numbers."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from hfnmp_lite.explain.tour import Picture, explain_picture, from_file, numbers, tour
from hfnmp_lite.files import InputError, fresh_folder, write_whole
from hfnmp_lite.model.checkpoint import load_checkpoint
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.provenance import provenance
from hfnmp_lite.simulate.domains import DOMAINS
from hfnmp_lite.teach.attribution_figures import sheet
from hfnmp_lite.teach.figures import png

NUMBERS = "numbers.json"


def explain(
    checkpoint: Path, against: Path | None, images: Sequence[Path], out: Path, crop: bool = True
) -> tuple[list[str], list[str]]:
    """Explain image files, or a tour of the samples where none are given, into the folder `out`.

    The tour shows the unseen domain and one known one.

    Parameters
    ----------
    checkpoint, against : path
        Checkpoints or run directories; the second, if any, is drawn below the first on each sheet.
    crop : bool
        Whether to look for a face and cut it out.

    Returns
    -------
    said : list of str
        A line for each picture.
    problems : list of str
        What could not be explained, and why; a line each.

    Raises
    ------
    InputError
        A checkpoint cannot be used, no image can, or `out` holds something else.
    """
    _check_free(out)
    detectors = {named(path): load_checkpoint(path) for path in (checkpoint, against) if path}
    if against is not None and len(detectors) == 1:
        raise InputError(
            f"{checkpoint} and {against} have one name, and a sheet could not tell them apart; "
            "rename one"
        )
    sizes = {int(d.config.get("size", 128)) for d in detectors.values()}
    if len(sizes) > 1:
        raise InputError(
            f"the networks see images of {' and '.join(map(str, sorted(sizes)))} pixels; a sheet "
            "compares networks of one size"
        )
    problems = [
        f"{name}: has one stream and no pattern; it is explained of the image alone"
        for name, detector in detectors.items()
        if detector.extractor is None
    ]
    (size,) = sizes
    if images:
        pictures, refused = _from_files(images, size, crop)
        if not pictures:
            raise InputError("; ".join(refused))
        problems += refused
    else:
        pictures = list(tour(_places(next(iter(detectors.values()))), size))
    command = shlex.join(["hfnmp", *sys.argv[1:]])
    bar = tqdm(pictures, desc="explaining", unit="picture", leave=False)
    return write_sheets(detectors, bar, out, command), problems


def named(path: Path) -> str:
    """Name a network by its checkpoint or by the directory of its run."""
    return path.resolve().name.removesuffix(".safetensors")


def _from_files(images: Sequence[Path], size: int, crop: bool) -> tuple[list[Picture], list[str]]:
    pictures, refused = [], []
    for path in images:
        try:
            pictures.append(from_file(path, size, crop))
        except InputError as error:
            refused.append(str(error))
    return pictures, refused


def _places(detector: Detector) -> list[str]:
    """The unseen domain, and the last known one; of a foreign checkpoint the first two."""
    target, sources = detector.config.get("target"), list(detector.config.get("sources", ()))
    places = [d for d in (target, *reversed(sources)) if d in DOMAINS]
    return (places or list(DOMAINS))[:2]


def _check_free(out: Path) -> None:
    if out.exists() and not (out / NUMBERS).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            f"{out}: holds something that no hfnmp explain made; give --out another directory"
        )


def write_sheets(
    detectors: Mapping[str, Detector], pictures: Iterable[Picture], out: Path, command: str
) -> list[str]:
    """Write a sheet (PNG) for each picture, and numbers.json; the folder appears whole.

    Returns
    -------
    list of str
        A line for each picture.

    Raises
    ------
    InputError
        `out` holds something that this function did not make.
    """
    _check_free(out)
    said, found = [], []
    with fresh_folder(out) as folder:
        for place, picture in enumerate(pictures):
            explained = [explain_picture(d, picture, name) for name, d in detectors.items()]
            figure, alt = sheet(picture, explained)
            file = f"{place:02d}-{re.sub(r'[^A-Za-z0-9._-]+', '_', picture.name)[:60]}.png"
            write_whole(folder / file, png(figure))
            found.append({"figure": file, "alt": alt, **numbers(picture, explained)})
            told = ", ".join(
                f"{one.network} {one.score:.3f} {one.verdict or ''}".rstrip() for one in explained
            )
            said.append(f"{file}: {told}")
        about = {"command": command, "pictures": found, **provenance()}
        write_whole(folder / NUMBERS, json.dumps(about, indent=1, allow_nan=False) + "\n")
    return said
