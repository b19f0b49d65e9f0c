"""One run: learn on the sources, choose on their held-out subjects, judge on the target, once."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hfnmp_lite.config import LOG, SNAPSHOTS, TRAIN, Machine, RunConfig, is_first
from hfnmp_lite.data.lists import describe as describe_lists
from hfnmp_lite.data.presentations import Presentation, missing_frames, read_manifest
from hfnmp_lite.data.protocols import Protocol, leave_one_out, name_of
from hfnmp_lite.data.samples import root
from hfnmp_lite.experiments.recipe import judge
from hfnmp_lite.files import (
    InputError,
    LostProcess,
    exclusive,
    lock_of,
    open_regular,
    write_whole,
)
from hfnmp_lite.owned import check_free, write_owned
from hfnmp_lite.provenance import peak_memory_mb, provenance

if TYPE_CHECKING:
    from hfnmp_lite.learn.compute import Compute
    from hfnmp_lite.learn.fit import Watch
    from hfnmp_lite.model.detector import Detector

SHIPPED = "shipped samples"
MODEL, SCORES, METRICS = "model.safetensors", "scores.csv", "metrics.json"


def load_data(manifest: str | Path | None) -> list[Presentation]:
    """Read a manifest, or the shipped samples' where None; every frame it lists is there.

    Raises
    ------
    InputError
        The manifest cannot be used, or frames are missing.
    """
    path = root() / "manifest.csv" if manifest is None else Path(manifest)
    presentations = read_manifest(path)
    if missing := missing_frames(presentations):
        raise InputError(
            f"{path}: {len(missing)} of its frames are missing, the first is {missing[0]}; "
            "restore them, or see hfnmp samples verify"
        )
    return presentations


def run(
    config: RunConfig,
    folder: Path,
    manifest: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
    machine: Machine | None = None,
    tensorboard: bool = False,
) -> dict[str, object]:
    """Do one run in `folder` and return what its metrics.json holds.

    Where several processes share it, each calls this; the first one writes. `tensorboard` adds the
    log as TensorBoard reads it, under `folder / "tensorboard"`.

    The folder receives config.json at the start, log.csv and last.ckpt on the way, and at the end
    model.safetensors, scores.csv and, last of all, metrics.json: where that stands, the run is
    finished.

    Raises
    ------
    InputError
        The folder holds a finished run, another run's beginning or something else, a file of it was
        edited since, or another process is at it; the data cannot be used.
    """
    presentations = load_data(manifest)
    protocol = protocol_of(config, presentations)
    if config.trunk_weights is not None and not Path(config.trunk_weights).is_file():
        raise InputError(f"{config.trunk_weights}: no such file; give --trunk-weights a state dict")
    machine = (machine or Machine()).launched(os.environ)
    machine.check_order(config)
    with (
        _claimed(config, folder, manifest, machine, resume)
        if is_first(machine.nodes)
        else nullcontext()
    ):
        how = {"progress": progress, "machine": machine, "tensorboard": tensorboard}
        return _learn_and_judge(config, folder, presentations, protocol, manifest, **how)


def _learn_and_judge(
    config: RunConfig,
    folder: Path,
    presentations: Sequence[Presentation],
    protocol: Protocol,
    manifest: str | Path | None,
    progress: bool,
    machine: Machine,
    tensorboard: bool,
) -> dict[str, object]:
    # torch takes seconds to import: only once everything that can be refused has been.
    import torch

    from hfnmp_lite.evaluate.adapt import repaired
    from hfnmp_lite.evaluate.scoring import write_scores
    from hfnmp_lite.learn.compute import Compute
    from hfnmp_lite.learn.fit import SELECTION, THRESHOLD_RULE, fit
    from hfnmp_lite.learn.state import BEFORE, can_resume
    from hfnmp_lite.model.checkpoint import save_checkpoint

    started = time.perf_counter()
    compute = Compute(machine)
    # without a checkpoint the run stopped before its first one, and begins anew
    resume = compute.from_first(can_resume(folder))
    with _board(folder, tensorboard and compute.first) as watch:
        detector = fit(
            config,
            protocol.training,
            protocol.validation,
            folder,
            resume,
            progress,
            compute,
            watch,
        )
    scored = compute.score(detector, protocol.target, config.size, progress)
    if not compute.first:
        summary = compute.from_first(None)
        compute.close()
        return summary
    write = partial(write_owned, by=TRAIN, quiet=True)
    save_checkpoint(folder / MODEL, detector, config.to_dict(), write)
    write_scores(folder / SCORES, scored, write)
    summary = {
        "target": config.target,
        "sources": list(config.sources),
        "pattern": config.pattern,
        "order": config.order,
        "stages": config.stages,
        "fusion": config.fusion,
        "loss": config.loss,
        "inner_steps": config.inner_steps,
        "augment": config.augment,
        "preset": config.preset,
        "seed": config.seed,
        "data": SHIPPED if manifest is None else str(manifest),
        "protocol": name_of(config.sources, config.target),
        "lists": describe_lists(
            p for p in presentations if p.domain in (config.target, *config.sources)
        ),
        "sources_without_frames": protocol.frameless,
        "unreadable_source_frames": detector.validation["unreadable_frames"],
        "selected_on": SELECTION,
        "threshold_rule": THRESHOLD_RULE,
        "selected_iteration": detector.validation["iteration"],
        "auc_sources": detector.validation["auc"],
        "hter_sources": detector.validation["hter"],
        **judge(scored, detector.threshold),
        **repaired(detector, protocol.target, scored, config.size),
        "seconds": round(time.perf_counter() - started, 1),
        "peak_memory_mb": peak_memory_mb(),
        "threads": torch.get_num_threads(),  # sums in another order round otherwise
        "device": _device(compute),
        "processes": compute.world,
        "precision": machine.precision,
        "command": shlex.join(["hfnmp", *sys.argv[1:]]),
        **provenance(),
    }
    write(folder / METRICS, json.dumps(summary, indent=2) + "\n")
    (folder / BEFORE).unlink(missing_ok=True)
    compute.from_first(summary)
    compute.close()
    return summary


def protocol_of(config: RunConfig, presentations: Sequence[Presentation]) -> Protocol:
    """Split the data as a run does; raises InputError where it cannot."""
    return leave_one_out(
        presentations, config.target, config.sources, config.validation_fraction, config.seed
    )


def _device(compute: Compute) -> str:
    import torch

    if compute.device.type == "cuda":
        return torch.cuda.get_device_name(compute.device)
    return compute.device.type


@contextmanager
def _board(folder: Path, wanted: bool) -> Iterator[Watch | None]:
    """Give a function that writes rows of the log for TensorBoard, or None."""
    if not wanted:
        yield None
        return
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            'TensorBoard is not installed; pip install "hfnmp-lite[tensorboard]", or leave '
            "--tensorboard out: log.csv holds the same numbers"
        ) from None
    with SummaryWriter(folder / "tensorboard") as writer:

        def watch(row: Mapping[str, float]) -> None:
            for name in row.keys() - {"stage", "iteration"}:
                writer.add_scalar(f"stage {row['stage']}/{name}", row[name], row["iteration"])

        yield watch


def evaluate(
    folder: Path,
    manifest: str | Path | None = None,
    domain: str | None = None,
    threshold: str = "source",
    adapt: str = "none",
    unlabelled: str | Path | None = None,
) -> dict[str, object]:
    """Score the target of a finished run once more, on its own data or on another manifest.

    A checkpoint alone, the authors' too, is judged on a manifest; where it holds no threshold,
    figures that need one are None. `domain` is judged instead of the run's target, for example
    one's own recordings; it must not be one that the run learned from.

    Where a repair is asked for (`evaluate.adapt`), its figure stands beside the others under a name
    of its own. It is learned from the pictures of `unlabelled`, or else from half of the target's
    subjects and judged on the other half, and the other way round.

    Raises
    ------
    InputError
        There is no finished run or checkpoint, or the data do not hold the domain.
    """
    folder = Path(folder)
    if folder.is_file() and manifest is None:
        raise InputError(f"{folder}: is a checkpoint; give --manifest to judge it on")
    if manifest is None:
        manifest = stored_manifest(folder)
    elif not folder.is_file():
        read_metrics(folder)
    from hfnmp_lite.evaluate.scoring import score_presentations
    from hfnmp_lite.model.checkpoint import load_checkpoint

    detector = load_checkpoint(folder)
    config = settings_of(folder, detector)
    data = load_data(manifest)
    wanted = choose_domain(domain, config, {p.domain for p in data}, folder)
    if wanted in config.sources:
        raise InputError(f"{folder}: learned from '{wanted}', so it cannot be judged there")
    if wanted == config.target:
        target = protocol_of(config, data).target
    else:
        target = [p for p in data if p.domain == wanted]
    scored = score_presentations(detector, target, config.size, progress=True)
    result = {
        "target": wanted,
        "protocol": name_of(config.sources, wanted),
        "lists": describe_lists(target),
        **judge(scored, detector.threshold),
    }
    name = {
        ("quantile", "none"): "hter_quantile",
        ("source", "statistics"): "hter_adapted",
        ("quantile", "statistics"): "hter_adapted_quantile",
    }.get((threshold, adapt))
    if name is None:
        return result
    from hfnmp_lite.evaluate import adapt as repairs

    if unlabelled is None:
        value = repairs.repaired(detector, target, scored, config.size)[name]
        if value is None:
            raise InputError(
                f"{folder}: {name} cannot be told: it needs a threshold and the share that the "
                "sources rejected, and pictures of two subjects of each domain; train again with "
                "this version, or give --unlabelled MANIFEST"
            )
        return result | {name: value}
    changed = repairs.repair(detector, load_data(unlabelled), threshold, adapt, config.size)
    scored = score_presentations(changed, target, config.size, progress=True)
    return result | {name: judge(scored, changed.threshold)["hter"]}


def settings_of(path: Path, detector: Detector) -> RunConfig:
    """Return what the run of a checkpoint was asked to do; defaults where it says nothing.

    Raises
    ------
    InputError
        It says something that this version does not understand.
    """
    if not detector.config:
        return RunConfig("unstated", ("unstated-1", "unstated-2"))
    try:
        return RunConfig.from_dict(detector.config)
    except InputError as error:
        raise InputError(
            f"{path}: {error}; expected what hfnmp train wrote, train it again"
        ) from None


def choose_domain(asked: str | None, config: RunConfig, known: Iterable[str], run: Path) -> str:
    """Return the domain that is asked for, else the run's target.

    Raises
    ------
    InputError
        The data do not hold it.
    """
    wanted = asked or config.target
    if wanted not in known:
        raise InputError(
            f"the data hold no domain '{wanted}'{'' if asked else f', the target of {run}'}; "
            f"they hold {', '.join(sorted(known))}: choose one with --domain"
        )
    return wanted


def stored_data(folder: Path) -> list[Presentation]:
    """Read the data that a finished run was made on; errors as `stored_manifest`."""
    return load_data(stored_manifest(folder))


def stored_manifest(folder: Path) -> str | None:
    """Return the manifest that a finished run was made on, None for the shipped samples'.

    Raises
    ------
    InputError
        There is no finished run; its manifest is not found from here, or is not the same any more.
    """
    read_metrics(folder)
    path = Path(folder) / "config.json"
    try:
        known = dict(_read_json(path)["data"])
        named, manifest = known["manifest"], _manifest_of(known["manifest"])
        now = _identity(manifest)
        if now["sha256"] != known["sha256"]:
            raise InputError(
                f"{named}: is not what {folder} was made on (its sha256 differs); restore it, go "
                "to the folder where the run was made, or give --manifest to judge on other data"
            )
    except FileNotFoundError:
        raise InputError(
            f"{named}: not found from this folder, and {folder} was made on it; go to the folder "
            "where the run was made, or give --manifest"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is damaged (no 'data'); expected what a run wrote") from None
    return manifest


def _manifest_of(named: object) -> str | None:
    return None if named == SHIPPED else str(named)


def read_metrics(folder: Path) -> dict[str, object]:
    """Read the metrics.json of a finished run.

    Raises
    ------
    InputError
        There is none, or it is damaged.
    """
    path = Path(folder) / METRICS
    if not path.is_file():
        raise InputError(
            f"{folder}: holds no finished run (no metrics.json); give the directory of a finished "
            "run, or finish it with hfnmp train --resume"
        )
    stored = _read_json(path)
    if not isinstance(stored.get("data"), str):
        raise InputError(f"{path}: is damaged (no 'data'); expected what a run wrote")
    return stored


def begun(folder: Path) -> tuple[RunConfig, str | None, dict[str, object]]:
    """Read what an unfinished run was asked to do: config, manifest (None: the samples), machine.

    Raises
    ------
    InputError
        The folder holds no unfinished run.
    """
    if not (folder / "config.json").is_file() or (folder / METRICS).exists():
        raise InputError(f"{folder}: holds no unfinished run; nothing to resume")
    asked = _read_json(folder / "config.json")
    try:
        manifest = asked["data"]["manifest"]
        config = RunConfig.from_dict(asked["config"])
        return config, _manifest_of(manifest), dict(asked["machine"])
    except (KeyError, TypeError):
        raise InputError(
            f"{folder / 'config.json'}: is damaged; expected what a run wrote at its start"
        ) from None


@contextmanager
def _claimed(
    config: RunConfig,
    folder: Path,
    manifest: str | Path | None,
    machine: Machine,
    resume: bool,
) -> Iterator[None]:
    """Hold the run directory for this process; where a run is refused, leave it as it was."""
    before = {path.name for path in folder.iterdir()} if folder.is_dir() else None
    _claim(config, folder, manifest, machine, resume)
    held = False
    try:
        with exclusive(folder / "run"):
            held = True
            yield
    except LostProcess:
        raise
    except InputError:
        begun = any(folder.glob("*.ckpt"))
        if held and not begun and "config.json" not in (before or ()):
            (folder / "config.json").unlink(missing_ok=True)
        raise
    finally:
        if held:
            lock_of(folder / "run").unlink(missing_ok=True)
        if before is None:
            with suppress(OSError):  # it holds something
                folder.rmdir()


def _claim(
    config: RunConfig,
    folder: Path,
    manifest: str | Path | None,
    machine: Machine,
    resume: bool,
) -> None:
    """Make the run directory ours, or say why it cannot be."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give --out a directory")
    if (folder / METRICS).exists():
        raise InputError(f"{folder}: holds a finished run; give --out another directory")
    asked = {
        "config": config.to_dict(),
        "data": _identity(manifest),
        "machine": machine.to_dict(),
    }
    path = folder / "config.json"
    if path.exists():
        if not resume:
            raise InputError(
                f"{folder}: holds an unfinished run; add --resume to go on with it, or give --out "
                "another directory"
            )
        begun = _read_json(path)
        if begun != asked:
            raise InputError(
                f"{folder}: holds a run with other {_differences(begun, asked)}; "
                "resume with those it was started with, or give --out another directory"
            )
        check_free((folder / name for name in (LOG, SNAPSHOTS, MODEL, SCORES)), TRAIN)
        return
    if resume:
        raise InputError(f"{folder}: holds no unfinished run; start it without --resume")
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: holds other files; give --out a new directory")
    write_whole(path, json.dumps(asked, indent=2) + "\n")


def _identity(manifest: str | Path | None) -> dict[str, str]:
    """Name the data and fix their content: the manifest holds the frames' checksums."""
    path = root() / "manifest.csv" if manifest is None else Path(manifest)
    with open_regular(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"manifest": SHIPPED if manifest is None else str(manifest), "sha256": digest}


def _differences(begun: Mapping[str, object], asked: Mapping[str, object]) -> str:
    parts = ("config", "data", "machine")
    old, new = ({k: v for p in parts for k, v in d.get(p, {}).items()} for d in (begun, asked))
    return ", ".join(sorted(k for k in {*old, *new} if old.get(k) != new.get(k)))


def _read_json(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise ValueError("not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: is damaged ({error}); expected what a run wrote") from None
    return content
