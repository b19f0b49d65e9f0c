"""The parts of `data_samples/` that are to be looked at and read: a sheet, a portrait, a README."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hfnmp_lite.files import write_whole
from hfnmp_lite.simulate import camera, scene
from hfnmp_lite.simulate.domains import CHANGES, Domain
from hfnmp_lite.simulate.geometry import MARGIN
from hfnmp_lite.simulate.inventory import inventory_of

CAVEAT = (
    "All images but the astronaut's are simulated. They are for learning and for testing code, and "
    "make no claim about real attacks, products, or rankings on real data sets. Skin tones are "
    "balanced by construction; that supports no fairness claim about people."
)
PORTRAIT_SIZE = 256
PORTRAIT_CROP = (224, 118, 176)  # centre x, centre y and side of the face crop, in pixels of 512
ASTRONAUT_COLUMNS = ("path", "sha256", "domain", "live", "attack_type", "parameters")


# --- the astronaut ------------------------------------------------------------------------------


def portrait_canvas(pixels: int) -> np.ndarray:
    """Return the astronaut's face as a canvas (pixels, pixels, 3), linear RGB.

    NASA's portrait of Eileen Collins, public domain, as bundled with scikit-image.
    """
    from skimage.data import astronaut

    x, y, side = PORTRAIT_CROP
    half = round(side * (0.5 + MARGIN))
    cut = astronaut()[y - half : y + half, x - half : x + half].astype(np.float32) / 255
    return camera.srgb_to_linear(
        np.clip(cv2.resize(cut, (pixels, pixels), interpolation=cv2.INTER_CUBIC), 0, 1)
    )


def astronaut(folder: Path, seed: int, domains: Mapping[str, Domain], submit: Callable) -> None:
    """Write the portrait live, printed and replayed in each domain, at 256 px, with a manifest.

    Parameters
    ----------
    folder : path
    seed : int
    domains : mapping
        The data sets, by name.
    submit : callable
        `submit(function, jobs)` yields results, as `workers.pool` gives it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(folder, seed, domain) for domain in domains.values()]
    rows = [row for found in submit(_astronaut_in, jobs) for row in found]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ASTRONAUT_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: row["path"]))
    write_whole(folder / "manifest.csv", text.getvalue())


def _astronaut_in(folder: Path, seed: int, domain: Domain) -> list[dict]:
    rows = []
    # subject 10^6 is nobody of the benchmark: light, camera and media of its own
    drawn = scene.draw_subject_takes(domain, seed, 10**6, presentations=1, frames=1)
    for key, (take,) in drawn.items():
        n = camera.sensor_pixels(take.camera, PORTRAIT_SIZE)
        canvas = portrait_canvas(scene.canvas_pixels(n)) * scene.room_light(take.shot)
        frame = scene.render(take, PORTRAIT_SIZE, canvas=canvas)
        name = f"{domain.name}-{key.kind or 'live'}.jpg"
        (folder / name).write_bytes(frame.jpeg)
        parameters = scene.describe(take, frame)
        for drawn_of_the_face in ("tone", "pose"):
            del parameters[drawn_of_the_face]
        rows.append(
            {
                "path": name,
                "sha256": hashlib.sha256(frame.jpeg).hexdigest(),
                "domain": domain.name,
                "live": int(key.kind is None),
                "attack_type": key.kind or "",
                "parameters": json.dumps(parameters, separators=(",", ":")),
            }
        )
    return rows


# --- the contact sheets -------------------------------------------------------------------------

Tile = tuple[str, Path]  # caption, picture


def contact_sheet(folder: Path, rows: Sequence[dict], people: int = 3) -> bytes:
    """Lay out domains (rows) by people, each live, printed and replayed; JPEG bytes.

    Parameters
    ----------
    folder : path
        Where the rows' paths are relative to.
    rows : sequence of dict
        Rows of the manifest.
    people : int
        Subjects for each domain, those with the lowest numbers.
    """
    lines = []
    for domain in dict.fromkeys(row["domain"] for row in _in_order(rows)):
        first = [r for r in _in_order(rows) if r["domain"] == domain and _draw(r)[2:4] == [0, 0]]
        chosen = [r for r in first if _draw(r)[1] < people]
        lines.append((domain, [_tile(folder, r, r["attack_type"] or "live") for r in chosen]))
    return _sheet("simulated people, live, printed and replayed", lines, size=150, group=3)


def device_sheet(folder: Path, rows: Sequence[dict]) -> bytes:
    """Lay out domains by device: live faces by camera, attacks by printer and display; JPEG bytes.

    Parameters as `contact_sheet`. Every device shows two people.
    """
    lines = []
    for domain in dict.fromkeys(row["domain"] for row in _in_order(rows)):
        groups: dict[tuple[int, str], list[dict]] = {}
        for row in _in_order(rows):
            if row["domain"] == domain and int(row["frame"]) == 0:
                kind = scene.KINDS.index(row["attack_type"] or None)
                groups.setdefault((kind, row["instrument"] or row["camera"]), []).append(row)
        for person in range(2):
            tiles = []
            for (_, device), held in sorted(groups.items(), key=lambda item: item[0]):
                apart = list({row["subject"]: row for row in reversed(held)}.values())[::-1]
                if person < len(apart):
                    tiles.append(_tile(folder, apart[person], device))
            lines.append((domain if person == 0 else "", tiles))
    return _sheet("by device: live faces by camera, then printers, then displays", lines, size=112)


def _draw(row: dict) -> list:
    return json.loads(row["parameters"])["draw"]


def _in_order(rows: Iterable[dict]) -> list[dict]:
    """Domains as the inventory names them, subjects and presentations by number, live first."""
    names = list(inventory_of(str(_draw(next(iter(rows)))[5])))

    def place(row: dict) -> tuple:
        kind = scene.KINDS.index(row["attack_type"] or None)
        return names.index(row["domain"]), *_draw(row)[1:3], kind, int(row["frame"])

    return sorted(rows, key=place)


def _tile(folder: Path, row: dict, caption: str) -> Tile:
    return caption, folder / row["path"]


def _sheet(note: str, lines: Sequence[tuple[str, list[Tile]]], size: int, group: int = 1) -> bytes:
    """Draw named lines of captioned pictures, with a gap after every `group` of them."""
    gap, left, top, line_height = 4, 96, 66, size + 20
    most = max(len(tiles) for _, tiles in lines)
    width = left + most * (size + gap) + (most // group) * gap
    sheet = Image.new("RGB", (width, top + len(lines) * line_height), (250, 250, 248))
    pen, ink, grey = ImageDraw.Draw(sheet), (25, 30, 40), (105, 110, 120)
    large, small, tiny = (ImageFont.load_default(points) for points in (20, 14, 11))
    pen.text((8, 8), "hfnmp_lite sample benchmark: simulated images", ink, large)
    pen.text((8, 36), f"{note}; no real person, no real attack", grey, small)
    for r, (name, tiles) in enumerate(lines):
        y = top + r * line_height
        pen.text((8, y + size / 2 - 10), name, ink, small)
        for k, (caption, path) in enumerate(tiles):
            x = left + k * (size + gap) + (k // group) * gap
            picture = Image.open(path).resize((size, size), Image.Resampling.LANCZOS)
            sheet.paste(picture, (x, y))
            pen.text((x + size / 2, y + size + 2), caption, grey, tiny, anchor="ma")
    data = io.BytesIO()
    sheet.save(data, "JPEG", quality=90)
    return data.getvalue()


# --- the tables of devices ----------------------------------------------------------------------


def device_tables(domains: Iterable[Domain]) -> str:
    """Return every data set's devices and rooms as markdown, one table a kind, generated."""
    parts = []
    for domain in domains:
        parts.append(f"### `{domain.name}`, like {domain.like}\n")
        for kind in ("cameras", "attackers", "printers", "displays", "lights"):
            things = getattr(domain, kind)
            parts.append(f"| {kind} | " + " | ".join(f"`{t.name}`" for t in things) + " |")
            parts.append("|---" * (1 + len(things)) + "|")
            for field in fields(things[0])[1:]:
                cells = [_cell(getattr(thing, field.name)) for thing in things]
                parts.append(f"| {field.name} | " + " | ".join(cells) + " |")
            parts.append("")
        manners = [f for f in fields(domain) if isinstance(getattr(domain, f.name), float)]
        parts.append(", ".join(f"{f.name} {getattr(domain, f.name):g}" for f in manners) + "\n")
    return "\n".join(parts)


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_cell(v) for v in value)
    return value if isinstance(value, str) else f"{value:.4g}"


# --- the README ---------------------------------------------------------------------------------


def readme(plan: dict, versions: dict[str, str], rows: list[dict]) -> str:
    """Return the README of a build: what it is, how to make it again, and what the columns mean.

    Parameters
    ----------
    plan : dict
        seed, subjects, size, preset.
    versions : dict of str to str
        What else decides the bytes.
    rows : list of dict
        Rows of the manifest.
    """
    presentations = {row["presentation"]: row for row in rows}.values()
    kinds = [row["attack_type"] or "live" for row in presentations]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(sorted(kinds)))
    command = f"hfnmp samples build --out DIR --seed {plan['seed']} --inventory {plan['inventory']}"
    command += f" --subjects {plan['subjects']} --size {plan['size']} --preset {plan['preset']}"
    domains = inventory_of(plan["inventory"])
    changes = "\n".join(f"- {change}" for change in CHANGES)
    made_with = ", ".join(f"{name} {value}" for name, value in versions.items())
    return f"""# The sample benchmark

{CAVEAT}

{len(presentations)} presentations ({counts}) of {plan["subjects"]} simulated subjects in each
of {len(domains)} domains, {len(rows)} frames of {plan["size"]} px: faces, prints and screens
rendered in linear light and seen through rendered cameras. The files are the cameras' own JPEG
bytes.

Made by

    {command}

with {made_with}. The same arguments and versions give the same bytes, on any number of processors;
elsewhere a pixel may differ by two grey levels. `hfnmp samples verify` (or
`sha256sum -c checksums.sha256`) checks every file.

![contact sheet](contact_sheet.jpg)

![by device](devices.jpg)

## How hard it is

At home, in a domain that it learned from, a plain network should be nearly perfect; before a domain
that it never saw it should err as published systems do on real data. Measured by
`python -m hfnmp_lite.experiments.regime`, the figures in `results/regime.json`:

<!-- regime.json: begin -->
<!-- regime.json: end -->

## What lies here

| | |
|---|---|
| `frames/` | the images; names and order are shuffled and carry no label |
| `manifest.csv` | one row a frame, columns below |
| `cues/` | where each cue is: maps for a subset, below |
| `astronaut/` | a real photograph (NASA's portrait of Eileen Collins, public domain, bundled with \
scikit-image) live, printed and replayed through the same pipeline, {PORTRAIT_SIZE} px |
| `contact_sheet.jpg`, `devices.jpg` | a look at all domains, by people and by device |
| `checksums.sha256` | SHA-256 of every file of the build |
| `results/` | stored audits and measurements, each with its command; no part of the build |

## Columns of `manifest.csv`

| column | meaning |
|---|---|
| path, sha256 | the frame, relative to this folder; its SHA-256 |
| domain, subject | capture conditions; who. No subject is in two domains |
| presentation, frame | one capture, in shuffled order; the place of the frame in it |
| live | 1 live face, 0 attack |
| attack_type | empty for live, `print`, `replay` |
| camera, light | the device that it was seen through; the room |
| instrument | the printer or display of an attack |
| ita | individual typology angle of the subject's skin, degrees, from the albedo |
| parameters | JSON of what was drawn. `draw` = [seed, subject, presentation, frame, preset, \
inventory] is \
enough to render the frame again, at any size and with cues on or off \
(`hfnmp_lite.data.samples.take_of`); `cues` = mean of the analytic maps; the rest describes pose, \
view, camera and medium |

## `cues/`

For every domain, attack type and cue, three presentations: the first in the order of the files
that show the cue. `cues/manifest.csv` has one row for each: `path` of the frame, `cue`, and

| column | meaning |
|---|---|
| maps | PNG; red: largest change over the channels before JPEG, in grey levels; green: after \
JPEG; blue: 255 where the change before JPEG is more than 6 levels |
| without | the frame rendered without the cue: same noise, exposure and white balance |
| envelope, envelope_max | the analytic map, scaled so that 255 is `envelope_max`. moire, \
halftone: RMS of the modulation as a share of the radiance; glare: added radiance; bezel: \
coverage; bands: amplitude. `gamut` is everywhere and has none |
| mask_share | share of pixels in the mask |

## The domains

A domain is a data set: a short list of devices and rooms with which somebody might have made it.
A take picks one of each and adds what varies from take to take. Live faces and attacks of one
number share camera, room, pose and view; only the medium differs. Papers and displays are warmer or
cooler than the room, paler or more vivid, darker or brighter, according to what was bought: what
gives an attack away in one domain misleads in another. Generated from the code
(`hfnmp_lite/simulate/domains.py`, where the fields are explained):

{device_tables(domains.values())}
## Changes after the first choice

Parameters were first chosen from the physics. They may then change on one ground only: the rows of
the regime's table above, which come from published figures on real data; never on a comparison of
patterns.

{changes}
"""
