"""The network against the released form of it, and what it promises about shapes."""

import pytest
import torch

from hfnmp_lite import HFN, Detector, LocalBinaryPattern, MetaPatternExtractor, presentation_loss
from hfnmp_lite.experiments.released import ReleasedNetwork, copy_ours, released_loss
from hfnmp_lite.model.trunk import Block


def images(n=2, size=64, dtype=torch.float32):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize(
    ("trunk", "count", "released"),
    [("lite", 961_891, 1_035_747), ("resnet50", 60_946_307, 62_126_467)],
)
def test_number_of_parameters(trunk, count, released):
    with torch.device("meta"):
        network, as_released = HFN(trunk=trunk), ReleasedNetwork(trunk)
    assert sum(p.numel() for p in network.parameters()) == count
    assert sum(p.numel() for p in as_released.parameters()) == released


def test_one_conv_per_level_equals_the_released_pair():
    torch.manual_seed(0)
    ours = HFN(normalise_image=False).double().train()
    released = ReleasedNetwork().double().train()
    copy_ours(ours, released)
    with torch.no_grad():  # two convs that differ: their mean is what ours must hold
        for level in ("4", "3"):
            for kind in ("weight", "bias"):
                pair = [released.get_parameter(f"smooth{level}_{s}.{kind}") for s in ("rgb", "tex")]
                for p in pair:
                    p.normal_(std=0.05)
                ours.get_parameter(f"fusion.smooth{level}.{kind}").copy_((pair[0] + pair[1]) / 2)
    x, m = images(3, dtype=torch.float64), images(3, dtype=torch.float64).flip(3)
    out, (logits, score_map) = ours(x, m), released(x, m)
    torch.testing.assert_close(out.logits, logits, rtol=0, atol=1e-12)
    torch.testing.assert_close(out.map, score_map, rtol=0, atol=1e-12)
    live = torch.tensor([1, 0, 1])
    torch.testing.assert_close(
        presentation_loss(out, live), released_loss((logits, score_map), live)
    )
    by_hand = (score_map.mean((1, 2, 3)) + logits.exp()[:, 1] / logits.exp().sum(1)) / 2
    torch.testing.assert_close(out.score, by_hand)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_block_equals_torchvisions(stride):
    from torchvision.models.resnet import BasicBlock

    ours = Block(6, 6 * stride, stride)
    theirs = BasicBlock(6, 6 * stride, stride, ours.downsample)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 6, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=0)


@pytest.mark.parametrize("trunk", ["lite", "resnet18"])
@pytest.mark.parametrize("streams", [1, 2])
@pytest.mark.parametrize("n", [1, 3])
def test_shapes_and_ranges(trunk, streams, n):
    network = HFN(trunk=trunk, streams=streams).eval()
    x = images(n)
    with torch.no_grad():
        out = network(x, x if streams == 2 else None)
    assert out.logits.shape == (n, 2)
    assert out.map.shape == (n, 1, 8, 8)
    assert out.score.shape == (n,)
    assert 0 <= out.map.min() <= out.map.max() <= 1
    assert 0 <= out.score.min() <= out.score.max() <= 1


def test_a_score_does_not_depend_on_the_rest_of_the_batch():
    detector = Detector(LocalBinaryPattern(), HFN()).eval()
    x = images(4)
    with torch.no_grad():
        together, alone = detector(x).score, torch.cat([detector(i[None]).score for i in x])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_detector_feeds_the_pattern_to_the_second_stream():
    detector = Detector(MetaPatternExtractor(), HFN()).eval()
    x = images()
    with torch.no_grad():
        expected = detector.network(x, detector.extractor(x))
        assert torch.equal(detector(x).logits, expected.logits)


@pytest.mark.parametrize("training", [True, False])
def test_a_pattern_alone_is_judged_as_an_image_alone_would_be(training):
    """The image has no influence; the network is that of one stream, which reads the pattern."""
    alone, one = HFN(fusion="alone"), HFN(streams=1)
    weights = {
        k.replace("pattern_stream", "image_stream"): v for k, v in alone.state_dict().items()
    }
    one.load_state_dict(weights)
    alone.train(training), one.train(training)
    image, other, pattern = images(), images().flip(2), images().flip(3)
    first, second, expected = alone(image, pattern), alone(other, pattern), one(pattern)
    for name in ("logits", "map"):
        torch.testing.assert_close(getattr(first, name), getattr(expected, name), rtol=0, atol=0)
        torch.testing.assert_close(getattr(second, name), getattr(first, name), rtol=0, atol=0)
    assert not torch.equal(alone(image, other).logits, first.logits)
    image.requires_grad_(True)
    pattern.requires_grad_(True)
    alone(image, pattern).score.sum().backward()
    assert image.grad is None
    assert pattern.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("shape", "streams", "pattern", "words"),
    [
        ((2, 3, 60, 64), 1, None, "multiples of 32"),
        ((0, 3, 64, 64), 1, None, "expected"),
        ((3, 64, 64), 1, None, "expected"),
        ((2, 1, 64, 64), 1, None, "expected"),
        ((2, 3, 64, 64), 2, None, "2 stream"),
        ((2, 3, 64, 64), 1, (2, 3, 64, 64), "1 stream"),
        ((2, 3, 64, 64), 2, (2, 3, 32, 32), "expected"),
    ],
)
def test_wrong_inputs_are_refused(shape, streams, pattern, words):
    network = HFN(streams=streams)
    with pytest.raises(ValueError, match=words):
        network(torch.zeros(shape), None if pattern is None else torch.zeros(pattern))


@pytest.mark.parametrize(
    "arguments",
    [{"trunk": "vgg"}, {"fusion": "sum"}, {"streams": 3}, {"fusion": "alone", "streams": 1}],
)
def test_unknown_settings_are_refused(arguments):
    with pytest.raises(ValueError, match="expected"):
        HFN(**arguments)


def test_detector_refuses_an_extractor_without_a_stream_for_it():
    with pytest.raises(ValueError, match="stream"):
        Detector(MetaPatternExtractor(), HFN(streams=1))
    with pytest.raises(ValueError, match="stream"):
        Detector(None, HFN())
