"""The losses that both the extractor and the network descend."""

from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from hfnmp_lite.model.network import Output


def presentation_loss(out: Output, live: Tensor) -> Tensor:
    """Cross-entropy of the logits plus squared error of the map (*released code*).

    L = CE(logits, live) + mean((map - live)^2), a scalar, for live (N,) int64: the map should be 1
    everywhere on a live face and 0 everywhere on an attack. In late fusion L is the networks' sum.
    """
    if out.parts:
        return sum(presentation_loss(part, live) for part in out.parts)
    wanted = live.to(out.map.dtype).view(-1, 1, 1, 1).expand_as(out.map)  # (N, 1, H/8, W/8)
    return class_loss(out, live) + mse_loss(out.map, wanted)


def class_loss(out: Output, live: Tensor) -> Tensor:
    """Cross-entropy of the logits alone (*our ablation*); late fusion as above."""
    return sum(cross_entropy(part.logits, live) for part in out.parts or (out,))


LOSSES = {"ce+mse": presentation_loss, "ce": class_loss}
