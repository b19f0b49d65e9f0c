"""The authors' `.ckpt` files become detectors that give the same outputs.

What they hold (*released code*): `model_state`, a list of two state dicts, extractor and network;
beside them epoch, metrics and the optimizer's state. On the way the two smoothing convs of a level,
which see the same input and are averaged, become one; the decoder, whose output nobody reads, is
dropped; and since the release fed images as BGR, the input channels of the first convs that see the
image are exchanged, so that ours takes RGB.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hfnmp_lite.config import PRESETS, RunConfig
from hfnmp_lite.data.quiet import quietly
from hfnmp_lite.files import InputError
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.model.network import HFN
from hfnmp_lite.model.patterns import MetaPatternExtractor

STREAMS = {"fpn.fpn_rgb": "image_stream", "fpn.fpn_tex": "pattern_stream"}
PARTS = {
    **{name: f"trunk.{name}" for name in ("conv1", "bn1", "layer1", "layer2", "layer3", "layer4")},
    **{name: name for name in ("conv6", "conv7")},
    **{"latlayer1": "lateral5", "latlayer2": "lateral4", "latlayer3": "lateral3"},
}
SMOOTHING = {"toplayer1": "fusion.smooth4", "toplayer2": "fusion.smooth3"}
HEADS = {"pred_head_0": "map_head", "cls_heads": "classifier"}
MOST_NUMBERS = 10**8  # in a state dict
UNSTATED = "unstated"  # the file does not say what it was trained on


def load_release(path: Path) -> Detector:
    """Load a checkpoint of the released code.

    Only tensors, numbers and the few types that such a file needs are unpickled; a file that asks
    for anything else is refused and nothing of it is executed.

    Returns
    -------
    Detector
        In eval mode, on the CPU, for RGB; ResNet-50, 256 px, without a threshold: the release chose
        its own on the target.

    Raises
    ------
    InputError
        The file is damaged, holds something else, or asks for code.
    """
    content = _unpickled(path)
    states = content.get("model_state") if isinstance(content, Mapping) else None
    if not isinstance(states, list | tuple) or len(states) != 2:
        hint = ""
        if isinstance(content, Mapping) and {"detector", "optimizers"} <= set(content):
            hint = "; this is what an interrupted run resumes from: give the run's directory"
        raise InputError(
            f"{path}: holds no 'model_state' of extractor and network, as the authors' checkpoints "
            f"do{hint}"
        )
    try:
        return convert(*(_state(state) for state in states))
    except (KeyError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"{path}: is no checkpoint of the released network ({reason}); expected its extractor "
            "and its two-stream ResNet-50"
        ) from None


def convert(extractor: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> Detector:
    """Build a detector from the release's two state dicts.

    Raises
    ------
    KeyError, ValueError, RuntimeError
        An entry is missing, unknown, of another shape or not finite.
    """
    ours = {f"extractor.{k}": v for k, v in extractor.items() if k.startswith("encoder.")}
    unknown = [k for k in extractor if not k.startswith(("encoder.", "decoder."))]
    pairs: dict[str, list[Tensor]] = {}
    for name, tensor in network.items():
        new = _renamed(name)
        if new is None:
            unknown.append(name)
        elif new.startswith("fusion."):
            pairs.setdefault(f"network.{new}", []).append(tensor)
        else:
            ours[f"network.{new}"] = tensor
    if unknown:
        raise ValueError(f"unknown entry '{unknown[0]}'")
    for name, pair in pairs.items():
        if len(pair) != 2 or pair[0].shape != pair[1].shape:
            raise ValueError(f"'{name}' needs two convs of one shape")
        ours[name] = (pair[0] + pair[1]) / 2
    for name in ("extractor.encoder.0.weight", "network.image_stream.trunk.conv1.weight"):
        if ours[name].ndim != 4 or ours[name].shape[1] != 3:
            raise ValueError(f"'{name}' has shape {tuple(ours[name].shape)}; expected 3 channels")
        ours[name] = ours[name][:, [2, 1, 0]]  # it saw BGR
    detector = Detector(MetaPatternExtractor(), HFN("resnet50", normalise_image=False))
    for name in detector.state_dict().keys() - ours.keys():
        if name.endswith("num_batches_tracked"):  # files of old versions have none
            ours[name] = torch.zeros((), dtype=torch.int64)
    detector.load_state_dict(ours)
    if not all(bool(torch.isfinite(v).all()) for v in detector.state_dict().values()):
        raise ValueError("it holds values that are not finite")
    sources = tuple(f"{UNSTATED}-{i}" for i in (1, 2, 3))
    config = RunConfig(UNSTATED, sources, stages=1, preset="paper", **PRESETS["paper"])
    detector.config = config.to_dict()
    return detector.eval()


def _renamed(name: str) -> str | None:
    """Our name of an entry of the release's network; None where it has none."""
    for prefix, stream in STREAMS.items():
        if name.startswith(f"{prefix}."):
            part, _, rest = name[len(prefix) + 1 :].partition(".")
            if part in SMOOTHING:
                return f"{SMOOTHING[part]}.{rest}"
            return f"{stream}.{PARTS[part]}.{rest}" if part in PARTS else None
    part, _, rest = name.partition(".")
    return f"{HEADS[part]}.{rest}" if part in HEADS else None


def _state(given: object) -> dict[str, Tensor]:
    if not isinstance(given, Mapping) or not all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in given.items()
    ):
        raise ValueError("a part of model_state is no state dict")
    for name, tensor in given.items():
        if not (tensor.is_floating_point() or name.endswith("num_batches_tracked")):
            raise ValueError(f"'{name}' is {tensor.dtype}, expected floats")
    # a view can declare any size: what it would take is known before anything is computed with it
    declared = sum(v.numel() for v in given.values())
    if declared > MOST_NUMBERS:
        raise ValueError(f"it declares {declared:,} numbers, its network has 62 million")
    return {
        k.removeprefix("module."): v.float() if v.is_floating_point() else v
        for k, v in given.items()
    }


# --- reading a pickle without running it ----------------------------------------------------------


def _unpickled(path: Path) -> object:
    _check_zip(path)
    with _allowed(), quietly():  # of the pickle's protocol
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            asked = re.search(r"GLOBAL ([\w.]+)", str(error))
            reason = re.search(r"WeightsUnpickler error:\s*([^\n]{1,160})", str(error))
            said = f"asks for '{asked[1]}', which no weights need" if asked else "is damaged"
            if reason and not asked:
                said = f"is damaged, or holds what no weights need ({reason[1].strip()})"
            raise InputError(f"{path}: {said}; refused, and nothing of it was executed") from None
        except Exception as error:  # torch.load raises many kinds on a damaged file
            raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: is damaged or no checkpoint ({type(error).__name__}); expected a file that "
        "hfnmp train or the released code wrote"
    )


def _check_zip(path: Path) -> None:
    """Refuse an archive that would grow: torch stores its records as they are."""
    try:
        with zipfile.ZipFile(path) as opened:
            members = opened.infolist()
            if any(m.compress_type or m.file_size != m.compress_size for m in members):
                raise InputError(f"{path}: is a compressed archive; torch writes none, refused")
            if sum(m.file_size for m in members) > path.stat().st_size:
                raise InputError(f"{path}: declares more than it holds; refused")
    except zipfile.BadZipFile:
        return  # the format before torch 1.6, or damaged: torch says which
    except (OSError, ValueError, NotImplementedError) as error:
        if isinstance(error, InputError):
            raise
        raise _damaged(path, error) from None


@contextmanager
def _allowed():
    """Allow what the metrics in the release's files are made of: numpy's float64 scalars."""
    scalar = np.float64(0).__reduce__()[0]  # where it lives depends on numpy's version
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    kinds = [np.dtype, np.dtypes.Float64DType]
    with torch.serialization.safe_globals([*((scalar, name) for name in names), *kinds]):
        yield
