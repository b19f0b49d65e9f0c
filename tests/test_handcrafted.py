"""The rivals and controls of the Meta Pattern, each against an oracle of another house."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.data import astronaut
from skimage.filters import sobel_h, sobel_v

from hfnmp_lite.model.catalogue import PATTERNS, build_pattern
from hfnmp_lite.model.handcrafted import GradientPattern, MultiScaleRetinex, RandomExtractor


def photograph(height=48, width=64):
    return astronaut()[50 : 50 + height, 180 : 180 + width] / 255  # (H, W, 3) float64


def as_batch(image):
    return torch.from_numpy(image).permute(2, 0, 1)[None]


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_pattern_keeps_shape_dtype_and_range(name, dtype):
    pattern = build_pattern(name).to(dtype).eval()
    images = torch.rand(2, 3, 32, 64, generator=torch.Generator().manual_seed(0), dtype=dtype)
    for given in (images, torch.zeros_like(images), torch.ones_like(images)):
        out = pattern(given)
        assert out.shape == given.shape
        assert out.dtype == dtype
        assert out.min() >= 0
        assert out.max() <= 1


@pytest.mark.parametrize("name", PATTERNS)
def test_name_and_settings_build_a_pattern_again(name):
    pattern = build_pattern(name)
    again = build_pattern(pattern.name, **pattern.settings)
    assert type(again) is type(pattern)
    assert again.settings == pattern.settings


def test_an_unknown_pattern_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'lpb' is unknown.*lbp"):
        build_pattern("lpb")


def test_retinex_equals_scipys_gaussians():
    image, scales = photograph(), (0.02, 0.08, 0.25)
    floor = 1 / 255
    expected = np.zeros_like(image)
    for scale in scales:
        sigmas = (scale * image.shape[0], scale * image.shape[1], 0)
        blurred = gaussian_filter(image, sigmas, mode="mirror")
        expected += (np.log(image + floor) - np.log(blurred + floor)) / len(scales)
    ours = MultiScaleRetinex(scales)(as_batch(image))[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(ours, 1 / (1 + np.exp(-2 * expected)), atol=1e-9)


def test_retinex_ignores_the_strength_of_the_light():
    image = 0.2 + 0.3 * as_batch(photograph())
    bright, dark = MultiScaleRetinex()(image), MultiScaleRetinex()(image / 2)
    assert (bright - dark).abs().max() < 0.01  # not zero: the floor of one grey level
    assert (image - image / 2).abs().max() > 0.2


@pytest.mark.parametrize("scales", [(), (0,), (-0.1, 0.1), (2.0,)])
def test_retinex_refuses_scales_out_of_range(scales):
    with pytest.raises(ValueError, match="shares of the side"):
        MultiScaleRetinex(scales)


def test_gradient_equals_scikit_images_sobel():
    image = photograph()
    grey = image @ [0.299, 0.587, 0.114]
    down, right = sobel_h(grey), sobel_v(grey)  # of [-1, 1] for grey in [0, 1]
    magnitude, across, along = GradientPattern()(as_batch(image))[0].numpy()
    inner = (slice(1, -1), slice(1, -1))  # the borders differ
    np.testing.assert_allclose(
        magnitude[inner], (np.hypot(down, right) / np.sqrt(1.25))[inner], atol=1e-9
    )
    for ours, theirs in ((across, right), (along, down)):
        clear = np.abs(theirs[inner]) > 2e-4
        assert clear.mean() > 0.9
        np.testing.assert_array_equal(ours[inner][clear], (np.sign(theirs[inner][clear]) + 1) / 2)


def test_the_steepest_edge_has_magnitude_one():
    corner = np.zeros((5, 5, 3))
    corner[2:, 3:], corner[3:, 2:], corner[1, 3] = 1, 1, 1  # right, below and one corner
    assert GradientPattern()(as_batch(corner))[0, 0, 2, 2].item() == pytest.approx(1)


def test_a_random_extractor_has_nothing_to_learn_and_settles_on_the_data():
    torch.manual_seed(0)
    extractor = RandomExtractor()
    assert not any(p.requires_grad for p in extractor.parameters())
    images = 0.3 + 0.1 * torch.rand(64, 3, 32, 32)
    extractor.settle(images)
    assert not extractor.training
    first = extractor.encoder[0](images)
    torch.testing.assert_close(extractor.encoder[1].running_mean, first.mean((0, 2, 3)))
    torch.testing.assert_close(extractor.encoder[1].running_var, first.var((0, 2, 3)))
    pattern = extractor(images)  # in eval mode the settled statistics do what the batch's own would
    torch.testing.assert_close(pattern, extractor.train()(images), atol=1e-3, rtol=0)
    assert 0.1 < pattern.std() < 0.4  # neither dead nor saturated
