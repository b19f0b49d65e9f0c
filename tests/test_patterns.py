"""Patterns against scikit-image and against what the method fixes."""

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from skimage.feature import local_binary_pattern

from hfnmp_lite import LocalBinaryPattern, MetaPatternExtractor


def images_of_every_kind() -> np.ndarray:
    """(N, 40, 56) uint8: noise, few levels (many ties), flat, ramp, photograph."""
    rng = np.random.default_rng(0)
    photograph = astronaut()[60:100, 200:256, 0]
    return np.stack(
        [
            rng.integers(0, 256, (40, 56)),
            rng.integers(0, 3, (40, 56)),
            np.full((40, 56), 77),
            np.zeros((40, 56)),
            np.add.outer(np.arange(40), 3 * np.arange(56)) % 256,
            photograph,
        ]
    ).astype(np.uint8)


@pytest.mark.parametrize("method", LocalBinaryPattern.METHODS)
@pytest.mark.parametrize(
    ("points", "radius"), [(8, 1.0), (4, 1.0), (8, 2.0), (16, 2.3), (12, 1.5), (24, 3.0), (5, 0.4)]
)
def test_lbp_equals_scikit_image_bit_for_bit(method, points, radius):
    planes = images_of_every_kind()
    images = torch.from_numpy(planes).float().div(255)[:, None].expand(-1, 3, -1, -1)
    lbp = LocalBinaryPattern(points, radius, method)
    ours = (lbp(images).double() * lbp.largest_code).round().numpy()
    for plane, code in zip(planes, ours, strict=True):
        expected = local_binary_pattern(plane, points, radius, method)
        for channel in code:
            np.testing.assert_array_equal(channel, expected)


def test_lbp_output_is_a_fraction_of_the_largest_code_in_any_memory_format():
    images = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(1))
    lbp = LocalBinaryPattern()
    pattern = lbp(images)
    assert pattern.dtype == torch.float32
    assert pattern.min() >= 0
    assert pattern.max() <= 1
    assert torch.equal(pattern, lbp(images.to(memory_format=torch.channels_last)))


def test_lbp_ignores_monotone_changes_of_brightness():
    image = torch.randint(0, 120, (1, 3, 20, 20), generator=torch.Generator().manual_seed(2)) / 255
    inner = (..., slice(1, -1), slice(1, -1))
    upright = LocalBinaryPattern(points=4)  # four neighbours: no interpolation between pixels
    assert torch.equal(upright(image)[inner], upright(image * 2 + 3 / 255)[inner])


@pytest.mark.parametrize(
    "arguments", [{"method": "var"}, {"points": 0}, {"points": 25}, {"radius": 0}]
)
def test_lbp_refuses_what_it_cannot_do(arguments):
    with pytest.raises(ValueError, match="expected"):
        LocalBinaryPattern(**arguments)


def test_extractor_has_351_parameters_and_keeps_the_size():
    extractor = MetaPatternExtractor()
    assert sum(p.numel() for p in extractor.parameters()) == 351
    pattern = extractor(torch.rand(2, 3, 33, 47))
    assert pattern.shape == (2, 3, 33, 47)
    assert pattern.min() > 0
    assert pattern.max() < 1
