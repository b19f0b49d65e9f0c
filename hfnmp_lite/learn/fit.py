"""The loop: stages of learning, selection on held-out source subjects, checkpoints, resume."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn
from tqdm import tqdm

from hfnmp_lite.config import META_ORDERS, RunConfig
from hfnmp_lite.data.loaders import DomainBatches, join
from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.evaluate import metrics
from hfnmp_lite.evaluate.scoring import as_arrays, score_presentations
from hfnmp_lite.files import InputError, write_whole
from hfnmp_lite.learn.losses import LOSSES
from hfnmp_lite.learn.meta_step import Loss, meta_step, network_step
from hfnmp_lite.model.catalogue import build_pattern
from hfnmp_lite.model.checkpoint import load_trunk_weights
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.model.handcrafted import RandomExtractor
from hfnmp_lite.model.network import HFN

SELECTION = (
    "source validation: among the looks at the held-out subjects of the source domains, the "
    "highest AUC averaged over those domains, ties by the lower cross-entropy of the scores"
)
THRESHOLD_RULE = "equal error rate on the held-out subjects of the source domains, pooled"
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
LOG_EVERY = 5
SETTLING = 8  # batches of each source that the random extractor's statistics come from
T = TypeVar("T")


@dataclass
class State:
    """Everything that changes while a run learns: what last.ckpt holds."""

    detector: Detector
    optimizers: dict[str, torch.optim.Optimizer]
    batches: dict[str, DomainBatches]
    stage: int = 1
    iteration: int = 0
    best: dict[str, object] | None = None
    log: list[dict[str, float]] = field(default_factory=list)
    snapshots: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0


def fit(
    config: RunConfig,
    training: Sequence[Presentation],
    validation: Sequence[Presentation],
    folder: Path,
    resume: bool = False,
    progress: bool = True,
) -> Detector:
    """Learn a detector as `config` says and choose checkpoint and threshold on `validation`.

    Writes `log.csv` and `last.ckpt` into `folder` at every look at the validation set, each whole
    or not at all, and where a pattern is learned `snapshots.safetensors`, the extractor at every
    look of the first stage ("iteration/parameter"). A run resumed from `last.ckpt` ends as if it
    had never stopped.

    Parameters
    ----------
    config : RunConfig
        What to do.
    training, validation : sequence of Presentation
        Source domains only, subjects disjoint.
    folder : Path
        The run directory; exists.
    resume : bool
        Go on from `folder / "last.ckpt"`.
    progress : bool
        Whether to show progress bars.

    Returns
    -------
    Detector
        The selected one, in eval mode, with its threshold.

    Raises
    ------
    InputError
        Data of the target domain were given, or `last.ckpt` does not fit.
    FloatingPointError
        The loss is no longer a finite number.
    """
    given = {p.domain for p in (*training, *validation)}
    if given != set(config.sources):
        raise InputError(
            f"fit was given domains {sorted(given)}; expected the sources {sorted(config.sources)} "
            "and never the target"
        )
    if resume:
        state = _load(config, training, folder / "last.ckpt")
    else:
        state = _start_stage(config, training, stage=1, extractor=None)
    while True:
        _run_stage(config, state, validation, folder, progress)
        state.detector.load_state_dict(state.best["weights"])
        if state.stage == config.stages:
            break
        # Second stage: E frozen and in eval mode from here on, H anew (*released code*: intended).
        before = state
        state = _start_stage(config, training, state.stage + 1, state.detector.extractor)
        state.log, state.seconds, state.snapshots = before.log, before.seconds, before.snapshots
    if state.snapshots:
        write_whole(folder / "snapshots.safetensors", save(state.snapshots))
    detector = state.detector.eval()
    detector.threshold = float(state.best["threshold"])
    detector.config = config.to_dict()
    detector.validation = {k: v for k, v in state.best.items() if k != "weights"}
    return detector


def _start_stage(
    config: RunConfig, training: Sequence[Presentation], stage: int, extractor: nn.Module | None
) -> State:
    """Fresh network, optimizers and batches; a fresh extractor where none is handed on."""
    if extractor is None:
        extractor = seeded(config.seed, build_pattern, config.pattern, **config.pattern_settings)
    else:
        extractor.requires_grad_(False)
    network = seeded(
        1000 * stage + config.seed,
        HFN,
        trunk=config.trunk,
        fusion=config.fusion,
        streams=1 if extractor is None else 2,
        map_in_score=config.loss != "ce",
    )
    if config.trunk_weights is not None:
        load_trunk_weights(network, config.trunk_weights)
    detector = Detector(extractor, network).to(memory_format=torch.channels_last)
    smooth = [p for name, p in network.named_parameters() if "smooth" in name]
    others = [p for name, p in network.named_parameters() if "smooth" not in name]
    rate = config.second_lr if stage > 1 else config.network_lr
    groups = [
        {"params": others, "lr": rate},
        {"params": smooth, "lr": rate * config.smoothing_lr_factor},
    ]
    optimizers = {"network": _optimizer(config, groups)}
    learned = [] if extractor is None else [p for p in extractor.parameters() if p.requires_grad]
    if learned:
        optimizers["extractor"] = _optimizer(
            config, [{"params": learned, "lr": config.extractor_lr}]
        )
    batches = {
        domain: DomainBatches(
            [p for p in training if p.domain == domain],
            config.per_class,
            config.size,
            seed=1000 * stage + config.seed,
            shift=config.shift,
        )
        for domain in config.sources
    }
    if isinstance(extractor, RandomExtractor):
        extractor.settle(join([b.draw() for _ in range(SETTLING) for b in batches.values()])[0])
        for supply in batches.values():
            supply.drawn = 0
    return State(detector, optimizers, batches, stage)


def seeded(seed: int, build: Callable[..., T], *args: object, **kwargs: object) -> T:
    """Build a module whose random initial weights are drawn from `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(*args, **kwargs)


def _optimizer(config: RunConfig, groups: list[dict[str, object]]) -> torch.optim.Optimizer:
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=0.9)
    return torch.optim.AdamW(groups)


def _run_stage(
    config: RunConfig,
    state: State,
    validation: Sequence[Presentation],
    folder: Path,
    progress: bool,
) -> None:
    total = config.iterations if state.stage == config.stages else config.extractor_iterations
    named = "frozen pattern" if state.stage > 1 else f"{config.pattern}, {config.order}"
    started, before = time.perf_counter(), state.seconds
    sums, count = {}, 0
    with tqdm(
        total=total,
        initial=state.iteration,
        desc=f"stage {state.stage}/{config.stages} ({named})",
        unit="it",
        disable=not progress,
    ) as bar:
        while state.iteration < total:
            if config.schedule == "cosine":
                _set_rates(state, (1 + math.cos(math.pi * state.iteration / total)) / 2)
            for name, value in _step(config, state).items():
                sums[name] = sums.get(name, 0) + value
            count += 1
            state.iteration += 1
            bar.update()
            look = state.iteration % config.validate_every == 0 or state.iteration == total
            if not look and state.iteration % LOG_EVERY:
                continue
            state.seconds = before + time.perf_counter() - started
            row = {name: float(value) / count for name, value in sums.items()}
            sums, count = {}, 0
            _refuse_nonfinite(row, state, folder)
            row = {"stage": state.stage, "iteration": state.iteration, **row}
            if look:
                row |= _look(config, state, validation)
            state.log.append({**row, "seconds": round(state.seconds, 2)})
            bar.set_postfix(
                loss=f"{row['meta_train']:.3f}",
                val_auc=f"{state.best['auc']:.3f}" if state.best else "-",
            )
            if look:
                _save(config, state, folder)


def _set_rates(state: State, factor: float) -> None:
    for optimizer in state.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("full_lr", group["lr"]) * factor


def _step(config: RunConfig, state: State) -> dict[str, Tensor]:
    """One iteration: every call updates H once."""
    detector, loss = state.detector.train(), LOSSES[config.loss]
    network, extractor = detector.network, detector.extractor
    if extractor is not None and "extractor" not in state.optimizers:
        extractor.eval()  # frozen, its running statistics too
    if state.stage == 1 and config.order in META_ORDERS:
        rng = np.random.default_rng([config.seed, 3, state.iteration])
        test, *train = rng.permutation(sorted(config.sources))
        return meta_step(
            network,
            extractor,
            meta_test=[state.batches[test].draw() for _ in range(config.inner_steps)],
            meta_train=[join([state.batches[d].draw() for d in train])],
            network_optimizer=state.optimizers["network"],
            extractor_optimizer=state.optimizers["extractor"],
            order=config.order,
            loss=loss,
        )
    batch = join([state.batches[d].draw() for d in config.sources])
    if "extractor" in state.optimizers:
        return {"meta_train": _joint_step(detector, batch, state.optimizers, loss)}
    optimizer = state.optimizers["network"]
    return {"meta_train": network_step(network, extractor, batch, optimizer, loss)}


def _joint_step(
    detector: Detector,
    batch: tuple[Tensor, Tensor],
    optimizers: dict[str, torch.optim.Optimizer],
    loss: Loss,
) -> Tensor:
    """Let E and H together descend L / 2, H's own objective in every order; returns L."""
    images, live = batch
    value = loss(detector(images), live)
    (value / 2).backward()
    for optimizer in optimizers.values():
        optimizer.step()
        optimizer.zero_grad()
    return value.detach()


def _refuse_nonfinite(losses: dict[str, float], state: State, folder: Path) -> None:
    for name, value in losses.items():
        if not math.isfinite(value):
            raise FloatingPointError(
                f"the {name} loss became {value} by iteration {state.iteration} of stage "
                f"{state.stage}; lower the learning rates or check the data. What was learned up "
                f"to the last look at the validation set is in {folder}"
            )


def _look(config: RunConfig, state: State, validation: Sequence[Presentation]) -> dict[str, float]:
    """Score the held-out source subjects; remember the weights where they are the best so far."""
    detector = state.detector.eval()
    if "extractor" in state.optimizers:
        for name, tensor in detector.extractor.state_dict().items():
            state.snapshots[f"{state.iteration}/{name}"] = tensor.detach().clone().contiguous()
    scored = score_presentations(detector, validation, config.size)
    arrays = as_arrays(scored)
    scores, live = arrays["scores"], arrays["live"]
    if not np.isfinite(scores).all():
        bad = next(s.presentation for s in scored if not math.isfinite(s.score))
        raise InputError(f"validation presentation '{bad}' has no score; check its frames")
    domain = np.array([s.domain for s in scored])
    aucs = [metrics.auc(scores[domain == d], live[domain == d]) for d in config.sources]
    threshold = metrics.eer_threshold(scores, live)
    right = np.clip(np.where(live, scores, 1 - scores), 1e-7, None)
    look = {"val_auc": float(np.mean(aucs)), "val_loss": float(-np.log(right).mean())}
    rank = (look["val_auc"], -look["val_loss"])
    if state.best is None or rank > (state.best["auc"], -state.best["loss"]):
        state.best = {
            "auc": look["val_auc"],
            "loss": look["val_loss"],
            "threshold": threshold,
            "hter": float(metrics.hter(scores, live, threshold)),
            "iteration": state.iteration,
            "weights": {k: v.detach().clone() for k, v in detector.state_dict().items()},
        }
    return {**look, "val_hter": float(metrics.hter(scores, live, threshold))}


def _save(config: RunConfig, state: State, folder: Path) -> None:
    content = {
        "config": json.dumps(config.to_dict()),
        "stage": state.stage,
        "iteration": state.iteration,
        "detector": state.detector.state_dict(),
        "optimizers": {k: o.state_dict() for k, o in state.optimizers.items()},
        "drawn": {k: b.drawn for k, b in state.batches.items()},
        "best": state.best,
        "log": state.log,
        "snapshots": state.snapshots,
        "seconds": state.seconds,
    }
    data = io.BytesIO()
    torch.save(content, data)
    write_whole(folder / "last.ckpt", data.getvalue())
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, LOG_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(state.log)
    write_whole(folder / "log.csv", text.getvalue())


def _load(config: RunConfig, training: Sequence[Presentation], path: Path) -> State:
    try:
        content = torch.load(path, weights_only=True)
        asked = json.loads(content["config"])
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; nothing to resume, start without --resume"
        ) from None
    except Exception as error:  # torch.load raises many kinds on a damaged file
        raise InputError(
            f"{path}: is damaged or not a checkpoint of a run ({type(error).__name__}); remove it "
            "and start without --resume"
        ) from None
    if asked != config.to_dict():
        differ = sorted(k for k in asked if asked[k] != config.to_dict().get(k))
        raise InputError(
            f"{path}: belongs to a run with other settings ({', '.join(differ)}); resume with the "
            "settings it was started with, or use another directory"
        )
    extractor = None
    if content["stage"] > 1:
        extractor = build_pattern(config.pattern, **config.pattern_settings)
    state = _start_stage(config, training, content["stage"], extractor)
    state.detector.load_state_dict(content["detector"])
    for name, optimizer in state.optimizers.items():
        optimizer.load_state_dict(content["optimizers"][name])
    for domain, batches in state.batches.items():
        batches.drawn = content["drawn"][domain]
    state.iteration, state.best = content["iteration"], content["best"]
    state.log, state.seconds = content["log"], content["seconds"]
    state.snapshots = content["snapshots"]
    return state
