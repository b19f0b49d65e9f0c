"""What `hfnmp explain` leaves: a sheet for each picture, and one file with all numbers."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from hfnmp_lite.config import RunConfig
from hfnmp_lite.data.lists import describe
from hfnmp_lite.data.presentations import is_simulated, read_manifest
from hfnmp_lite.data.samples import root
from hfnmp_lite.experiments.run import choose_domain, settings_of, stored_manifest
from hfnmp_lite.explain import drawn
from hfnmp_lite.explain.tour import Picture, explain_picture, from_file, numbers, tour
from hfnmp_lite.files import InputError, write_whole
from hfnmp_lite.model.checkpoint import load_checkpoint
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.owned import check_folder, owned_folder
from hfnmp_lite.provenance import peak_memory_mb, provenance
from hfnmp_lite.simulate.domains import DOMAINS
from hfnmp_lite.teach import veil
from hfnmp_lite.teach.attribution_figures import sheet
from hfnmp_lite.teach.figures import png

NUMBERS = "numbers.json"
BY = "hfnmp explain"


@dataclass(frozen=True)
class Wanted:
    """What is to be explained.

    Attributes
    ----------
    images : sequence of Path
        Image files; where there are none, and no manifest, a run's own data, if it has any, or a
        tour of the samples: the unseen domain and one known one.
    crop : bool
        Whether to look for a face in an image file and cut it out.
    manifest : Path or None
        Frames of real data, drawn by `explain.drawn.RULE`.
    domain : str or None
        Which of the manifest's; by default the run's target.
    each : int or None
        How many of a manifest's presentations of live and of each attack type; by default 2.
    show_faces : bool
        Whether sheets show the faces of real people; simulated ones they always show.
    """

    images: Sequence[Path] = ()
    crop: bool = True
    manifest: Path | None = None
    domain: str | None = None
    each: int | None = None
    show_faces: bool = False


@dataclass(frozen=True)
class Found:
    """The pictures, whether they are simulated, what is to be told of all, what went wrong."""

    pictures: Sequence[Picture]
    simulated: bool
    about: dict[str, object] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def explain(
    checkpoint: Path, against: Path | None, wanted: Wanted, out: Path
) -> tuple[list[str], list[str]]:
    """Explain what is wanted, into the folder `out`.

    Of what is there already only files of an earlier `hfnmp explain` are replaced, see `owned`.

    Parameters
    ----------
    checkpoint, against : path
        Checkpoints or run directories; the second, if any, is drawn below the first on each sheet.

    Returns
    -------
    said : list of str
        What was drawn, of real data, and a line for each picture.
    problems : list of str
        What could not be explained, and why; a line each.

    Raises
    ------
    InputError
        A checkpoint cannot be used, no picture can, or `out` holds something else.
    """
    check_folder(out, BY, [NUMBERS])
    detectors = {named(path): load_checkpoint(path) for path in (checkpoint, against) if path}
    if against is not None and len(detectors) == 1:
        raise InputError(
            f"{checkpoint} and {against} have one name, and a sheet could not tell them apart; "
            "rename one"
        )
    paths = {named(path): path for path in (checkpoint, against) if path}
    configs = {name: settings_of(paths[name], d) for name, d in detectors.items()}
    sizes = {config.size for config in configs.values()}
    if len(sizes) > 1:
        raise InputError(
            f"the networks see images of {' and '.join(map(str, sorted(sizes)))} pixels; a sheet "
            "compares networks of one size"
        )
    (size,) = sizes
    found = _found(checkpoint, configs, wanted, size)
    single = [
        f"{name}: has one stream and no pattern; it is explained of the image alone"
        for name, detector in detectors.items()
        if detector.extractor is None
    ]
    hidden = not (found.simulated or wanted.show_faces)
    said = [f"{k}: {found.about[k]}" for k in ("drawn", "known") if k in found.about]
    said += [f"{domain}: {text}" for domain, text in found.about.get("lists", {}).items()]
    said += _write_sheets(detectors, found, out, hidden)
    if hidden:
        said.append("faces are left out, and maps are drawn in 8 x 8 cells; see --show-faces")
    return said, single + found.problems


def named(path: Path) -> str:
    """Name a network by its checkpoint or by the directory of its run."""
    return path.resolve().name.removesuffix(".safetensors")


def _found(checkpoint: Path, configs: Mapping[str, RunConfig], wanted: Wanted, size: int) -> Found:
    if wanted.images:
        return _of_files(wanted, size)
    manifest = wanted.manifest or _own_data(checkpoint)
    if manifest is not None:
        return _of_manifest(manifest, checkpoint, configs, wanted, size)
    if wanted.domain is not None:
        raise InputError("--domain names one of a manifest's; give --manifest FILE, too")
    if wanted.each is not None:
        raise InputError("--each draws from a manifest; give --manifest FILE, too")
    return Found(list(tour(_places(next(iter(configs.values()))), size)), simulated=True)


def _own_data(checkpoint: Path) -> Path | None:
    """The manifest of a run that did not learn from the shipped samples."""
    if not (checkpoint / "metrics.json").is_file():
        return None
    manifest = stored_manifest(checkpoint)
    return None if manifest is None else Path(manifest)


def _of_files(wanted: Wanted, size: int) -> Found:
    pictures, refused = [], []
    for path in wanted.images:
        try:
            pictures.append(from_file(path, size, wanted.crop))
        except InputError as error:
            refused.append(str(error))
    if not pictures:
        raise InputError("; ".join(refused))
    ours = root().resolve()
    simulated = all(path.resolve().is_relative_to(ours) for path in wanted.images)
    return Found(pictures, simulated, problems=refused)


def _of_manifest(
    manifest: Path,
    checkpoint: Path,
    configs: Mapping[str, RunConfig],
    wanted: Wanted,
    size: int,
) -> Found:
    presentations = read_manifest(manifest)
    known = {p.domain for p in presentations}
    domain = choose_domain(wanted.domain, next(iter(configs.values())), known, checkpoint)
    each = 2 if wanted.each is None else wanted.each
    pictures, problems = drawn.draw(presentations, domain, each, size)
    here = [p for p in presentations if p.domain == domain]
    about: dict[str, object] = {
        "data": str(manifest),
        "drawn": drawn.RULE.format(each=each, domain=domain),
        "lists": describe(here),
        "without_frames": sum(not p.frames for p in here),
    }
    learned = [name for name, config in configs.items() if domain in config.sources]
    if learned:
        about["known"] = f"'{domain}', {' and '.join(learned)} learned from it"
    return Found(pictures, is_simulated(manifest), about, problems)


def _places(config: RunConfig) -> list[str]:
    """The unseen domain, and the last known one; of a foreign checkpoint the first two."""
    places = [d for d in (config.target, *reversed(config.sources)) if d in DOMAINS]
    return (places or list(DOMAINS))[:2]


def _write_sheets(
    detectors: Mapping[str, Detector], found: Found, out: Path, hidden: bool
) -> list[str]:
    """Write a sheet (PNG) for each picture, and numbers.json; return a line for each picture."""
    said, told = [], []
    files = [_file(place, picture) for place, picture in enumerate(found.pictures)]
    check_folder(out, BY, [*files, NUMBERS])
    bar = tqdm(found.pictures, desc="explaining", unit="picture", leave=False)
    with owned_folder(out, BY) as folder:
        for file, picture in zip(files, bar, strict=True):
            explained = [explain_picture(d, picture, name) for name, d in detectors.items()]
            if hidden:
                figure, alt = sheet(
                    *veil.veiled(picture, explained), veil.TITLE, veil.note(picture)
                )
            else:
                figure, alt = sheet(picture, explained)
            write_whole(folder / file, png(figure))
            told.append({"figure": file, "alt": alt, **numbers(picture, explained)})
            verdicts = ", ".join(
                f"{one.network} {one.score:.3f} {one.verdict or ''}".rstrip() for one in explained
            )
            said.append(f"{file}: {verdicts}")
        command = shlex.join(["hfnmp", *sys.argv[1:]])
        about = {"command": command, **found.about, "pictures": told, **provenance()}
        about["peak_memory_mb"] = peak_memory_mb()
        write_whole(folder / NUMBERS, json.dumps(about, indent=1, allow_nan=False) + "\n")
    return said


def _file(place: int, picture: Picture) -> str:
    return f"{place:02d}-{re.sub(r'[^A-Za-z0-9._-]+', '_', picture.name)[-60:]}.png"
