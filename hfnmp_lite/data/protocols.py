"""Protocols: which presentations are learned from, chosen with, and judged on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hfnmp_lite.data.presentations import FACTORS, Presentation, split_subjects
from hfnmp_lite.files import InputError

LETTERS = {"O": "oulu", "C": "casia", "I": "replay", "M": "msu"}
# Leave one data set out, and the two with limited sources: sources, then the target.
JUDGED = 0.25  # share of a domain's subjects that are judged where a device or light is unseen
OULU = (
    *("oulu-1", "oulu-2"),
    *(f"oulu-{protocol}.{phone}" for protocol in (3, 4) for phone in range(1, 7)),
)
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
    """Return the sources and the target of a protocol of the licensed data sets.

    Raises
    ------
    InputError
        The name is none of `NAMES` and `OULU`; case and the order of the sources do not matter.
    """
    if name.lower() in OULU:
        return ("oulu",), name.lower()
    sources, _, target = name.upper().partition("-")
    for known in NAMES:
        if (sorted(sources), target) == (sorted(known[:-2]), known[-1]):
            return tuple(sorted(LETTERS[letter] for letter in sources)), LETTERS[target]
    raise InputError(
        f"protocol '{name}' is unknown; expected one of {', '.join(NAMES)} "
        "(O OULU-NPU, C CASIA-FASD, I Replay-Attack, M MSU-MFSD), or of OULU-NPU alone: oulu-1, "
        "oulu-2, oulu-3.1 to oulu-3.6, oulu-4.1 to oulu-4.6"
    )


def name_of(sources: Iterable[str], target: str) -> str | None:
    """Return the name of the protocol with these sources and target; None where it has none."""
    asked = tuple(sorted(sources)), target
    return next((known for known in NAMES if named(known) == asked), None)


def unseen_factor(target: str) -> tuple[str, str] | None:
    """Return the factor and the name that a target such as "camera=nexus-5" leaves out, or None."""
    factor, equals, name = target.partition("=")
    return (factor, name) if equals and factor in FACTORS else None


def leave_one_out(
    presentations: Sequence[Presentation],
    target: str,
    sources: Sequence[str],
    validation_fraction: float = 0.25,
    seed: int = 0,
) -> Protocol:
    """Leave the target out and hold out subjects of the sources.

    The target is a domain; or a device or light, such as "camera=nexus-5": then what was made with
    it is left out of the sources, and judged on subjects that are left out as well (`JUDGED` of
    those of each domain that has it, the same in every run), their live faces included; or a
    protocol of OULU-NPU, see `oulu_protocol`.

    Raises
    ------
    InputError
        A device or light that no source has, or that is the only one of its kind in a domain; a
        domain that the data do not hold, a source without a live face or without an attack in
        training or validation, or a target without one of them.
    """
    known = domains_of(presentations)
    factor = unseen_factor(target)
    named = (target, *sources) if factor is None and target not in OULU else sources
    for domain in named:
        if domain not in known:
            raise InputError(f"domain '{domain}' is unknown; the data hold {', '.join(known)}")
    of_sources = [p for p in presentations if p.domain in sources]
    if target in OULU:
        training, validation, judged = oulu_protocol(of_sources, target)
    elif factor is not None:
        rest, judged = _leave_factor_out(of_sources, *factor)
        training, validation = split_subjects(rest, validation_fraction, seed)
    else:
        judged = [p for p in presentations if p.domain == target]
        training, validation = split_subjects(of_sources, validation_fraction, seed)
    listed = len(training) + len(validation)
    training, validation = ([p for p in part if p.frames] for part in (training, validation))
    for what, part, of in (
        ("training", training, sources),
        ("validation", validation, sources),
        ("target", judged, domains_of(judged) or (target,)),
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


def _leave_factor_out(
    presentations: Sequence[Presentation], factor: str, name: str
) -> tuple[list[Presentation], list[Presentation]]:
    """Return (what may be learned from, what is judged) where one device or light is unseen."""
    kinds: dict[str, set[str]] = {}
    for p in presentations:
        if value := getattr(p, factor):
            kinds.setdefault(p.domain, set()).add(value)
    homes = [domain for domain, values in kinds.items() if name in values]
    if not homes:
        every = sorted(set().union(*kinds.values()))
        have = f"they have {', '.join(every)}" if every else f"they name no {factor} at all"
        raise InputError(f"no source has the {factor} '{name}'; {have}")
    for domain in homes:
        if len(kinds[domain]) == 1:
            raise InputError(
                f"'{name}' is the only {factor} of domain '{domain}', so nothing of it would be "
                f"left to learn from; leave the whole domain out: --target {domain}"
            )
    _, held_out = split_subjects([p for p in presentations if p.domain in homes], JUDGED)
    people = {p.subject for p in held_out}

    def has(p: Presentation) -> bool:
        return getattr(p, factor) == name

    judged = [p for p in held_out if has(p) or (factor == "instrument" and p.live)]
    return [p for p in presentations if p.subject not in people and not has(p)], judged


def oulu_protocol(
    presentations: Sequence[Presentation], name: str
) -> tuple[list[Presentation], list[Presentation], list[Presentation]]:
    """Split OULU-NPU as its Protocols I to IV do: (train, dev, test), subjects by its partitions.

    I ("oulu-1"): session 3 is unseen; II ("oulu-2"): printer 2 and display 2; III ("oulu-3.1" to
    "oulu-3.6"): one phone; IV ("oulu-4.1" to "oulu-4.6"): all three at once.

    Parameters
    ----------
    presentations : sequence of Presentation
        Of OULU-NPU, with camera "phone N", light "session N", and instruments "printer N" and
        "display N", as `hfnmp data index` fills them.

    Raises
    ------
    InputError
        They do not say with which device and in which session they were made.
    """
    number, _, phone = name.removeprefix("oulu-").partition(".")
    if any(p.partition is None or p.camera is None or p.light is None for p in presentations):
        raise InputError(
            f"protocol '{name}' goes by OULU-NPU's partition, phone and session, and some rows do "
            "not tell them; index the data set again: hfnmp data index ROOT --dataset oulu"
        )

    def unseen(p: Presentation) -> list[bool]:
        held = []
        if number in "14":
            held.append(p.light == "session 3")
        if number in "24" and not p.live:
            held.append(p.instrument in ("printer 2", "display 2"))
        if number in "34":
            held.append(p.camera == f"phone {phone}")
        return held

    parts: dict[str, list[Presentation]] = {"train": [], "dev": [], "test": []}
    for p in presentations:
        if all(unseen(p)) if p.partition == "test" else not any(unseen(p)):
            parts[p.partition].append(p)
    return parts["train"], parts["dev"], parts["test"]
