"""Pictures whose cues are known: attacks with every cue, without one, with one alone, with none.

Drawn with a seed of their own, so that no network has met anybody in them. A cue is removed under
the same noise, exposure and white balance (`simulate.cues`), so that what changes in a model's
response is the model's answer to the cue. Pictures with one cue alone, or with none, are metered
anew: they are pictures in their own right, to be told from live faces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hfnmp_lite.explain.measures import membership
from hfnmp_lite.simulate import cues, scene

KINDS = (None, *scene.CUES_OF)
NONE: frozenset[str] = frozenset()
GLOBAL = scene.ALL - frozenset(cues.LOCATED)


@dataclass(frozen=True)
class CueSet:
    """One attack and what is known of its cues. Images are (size, size, 3) uint8 RGB.

    Attributes
    ----------
    domain, subject, attack_type : str
    image : ndarray
        The attack as the camera took it, with every cue.
    without : dict of str to ndarray
        Cue -> the same picture without that cue.
    freed : ndarray
        The same picture without any cue; the attack was still captured twice.
    unmarked : ndarray
        The same picture without any cue that has a place: with gamut alone.
    alone : dict of str to ndarray
        Cue -> a picture with that cue alone.
    bare : ndarray
        A picture with no cue.
    member : dict of str to ndarray
        Located cue -> (size, size) float32, `measures.membership`; gamut has no place.
    """

    domain: str
    subject: str
    attack_type: str
    image: np.ndarray
    without: dict[str, np.ndarray]
    freed: np.ndarray
    unmarked: np.ndarray
    alone: dict[str, np.ndarray]
    bare: np.ndarray
    member: dict[str, np.ndarray]


@dataclass(frozen=True)
class DecoySet:
    """A picture of any class with and without the mark that software burns into every second one.

    `member` (size, size) float32 is the mark's coverage.
    """

    domain: str
    subject: str
    attack_type: str | None
    image: np.ndarray
    without: np.ndarray
    member: np.ndarray


@dataclass(frozen=True)
class Person:
    """Everything drawn of one subject; a decoy where software marked one of the pictures."""

    domain: str
    subject: str
    live: tuple[np.ndarray, ...]
    attacks: tuple[CueSet, ...]
    decoy: DecoySet | None


def draw_person(
    domain: str, seed: int, number: int, size: int = 128, presentations: int = 1
) -> Person:
    """Render one subject: a live picture and an attack of each type, for each presentation.

    Parameters
    ----------
    domain : str
        A key of `simulate.domains.DOMAINS`.
    seed, number : int
        As `scene.draw_subject_takes`; the shipped samples have seed 0.
    """
    ask = {"presentations": presentations, "frames": 1}
    drawn = scene.draw_subject_takes(domain, seed, number, kinds=KINDS, **ask)
    name = f"{domain}-{seed}-{number:03d}"
    takes = [take for (take,) in drawn.values()]
    live = tuple(scene.render(t, size).image for t in takes if t.attack_type is None)
    attacks = tuple(cue_set(t, name, size) for t in takes if t.attack_type is not None)
    drawn = scene.draw_subject_takes(domain, seed, number, kinds=KINDS, decoy=True, **ask)
    marked = [take for (take,) in drawn.values() if take.decoy is not None]
    decoy = _decoy_set(marked[number % len(marked)], name, size) if marked else None
    return Person(domain, name, live, attacks, decoy)


def cue_set(take: scene.Take, subject: str, size: int = 128) -> CueSet:
    """Render an attack with and without its cues.

    Raises
    ------
    ValueError
        The take is no attack with cues.
    """
    has = scene.CUES_OF.get(take.attack_type)
    if has is None:
        raise ValueError(f"a {take.attack_type or 'live face'} has no cues to be known")
    full = scene.render(take, size)
    off = {cue: scene.render(take, size, scene.ALL - {cue}, settings=full.settings) for cue in has}
    return CueSet(
        domain=take.domain,
        subject=subject,
        attack_type=take.attack_type,
        image=full.image,
        without={cue: frame.image for cue, frame in off.items()},
        freed=scene.render(take, size, NONE, settings=full.settings).image,
        unmarked=scene.render(take, size, GLOBAL, settings=full.settings).image,
        alone={cue: cues.only(take, frozenset({cue}), size).image for cue in has},
        bare=cues.only(take, NONE, size).image,
        member={cue: _member(full, off[cue]) for cue in has if cue in cues.LOCATED},
    )


def _member(full: scene.Frame, without: scene.Frame) -> np.ndarray:
    change = 255 * np.abs(full.rgb_before_jpeg - without.rgb_before_jpeg).max(axis=2)
    return membership(change).astype(np.float32)


def _decoy_set(take: scene.Take, subject: str, size: int) -> DecoySet:
    with_mark = scene.render(take, size)
    without = scene.render(replace(take, decoy=None), size, settings=with_mark.settings)
    return DecoySet(
        take.domain,
        subject,
        take.attack_type,
        with_mark.image,
        without.image,
        np.clip(with_mark.envelopes["decoy"], 0, 1).astype(np.float32),
    )
