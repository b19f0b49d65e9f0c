"""What a run is asked to do: one dataclass and its presets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace

from hfnmp_lite.files import InputError

LEARNED = ("mp",)
PATTERN_NAMES = ("mp", "lbp", "rgb", "identity", "random", "msr", "gradient")
FUSION_NAMES = ("hfm", "late", "concat", "top", "alone")
LOSS_NAMES = ("ce+mse", "ce")
ACCELERATORS = ("auto", "cpu", "cuda")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
LBP_METHODS = ("default", "ror", "uniform", "nri_uniform")
META_ORDERS = ("alternating", "bilevel", "bilevel-first-order")
ORDER_NAMES = (*META_ORDERS, "joint")
TRAIN = "hfnmp train"  # the files of a run are this command's, see `owned`
LOG, SNAPSHOTS = "log.csv", "snapshots.safetensors"
TORCHRUN = "TORCHELASTIC_RUN_ID"  # in the environment of what torchrun starts
STARTED_BY = "HFNMP_STARTED_BY"  # the first process of a run, in the environment of the others
EPISODES = ("domain", "camera")
SECOND_STARTS = ("anew", "first")
AUGMENTATIONS = ("none", "camera")
THRESHOLDS = ("source", "quantile")
ADAPTATIONS = ("none", "statistics")
UNSEEN = ("camera", "instrument", "light")


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides what a run does; equal configs on equal data give equal runs.

    Attributes
    ----------
    target : str
        What is unseen, and judged on: a domain, or a device or light of some sources
        ("camera=NAME", "instrument=NAME", "light=NAME"), or a protocol of OULU-NPU ("oulu-1").
    sources : tuple of str
        The domains it learns from.
    pattern : str
        "mp" (learned); "lbp", "msr" (multi-scale retinex), "gradient" (handcrafted); "identity"
        (the image again), "random" (an extractor never trained); "rgb" (one stream, no pattern).
    order : str
        "alternating", "bilevel", "bilevel-first-order" (meta-learning, see `learn.meta_step`) or
        "joint" (extractor and network together on all sources).
    stages : int
        2: after the first stage the extractor is frozen and the network learned anew.
    fusion : str
        "hfm" (hierarchical), "late", "concat", "top" or "alone", see `model.network.HFN`; with
        "alone" the extractor is that of a two-stream first stage.
    loss : str
        "ce+mse" (classes and map) or "ce" (classes alone), see `learn.losses`.
    lbp_points, lbp_radius, lbp_method : int, float, str
        The variant of the pattern "lbp", see `model.lbp`.
    seed : int
        Decides initial weights, batches and splits.
    preset : str
        Where the values below came from.
    trunk, size : str, int
        The network's trunk; the side of its input in pixels.
    trunk_weights : str or None
        File of weights that a ResNet trunk starts from (ImageNet's, where the user has them).
    per_class : int
        Images of each class and domain in a batch.
    shift : int
        How far, in pixels, an image is moved at most in training.
    augment : str
        "none", or "camera": images vary in training as cameras and papers do (`data.augment`).
    episodes : str
        What is a domain in the meta step: every "domain", or every "camera" of each.
    second_start : str
        Where the network of the second stage starts: "anew", or from the "first" stage's.
    inner_steps : int
        K: meta-test batches, hence extractor steps, per meta-iteration.
    iterations : int
        Updates of the network that is judged.
    extractor_iterations : int
        Meta-iterations of the first of two stages.
    optimizer : str
        "adamw" or "sgd" (momentum 0.9).
    schedule : str
        "cosine": in each stage every learning rate falls to zero along half a cosine; "constant".
    network_lr, extractor_lr, second_lr : float
        Learning rates of the network, the extractor, and the network in the second stage.
    smoothing_lr_factor : float
        What the fusion's two smoothing convs multiply the network's rate by: 0.5 follows the
        release, where each is the mean of two convs that receive half the gradient each.
    validate_every : int
        Iterations between two looks at the held-out subjects.
    validation_fraction : float
        Share of each source domain's subjects that is held out.
    """

    target: str
    sources: tuple[str, ...]
    pattern: str = "mp"
    order: str = "alternating"
    stages: int = 2
    fusion: str = "hfm"
    loss: str = "ce+mse"
    lbp_points: int = 8
    lbp_radius: float = 1.0
    lbp_method: str = "default"
    seed: int = 0
    preset: str = "classroom"
    trunk: str = "lite"
    trunk_weights: str | None = None
    size: int = 128
    per_class: int = 4
    shift: int = 8
    augment: str = "none"
    episodes: str = "domain"
    second_start: str = "anew"
    inner_steps: int = 2
    iterations: int = 1200
    extractor_iterations: int = 120
    optimizer: str = "adamw"
    schedule: str = "cosine"
    network_lr: float = 1e-3
    extractor_lr: float = 1e-2
    second_lr: float = 1e-3
    smoothing_lr_factor: float = 1.0
    validate_every: int = 100
    validation_fraction: float = 0.25

    def __post_init__(self) -> None:
        _one_of("pattern", self.pattern, PATTERN_NAMES)
        _one_of("order", self.order, ORDER_NAMES)
        _one_of("stages", self.stages, (1, 2))
        _one_of("fusion", self.fusion, FUSION_NAMES)
        _one_of("loss", self.loss, LOSS_NAMES)
        _one_of("lbp_method", self.lbp_method, LBP_METHODS)
        _one_of("optimizer", self.optimizer, ("adamw", "sgd"))
        _one_of("schedule", self.schedule, ("cosine", "constant"))
        _one_of("augment", self.augment, AUGMENTATIONS)
        _one_of("episodes", self.episodes, EPISODES)
        _one_of("second_start", self.second_start, SECOND_STARTS)
        if self.pattern not in LEARNED and (self.order, self.stages) != ("joint", 1):
            raise InputError(
                f"pattern '{self.pattern}' has no parameters to learn, so order "
                f"'{self.order}' with {self.stages} stage(s) means nothing; use --order joint "
                "--stages 1, its default"
            )
        if self.pattern == "rgb" and self.fusion != "hfm":
            raise InputError(
                f"fusion is '{self.fusion}', but pattern 'rgb' has one stream and nothing to fuse; "
                "leave --fusion out, or choose another pattern"
            )
        if not 32 <= self.size <= 1024 or self.size % 32:
            raise InputError(f"size is {self.size}; expected 32 to 1024 pixels, a multiple of 32")
        lbp = (self.lbp_points, self.lbp_radius, self.lbp_method)
        if self.pattern != "lbp" and lbp != (8, 1.0, "default"):
            raise InputError(
                f"settings of LBP were given, but the pattern is '{self.pattern}'; add --pattern "
                "lbp, or leave them out"
            )
        if not 1 <= self.lbp_points <= 24 or not 0 < self.lbp_radius <= self.size / 2:
            raise InputError(
                f"LBP has {self.lbp_points} points at radius {self.lbp_radius}; expected 1 to 24 "
                f"points at a radius above 0 and at most half the image, {self.size // 2} pixels"
            )
        if not self.sources or self.target in self.sources:
            raise InputError(
                f"target is '{self.target}' and the sources are {list(self.sources)}; expected at "
                "least one source and a target that is none of them"
            )
        if self.order in META_ORDERS and len(self.sources) < 2 and self.episodes == "domain":
            raise InputError(
                f"meta-learning needs at least 2 source domains, and '{self.sources[0]}' is the "
                "only one; add a domain, or use --order joint"
            )
        for name in ("per_class", "inner_steps", "iterations", "extractor_iterations"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected at least 1")
        if self.trunk_weights is not None and self.trunk == "lite":
            raise InputError(
                f"trunk_weights is '{self.trunk_weights}', but the trunk is 'lite', which no "
                "published weights fit; use a preset with a ResNet trunk, such as paper"
            )
        if not 0 <= self.seed < 2**31:
            raise InputError(f"seed is {self.seed}; expected 0 to {2**31 - 1}")

    @property
    def pattern_settings(self) -> dict[str, object]:
        """The arguments that build the pattern."""
        if self.pattern != "lbp":
            return {}
        return {"points": self.lbp_points, "radius": self.lbp_radius, "method": self.lbp_method}

    def to_dict(self) -> dict[str, object]:
        """Return the config as JSON can hold it."""
        return {**asdict(self), "sources": list(self.sources)}

    @classmethod
    def from_dict(cls, given: Mapping[str, object]) -> RunConfig:
        """Build a config from `to_dict`'s result.

        Raises
        ------
        InputError
            A field is missing, unknown or out of range.
        """
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(given) - known):
            raise InputError(f"the config has unknown fields {unknown}; expected {sorted(known)}")
        try:
            return cls(**{**given, "sources": tuple(given["sources"])})
        except (KeyError, TypeError) as error:
            raise InputError(f"the config is incomplete ({error})") from None


@dataclass(frozen=True)
class Machine:
    """What a run computes on.

    Precision decides the last digits of a result; every process draws batches of its own, so that
    with more of them an iteration sees more images.

    Attributes
    ----------
    accelerator : str
        "cpu", "cuda", or "auto": the GPU where there is one.
    devices, nodes : int
        Processes on a machine (GPUs, where they compute on GPUs), and machines.
    precision : str
        "32-true"; "bf16-mixed" or "16-mixed": forward passes in 16 bits where that is safe.
    compile : bool
        Let torch.compile translate the network; pays on a GPU and in long runs.
    sync_batch_norm : bool
        Batch statistics over all GPUs instead of each GPU's own.
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: str = "32-true"
    compile: bool = False
    sync_batch_norm: bool = False

    def __post_init__(self) -> None:
        _one_of("accelerator", self.accelerator, ACCELERATORS)
        _one_of("precision", self.precision, PRECISIONS)
        for name in ("devices", "nodes"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected at least 1")

    def launched(self, environment: Mapping[str, str]) -> Machine:
        """Take over what torchrun or `fabric run` fixed for the processes that it started.

        Raises
        ------
        InputError
            `fabric run` was asked for what there is not here, or a number is none.
        """
        found: dict[str, object] = {}
        if TORCHRUN in environment:
            local = max(1, number_from(environment, "LOCAL_WORLD_SIZE"))
            found = {"devices": local, "nodes": number_from(environment, "WORLD_SIZE") // local}
        if "LT_ACCELERATOR" in environment:
            given = environment["LT_ACCELERATOR"]
            found["accelerator"] = {"gpu": "cuda"}.get(given, given)
        if "LT_PRECISION" in environment:
            given = environment["LT_PRECISION"]
            short = {"32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}
            found["precision"] = short.get(given, given)
        _one_of("strategy", environment.get("LT_STRATEGY", "ddp"), ("ddp",))
        return replace(self, **found)

    def to_dict(self) -> dict[str, object]:
        """Return what a resumed run must share with its beginning."""
        return {"devices": self.devices, "nodes": self.nodes, "precision": self.precision}

    def check_order(self, config: RunConfig) -> None:
        """Refuse what does not go together with a step that is differentiated through.

        Raises
        ------
        InputError
            A bilevel order with "16-mixed", whose losses are larger; "bilevel" with synchronised
            batch norm, which has no second derivative.
        """
        if self.precision == "16-mixed" and config.order.startswith("bilevel"):
            raise InputError(
                f"order '{config.order}' differentiates through a step, which 16-mixed would "
                "scale; give --precision bf16-mixed or 32-true"
            )
        if self.sync_batch_norm and config.order == "bilevel":
            raise InputError(
                "order 'bilevel' differentiates through a step, and --sync-batch-norm has no "
                "second derivative; leave it out, or give --order bilevel-first-order"
            )


def is_first(nodes: int = 1) -> bool:
    """Whether this process is the one that writes files and speaks; `Compute` asks nobody else.

    Torchrun says it to those that it starts, and so does our first process (`STARTED_BY`); on
    several machines without torchrun, NODE_RANK does. What else stands in the environment, left
    there by another program, counts for nothing.
    """
    if TORCHRUN in os.environ:
        return number_from(os.environ, "RANK") == 0
    return STARTED_BY not in os.environ and node_rank(nodes) == 0


def forget_ranks() -> None:
    """Drop the ranks that another program left in the environment: Lightning reads them."""
    if TORCHRUN not in os.environ and STARTED_BY not in os.environ:
        for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"):
            os.environ.pop(name, None)


def node_rank(nodes: int) -> int:
    """Which of the machines this is, the first being 0; raises InputError where it cannot be."""
    if nodes == 1:
        return 0
    rank = number_from(os.environ, "NODE_RANK", "0")
    if rank >= nodes:
        raise InputError(f"NODE_RANK is {rank}; of {nodes} machines expected 0 to {nodes - 1}")
    return rank


def number_from(environment: Mapping[str, str], name: str, default: str = "") -> int:
    """Read a number that a launcher gives; raises InputError where it is none."""
    given = environment.get(name, default)
    if not (given.isascii() and given.isdigit()):
        raise InputError(
            f"{name} is '{given}' in the environment; expected a number, as torchrun gives it, or "
            f"no {TORCHRUN} and one machine"
        )
    return int(given)


PRESETS: dict[str, dict[str, object]] = {
    # Our choice, for two cores; never tuned on a target domain.
    "classroom": {},
    # The release's setting (method.md); how long it trained is not stated there, 2,000 is ours.
    "paper": {
        "trunk": "resnet50",
        "size": 256,
        "shift": 0,
        "inner_steps": 4,
        "iterations": 2000,
        "extractor_iterations": 2000,
        "optimizer": "sgd",
        "schedule": "constant",
        "network_lr": 1e-3,
        "extractor_lr": 4e-3,
        "second_lr": 1e-4,
        "smoothing_lr_factor": 0.5,
        "validate_every": 200,
    },
    # Seconds: every part runs, nothing is learned.
    "smoke": {
        "size": 64,
        "per_class": 2,
        "iterations": 4,
        "extractor_iterations": 2,
        "validate_every": 2,
    },
}


def make_config(
    preset: str,
    target: str,
    domains: tuple[str, ...],
    pattern: str = "mp",
    order: str | None = None,
    stages: int | None = None,
    **changes: object,
) -> RunConfig:
    """Build the config of a leave-one-domain-out run.

    Parameters
    ----------
    preset : str
        "classroom", "paper" or "smoke".
    target : str
        The domain to leave out.
    domains : tuple of str
        All domains of the data; those that are not the target become sources.
    pattern, order, stages
        As in `RunConfig`; order and stages default to ("alternating", 2) where the pattern is
        learned and to ("joint", 1) where it is not.
    **changes
        Other fields of `RunConfig`.

    Raises
    ------
    InputError
        An unknown preset or domain, or values that do not go together.
    """
    _one_of("preset", preset, tuple(PRESETS))
    _one_of("target", target, tuple(domains))
    _one_of("pattern", pattern, PATTERN_NAMES)
    learned = pattern in LEARNED
    given = {
        "target": target,
        "sources": tuple(d for d in domains if d != target),
        "pattern": pattern,
        "order": order or ("alternating" if learned else "joint"),
        "stages": stages or (2 if learned else 1),
        "preset": preset,
    }
    return RunConfig(**{**given, **PRESETS[preset], **changes})


def _one_of(what: str, given: object, expected: tuple[object, ...]) -> None:
    if given not in expected:
        raise InputError(
            f"{what} '{given}' is unknown; expected one of {', '.join(map(str, expected))}"
        )
