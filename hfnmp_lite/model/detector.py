"""Extractor and network together: what a checkpoint holds and a score comes from."""

from __future__ import annotations

from torch import Tensor, nn

from hfnmp_lite.model.network import HFN, Output


class Detector(nn.Module):
    """An extractor and the network that reads its pattern: images (N, 3, H, W) in, Output out.

    The extractor is None for a network of one stream. `threshold`, chosen on the sources, accepts
    a score at or above it as live; None before it is chosen. `share_rejected` is the share of the
    sources' held-out presentations below it. `config` says what the run that made
    the detector was asked to do, `validation` what it saw on the held-out subjects of the sources
    (known to the run alone, not kept in a checkpoint). Raises ValueError where extractor and
    streams do not match.
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
        self.share_rejected: float | None = None
        self.config: dict[str, object] = {}
        self.validation: dict[str, float] = {}

    def pattern(self, images: Tensor) -> Tensor | None:
        """Return what feeds the second stream, of the images' shape, or None."""
        return None if self.extractor is None else self.extractor(images)

    def forward(self, images: Tensor) -> Output:
        return self.network(images, self.pattern(images))
