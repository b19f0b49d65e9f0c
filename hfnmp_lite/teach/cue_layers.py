"""An attack taken apart into what it was composed of, so that sliders can weigh the parts anew.

The simulator computes the parts, once for each attack and camera; weighing them and developing the
picture takes some hundredths of a second, where rendering it again would take some tenths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from hfnmp_lite.simulate import camera, face, printing, scene, screen
from hfnmp_lite.simulate.geometry import FRONTAL, warp

FINE = {"print": "halftone", "replay": "moire"}
"""The cue of each medium's fine periodic structure."""


@dataclass(frozen=True)
class Layers:
    """What is added up, and multiplied, where an attack reaches the sensor.

    With all cues on the irradiance is

        (1 - o) (c B M) + F + G,    F = o times what is seen around the picture.

    Attributes
    ----------
    take : Take
        The attack, a print or a replay.
    plain, coloured : ndarray
        (n, n, 3) irradiance of the picture in its own colours, and in those of ink or display, c.
    bands, fine : ndarray
        (n, n, 3) factors B and M of the bands and of the fine structure; 1 where there is none.
    glare, frame : ndarray
        (n, n, 3) irradiance G that paper or glass mirrors, and F.
    outside : ndarray
        (n, n, 1) share o of a pixel that does not show the picture.
    settings : Settings
        What the camera chose when it saw all cues; kept when they change.
    size : int
        Side of the camera's image in pixels.
    """

    take: scene.Take
    plain: np.ndarray
    coloured: np.ndarray
    bands: np.ndarray
    fine: np.ndarray
    glare: np.ndarray
    frame: np.ndarray
    outside: np.ndarray
    settings: camera.Settings
    size: int

    def capture(
        self, fine: float, glare: float, bands: float, bezel: bool, gamut: bool
    ) -> np.ndarray:
        """Return what the camera makes of the attack with its cues weighed anew.

        Parameters
        ----------
        fine, glare, bands : float
            Strengths >= 0; 1 is as drawn, 0 is off.
        bezel, gamut : bool
            Whether the picture's end is in view; whether ink or display changes the colours.

        Returns
        -------
        ndarray
            (size, size, 3) uint8 RGB, the decoded JPEG. The noise is the same at each call.
        """
        light = self.coloured if gamut else self.plain
        light = light * (1 + np.float32(bands) * (self.bands - 1))
        light *= np.maximum(1 + np.float32(fine) * (self.fine - 1), 0)
        if bezel:
            light = (1 - self.outside) * light + self.frame
        light += np.float32(glare) * self.glare
        take = self.take
        made = camera.develop(light, take.camera, self.settings, take.noise_seed, self.size)
        return camera.decode_jpeg(made.jpeg)

    @cached_property
    def bare(self) -> np.ndarray:
        """The attack with all cues off, as `capture` returns it."""
        return self.capture(0, 0, 0, False, False)


def take_apart(take: scene.Take, size: int = 128) -> Layers:
    """Take an attack apart, by presenting it to the sensor with one cue at a time.

    Parameters
    ----------
    take : Take
        A print or a replay.
    size : int
        Side of the camera's image in pixels.

    Raises
    ------
    ValueError
        The take is no print and no replay.
    """
    if take.attack_type not in FINE:
        raise ValueError(f"the take is {take.attack_type or 'live'}; expected print or replay")
    module = printing if take.attack_type == "print" else screen
    n = camera.sensor_pixels(take.camera, size)
    aperture = camera.aperture_at(take.camera, size)
    canvas = _canvas(take.subject, take.shot, scene.canvas_pixels(n))
    shown = scene.capture(canvas, take.shot, take.attacker, take.attacker_seed)
    light, behind = scene.room_light(take.shot), _behind(take, n)

    def present(*cues: str) -> tuple[np.ndarray, np.ndarray]:
        given = (shown, take.medium, take.view, aperture, n, light, behind, frozenset(cues))
        made = module.present(*given)
        return made.irradiance, made.envelopes["bezel"][..., None]

    def factor(cue: str) -> np.ndarray:
        return present(cue)[0] / np.maximum(plain, 1e-6)

    plain, _ = present()
    framed, outside = present("bezel")
    whole, _ = present(*module.CUES)
    return Layers(
        take=take,
        plain=plain,
        coloured=present("gamut")[0],
        bands=factor("bands"),
        fine=factor(FINE[take.attack_type]),
        glare=present("bezel", "glare")[0] - framed,
        frame=framed - (1 - outside) * plain,
        outside=outside,
        settings=camera.meter(whole, take.camera, scene.room(canvas, take.shot)),
        size=size,
    )


@lru_cache(maxsize=4)
def _canvas(subject: face.Subject, shot: face.Shot, pixels: int) -> np.ndarray:
    canvas = face.render(subject, shot, pixels)
    canvas.flags.writeable = False
    return canvas


def _behind(take: scene.Take, n: int) -> np.ndarray:
    """What is seen beyond the sheet or device, (n, n, 3) radiance."""
    shot = replace(take.shot, background_seed=take.room_seed)
    return warp(face.render_background(shot, scene.canvas_pixels(n)), *FRONTAL.plane(n))
