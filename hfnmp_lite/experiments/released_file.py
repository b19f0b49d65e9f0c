"""The released network's weights as its authors save them: to test and to show what reads them."""

from __future__ import annotations

import io
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hfnmp_lite.experiments.released import ReleasedExtractor, ReleasedNetwork
from hfnmp_lite.files import write_whole

# The transcription's names and the release's, from the description of the latter.
NAMES = (
    *((f"trunk_{s}.", f"fpn.fpn_{s}.") for s in ("rgb", "tex")),
    *((f"{c}_{s}.", f"fpn.fpn_{s}.{c}.") for s in ("rgb", "tex") for c in ("conv6", "conv7")),
    *(
        (f"lateral{level}_{s}.", f"fpn.fpn_{s}.latlayer{6 - level}.")
        for s in ("rgb", "tex")
        for level in (5, 4, 3)
    ),
    *(
        (f"smooth{level}_{s}.", f"fpn.fpn_{s}.toplayer{5 - level}.")
        for s in ("rgb", "tex")
        for level in (4, 3)
    ),
    ("head_conv.", "pred_head_0.0."),
    ("head_out.", "pred_head_0.2."),
    ("classifier.", "cls_heads."),
)


def in_their_names(network: ReleasedNetwork) -> OrderedDict[str, Tensor]:
    """Return the network's state dict under the names that the release gives its parts."""
    renamed = OrderedDict()
    for name, tensor in network.state_dict().items():
        ((old, new),) = [pair for pair in NAMES if name.startswith(pair[0])]
        renamed[new + name[len(old) :]] = tensor
    return renamed


def save_as_release(
    path: str | Path, extractor: ReleasedExtractor, network: ReleasedNetwork
) -> None:
    """Write a `.ckpt` with the entries of the release's files, whole or not at all.

    The metrics in it are made up, but of the types that occur there.
    """
    content = {
        "epoch": 1,
        "val_metrics": {"MIN_HTER": np.float64(0.5), "AUC": np.float64(0.5), "EER": 0.5},
        "global_step": 1,
        "model_state": [extractor.state_dict(), in_their_names(network)],
        "optim_state": torch.optim.SGD(extractor.parameters(), 0.1, momentum=0.9).state_dict(),
    }
    data = io.BytesIO()
    torch.save(content, data)
    write_whole(path, data.getvalue())
