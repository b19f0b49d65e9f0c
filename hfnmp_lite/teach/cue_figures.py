"""Figures of notebook 01: what a print or a screen adds to a face, and what a camera keeps of it.

Pictures and functions come from the simulator; nothing is drawn that it does not compute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hfnmp_lite.simulate import camera, scene, screen
from hfnmp_lite.simulate.cues import CueMap
from hfnmp_lite.simulate.domains import DOMAINS
from hfnmp_lite.simulate.geometry import Aperture, otf
from hfnmp_lite.teach.cue_layers import FINE, Layers
from hfnmp_lite.teach.figures import OTHERS, PALETTE, SIZE, _dress, _figure, colour
from hfnmp_lite.teach.widgets import DPI, gallery

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BRIGHTEST = 60.0
"""Grey levels of change that are drawn brightest."""

COLOURED = 40.0
"""Difference of red and green, in grey levels, that is drawn white; the median is grey."""

PLACES = 6
"""Theory is drawn for PLACES x PLACES places of a view."""

LOOKS = {
    "webcam": (PALETTE["live"], "-"),
    "handheld": (PALETTE["print"], "--"),
    "mixed": (OTHERS[0], "-."),
    "phone": (OTHERS[1], (0, (5, 1, 1, 1, 1, 1))),
}
"""A colour and a line style for each domain."""

MARKS = {"live": "o", "print": "s", "replay": "^"}


# --- pictures -----------------------------------------------------------------------------------


def cue_sheet(maps: Mapping[str, Sequence[CueMap]]) -> tuple[Figure, str]:
    """Show attacks, and beside each what every cue changes in it.

    Parameters
    ----------
    maps : mapping
        Attack type -> its cues' maps, all of the same frame.

    Returns
    -------
    figure : Figure
        One row an attack: the picture, then the changes before JPEG, black for none, brightest
        from `BRIGHTEST` grey levels on; titles give the mask's share of the pixels.
    alt : str
        These shares in words.
    """
    images, titles, said = [], [], []
    for kind, found in maps.items():
        images.append(found[0].full.image)
        titles.append(kind)
        for m in found:
            images.append(_heat(m.soft_before_jpeg))
            titles.append(f"{m.cue} {m.mask.mean():.0%}")
        said.append(f"{kind}: " + ", ".join(f"{m.cue} {m.mask.mean():.0%}" for m in found))
    figure = gallery(images, titles, columns=1 + max(map(len, maps.values())))
    return figure, "Share of pixels that each cue changes. " + "; ".join(said) + "."


def _heat(change: np.ndarray) -> np.ndarray:
    """Colours of changes >= 0 in grey levels, by their square root: (..., 3) uint8."""
    from matplotlib import colormaps

    share = np.sqrt(np.clip(change / BRIGHTEST, 0, 1))
    return colormaps["inferno"](share, bytes=True)[..., :3]


def bench(
    layers: Layers, fine: float, glare: float, bands: float, bezel: bool, gamut: bool
) -> tuple[Figure, str]:
    """Show an attack with its cues weighed: picture, red minus green, and the spectrum of that.

    A screen's red and green stripes lie a third of a pitch apart, so do their waves: they nearly
    cancel in the mean of the channels, and stand out in the difference.

    Parameters
    ----------
    layers : Layers
    fine, glare, bands, bezel, gamut
        As in `Layers.capture`.

    Returns
    -------
    figure : Figure
        The camera's picture; red minus green, white and black from `COLOURED` levels on; its log
        power spectrum up to a quarter of a cycle per pixel, frequency 0 in the middle. Rings in
        its lower half: where theory puts a screen's moire.
    alt : str
        Settings, and the change against the attack without cues, in words.
    """
    from matplotlib.figure import Figure

    image = layers.capture(fine, glare, bands, bezel, gamut)
    levels = image.astype(np.float32)
    coloured = levels[..., 0] - levels[..., 1]
    side, gap, head, foot = 256, 16, 30, 50  # pixels
    width, height = 3 * side + 4 * gap, head + side + foot
    figure = Figure(figsize=(width / DPI, height / DPI))
    kind = layers.take.attack_type
    places = [gap + i * (side + gap) for i in range(3)]
    panels = [
        figure.add_axes((left / width, foot / height, side / width, side / height))
        for left in places
    ]
    even = coloured - np.median(coloured)
    limits = {"cmap": "gray", "vmin": -COLOURED, "vmax": COLOURED}
    for axes, picture in zip(panels, (image, even), strict=False):
        axes.imshow(picture, interpolation="nearest", aspect="auto", **limits)
        axes.set_axis_off()
    _draw_spectrum(panels[2], coloured, moire_at(layers.take, layers.size))
    titles = (f"{kind}, {layers.take.domain}", "red minus green", "its spectrum")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=SIZE, pad=5)
    change = np.abs(levels - layers.bare).max(2)
    return figure, (
        f"Simulated {kind}, camera {layers.take.domain}: {FINE[kind]} {fine:.1f}, glare "
        f"{glare:.1f}, bands {bands:.1f}, bezel {_on(bezel)}, gamut {_on(gamut)}. The cues change "
        f"the picture by {change.mean():.1f} grey levels in the mean, {(change > 6).mean():.0%} of "
        "its pixels by more than 6."
    )


def _on(switch: bool) -> str:
    return "on" if switch else "off"


def _draw_spectrum(axes: Axes, grey: np.ndarray, at: np.ndarray) -> None:
    """Draw the middle of a log power spectrum, and rings at frequencies `at` in its lower half."""
    window = np.hanning(len(grey))
    power = np.abs(np.fft.fft2((grey - grey.mean()) * np.outer(window, window))) ** 2
    shown, half = np.log10(np.fft.fftshift(power) + 1), 0.5 / len(grey)
    edges = (-0.5 - half, 0.5 - half, 0.5 - half, -0.5 - half)
    axes.imshow(shown, cmap="inferno", vmin=2, vmax=8, extent=edges, aspect="auto")
    x, y = np.where(at[:, 1:] < 0, -at, at).T
    axes.plot(x, y, "o", markerfacecolor="none", markeredgecolor="#56B4E9", markersize=6)
    axes.set(xlim=(-0.25, 0.25), ylim=(0.25, -0.25), yticks=[])
    axes.set_xticks([-0.25, 0, 0.25], ["−¼", "0", "¼"], fontsize=SIZE - 1)
    axes.set_xlabel("cycles per pixel", fontsize=SIZE - 1, labelpad=0)
    axes.tick_params(pad=1)


def moire_at(take: scene.Take, size: int) -> np.ndarray:
    """Frequencies at which the first harmonic across a screen's stripes appears, over the view.

    Parameters
    ----------
    take : Take
    size : int
        Side of the camera's image in pixels.

    Returns
    -------
    ndarray
        (m, 2) along x and y, cycles per pixel of that image, at m places of the view: where a
        pixel looks decides the grid's frequency there, and sampling folds it. (0, 2) if the take
        is no replay.
    """
    if take.attack_type != "replay":
        return np.empty((0, 2))
    n, medium = camera.sensor_pixels(take.camera, size), take.medium
    across = np.array([math.cos(medium.turn), math.sin(medium.turn)]) / medium.pitch
    true = across @ take.view.jacobian(PLACES) * (PLACES / n)  # cycles per sensor pixel
    return ((true - np.round(true)) * n / size).reshape(-1, 2)


# --- frequencies --------------------------------------------------------------------------------


def fold(frequency: np.ndarray) -> np.ndarray:
    """Return the frequency in [0, 1/2] that samples at integers cannot tell from the given one.

    Parameters
    ----------
    frequency : ndarray or float
        Cycles per sample, any shape.
    """
    frequency = np.asarray(frequency, float)
    return np.abs(frequency - np.round(frequency))


def beats(pitches: Sequence[float], pixels: int = 60) -> tuple[Figure, str]:
    """Show how a fine wave, sampled once a pixel, becomes a slow one.

    Parameters
    ----------
    pitches : sequence of float
        Periods of the fine wave in pixels, one panel each.
    pixels : int
        Length of the row that is shown.
    """
    figure = _figure(8.0, 0.9 + 1.5 * len(pitches))
    panels = figure.subplots(len(pitches), 1, sharex=True, squeeze=False)[:, 0]
    at, fine = np.arange(pixels + 1), np.linspace(0, pixels, 40 * pixels)
    said = []
    for axes, pitch in zip(panels, pitches, strict=True):
        frequency = 1 / pitch
        slow = frequency - np.round(frequency)
        _dress(axes).plot(fine, np.cos(2 * np.pi * frequency * fine), color="#BBBBBB", linewidth=1)
        axes.plot(fine, np.cos(2 * np.pi * slow * fine), color=PALETTE["replay"], linewidth=2.5)
        axes.plot(at, np.cos(2 * np.pi * frequency * at), "o", color="black", markersize=4)
        period = 1 / abs(slow)
        title = f"pitch {pitch:.2f} pixels: {frequency:.3f} cycles a pixel become {abs(slow):.3f}"
        axes.set_title(f"{title}, a stripe every {period:.0f} pixels", loc="left", fontsize=SIZE)
        axes.set(yticks=[], xlim=(-0.5, pixels + 0.5), ylim=(-1.25, 1.25))
        axes.set_ylabel("light", fontsize=SIZE)
        said.append(f"pitch {pitch:.2f} gives a stripe every {period:.0f} pixels")
    panels[-1].set_xlabel("place on the sensor (pixels)", fontsize=SIZE)
    alt = "A fine grey wave, black dots where pixels sample it, and the slow wave through the dots"
    return figure, f"{alt}: {'; '.join(said)}."


def who_sees(clear: float = 0.01) -> tuple[Figure, str]:
    """Show which camera sees which screen: the moire's frequency and its strength over the pitch.

    Above, the frequency that the grid's first harmonic has after sampling. Below it, the amplitude
    2 sinc(.30) OTF(1 / p) that the sharpest camera of each domain leaves of it, and bars over the
    pitches that the domain's screens have, filled where that amplitude is at least `clear`.

    Parameters
    ----------
    clear : float
        A share of the radiance.
    """
    figure = _figure(8.2, 7.4)
    above, middle, below = figure.subplots(3, 1, sharex=True, height_ratios=(1, 1.4, 0.9))
    pitch = np.linspace(0.2, 1.55, 2701)
    _dress(above, "", "appears as\n(cycles / pixel)").plot(pitch, fold(1 / pitch), color="black")
    above.set(ylim=(0, 0.52), xlim=(0.2, 1.55))
    _dress(middle, "", "amplitude left\n(share of the light)").axhline(
        clear, color=PALETTE["oracle"], linestyle=":", linewidth=2
    )
    middle.annotate(f"{clear:.0%}", (1.55, clear * 1.25), ha="right", fontsize=SIZE - 1)
    _dress(below, "pitch p of the screen (sensor pixels)")
    said, flat = [], {"solid_capstyle": "butt"}
    for row, (domain, (shade, style)) in enumerate(LOOKS.items()):
        amplitude = _grid_amplitude(_sharpest(domain), pitch)
        middle.plot(pitch, amplitude, color=shade, linestyle=style, linewidth=2.5, label=domain)
        low, high = seen_pitches(domain)
        here = (pitch >= low) & (pitch <= high)
        below.plot([low, high], [row, row], color=shade, linewidth=14, alpha=0.25, **flat)
        seen = np.where(here & (amplitude >= clear), float(row), np.nan)
        below.plot(pitch, seen, color=shade, linewidth=14, **flat)
        said.append(f"{domain} {np.mean(amplitude[here] >= clear):.0%}")
    middle.set(yscale="log", ylim=(1e-4, 1))
    middle.legend(fontsize=SIZE - 1, loc="upper left", frameon=False)
    below.set_yticks(range(len(LOOKS)), list(LOOKS), fontsize=SIZE)
    below.set_ylim(len(LOOKS) - 0.4, -0.6)
    for axes in (above, middle, below):
        axes.axvline(1, color="#BBBBBB", linewidth=1, zorder=0)
    return figure, (
        "Apparent frequency of a screen's grid, a zigzag that touches 0 at a pitch of 1 and of 1/2 "
        "sensor pixel; the grid's amplitude behind the sharpest camera of each domain; and the "
        f"share of its range of pitches where {clear:.0%} or more is left: {', '.join(said)}."
    )


def seen_pitches(domain: str) -> tuple[float, float]:
    """Return the smallest and largest pitch of a screen before a domain's sensors, in pixels."""
    d = DOMAINS[domain]
    pixels = [c.n for c in d.cameras]
    low = min(25.4 / (s.ppi * s.face_mm[1]) for s in d.displays)
    high = max(25.4 / (s.ppi * s.face_mm[0]) for s in d.displays)
    return min(pixels) * low, max(pixels) * high


def _sharpest(domain: str) -> Aperture:
    c = min(DOMAINS[domain].cameras, key=lambda c: c.sigma)
    return Aperture(c.sigma, c.fill_x, c.fill_y)


def _grid_amplitude(aperture: Aperture, pitch: np.ndarray) -> np.ndarray:
    return np.abs(2 * np.sinc(screen.SUBPIXEL[0]) * otf(1 / pitch, np.zeros_like(pitch), aperture))


# --- domains ------------------------------------------------------------------------------------


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return (mean(b) - mean(a)) / sqrt((var(a) + var(b)) / 2), in standard deviations.

    Parameters
    ----------
    a, b : (n,) and (m,) ndarray
        Values of a statistic in two groups, not all equal.
    """
    return float((np.mean(b) - np.mean(a)) / np.sqrt((np.var(a) + np.var(b)) / 2))


def shifts(values: Mapping[str, Mapping[str, np.ndarray]], label: str) -> tuple[Figure, str]:
    """Show a statistic of presentations by domain and kind: every one a mark, means large.

    Parameters
    ----------
    values : mapping
        Domain -> kind -> (n,) values.
    label : str
        Of the statistic.
    """
    figure = _figure(8.2, 1.2 + 1.2 * len(values))
    axes = _dress(figure.subplots(), label)
    said = []
    for row, (domain, kinds) in enumerate(values.items()):
        for place, (kind, given) in enumerate(kinds.items()):
            height = row + 0.26 * (place - (len(kinds) - 1) / 2)
            spread = height + np.linspace(-0.09, 0.09, 7)[np.arange(len(given)) % 7]
            shade, mark = colour(kind, list(kinds)), MARKS[kind]
            axes.scatter(given, spread, s=18, color=shade, marker=mark, alpha=0.5, linewidth=0)
            name = kind if row == 0 else None
            style = {"s": 130, "edgecolor": "black", "zorder": 3}
            axes.scatter(given.mean(), height, color=shade, marker=mark, label=name, **style)
        said.append(f"{domain} " + ", ".join(f"{k} {v.mean():.1f}" for k, v in kinds.items()))
    axes.set_yticks(range(len(values)), list(values), fontsize=SIZE)
    axes.invert_yaxis()
    axes.grid(axis="x", color="#E5E5E5")
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper right", ncols=3, fontsize=SIZE - 1, frameon=False)
    return figure, f"Means of the statistic ({label}): {'; '.join(said)}."
