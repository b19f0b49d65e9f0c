"""Devices in tables, and inventories that are drawn: what is refused, what is kept, what varies."""

from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest

from hfnmp_lite.data.showcase import device_tables
from hfnmp_lite.files import InputError
from hfnmp_lite.simulate import backgrounds, inventory
from hfnmp_lite.simulate.devices import CameraDevice, Display, Light, Printer, table
from hfnmp_lite.simulate.domains import DOMAINS, Domain
from hfnmp_lite.simulate.inventory import DISPLAYS, inventory_of

KINDS = ("cameras", "attackers", "printers", "displays", "lights")
LIGHTS = """
    lights         | hall   | yard
    key_kelvin     | 4000   | 6500
    ambient_kelvin | 4500   | 7000
    key_ratio      | 0.5 2  | 1 3
    level          | 1      | 1.5
    backgrounds    | office | outdoor wall
"""
DRAWN = [str(seed) for seed in range(24)]


def changed(field: str, cells: str) -> str:
    """The table of lights with other cells in the line of a field."""
    lines = LIGHTS.strip().splitlines()
    return "\n".join(
        f"{field} | {cells}" if line.split("|")[0].strip() == field else line for line in lines
    )


# --- tables -------------------------------------------------------------------------------------


def test_a_table_is_read_column_by_column():
    assert table(Light, LIGHTS) == (
        Light("hall", 4000.0, 4500.0, (0.5, 2.0), 1.0, ("office",)),
        Light("yard", 6500.0, 7000.0, (1.0, 3.0), 1.5, ("outdoor", "wall")),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (changed("level", "1 | bright"), "'level' is 'bright'; expected numbers"),
        (changed("level", "1"), "'level' has 1 values for 2 devices"),
        (changed("level", "1 |"), "'level' is empty"),
        (changed("backgrounds", "| wall"), "'backgrounds' is empty"),
        (changed("key_ratio", "| 1 3"), "'key_ratio' is empty"),
        (changed("level", "1 | 1").replace("level", "lumens"), "'lumens' is no field of a Light"),
        (LIGHTS.replace("    level          | 1      | 1.5\n", ""), "incomplete .*'level'"),
        (LIGHTS.replace("yard", "hall"), "a name of its own for each"),
        (LIGHTS.replace("| yard", "|"), "a name of its own for each"),
    ],
)
def test_a_table_that_cannot_be_read_names_the_field(text, words):
    with pytest.raises(InputError, match=words) as refused:
        table(Light, text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "field", "value", "words"),
    [
        ("cameras", "n", 8, "n is 8; expected 32 to 1024"),
        ("cameras", "fill_x", 1.5, "fill_x is 1.5; expected 0.1 to 1"),
        ("cameras", "cast", (0.1, -7.0), "cast is -7; expected -1 to 1"),
        ("cameras", "cast", (0.1,), "cast has 1 numbers; expected 2"),
        ("cameras", "jpeg", 0, "jpeg is 0; expected 1 to 100"),
        ("cameras", "crop", float("nan"), "crop is nan; expected 0 to 1"),
        ("printers", "lpi", -85, "lpi is -85; expected 0 to 600"),
        ("printers", "face_mm", (90.0, 60.0), "face_mm is 90 to 60; expected the smaller first"),
        ("printers", "face_mm", (90.0,), "face_mm has 1 numbers; expected 2"),
        ("printers", "paper", (1.0, 1.0), "paper has 2 numbers; expected 3"),
        ("printers", "paper", (1.0, 1.0, 1.9), "paper is 1.9; expected 0.2 to 1.15"),
        ("displays", "ppi", 0, "ppi is 0; expected 20 to 1000"),
        ("displays", "kelvin", 200, "kelvin is 200; expected 1700 to 25000"),
        ("displays", "mirrors", (0.0, 0.4), "mirrors is 0; expected 0.0001 to 5"),
        ("lights", "level", 0, "level is 0; expected 0.05 to 20"),
        ("lights", "key_ratio", (3.0, 1.0), "key_ratio is 3 to 1; expected the smaller first"),
        ("lights", "backgrounds", ("wall", "moon"), "names 'moon'; expected some of"),
    ],
)
def test_an_impossible_device_is_one_line_with_its_name(kind, field, value, words):
    device = getattr(DOMAINS["webcam"], kind)[0]
    with pytest.raises(InputError) as refused:
        replace(device, **{field: value})
    text = str(refused.value)
    assert words in text
    assert text.startswith(f"{type(device).__name__} '{device.name}': ")
    assert "\n" not in text


def test_the_page_shows_every_device_with_all_of_its_fields():
    text = device_tables(DOMAINS.values())
    for domain in DOMAINS.values():
        (part,) = (p for p in text.split("### ") if p.startswith(f"`{domain.name}`"))
        rows = [[c.strip() for c in line.split("|")[1:-1]] for line in part.splitlines()]
        rows = [row for row in rows if row]
        at = 0
        for kind in KINDS:
            things = getattr(domain, kind)
            names = [f.name for f in fields(things[0])][1:]
            block = rows[at : at + 2 + len(names)]
            assert block[0] == [kind, *(f"`{t.name}`" for t in things)]
            assert [row[0] for row in block[2:]] == names
            for row in block[2:]:
                for cell, thing in zip(row[1:], things, strict=True):
                    value = getattr(thing, row[0])
                    if not isinstance(value, str) and not isinstance(value, tuple):
                        assert float(cell) == pytest.approx(value, rel=1e-3, abs=1e-9)
            at += len(block)
        assert at == len(rows)
        assert all(
            f"{name} {getattr(domain, name):g}" in part for name in ("bend", "edges", "tilt")
        )


# --- inventories --------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_inventory_and_another_another():
    assert inventory_of("shipped") is DOMAINS
    first = inventory_of("11")
    assert inventory._drawn.__wrapped__(11) == first  # not what is kept of the first call
    other = inventory_of("12")
    assert list(first) == list(other)
    assert not set(first) & set(DOMAINS)
    for name, domain in first.items():
        assert domain.name == name
        for kind in KINDS:
            assert getattr(domain, kind) != getattr(other[name], kind)


@pytest.mark.parametrize("name", ["", "shiped", "-1", "1.5", "٣", "2147483648", "1e3"])
def test_an_inventory_is_shipped_or_a_seed(name):
    with pytest.raises(InputError, match="expected 'shipped', or a seed") as bad:
        inventory_of(name)
    assert f"inventory is '{name}'" in str(bad.value)


@pytest.mark.parametrize("seed", DRAWN)
def test_what_is_drawn_is_a_whole_data_set_of_the_same_kind(seed):
    drawn = inventory_of(seed)
    named = [t.name for d in drawn.values() for kind in KINDS for t in getattr(d, kind)]
    assert len(set(named)) == len(named)
    for domain, kind in zip(drawn.values(), DOMAINS.values(), strict=True):
        assert len(domain.cameras) == len(kind.cameras)
        for camera, like in zip(domain.cameras, kind.cameras, strict=True):
            assert abs(camera.n / like.n - 1) < 0.08
            assert camera.n % 2 == 0
        assert domain.printers[0].lpi > 0, "the first printer is a laser"
        assert all(p.lpi > 0 or p.like == "inkjet" for p in domain.printers)
        assert 1 <= len(domain.displays) <= 2
        for display in domain.displays:
            low, high = DISPLAYS[display.like][0]
            assert low <= display.ppi <= high
        assert 1 <= len(domain.lights) <= 3
        places = {b for light in domain.lights for b in light.backgrounds}
        assert places <= {b for light in kind.lights for b in light.backgrounds}
        assert places <= set(backgrounds.KINDS)
        for manner in ("bend", "edges", "tilt", "roll", "zoom", "shift"):
            assert getattr(domain, manner) == getattr(kind, manner)


def warmth(domain: Domain) -> float:
    """How much warmer its papers are than white paper, by logarithm."""
    return float(np.mean([np.log(p.paper[0] / p.paper[2]) for p in domain.printers]))


def of_printers(field: str, usual: float, domain: Domain) -> float:
    return float(np.mean([np.log(getattr(p, field) / usual) for p in domain.printers]))


def of_displays(field: str, domain: Domain) -> float:
    return float(np.mean([np.log(getattr(d, field)) for d in domain.displays]))


@pytest.mark.parametrize(
    "trait",
    [
        warmth,
        partial(of_printers, "contrast", 1.0),
        partial(of_printers, "chroma", 1.4),
        partial(of_displays, "brightness"),
        partial(of_displays, "saturation"),
    ],
    ids=["paper", "tone", "chroma", "brightness", "saturation"],
)
def test_what_gives_attacks_away_goes_one_way_in_two_data_sets_and_the_other_in_two(trait):
    signs = np.array([[np.sign(trait(d)) for d in inventory_of(s).values()] for s in DRAWN])
    # noise turns a weak one round in few: a trait is at least .6 of its size
    assert (signs.sum(1) == 0).mean() > 0.8
    assert np.abs(signs.sum(1)).max() <= 2
    assert (np.abs(signs.sum(0)) < len(DRAWN)).all(), (
        "no data set has it one way in every inventory"
    )


def test_traits_of_an_inventory_are_dealt_out_independently():
    """Else one shortcut would stand for all."""
    tone = partial(of_printers, "contrast", 1.0)
    both = [(warmth(d), tone(d)) for s in DRAWN for d in inventory_of(s).values()]
    assert abs(np.corrcoef(np.array(both).T)[0, 1]) < 0.35  # 96 pairs: 3.4 standard errors


def test_every_kind_of_device_can_be_written_as_a_table():
    """What `domains` holds comes of `table`; so can what is drawn."""
    for kind, device in zip(
        KINDS, (CameraDevice, CameraDevice, Printer, Display, Light), strict=True
    ):
        things = inventory_of("5")["drawn-phone"].__getattribute__(kind)
        lines = ["x | " + " | ".join(t.name for t in things)]
        for field in [f.name for f in fields(device)][1:]:
            values = [getattr(t, field) for t in things]
            cells = [" ".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in values]
            lines.append(f"{field} | " + " | ".join(cells))
        assert table(device, "\n".join(lines)) == things
