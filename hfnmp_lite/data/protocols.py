"""Protocols: which presentations are learned from, chosen with, and judged on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hfnmp_lite.data.presentations import Presentation, split_subjects
from hfnmp_lite.files import InputError

LETTERS = {"O": "oulu", "C": "casia", "I": "replay", "M": "msu"}
# Leave one data set out, and the two with limited sources: sources, then the target.
NAMES = ("OCI-M", "OMI-C", "OCM-I", "ICM-O", "MI-C", "MI-O")


@dataclass(frozen=True)
class Protocol:
    """One domain left out.

    Attributes
    ----------
    training : list of Presentation
        Source domains, what the weights are learned from.
    validation : list of Presentation
        Held-out subjects of the source domains: they choose checkpoint and threshold.
    target : list of Presentation
        The unseen domain, touched once, at the end, failures to acquire among it.
    frameless : int
        Presentations of the sources that have no frame: they can neither teach nor choose.
    """

    training: list[Presentation]
    validation: list[Presentation]
    target: list[Presentation]
    frameless: int = 0


def domains_of(presentations: Iterable[Presentation]) -> tuple[str, ...]:
    """Return the domains in the order of their names."""
    return tuple(sorted({p.domain for p in presentations}))


def named(name: str) -> tuple[tuple[str, ...], str]:
    """Return the sources and the target of a protocol of the four licensed data sets.

    Raises
    ------
    InputError
        The name is none of `NAMES`; case and the order of the sources do not matter.
    """
    sources, _, target = name.upper().partition("-")
    for known in NAMES:
        if (sorted(sources), target) == (sorted(known[:-2]), known[-1]):
            return tuple(sorted(LETTERS[letter] for letter in sources)), LETTERS[target]
    raise InputError(
        f"protocol '{name}' is unknown; expected one of {', '.join(NAMES)} "
        "(O OULU-NPU, C CASIA-FASD, I Replay-Attack, M MSU-MFSD)"
    )


def name_of(sources: Iterable[str], target: str) -> str | None:
    """Return the name of the protocol with these sources and target; None where it has none."""
    asked = tuple(sorted(sources)), target
    return next((known for known in NAMES if named(known) == asked), None)


def leave_one_out(
    presentations: Sequence[Presentation],
    target: str,
    sources: Sequence[str],
    validation_fraction: float = 0.25,
    seed: int = 0,
) -> Protocol:
    """Leave the target domain out and hold out subjects of the sources.

    Raises
    ------
    InputError
        A domain that the data do not hold, a source without a live face or without an attack in
        training or validation, or a target without one of them.
    """
    known = domains_of(presentations)
    for domain in (target, *sources):
        if domain not in known:
            raise InputError(f"domain '{domain}' is unknown; the data hold {', '.join(known)}")
    training, validation = split_subjects(
        [p for p in presentations if p.domain in sources], validation_fraction, seed
    )
    listed = len(training) + len(validation)
    training, validation = ([p for p in part if p.frames] for part in (training, validation))
    judged = [p for p in presentations if p.domain == target]
    for what, part, of in (
        ("training", training, sources),
        ("validation", validation, sources),
        ("target", judged, (target,)),
    ):
        for domain in of:
            classes = {p.live for p in part if p.domain == domain}
            if classes != {True, False}:
                missing = "attack" if True in classes else "live presentation"
                raise InputError(
                    f"domain '{domain}' has no {missing} in its {what} part; every part needs both "
                    "classes: add presentations or subjects"
                )
    if not any(p.frames for p in judged):
        raise InputError(f"domain '{target}' has no frame at all; prepare its recordings first")
    return Protocol(training, validation, judged, listed - len(training) - len(validation))
