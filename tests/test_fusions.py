"""The ablations of the fusion and of the loss."""

import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

from hfnmp_lite import HFN, Detector, MetaPatternExtractor, meta_step, presentation_loss
from hfnmp_lite.learn.losses import LOSSES, class_loss
from hfnmp_lite.model.network import FUSIONS


def batch(n=4, size=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images, pattern = torch.rand(2, n, 3, size, size, generator=generator)
    return images, pattern, torch.arange(n) % 2


def network(fusion, **settings):
    torch.manual_seed(1)
    return HFN(fusion=fusion, **settings).eval()


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("trunk", ["lite", "resnet18"])
def test_every_fusion_has_the_same_outputs(fusion, trunk):
    images, pattern, _ = batch()
    out = network(fusion, trunk=trunk)(images, pattern)
    assert out.logits.shape == (4, 2)
    assert out.map.shape == (4, 1, 8, 8)
    assert ((out.score >= 0) & (out.score <= 1)).all()


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_input_that_is_read_matters_and_see_then_judge_is_the_whole(fusion):
    images, pattern, _ = batch()
    net = network(fusion)
    whole = net(images, pattern)
    assert torch.equal(net.judge(net.see(images), pattern).score, whole.score)
    unread = torch.allclose(net(images.flip(3), pattern).score, whole.score)
    assert unread == (fusion == "alone")
    assert not torch.allclose(net(images, pattern.flip(3)).score, whole.score)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_no_parameter_is_dead(fusion):
    images, pattern, live = batch()
    net = network(fusion).train()
    presentation_loss(net(images, pattern), live).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []


def test_late_fusion_averages_the_scores_of_two_networks():
    images, pattern, live = batch()
    net = network("late")
    a, b = net.image_network(images), net.pattern_network(pattern)
    out = net(images, pattern)
    torch.testing.assert_close(out.score, (a.score + b.score) / 2)
    own = presentation_loss(a, live) + presentation_loss(b, live)
    assert torch.equal(presentation_loss(out, live), own)


def test_late_fusion_trains_each_network_as_if_it_were_alone():
    images, pattern, live = batch()
    net = network("late").train()
    presentation_loss(net(images, pattern), live).backward()
    together = net.image_network.classifier.weight.grad.clone()
    alone = HFN(streams=1).train()
    alone.load_state_dict(network("late").image_network.state_dict())
    presentation_loss(alone(images), live).backward()
    torch.testing.assert_close(together, alone.classifier.weight.grad)


def test_concat_normalises_both_halves_alike():
    images, pattern, _ = batch()
    net = network("concat")
    plain = network("concat", normalise_image=False, normalise_pattern=False)
    mean, std = (
        torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    normalised = plain((images - mean) / std, (pattern - mean) / std)
    torch.testing.assert_close(net(images, pattern).logits, normalised.logits)
    with pytest.raises(ValueError, match="both or neither"):
        HFN(fusion="concat", normalise_image=False)


def test_top_reads_its_map_from_the_top_alone():
    images, pattern, _ = batch()
    out = network("top")(images, pattern)
    blocks = out.map.unfold(2, 4, 4).unfold(3, 4, 4)  # (N, 1, 2, 2, 4, 4)
    assert torch.equal(blocks, blocks[..., :1, :1].expand_as(blocks))


@pytest.mark.parametrize("fusion", FUSIONS[1:])
def test_one_stream_has_nothing_to_fuse(fusion):
    with pytest.raises(ValueError, match="one stream"):
        HFN(fusion=fusion, streams=1)


def test_losses_by_hand():
    images, pattern, live = batch()
    out = network("hfm")(images, pattern)
    classes = cross_entropy(out.logits, live)
    wanted = live.float()[:, None, None, None].expand_as(out.map)
    assert torch.equal(class_loss(out, live), classes)
    torch.testing.assert_close(LOSSES["ce+mse"](out, live), classes + mse_loss(out.map, wanted))


def test_without_the_map_the_score_is_the_probability_of_live():
    images, pattern, _ = batch()
    for fusion in FUSIONS:
        out = network(fusion, map_in_score=False)(images, pattern)
        torch.testing.assert_close(out.score, out.logits.softmax(1)[:, 1])


@pytest.mark.parametrize("order", ["alternating", "bilevel", "bilevel-first-order"])
@pytest.mark.parametrize(
    ("fusion", "loss"), [("late", "ce+mse"), ("concat", "ce+mse"), ("top", "ce+mse"), ("hfm", "ce")]
)
def test_the_meta_step_moves_extractor_and_network(order, fusion, loss):
    images, pattern, live = batch()
    net, extractor = network(fusion).train(), MetaPatternExtractor().train()
    before = [p.clone() for p in (*net.parameters(), *extractor.parameters())]
    meta_step(
        net,
        extractor,
        [(images, live)],
        [(pattern, live)],
        network_optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        extractor_optimizer=torch.optim.SGD(extractor.parameters(), lr=0.1),
        order=order,
        loss=LOSSES[loss],
    )
    after = (*net.parameters(), *extractor.parameters())
    moved = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    names = [n for module in (net, extractor) for n, _ in module.named_parameters()]
    still = {n for n, m in zip(names, moved, strict=True) if not m}
    # the class loss reaches neither the fusion nor the map's head: the logits never see them
    expected = {n for n in names if any(w in n for w in ("lateral", "smooth", "map_head"))}
    assert still == (expected if loss == "ce" else set())


def test_checkpoints_keep_fusion_and_score(tmp_path):
    from hfnmp_lite import load_checkpoint, save_checkpoint

    images, _, _ = batch()
    for fusion in FUSIONS:
        detector = Detector(MetaPatternExtractor(), network(fusion, map_in_score=False)).eval()
        save_checkpoint(tmp_path / "m.safetensors", detector, {})
        again = load_checkpoint(tmp_path / "m.safetensors")
        assert torch.equal(again(images).score, detector(images).score)
