"""Devices and lights left out, and the protocols of OULU-NPU, on presentations made up."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.data.protocols import JUDGED, leave_one_out, named, unseen_factor
from hfnmp_lite.files import InputError

CAMERAS, LIGHTS = ("macbook", "nexus"), ("lamp", "window")
INSTRUMENTS = {None: (None,), "print": ("laser", "inkjet"), "replay": ("tablet",)}


def presentation(domain, subject, camera, light, kind, instrument, **more):
    id_ = "/".join(map(str, (domain, subject, camera, light, instrument)))
    return Presentation(
        id=id_,
        domain=domain,
        subject=f"{domain}-{subject}",
        live=kind is None,
        attack_type=kind,
        instrument=instrument,
        frames=(Path(f"{id_}.png"),),
        camera=camera,
        light=light,
        **more,
    )


def data_set(domain, people=8, cameras=CAMERAS, lights=LIGHTS):
    """Every person with everything once."""
    return [
        presentation(domain, *rest, kind, instrument)
        for rest in product(range(people), cameras, lights)
        for kind, instruments in INSTRUMENTS.items()
        for instrument in instruments
    ]


DATA = [
    *data_set("a"),
    *data_set("b", lights=("desk",)),
    *data_set("c", cameras=("webcam", "phone"), lights=("hall", "desk")),
]


@pytest.mark.parametrize(
    ("target", "homes"),
    [
        ("camera=nexus", ("a", "b")),
        ("camera=webcam", ("c",)),
        ("light=lamp", ("a",)),
        ("instrument=inkjet", ("a", "b", "c")),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_of_what_is_left_out_and_nobody_who_is_judged_is_learned_from(target, homes, seed):
    factor, name = unseen_factor(target)
    protocol = leave_one_out(DATA, target, ("a", "b", "c"), seed=seed)
    learned = [*protocol.training, *protocol.validation]
    assert all(getattr(p, factor) != name for p in learned)
    judged = {p.subject for p in protocol.target}
    assert not judged & {p.subject for p in learned}
    assert not {p.subject for p in protocol.training} & {p.subject for p in protocol.validation}
    assert {p.domain for p in protocol.target} == set(homes)
    assert {p.domain for p in learned} == {"a", "b", "c"}
    # all that the judged people did with it, and nothing else; a live face has no instrument
    expected = {
        p.id
        for p in DATA
        if p.subject in judged
        and (getattr(p, factor) == name or (factor == "instrument" and p.live))
    }
    assert {p.id for p in protocol.target} == expected
    assert {p.live for p in protocol.target} == {True, False}
    # a share of the people of each domain that has it; of the others nobody is lost
    for domain in "abc":
        count = len({s for s in judged if s.startswith(domain)})
        assert count == (round(JUDGED * 8) if domain in homes else 0)
        assert len({p.subject for p in learned if p.domain == domain}) == 8 - count
    # what else the people who are learned from did is kept
    kept = {p.id for p in DATA if p.subject not in judged and getattr(p, factor) != name}
    assert {p.id for p in learned} == kept


def test_every_seed_judges_the_same_people():
    targets = [leave_one_out(DATA, "camera=nexus", ("a", "b"), seed=s).target for s in range(4)]
    assert all(t == targets[0] for t in targets)
    other = leave_one_out(DATA[::-1], "camera=nexus", ("a", "b")).target
    assert {p.id for p in other} == {p.id for p in targets[0]}


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            "camera=canon",
            "no source has the camera 'canon'; they have macbook, nexus, phone, webcam",
        ),
        ("light=", "no source has the light ''; they have desk, hall, lamp, window"),
        ("light=desk", "'desk' is the only light of domain 'b'.*--target b"),
        ("flash=on", "domain 'flash=on' is unknown"),
    ],
)
def test_what_cannot_be_left_out_is_one_line(target, words):
    with pytest.raises(InputError, match=words) as refused:
        leave_one_out(DATA, target, ("a", "b", "c"))
    assert "\n" not in str(refused.value)


def test_what_is_judged_needs_both_classes():
    judged = {p.subject for p in leave_one_out(DATA, "instrument=tablet", ("a",)).target}
    data = [p for p in DATA if not (p.live and p.subject in judged)]
    with pytest.raises(InputError, match="'a' has no live presentation in its target part"):
        leave_one_out(data, "instrument=tablet", ("a",))


def test_data_that_name_no_device_say_so():
    bare = [presentation("a", i, None, None, k, None) for i in range(4) for k in (None, "print")]
    with pytest.raises(
        InputError, match="no source has the camera 'x'; they name no camera at all"
    ):
        leave_one_out(bare, "camera=x", ("a",))
    assert leave_one_out([*bare, *DATA], "b", ("a", "c")).target  # and whole domains still work


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("camera=nexus-5", ("camera", "nexus-5")),
        ("light=a=b", ("light", "a=b")),
        ("webcam", None),
        ("subject=1", None),
        ("camera", None),
    ],
)
def test_a_target_names_a_factor_or_a_domain(target, expected):
    assert unseen_factor(target) == expected


# --- OULU-NPU -----------------------------------------------------------------------------------

# From the data set's description: what training and development hold, and what the test holds.
ALL_PHONES, PHONES = {1, 2, 3, 4, 5, 6}, (1, 2, 3, 4, 5, 6)
HAND = {
    # sessions, phones, instruments learned from; the same of the test
    "oulu-1": ({1, 2}, ALL_PHONES, {1, 2}, {3}, ALL_PHONES, {1, 2}),
    "oulu-2": ({1, 2, 3}, ALL_PHONES, {1}, {1, 2, 3}, ALL_PHONES, {2}),
    **{
        f"oulu-3.{n}": ({1, 2, 3}, ALL_PHONES - {n}, {1, 2}, {1, 2, 3}, {n}, {1, 2}) for n in PHONES
    },
    **{f"oulu-4.{n}": ({1, 2}, ALL_PHONES - {n}, {1}, {3}, {n}, {2}) for n in PHONES},
}
# presentations of train, dev and test by the data set's own table: 20, 15 and 20 people
COUNTS = {
    "oulu-1": ((240, 960), (180, 720), (120, 480)),
    "oulu-2": ((360, 720), (270, 540), (360, 720)),
    "oulu-3": ((300, 1200), (225, 900), (60, 240)),
    "oulu-4": ((200, 400), (150, 300), (20, 40)),
}


def oulu():
    parts = {"train": range(20), "dev": range(20, 35), "test": range(35, 55)}
    kinds = [(None, None), *(("print", f"printer {i}") for i in (1, 2))]
    kinds += [("replay", f"display {i}") for i in (1, 2)]
    return [
        presentation("oulu", who, f"phone {phone}", f"session {session}", *kind, partition=part)
        for part, people in parts.items()
        for who, phone, session, kind in product(people, PHONES, (1, 2, 3), kinds)
    ]


@pytest.fixture(scope="module")
def of_oulu():
    return oulu()


@pytest.mark.parametrize("name", HAND)
def test_the_protocols_of_oulu_are_those_of_its_table(of_oulu, name):
    protocol = leave_one_out(of_oulu, name, ("oulu",))
    learned, judged = HAND[name][:3], HAND[name][3:]
    parts = (protocol.training, "train", learned), (protocol.validation, "dev", learned)
    for part, partition, (sessions, phones, instruments) in (
        *parts,
        (protocol.target, "test", judged),
    ):
        expected = {
            p.id
            for p in of_oulu
            if p.partition == partition
            and int(p.light[-1]) in sessions
            and int(p.camera[-1]) in phones
            and (p.live or int(p.instrument[-1]) in instruments)
        }
        assert {p.id for p in part} == expected
    got = protocol.training, protocol.validation, protocol.target
    counted = tuple((sum(p.live for p in part), sum(not p.live for p in part)) for part in got)
    assert counted == COUNTS[name.partition(".")[0]]


def test_a_protocol_of_oulu_is_named_in_any_case_and_needs_its_columns(of_oulu):
    assert named("OULU-3.6") == (("oulu",), "oulu-3.6")
    for wrong in ("oulu-5", "oulu-3", "oulu-3.7", "oulu-1.1"):
        with pytest.raises(InputError, match=r"unknown; expected one of .*oulu-4\.1 to oulu-4\.6"):
            named(wrong)
    for gone in ("partition", "camera", "light"):
        bare = [replace(p, **{gone: None}) if p.subject == "oulu-3" else p for p in of_oulu]
        with pytest.raises(InputError, match="index the data set again"):
            leave_one_out(bare, "oulu-1", ("oulu",))
