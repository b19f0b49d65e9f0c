"""Prints and screens against independent oracles: rasters, Fourier transforms, ray tracing."""

import dataclasses
import json
import math

import cv2
import numpy as np
import pytest
import raster

from hfnmp_lite.files import InputError
from hfnmp_lite.simulate import devices, geometry, ink, printing, screen
from hfnmp_lite.simulate.geometry import FRONTAL, MARGIN, Aperture, View
from hfnmp_lite.simulate.inventory import inventory_of

HANDHELD = Aperture(0.3, 0.9, 0.5)
PHONE = Aperture(0.32, 0.75, 0.75)
MIXED = Aperture(0.4, 0.8, 0.8)
WEBCAM = Aperture(0.5, 0.95, 0.95)
LIGHT = np.array([1.1, 1.0, 0.8], np.float32)
MEDIA = [printing, screen]
PRINTER = devices.Printer(
    *("laser", "office laser", 100, (50.0, 90.0), (1.03, 1.0, 0.95)),
    contrast=1.1,
    chroma=1.4,
    gloss=(0.02, 0.1),
)
INKJET = dataclasses.replace(PRINTER, name="inkjet", lpi=0.0, grain=0.05)
DISPLAY = devices.Display(
    *("tablet", "tablet", 132, (48.0, 100.0)), kelvin=6000, brightness=1.1, saturation=0.95
)
DEVICE = {printing: PRINTER, screen: DISPLAY}


def draw(module, seed, **how):
    made = devices.draw_print if module is printing else devices.draw_screen
    return made(np.random.default_rng(seed), DEVICE[module], **how)


def view_of(seed: int, distortion: float | None = None) -> View:
    view = geometry.draw_view(np.random.default_rng(seed), tilt_deg=6.0, roll_deg=8.0)
    return view if distortion is None else dataclasses.replace(view, distortion=distortion)


def picture(size: int) -> np.ndarray:
    """A smooth colourful canvas, uint8."""
    t = np.linspace(0.0, 1.0, size)
    x, y = np.meshgrid(t, t)
    waves = [0.5 + 0.4 * np.sin(7 * x + 3 * y + c) for c in range(3)]
    return (255 * np.dstack(waves)).astype(np.uint8)


def flat(value: int) -> np.ndarray:
    return np.full((64, 64, 3), value, np.uint8)


def behind(n: int) -> np.ndarray:
    return np.full((n, n, 3), 0.31, np.float32)


def show(module, medium, cues, *, n=96, view=None, shown=None, aperture=PHONE):
    view = view_of(3) if view is None else view
    shown = picture(2 * n) if shown is None else shown
    return module.present(shown, medium, view, aperture, n, LIGHT, behind(n), frozenset(cues))


def draw_with_everything(module, seed=5):
    """A medium that shows all its cues: outline in view, coarse pitch, glare."""
    medium = draw(module, seed, preset="vivid", sensor=96)
    return dataclasses.replace(medium, sides=(0.06, -1.0, 2.0, 0.95))


# --- lens, aperture, geometry -------------------------------------------------------------------


@pytest.mark.parametrize("aperture", [HANDHELD, PHONE, WEBCAM])
def test_otf_is_the_transform_of_pixel_and_spread(aperture):
    fine = 256  # points per pixel
    t = (np.arange(-6 * fine, 6 * fine) + 0.5) / fine
    frequencies = np.array([0.0, 0.2, 0.5, 0.8, 1.3])

    def transform(fill):
        box = (np.abs(t) < fill / 2).astype(float)
        spread = np.convolve(box, np.exp(-0.5 * (t / aperture.sigma) ** 2), mode="same")
        # "same" of two even-length arrays moves the result by half a point.
        waves = np.cos(2 * np.pi * frequencies[:, None] * (t - 0.5 / fine))
        return waves @ spread / spread.sum()

    expected = transform(aperture.fill_x)[:, None] * transform(aperture.fill_y)[None]
    got = geometry.otf(frequencies[:, None], frequencies[None], aperture)
    np.testing.assert_allclose(got, expected, atol=4e-3)


@pytest.mark.parametrize("aperture", [HANDHELD, PHONE, WEBCAM, Aperture(1.3, 1.0, 1.0)])
def test_blur_has_the_variance_of_psf_and_aperture_and_never_rings(aperture):
    point = np.zeros((41, 41), np.float32)
    point[20, 20] = 1.0
    response = geometry.blur(point, aperture)
    offset = np.arange(41) - 20.0
    variance = aperture.sigma**2 + aperture.fill_x**2 / 12
    assert response.min() >= 0.0
    assert response.sum() == pytest.approx(1.0, abs=1e-5)
    assert (response.sum(0) * offset**2).sum() == pytest.approx(variance, rel=0.02)
    frequency = np.linspace(0.0, 0.2, 5)
    passed = np.cos(2 * np.pi * frequency[:, None] * offset) @ response.sum(0)
    np.testing.assert_allclose(passed, geometry.otf(frequency, 0.0, aperture), atol=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_jacobian_matches_finite_differences(seed):
    view = view_of(seed, distortion=0.03)
    n = 24
    numeric = geometry.differentiate(view.at, n)
    np.testing.assert_allclose(view.jacobian(n), numeric, rtol=1e-6, atol=1e-9)
    x, _ = view.plane(n)
    np.testing.assert_allclose(np.gradient(x, axis=1)[1:-1, 1:-1], numeric[1:-1, 1:-1, 0, 0], 1e-3)


def test_views_stay_on_the_canvas():
    for seed in range(200):
        view = geometry.draw_view(np.random.default_rng(seed))
        x, y = geometry.jitter_view(np.random.default_rng(seed), view).plane(16)
        assert min(x.min(), y.min()) > -MARGIN
        assert max(x.max(), y.max()) < 1 + MARGIN


def test_warp_finds_the_place_and_does_not_alias():
    size = 390
    centres = (np.arange(size) + 0.5) / size * (1 + 2 * MARGIN) - MARGIN
    ramp = np.repeat(centres[None], size, 0).astype(np.float32) + 1.0
    x, y = view_of(1).plane(100)
    np.testing.assert_allclose(geometry.warp(ramp, x, y), x + 1.0, atol=2e-4)
    stripes = np.tile((np.arange(size) % 2).astype(np.float32), (size, 1))  # 3x too fine for 100 px
    assert geometry.warp(stripes, *FRONTAL.plane(100))[10:-10, 10:-10].std() < 0.01


def test_cover_is_the_covered_share_of_a_pixel():
    n, fine, sides = 40, 20, (0.21, 0.13, 0.83, 2.0)
    view = view_of(2, distortion=0.0)
    x, y = view.plane(n * fine)
    hit = (x > sides[0]) & (x < sides[2]) & (y > sides[1]) & (y < sides[3])
    expected = hit.reshape(n, fine, n, fine).mean((1, 3))
    got = geometry.cover(sides, *view.plane(n))
    assert np.abs(got - expected).max() < 0.13  # a slanting edge has a slightly rounder ramp
    assert np.abs(got - expected).mean() < 2e-3
    assert geometry.cover((-1.0, -1.0, 2.0, 2.0), *view.plane(n)) is None


# --- the screen's sub-pixel grid ----------------------------------------------------------------


def raster_of_stripes(medium, view, aperture, first, size, n):
    x, y = raster.look(view.homography, first, size, n)
    fine = raster.stripes(x, y, medium.pitch, medium.turn, medium.phase)
    parts = [
        raster.integrate(f, size, aperture.sigma, aperture.fill_x, aperture.fill_y) for f in fine
    ]
    return np.dstack(parts)


def patch(image, first, size):
    return image[first[1] : first[1] + size, first[0] : first[0] + size]


@pytest.mark.parametrize(
    ("pixels", "turn", "aperture"),
    [
        (0.82, math.pi / 2 + 0.02, HANDHELD),
        (0.95, 0.0, PHONE),
        (1.02, 0.05, HANDHELD),
        (1.18, math.pi / 2 + 0.04, PHONE),
        (1.18, 0.3, MIXED),
        (1.48, -0.02, PHONE),
        (1.9, 0.1, WEBCAM),
        (2.9, math.pi / 2, HANDHELD),
    ],
)
def test_harmonics_match_a_raster_of_stripes(pixels, turn, aperture):
    n, size, first = 160, 48, (94, 17)
    view = view_of(int(100 * pixels), distortion=0.0)
    medium = draw(screen, 1)
    medium = dataclasses.replace(medium, pitch=pixels / n, turn=turn)
    factor, envelope = screen.modulation(medium, view, aperture, n)
    model = patch(factor, first, size)
    expected = raster_of_stripes(medium, view, aperture, first, size, n)
    for c in range(3):
        modulation, reference = model[..., c] - 1.0, expected[..., c] - 1.0
        rms = reference.std()
        assert rms >= 0.01, "choose a case with a visible modulation"
        assert np.corrcoef(modulation.ravel(), reference.ravel())[0, 1] >= 0.999  # promised: .97
        assert modulation.std() == pytest.approx(rms, rel=0.02)
        # Harmonics that alias onto each other have one phase here; the envelope averages over all.
        assert patch(envelope, first, size).mean() == pytest.approx(rms, rel=0.15)


def test_presented_screen_carries_the_raster_modulation():
    """The whole of `present`, not the harmonics alone: E(1 + m) over E."""
    n, size, first = 160, 48, (40, 60)
    view = view_of(8, distortion=0.0)
    medium = dataclasses.replace(draw(screen, 2), pitch=1.1 / n, turn=0.03)
    both = [
        show(screen, medium, cues, n=n, view=view, shown=flat(180)).irradiance
        for cues in ({"moire", "gamut"}, {"gamut"})
    ]
    model = patch(both[0] / both[1], first, size) - 1.0
    expected = raster_of_stripes(medium, view, PHONE, first, size, n) - 1.0
    assert np.corrcoef(model.ravel(), expected.ravel())[0, 1] >= 0.999


def test_moire_is_the_aliased_harmonic():
    """A grid of 1.25 pixels has .8 cycles per pixel: the sensor sees .2."""
    n = 100
    medium = dataclasses.replace(draw(screen, 0), pitch=1.25 / n, turn=0.0)
    factor, _ = screen.modulation(medium, FRONTAL, PHONE, n)
    spectrum = np.abs(np.fft.rfft(factor[..., 1].mean(0) - 1.0))
    assert spectrum.argmax() == 20


def test_fine_or_blurred_grids_leave_no_modulation():
    medium = dataclasses.replace(draw(screen, 0), pitch=0.25 / 112)
    factor, envelope = screen.modulation(medium, FRONTAL, Aperture(0.6, 0.95, 0.95), 112)
    assert np.abs(factor - 1.0).max() < 2e-3
    assert envelope.max() < 2e-3


@pytest.mark.parametrize("seed", range(3))
def test_modulation_keeps_the_energy(seed):
    medium = draw(screen, seed)
    medium = dataclasses.replace(medium, pitch=(0.7 + 0.21 * seed) / 256)
    factor, _ = screen.modulation(medium, view_of(seed), HANDHELD, 256)
    np.testing.assert_allclose(factor.mean((0, 1)), 1.0, atol=0.01)


# --- ink and halftone ---------------------------------------------------------------------------


def test_neugebauer_limits():
    blank, full = np.zeros((4, 1), np.float32), np.ones((4, 1), np.float32)
    np.testing.assert_allclose(ink.reflectance(blank, 1.8), ink.PAPER, rtol=1e-5)
    np.testing.assert_allclose(ink.reflectance(full, 1.8), ink.FLOOR, atol=1e-3)
    # n = 1, one ink: the area-weighted mean of paper and ink (Murray-Davies).
    half = np.array([[0.3], [0], [0], [0]], np.float32)
    solid = ink.FLOOR + (ink.PAPER - ink.FLOOR) * np.array(ink.INKS[0])
    np.testing.assert_allclose(
        ink.reflectance(half, 1.0)[0], 0.7 * ink.PAPER + 0.3 * solid, rtol=1e-5
    )


def test_separation_is_monotone_and_nearly_grey():
    grey = np.repeat(np.linspace(0, 1, 33, dtype=np.float32)[:, None], 3, 1)
    coverage = ink.separate(grey, 0.6, 0.13)
    assert coverage.min() >= 0.0
    assert coverage.max() <= 1.0
    printed = ink.reflectance(coverage, 1.85)
    assert (np.diff(printed, axis=0) > 0).all()
    assert (np.ptp(printed, axis=1) / printed.mean(1)).max() < 0.2
    assert np.abs(printed.mean(1) - 0.87 * grey[:, 0] ** 2.2).max() < 0.1


def test_dot_amplitude_is_the_fourier_coefficient_of_a_disc():
    t = (np.arange(1000) + 0.5) / 1000 - 0.5
    x, y = np.meshgrid(t, t)
    coverages = np.array([0.05, 0.2, 0.5, 0.8], np.float32)
    for a, got in zip(coverages, ink.dot_amplitude(coverages), strict=True):
        disc = np.hypot(x, y) < math.sqrt(min(a, 1 - a) / math.pi)
        assert got == pytest.approx((disc * np.cos(2 * np.pi * x)).mean(), abs=2e-4)


@pytest.mark.parametrize(
    ("pixels", "coverage", "which", "aperture"),
    [
        (0.9, 0.5, 0, HANDHELD),
        (1.1, 0.25, 1, PHONE),
        (1.2, 0.5, 3, MIXED),
        (1.4, 0.1, 2, PHONE),
        (1.5, 0.7, 3, PHONE),
    ],
)
def test_halftone_matches_a_raster_of_dots(pixels, coverage, which, aperture):
    """First harmonics alone: over 30 cases >= .976 wherever the modulation's RMS is >= 1 %."""
    n, size, first = 160, 40, (70, 90)
    view = view_of(int(100 * pixels), distortion=0.0)
    medium = draw(printing, 1, bend_max=0.0)
    medium = dataclasses.replace(medium, pitch=pixels / n)
    cover = np.zeros((4, n, n), np.float32)
    cover[which] = coverage
    modulated, _ = printing.halftone(medium, view, aperture, n, cover)
    x, y = raster.look(view.homography, first, size, n)
    turn = medium.turn + printing.ANGLES[which]
    phase = medium.phases[2 * which : 2 * which + 2]
    fine = raster.dots(x, y, medium.pitch, turn, phase, coverage)
    reference = raster.integrate(fine, size, aperture.sigma, aperture.fill_x, aperture.fill_y)
    model = patch(modulated[which], first, size)
    assert reference.std() >= 0.01, "choose a case with a visible modulation"
    assert np.corrcoef(model.ravel(), reference.ravel())[0, 1] >= 0.96
    assert model.std() == pytest.approx(reference.std(), rel=0.05)
    assert reference.mean() == pytest.approx(coverage, abs=0.01)


def test_halftone_envelope_is_the_rms_over_phase():
    n = 32
    medium = draw(printing, 4)
    medium = dataclasses.replace(medium, pitch=1.2 / n)
    cover = np.empty((4, n, n), np.float32)
    cover[:] = np.array([0.3, 0.4, 0.45, 0.1], np.float32)[:, None, None]
    plain = ink.reflectance(cover, medium.yule_nielsen)
    squares = []
    for seed in range(60):
        phases = tuple(np.random.default_rng(seed).uniform(0, 1, 8))
        moved = dataclasses.replace(medium, phases=phases)
        modulated, envelope = printing.halftone(moved, view_of(1), PHONE, n, cover)
        squares.append((ink.reflectance(modulated, medium.yule_nielsen) / plain - 1.0) ** 2)
    measured = np.sqrt(np.mean(squares, axis=(0, 3)))
    np.testing.assert_allclose(envelope, measured, rtol=0.25)
    assert envelope.mean() == pytest.approx(measured.mean(), rel=0.05)


# --- the sheet ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bend", [0.35, -0.35, 0.1])
def test_a_bent_sheet_is_a_cylinder_seen_from_the_camera(bend):
    medium = dataclasses.replace(draw(printing, 0), bend=bend, bend_axis=0.4)
    x, y = FRONTAL.plane(15)
    sheet_x, sheet_y = printing.unroll(medium, x, y)
    axis = np.array([math.cos(0.4), math.sin(0.4)])
    arc = axis[0] * (sheet_x - 0.5) + axis[1] * (sheet_y - 0.5)
    along = -axis[1] * (sheet_x - 0.5) + axis[0] * (sheet_y - 0.5)
    radius = 1.0 / (2.0 * bend)
    # Put the place on the paper back into space and project it from the camera.
    across, depth = radius * np.sin(arc / radius), radius * (1.0 - np.cos(arc / radius))
    shrink = geometry.DISTANCE / (geometry.DISTANCE + depth)
    u, v = across * shrink, along * shrink
    np.testing.assert_allclose(0.5 + axis[0] * u - axis[1] * v, x, atol=1e-9)
    np.testing.assert_allclose(0.5 + axis[1] * u + axis[0] * v, y, atol=1e-9)


def test_no_bend_is_flat():
    medium = dataclasses.replace(draw_with_everything(printing), bend=0.0)
    x, y = view_of(1).plane(20)
    sheet = printing.unroll(medium, x, y)
    assert np.array_equal(sheet[0], x)
    assert np.array_equal(sheet[1], y)
    almost = dataclasses.replace(medium, bend=1e-7)
    one, other = show(printing, medium, printing.CUES), show(printing, almost, printing.CUES)
    np.testing.assert_allclose(one.irradiance, other.irradiance, atol=2e-3)
    assert draw(printing, 9, bend_max=0.0).bend == 0.0


# --- cue switches -------------------------------------------------------------------------------


def support(module, presented, cue):
    """Where a cue may change pixels, from the analytic envelopes alone."""
    if cue == "gamut":
        return presented.envelopes["bezel"] < 1.0
    if cue == "halftone":  # the fibre lies on the white rim too, and blur carries it two pixels
        return np.ones_like(presented.envelopes["bezel"], bool)
    return presented.envelopes[cue] > 0.0


@pytest.mark.parametrize(
    ("module", "cue"), [(m, c) for m in MEDIA for c in m.CUES], ids=lambda v: getattr(v, "CUES", v)
)
def test_a_cue_that_is_off_changes_nothing_outside_its_support(module, cue):
    medium = draw_with_everything(module)
    on = show(module, medium, module.CUES)
    off = show(module, medium, set(module.CUES) - {cue})
    changed = np.abs(on.irradiance - off.irradiance).max(-1)
    assert changed.max() > 1e-3, "the case must show the cue"
    assert changed[~support(module, on, cue)].max(initial=0.0) == 0.0
    for other in set(on.envelopes) - {cue}:
        inside = on.envelopes["bezel"] == 0.0
        assert np.array_equal(on.envelopes[other][inside], off.envelopes[other][inside])
    if cue != "gamut":
        assert off.envelopes[cue].max() == 0.0


def test_bezel_has_pixels_without_it():
    on = show(screen, draw_with_everything(screen), screen.CUES)
    assert 0.02 < (on.envelopes["bezel"] > 0).mean() < 0.3
    assert on.envelopes["bezel"].max() == pytest.approx(1.0)


def test_print_gloss_has_compact_support():
    medium = dataclasses.replace(draw_with_everything(printing), bend=0.3, gloss_width=0.06)
    glare = show(printing, medium, printing.CUES).envelopes["glare"]
    assert 0.02 < (glare > 0).mean() < 0.9


@pytest.mark.parametrize("module", MEDIA)
def test_without_any_cue_the_picture_is_itself(module):
    medium = draw(module, 3, **({} if module is screen else {"bend_max": 0}))
    shown = picture(128)
    got = show(module, medium, (), n=96, view=FRONTAL, shown=shown).irradiance
    own = geometry.blur(geometry.warp(geometry.SRGB_TO_LINEAR[shown], *FRONTAL.plane(96)), PHONE)
    own = own * (medium.brightness if module is screen else LIGHT)
    np.testing.assert_allclose(got, own, rtol=1e-4, atol=1e-6)


def test_glare_adds_what_its_envelope_says():
    medium = draw_with_everything(screen)
    medium = dataclasses.replace(medium, sides=(-1.0, -1.0, 2.0, 2.0))
    on = show(screen, medium, screen.CUES)
    off = show(screen, medium, set(screen.CUES) - {"glare"})
    added = (on.irradiance - off.irradiance) @ geometry.LUMINANCE
    np.testing.assert_allclose(added, on.envelopes["glare"], atol=1e-5)


def test_bands_repeat_down_the_sensor():
    medium = draw_with_everything(screen)
    medium = dataclasses.replace(medium, sides=(-1.0, -1.0, 2.0, 2.0), band_period=0.5)
    with_bands = show(screen, medium, {"bands"}, n=100, shown=flat(180)).irradiance
    without = show(screen, medium, (), n=100, shown=flat(180)).irradiance
    factor = (with_bands / without)[..., 1]
    assert np.ptp(factor, axis=1).max() < 1e-5
    np.testing.assert_allclose(factor[4:46, 0], factor[54:96, 0], atol=1e-5)
    assert 0.5 < np.abs(factor - 1).max() / medium.band_amplitude <= 1.001


def test_banding_of_a_physical_print_is_at_most_three_percent():
    printers = [
        printer
        for inventory in ("shipped", *map(str, range(30)))
        for domain in inventory_of(inventory).values()
        for printer in domain.printers
    ]
    for seed, printer in enumerate(printers):
        medium = devices.draw_print(np.random.default_rng(seed), printer)
        assert medium.band_amplitude == printer.bands <= 0.03


# --- drawing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", MEDIA)
@pytest.mark.parametrize("preset", ["physical", "vivid"])
def test_same_seed_same_medium_same_pixels(module, preset):
    one, two = (draw(module, 7, preset=preset) for _ in range(2))
    assert one == two
    assert json.loads(json.dumps(dataclasses.asdict(one)))["pitch"] == one.pitch
    first, second = show(module, one, module.CUES), show(module, two, module.CUES)
    assert np.array_equal(first.irradiance, second.irradiance)
    assert first.irradiance.dtype == np.float32
    assert first.irradiance.min() >= 0.0
    for name, envelope in first.envelopes.items():
        assert envelope.dtype == np.float32, name
        assert envelope.shape == (96, 96), name


@pytest.mark.parametrize("module", MEDIA)
def test_any_sensor_size_works(module):
    odd = show(module, draw_with_everything(module), module.CUES, n=75, shown=picture(97))
    assert odd.irradiance.shape == (75, 75, 3)
    assert np.isfinite(odd.irradiance).all()


@pytest.mark.parametrize("module", MEDIA)
def test_next_frame_keeps_the_instrument(module):
    medium = draw_with_everything(module)
    after = module.jitter(np.random.default_rng(1), medium)
    moved = {
        f.name
        for f in dataclasses.fields(medium)
        if getattr(medium, f.name) != getattr(after, f.name)
    }
    assert moved == ({"bend", "gloss_at"} if module is printing else {"band_phase", "panes"})


@pytest.mark.parametrize("module", MEDIA)
def test_pitch_follows_from_the_device_and_outlines_from_the_data_set(module):
    drawn = [draw(module, s) for s in range(400)]
    narrow, wide = DEVICE[module].face_mm
    per_inch = PRINTER.lpi if module is printing else DISPLAY.ppi
    millimetres = [25.4 / (per_inch * m.pitch) for m in drawn]  # p = 25.4 / (ppi W)
    assert narrow <= min(millimetres) < narrow + 2
    assert wide - 2 < max(millimetres) <= wide
    for edges, low, high in ((0.25, 0.18, 0.32), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
        drawn = [draw(module, s, edges=edges) for s in range(400)]
        assert low <= np.mean([m.sides != (-1.0, -1.0, 2.0, 2.0) for m in drawn]) <= high


@pytest.mark.parametrize("module", MEDIA)
def test_takes_of_a_device_share_what_it_is(module):
    drawn = [draw(module, s, edges=1.0) for s in range(40)]
    own = {
        printing: {"dot_gain", "yule_nielsen", "black_share", "fibre", "contrast", "chroma"}
        | {"paper", "name"},
        screen: {"gamma", "black", "name"},
    }[module]
    for name in own:
        assert {getattr(m, name) for m in drawn} == {getattr(DEVICE[module], name)}
    also = {"strength", "band_amplitude"} if module is printing else {"strength", "primaries"}
    also |= set() if module is printing else {"white", "bezel_reflectance"}
    for field in dataclasses.fields(drawn[0]):
        values = {getattr(m, field.name) for m in drawn}
        # what is no property of the device is drawn take by take; panes and rims may be absent
        assert (len(values) == 1) == (field.name in own | also), field.name


def test_a_display_is_as_bright_beside_the_room_and_as_warm_as_it_is():
    for level in (1.0, 0.5):
        bright = [draw(screen, s, level=level).brightness for s in range(300)]
        # log-normal about the device's own: 300 draws of deviation .08, within 5 standard errors
        assert np.mean(np.log(bright)) == pytest.approx(np.log(1.1 / level), abs=0.024)
    cool, warm = (
        devices.draw_screen(np.random.default_rng(0), dataclasses.replace(DISPLAY, kelvin=k)).white
        for k in (9000, 4000)
    )
    assert cool[2] > cool[1] > cool[0]
    assert warm[2] < warm[1] < warm[0]
    grey = dataclasses.replace(DISPLAY, saturation=0.0)
    matrix = np.reshape(devices.draw_screen(np.random.default_rng(0), grey).primaries, (3, 3))
    np.testing.assert_allclose(matrix, np.tile(geometry.LUMINANCE, (3, 1)), atol=1e-6)


# --- inkjets ------------------------------------------------------------------------------------


def of_inkjet(seed=3, **changes):
    medium = devices.draw_print(np.random.default_rng(seed), INKJET, bend_max=0.0, edges=0.0)
    return dataclasses.replace(medium, **changes)


def test_an_inkjet_has_no_halftone_and_nothing_to_switch_off():
    medium = of_inkjet()
    assert medium.pitch == 0
    on = show(printing, medium, printing.CUES)
    off = show(printing, medium, set(printing.CUES) - {"halftone"})
    np.testing.assert_array_equal(on.irradiance, off.irradiance)
    assert on.envelopes["halftone"].max() == 0


def test_the_grain_of_an_inkjet_stays_with_every_cue_off_and_is_blue():
    """Blue noise: far less is left of it in blocks of pixels than of as much white noise."""
    n, still = 384, {"fibre": 0.0, "band_amplitude": 0.0}
    fine = Aperture(0.05, 0.2, 0.2)  # sees the ink as it lies there
    views = {"n": n, "view": FRONTAL, "shown": flat(120), "aperture": fine}
    bare, grainy = (
        show(printing, of_inkjet(grain=g, **still), (), **views).irradiance[..., 1]
        for g in (0.0, 0.05)
    )
    noise = (grainy / bare - 1)[32:-32, 32:-32]
    assert noise.std() > 0.01
    blocks = noise.reshape(40, 8, 40, 8).mean((1, 3))
    assert blocks.std() < 0.5 * noise.std() / 8
    # a laser's is white, and is no more than a cue
    laser = dataclasses.replace(draw(printing, 3, bend_max=0.0, edges=0.0), **still, strength=0.0)
    laser = dataclasses.replace(laser, grain=0.05)
    on, off = (
        show(printing, laser, cues, **views).irradiance[..., 1] for cues in ({"halftone"}, ())
    )
    white = (on / off - 1)[32:-32, 32:-32]
    assert white.reshape(40, 8, 40, 8).mean((1, 3)).std() > 0.7 * white.std() / 8
    np.testing.assert_allclose(off, bare, rtol=0.1)


def test_an_inkjet_is_held_as_a_laser_print_of_the_same_seed():
    """So that exchanging one printer for another changes nothing else."""
    laser, inkjet = (
        devices.draw_print(np.random.default_rng(8), p, edges=0.5) for p in (PRINTER, INKJET)
    )
    different = {
        f.name
        for f in dataclasses.fields(laser)
        if getattr(laser, f.name) != getattr(inkjet, f.name)
    }
    assert different == {"name", "pitch", "grain"}


# --- drawing, goes on ---------------------------------------------------------------------------


@pytest.mark.parametrize("module", MEDIA)
def test_unknown_preset_is_refused(module):
    with pytest.raises(InputError, match="vivid"):
        draw(module, 0, preset="lively")


def test_rendering_does_not_depend_on_threads():
    medium, threads = draw_with_everything(printing), cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        one = show(printing, medium, printing.CUES).irradiance
        cv2.setNumThreads(2)
        assert np.array_equal(one, show(printing, medium, printing.CUES).irradiance)
    finally:
        cv2.setNumThreads(threads)
