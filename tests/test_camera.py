"""The camera against its formulas: noise, mosaic, colour, exposure, files."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from hfnmp_lite.simulate import camera as cam
from hfnmp_lite.simulate.domains import (
    DOMAINS,
    Domain,
    draw_attacker_camera,
    draw_camera,
    factor_table,
)


@pytest.fixture
def camera() -> cam.Camera:
    return draw_camera(np.random.default_rng(5), DOMAINS["webcam"])


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
    cameras = [draw_camera(rng, d) for d in DOMAINS.values() for _ in range(400)]
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
    quiet = replace(camera, shot=0.0, read=0.0, balance=1.0, black=0.0)
    scene = 0.3 + 0.2 * smooth_scene(128)

    def developed(irradiance):
        return cam.develop(irradiance, quiet, cam.meter(irradiance, quiet), 0, 128).rgb

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
    third = cam.develop(cold, unbalanced, cam.meter(cold, unbalanced), 0, 128).rgb
    assert np.abs(third.mean((0, 1)) / third.mean() - ratios[0]).max() > 0.1


def test_settings_are_frozen_when_given(camera):
    scene = smooth_scene(128)
    settings = cam.meter(scene, camera)
    changed = scene.copy()
    changed[40:60, 40:60] *= 1.3
    one = cam.develop(scene, camera, settings, 3, 128).rgb
    two = cam.develop(changed, camera, settings, 3, 128).rgb
    difference = np.abs(one - two).max(-1)
    assert difference[40:60, 40:60].max() > 0.05
    far = np.ones_like(difference, bool)
    far[25:75, 25:75] = False
    assert difference[far].max() == 0


@pytest.mark.parametrize("name", list(DOMAINS))
@pytest.mark.parametrize("size", [96, 128])
def test_jpeg_decodes_to_the_stated_size_and_matches_the_picture_before(name, size):
    camera = draw_camera(np.random.default_rng(2), DOMAINS[name])
    n = cam.sensor_pixels(camera, size)
    assert n % 2 == 0
    assert n == pytest.approx(camera.n * size / 128, abs=1)
    scene = smooth_scene(n)
    made = cam.develop(scene, camera, cam.meter(scene, camera), 0, size)
    image = cam.decode_jpeg(made.jpeg)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert np.abs(image / 255.0 - made.rgb).mean() < 0.04
    again = cam.develop(scene, camera, cam.meter(scene, camera), 0, size)
    assert again.jpeg == made.jpeg


def test_a_finer_sensor_sees_through_the_same_lens(camera):
    assert cam.aperture_at(camera, 256).sigma == 2 * cam.aperture_at(camera, 128).sigma


def test_draws_stay_in_the_domain():
    rng = np.random.default_rng(1)
    for domain in DOMAINS.values():
        for _ in range(50):
            c = draw_camera(rng, domain)
            assert c.n in domain.n
            assert domain.jpeg[0] <= c.jpeg <= domain.jpeg[1]
            assert domain.shot[0] <= c.shot <= domain.shot[1]
            assert domain.sigma[0] <= c.aperture.sigma <= domain.sigma[1]
            assert sum(c.ccm) == pytest.approx(1)
    assert all(90 <= draw_attacker_camera(rng).n <= 280 for _ in range(50))


def test_factor_table_has_every_factor_of_every_domain():
    lines = factor_table().splitlines()
    assert lines[0] == "| factor | " + " | ".join(f"`{name}`" for name in DOMAINS) + " |"
    assert len(lines) == 2 + len(Domain.__dataclass_fields__) + 2
    assert all(line.count("|") == len(DOMAINS) + 2 for line in lines)
    assert "| JPEG quality | 55 to 75 | 70 to 88 | 65 to 92 | 85 to 95 |" in lines
    # screen pitch p = 25.4 n / (ppi W)
    assert "| 0.20-0.52 | 0.46-1.18 | 0.26-1.48 | 0.58-1.48 |" in factor_table()
