"""Which data sets a benchmark holds: the shipped four, or four that a seed draws.

A drawn inventory has a data set of each kind of camera, as the shipped one, but devices, papers,
lights and what gives an attack away are drawn from the classes below; nobody tuned anything on
them. What a purchase decides (`TRAITS`) goes one way in two of the four data sets and the other way
in the others, by how much is drawn.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from hfnmp_lite.files import InputError
from hfnmp_lite.simulate.devices import CameraDevice, Display, Light, Printer
from hfnmp_lite.simulate.domains import DOMAINS, Domain

SHIPPED = "shipped"
DISPLAYS = {  # pixels per inch; width of the face crop in mm
    "phone": ((160, 420), (34, 46)),
    "tablet": ((130, 265), (70, 105)),
    "laptop": ((110, 230), (60, 100)),
    "monitor": ((85, 110), (130, 190)),
}
TRAITS = ("warmth", "lightness", "print chroma", "display brightness", "display saturation")


def inventory_of(name: str) -> dict[str, Domain]:
    """Return the data sets of an inventory by name: "shipped", or a seed such as "2027".

    Raises
    ------
    InputError
        It is neither.
    """
    if name == SHIPPED:
        return DOMAINS
    if not (name.isascii() and name.isdigit() and int(name) < 2**31):
        raise InputError(
            f"inventory is '{name}'; expected '{SHIPPED}', or a seed from 0 to {2**31 - 1} by "
            "which one is drawn"
        )
    return _drawn(int(name))


@lru_cache(maxsize=8)
def _drawn(seed: int) -> dict[str, Domain]:
    rng = np.random.default_rng([seed, 7])
    signs = {trait: rng.permutation((1, 1, -1, -1)) for trait in TRAITS}
    drawn = {}
    for place, kind in enumerate(DOMAINS.values()):
        traits = {t: float(signs[t][place] * rng.uniform(0.6, 1.3)) for t in TRAITS}
        domain = _draw_domain(rng, f"drawn-{kind.name}", kind, traits)
        drawn[domain.name] = domain
    return drawn


def _draw_domain(
    rng: np.random.Generator, name: str, kind: Domain, traits: dict[str, float]
) -> Domain:
    """Draw a data set with cameras and manners of `kind`; all that was bought is drawn anew."""
    kelvin = float(rng.uniform(4200, 6600))
    displays = rng.permutation(list(DISPLAYS))[: rng.integers(1, 3)]
    printers = ["laser", "inkjet"] if rng.random() < 0.5 else ["laser"]
    return replace(
        kind,
        name=name,
        like=f"drawn, with cameras like those of {kind.like}",
        cameras=tuple(
            _draw_camera(rng, f"{name}-camera-{i}", like, traits)
            for i, like in enumerate(kind.cameras, 1)
        ),
        attackers=tuple(
            _draw_attacker(rng, f"{name}-attacker-{i}", traits)
            for i in range(1, 2 + int(rng.integers(2)))
        ),
        printers=tuple(
            _draw_printer(rng, f"{name}-{like}-{i}", like, traits)
            for i, like in enumerate(printers, 1)
        ),
        displays=tuple(
            _draw_display(rng, f"{name}-{like}", str(like), kelvin, traits) for like in displays
        ),
        lights=tuple(
            _draw_light(rng, f"{name}-light-{i}", kelvin, kind)
            for i in range(1, 2 + int(rng.integers(3)))
        ),
    )


def _draw_camera(
    rng: np.random.Generator, name: str, like: CameraDevice, traits: dict[str, float]
) -> CameraDevice:
    """A camera of the same class; what its white balance and exposure are off by is drawn."""
    warmth = -0.055 * traits["warmth"]
    return replace(
        like,
        name=name,
        n=2 * round(like.n * rng.uniform(0.93, 1.07) / 2),
        sigma=like.sigma * float(rng.uniform(0.9, 1.15)),
        shot=like.shot * math.exp(rng.normal(0.0, 0.3)),
        cast=(float(warmth + rng.normal(0, 0.02)), float(-warmth + rng.normal(0, 0.02))),
        saturation=float(rng.uniform(0.9, 1.1)),
        tone=float(np.clip(like.tone + rng.uniform(-0.15, 0.15), 0, 1)),
        sharpen=float(np.clip(like.sharpen + rng.uniform(-0.15, 0.15), 0, 1)),
        denoise=float(np.clip(like.denoise + rng.uniform(-0.15, 0.15), 0, 1)),
        jpeg=int(np.clip(like.jpeg + rng.integers(-5, 6), 50, 95)),
        exposure=float(-0.15 * traits["lightness"] + rng.normal(0, 0.05)),
    )


def _draw_attacker(rng: np.random.Generator, name: str, traits: dict[str, float]) -> CameraDevice:
    warmth = 0.03 * traits["warmth"]
    return CameraDevice(
        name,
        "phone or compact camera",
        n=2 * round(math.exp(rng.uniform(math.log(90), math.log(240))) / 2),
        sigma=float(rng.uniform(0.30, 0.40)),
        fill_x=0.9,
        fill_y=0.9,
        shot=math.exp(rng.uniform(math.log(1.5e-4), math.log(8e-4))),
        cast=(float(warmth + rng.normal(0, 0.01)), float(-warmth + rng.normal(0, 0.01))),
        saturation=float(rng.uniform(0.95, 1.1)),
        tone=float(rng.uniform(0.4, 0.8)),
        sharpen=float(rng.uniform(0.2, 0.7)),
        denoise=float(rng.uniform(0.1, 0.4)),
        jpeg=int(rng.integers(80, 94)),
    )


def _draw_printer(
    rng: np.random.Generator, name: str, like: str, traits: dict[str, float]
) -> Printer:
    tint = 0.12 * traits["warmth"] + rng.normal(0, 0.02, 3)
    narrow = float(rng.uniform(45, 70))
    glossy = float(rng.uniform(0.04, 0.12)) * (rng.random() < 0.6)
    laser = like == "laser"
    return Printer(
        name,
        like,
        lpi=float(rng.choice((75, 85, 100, 106, 133))) if laser else 0.0,
        face_mm=(narrow, narrow * float(rng.uniform(1.3, 1.6))),
        paper=tuple(float(v) for v in np.minimum(np.exp(tint * (1.0, 0.1, -1.4)), 1.14)),
        contrast=math.exp(-0.30 * traits["lightness"] + rng.normal(0, 0.04)),
        chroma=1.4 * math.exp(0.22 * traits["print chroma"] + rng.normal(0, 0.03)),
        dot_gain=float(rng.uniform(0.08, 0.18)),
        yule_nielsen=float(rng.uniform(1.6, 2.0)),
        black_share=float(rng.uniform(0.4, 0.8)),
        grain=float(rng.uniform(0.018, 0.032) if laser else rng.uniform(0.04, 0.06)),
        bands=float(rng.uniform(0.010, 0.025)),
        gloss=(glossy / 4, glossy),
    )


def _draw_display(
    rng: np.random.Generator, name: str, like: str, kelvin: float, traits: dict[str, float]
) -> Display:
    """A display's white is warmer or cooler than the room; both along the scale of 1 / kelvin."""
    ppi, face_mm = DISPLAYS[like]
    mired = 1e6 / kelvin + 35 * traits["warmth"] + rng.normal(0, 6)
    return Display(
        name,
        like,
        ppi=float(rng.uniform(*ppi)),
        face_mm=face_mm,
        kelvin=float(np.clip(1e6 / mired, 3500, 10500)),
        brightness=math.exp(0.45 * traits["display brightness"] + rng.normal(0, 0.08)),
        saturation=math.exp(0.20 * traits["display saturation"] + rng.normal(0, 0.03)),
        gamma=float(rng.uniform(2.1, 2.4)),
        black=float(rng.uniform(0.001, 0.006)),
        bands=float(rng.uniform(0.05, 0.10)),
        veil=float(rng.uniform(0.010, 0.030)),
        bezel=float(rng.choice((0.03, 0.05, 0.6), p=(0.45, 0.4, 0.15))),
    )


def _draw_light(rng: np.random.Generator, name: str, kelvin: float, kind: Domain) -> Light:
    key = kelvin * math.exp(rng.normal(0, 0.06))
    low = float(rng.uniform(0.7, 1.2))
    places = sorted({b for light in kind.lights for b in light.backgrounds})
    return Light(
        name,
        key,
        key * float(rng.uniform(0.92, 1.15)),
        key_ratio=(low, low + float(rng.uniform(0.8, 1.4))),
        level=float(rng.uniform(0.75, 1.2)),
        backgrounds=tuple(str(b) for b in rng.permutation(places)[: 1 + rng.integers(2)]),
    )
