"""The loss that both the extractor and the network descend."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from hfnmp_lite.model.network import Output


def presentation_loss(out: Output, live: Tensor) -> Tensor:
    """Cross-entropy of the logits plus squared error of the map (*released code*).

    L = CE(logits, live) + mean((map - live)^2), a scalar, for live (N,) int64: the map should be 1
    everywhere on a live face (label 1) and 0 everywhere on an attack (label 0).
    """
    wanted = live.to(out.map.dtype).view(-1, 1, 1, 1).expand_as(out.map)  # (N, 1, H/8, W/8)
    return cross_entropy(out.logits, live) + mse_loss(out.map, wanted)
