"""Everything that changes while a run learns, in memory and in last.ckpt."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

from hfnmp_lite.config import LOG, TRAIN, RunConfig
from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.files import InputError, clear_remains, write_whole
from hfnmp_lite.learn.compute import Compute
from hfnmp_lite.learn.supply import Supply
from hfnmp_lite.model.catalogue import build_pattern
from hfnmp_lite.model.checkpoint import load_trunk_weights
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.model.handcrafted import RandomExtractor
from hfnmp_lite.model.network import HFN
from hfnmp_lite.owned import write_owned

LOG_COLUMNS = (
    "stage",
    "iteration",
    "meta_train",
    "meta_test",
    "val_loss",
    "val_auc",
    "val_hter",
    "seconds",
)
LAST, BEFORE = "last.ckpt", "before.ckpt"
SETTLING = 8  # batches of each source that the random extractor's statistics come from
T = TypeVar("T")


@dataclass
class State:
    """What a run has come to.

    Attributes
    ----------
    detector, optimizers, supply
        What learns, how, and from which batches.
    stage, iteration : int
        The stage, from 1, and how many of its iterations are done.
    drawn : dict
        How many batches each domain has given.
    sums, count : dict, int
        Losses since the last row of the log, and of how many iterations.
    best : dict or None
        The best look at the validation set in this stage, with the weights it looked at.
    log : list of dict
        Rows of log.csv.
    snapshots : dict
        The extractor at every look of the first stage, "iteration/parameter".
    seconds : float
        Time spent learning.
    """

    detector: Detector
    optimizers: dict[str, torch.optim.Optimizer]
    supply: Supply
    stage: int = 1
    iteration: int = 0
    drawn: dict[str, int] = field(default_factory=dict)
    sums: dict[str, Tensor] = field(default_factory=dict)
    count: int = 0
    best: dict[str, object] | None = None
    log: list[dict[str, float]] = field(default_factory=list)
    snapshots: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0


def start_stage(
    config: RunConfig,
    training: Sequence[Presentation],
    stage: int,
    extractor: nn.Module | None,
    compute: Compute,
) -> State:
    """Fresh network, optimizers and batches; a fresh extractor where none is handed on."""
    fusion = config.fusion
    if fusion == "alone" and stage < config.stages:
        fusion = "hfm"  # the extractor of two streams is the one to be tried alone
    if extractor is None:
        extractor = seeded(config.seed, build_pattern, config.pattern, **config.pattern_settings)
    else:
        extractor.requires_grad_(False)
    network = seeded(
        1000 * stage + config.seed,
        HFN,
        trunk=config.trunk,
        fusion=fusion,
        streams=1 if extractor is None else 2,
        map_in_score=config.loss != "ce",
    )
    if config.trunk_weights is not None:
        load_trunk_weights(network, config.trunk_weights)
    supply = Supply(
        config,
        training,
        stage,
        compute.rank,
        compute.world,
        pinned=compute.device.type == "cuda",
        readers=compute.readers,
    )
    if isinstance(extractor, RandomExtractor):
        extractor.settle(supply.some(SETTLING)[0])
    meta = stage == 1 and config.order.startswith("bilevel")
    detector = compute.prepare(Detector(extractor, network), meta)
    rate = config.second_lr if stage > 1 else config.network_lr
    named = list(detector.network.named_parameters())
    groups = [
        {"params": [p for n, p in named if "smooth" not in n], "lr": rate},
        {
            "params": [p for n, p in named if "smooth" in n],
            "lr": rate * config.smoothing_lr_factor,
        },
    ]
    optimizers = {"network": _optimizer(config, groups, compute)}
    learned = [] if extractor is None else [p for p in extractor.parameters() if p.requires_grad]
    if learned:
        groups = [{"params": learned, "lr": config.extractor_lr}]
        optimizers["extractor"] = _optimizer(config, groups, compute)
    return State(detector, optimizers, supply, stage)


def seeded(seed: int, build: Callable[..., T], *args: object, **kwargs: object) -> T:
    """Build a module whose random initial weights are drawn from `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(*args, **kwargs)


def _optimizer(
    config: RunConfig, groups: list[dict[str, object]], compute: Compute
) -> torch.optim.Optimizer:
    fused = compute.device.type == "cuda"
    if config.optimizer == "adamw":
        return compute.share(torch.optim.AdamW(groups, fused=fused))
    optimizer = torch.optim.SGD(groups, momentum=0.9, fused=fused)
    if fused:  # or a first step that is left out, as in 16 bits it may be, leaves them undefined
        for parameter in (p for group in groups for p in group["params"]):
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return compute.share(optimizer)


def save(config: RunConfig, compute: Compute, state: State, folder: Path) -> None:
    """Write last.ckpt, keeping the one before, and log.csv, each whole or not at all."""
    content = {
        "config": json.dumps(config.to_dict()),
        "machine": json.dumps(compute.machine.to_dict()),
        "stage": state.stage,
        "iteration": state.iteration,
        "detector": state.detector.state_dict(),
        "optimizers": {k: o.state_dict() for k, o in state.optimizers.items()},
        "drawn": state.drawn,
        "sums": state.sums,
        "count": state.count,
        "best": state.best,
        "log": state.log,
        "snapshots": state.snapshots,
        "seconds": state.seconds,
        "scale": compute.scale,
    }
    data = io.BytesIO()
    torch.save(content, data)
    if (folder / LAST).exists():
        os.replace(folder / LAST, folder / BEFORE)
    write_whole(folder / LAST, data.getvalue())
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, LOG_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(state.log)
    write_owned(folder / LOG, text.getvalue(), TRAIN, quiet=True)


def can_resume(folder: Path) -> bool:
    """Whether a run got as far as its first checkpoint."""
    return (folder / LAST).exists() or (folder / BEFORE).exists()


def load(
    config: RunConfig, training: Sequence[Presentation], folder: Path, compute: Compute
) -> State:
    """Take up a run where last.ckpt left it, or before.ckpt where that is damaged.

    Raises
    ------
    InputError
        There is none, both are damaged, or they belong to a run with other settings.
    """
    content = compute.from_first(_read(folder) if compute.first else None)
    if isinstance(content, str):
        raise InputError(content)
    asked = {**config.to_dict(), **compute.machine.to_dict()}
    begun = {**json.loads(content["config"]), **json.loads(content["machine"])}
    if asked != begun:
        differ = sorted(k for k in begun if begun[k] != asked.get(k))
        raise InputError(
            f"{folder / LAST}: belongs to a run with other settings ({', '.join(differ)}); resume "
            "with the settings it was started with, or use another directory"
        )
    extractor = None
    if content["stage"] > 1:
        extractor = build_pattern(config.pattern, **config.pattern_settings)
    state = start_stage(config, training, content["stage"], extractor, compute)
    try:
        state.detector.load_state_dict(content["detector"])
        for name, optimizer in state.optimizers.items():
            optimizer.load_state_dict(content["optimizers"][name])
        state.supply.go_on(content["drawn"])
        state.sums = {k: v.to(compute.device) for k, v in content["sums"].items()}
        for name in ("drawn", "count", "iteration", "best", "log", "snapshots", "seconds"):
            setattr(state, name, content[name])
        compute.scale = None if compute.scale is None else content["scale"].to(compute.device)
    except (KeyError, ValueError, RuntimeError, AttributeError) as error:
        state.supply.close()
        reason = str(error).splitlines()[0].rstrip(":")
        raise InputError(
            f"{folder / LAST}: does not fit this version of the package ({reason}); resume with "
            "the version that wrote it, or train again in another directory"
        ) from None
    return state


def _read(folder: Path) -> dict[str, object] | str:
    """Read the newest checkpoint that is whole, or say why there is none."""
    clear_remains(folder / LAST)
    problems = []
    for name in (LAST, BEFORE):
        path = folder / name
        if not path.exists():
            if name == LAST and (folder / BEFORE).exists():
                tqdm.write(f"warning: {path}: was not finished; going on from {BEFORE}")
            continue
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            missing = {"config", "machine", "stage", "detector", "optimizers"} - set(content)
            if missing:
                raise ValueError(f"without {sorted(missing)}")
        except Exception as error:  # torch.load raises many kinds on a damaged file
            problems.append(f"{path}: is damaged or no checkpoint ({type(error).__name__})")
            continue
        if problems:
            tqdm.write(f"warning: {problems[0]}; going on from {BEFORE}, the one before it")
            (folder / LAST).unlink()  # or the next one would be kept in the good one's place
        return content
    if not problems:
        return f"{folder / LAST}: no such file; nothing to resume, start without --resume"
    return f"{'; '.join(problems)}; remove the directory and start without --resume"
