"""Attributions against hand-worked cases, plain loops, and what the theory promises."""

import ast
import copy
import functools
import itertools
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

import hfnmp_lite
from hfnmp_lite import HFN, Detector, LocalBinaryPattern, MetaPatternExtractor
from hfnmp_lite.explain import attribution
from hfnmp_lite.explain.response import BLUR, Response, baseline_pair, blurred, respond
from hfnmp_lite.files import InputError
from hfnmp_lite.model.network import FUSIONS, Output

SIDE = 32


class Planted(nn.Module):
    """A network whose margin is known: weights times image, and weights times pattern."""

    streams, map_in_score = 2, True

    def __init__(self, of_image, of_pattern):
        super().__init__()
        self.of_image, self.of_pattern = of_image, of_pattern

    def forward(self, images, pattern):
        margin = (images * self.of_image).sum((1, 2, 3)) + (pattern * self.of_pattern).sum(
            (1, 2, 3)
        )
        logits = torch.stack([-margin / 2, margin / 2], 1)
        return Output(logits, torch.sigmoid(margin)[:, None, None, None].expand(-1, 1, 2, 2))


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def planted(extractor, image=1.0, pattern=1.0):
    shape = (3, SIDE, SIDE)
    network = Planted(image * noise(*shape, seed=1) - 0.3, pattern * noise(*shape, seed=2) - 0.4)
    return Detector(extractor, network).double().eval()


@functools.cache
def real(pattern="mp", **settings):
    """A network with random weights and batch norms that have seen something."""
    torch.manual_seed(0)
    extractor = {"mp": MetaPatternExtractor, "lbp": LocalBinaryPattern, "rgb": lambda: None}[
        pattern
    ]()
    detector = Detector(extractor, HFN(streams=1 if pattern == "rgb" else 2, **settings))
    with torch.no_grad():
        for i in range(20):
            detector.train()(noise(4, 3, 32, 32, seed=i).float())
    return detector.double().eval()


@pytest.fixture(scope="module")
def images():
    """Smooth colours with some texture: LBP of pure noise has no flat places."""
    coarse = noise(2, 3, 4, 4)
    return (
        0.8 * interpolate(coarse, (SIDE, SIDE), mode="bicubic") + 0.1 * noise(2, 3, SIDE, SIDE)
    ).clamp(0, 1)


@pytest.fixture(scope="module")
def larger():
    return interpolate(noise(2, 3, 16, 16), (64, 64), mode="bilinear").clamp(0, 1)


# --- responses and baselines --------------------------------------------------------------------


def test_responses_are_the_margin_the_map_before_its_sigmoid_and_the_score(images):
    detector = real()
    out = detector(images)
    torch.testing.assert_close(respond(detector, images), out.logits[:, 1] - out.logits[:, 0])
    inside = torch.log(out.map / (1 - out.map)).mean((1, 2, 3))
    torch.testing.assert_close(respond(detector, images, "map"), inside)
    torch.testing.assert_close(respond(detector, images, "score"), out.score)


def test_a_saturated_map_still_has_a_response(images):
    detector = copy.deepcopy(real())
    with torch.no_grad():
        detector.network.map_head[2].bias += 200.0
    assert detector(images).map.min() == 1.0
    assert (respond(detector, images, "map") > 100).all()


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_has_every_response(fusion, images):
    detector = real(fusion=fusion)
    for name in attribution.RESPONSES:
        value = respond(detector, images, name)
        assert value.shape == (2,)
        assert value.isfinite().all()


def test_lbp_of_any_constant_is_one_so_that_a_black_baseline_is_no_absence():
    lbp = LocalBinaryPattern()
    for level in (0.0, 0.5, 1.0):
        assert (lbp(torch.full((1, 3, 9, 9), level))[..., 1:-1, 1:-1] == 1).all()


def test_a_baseline_is_the_blurred_image_with_its_own_pattern(images):
    from scipy.ndimage import gaussian_filter

    detector = planted(LocalBinaryPattern())
    x0, m0 = baseline_pair(detector, images)
    for channel in range(3):
        expected = gaussian_filter(images[0, channel].numpy(), BLUR * SIDE, mode="mirror")
        np.testing.assert_allclose(x0[0, channel], expected, atol=2e-4)
    torch.testing.assert_close(m0, LocalBinaryPattern()(x0))
    given, pattern = baseline_pair(detector, images, images.flip(0))
    assert torch.equal(given, images.flip(0))
    assert torch.equal(pattern, LocalBinaryPattern()(images.flip(0)))


# --- hand-worked cases --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ig", "smoothgrad"])
def test_a_linear_model_gives_weight_times_difference(method, images):
    detector = planted(LocalBinaryPattern())
    x0, m0 = baseline_pair(detector, images)
    m = detector.pattern(images)
    network = detector.network
    by_image = (network.of_image * (images - x0)).sum(1).numpy()
    by_pattern = (network.of_pattern * (m - m0)).sum(1).numpy()
    found = attribution.attribute(detector, images, method, of="streams")
    np.testing.assert_allclose(found.parts["image"], by_image, atol=1e-9)
    np.testing.assert_allclose(found.parts["pattern"], by_pattern, atol=1e-9)
    np.testing.assert_allclose(found.map, by_image + by_pattern, atol=1e-9)
    alone = attribution.attribute(detector, images, method, of="pattern")
    np.testing.assert_allclose(alone.parts["pattern"], by_pattern, atol=1e-9)
    np.testing.assert_allclose(alone.explained, by_pattern.sum((1, 2)), atol=1e-9)


def test_gradients_of_the_image_miss_exactly_what_lbp_carries(images):
    detector = planted(LocalBinaryPattern())
    x0, m0 = baseline_pair(detector, images)
    carried = (detector.network.of_pattern * (detector.pattern(images) - m0)).sum((1, 2, 3))
    found = attribution.integrated_gradients(detector, images)
    np.testing.assert_allclose(found.error, -carried, atol=1e-9)
    assert np.abs(found.error).min() > 1
    np.testing.assert_allclose(
        found.map, (detector.network.of_image * (images - x0)).sum(1), atol=1e-9
    )


def test_a_network_that_reads_lbp_alone_has_a_zero_map_and_all_of_it_missing(images):
    detector = planted(LocalBinaryPattern())
    detector.network.of_image = torch.zeros(1, dtype=torch.float64)
    found = attribution.integrated_gradients(detector, images)
    assert not found.map.any()
    np.testing.assert_allclose(found.error, -found.explained)
    assert np.abs(attribution.occlusion(detector, images).map).max() > 0


def test_occlusion_of_a_known_patch(images):
    """Margin = mean of one 8 x 8 patch: only windows that touch it change it."""
    detector = planted(LocalBinaryPattern(), pattern=0.0)
    weights = torch.zeros(3, SIDE, SIDE, dtype=torch.float64)
    weights[:, 8:16, 16:24] = 1 / (3 * 64)
    detector.network.of_image, detector.network.of_pattern = weights, torch.zeros(1).double()
    other = torch.zeros_like(images)
    found = attribution.occlusion(detector, images, baseline=other, window=8, stride=8)
    expected = np.zeros((2, SIDE, SIDE))
    expected[:, 8:16, 16:24] = images[:, :, 8:16, 16:24].mean((1, 2, 3))[:, None, None]
    np.testing.assert_allclose(found.map, expected, atol=1e-9)


@pytest.mark.parametrize("extractor", [LocalBinaryPattern, MetaPatternExtractor])
def test_occlusion_computes_the_pattern_of_the_occluded_image_anew(extractor, images):
    detector = planted(extractor(), image=0.0)
    window, stride = 12, 5
    x0, _ = baseline_pair(detector, images)
    sums, counts = np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE))
    image = images[:1]
    with torch.no_grad():
        whole = float(Response(detector)(image))
        for top, left in itertools.product(range(0, SIDE, stride), repeat=2):
            if max(top, left) + window - stride >= SIDE:
                continue  # the window before reached the border already
            patched = image.clone()
            here = (..., slice(top, top + window), slice(left, left + window))
            patched[here] = x0[:1][here]
            sums[here] += whole - float(Response(detector)(patched))
            counts[here] += 1
    found = attribution.occlusion(detector, image, window=window, stride=stride)
    np.testing.assert_allclose(found.map[0], sums / counts, atol=1e-5)  # Captum sums in single


class OneFilter(nn.Module):
    """One filter, its mean, twice that as margin; named as an HFN of one stream."""

    streams, mode, map_in_score = 1, "hfm", True

    def __init__(self):
        super().__init__()
        layer = nn.Conv2d(3, 1, 1, stride=8, bias=False)
        nn.init.constant_(layer.weight, 0.5)
        self.image_stream = nn.Module()
        self.image_stream.trunk = nn.Module()
        self.image_stream.trunk.layer4 = layer

    def forward(self, images, pattern):
        margin = 2 * self.image_stream.trunk.layer4(images).mean((1, 2, 3))
        return Output(torch.stack([0 * margin, margin], 1), margin[:, None, None, None])


def test_grad_cam_of_a_one_filter_network(images):
    """Mean gradient of a cell is 2 / 16; activation is half the sum of the sampled colours."""
    detector = Detector(None, OneFilter()).double().eval()
    cells = 2 / 16 * 0.5 * images[:, :, ::8, ::8].sum(1, keepdim=True)
    expected = interpolate(cells, (SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0]
    np.testing.assert_allclose(attribution.grad_cam(detector, images).map, expected, atol=1e-9)


def cam_by_hand(activations, response):
    """Activations (1, C, h, w) that require a gradient -> (h, w), by autograd alone."""
    (slope,) = torch.autograd.grad(response, activations)
    return (slope.mean((2, 3), keepdim=True) * activations).sum(1)[0].detach()


@pytest.mark.parametrize("level", ["p3", "p4", "p5"])
def test_grad_cam_of_the_map_on_each_level_of_the_pyramid(level, larger):
    detector = real("lbp")
    network, fusion = detector.network, detector.network.fusion
    a, b = network.image_stream(larger[:1]), network.pattern_stream(detector.pattern(larger[:1]))
    levels = {"p5": (a.f5 + b.f5) / 2}
    levels["p4"] = fusion.smooth4(interpolate(levels["p5"], size=(4, 4)) + (a.f4 + b.f4) / 2)
    levels["p3"] = fusion.smooth3(interpolate(levels["p4"], size=(8, 8)) + (a.f3 + b.f3) / 2)
    before = network.map_head[2](torch.relu(network.map_head[0](levels["p3"])))
    cells = cam_by_hand(levels[level], before.mean())
    expected = interpolate(cells[None, None], (64, 64), mode="bilinear", align_corners=False)
    found = attribution.grad_cam(detector, larger, "map", layer=level)
    np.testing.assert_allclose(found.map[0], expected[0, 0], atol=1e-9)


@pytest.mark.parametrize("name", ["margin", "score"])
def test_grad_cam_of_margin_and_score_on_each_stream(name, larger):
    detector = real("mp")
    network, x = detector.network, larger[:1]
    caught = {}
    for part in ("image", "pattern"):
        layer = getattr(network, f"{part}_stream").trunk.layer4
        layer.register_forward_hook(lambda _, __, out, part=part: caught.__setitem__(part, out))
    found = attribution.grad_cam(detector, x, name, "streams")
    for part in ("image", "pattern"):
        out = network(x, detector.pattern(x))
        response = out.score if name == "score" else out.logits[:, 1] - out.logits[:, 0]
        cells = cam_by_hand(caught[part], response.sum())
        expected = interpolate(cells[None, None], (64, 64), mode="bilinear", align_corners=False)
        np.testing.assert_allclose(found.parts[part][0], expected[0, 0], atol=1e-9)
    whole = attribution.grad_cam(detector, x, name)
    np.testing.assert_allclose(whole.map, found.map)


# --- completeness -------------------------------------------------------------------------------


def mass(found):
    return sum(np.abs(values).sum((1, 2)) for values in found.parts.values())


@pytest.mark.parametrize("response", attribution.RESPONSES)
@pytest.mark.parametrize("pattern", ["mp", "lbp"])
def test_integrated_gradients_are_complete_in_pattern_space_for_any_pattern(
    pattern, response, images
):
    detector = real(pattern)
    for of in ("pattern", "streams"):
        found = attribution.integrated_gradients(detector, images, response, of, steps=32)
        assert (np.abs(found.error) < 0.01 * mass(found)).all()
        total = sum(found.totals.values())
        np.testing.assert_allclose(total - found.explained, found.error, atol=1e-9)


@pytest.mark.parametrize("response", attribution.RESPONSES)
def test_of_the_image_they_are_complete_for_mp_and_not_for_lbp(response, images):
    for pattern, complete in (("mp", True), ("lbp", False)):
        found = attribution.integrated_gradients(real(pattern), images, response, steps=32)
        relative = np.abs(found.error) / mass(found)
        assert (relative.max() < 0.01) == complete
        assert complete or relative.max() > 0.02


def test_methods_without_a_promise_claim_no_completeness(images):
    detector = planted(MetaPatternExtractor())
    for method in ("smoothgrad", "occlusion"):
        assert np.isnan(attribution.attribute(detector, images, method).error).all()


# --- the two streams ----------------------------------------------------------------------------


@pytest.mark.parametrize("response", attribution.RESPONSES)
@pytest.mark.parametrize("pattern", ["mp", "lbp"])
def test_shapley_values_are_the_mean_over_both_orders_of_joining(pattern, response, images):
    detector = real(pattern)
    x0, m0 = baseline_pair(detector, images)
    m = detector.pattern(images)
    f = Response(detector, response)
    ends = {"image": (x0, images), "pattern": (m0, m)}
    expected = {"image": 0.0, "pattern": 0.0}
    with torch.no_grad():
        for order in itertools.permutations(ends):
            now = {name: ends[name][0] for name in ends}
            for name in order:
                before = f(now["image"], now["pattern"])
                now[name] = ends[name][1]
                expected[name] += (f(now["image"], now["pattern"]) - before) / 2
    found = attribution.stream_shares(detector, images, response)
    np.testing.assert_allclose(found.image, expected["image"], atol=1e-12)
    np.testing.assert_allclose(found.pattern, expected["pattern"], atol=1e-12)
    np.testing.assert_allclose(found.image + found.pattern, found.both - found.nothing)


def test_the_margin_is_a_sum_over_the_streams_and_the_map_is_not(images):
    """The logits never see the fusion: alone or last to join, a stream adds the same."""
    detector = real("mp")
    for response, additive in (("margin", True), ("map", False)):
        s = attribution.stream_shares(detector, images, response)
        apart = np.abs((s.image_alone - s.nothing) - (s.both - s.pattern_alone)).max()
        assert (apart < 1e-9) == additive


# --- Captum's measures --------------------------------------------------------------------------


def test_infidelity_of_a_sum_of_patches_is_zero_and_of_a_wrong_map_by_hand():
    worth = np.arange(16.0).reshape(4, 4) - 5

    def answer(masks):
        return 3 - (masks * worth).sum((1, 2))  # what is removed is lost

    seen = []

    def watched(masks):
        seen.append(masks)
        return answer(masks)

    wrong = np.ones((4, 4))
    masses = {"right": worth, "scaled": -7 * worth, "wrong": wrong, "none": 0 * worth}
    found = attribution.infidelity(watched, masses, samples=40, seed=1)
    assert found["right"] < 1e-12
    assert found["scaled"] < 1e-12
    assert found["none"] == pytest.approx(1)
    (masks,) = seen  # one pass serves every map
    assert len(masks) == 41
    assert not masks[0].any()
    lost = 3 - answer(masks[1:])
    foretold = (masks[1:] * wrong).sum((1, 2))
    factor = (foretold * lost).sum() / (foretold**2).sum()
    expected = ((factor * foretold - lost) ** 2).mean() / (lost**2).mean()
    assert found["wrong"] == pytest.approx(expected)
    assert 0 < expected < 1


def test_infidelity_of_a_constant_response_is_not_a_number():
    found = attribution.infidelity(lambda masks: np.ones(len(masks)), {"any": np.ones((4, 4))})
    assert np.isnan(found["any"])


def test_max_sensitivity_is_the_largest_relative_change(images):
    seen = []

    def explain(x):
        seen.append(x.clone())
        return (x**2).sum(1).numpy()

    found = attribution.max_sensitivity(explain, images, radius=0.01, samples=3)
    first, *noisy = seen
    assert torch.equal(first, images)
    assert len(noisy) == 3
    assert max((n - images).abs().max() for n in noisy) <= 0.01
    whole = np.linalg.norm((images**2).sum(1).flatten(1), axis=1)
    changes = [np.linalg.norm(((n**2) - images**2).sum(1).flatten(1), axis=1) for n in noisy]
    np.testing.assert_allclose(found, np.max(changes, axis=0) / whole, rtol=1e-6)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "lime"}, ["'lime'", "occlusion"]),
        ({"response": "loss"}, ["'loss'", "margin"]),
        ({"of": "face"}, ["'face'", "streams"]),
        ({"images": torch.zeros(0, 3, 64, 64)}, ["empty"]),
        ({"images": torch.zeros(3, 64, 64)}, ["(3, 64, 64)", "(N, 3, H, W)"]),
        ({"images": torch.zeros(1, 3, 64, 64, dtype=torch.uint8)}, ["uint8", "divide by 255"]),
        ({"images": torch.full((1, 3, 64, 64), 7.0)}, ["from 7 to 7", "[0, 1]"]),
        ({"images": torch.full((1, 3, 64, 64), torch.nan)}, ["nan"]),
        ({"baseline": torch.zeros(1, 3, 32, 32)}, ["(1, 3, 32, 32)", "(1, 3, 64, 64)"]),
        ({"method": "occlusion", "window": 65}, ["65", "side"]),
        ({"method": "occlusion", "window": 8, "stride": 9}, ["stride of 9"]),
        ({"method": "gradcam", "layer": "c9"}, ["'c9'", "p3"]),
        ({"method": "gradcam", "layer": "p3"}, ["never see the fusion", "c5"]),
        ({"method": "gradcam", "layer": "p3", "response": "score"}, ["never see the fusion"]),
        ({"method": "gradcam", "layer": "c5", "response": "map"}, ["made by the fusion"]),
        ({"method": "gradcam", "response": "map", "of": "pattern"}, ["both streams are one"]),
    ],
)
def test_bad_questions_get_a_clear_line(change, words):
    detector = Detector(MetaPatternExtractor(), HFN()).eval()
    arguments = {"images": torch.rand(1, 3, 64, 64)} | change
    with pytest.raises(InputError) as caught:
        attribution.attribute(detector, **arguments)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_detector_in_train_mode_is_refused():
    detector = Detector(MetaPatternExtractor(), HFN()).eval()
    detector.network.fusion.train()
    for method in attribution.METHODS:
        with pytest.raises(InputError, match="train mode"):
            attribution.attribute(detector, torch.rand(1, 3, 64, 64), method)


@pytest.mark.parametrize("of", ["pattern", "streams"])
def test_a_network_without_a_pattern_is_asked_of_the_image_alone(of, images):
    detector = real("rgb")
    for method in attribution.METHODS:
        with pytest.raises(InputError, match="no pattern"):
            attribution.attribute(detector, images, method, of=of)
    with pytest.raises(InputError, match="no pattern"):
        attribution.stream_shares(detector, images)
    found = attribution.integrated_gradients(detector, images, steps=32)
    assert (np.abs(found.error) < 0.01 * mass(found)).all()


def test_a_map_that_no_loss_trained_is_not_explained():
    detector = Detector(MetaPatternExtractor(), HFN(map_in_score=False)).eval()
    with pytest.raises(InputError, match="trained no map"):
        attribution.integrated_gradients(detector, torch.rand(1, 3, 64, 64), "map")


def test_grad_cam_of_a_network_without_layers_is_refused(images):
    with pytest.raises(InputError, match="Planted"):
        attribution.grad_cam(planted(LocalBinaryPattern()), images)


# --- manners ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_method_works_on_every_fusion(fusion, images):
    detector = real(fusion=fusion)
    for method in attribution.METHODS:
        options = {"ig": {"steps": 4}, "occlusion": {"window": 16}}.get(method, {})
        found = attribution.attribute(detector, images[:1], method, **options)
        assert found.map.shape == (1, SIDE, SIDE)
        assert np.isfinite(found.map).all()
        assert found.map.any()


def test_asking_changes_nothing_and_repeats_exactly(images):
    detector = planted(MetaPatternExtractor())
    before = {k: v.clone() for k, v in detector.state_dict().items()}
    given = images.clone()
    state = torch.get_rng_state()
    found = [attribution.smooth_grad(detector, images).map for _ in range(2)]
    assert np.array_equal(*found)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(given, images)
    assert all(torch.equal(v, before[k]) for k, v in detector.state_dict().items())
    assert all(p.grad is None for p in detector.parameters())
    alone = attribution.smooth_grad(detector, images[1:]).map
    np.testing.assert_allclose(alone, found[0][1:], atol=1e-12)  # neighbours do not matter


def test_images_made_under_inference_mode_can_be_explained(images):
    with torch.inference_mode():
        given = images.clone()
    assert attribution.integrated_gradients(planted(MetaPatternExtractor()), given, steps=4)


def test_captum_is_imported_in_one_place():
    package = Path(hfnmp_lite.__file__).parent
    users = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "captum" for name in names):
                users.add(path.relative_to(package).as_posix())
    assert users == {"explain/attribution.py"}


def test_one_image_is_explained_in_seconds():
    """3 s each on two cores; processor seconds here, other work may share the machine."""
    detector = Detector(MetaPatternExtractor(), HFN()).eval()
    image = torch.rand(1, 3, 128, 128)
    attribution.integrated_gradients(detector, image, steps=2)
    for method in ("ig", "occlusion"):
        began = time.process_time()
        attribution.attribute(detector, image, method)
        assert time.process_time() - began < 4.5, method


def test_blur_keeps_a_constant_and_the_mean_level():
    flat = torch.full((1, 3, SIDE, SIDE), 0.25)
    torch.testing.assert_close(blurred(flat), flat)
    assert SimpleNamespace(x=blurred(noise(1, 3, SIDE, SIDE)).std()).x < 0.06
