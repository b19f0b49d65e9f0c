"""The released method as it is written: what ours is tested against and timed against.

Our own transcription from a description of the *released code*, slow where it is slow and no
slower: planar memory (NCHW), a decoder whose output has weight zero, a pattern normalised image by
image, two smoothing convs a level that see the same input, gradients of everything in the
extractor's step. Images go to the network as they are, in [0, 1]; the pattern alone is normalised.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, mse_loss, relu
from torch.optim import Optimizer

from hfnmp_lite.learn.meta_step import Batch
from hfnmp_lite.model.fusion import IMAGENET_MEAN, IMAGENET_STD
from hfnmp_lite.model.network import HFN
from hfnmp_lite.model.trunk import Trunk

STREAMS = {"rgb": "image_stream", "tex": "pattern_stream"}  # the release's names and ours


class ReleasedExtractor(nn.Module):
    """Encoder and decoder of 351 parameters each: images -> (pattern, images rebuilt from it)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = self._half(), self._half()

    @staticmethod
    def _half() -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 3, 3, padding=1),
            nn.BatchNorm2d(3),
            nn.Sigmoid(),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pattern = self.encoder(images)
        return pattern, self.decoder(pattern)


class ReleasedNetwork(nn.Module):
    """Two streams fused top down, each with laterals and smoothing convs of its own.

    Shapes: images and pattern (N, 3, H, W) -> logits (N, 2), map (N, 1, H/8, W/8). The release has
    the trunk "resnet50"; the others of `Trunk` are for measurements, with our network's width.
    """

    def __init__(self, trunk: str = "lite") -> None:
        super().__init__()
        width = 64 if trunk == "lite" else 256
        for stream in STREAMS:
            body = Trunk(trunk)
            for module in body.modules():
                if isinstance(module, nn.ReLU):
                    module.inplace = False  # torchvision's blocks rectify in place
            c3, c4, c5 = body.channels
            setattr(self, f"trunk_{stream}", body)
            setattr(self, f"conv6_{stream}", nn.Conv2d(c5, width, 3, stride=2, padding=1))
            setattr(self, f"conv7_{stream}", nn.Conv2d(width, width, 3, stride=2, padding=1))
            for level, channels in ((5, c5), (4, c4), (3, c3)):
                setattr(self, f"lateral{level}_{stream}", nn.Conv2d(channels, width, 1))
            for level in (4, 3):
                setattr(self, f"smooth{level}_{stream}", nn.Conv2d(width, width, 3, padding=1))
        self.head_conv = nn.Conv2d(width, width // 2, 3, padding=1)
        self.head_out = nn.Conv2d(width // 2, 1, 1)
        self.classifier = nn.Linear(width, 2)

    def forward(self, images: Tensor, pattern: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = (pattern.new_tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        normalised = torch.stack([(one - mean) / std for one in pattern])
        lateral, p7 = {}, {}
        for stream, x in (("rgb", images), ("tex", normalised)):
            c3, c4, c5 = getattr(self, f"trunk_{stream}")(x)
            p7[stream] = getattr(self, f"conv7_{stream}")(
                relu(getattr(self, f"conv6_{stream}")(c5))
            )
            for level, c in ((3, c3), (4, c4), (5, c5)):
                lateral[level, stream] = getattr(self, f"lateral{level}_{stream}")(c)
        fused = {level: (lateral[level, "rgb"] + lateral[level, "tex"]) / 2 for level in (3, 4, 5)}
        p = fused[5]
        for level in (4, 3):
            pair = [
                getattr(self, f"smooth{level}_{stream}")(
                    interpolate(p, scale_factor=2, mode="nearest") + fused[level]
                )
                for stream in STREAMS
            ]
            p = (pair[0] + pair[1]) / 2
        score_map = torch.sigmoid(self.head_out(torch.relu_(self.head_conv(p))))
        logits = self.classifier(((p7["rgb"] + p7["tex"]) / 2).mean((2, 3)))
        return logits, score_map


def released_loss(output: tuple[Tensor, Tensor], live: Tensor) -> Tensor:
    """Cross-entropy plus the squared error of the map, for live (N,) int64."""
    logits, score_map = output
    wanted = torch.zeros_like(score_map)
    wanted[:] = live.view(-1, 1, 1, 1)
    return cross_entropy(logits, live) + mse_loss(score_map, wanted)


def released_iteration(
    network: ReleasedNetwork,
    extractor: ReleasedExtractor,
    meta_test: Sequence[Batch],
    meta_train: Batch,
    on_network: Optimizer,
    on_extractor: Optimizer,
) -> dict[str, Tensor]:
    """Do K steps of the extractor on meta-test, then one of the network on meta-train.

    Each optimizer clears the gradients of its own parameters alone. So those of the network pile up
    over the K steps until the network's own step clears them, and that step computes the
    extractor's, too.

    Returns the unscaled losses: "meta_test" of the last of the K batches, and "meta_train".
    """
    for images, live in meta_test:
        pattern, rebuilt = extractor(images)
        error = mse_loss(rebuilt, images)
        loss = released_loss(network(images, pattern), live) + 0 * error
        on_extractor.zero_grad()
        loss.backward()
        on_extractor.step()
        test_loss = loss.detach()
    images, live = meta_train
    pattern, _ = extractor(images)
    loss = released_loss(network(images, pattern), live) / 2
    on_network.zero_grad()
    loss.backward()
    on_network.step()
    return {"meta_test": test_loss, "meta_train": 2 * loss.detach()}


def copy_ours(ours: HFN, released: ReleasedNetwork) -> None:
    """Give the released network our weights: each conv of a pair starts as a copy of our one."""
    source = ours.state_dict()
    target = {}
    for stream, name in STREAMS.items():
        for part in ("trunk", "conv6", "conv7", "lateral3", "lateral4", "lateral5"):
            prefix = f"{name}.{part}."
            target |= {
                f"{part}_{stream}.{k[len(prefix) :]}": v
                for k, v in source.items()
                if k.startswith(prefix)
            }
        for level in (4, 3):
            for kind in ("weight", "bias"):
                target[f"smooth{level}_{stream}.{kind}"] = source[f"fusion.smooth{level}.{kind}"]
    for kind in ("weight", "bias"):
        target[f"head_conv.{kind}"] = source[f"map_head.0.{kind}"]
        target[f"head_out.{kind}"] = source[f"map_head.2.{kind}"]
        target[f"classifier.{kind}"] = source[f"classifier.{kind}"]
    released.load_state_dict(target)
