"""The codes behind the figures of notebook 02, against scikit-image and plain Python."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter
from skimage.feature import local_binary_pattern

from hfnmp_lite.teach import lbp_figures


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (20, 24, 3)).astype(np.uint8)


def test_square_codes_are_those_of_plain_python(image):
    grey = image[..., 0]
    grey[4:8, 5:9] = 80
    codes = lbp_figures.square_codes(grey)
    assert codes.shape == (18, 22)
    around = [(0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1)]
    for row, column in np.ndindex(codes.shape):
        centre = int(grey[row + 1, column + 1])
        levels = [int(grey[row + 1 + r, column + 1 + c]) for r, c in around]
        assert codes[row, column] == sum(2**p for p, v in enumerate(levels) if v >= centre)


def test_every_second_bit_is_that_of_a_circle_of_four_points(image):
    codes = lbp_figures.square_codes(image[..., 0])
    four = sum((codes >> (2 * p) & 1).astype(int) << p for p in range(4))
    np.testing.assert_array_equal(four, local_binary_pattern(image[..., 0], 4, 1)[1:-1, 1:-1])


def test_square_codes_ignore_what_keeps_the_order(image):
    grey = image[..., 0]
    for curve in (np.sqrt, np.exp, lambda x: 3 * x - 7, lambda x: x**3):
        same = lbp_figures.square_codes(curve(grey / 255.0))
        np.testing.assert_array_equal(same, lbp_figures.square_codes(grey))


@pytest.mark.parametrize(("points", "radius", "method"), [(8, 1, "uniform"), (16, 2.5, "default")])
def test_circle_codes_are_those_of_scikit_image(image, points, radius, method):
    grey = image.mean(2).round().astype(np.uint8)
    (codes,) = lbp_figures.circle_codes([image], points, radius, method)
    np.testing.assert_array_equal(codes, local_binary_pattern(grey, points, radius, method))


def test_local_contrast_is_the_range_around_a_pixel(image):
    grey = image[..., 1]
    wide = maximum_filter(grey, 3).astype(int) - minimum_filter(grey, 3)
    np.testing.assert_array_equal(lbp_figures.local_contrast(grey), wide[1:-1, 1:-1])


@pytest.mark.parametrize(("points", "radius"), [(4, 1), (24, 8)])
def test_the_bench_shows_every_neighbour_it_asks(image, points, radius):
    figure, _ = lbp_figures.bench(np.tile(image, (3, 3, 1)), "print", points, radius, "uniform")
    (inset,) = [axes for axes in figure.axes if axes.get_title().startswith("neighbours")]
    x, y = inset.lines[0].get_data()
    assert len(x) == points
    np.testing.assert_allclose(np.hypot(x, y), radius)
    left, right = inset.get_xlim()
    assert left < x.min() - 0.5
    assert right > x.max() + 0.5
    assert (right - left) < 2 * radius + 6  # a small circle fills its window, too
