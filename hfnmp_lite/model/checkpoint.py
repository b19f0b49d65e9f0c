"""Detectors on disk: weights as safetensors, what they are as JSON inside; nothing executes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

from hfnmp_lite.files import InputError, write_whole
from hfnmp_lite.model.catalogue import build_pattern
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.model.network import HFN
from hfnmp_lite.model.trunk import Trunk

FORMAT = "1"


def save_checkpoint(
    path: str | Path,
    detector: Detector,
    config: Mapping[str, object],
    write: Callable[[str | Path, bytes], None] = write_whole,
) -> None:
    """Write a detector as one safetensors file, whole or not at all.

    The file's metadata hold what is needed to build the detector again: the settings of network
    and pattern, the threshold, and `config`.

    Parameters
    ----------
    path : path
        The file, by convention `model.safetensors`.
    detector : Detector
        What to keep.
    config : mapping
        What the run was asked to do; anything that JSON can hold.
    write : callable, optional
        Writes the bytes to the path.
    """
    extractor = detector.extractor
    about = {
        "network": detector.network.settings,
        "pattern": {"name": "rgb"}
        if extractor is None
        else {"name": extractor.name, **extractor.settings},
        "threshold": detector.threshold,
        "share_rejected": detector.share_rejected,
        "config": dict(config),
    }
    tensors = {k: v.detach().cpu().contiguous() for k, v in detector.state_dict().items()}
    metadata = {"hfnmp_lite": FORMAT, "about": json.dumps(about, sort_keys=True)}
    write(path, _sorted_header(save(tensors, metadata)))


def _sorted_header(content: bytes) -> bytes:
    """Sort a safetensors header, whose metadata come in any order, so that equal files are equal.

    It is JSON after its length in 8 bytes, padded by spaces so that the numbers are aligned.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:start]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[start:]


def load_checkpoint(path: str | Path) -> Detector:
    """Load a detector from a checkpoint, ours or the authors', or from the run that holds one.

    Returns
    -------
    Detector
        In eval mode, on the CPU, with its threshold; its config as `detector.config`. Of the
        released code's `.ckpt`, see `release_checkpoint`, there is no threshold.

    Raises
    ------
    InputError
        The file is missing, damaged, no checkpoint of this package nor of the released code, or of
        another architecture.
    """
    path = Path(path)
    file = path / "model.safetensors" if path.is_dir() else path
    if not file.is_file():
        where = f"{path} holds no model.safetensors" if path.is_dir() else f"{path}: no such file"
        raise InputError(f"{where}; give a checkpoint or the directory of a finished run")
    if _is_pickle(file):
        from hfnmp_lite.model.release_checkpoint import load_release

        return load_release(file)
    try:
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{file}: is damaged or not a safetensors file ({error}); expected a checkpoint "
            "written by hfnmp train"
        ) from None
    if metadata.get("hfnmp_lite") != FORMAT:
        raise InputError(
            f"{file}: is a safetensors file of something else; expected a checkpoint written by "
            "hfnmp train"
        )
    try:
        about = json.loads(metadata["about"])
        network, pattern = HFN(**about["network"]), build_pattern(**about["pattern"])
        detector = Detector(pattern, network)
        _check_numbers(detector.state_dict(), tensors)
        detector.load_state_dict(tensors)
        detector.threshold = None if about["threshold"] is None else float(about["threshold"])
        if detector.threshold is not None and not math.isfinite(detector.threshold):
            raise ValueError(f"its threshold is {detector.threshold}")
        detector.share_rejected = about.get("share_rejected")
        detector.config = dict(about["config"])
    except (KeyError, TypeError, ValueError, RuntimeError, MemoryError, OverflowError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(
            f"{file}: does not fit this version of the package ({reason}); train it again, or use "
            "the version that wrote it"
        ) from None
    return detector.eval()


def _check_numbers(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Refuse weights of another type, and such that are no numbers: every score would be none."""
    for name, tensor in given.items():
        if name in expected and tensor.dtype != expected[name].dtype:
            raise ValueError(f"'{name}' is {tensor.dtype}, expected {expected[name].dtype}")
        if not torch.isfinite(tensor).all():
            raise ValueError(f"'{name}' holds values that are not finite")


def _is_pickle(file: Path) -> bool:
    """Whether torch wrote the file: a zip, or a bare pickle as before torch 1.6."""
    with open(file, "rb") as opened:
        head = opened.read(9)
    safetensors = head[8:] == b"{"  # after the eight bytes of its header's length
    return not safetensors and head.startswith((b"PK\3\4", b"\x80"))


def load_trunk_weights(network: HFN, path: str | Path) -> None:
    """Start every stream's trunk from weights in torchvision's names, ImageNet's for example.

    Parameters
    ----------
    network : HFN
        With a "resnet18" or "resnet50" trunk; changed in place.
    path : path
        A state dict as torchvision saves it (`.pth`, read with `weights_only=True`) or
        safetensors; the classifier `fc` is left out.

    Raises
    ------
    InputError
        The file is missing, damaged, or of another trunk.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a state dict of torchvision's ResNet")
    try:
        if path.suffix == ".safetensors":
            weights = load(path.read_bytes())
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
        weights = {k: v for k, v in weights.items() if not k.startswith("fc.")}
        for trunk in (m for m in network.modules() if isinstance(m, Trunk)):
            trunk.load_state_dict(weights)
    except Exception as error:  # torch.load raises many kinds on a damaged file
        raise InputError(
            f"{path}: holds no weights of the trunk '{network.settings['trunk']}' "
            f"({type(error).__name__}); give a state dict of torchvision's ResNet"
        ) from None
