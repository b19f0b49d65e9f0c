"""What is explained: one number of an image, and what it is compared with.

Three responses, all of one sign: *higher = more live*. A positive attribution speaks for live, a
negative one for attack.

- "margin": the class logits' difference, live minus attack, before any softmax;
- "map": the mean over places of the map *before its sigmoid*, so that a saturated map still says
  how far it is from turning;
- "score": what the detector decides by, in [0, 1].

A baseline is a *pair*: an image x0 and the pattern of x0. No image has the all-zero pattern: LBP of
any constant image, black as well as grey, is 1.0 everywhere (all eight neighbours are at least as
bright as the centre), so that zeros in both streams would be a comparison with something that no
camera can show. x0 is the blurred image (*our choice*): the same face and light, without texture.
It is not innocent: detectors of attacks take blur itself for a sign of an attack.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from hfnmp_lite.files import InputError
from hfnmp_lite.model.detector import Detector

RESPONSES = ("margin", "map", "score")
BLUR = 1 / 16
"""Standard deviation of the baseline's blur, in widths of the image: 8 pixels of 128."""


class Response(nn.Module):
    """One number an image, (N,), from a detector: images (N, 3, H, W), pattern alike or None.

    Without a pattern it is computed from the images, with one it is taken as given: the network
    then has two independent inputs. Of late fusion, "map" is the mean over both networks' maps.

    Parameters
    ----------
    detector : Detector
        In eval mode: in train mode a response depends on the rest of the batch.
    name : {"margin", "map", "score"}

    Raises
    ------
    InputError
        An unknown response; a detector in train mode; "map" where no loss has trained the map.
    """

    def __init__(self, detector: Detector, name: str = "margin") -> None:
        super().__init__()
        if name not in RESPONSES:
            raise InputError(f"response '{name}' is unknown; expected one of {RESPONSES}")
        if any(module.training for module in detector.modules()):
            raise InputError(
                "the detector is in train mode, where a response depends on the rest of the "
                "batch; call detector.eval() first"
            )
        if name == "map" and not getattr(detector.network, "map_in_score", True):
            raise InputError(
                "response 'map' was asked for, but this network's loss trained no map; ask for "
                "'margin' or 'score'"
            )
        self.detector, self.name = detector, name
        self.eval()

    def forward(self, images: Tensor, pattern: Tensor | None = None) -> Tensor:
        return self.with_score(images, pattern)[0]

    def with_score(self, images: Tensor, pattern: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the response and the score, each (N,), from one pass."""
        if pattern is None:
            pattern = self.detector.pattern(images)
        if self.name == "map":
            with _before_sigmoid(self.detector.network) as caught:
                out = self.detector.network(images, pattern)
            # a network without a sigmoid of its own: the inverse, where the map is not saturated
            maps = caught or [torch.logit(out.map, eps=1e-6)]
            return torch.stack([m.mean((1, 2, 3)) for m in maps]).mean(0), out.score
        out = self.detector.network(images, pattern)
        margin = out.logits[:, 1] - out.logits[:, 0]
        return (out.score if self.name == "score" else margin), out.score


@contextmanager
def _before_sigmoid(network: nn.Module) -> Iterator[list[Tensor]]:
    """Collect what enters the sigmoids that make the network's maps."""
    caught: list[Tensor] = []
    heads = [m.map_head for m in network.modules() if hasattr(m, "map_head")]
    last = [head[-1] for head in heads if isinstance(head[-1], nn.Sigmoid)]
    hooks = [s.register_forward_pre_hook(lambda _, given: caught.append(given[0])) for s in last]
    try:
        yield caught
    finally:
        for hook in hooks:
            hook.remove()


def respond(detector: Detector, images: Tensor, name: str = "margin", batch: int = 32) -> Tensor:
    """Return the response of each image, (N,), without a graph, at most `batch` at a time."""
    return respond_and_score(detector, images, name, batch)[0]


def respond_and_score(
    detector: Detector, images: Tensor, name: str = "margin", batch: int = 32
) -> tuple[Tensor, Tensor]:
    """Return the response and the score of each image, (N,) each, as `respond`."""
    response = Response(detector, name)
    with torch.no_grad():
        found = [response.with_score(part) for part in need_images(images).split(batch)]
    responses, scores = zip(*found, strict=True)
    return torch.cat(responses), torch.cat(scores)


def need_images(images: Tensor) -> Tensor:
    """Return a batch of images as a fresh tensor, or say what is wrong with it.

    Raises
    ------
    InputError
        Not a floating-point tensor (N, 3, H, W) in [0, 1] with N >= 1.
    """
    shape = tuple(getattr(images, "shape", ()))
    if not isinstance(images, Tensor) or len(shape) != 4 or shape[1] != 3:
        raise InputError(f"images have shape {shape}; expected a tensor (N, 3, H, W), RGB")
    if shape[0] == 0:
        raise InputError("the batch is empty (N is 0); give at least one image")
    if not images.is_floating_point():
        raise InputError(f"images are {images.dtype}; expected floats in [0, 1]: divide by 255")
    low, high = float(images.min()), float(images.max())
    if not (low >= -1e-6 and high <= 1 + 1e-6):  # NaN fails both
        raise InputError(f"images run from {low:.3g} to {high:.3g}; expected [0, 1]")
    return images.detach().clone()


def blurred(images: Tensor, blur: float = BLUR) -> Tensor:
    """Blur images (N, 3, H, W) by a Gaussian of `blur` widths; edges are mirrored."""
    done = []
    for image in images.detach().cpu().double().permute(0, 2, 3, 1).numpy():
        sigma = blur * image.shape[1]
        done.append(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101))
    stacked = torch.from_numpy(np.clip(np.stack(done), 0, 1)).permute(0, 3, 1, 2)
    return stacked.to(images.device, images.dtype).contiguous()


def baseline_pair(
    detector: Detector, images: Tensor, baseline: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Return x0 and the pattern of x0, each (N, 3, H, W); the pattern is None for one stream.

    Parameters
    ----------
    baseline : Tensor, optional
        x0 of the images' shape, instead of the blurred images.

    Raises
    ------
    InputError
        The baseline has another shape, or is no image.
    """
    if baseline is None:
        baseline = blurred(images)
    elif tuple(baseline.shape) != tuple(images.shape):
        raise InputError(
            f"the baseline has shape {tuple(baseline.shape)}; expected the images' "
            f"{tuple(images.shape)}: one x0 for each image"
        )
    x0 = need_images(baseline)
    with torch.no_grad():
        return x0, detector.pattern(x0)
