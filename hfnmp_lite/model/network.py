"""The network: image and pattern become a live score and a map."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from hfnmp_lite.model.fusion import HierarchicalFusion, Pyramid, Stream

FUSIONS = ("hfm", "late", "concat", "top", "alone")


class Output(NamedTuple):
    """What the network says of a batch."""

    logits: Tensor  # (N, 2), index 1 = live
    map: Tensor  # (N, 1, H/8, W/8) in [0, 1], 1 = live
    parts: tuple[Output, ...] = ()  # what was averaged, in late fusion
    map_in_score: bool = True

    @property
    def score(self) -> Tensor:
        """(N,) in [0, 1]: mean of the map's mean and the probability of live (*released code*)."""
        live = self.logits.softmax(1)[:, 1]
        return (self.map.mean((1, 2, 3)) + live) / 2 if self.map_in_score else live


class HFN(nn.Module):
    """Hierarchical fusion network: two streams, image and pattern, or the image alone.

    Shapes: images (N, 3, H, W) in [0, 1] and pattern of the same shape or None -> Output.

    Parameters
    ----------
    trunk : {"lite", "resnet18", "resnet50"}
        Of each stream; the fusion's width is 64 for "lite" and 256 for the others.
    fusion : {"hfm", "late", "concat", "top", "alone"}
        Level by level (*released code*); *our ablations*: the mean verdict of two networks of one
        stream; one trunk for six channels; the top level alone; the pattern alone.
    streams : {1, 2}
        1: the image alone, and `pattern` is None.
    normalise_image, normalise_pattern, map_in_score : bool
        Whether a stream normalises its input (the release: the pattern only), and whether the
        score takes in the map (not where the loss does not train it).

    Raises ValueError for a parameter outside these; in the call, for sides that are no multiple of
    32 and for a pattern of another shape than the images or where there is no stream for it.
    """

    def __init__(
        self,
        trunk: str = "lite",
        fusion: str = "hfm",
        streams: int = 2,
        normalise_image: bool = True,
        normalise_pattern: bool = True,
        map_in_score: bool = True,
    ) -> None:
        super().__init__()
        if streams not in (1, 2):
            raise ValueError(f"streams is {streams}; expected 1 (image) or 2 (image and pattern)")
        if fusion not in FUSIONS[: len(FUSIONS) if streams == 2 else 1]:
            raise ValueError(f"fusion is '{fusion}'; expected one of {FUSIONS}; one stream: 'hfm'")
        if fusion == "concat" and normalise_image != normalise_pattern:
            raise ValueError("fusion 'concat' has one input: normalise both or neither")
        self.streams, self.mode, self.map_in_score = streams, fusion, map_in_score
        self.settings = {"trunk": trunk, "fusion": fusion, "streams": streams}
        self.settings |= {"normalise_image": normalise_image, "map_in_score": map_in_score}
        self.settings |= {"normalise_pattern": normalise_pattern}
        if fusion == "late":
            one = {"trunk": trunk, "streams": 1, "map_in_score": map_in_score}
            self.image_network = HFN(normalise_image=normalise_image, **one)
            self.pattern_network = HFN(normalise_image=normalise_pattern, **one)
            return
        width, channels = 64 if trunk == "lite" else 256, 6 if fusion == "concat" else 3
        if fusion != "alone":
            self.image_stream = Stream(trunk, width, normalise_image, channels)
        if streams == 2 and fusion != "concat":
            self.pattern_stream = Stream(trunk, width, normalise_pattern)
        if fusion == "top":
            for stream in (self.image_stream, self.pattern_stream):
                stream.lateral3 = stream.lateral4 = nn.Identity()  # feed nothing there
        self.fusion = HierarchicalFusion(width, top=fusion == "top")
        self.map_head = nn.Sequential(
            nn.Conv2d(width, width // 2, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // 2, 1, 1),
            nn.Sigmoid(),
        )
        self.classifier = nn.Linear(width, 2)

    def see(self, images: Tensor) -> Tensor | Pyramid | Output:
        """Do all that needs no pattern; `judge` takes the result."""
        if self.mode in ("concat", "alone"):
            return images
        return self.image_network(images) if self.mode == "late" else self.image_stream(images)

    def judge(self, seen: Tensor | Pyramid | Output, pattern: Tensor | None) -> Output:
        """Take in the pattern, fuse, and read the two heads."""
        if self.mode == "late":
            parts = (seen, self.pattern_network(pattern))
            log_p = torch.stack([p.logits.log_softmax(1) for p in parts])  # (2, N, 2)
            mean = (parts[0].map + parts[1].map) / 2
            return Output(log_p.logsumexp(0) - math.log(2), mean, parts, self.map_in_score)
        other = None
        if self.mode == "concat":
            seen = self.image_stream(torch.cat([seen, pattern], 1))
        elif self.mode == "alone":
            seen = self.pattern_stream(pattern)
        elif pattern is not None:
            other = self.pattern_stream(pattern)
        p3, p7 = self.fusion(seen, other)
        live_map = self.map_head(p3)
        if self.mode == "top":  # from H/32 to H/8
            live_map = interpolate(live_map, scale_factor=4)
        return Output(self.classifier(p7.mean((2, 3))), live_map, (), self.map_in_score)

    def forward(self, images: Tensor, pattern: Tensor | None = None) -> Output:
        wanted = images.shape if self.streams == 2 else None
        given = None if pattern is None else pattern.shape
        if given != wanted:
            raise ValueError(f"pattern is {given}; with {self.streams} stream(s) expected {wanted}")
        return self.judge(self.see(images), pattern)
