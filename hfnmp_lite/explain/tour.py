"""Explain a few pictures thoroughly: a user's, or a tour of the samples whose cues are known."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from hfnmp_lite.data import samples
from hfnmp_lite.data.capture import crop_face, read_image, whole_image
from hfnmp_lite.data.loaders import load_frame, to_batch
from hfnmp_lite.explain import attribution, measures
from hfnmp_lite.explain.attribution import Attribution
from hfnmp_lite.explain.examine import against_cues
from hfnmp_lite.explain.response import RESPONSES, Response
from hfnmp_lite.files import InputError
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.simulate.cues import LOCATED

ASKED = {
    "occlusion": ("occlusion", "margin", "image"),
    "ig": ("ig", "margin", "image"),
    "ig, streams": ("ig", "margin", "streams"),
    "gradcam": ("gradcam", "margin", "image"),
    "gradcam of the map": ("gradcam", "map", "image"),
}
"""Name -> method, response, of. Those that need a pattern are left out where there is none."""


@dataclass(frozen=True)
class Picture:
    """A picture to be explained.

    Attributes
    ----------
    name : str
    image : ndarray
        (size, size, 3) uint8 RGB.
    kind : str or None
        "live", "print", "replay"; None where nobody knows.
    domain, face : str
        Where it was captured, of a sample; how the face was found, of a file (`capture`).
    cues : dict of str to ndarray
        Located cue -> (size, size) membership in [0, 1], where it is known.
    without : dict of str to ndarray
        Cue -> the same picture without it, uint8.
    """

    name: str
    image: np.ndarray
    kind: str | None = None
    domain: str = ""
    face: str = ""
    cues: dict[str, np.ndarray] = field(default_factory=dict)
    without: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Explained:
    """What one detector says of a picture, and where that comes from.

    Attributes
    ----------
    network, pattern_name : str
    score : float
    threshold : float or None
    map : ndarray
        (h, w) in [0, 1].
    pattern : ndarray or None
        (H, W, 3) in [0, 1].
    maps : dict of str to ndarray
        (H, W), signed: the attributions of `ASKED`; those of two streams are named "NAME: image"
        and "NAME: pattern".
    numbers : dict
        All that is told in numbers, ready for JSON.
    """

    network: str
    pattern_name: str
    score: float
    threshold: float | None
    map: np.ndarray
    pattern: np.ndarray | None
    maps: dict[str, np.ndarray]
    numbers: dict[str, object]

    @property
    def verdict(self) -> str | None:
        """Say "live" or "attack" at the threshold; None where there is none."""
        if self.threshold is None:
            return None
        return "live" if self.score >= self.threshold else "attack"


def explain_picture(detector: Detector, picture: Picture, network: str) -> Explained:
    """Explain one picture by every method of `ASKED`; some seconds."""
    x = to_batch([picture.image])
    with torch.inference_mode():
        pattern = detector.pattern(x)
        out = detector.network(x, pattern)
    names = [r for r in RESPONSES if r != "map" or detector.network.map_in_score]
    asked = {
        name: question
        for name, question in ASKED.items()
        if question[1] in names and not (pattern is None and question[2] == "streams")
    }
    found = {
        name: attribution.attribute(detector, x, method, response, of)
        for name, (method, response, of) in asked.items()
        if method != "gradcam" or _has_layers(detector, response)
    }
    numbers: dict[str, object] = {
        "responses": {r: float(Response(detector, r)(x).detach()) for r in names},
        "attributions": {name: _numbers(one, picture.cues) for name, one in found.items()},
    }
    if pattern is not None:
        numbers["shapley"] = {r: _shares(detector, x, r) for r in names}
    if picture.without:
        numbers["removal"] = _removals(detector, picture, numbers["responses"])
    return Explained(
        network=network,
        pattern_name=getattr(detector.extractor, "name", "rgb"),
        score=float(out.score),
        threshold=detector.threshold,
        map=out.map[0, 0].numpy(),
        pattern=None if pattern is None else pattern[0].permute(1, 2, 0).numpy(),
        maps=_maps(found),
        numbers=numbers,
    )


def _has_layers(detector: Detector, response: str) -> bool:
    """Grad-CAM of the map needs a pyramid; fusion at the top has p5 alone."""
    return response == "margin" or detector.network.mode != "top"


def _maps(found: Mapping[str, Attribution]) -> dict[str, np.ndarray]:
    maps = {}
    for name, one in found.items():
        if one.of == "streams":
            maps |= {f"{name}: {part}": values[0] for part, values in one.parts.items()}
        else:
            maps[name] = one.map[0]
    return maps


def _numbers(found: Attribution, cues: Mapping[str, np.ndarray]) -> dict[str, object]:
    said: dict[str, object] = {
        "method": found.method,
        "response": found.response,
        "of": found.of,
        "totals": {part: float(total[0]) for part, total in found.totals.items()},
    }
    if found.complete:
        said |= {"explained": float(found.explained[0]), "error": float(found.error[0])}
    if cues:
        said |= against_cues(found.map[0], cues)
        said["area"] = {cue: float(member.mean()) for cue, member in cues.items()}
    return said


def _shares(detector: Detector, x: torch.Tensor, response: str) -> dict[str, float]:
    shares = attribution.stream_shares(detector, x, response)
    return {
        "image": float(shares.image[0]),
        "pattern": float(shares.pattern[0]),
        "baseline": float(shares.nothing[0]),
    }


def _removals(
    detector: Detector, picture: Picture, before: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """How much each response rises when a cue is taken away."""
    with torch.no_grad():
        batch = to_batch(list(picture.without.values()))
        after = {r: Response(detector, r)(batch) for r in before}
    return {
        cue: {r: float(after[r][i]) - before[r] for r in before}
        for i, cue in enumerate(picture.without)
    }


def numbers(picture: Picture, explained: Sequence[Explained]) -> dict[str, object]:
    """Everything told of one picture, as JSON."""
    about = {
        "picture": picture.name,
        "kind": picture.kind,
        "domain": picture.domain or None,
        "face": picture.face or None,
        "cues": sorted(picture.cues),
    }
    about = {name: value for name, value in about.items() if value}
    about["networks"] = {
        one.network: {
            "pattern": one.pattern_name,
            "score": one.score,
            "threshold": one.threshold,
            "verdict": one.verdict,
            **one.numbers,
        }
        for one in explained
    }
    return _plain(about)


def _plain(value: object) -> object:
    """Turn numbers that are none into null, through dicts and lists."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value


# --- pictures -----------------------------------------------------------------------------------


def from_file(path: Path, size: int, crop: bool = True) -> Picture:
    """Read a picture and cut the face out.

    Raises
    ------
    InputError
        The file cannot be read, or no face is found in it.
    """
    image = read_image(path)
    if not crop:
        return Picture(path.stem, whole_image(image, size), face="not sought")
    face, found = crop_face(image, size)
    if found == "none":
        raise InputError(
            f"{path}: no face was found in it; give a picture of a frontal face, or --no-crop to "
            "explain the whole picture"
        )
    return Picture(path.stem, face, face=found)


def tour(domains: Sequence[str], size: int, folder: Path | None = None) -> Iterator[Picture]:
    """Yield samples whose cues are known: of each domain a live face, a print and a replay.

    Of each attack type the frame with the most cue maps; the live face is the same person's.
    """
    folder = samples.root() if folder is None else folder
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["frame"] == "0"]
    with open(folder / "cues" / "manifest.csv", newline="", encoding="utf-8") as file:
        maps: dict[str, list[dict[str, str]]] = {}
        for line in csv.DictReader(file):
            maps.setdefault(line["path"], []).append(line)
    for domain in domains:
        here = [row for row in rows if row["domain"] == domain]
        attacks = []
        for kind in ("print", "replay"):
            known = [r for r in here if r["attack_type"] == kind and r["path"] in maps]
            attacks += sorted(known, key=lambda r: -len(maps[r["path"]]))[:1]
        if not attacks:
            continue
        person = attacks[-1]["subject"]
        live = [row for row in here if row["live"] == "1" and row["subject"] == person]
        for row in [*live[:1], *attacks]:
            yield _sample(folder, row, maps.get(row["path"], []), size)


def _sample(
    folder: Path, row: Mapping[str, str], lines: Sequence[Mapping[str, str]], size: int
) -> Picture:
    kind = row["attack_type"] or "live"
    located = {line["cue"]: line for line in lines if line["cue"] in LOCATED}
    return Picture(
        name=f"{row['domain']}-{kind}-{Path(row['path']).stem}",
        image=load_frame(folder / row["path"], size),
        kind=kind,
        domain=row["domain"],
        cues={cue: _member(folder / line["maps"], size) for cue, line in located.items()},
        without={line["cue"]: load_frame(folder / line["without"], size) for line in lines},
    )


def _member(path: Path, size: int) -> np.ndarray:
    """Membership from the first layer of a stored cue map: the change before JPEG, in levels."""
    levels = load_frame(path, size)[..., 0]
    return measures.membership(levels).astype(np.float32)
