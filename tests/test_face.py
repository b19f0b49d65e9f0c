"""The mannequin's face: determinism, geometry, light, skin tones, anti-aliasing."""

from dataclasses import asdict, replace

import cv2
import numpy as np
import pytest

from hfnmp_lite.simulate import backgrounds, face, head, rays

cv2.setNumThreads(1)


def _subject(seed: int = 1) -> face.Subject:
    return face.draw_subject(np.random.default_rng(seed))


def _shot(seed: int = 2) -> face.Shot:
    rng = np.random.default_rng(seed)
    return face.draw_shot(rng, key_kelvin=4800, ambient_kelvin=5200, backgrounds=("wall",))


def _plain(seed: int = 1) -> face.Subject:
    """A subject without hair, glasses or beard, so that skin is where the anatomy says."""
    return replace(_subject(seed), hair_style="bald", glasses="none", beard="none", freckles=0.0)


def _facing(shot: face.Shot, **changes) -> face.Shot:
    still = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "zoom": 1.0, "offset_x": 0.0, "offset_y": 0.0}
    return replace(shot, **{**still, **changes})


def test_same_seed_same_array():
    first = face.render(_subject(), _shot(), 160)
    again = face.render(_subject(), _shot(), 160)
    np.testing.assert_array_equal(first, again)


def test_drawn_values_are_plain():
    for record in (_subject(), _shot(), face.jitter_shot(np.random.default_rng(0), _shot())):
        for name, value in asdict(record).items():
            parts = value if isinstance(value, tuple) else (value,)
            assert all(type(part) in (int, float, str, bool) for part in parts), name


@pytest.mark.parametrize("seed", range(8))
def test_radiance_is_finite_and_in_range(seed):
    rng = np.random.default_rng(seed)
    subject = face.draw_subject(rng)
    shot = face.draw_shot(
        rng, key_kelvin=3600, ambient_kelvin=6800, backgrounds=(backgrounds.KINDS[seed % 4],)
    )
    image = face.render(subject, shot, 130)
    assert image.shape == (130, 130, 3)
    assert image.dtype == np.float32
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() < 6


def test_subjects_differ():
    shot = _shot()
    images = [face.render(_subject(seed), shot, 96) for seed in range(4)]
    for i, one in enumerate(images):
        for other in images[:i]:
            assert np.abs(one - other).mean() > 0.01


def test_typology_angle_falls_with_the_tone():
    angles = [face.typology_angle(face.tone_albedo(tone)) for tone in range(1, 11)]
    assert np.all(np.diff(angles) < 0)
    assert angles[0] > 55  # "very light"
    assert angles[-1] < -30  # "dark"


def test_typology_angle_of_known_colours():
    """A neutral grey darker than L* = 50 lies at -90 degrees; the formula on a hand-worked skin."""
    assert face.typology_angle(np.full(3, 0.9)) == pytest.approx(90, abs=0.5)
    skimage = pytest.importorskip("skimage.color")
    srgb = np.array([200, 150, 120]) / 255
    light, _, yellow = skimage.rgb2lab(srgb)
    linear = ((srgb + 0.055) / 1.055) ** 2.4
    want = np.degrees(np.arctan((light - 50) / yellow))
    assert face.typology_angle(linear) == pytest.approx(want, abs=0.1)


def test_tones_are_uniform_and_independent_of_the_rest():
    subjects = [_subject(seed) for seed in range(1000)]
    tones = np.array([s.tone for s in subjects])
    counts = np.bincount(tones, minlength=11)[1:]
    assert ((counts - 100) ** 2 / 100).sum() < 27.9  # chi-squared, 9 degrees of freedom, p = .001
    for name in ("age", "masculinity", "hair_volume", "nose_width", "lip_fullness", "oil"):
        other = np.array([getattr(s, name) for s in subjects])
        assert abs(np.corrcoef(tones, other)[0, 1]) < 0.11, name
    dark_hair = np.array([s.hair_rgb[1] for s in subjects])
    assert abs(np.corrcoef(tones, dark_hair)[0, 1]) < 0.11


def test_yaw_turns_the_nose_to_the_right():
    """The tip of the nose, in the analytic projection and in the ray cast alike."""
    tip = np.array([[0.0, 0.5, 1.35]])
    left, right = (rays.project(tip, _facing(_shot(), yaw=y), 400)[0, 0] for y in (-15, 15))
    assert right - left > 30
    near = []
    for yaw in (-15.0, 15.0):
        shot = _facing(_shot(), yaw=yaw)
        cast = rays.cast(head.skull(_plain(), shot)[0], shot)
        middle = cast[80:115]
        near.append(np.unravel_index(np.argmax(middle[..., 2]), middle.shape[:2])[1])
    assert near[1] - near[0] > 8  # the nearest point moves right


def test_cast_agrees_with_projection():
    """A point of the surface is found again where its projection says."""
    shot = _facing(_shot(), yaw=10.0, pitch=-4.0, roll=3.0)
    z = head.skull(_plain(), shot)[0]
    cast = rays.cast(z, shot)
    for u, v in ((-0.4, -0.5), (0.3, 0.6), (0.0, 1.0), (-0.5, 0.5)):
        row, column = np.searchsorted(head.V, v), np.searchsorted(head.U, u)
        point = np.array([[head.U[column], head.V[row], z[row, column]]])
        x, y = rays.project(point, shot, rays.CAST)[0]
        found = cv2.remap(cast, np.float32([[x]]), np.float32([[y]]), cv2.INTER_LINEAR)[0, 0]
        assert np.abs(found[:2] - point[0, :2]).max() < 0.02


@pytest.mark.parametrize("seed", [3, 4, 9])
def test_anti_aliased(seed):
    """Rendered at a size, and rendered at twice the size and averaged, agree closely."""
    subject, shot = _subject(seed), _shot(seed)
    small = face.render(subject, shot, 210)
    large = cv2.resize(face.render(subject, shot, 420), (210, 210), interpolation=cv2.INTER_AREA)
    difference = np.abs(np.sqrt(small) - np.sqrt(large)).max(axis=2)
    assert difference.mean() < 0.012
    assert np.percentile(difference, 99) < 0.12


def test_key_light_direction_matters():
    subject = _plain()
    shot = _facing(_shot(), key_y=-0.3, key_z=0.66, key_ratio=2.0)
    from_left = face.render(subject, replace(shot, key_x=-0.69), 130)
    from_right = face.render(subject, replace(shot, key_x=0.69), 130)
    left, right = np.s_[60:80, 35:50], np.s_[60:80, 80:95]
    assert from_left[left].mean() > 1.3 * from_left[right].mean()
    assert from_right[right].mean() > 1.3 * from_right[left].mean()


def test_background_shows_beside_the_face_only():
    subject, shot = _plain(), _facing(_shot())
    image, place = face.render(subject, shot, 130), face.render_background(shot, 130)
    other = replace(shot, background="office", background_seed=5)
    moved = face.render(subject, other, 130)
    np.testing.assert_allclose(image[:40, :10], place[:40, :10], atol=1e-6)
    inside = np.s_[45:100, 45:85]
    np.testing.assert_allclose(image[inside], moved[inside], atol=1e-6)
    assert np.abs(image[inside] - place[inside]).mean() > 0.02


def test_next_frame_is_close_but_not_the_same():
    shot = _shot()
    following = face.jitter_shot(np.random.default_rng(0), shot)
    assert following != shot
    assert (following.background_seed, following.key_x) == (shot.background_seed, shot.key_x)
    assert abs(following.yaw - shot.yaw) < 8


def test_illuminant():
    warm, white = face.illuminant(3000), face.illuminant(6500)
    assert warm[1] == white[1] == 1
    assert warm[0] > 1.3 > 0.7 > warm[2]
    np.testing.assert_allclose(white, 1, atol=0.08)
    with pytest.raises(ValueError, match="1667"):
        face.illuminant(500)


def test_unknown_background_is_refused():
    with pytest.raises(ValueError, match="garden"):
        face.draw_shot(
            np.random.default_rng(0), key_kelvin=5000, ambient_kelvin=5000, backgrounds=("garden",)
        )
