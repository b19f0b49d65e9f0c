"""Attributions: which places, and which stream, a response comes from. Captum lives here alone.

What can be asked, `of`:

- "image": the image is perturbed or differentiated, the pattern follows: f(x) = H(x, E(x)).
- "pattern": the pattern alone, the image held fixed: f(m) = H(x, m).
- "streams": image and pattern as two independent inputs, H(x, m): one map for each stream, which
  say how much comes from RGB and how much from the pattern.

**What is fair between a Meta Pattern and LBP.** Both networks have an image stream and a pattern
stream, but only the Meta Pattern is differentiable. LBP's output is piecewise constant: its
gradient is zero almost everywhere and its jumps have none. A gradient method asked "of the image"
therefore sees the Meta Pattern's network whole, and of LBP's network the image stream alone. What
it misses is measured: Integrated Gradients should sum to f(x) - f(x0) (*completeness*), and
`Attribution.error` says by how much they do not. So

- to compare the two networks, perturb the image and compute the pattern anew: `occlusion` of the
  "image" is defined alike for both;
- in pattern space ("pattern", "streams") gradients are defined for both, and complete; but the
  straight path between two LBP patterns passes through patterns that no image has.

With the lite trunk and a Meta Pattern, an image of 128 x 128 pixels took 0.7 s of Integrated
Gradients (50 steps) and 1.1 s of occlusion on one core of an AMD EPYC.

Signs: positive speaks for live, negative for attack (`response`). Baselines are pairs (x0, pattern
of x0), x0 the blurred image unless another is given.

References: Sundararajan et al. 2017 (Integrated Gradients), Smilkov et al. 2017 (SmoothGrad),
Selvaraju et al. 2017 (Grad-CAM), Zeiler and Fergus 2014 (occlusion), Shapley 1953, Yeh et al. 2019
(infidelity, max-sensitivity); Captum's implementations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from captum.attr import (
    IntegratedGradients,
    LayerAttribution,
    LayerGradCam,
    NoiseTunnel,
    Occlusion,
    Saliency,
)
from captum.metrics import infidelity as captum_infidelity
from captum.metrics import sensitivity_max
from torch import Tensor, nn

from hfnmp_lite.explain.layers import need_layers
from hfnmp_lite.explain.question import OF, PARTS, Attribution, chunk, need_of, question
from hfnmp_lite.explain.response import RESPONSES, Response, baseline_pair, need_images
from hfnmp_lite.explain.streams import StreamShares, stream_shares
from hfnmp_lite.files import InputError
from hfnmp_lite.model.detector import Detector

__all__ = [
    "METHODS",
    "OF",
    "RESPONSES",
    "Attribution",
    "StreamShares",
    "attribute",
    "grad_cam",
    "infidelity",
    "integrated_gradients",
    "max_sensitivity",
    "occlusion",
    "smooth_grad",
    "stream_shares",
]

Compute = Callable[[Callable[..., Tensor], tuple[Tensor, ...], tuple[Tensor, ...]], tuple]


# --- methods ------------------------------------------------------------------------------------


def integrated_gradients(
    detector: Detector,
    images: Tensor,
    response: str = "margin",
    of: str = "image",
    baseline: Tensor | None = None,
    *,
    steps: int = 50,
) -> Attribution:
    """Integrated Gradients from the baseline pair, `steps` points of Gauss-Legendre.

    Parameters
    ----------
    detector : Detector
        In eval mode.
    images : Tensor
        (N, 3, H, W) in [0, 1].
    response : {"margin", "map", "score"}
    of : {"image", "pattern", "streams"}
    baseline : Tensor, optional
        x0, instead of the blurred images.

    Raises
    ------
    InputError
        Also of the other methods: an unknown response or `of`, a pattern asked for where there is
        none, a detector in train mode, images that are none.
    """

    def compute(f: Callable, inputs: tuple, baselines: tuple) -> tuple[Tensor, ...]:
        ask = {"n_steps": steps, "internal_batch_size": chunk(images)}
        return IntegratedGradients(f).attribute(inputs, baselines, **ask)

    return _each("ig", detector, images, response, of, baseline, compute, complete=True)


def smooth_grad(
    detector: Detector,
    images: Tensor,
    response: str = "margin",
    of: str = "image",
    baseline: Tensor | None = None,
    *,
    samples: int = 16,
    noise: float = 0.05,
    seed: int = 0,
) -> Attribution:
    """SmoothGrad: the mean signed gradient over noisy copies, times x - x0.

    The product with x - x0 (*our choice*) puts the map into units of the response, like the others;
    it makes no promise of completeness.

    Parameters
    ----------
    samples, noise : int, float
        Copies; standard deviation of their Gaussian noise, images being in [0, 1].
    seed : int
        Of the noise.
    """

    def compute(f: Callable, inputs: tuple, baselines: tuple) -> tuple[Tensor, ...]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            slopes = NoiseTunnel(Saliency(f)).attribute(
                inputs,
                nt_samples=samples,
                nt_samples_batch_size=chunk(images),
                stdevs=noise,
                abs=False,
            )
        return tuple(g * (x - x0) for g, x, x0 in zip(slopes, inputs, baselines, strict=True))

    return _each("smoothgrad", detector, images, response, of, baseline, compute)


def occlusion(
    detector: Detector,
    images: Tensor,
    response: str = "margin",
    of: str = "image",
    baseline: Tensor | None = None,
    *,
    window: int | None = None,
    stride: int | None = None,
    progress: bool = False,
) -> Attribution:
    """Occlusion: what the response loses when a window is replaced by the baseline's.

    Asked "of" the image, the pattern of the occluded image is computed anew: defined alike for
    every pattern. A pixel gets the mean over the windows that cover it.

    Parameters
    ----------
    window, stride : int, optional
        In pixels; by default an eighth and a sixteenth of the image's height.
    progress : bool
        Whether to show a progress bar.
    """
    height = images.shape[2] if getattr(images, "ndim", 0) == 4 else 0
    window = max(1, height // 8) if window is None else window
    stride = max(1, window // 2) if stride is None else stride
    if not 1 <= window <= max(1, *images.shape[2:]) or not 1 <= stride <= window:
        raise InputError(
            f"occlusion has a window of {window} and a stride of {stride} pixels; expected "
            "1 <= stride <= window <= the image's side"
        )

    def compute(f: Callable, inputs: tuple, baselines: tuple) -> tuple[Tensor, ...]:
        ask = {"perturbations_per_eval": chunk(images), "show_progress": progress}
        found = Occlusion(f).attribute(
            inputs,
            sliding_window_shapes=((3, window, window),) * len(inputs),
            strides=((3, stride, stride),) * len(inputs),
            baselines=baselines,
            **ask,
        )
        return tuple(change / 3 for change in found)  # each channel holds the whole change

    return _each("occlusion", detector, images, response, of, baseline, compute)


def _each(
    method: str,
    detector: Detector,
    images: Tensor,
    response: str,
    of: str,
    baseline: Tensor | None,
    compute: Compute,
    complete: bool = False,
) -> Attribution:
    """Ask one image after another, so that memory does not grow with the batch."""
    f = Response(detector, response)
    images = need_images(images)
    x0, m0 = baseline_pair(detector, images, baseline)
    need_of(of, m0)
    maps: dict[str, list[np.ndarray]] = {part: [] for part in PARTS[of]}
    explained = []
    for i in range(len(images)):
        x, base = images[i : i + 1], x0[i : i + 1]
        m = detector.pattern(x).detach() if of != "image" else None
        inputs, baselines, ask = question(f, of, x, base, m, None if m is None else m0[i : i + 1])
        found = compute(ask, inputs, baselines)
        for part, values in zip(maps, found, strict=True):
            maps[part].append(values.detach().sum(1)[0].cpu().numpy())
        with torch.no_grad():
            explained.append(float(ask(*inputs)[0] - ask(*baselines)[0]))
    parts = {part: np.stack(values) for part, values in maps.items()}
    return Attribution(method, response, of, parts, np.array(explained), complete)


def grad_cam(
    detector: Detector,
    images: Tensor,
    response: str = "margin",
    of: str = "image",
    *,
    layer: str | None = None,
) -> Attribution:
    """Grad-CAM, signed (no ReLU): activations weighted by the mean gradient of their channel.

    The map's mean can be asked on the pyramid's levels "p3" (default), "p4", "p5"; p5 is the mean
    of two laterals and Grad-CAM is linear in it, so its map is the sum of theirs. The live margin
    and the score are asked on "c5" of each stream: the logits never see the fusion, and the score
    sees it by half only. "image" gives the sum of both streams' maps, "pattern" the pattern's,
    "streams" each. Maps are enlarged bilinearly to the image: at 128 px, c5 has 4 x 4 cells.

    Raises
    ------
    InputError
        As `integrated_gradients`; a layer that this response or network does not have.
    """
    f = Response(detector, response)
    images = need_images(images)
    with torch.no_grad():
        pattern = detector.pattern(images[:1])
    need_of(of, pattern)
    layers = need_layers(detector.network, response, of, layer)
    parts = {}
    for part, modules in layers.items():
        found = [_cam(f, module, images) for module in modules]
        parts[part] = torch.stack(found).sum(0)[:, 0].cpu().numpy()
    return Attribution("gradcam", response, of, parts, np.full(len(images), np.nan))


def _cam(f: Callable[..., Tensor], layer: nn.Module, images: Tensor) -> Tensor:
    """Grad-CAM of one layer, (N, 1, H, W)."""
    ask = LayerGradCam(f, layer)
    found = torch.cat([ask.attribute(part).detach() for part in images.split(chunk(images))])
    return LayerAttribution.interpolate(found, tuple(images.shape[2:]), "bilinear")


METHODS: dict[str, Callable[..., Attribution]] = {
    "ig": integrated_gradients,
    "smoothgrad": smooth_grad,
    "gradcam": grad_cam,
    "occlusion": occlusion,
}


def attribute(
    detector: Detector,
    images: Tensor,
    method: str = "ig",
    response: str = "margin",
    of: str = "image",
    **options: object,
) -> Attribution:
    """Ask by the method's name; `options` are those of the method's own function.

    Raises
    ------
    InputError
        An unknown method, or what the method refuses.
    """
    if method not in METHODS:
        raise InputError(f"method '{method}' is unknown; expected one of {tuple(METHODS)}")
    return METHODS[method](detector, images, response, of, **options)


# --- Captum's two measures ----------------------------------------------------------------------


def infidelity(
    f: Callable[[np.ndarray], np.ndarray],
    masses: Mapping[str, np.ndarray],
    samples: int = 64,
    seed: int = 0,
) -> dict[str, float]:
    """Infidelity of explanations of one image, as a share of the mean squared output change.

    A random rectangle of patches is replaced by the baseline's; the explanation foretells the
    change of the response by the sum of its values there, up to one factor for all rectangles
    (Captum's `normalize`; methods differ in their units). The mean squared miss is divided by the
    mean squared change, so that networks of different scale can be compared: 0 is a perfect
    forecast, 1 is as good as foretelling no change. Blind to the sign of the whole map, and to its
    scale.

    Parameters
    ----------
    f : callable
        (n, rows, columns) bool, True where a patch is replaced -> (n,) responses.
    masses : mapping
        Name -> (rows, columns): the explanation summed over each patch (`measures.patch_sums`).
    samples, seed : int
        Rectangles, and the seed that draws them; the same for every explanation.

    Returns
    -------
    dict
        Name -> share >= 0; NaN where no rectangle changes the response.
    """
    if not masses:
        return {}
    shape = np.shape(next(iter(masses.values())))
    rng = np.random.default_rng(seed)
    drawn = np.stack([_rectangle(rng, *shape) for _ in range(samples)])
    known = f(np.concatenate([np.zeros((1, *shape), bool), drawn]))
    answers = {m.tobytes(): v for m, v in zip(drawn, known[1:], strict=True)}
    answers[np.zeros(shape, bool).tobytes()] = known[0]
    moved = float(np.mean((known[0] - known[1:]) ** 2))

    def remembered(present: Tensor) -> Tensor:
        removed = present.numpy() < 0.5
        return torch.tensor([answers[one.tobytes()] for one in removed], dtype=torch.float64)

    def perturb(present: Tensor) -> tuple[Tensor, Tensor]:
        removed = torch.from_numpy(drawn.astype(np.float64))
        return removed, present - removed

    def miss(mass: np.ndarray) -> float:
        found = captum_infidelity(
            remembered,
            perturb,
            torch.ones(1, *shape, dtype=torch.float64),
            torch.from_numpy(np.array(mass, np.float64))[None],
            n_perturb_samples=samples,
            normalize=bool(np.any(mass)),
        )
        return float(found[0]) / moved

    return {name: miss(mass) if moved > 0 else np.nan for name, mass in masses.items()}


def _rectangle(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A mask with one rectangle of 1 to half of the sides, anywhere."""
    mask = np.zeros((rows, columns), bool)
    height, width = (int(rng.integers(1, max(2, side // 2 + 1))) for side in (rows, columns))
    top, left = int(rng.integers(rows - height + 1)), int(rng.integers(columns - width + 1))
    mask[top : top + height, left : left + width] = True
    return mask


def max_sensitivity(
    explain: Callable[[Tensor], np.ndarray],
    images: Tensor,
    radius: float = 2 / 255,
    samples: int = 4,
    seed: int = 0,
) -> np.ndarray:
    """How much an explanation changes, at most, under noise too small to see (Captum).

    Parameters
    ----------
    explain : callable
        Images (n, 3, H, W) -> maps (n, H, W); the pattern is computed anew from the noisy image.
    images : Tensor
        (N, 3, H, W) in [0, 1].
    radius : float
        Noise is uniform between -radius and radius; two grey levels by default, LBP's own ties.
    samples : int
        Draws of the noise; the largest change counts.

    Returns
    -------
    ndarray
        (N,): norm of the change by the norm of the map.
    """
    made = torch.Generator().manual_seed(seed)

    def perturb(given: Tensor) -> Tensor:
        noise = torch.rand(given.shape, generator=made, dtype=given.dtype).to(given.device)
        return (given + radius * (2 * noise - 1)).clamp(0, 1)

    def explained(given: Tensor | tuple[Tensor, ...]) -> tuple[Tensor]:
        (x,) = given if isinstance(given, tuple) else (given,)
        return (torch.from_numpy(np.asarray(explain(x))),)  # a bare tensor is taken for a tuple

    images = need_images(images)
    return sensitivity_max(
        explained, images, perturb, n_perturb_samples=samples, max_examples_per_batch=len(images)
    ).numpy()
