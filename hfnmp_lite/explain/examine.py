"""One network before one simulated person: what it responds to, and what its explanations say.

The result is plain numbers, a *record* for each picture, ready for JSON; `table` sums them up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from hfnmp_lite.data.loaders import to_batch
from hfnmp_lite.explain import attribution, measures
from hfnmp_lite.explain.attribution import Attribution
from hfnmp_lite.explain.cue_sets import CueSet, DecoySet, Person
from hfnmp_lite.explain.measures import LARGEST, SMALLEST
from hfnmp_lite.explain.response import blurred, respond_and_score
from hfnmp_lite.model.detector import Detector

Record = dict[str, object]
RANDOM_ORDERS = 2
NOISE_DRAWS = 2
RECTANGLES = 32


@dataclass(frozen=True)
class Asked:
    """A method of the table: how it is asked.

    Attributes
    ----------
    method, of : str
        As `attribution.attribute`; "edges" asks no network.
    cue_free : bool
        The baseline is the same picture without its located cues, instead of the blurred one. Only
        a simulator has it: what such an explanation reaches is what the method can do when nothing
        but the cues is asked about. Its map is zero outside the cues by construction, so that it is
        not scored by overlap.
    """

    method: str
    of: str = "image"
    cue_free: bool = False


METHODS = {
    "occlusion": Asked("occlusion"),
    "ig": Asked("ig"),
    "ig, pattern space": Asked("ig", "streams"),
    "smoothgrad": Asked("smoothgrad"),
    "gradcam": Asked("gradcam"),
    "occlusion, cue-free": Asked("occlusion", cue_free=True),
    "ig, cue-free": Asked("ig", cue_free=True),
    "edges": Asked("edges"),
}


def explain(
    asked: Asked, detector: Detector, images: Tensor, response: str, other: Tensor | None = None
) -> Attribution:
    """Ask a method of the table; `other` is the cue-free picture, where one is needed."""
    if asked.method == "edges":
        return edges(images, response)
    options = {"baseline": other} if asked.cue_free else {}
    return attribution.attribute(detector, images, asked.method, response, asked.of, **options)


def edges(images: Tensor, response: str) -> Attribution:
    """Return the edges of the images, as evidence for attack: a map that knows no network."""
    grey = images.mean(1).double().cpu().numpy()
    found = -np.stack([np.hypot(*(_slope(g, axis) for axis in (0, 1))) for g in grey])
    return Attribution("edges", response, "image", {"image": found}, np.full(len(grey), np.nan))


def _slope(grey: np.ndarray, axis: int) -> np.ndarray:
    return cv2.Sobel(grey, cv2.CV_64F, 1 - axis, axis, borderType=cv2.BORDER_REFLECT_101)


def methods_for(detector: Detector) -> dict[str, Asked]:
    """Return the methods that can be asked of a network: one stream has no pattern space."""
    one = getattr(detector, "extractor", None) is None
    return {name: asked for name, asked in METHODS.items() if not (one and asked.of == "streams")}


def examine(
    detector: Detector,
    person: Person,
    response: str,
    explained: bool = True,
    stability_of: int | None = None,
) -> list[Record]:
    """Examine one network before one person.

    Parameters
    ----------
    detector : Detector
        In eval mode.
    response : {"margin", "map", "score"}
        What is explained.
    explained : bool
        Whether it is explained at all; scores alone take a fiftieth of the time.
    stability_of : int, optional
        Which attack's explanations are measured for max-sensitivity and against drawn weights, too;
        that takes as long as all the rest.

    Returns
    -------
    list of dict
        "what" is "live", "attack" or "decoy", then numbers by name.
    """
    live = _scored(detector, list(person.live), response)
    records: list[Record] = [{"what": "live", "picture": i} | one for i, one in enumerate(live)]
    for i, attack in enumerate(person.attacks):
        record = _attack(detector, attack, response)
        if explained:
            record |= _explained(detector, attack, response, i == stability_of)
        records.append({"what": "attack", "picture": i} | record)
    if person.decoy is not None:
        record = _decoy(detector, person.decoy, response)
        if explained:
            record["methods"] = _decoy_explained(detector, person.decoy, response)
        records.append({"what": "decoy", "picture": 0} | record)
    about = {"domain": person.domain, "subject": person.subject}
    return [about | record for record in records]


def _scored(detector: Detector, images: list[np.ndarray], response: str) -> list[Record]:
    """Score and response of each picture."""
    found = respond_and_score(detector, to_batch(images), response)
    return [{"score": float(s), "response": float(r)} for r, s in zip(*found, strict=True)]


def _attack(detector: Detector, attack: CueSet, response: str) -> Record:
    """What the network says of an attack with and without its cues, and of its two streams."""
    names = list(attack.without)
    shown = [attack.image, attack.freed, attack.unmarked, attack.bare]
    shown += [attack.without[cue] for cue in names] + [attack.alone[cue] for cue in names]
    full, freed, unmarked, bare, *rest = _scored(detector, shown, response)
    k = len(names)
    record: Record = {
        "kind": attack.attack_type,
        **full,
        "freed": freed,
        "unmarked": unmarked,
        "bare": bare,
        "without": dict(zip(names, rest[:k], strict=True)),
        "alone": dict(zip(names, rest[k:], strict=True)),
        "area": {cue: float(member.mean()) for cue, member in attack.member.items()},
        # a cue out of the picture, like a bezel beyond its border, changes nothing
        "present": [cue for cue in names if (attack.without[cue] != attack.image).any()],
    }
    image = to_batch([attack.image])
    if detector.pattern(image) is not None:
        shares = attribution.stream_shares(detector, image, response)
        record["shapley"] = {"image": float(shares.image[0]), "pattern": float(shares.pattern[0])}
    return record


def _explained(detector: Detector, attack: CueSet, response: str, stability: bool) -> Record:
    """Every method's explanation of an attack, scored."""
    image, other = to_batch([attack.image]), to_batch([attack.unmarked])
    found = {
        name: explain(asked, detector, image, response, other)
        for name, asked in methods_for(detector).items()
    }
    maps = {name: one.map[0] for name, one in found.items()}
    methods = {
        name: against_cues(values, attack.member, overlap=not METHODS[name].cue_free)
        for name, values in maps.items()
    }
    masses = {name: measures.patch_sums(values) for name, values in maps.items()}
    record = _curves(detector, image, other, masses, response, methods)
    for cue_free, end in ((False, blurred(image)), (True, other)):
        own = {name: mass for name, mass in masses.items() if METHODS[name].cue_free == cue_free}
        answer = measures.replacing(detector, image, end, response)
        for name, value in attribution.infidelity(answer, own, RECTANGLES).items():
            methods[name]["infidelity"] = value
    if stability:
        _check_stability(detector, image, maps, response, methods)
    record["methods"] = methods
    record["completeness"] = {
        name: {"error": float(one.error[0]), "explained": float(one.explained[0])}
        for name, one in found.items()
        if one.complete
    }
    return record


def against_cues(
    values: np.ndarray, member: Mapping[str, np.ndarray], overlap: bool = True
) -> dict[str, dict[str, float]]:
    """Score a map (H, W) against each cue: share, pointing and evidence, where they may be asked.

    Without `overlap` evidence alone is taken.
    """
    scored = {c: m for c, m in member.items() if overlap and m.mean() >= SMALLEST}
    return {
        "share": {cue: measures.share_inside(values, m) for cue, m in scored.items()},
        "pointing": {
            cue: measures.pointing(values, m) for cue, m in scored.items() if m.mean() < LARGEST
        },
        "evidence": {cue: measures.evidence_inside(values, m) for cue, m in member.items()},
    }


def _curves(
    detector: Detector,
    image: Tensor,
    other: Tensor,
    masses: Mapping[str, np.ndarray],
    response: str,
    methods: dict[str, dict],
) -> Record:
    """Deletion and insertion of every method; returns the mean areas of random orders."""
    answer = measures.replacing(detector, image, other, response)
    for name, mass in masses.items():
        deleted, inserted = measures.deletion_and_insertion(answer, mass)
        methods[name]["deletion"] = measures.area(deleted)
        methods[name]["insertion"] = measures.area(inserted)
    shape = next(iter(masses.values())).shape
    rng = np.random.default_rng(0)
    found = [
        [measures.area(c) for c in measures.deletion_and_insertion(answer, rng.random(shape))]
        for _ in range(RANDOM_ORDERS)
    ]
    deletion, insertion = np.mean(found, axis=0)
    return {"random_deletion": float(deletion), "random_insertion": float(insertion)}


def _check_stability(
    detector: Detector,
    image: Tensor,
    maps: Mapping[str, np.ndarray],
    response: str,
    methods: dict[str, dict],
) -> None:
    """Max-sensitivity, and likeness to the explanation of a network with weights drawn anew."""
    anew = {far: measures.drawn_anew(detector, far) for far in measures.HOW_FAR}
    for name, asked in methods_for(detector).items():
        if asked.method == "edges" or asked.cue_free:
            continue

        def maps_of(x: Tensor, of: Detector = detector, asked: Asked = asked) -> np.ndarray:
            return explain(asked, of, x, response).map

        def remembered(x: Tensor, name: str = name, ask: Callable = maps_of) -> np.ndarray:
            return maps[name][None] if torch.equal(x, image) else ask(x)

        found = attribution.max_sensitivity(remembered, image, samples=NOISE_DRAWS)
        methods[name]["sensitivity"] = float(found[0])
        before = np.abs(maps[name]).ravel()
        methods[name]["randomised"] = {
            far: measures.rank_correlation(before, np.abs(maps_of(image, other)).ravel())
            for far, other in anew.items()
        }


def _decoy(detector: Detector, decoy: DecoySet, response: str) -> Record:
    """A mark of any class: a network should not respond to it, nor an explanation point there."""
    marked, plain = _scored(detector, [decoy.image, decoy.without], response)
    return {
        "kind": decoy.attack_type,
        **marked,
        "without": {"decoy": plain},
        "area": {"decoy": float(decoy.member.mean())},
    }


def _decoy_explained(detector: Detector, decoy: DecoySet, response: str) -> dict[str, dict]:
    image = to_batch([decoy.image])
    return {
        name: against_cues(
            explain(asked, detector, image, response).map[0], {"decoy": decoy.member}
        )
        for name, asked in methods_for(detector).items()
        if not asked.cue_free
    }
