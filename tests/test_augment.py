"""Images varied as cameras vary: told no class, decided by the generator, and each of the seven."""

import inspect

import numpy as np
import pytest

from hfnmp_lite.data.augment import CHANCE, as_cameras_vary
from hfnmp_lite.data.loaders import DomainBatches
from hfnmp_lite.data.presentations import read_manifest

VARIATIONS = ("cast", "saturation", "tone", "blur", "resolution", "noise", "jpeg")


def picture(side: int = 64) -> np.ndarray:
    """Colour, fine detail, and no value near the ends."""
    rng = np.random.default_rng(0)
    smooth = np.linspace(80, 170, side)[:, None, None] + np.linspace(-20, 20, side)[:, None]
    detail = rng.uniform(-12, 12, (side, side, 3))
    return (smooth + np.array([15, 0, -15]) + detail).astype(np.uint8)


class Fixed:
    """A generator that chooses some of the variations, each at the same place of its range."""

    def __init__(self, *chosen: int, at: float = 0.9) -> None:
        self._draws = [np.where(np.isin(range(7), chosen), 0.0, 1.0), np.full(7, at)]

    def random(self, size: int) -> np.ndarray:
        assert size == 7
        return self._draws.pop(0)

    def standard_normal(self, size: int) -> np.ndarray:
        return np.array([1.0, -1.0])

    def integers(self, high: int) -> int:
        return 5


def test_it_is_told_an_image_and_a_generator_and_nothing_else():
    assert list(inspect.signature(as_cameras_vary).parameters) == ["image", "rng"]


@pytest.mark.parametrize("shape", [(64, 64), (128, 128), (33, 47)])
def test_the_generator_decides_and_shape_and_type_stay(shape):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    before = image.copy()
    seen = set()
    for seed in range(12):
        one, two = (as_cameras_vary(image, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(one, two)
        assert (one.shape, one.dtype) == (image.shape, np.uint8)
        seen.add(one.tobytes())
    assert len(seen) >= 11  # of 12; none chosen at all is 1 in 128
    np.testing.assert_array_equal(image, before)


def test_as_many_numbers_are_drawn_whatever_is_chosen():
    after = []
    for seed in range(8):
        rng, plain = np.random.default_rng(seed), np.random.default_rng(seed)
        as_cameras_vary(picture(), rng)
        plain.random(7), plain.random(7), plain.standard_normal(2), plain.integers(2**31)
        after.append(rng.random() == plain.random())
    assert all(after)


def test_nothing_chosen_changes_nothing_and_half_is_chosen():
    np.testing.assert_array_equal(as_cameras_vary(picture(), Fixed()), picture())
    assert CHANCE == 0.5


def changes(which: int, at: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    return picture().astype(float), as_cameras_vary(picture(), Fixed(which, at=at)).astype(float)


@pytest.mark.parametrize("which", range(7), ids=VARIATIONS)
def test_each_variation_alone_does_something_and_keeps_the_picture(which):
    before, after = changes(which)
    assert np.abs(after - before).mean() > 0.5
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.8


def test_each_variation_does_what_its_name_says():
    before, after = changes(VARIATIONS.index("cast"))
    gain = after.mean((0, 1)) / before.mean((0, 1))
    # red by e^.12, blue by e^-.12, green not at all
    np.testing.assert_allclose(gain, np.exp([0.12, 0, -0.12]), atol=0.01)

    before, after = changes(VARIATIONS.index("saturation"), at=0.0)
    distance = [np.abs(x - x.mean(2, keepdims=True)).mean() for x in (before, after)]
    assert distance[1] / distance[0] == pytest.approx(0.6, abs=0.05)
    assert after.mean() == pytest.approx(before.mean(), abs=0.5)

    before, after = changes(VARIATIONS.index("tone"), at=1.0)
    expected = 255 * (before / 255) ** np.exp(0.44)
    np.testing.assert_allclose(after, expected, atol=0.51)

    for name in ("blur", "resolution"):
        before, after = changes(VARIATIONS.index(name), at=0.9 if name == "blur" else 0.0)
        detail = [np.diff(x, axis=1).std() for x in (before, after)]
        assert detail[1] < 0.7 * detail[0]
        assert after.mean() == pytest.approx(before.mean(), abs=0.5)

    before, after = changes(VARIATIONS.index("noise"), at=1.0)
    assert (after - before).std() == pytest.approx(0.03 * 255, rel=0.05)
    assert (after - before).mean() == pytest.approx(0, abs=0.3)

    coarse, fine = (
        np.abs(np.subtract(*changes(VARIATIONS.index("jpeg"), at=at))).mean() for at in (0.0, 1.0)
    )
    assert coarse > fine > 0


def test_batches_are_varied_where_asked_and_the_same_again(small_samples):
    own = [p for p in read_manifest(small_samples / "manifest.csv") if p.domain == "phone"]
    how = {"per_class": 4, "size": 64, "seed": 3, "shift": 4}
    plain = DomainBatches(own, **how)
    varied, again = (DomainBatches(own, **how, augment="camera") for _ in range(2))
    first = varied.draw()
    assert not np.array_equal(plain.draw()[0], first[0])
    again.drawn = 1
    assert np.array_equal(varied.draw()[0], again.draw()[0])  # a function of the number alone
    assert first[0].shape == (8, 3, 64, 64)
    assert 0 <= first[0].min() <= first[0].max() <= 1
