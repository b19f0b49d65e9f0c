"""Domain generalisation in face anti-spoofing, taught and runnable.

The public names are imported when they are first used, so that `import hfnmp_lite` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOME = {
    "MetaPatternExtractor": "hfnmp_lite.model.patterns",
    "LocalBinaryPattern": "hfnmp_lite.model.lbp",
    "HFN": "hfnmp_lite.model.network",
    "Detector": "hfnmp_lite.model.detector",
    "load_checkpoint": "hfnmp_lite.model.checkpoint",
    "save_checkpoint": "hfnmp_lite.model.checkpoint",
    "presentation_loss": "hfnmp_lite.learn.losses",
    "meta_step": "hfnmp_lite.learn.meta_step",
}

__all__ = [
    "HFN",
    "Detector",
    "LocalBinaryPattern",
    "MetaPatternExtractor",
    "load_checkpoint",
    "meta_step",
    "metrics",
    "presentation_loss",
    "save_checkpoint",
]

if TYPE_CHECKING:
    from hfnmp_lite.evaluate import metrics
    from hfnmp_lite.learn.losses import presentation_loss
    from hfnmp_lite.learn.meta_step import meta_step
    from hfnmp_lite.model.checkpoint import load_checkpoint, save_checkpoint
    from hfnmp_lite.model.detector import Detector
    from hfnmp_lite.model.lbp import LocalBinaryPattern
    from hfnmp_lite.model.network import HFN
    from hfnmp_lite.model.patterns import MetaPatternExtractor


def __getattr__(name: str) -> object:
    if name == "metrics":
        return import_module("hfnmp_lite.evaluate.metrics")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'hfnmp_lite' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
