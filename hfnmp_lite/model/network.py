"""The network: image and pattern become a live score and a map."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from hfnmp_lite.model.fusion import HierarchicalFusion, Pyramid, Stream


class Output(NamedTuple):
    """What the network says of a batch."""

    logits: Tensor  # (N, 2), index 1 = live
    map: Tensor  # (N, 1, H/8, W/8) in [0, 1], 1 = live

    @property
    def score(self) -> Tensor:
        """(N,) in [0, 1]: mean of the map's mean and the probability of live (*released code*)."""
        return (self.map.mean((1, 2, 3)) + self.logits.softmax(1)[:, 1]) / 2


class HFN(nn.Module):
    """Hierarchical fusion network: two streams, image and pattern, or the image alone.

    Shapes: images (N, 3, H, W) in [0, 1] and pattern of the same shape or None -> Output.

    Parameters
    ----------
    trunk : {"lite", "resnet18", "resnet50"}
        The trunk of each stream; the fusion's width is 64 for "lite" and 256 for the others.
    fusion : {"hfm"}
        How the streams are fused.
    streams : {1, 2}
        1: the image alone, and `pattern` is None.
    normalise_image, normalise_pattern : bool
        Whether a stream normalises its input (the release: the pattern only).

    Raises
    ------
    ValueError
        A parameter outside these; in the call, sides that are no multiple of 32, or a pattern of
        another shape than the images or where there is no stream for it.
    """

    def __init__(
        self,
        trunk: str = "lite",
        fusion: str = "hfm",
        streams: int = 2,
        normalise_image: bool = True,
        normalise_pattern: bool = True,
    ) -> None:
        super().__init__()
        if fusion != "hfm":
            raise ValueError(f"fusion '{fusion}' is unknown; expected 'hfm'")
        if streams not in (1, 2):
            raise ValueError(f"streams is {streams}; expected 1 (image) or 2 (image and pattern)")
        self.streams = streams
        self.settings = {"trunk": trunk, "fusion": fusion, "streams": streams}
        self.settings |= {"normalise_image": normalise_image}
        self.settings |= {"normalise_pattern": normalise_pattern}
        width = 64 if trunk == "lite" else 256
        self.image_stream = Stream(trunk, width, normalise_image)
        self.pattern_stream = Stream(trunk, width, normalise_pattern) if streams == 2 else None
        self.fusion = HierarchicalFusion(width)
        self.map_head = nn.Sequential(
            nn.Conv2d(width, width // 2, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width // 2, 1, 1),
            nn.Sigmoid(),
        )
        self.classifier = nn.Linear(width, 2)

    def fuse(self, image: Pyramid, pattern: Pyramid | None) -> Output:
        """Fuse what the streams gave and read the two heads."""
        p3, p7 = self.fusion(image, pattern)
        return Output(self.classifier(p7.mean((2, 3))), self.map_head(p3))

    def forward(self, images: Tensor, pattern: Tensor | None = None) -> Output:
        wanted = None if self.pattern_stream is None else images.shape
        given = None if pattern is None else pattern.shape
        if given != wanted:
            raise ValueError(
                f"pattern has shape {given}; with {self.streams} stream(s) expected {wanted}"
            )
        image = self.image_stream(images)
        return self.fuse(image, None if pattern is None else self.pattern_stream(pattern))


class Detector(nn.Module):
    """An extractor and the network that reads its pattern: images (N, 3, H, W) in, Output out.

    The extractor is None for a network of one stream. `threshold`, chosen on the sources, accepts
    a score at or above it as live; None before it is chosen. `config` says what the run that made
    the detector was asked to do. Raises ValueError where extractor and streams do not match.
    """

    def __init__(self, extractor: nn.Module | None, network: HFN) -> None:
        super().__init__()
        if (extractor is None) != (network.streams == 1):
            raise ValueError(
                f"the network has {network.streams} stream(s) and the extractor is "
                f"{'missing' if extractor is None else 'given'}; two streams need one, one none"
            )
        self.extractor, self.network = extractor, network
        self.threshold: float | None = None
        self.config: dict[str, object] = {}

    def pattern(self, images: Tensor) -> Tensor | None:
        """Return what feeds the second stream, of the images' shape, or None."""
        return None if self.extractor is None else self.extractor(images)

    def forward(self, images: Tensor) -> Output:
        return self.network(images, self.pattern(images))
