"""The parts of `data_samples/` that are to be looked at and read: a sheet, a portrait, a README."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hfnmp_lite.files import write_whole
from hfnmp_lite.simulate import camera, scene
from hfnmp_lite.simulate.domains import CHANGES, DOMAINS, factor_table
from hfnmp_lite.simulate.geometry import MARGIN

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


def astronaut(folder: Path, seed: int, submit: Callable) -> None:
    """Write the portrait live, printed and replayed in each domain, at 256 px, with a manifest.

    Parameters
    ----------
    folder : path
    seed : int
    submit : callable
        `submit(function, jobs)` yields results, as `workers.pool` gives it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(folder, seed, domain) for domain in DOMAINS]
    rows = [row for found in submit(_astronaut_in, jobs) for row in found]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ASTRONAUT_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: row["path"]))
    write_whole(folder / "manifest.csv", text.getvalue())


def _astronaut_in(folder: Path, seed: int, domain: str) -> list[dict]:
    rows = []
    # subject 10^6 is nobody of the benchmark: light, camera and media of its own
    drawn = scene.draw_subject_takes(domain, seed, 10**6, presentations=1, frames=1)
    for key, (take,) in drawn.items():
        n = camera.sensor_pixels(take.camera, PORTRAIT_SIZE)
        canvas = portrait_canvas(scene.canvas_pixels(n)) * scene.room_light(take.shot)
        frame = scene.render(take, PORTRAIT_SIZE, canvas=canvas)
        name = f"{domain}-{key.kind or 'live'}.jpg"
        (folder / name).write_bytes(frame.jpeg)
        parameters = scene.describe(take, frame)
        for drawn_of_the_face in ("tone", "pose"):
            del parameters[drawn_of_the_face]
        rows.append(
            {
                "path": name,
                "sha256": hashlib.sha256(frame.jpeg).hexdigest(),
                "domain": domain,
                "live": int(key.kind is None),
                "attack_type": key.kind or "",
                "parameters": json.dumps(parameters, separators=(",", ":")),
            }
        )
    return rows


# --- the contact sheet --------------------------------------------------------------------------


def contact_sheet(folder: Path, rows: Iterable[dict], people: int = 3) -> bytes:
    """Lay out domains (rows) by people, each live, printed and replayed; JPEG bytes.

    Parameters
    ----------
    folder : path
        Where the rows' paths are relative to.
    rows : iterable of dict
        Rows of the manifest.
    people : int
        Subjects for each domain, those with the lowest numbers.
    """
    frames = {}
    for row in rows:
        draw = json.loads(row["parameters"])["draw"]
        frames[row["domain"], draw[1], draw[2], draw[3], row["attack_type"]] = row["path"]
    people = min(people, 1 + max(key[1] for key in frames))
    tile, gap, left, top = 160, 6, 104, 76
    width = left + people * (3 * (tile + 2) + 2 * gap) + gap
    height = top + len(DOMAINS) * (tile + gap) + 8
    sheet = Image.new("RGB", (width, height), (250, 250, 248))
    pen = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(22), ImageFont.load_default(14)
    ink, grey = (25, 30, 40), (105, 110, 120)
    pen.text((gap * 2, 10), "hfnmp_lite sample benchmark: simulated images", ink, large)
    note = (
        "rendered faces, prints and screens before rendered cameras; no real person, no real attack"
    )
    pen.text((gap * 2, 38), note, grey, small)
    for r, domain in enumerate(DOMAINS):
        y = top + r * (tile + gap)
        pen.text((gap * 2, y + tile / 2 - 10), domain, ink, small)
        for p in range(people):
            for k, kind in enumerate(scene.KINDS):
                x = left + p * (3 * (tile + 2) + 2 * gap) + k * (tile + 2)
                if r == 0:
                    pen.text((x + tile / 2, top - 18), kind or "live", grey, small, anchor="ma")
                picture = Image.open(folder / frames[domain, p, 0, 0, kind or ""])
                sheet.paste(picture.resize((tile, tile), Image.Resampling.LANCZOS), (x, y))
    data = io.BytesIO()
    sheet.save(data, "JPEG", quality=90)
    return data.getvalue()


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
    command = f"hfnmp samples build --out DIR --seed {plan['seed']}"
    command += f" --subjects {plan['subjects']} --size {plan['size']} --preset {plan['preset']}"
    changes = "\n".join(f"- {change}" for change in CHANGES) or "- none so far"
    made_with = ", ".join(f"{name} {value}" for name, value in versions.items())
    return f"""# The sample benchmark

{CAVEAT}

{len(presentations)} presentations ({counts}) of {plan["subjects"]} simulated subjects in each
of {len(DOMAINS)} domains, {len(rows)} frames of {plan["size"]} px: faces, prints and screens
rendered in linear light and seen through rendered cameras. The files are the cameras' own JPEG
bytes.

Made by

    {command}

with {made_with}. The same arguments and versions give the same bytes, on any number of processors;
elsewhere a pixel may differ by two grey levels. `hfnmp samples verify` (or
`sha256sum -c checksums.sha256`) checks every file.

![contact sheet](contact_sheet.jpg)

## What lies here

| | |
|---|---|
| `frames/` | the images; names and order are shuffled and carry no label |
| `manifest.csv` | one row a frame, columns below |
| `cues/` | where each cue is: maps for a subset, below |
| `astronaut/` | a real photograph (NASA's portrait of Eileen Collins, public domain, bundled with \
scikit-image) live, printed and replayed through the same pipeline, {PORTRAIT_SIZE} px |
| `contact_sheet.jpg` | a look at all domains |
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
| instrument | what the attack was made with: screen lines or pixels per 25.4 mm, times the crop's \
width in mm |
| ita | individual typology angle of the subject's skin, degrees, from the albedo |
| parameters | JSON of what was drawn. `draw` = [seed, subject, presentation, frame, preset] is \
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

Generated from the code. Within a domain live faces and attacks share every distribution in this
table: presentations of one number even share the drawn camera, view, pose and light, and only the
medium differs.

{factor_table()}
## Changes after the first choice

Parameters were first chosen from the physics. They may then change on two grounds only: the
in-domain AUC of an RGB network, and the shortcut audit; never on a cross-domain result or a
comparison of patterns.

{changes}
"""
