"""The camera against its formulas: noise, mosaic, colour, exposure, files."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from hfnmp_lite.simulate import camera as cam
from hfnmp_lite.simulate.devices import draw_attacker, draw_camera
from hfnmp_lite.simulate.domains import DOMAINS

DAYLIGHT = cam.Room(luminance=0.3, darkest=0.02, light=(1.0, 1.0, 1.0))


@pytest.fixture
def camera() -> cam.Camera:
    webcam = DOMAINS["webcam"]
    return draw_camera(np.random.default_rng(5), webcam.cameras[0], webcam.lights[0])


def smooth_scene(n: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 1, (6, 6, 3)).astype(np.float32)
    return 0.05 + 0.5 * np.abs(cv2.resize(noise, (n, n), interpolation=cv2.INTER_CUBIC))


@pytest.mark.parametrize("level", [0.0, 0.05, 0.3, 0.7])
def test_noise_has_the_variance_of_the_formula(camera, level):
    raw = np.full((400, 400, 3), level, np.float32)
    noise = cam.sense(raw, camera, seed=1) - level
    expected = camera.read + camera.shot * level
    assert abs(noise.mean()) < 5 * np.sqrt(expected / noise.size)
    # the sample variance of N normals has relative standard error sqrt(2 / N)
    assert noise.var() == pytest.approx(expected, rel=5 * np.sqrt(2 / noise.size))


def test_noise_is_common_random_numbers_scaled_by_the_variance(camera):
    flat = [np.full((64, 64, 3), level, np.float32) for level in (0.1, 0.4)]
    normals = [
        (cam.sense(raw, camera, seed=9) - raw[..., 0])
        / np.sqrt(camera.read + camera.shot * raw[..., 0])
        for raw in flat
    ]
    np.testing.assert_allclose(normals[0], normals[1], atol=2e-3)
    assert not np.allclose(normals[0], cam.sense(flat[0], camera, seed=10))


def test_noise_parameters_follow_the_published_relation():
    rng = np.random.default_rng(0)
    cameras = [
        draw_camera(rng, device, domain.lights[0])
        for domain in DOMAINS.values()
        for device in domain.cameras
        for _ in range(1600 // len(domain.cameras) // 4)
    ]
    rest = [np.log(c.read) - 2.18 * np.log(c.shot) - 1.20 for c in cameras]
    assert np.mean(rest) == pytest.approx(0, abs=0.03)
    assert np.std(rest) == pytest.approx(0.26, abs=0.02)
    assert all(1.9 <= c.red_gain <= 2.4 and 1.5 <= c.blue_gain <= 1.9 for c in cameras)


def test_mosaic_is_rggb(camera):
    raw = np.zeros((8, 8, 3), np.float32) + np.array([0.1, 0.5, 0.9], np.float32)
    quiet = replace(camera, shot=0.0, read=0.0)
    mosaic = cam.sense(raw, quiet, seed=0)
    np.testing.assert_array_equal(mosaic[:2, :2], np.float32([[0.1, 0.5], [0.5, 0.9]]))


def test_demosaic_is_exact_on_flat_and_linear_fields():
    y, x = np.mgrid[:32, :32].astype(np.float32)
    planes = [0.2 + 0.01 * x, 0.3 + 0.01 * y, 0.1 + 0.005 * (x + y)]
    rgb = np.stack(planes, -1).astype(np.float32)
    mosaic = rgb[..., 1].copy()
    mosaic[0::2, 0::2], mosaic[1::2, 1::2] = rgb[0::2, 0::2, 0], rgb[1::2, 1::2, 2]
    found = cam.demosaic(mosaic)
    np.testing.assert_allclose(found[4:-4, 4:-4], rgb[4:-4, 4:-4], atol=1e-5)


def test_colour_matrix_keeps_neutral_and_srgb_curves_invert(camera):
    np.testing.assert_allclose(cam.colour_matrix(camera.ccm) @ np.ones(3), 1, atol=1e-12)
    codes = np.arange(256, dtype=np.float32) / 255
    np.testing.assert_allclose(cam.linear_to_srgb(cam.srgb_to_linear(codes)), codes, atol=1e-5)


def test_exposure_undoes_brightness_and_white_balance_a_cast(camera):
    """By a camera that meters the crop alone."""
    quiet = replace(camera, shot=0.0, read=0.0, balance=1.0, black=0.0, crop=1.0)
    scene = 0.3 + 0.2 * smooth_scene(128)

    def developed(irradiance):
        return cam.develop(irradiance, quiet, cam.meter(irradiance, quiet, DAYLIGHT), 0, 128).rgb

    first = developed(scene)
    np.testing.assert_allclose(developed(3 * scene), first, atol=1e-3)
    # a cast in camera RGB is what white balance can undo; exposure still sees the light's colour
    to_camera = cam.colour_matrix(quiet.ccm)
    cast = np.linalg.inv(to_camera) @ np.diag([1.4, 1.0, 0.7]) @ to_camera
    second = developed(cv2.transform(scene, cast.astype(np.float32)))
    ratios = [image.mean((0, 1)) / image.mean() for image in (first, second)]
    np.testing.assert_allclose(ratios[0], ratios[1], atol=0.02)
    unbalanced = replace(quiet, balance=0.0)
    cold = cv2.transform(scene, cast.astype(np.float32))
    third = cam.develop(cold, unbalanced, cam.meter(cold, unbalanced, DAYLIGHT), 0, 128).rgb
    assert np.abs(third.mean((0, 1)) / third.mean() - ratios[0]).max() > 0.1


def test_settings_are_frozen_when_given(camera):
    scene = smooth_scene(128)
    settings = cam.meter(scene, camera, DAYLIGHT)
    changed = scene.copy()
    changed[40:60, 40:60] *= 1.3
    one = cam.develop(scene, camera, settings, 3, 128).rgb
    two = cam.develop(changed, camera, settings, 3, 128).rgb
    difference = np.abs(one - two).max(-1)
    assert difference[40:60, 40:60].max() > 0.05
    far = np.ones_like(difference, bool)
    far[25:75, 25:75] = False
    assert difference[far].max() == 0


def test_the_room_is_metered_as_long_as_the_crop_has_no_share(camera):
    """Worked by hand: exposure brings the room to middle grey, whatever is held up in it."""
    quiet = replace(camera, crop=0.0, flare=0.0, exposure=0.5, balance_error=(0.0, 0.0))
    room = cam.Room(luminance=0.4, darkest=0.03, light=(1.2, 1.0, 0.7))
    scene = smooth_scene(64)
    settings = cam.meter(scene, quiet, room)
    assert settings.exposure == pytest.approx(cam.MIDDLE_GREY * 2**0.5 / 0.4)
    assert settings.black == pytest.approx(min(quiet.black * 0.03 * settings.exposure, 0.2))
    bluer = (1.7 * scene * np.array([0.8, 1.0, 1.3])).astype(np.float32)
    assert cam.meter(bluer, quiet, room) == settings
    # what the room's light falls on is grey, as far as white balance goes
    card = np.full((64, 64, 3), 0.5, np.float32) * np.array(room.light, np.float32)
    whole = replace(quiet, balance=1.0, shot=0.0, read=0.0, tone=0.0, black=0.0, vignette=0.0)
    found = cam.develop(card, whole, cam.meter(card, whole, room), 0, 64).rgb
    assert np.ptp(found.mean((0, 1))) < 0.02
    # the mean of the room becomes middle grey: half a white card's light is 0.5 / 0.4 of it
    expected = cam.linear_to_srgb(np.float32(cam.MIDDLE_GREY * 2**0.5 * 0.5 / 0.4))
    assert found[..., 1].mean() == pytest.approx(float(expected), abs=0.02)


@pytest.mark.parametrize("crop", [0.0, 0.3, 1.0])
def test_brightness_and_cast_of_what_is_held_up_show_unless_the_crop_is_metered(camera, crop):
    """A display brighter and bluer than the face shows by the room's share, in logarithms."""
    settled = {"shot": 0.0, "read": 0.0, "flare": 0.0, "black": 0.0, "balance": 1.0}
    quiet = replace(camera, crop=crop, **settled)
    scene = 0.2 * smooth_scene(64)
    to_camera = cam.colour_matrix(quiet.ccm)
    cast = np.linalg.inv(to_camera) @ np.diag([0.9, 1.0, 1.2]) @ to_camera
    plain, brighter, bluer = (
        cam.meter(image.astype(np.float32), quiet, DAYLIGHT)
        for image in (scene, 1.3 * scene, cv2.transform(scene, cast.astype(np.float32)))
    )
    # seen is what the scene was times what the camera did
    assert 1.3 * brighter.exposure / plain.exposure == pytest.approx(1.3 ** (1 - crop), rel=1e-4)
    seen = np.array([0.9, 1.2]) * np.array(bluer.balance) / np.array(plain.balance)
    np.testing.assert_allclose(seen, np.array([0.9, 1.2]) ** (1 - crop), rtol=5e-3)


@pytest.mark.parametrize("name", list(DOMAINS))
@pytest.mark.parametrize("size", [96, 128])
def test_jpeg_decodes_to_the_stated_size_and_matches_the_picture_before(name, size):
    domain = DOMAINS[name]
    camera = draw_camera(np.random.default_rng(2), domain.cameras[-1], domain.lights[0])
    n = cam.sensor_pixels(camera, size)
    assert n % 2 == 0
    assert n == pytest.approx(camera.n * size / 128, abs=1)
    scene = smooth_scene(n)
    made = cam.develop(scene, camera, cam.meter(scene, camera, DAYLIGHT), 0, size)
    image = cam.decode_jpeg(made.jpeg)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert np.abs(image / 255.0 - made.rgb).mean() < 0.04
    again = cam.develop(scene, camera, cam.meter(scene, camera, DAYLIGHT), 0, size)
    assert again.jpeg == made.jpeg


def test_a_finer_sensor_sees_through_the_same_lens(camera):
    assert cam.aperture_at(camera, 256).sigma == 2 * cam.aperture_at(camera, 128).sigma


@pytest.mark.parametrize("draw", [draw_camera, draw_attacker])
def test_takes_of_a_camera_share_what_it_is_and_vary_within_bounds(draw):
    rng = np.random.default_rng(1)
    fixed = ("vignette", "black", "saturation", "denoise", "tone", "sharpen", "balance", "crop")
    for domain in DOMAINS.values():
        for device in domain.cameras if draw is draw_camera else domain.attackers:
            for light in domain.lights:
                takes = [draw(rng, device, light) for _ in range(50)]
                for name in ("name", *fixed):
                    assert {getattr(take, name) for take in takes} == {getattr(device, name)}
                for name in ("ccm", "red_gain", "blue_gain"):  # the sensor behind the name
                    assert len({getattr(take, name) for take in takes}) == 1
                assert sum(takes[0].ccm) == pytest.approx(1)
                for take in takes:
                    assert (take.aperture.fill_x, take.aperture.fill_y) == (
                        device.fill_x,
                        device.fill_y,
                    )
                    assert abs(take.jpeg - device.jpeg) <= 3
                    assert abs(take.exposure - device.exposure) <= 0.25 + 1e-9
                    assert abs(np.log(take.aperture.sigma / device.sigma)) <= 0.25 + 1e-9
                    assert abs(np.log(take.shot * light.level / device.shot)) <= 0.625 + 1e-9
                    off = np.subtract(take.balance_error, device.cast)
                    assert np.abs(off).max() <= 0.015 * 2.5 + 1e-9
                    assert abs(np.log(take.n / device.n)) <= (0 if draw is draw_camera else 0.31)
                for name in ("shot", "exposure", "balance_error", "aperture"):
                    assert len({getattr(take, name) for take in takes}) > 40


def test_cameras_of_two_names_have_two_sensors():
    light = DOMAINS["phone"].lights[0]
    takes = [draw_camera(np.random.default_rng(0), d, light) for d in DOMAINS["phone"].cameras]
    assert len({take.ccm for take in takes}) == len(takes)


def test_a_darker_room_has_more_noise():
    device, light = DOMAINS["mixed"].cameras[0], DOMAINS["mixed"].lights[0]
    one, other = (
        draw_camera(np.random.default_rng(0), device, replace(light, level=level))
        for level in (1.0, 0.5)
    )
    assert other.shot == pytest.approx(2 * one.shot)
    assert other.read > one.read
