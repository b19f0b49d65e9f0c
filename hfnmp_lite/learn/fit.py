"""The loop: stages of learning, selection on held-out source subjects, checkpoints, resume."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn
from tqdm import tqdm

from hfnmp_lite.config import LOG, META_ORDERS, SNAPSHOTS, TRAIN, Machine, RunConfig
from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.evaluate import metrics
from hfnmp_lite.evaluate.scoring import as_arrays
from hfnmp_lite.files import InputError
from hfnmp_lite.learn.compute import Compute
from hfnmp_lite.learn.losses import LOSSES
from hfnmp_lite.learn.meta_step import Batch, Loss, meta_step, network_step
from hfnmp_lite.learn.state import State, load, save, start_stage
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.owned import check_free, write_owned

SELECTION = (
    "source validation: among the looks at the held-out subjects of the source domains, the "
    "highest AUC averaged over those domains, ties by the lower cross-entropy of the scores"
)
THRESHOLD_RULE = "equal error rate on the held-out subjects of the source domains, pooled"
LOG_EVERY = 5
Watch = Callable[[dict[str, float]], None]


def fit(
    config: RunConfig,
    training: Sequence[Presentation],
    validation: Sequence[Presentation],
    folder: Path,
    resume: bool = False,
    progress: bool = True,
    compute: Compute | None = None,
    watch: Watch | None = None,
) -> Detector:
    """Learn a detector as `config` says and choose checkpoint and threshold on `validation`.

    Writes `log.csv` and `last.ckpt` into `folder` at every look at the validation set, each whole
    or not at all, and where a pattern is learned `snapshots.safetensors`, the extractor at every
    look of the first stage ("iteration/parameter"). A run resumed from `last.ckpt` ends as if it
    had never stopped. Ctrl-C ends the iteration, writes `last.ckpt`, and is then raised.

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
    compute : Compute, optional
        What to compute on; by default one process, on the GPU where there is one.
    watch : callable, optional
        Given every row of the log as it comes.

    Returns
    -------
    Detector
        The selected one, in eval mode, with its threshold; in every process.

    Raises
    ------
    InputError
        Data of the target domain were given, `compute` cannot learn this (`Compute.check`), or
        `last.ckpt` does not fit; a `log.csv` or `snapshots.safetensors` is in the way that is not,
        or no longer, what a run wrote.
    FloatingPointError
        The loss is no longer a finite number.
    """
    given = {p.domain for p in (*training, *validation)}
    if given != set(config.sources):
        raise InputError(
            f"fit was given domains {sorted(given)}; expected the sources {sorted(config.sources)} "
            "and never the target"
        )
    compute = compute or Compute(Machine())
    compute.check(config)
    check_free([folder / LOG, folder / SNAPSHOTS], TRAIN)
    if resume:
        state = load(config, training, folder, compute)
    else:
        state = start_stage(config, training, 1, None, compute)
    while True:
        try:
            _run_stage(config, state, validation, folder, progress, compute, watch)
        finally:
            state.supply.close()
        state.detector.load_state_dict(state.best["weights"])
        if state.stage == config.stages:
            break
        # Second stage: E frozen and in eval mode from here on, H anew (*released code*: intended).
        first = state
        state = start_stage(config, training, first.stage + 1, first.detector.extractor, compute)
        if config.second_start == "first":
            _start_from(state.detector.network, first.detector.network)
        state.log, state.seconds, state.snapshots = first.log, first.seconds, first.snapshots
        state.supply.unreadable |= first.supply.unreadable
    if state.snapshots and compute.first:
        write_owned(folder / SNAPSHOTS, to_safetensors(state.snapshots), TRAIN, quiet=True)
    detector = state.detector.eval()
    detector.threshold = float(state.best["threshold"])
    detector.share_rejected = float(state.best["share_rejected"])
    detector.config = config.to_dict()
    detector.validation = {k: v for k, v in state.best.items() if k != "weights"}
    detector.validation["unreadable_frames"] = len(state.supply.unreadable)
    return detector


def _start_from(network: nn.Module, before: nn.Module) -> None:
    """Take over the weights of the stage before; a pattern alone takes over those of its stream."""
    weights = before.state_dict()
    network.load_state_dict({name: weights[name] for name in network.state_dict()})


def _run_stage(
    config: RunConfig,
    state: State,
    validation: Sequence[Presentation],
    folder: Path,
    progress: bool,
    compute: Compute,
    watch: Watch | None,
) -> None:
    total = config.iterations if state.stage == config.stages else config.extractor_iterations
    named = "frozen pattern" if state.stage > 1 else f"{config.pattern}, {config.order}"
    started, before = time.perf_counter(), state.seconds
    with (
        _interruptions() as interrupted,
        tqdm(
            total=total,
            initial=state.iteration,
            desc=f"stage {state.stage}/{config.stages} ({named})",
            unit="it",
            disable=not (progress and compute.first),
        ) as bar,
    ):
        while state.iteration < total:
            if config.schedule == "cosine":
                _set_rates(state, (1 + math.cos(math.pi * state.iteration / total)) / 2)
            for name, value in _step(config, state, compute).items():
                state.sums[name] = state.sums.get(name, 0) + value
            state.count += 1
            state.iteration += 1
            state.seconds = before + time.perf_counter() - started
            bar.update()
            look = state.iteration % config.validate_every == 0 or state.iteration == total
            due = look or state.iteration % LOG_EVERY == 0
            if due:
                row = _row(config, state, validation if look else None, folder, compute)
                state.log.append(row)
                if watch is not None:
                    watch(row)
                bar.set_postfix(
                    loss=f"{row['meta_train']:.3f}",
                    val_auc=f"{state.best['auc']:.3f}" if state.best else "-",
                )
            # several processes stop together, where they meet anyway
            stop = (due or compute.world == 1) and compute.any(bool(interrupted))
            if (look or stop) and compute.first:
                save(config, compute, state, folder)
            if stop:
                raise KeyboardInterrupt


@contextmanager
def _interruptions() -> Iterator[list[float]]:
    """Note Ctrl-C instead of raising it between two halves of a step; the second one is raised.

    Within two seconds it is the same one: a process gets it from the terminal and from torchrun.
    """
    noted: list[float] = []

    def note(number: int, frame: object) -> None:
        now = time.monotonic()
        if noted and now - noted[0] > 2:
            raise KeyboardInterrupt
        noted.append(now)

    try:
        usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if usual:
            signal.signal(signal.SIGINT, note)
    except ValueError:  # not in the main thread
        usual = False
    try:
        yield noted
    finally:
        if usual:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _set_rates(state: State, factor: float) -> None:
    for optimizer in state.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("full_lr", group["lr"]) * factor


def _step(config: RunConfig, state: State, compute: Compute) -> dict[str, Tensor]:
    """One iteration: every call updates H once."""
    detector, loss = state.detector.train(), compute.scaled(LOSSES[config.loss])
    network, extractor = detector.network, detector.extractor
    if extractor is not None and "extractor" not in state.optimizers:
        extractor.eval()  # frozen, its running statistics too
    drawn = state.supply(state.iteration)
    state.drawn = drawn.numbers
    batch = compute.to_device(drawn.meta_train)
    optimizer, scale = state.optimizers["network"], compute.scale
    with compute.autocast():
        if state.stage == 1 and config.order in META_ORDERS:
            losses = meta_step(
                network,
                extractor,
                meta_test=[compute.to_device(b) for b in drawn.meta_test],
                meta_train=[batch],
                network_optimizer=optimizer,
                extractor_optimizer=state.optimizers["extractor"],
                order=config.order,
                loss=loss,
            )
        elif "extractor" in state.optimizers:
            losses = {"meta_train": _joint_step(detector, batch, state.optimizers, loss)}
        else:
            losses = {"meta_train": network_step(network, extractor, batch, optimizer, loss)}
    compute.after_iteration()
    return losses if scale is None else {k: v / scale for k, v in losses.items()}


def _joint_step(
    detector: Detector,
    batch: Batch,
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


def _row(
    config: RunConfig,
    state: State,
    validation: Sequence[Presentation] | None,
    folder: Path,
    compute: Compute,
) -> dict[str, float]:
    """Close a row of the log, with a look at the validation set where it is given."""
    means = {k: total / state.count for k, total in compute.mean(state.sums).items()}
    state.sums, state.count = {}, 0
    compute.average_buffers(state.detector)
    for name, value in means.items():
        if not math.isfinite(value):
            raise _diverged(f"{name} loss", value, state, folder)
    row = {"stage": state.stage, "iteration": state.iteration, **means}
    if validation is not None:
        row |= _look(config, state, validation, folder, compute)
    return {**row, "seconds": round(state.seconds, 2)}


def _diverged(what: str, value: float, state: State, folder: Path) -> FloatingPointError:
    return FloatingPointError(
        f"the {what} became {value} by iteration {state.iteration} of stage {state.stage}; lower "
        "the learning rates or check the data. What was learned up to the last look at the "
        f"validation set is in {folder}"
    )


def _look(
    config: RunConfig,
    state: State,
    validation: Sequence[Presentation],
    folder: Path,
    compute: Compute,
) -> dict[str, float]:
    """Score the held-out source subjects; remember the weights where they are the best so far."""
    detector = state.detector.eval()
    if "extractor" in state.optimizers:
        for name, tensor in detector.extractor.state_dict().items():
            state.snapshots[f"{state.iteration}/{name}"] = (
                tensor.detach().cpu().clone().contiguous()
            )
    try:
        scored = compute.score(
            detector, validation, config.size, unreadable=state.supply.unreadable
        )
    except FloatingPointError:
        raise _diverged("score of held-out subjects", math.nan, state, folder) from None
    scored = [s for s in scored if s.n_frames]  # what could not be read cannot choose
    arrays = as_arrays(scored)
    scores, live = arrays["scores"], arrays["live"]
    domain = np.array([s.domain for s in scored])
    for d in config.sources:
        if set(live[domain == d]) != {True, False}:
            raise InputError(
                f"domain '{d}': of its held-out subjects no "
                f"{'attack' if live[domain == d].any() else 'live face'} can be read; restore the "
                "frames that are named above"
            )
    aucs = [metrics.auc(scores[domain == d], live[domain == d]) for d in config.sources]
    threshold = metrics.eer_threshold(scores, live)
    right = np.clip(np.where(live, scores, 1 - scores), 1e-7, None)
    look = {"val_auc": float(np.mean(aucs)), "val_loss": float(-np.log(right).mean())}
    look["val_hter"] = float(metrics.hter(scores, live, threshold))
    rank = (look["val_auc"], -look["val_loss"])
    if state.best is None or rank > (state.best["auc"], -state.best["loss"]):
        state.best = {
            "auc": look["val_auc"],
            "loss": look["val_loss"],
            "threshold": threshold,
            "share_rejected": float((scores < threshold).mean()),
            "hter": look["val_hter"],
            "iteration": state.iteration,
            "weights": {k: v.detach().clone() for k, v in detector.state_dict().items()},
        }
    return look
