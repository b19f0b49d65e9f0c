"""The things that a data set is made with, and what one take adds to them.

A camera, printer, display or light has a name and fixed parameters: a data set knows a handful of
each. From a device a *take* draws the camera, print or screen of one presentation: the size of the
face on the medium, the phases, the bend, the reflections, the exposure of the moment. What a device
fixes is the same in every take, so a network can learn it by heart and be fooled by the next data
set's. Sources: [b] Brooks et al. 2019 for sensors and noise; all else is our tuning, plausible and
not fitted [t].
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from hfnmp_lite.files import InputError
from hfnmp_lite.simulate import backgrounds
from hfnmp_lite.simulate.camera import Camera
from hfnmp_lite.simulate.geometry import LUMINANCE, Aperture, draw_sides
from hfnmp_lite.simulate.printing import Print
from hfnmp_lite.simulate.screen import Pane, Screen
from hfnmp_lite.simulate.tones import illuminant

Range = tuple[float, float]
PRESETS = ("physical", "vivid")
NUMBERS = {
    "Range": 2,
    "tuple[float, float]": 2,
    "tuple[float, float, float]": 3,
}  # by a field's type
T = TypeVar("T")


@dataclass(frozen=True)
class CameraDevice:
    """A camera as its maker set it; the sensor behind it is drawn once, from its name [b].

    Attributes
    ----------
    name, like : str
        What it is called here; the class of device that it imitates.
    n : int
        Sensor pixels across the crop for a 128-px output.
    sigma, fill_x, fill_y : float
        PSF in sensor pixels; share of the pixel pitch that collects light.
    shot : float
        Shot noise factor in a room of light 1 [b].
    cast : tuple of 2 float
        Natural logarithm by which its white balance is off, in red and in blue.
    balance : float
        Share of the light's colour cast that its white balance removes.
    crop : float
        Share of the metering that follows the face crop; the rest follows the room.
    exposure : float
        Bias of its auto exposure, EV.
    saturation, tone, sharpen, denoise, black, flare, vignette, jpeg
        As in `camera.Camera`.
    """

    name: str
    like: str
    n: int
    sigma: float
    fill_x: float
    fill_y: float
    shot: float
    cast: tuple[float, float]
    saturation: float
    tone: float
    sharpen: float
    denoise: float
    jpeg: int
    exposure: float = 0.0
    balance: float = 0.85
    crop: float = 0.3
    black: float = 0.5
    flare: float = 0.03
    vignette: float = 0.15

    def __post_init__(self) -> None:
        for field, low, high in (
            *(("n", 32, 1024), ("sigma", 0.05, 3), ("fill_x", 0.1, 1), ("fill_y", 0.1, 1)),
            *(("shot", 1e-6, 0.1), ("cast", -1, 1), ("saturation", 0, 3), ("tone", 0, 1)),
            *(("sharpen", 0, 3), ("denoise", 0, 1), ("jpeg", 1, 100), ("exposure", -3, 3)),
            *(("balance", 0, 1), ("crop", 0, 1), ("black", 0, 1), ("flare", 0, 1)),
            ("vignette", 0, 1),
        ):
            _within(self, field, low, high)


@dataclass(frozen=True)
class Printer:
    """A printer with its paper.

    Attributes
    ----------
    name, like : str
    lpi : float
        Lines per inch of its halftone; 0 for an inkjet, whose dots are scattered as blue noise.
    face_mm : Range
        Width of the face crop on the paper; drawn take by take.
    paper : tuple of 3 float
        Reflectance of the bare paper beside that of white paper (`ink.PAPER`), linear RGB.
    contrast, chroma : float
        What its driver does to the picture, `ink.manage`.
    dot_gain, yule_nielsen, black_share : float
        As in `printing.Print`.
    grain, fibre, bands : float
        Standard deviations of ink grain and paper fibre, amplitude of the banding.
    gloss : Range
        Peak radiance of the highlight per unit of light; (0, 0) for matt paper.
    """

    name: str
    like: str
    lpi: float
    face_mm: Range
    paper: tuple[float, float, float]
    contrast: float
    chroma: float
    dot_gain: float = 0.12
    yule_nielsen: float = 1.8
    black_share: float = 0.6
    grain: float = 0.02
    fibre: float = 0.005
    bands: float = 0.012
    gloss: Range = (0.0, 0.0)

    def __post_init__(self) -> None:
        for field, low, high in (
            *(("lpi", 0, 600), ("face_mm", 5, 600), ("paper", 0.2, 1.15), ("contrast", 0.3, 3)),
            *(("chroma", 0, 3), ("dot_gain", 0, 0.5), ("yule_nielsen", 1, 4)),
            *(("black_share", 0, 1), ("grain", 0, 0.3), ("fibre", 0, 0.1), ("bands", 0, 0.3)),
            ("gloss", 0, 2),
        ):
            _within(self, field, low, high)


@dataclass(frozen=True)
class Display:
    """A phone, tablet, laptop or monitor.

    Attributes
    ----------
    name, like : str
    ppi : float
        Its pixels per inch.
    face_mm : Range
        Width of the face crop on it; drawn take by take.
    kelvin : float
        Colour temperature of its white.
    brightness : float
        Radiance of its white beside a diffuse white in a room of light 1.
    saturation : float
        Its primaries' distance from grey beside those of sRGB.
    gamma, black : float
        Display gamma; black level as a share of white.
    bands : float
        Amplitude of the rolling-shutter bands.
    mirrors : Range
        Radiance of what its glass mirrors, log-uniform.
    veil : float
        Diffuse reflection of the room.
    bezel : float
        Reflectance of its frame.
    """

    name: str
    like: str
    ppi: float
    face_mm: Range
    kelvin: float
    brightness: float
    saturation: float
    gamma: float = 2.2
    black: float = 0.003
    bands: float = 0.04
    mirrors: Range = (0.12, 0.40)
    veil: float = 0.016
    bezel: float = 0.04

    def __post_init__(self) -> None:
        for field, low, high in (
            *(("ppi", 20, 1000), ("face_mm", 5, 600), ("kelvin", 1700, 25000)),
            *(("brightness", 0.05, 20), ("saturation", 0, 2), ("gamma", 1, 4), ("black", 0, 0.5)),
            *(("bands", 0, 0.5), ("mirrors", 1e-4, 5), ("veil", 0, 1), ("bezel", 0, 1)),
        ):
            _within(self, field, low, high)


@dataclass(frozen=True)
class Light:
    """A room and how it is lit.

    Attributes
    ----------
    name : str
    key_kelvin, ambient_kelvin : float
        Colour temperatures of the light from one side and of that from everywhere.
    key_ratio : Range
        Key light beside ambient light.
    level : float
        How much light there is; screens stand out from a dark room, and noise is stronger there.
    backgrounds : tuple of str
        What may stand behind the person.
    """

    name: str
    key_kelvin: float
    ambient_kelvin: float
    key_ratio: Range
    level: float
    backgrounds: tuple[str, ...]

    def __post_init__(self) -> None:
        for field, low, high in (
            *(("key_kelvin", 1700, 25000), ("ambient_kelvin", 1700, 25000)),
            *(("key_ratio", 0, 20), ("level", 0.05, 20)),
        ):
            _within(self, field, low, high)
        if unknown := [b for b in self.backgrounds if b not in backgrounds.KINDS]:
            raise InputError(
                f"Light '{self.name}': backgrounds names '{unknown[0]}'; expected some of "
                f"{', '.join(backgrounds.KINDS)}"
            )


def table(device: type[T], text: str) -> tuple[T, ...]:
    """Read devices from a table: a column each, named in the first line; a line for each field.

    Cells are parted by "|", the numbers of a range or colour by blanks.

    Raises
    ------
    InputError
        Two devices have one name; a field is unknown or missing, a cell is empty or no number, a
        value is impossible.
    """
    lines = [[c.strip() for c in line.split("|")] for line in text.strip().splitlines()]
    named: list[dict[str, object]] = [{"name": name} for name in lines[0][1:]]
    if len({d["name"] for d in named} - {""}) < len(named):
        raise InputError(f"devices are called {lines[0][1:]}; expected a name of its own for each")
    kinds = {f.name: str(f.type) for f in fields(device)}
    for field, *cells in lines[1:]:
        if field not in kinds:
            raise InputError(f"'{field}' is no field of a {device.__name__}: {', '.join(kinds)}")
        if len(cells) != len(named):
            raise InputError(
                f"'{field}' has {len(cells)} values for {len(named)} devices; expected one each"
            )
        for values, cell in zip(named, cells, strict=True):
            values[field] = _value(kinds[field], field, cell)
    try:
        return tuple(device(**values) for values in named)
    except TypeError as error:
        raise InputError(f"a table of devices is incomplete ({error})") from None


def _value(kind: str, field: str, cell: str) -> object:
    if not cell:
        raise InputError(f"'{field}' is empty; expected a value for each device")
    try:
        if kind == "str":
            return cell
        if kind == "tuple[str, ...]":
            return tuple(cell.split())
        if kind in ("int", "float"):
            return {"int": int, "float": float}[kind](cell)
        return tuple(float(v) for v in cell.split())
    except ValueError:
        raise InputError(f"'{field}' is '{cell}'; expected numbers") from None


def _within(thing: object, field: str, low: float, high: float) -> None:
    """Refuse an impossible value by the names of device and field."""
    given = getattr(thing, field)
    values = given if isinstance(given, tuple) else (given,)
    kind = next(str(f.type) for f in fields(thing) if f.name == field)
    where = f"{type(thing).__name__} '{thing.name}': {field}"
    if len(values) != NUMBERS.get(kind, 1):
        raise InputError(f"{where} has {len(values)} numbers; expected {NUMBERS.get(kind, 1)}")
    for value in values:
        if not low <= value <= high:
            raise InputError(f"{where} is {value:g}; expected {low:g} to {high:g}")
    if kind == "Range" and values[0] > values[1]:
        raise InputError(f"{where} is {values[0]:g} to {values[1]:g}; expected the smaller first")


def draw_camera(rng: np.random.Generator, device: CameraDevice, light: Light) -> Camera:
    """Draw what a camera does in one presentation; the same for a live face and for any attack."""
    sensor = np.random.default_rng(zlib.crc32(device.name.encode()))
    weights = sensor.uniform(1e-8, 1.0, 4)  # of the colour matrices, uniform, normalised [b]
    z = np.clip(rng.standard_normal(8), -2.5, 2.5)
    shot = device.shot / light.level * math.exp(0.25 * z[0])
    return Camera(
        name=device.name,
        n=device.n,
        aperture=Aperture(device.sigma * math.exp(0.10 * z[1]), device.fill_x, device.fill_y),
        shot=shot,
        read=math.exp(2.18 * math.log(shot) + 1.20 + 0.26 * float(z[2])),  # [b]
        red_gain=float(sensor.uniform(1.9, 2.4)),
        blue_gain=float(sensor.uniform(1.5, 1.9)),
        ccm=tuple(float(w) for w in weights / weights.sum()),
        vignette=device.vignette,
        flare=device.flare * math.exp(0.3 * float(z[3])),
        black=device.black,
        saturation=device.saturation,
        denoise=device.denoise,
        tone=device.tone,
        sharpen=device.sharpen,
        jpeg=int(np.clip(device.jpeg + rng.integers(-3, 4), 30, 98)),
        exposure=device.exposure + 0.10 * float(z[4]),
        balance=device.balance,
        balance_error=(device.cast[0] + 0.015 * float(z[5]), device.cast[1] + 0.015 * float(z[6])),
        crop=device.crop,
    )


def draw_attacker(rng: np.random.Generator, device: CameraDevice, light: Light) -> Camera:
    """Draw the attacker's camera, at some distance: its `n` is that of the picture at any size."""
    taken = draw_camera(rng, device, light)
    return replace(taken, n=round(taken.n * math.exp(np.clip(rng.normal(0.0, 0.12), -0.3, 0.3))))


def draw_print(
    rng: np.random.Generator,
    printer: Printer,
    *,
    preset: str = "physical",
    bend_max: float = 0.35,
    edges: float = 0.25,
    sensor: int = 256,
) -> Print:
    """Draw one print of a printer and how it is held.

    Parameters
    ----------
    rng : numpy.random.Generator
    printer : Printer
    preset : {"physical", "vivid"}
        "vivid" is for demonstrations: a coarse, strong halftone of .9-1.6 sensor pixels, strong
        banding and gloss, the sheet's edge in view.
    bend_max : float
        Largest bend, radians; 0 keeps every sheet flat.
    edges : float
        Probability that the sheet ends within the crop.
    sensor : int
        Pixels n across the sensor that will look; only "vivid" asks, for its pitch.

    Raises
    ------
    InputError
        If the preset is unknown.
    """
    vivid = _is_vivid(preset)
    width = rng.uniform(*printer.face_mm)  # drawn for an inkjet too: all that follows stays alike
    pitch = 25.4 / (printer.lpi * width) if printer.lpi else 0.0
    pixels = rng.uniform(0.9, 1.6)
    gloss = rng.uniform(0.15, 0.4) if vivid else rng.uniform(*printer.gloss)
    centred = 0.5 if vivid else 1.0  # 1: the lamp's mirror image is mostly within the view
    bend = float(rng.uniform(-1.0, 1.0) * bend_max)
    return Print(
        name=printer.name,
        pitch=pixels / sensor if vivid else pitch,
        turn=float(rng.normal(0.0, 0.03)),
        phases=tuple(float(v) for v in rng.uniform(0.0, 1.0, 8)),
        strength=1.5 if vivid else 1.0,
        dot_gain=printer.dot_gain,
        yule_nielsen=printer.yule_nielsen,
        black_share=printer.black_share,
        grain=float(printer.grain * rng.uniform(0.8, 1.2)),
        fibre=printer.fibre,
        texture_seed=int(rng.integers(2**31)),
        band_amplitude=float(rng.uniform(0.04, 0.08) if vivid else printer.bands),
        band_periods=tuple(float(v) for v in np.exp(rng.uniform(np.log(0.025), np.log(0.2), 3))),
        band_phases=tuple(float(v) for v in rng.uniform(0.0, 1.0, 3)),
        bend=bend,
        bend_axis=float(rng.choice((0.0, math.pi / 2.0), p=(0.75, 0.25)) + rng.normal(0.0, 0.15)),
        light_angle=float(rng.uniform(-0.6, 0.6)),
        gloss=float(gloss),
        gloss_width=float(rng.uniform(0.03, 0.12)),
        gloss_at=(
            float(rng.uniform(-centred, centred) * (abs(bend) + 0.1)),
            float(rng.uniform(-centred, centred) * 0.12),
        ),
        sides=draw_sides(rng, 1.0 if vivid else edges, 0.08),
        rim=float(rng.uniform(0.0, 0.05) * (rng.uniform() < 0.7)),
        contrast=printer.contrast,
        chroma=printer.chroma,
        paper=printer.paper,
    )


def draw_screen(
    rng: np.random.Generator,
    display: Display,
    *,
    preset: str = "physical",
    level: float = 1.0,
    edges: float = 0.25,
    sensor: int = 256,
) -> Screen:
    """Draw how a display stands in the room.

    Parameters
    ----------
    rng : numpy.random.Generator
    display : Display
    preset : {"physical", "vivid"}
        "vivid" is for demonstrations: a pitch of .95-1.3 sensor pixels, a stronger grid, stronger
        bands, a window in the glass and the bezel in view.
    level : float
        The room's light; the display's own brightness stays what it is.
    edges : float
        Probability that the picture ends within the crop.
    sensor : int
        Pixels n across the sensor that will look; only "vivid" asks, for its pitch.

    Raises
    ------
    InputError
        If the preset is unknown.
    """
    vivid = _is_vivid(preset)
    pitch = 25.4 / (display.ppi * rng.uniform(*display.face_mm))
    pixels = rng.uniform(0.95, 1.3)
    panes = tuple(_draw_pane(rng, (0.12, 0.4) if vivid else display.mirrors) for _ in range(2))
    count = int(rng.choice(3, p=(0.0, 0.4, 0.6)))
    return Screen(
        name=display.name,
        pitch=pixels / sensor if vivid else pitch,
        turn=float(rng.normal(0.0, 0.03) + math.pi / 2.0 * rng.integers(2)),
        phase=(float(rng.uniform()), float(rng.uniform())),
        strength=2.0 if vivid else 1.0,
        gamma=display.gamma,
        black=display.black,
        primaries=_primaries(display.saturation),
        white=tuple(float(v) for v in illuminant(display.kelvin)),
        brightness=display.brightness / level * math.exp(rng.normal(0.0, 0.08)),
        band_amplitude=float(rng.uniform(0.1, 0.2))
        if vivid
        else display.bands * math.exp(rng.normal(0.0, 0.3)),
        band_period=float(rng.uniform(0.25, 1.2)),
        band_phase=float(rng.uniform()),
        band_shape=float(rng.uniform(0.0, 0.4)),
        panes=panes[: max(count, 1) if vivid else count],
        veil=tuple(float(v) for v in display.veil * rng.uniform(0.5, 1.5, 4)),
        sides=draw_sides(rng, 1.0 if vivid else edges, 0.08),
        bezel=float(rng.uniform(0.03, 0.15)),
        bezel_reflectance=display.bezel,
    )


def _is_vivid(preset: str) -> bool:
    if preset not in PRESETS:
        raise InputError(f"preset is {preset!r}; expected 'physical' or 'vivid'")
    return preset == "vivid"


def _draw_pane(rng: np.random.Generator, radiance: Range) -> Pane:
    centre = rng.uniform(0.0, 1.0, 2)
    half = np.exp(rng.uniform(np.log(0.05), np.log(0.22), 2))
    peak = math.exp(rng.uniform(math.log(radiance[0]), math.log(radiance[1])))
    warmth = rng.uniform(-0.2, 0.2)  # a lamp's warmth or a window's blue, against the room
    return Pane(
        centre=(float(centre[0]), float(centre[1])),
        half=(float(half[0]), float(half[1])),
        turn=float(rng.normal(0.0, 0.12)),
        soft=float(rng.uniform(0.008, 0.05)),
        radiance=(peak * (1.0 + warmth), peak, peak * (1.0 - warmth)),
        bars=bool(rng.uniform() < 0.5),
        round=bool(rng.uniform() < 0.3),
    )


def _primaries(saturation: float) -> tuple[float, ...]:
    """Row-major matrix to linear sRGB of primaries nearer to grey, or farther: rows sum to 1."""
    matrix = saturation * np.eye(3) + (1.0 - saturation) * LUMINANCE.astype(float)
    return tuple(float(v) for v in matrix.ravel())
