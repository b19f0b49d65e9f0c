"""Pictures of training: curves while a run goes on, the log read again, where the time goes."""

from __future__ import annotations

import base64
import copy
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import ipywidgets
import numpy as np

from hfnmp_lite.config import RunConfig
from hfnmp_lite.teach.figures import PALETTE, SIZE, _dress, _figure, learning_curves, png
from hfnmp_lite.teach.widgets import DPI

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hfnmp_lite.learn.compute import Compute
    from hfnmp_lite.learn.meta_step import Batch
    from hfnmp_lite.model.detector import Detector

REDRAW = 2.0  # seconds between two pictures of a run that goes on
SHADES = {
    "reading": PALETTE["oracle"],
    "forward": PALETTE["live"],
    "backward": PALETTE["replay"],
    "optimizer": PALETTE["print"],
}
FIGURES = {
    "losses": (("meta_train", "meta-train", "live"), ("meta_test", "meta-test", "print")),
    "held-out subjects": (("val_auc", "AUC", "live"), ("val_hter", "HTER", "replay")),
}


class LiveCurves(ipywidgets.VBox):
    """A bar and the curves of a run, redrawn every few seconds; `add` takes each row of its log.

    Parameters
    ----------
    config : RunConfig
        What the run was asked to do.

    Attributes
    ----------
    rows : list of dict
        What `add` was given.
    """

    def __init__(self, config: RunConfig) -> None:
        first = config.extractor_iterations if config.stages == 2 else 0
        self._before = {config.stages: first, 1: 0} if config.stages == 2 else {1: 0}
        self.rows: list[dict[str, float]] = []
        self._drawn = 0.0
        self._bar = ipywidgets.IntProgress(0, 0, first + config.iterations)
        self._said, self._picture = ipywidgets.HTML(), ipywidgets.HTML()
        super().__init__([ipywidgets.HBox([self._bar, self._said]), self._picture])

    def add(self, row: Mapping[str, float]) -> None:
        """Take a row of the log; draw where the last picture is old or the run is over."""
        self.rows.append(dict(row))
        self._bar.value = self._before[row["stage"]] + row["iteration"]
        self._said.value = f"stage {row['stage']}, loss {row['meta_train']:.3f}"
        over = self._bar.value == self._bar.max
        if over or time.perf_counter() - self._drawn > REDRAW:
            data = base64.b64encode(png(learning_curves(self.rows), DPI)).decode()
            self._picture.value = (
                f'<img src="data:image/png;base64,{data}" width="720" '
                f'alt="Curves of the run so far: {self._said.value}">'
            )
            self._drawn = time.perf_counter()

    def __repr__(self) -> str:
        return "(needs a running kernel) the curves of the run while it goes on"


def smoothed(rows: Sequence[Mapping[str, float]], figure: str, width: int) -> tuple[Figure, str]:
    """Draw a log's losses or validation figures as running means, a panel for each stage.

    Parameters
    ----------
    rows : sequence of mappings
        Of log.csv, numbers; what was not measured is missing.
    figure : {"losses", "held-out subjects"}
        What to draw.
    width : int
        How many rows a mean runs over, odd.
    """
    from matplotlib.figure import Figure

    stages = sorted({row["stage"] for row in rows})
    drawn = Figure(figsize=(9, 3.4))
    # Fixed margins: a slider redraws this, and a computed layout takes twice the time.
    drawn.subplots_adjust(left=0.08, right=0.99, bottom=0.18, top=0.9, wspace=0.06)
    said = []
    panels = drawn.subplots(1, len(stages), sharey=True, squeeze=False)[0]
    for stage, axes in zip(stages, panels, strict=True):
        for name, label, shade in FIGURES[figure]:
            found = [(r["iteration"], r[name]) for r in rows if r["stage"] == stage and name in r]
            if not found:
                continue
            x, y = np.array(found).T
            mean = _running_mean(y, width)
            if name == "meta_train" and stage > 1:
                label = "training"
            axes.plot(x, y, color=PALETTE[shade], alpha=0.25, linewidth=1)
            axes.plot(x, mean, color=PALETTE[shade], linewidth=2.2, label=label)
            said.append(f"stage {stage:.0f} {label} from {mean[0]:.2f} to {mean[-1]:.2f}")
        _dress(axes, "iteration", figure if axes is panels[0] else "")
        axes.grid(color="#E5E5E5")
        axes.set_title(f"stage {stage:.0f}", fontsize=SIZE + 1)
        if axes.get_legend_handles_labels()[0]:
            place = "upper right" if figure == "losses" else "center right"
            axes.legend(fontsize=SIZE - 2, loc=place)
    return drawn, f"The long run, means over {width} rows of its log: {'; '.join(said)}."


def _running_mean(y: np.ndarray, width: int) -> np.ndarray:
    padded = np.pad(y, width // 2, mode="edge")
    return np.convolve(padded, np.ones(width) / width, "valid")


def parts_of_a_step(
    detector: Detector,
    config: RunConfig,
    draw: Callable[[], Batch],
    compute: Compute,
    rounds: int = 3,
) -> dict[str, float]:
    """Measure the parts of a step of H, in seconds, the least of the rounds; the detector stays.

    Reading a batch (`draw`), the forward pass, the way back, the optimizer's step. The least,
    because whatever else a machine does can only add to it.
    """
    import torch

    from hfnmp_lite.learn.losses import LOSSES

    detector = copy.deepcopy(detector).train().to(compute.device)
    network, loss = detector.network, LOSSES[config.loss]
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    found: dict[str, list[float]] = {name: [] for name in SHADES}

    def now() -> float:
        if compute.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    for _ in range(rounds + 1):
        begun = now()
        images, live = compute.to_device(draw())
        started = now()
        with compute.autocast():
            with torch.no_grad():
                pattern = detector.pattern(images)
            value = loss(network(images, pattern), live)
        forward = now()
        value.backward()
        backward = now()
        optimizer.step()
        optimizer.zero_grad()
        marks = (begun, started, forward, backward, now())
        for name, (a, b) in zip(found, pairwise(marks), strict=True):
            found[name].append(b - a)
    return {name: min(times[1:]) for name, times in found.items()}


def parts(seconds: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw the parts of a step as bars, one bar for each precision.

    Parameters
    ----------
    seconds : mapping
        Precision -> {part: seconds}.
    """
    figure = _figure(8, 0.9 + 0.7 * len(seconds))
    axes = _dress(figure.subplots(), "milliseconds", "")
    for place, of in enumerate(seconds.values()):
        left = 0.0
        for name, took in of.items():
            width = 1000 * took
            axes.barh(place, width, left=left, color=SHADES[name], label=None if place else name)
            left += width
    axes.set_yticks(range(len(seconds)), list(seconds), fontsize=SIZE)
    axes.invert_yaxis()
    axes.legend(
        fontsize=SIZE - 1, ncols=4, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1)
    )
    return figure
