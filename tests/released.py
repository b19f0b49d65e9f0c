"""The released method transcribed from its description, slowly and plainly, as an oracle.

Everything is computed as described there: paired smoothing convs, a decoder that nobody reads,
gradients of everything, optimizers over one module at a time.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cross_entropy, interpolate, mse_loss

from hfnmp_lite.model.trunk import Trunk

MEAN = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).view(1, 3, 1, 1)


class ReleasedExtractor(nn.Module):
    """Encoder and the unused decoder."""

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

    def forward(self, x):
        pattern = self.encoder(x)
        return pattern, self.decoder(pattern)


class ReleasedNetwork(nn.Module):
    """Two streams fused top down with two smoothing convs per level and stream-wise laterals."""

    def __init__(self, trunk: str = "lite", width: int = 64) -> None:
        super().__init__()
        for stream in ("rgb", "tex"):
            body = Trunk(trunk)
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

    def forward(self, image, pattern):
        inputs = {"rgb": image, "tex": (pattern - MEAN.to(pattern)) / STD.to(pattern)}
        lateral, p7 = {}, {}
        for stream, x in inputs.items():
            c3, c4, c5 = getattr(self, f"trunk_{stream}")(x)
            p7[stream] = getattr(self, f"conv7_{stream}")(
                getattr(self, f"conv6_{stream}")(c5).clamp(min=0)
            )
            for level, c in ((3, c3), (4, c4), (5, c5)):
                lateral[level, stream] = getattr(self, f"lateral{level}_{stream}")(c)
        fused = {level: (lateral[level, "rgb"] + lateral[level, "tex"]) / 2 for level in (3, 4, 5)}
        p = fused[5]
        for level in (4, 3):
            u = interpolate(p, scale_factor=2, mode="nearest") + fused[level]
            p = (
                getattr(self, f"smooth{level}_rgb")(u) + getattr(self, f"smooth{level}_tex")(u)
            ) / 2
        score_map = torch.sigmoid(self.head_out(torch.relu(self.head_conv(p))))
        logits = self.classifier(((p7["rgb"] + p7["tex"]) / 2).mean((2, 3)))
        return logits, score_map


def released_loss(output, live):
    """Cross-entropy plus the squared error of the map."""
    logits, score_map = output
    wanted = torch.zeros_like(score_map)
    wanted[live == 1] = 1
    return cross_entropy(logits, live) + mse_loss(score_map, wanted)


def released_iteration(network, extractor, meta_test, meta_train, on_network, on_extractor):
    """K steps of the extractor on meta-test, then one of the network on meta-train."""
    for images, live in meta_test:
        network.zero_grad()
        extractor.zero_grad()
        pattern, _ = extractor(images)
        loss = released_loss(network(images, pattern), live)
        loss.backward()
        on_extractor.step()
    images, live = meta_train
    network.zero_grad()
    extractor.zero_grad()
    pattern, _ = extractor(images)
    loss = released_loss(network(images, pattern), live)
    (loss / 2).backward()
    on_network.step()


def copy_ours(ours, released) -> None:
    """Give the released network our weights: each conv of a pair starts as a copy of our one."""
    source = ours.state_dict()
    target = {}
    for stream, name in (("rgb", "image_stream"), ("tex", "pattern_stream")):
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
