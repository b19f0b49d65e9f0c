"""What a run computes on: device, precision, and the processes that share its batches.

Lightning Fabric starts the processes and knows device and precision; the networks stay plain
modules. Gradients are averaged where an optimizer steps, because `torch.autograd.grad`, which the
meta step uses, passes by the hooks of DistributedDataParallel.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from hfnmp_lite.config import (
    STARTED_BY,
    TORCHRUN,
    Machine,
    RunConfig,
    is_first,
    node_rank,
    number_from,
)
from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.data.workers import default_count
from hfnmp_lite.evaluate.scoring import Scored, score_presentations
from hfnmp_lite.files import InputError, LostProcess
from hfnmp_lite.learn.meta_step import Batch, Loss
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.model.network import HFN, Output

# How long a process waits for one that is slow. One that has gone is noticed otherwise, in seconds:
# by gloo, by the launcher (torchrun's agent, Fabric's observer), and by `_end_with_the_first`.
PATIENCE = timedelta(minutes=10)
# What `fabric run` hands on; without it Fabric sees the processes as torchrun starts them.
FABRIC_RUN = tuple(
    f"LT_{name}"
    for name in ("CLI_USED", "ACCELERATOR", "STRATEGY", "DEVICES", "NUM_NODES", "PRECISION")
)
T = TypeVar("T")


class Compute:
    """Device, precision and processes of a run.

    Parameters
    ----------
    machine : Machine
        What was asked for.

    Raises
    ------
    InputError
        This machine cannot do it.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine = machine.launched(os.environ)
        for name in FABRIC_RUN:
            os.environ.pop(name, None)
        accelerator = machine.accelerator
        if accelerator == "auto":
            accelerator = "cuda" if torch.cuda.is_available() else "cpu"
        _check(machine, accelerator)
        strategy = "auto"
        if machine.devices * machine.nodes > 1:
            backend = "nccl" if accelerator == "cuda" else "gloo"
            strategy = DDPStrategy(process_group_backend=backend, timeout=PATIENCE)
            _check_port(machine)
        _quieten()
        self._over = threading.Event()
        if STARTED_BY in os.environ:
            threading.Thread(target=_end_with_the_first, args=(self._over,), daemon=True).start()
        self.fabric = Fabric(
            accelerator=accelerator,
            devices=machine.devices,
            num_nodes=machine.nodes,
            strategy=strategy,
            precision=machine.precision,
            plugins=TorchElasticEnvironment() if TORCHRUN in os.environ else _Ours(machine.nodes),
        )
        _launch(self.fabric)
        self.device = self.fabric.device
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # every batch has the same shape
        self.rank, self.world = self.fabric.global_rank, self.fabric.world_size
        # float16 loses small gradients: the loss is multiplied, the gradients are divided again.
        half = machine.precision == "16-mixed"
        self.scale = torch.tensor(2.0**14, device=self.device) if half else None
        self._overflows: list[Tensor] = []

    def check(self, config: RunConfig) -> None:
        """Refuse what cannot be learned on this machine.

        Raises
        ------
        InputError
            See `Machine.check_order`; and 16 bits on a CPU with images of 64 pixels or fewer. Their
            last convs, of stride 2, see maps of one pixel, where oneDNN's bfloat16 kernel leaves
            the weight gradients as it found the memory (torch 2.15, CPUs with AVX512-BF16).
        """
        self.machine.check_order(config)
        if self.device.type == "cpu" and self.machine.precision != "32-true" and config.size <= 64:
            raise InputError(
                f"images of {config.size} pixels cannot be learned from with bf16-mixed on a CPU, "
                "whose gradients may be wrong below 96; give --precision 32-true"
            )

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and shows progress."""
        return self.rank == 0

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Give forward passes the precision that was asked for.

        Weights are cast anew in every pass: autocast's cache would hand out, in the second of two
        steps within one such context, the weights of before the first.
        """
        before = torch.is_autocast_cache_enabled()
        try:
            with self.fabric.autocast():
                torch.set_autocast_cache_enabled(False)
                yield
        finally:
            torch.set_autocast_cache_enabled(before)

    def prepare(self, detector: Detector, meta: bool) -> Detector:
        """Bring a detector to the device, the same weights in every process.

        With `machine.compile` the network's two passes are compiled, but not where the meta step
        differentiates through a virtual network.
        """
        if self.machine.sync_batch_norm:
            nn.SyncBatchNorm.convert_sync_batchnorm(detector)  # the parameters stay the same
        detector.to(self.device, memory_format=torch.channels_last)
        self._each(detector.state_dict().values(), self._from_first)
        if self.machine.compile and not meta:
            compile_passes(detector.network)
        return detector

    @property
    def readers(self) -> int:
        """How many threads should read frames: on a CPU one, since its cores compute."""
        if self.device.type == "cpu":
            return 1
        return max(1, min(8, default_count() // self.machine.devices))

    def share(self, optimizer: Optimizer) -> Optimizer:
        """Let the optimizer step along the mean of all processes' gradients."""
        if self.world > 1 or self.scale is not None:
            optimizer.register_step_pre_hook(self._before_step)
        return optimizer

    def to_device(self, batch: Batch) -> Batch:
        """Bring a batch to the device without waiting for it."""
        images, live = batch
        return (
            images.to(self.device, non_blocking=True),
            live.to(self.device, non_blocking=True),
        )

    def scaled(self, loss: Loss) -> Loss:
        """Return the loss as it is descended, multiplied where the precision needs it."""
        if self.scale is None:
            return loss

        def larger(out: Output, live: Tensor) -> Tensor:
            return loss(out, live) * self.scale

        return larger

    def after_iteration(self) -> None:
        """Halve the loss's factor where a step of the iteration overflowed, else let it grow."""
        if self.scale is not None:
            overflow = torch.stack(self._overflows).amax() > 0
            self._overflows = []
            grown = (self.scale * 1.001).clamp(max=2.0**16)
            self.scale = torch.where(overflow, self.scale / 2, grown)  # the host need not know

    def any(self, flag: bool) -> bool:
        """Whether one process at least says so; all must ask."""
        if self.world == 1:
            return flag
        return self.mean({"flag": torch.tensor(float(flag), device=self.device)})["flag"] > 0

    def mean(self, values: dict[str, Tensor]) -> dict[str, float]:
        """Average 0-d tensors over the processes, in one exchange, and bring them to the host."""
        stacked = torch.stack([v.detach().double() for v in values.values()])
        if self.world > 1:
            self._exchange(lambda: torch.distributed.all_reduce(stacked))
            stacked /= self.world
        return dict(zip(values, stacked.tolist(), strict=True))

    def average_buffers(self, detector: Detector) -> None:
        """Give every process the mean of the running statistics, which each moved by itself."""
        if self.world > 1:
            moved = [b for b in detector.buffers() if b.is_floating_point()]
            self._each(moved, self._mean_of_all)

    def score(
        self,
        detector: Detector,
        presentations: Sequence[Presentation],
        size: int,
        progress: bool = False,
        unreadable: set[Path] | None = None,
    ) -> list[Scored]:
        """Score presentations, each in one process; every process gets all scores, in order.

        In single precision whatever the training's, so that they can be had again elsewhere.
        """
        mine = presentations[self.rank :: self.world]
        shown = progress and self.first
        scored = score_presentations(detector, mine, size, progress=shown, unreadable=unreadable)
        if self.world == 1:
            return scored
        parts: list[list[Scored]] = [[] for _ in range(self.world)]
        self._exchange(lambda: torch.distributed.all_gather_object(parts, scored))
        together: list[Scored] = [None] * len(presentations)
        for rank, part in enumerate(parts):
            together[rank :: self.world] = part
        return together

    def from_first(self, value: T) -> T:
        """Return what the first process gave, in every process."""
        if self.world == 1:
            return value
        return self._exchange(lambda: self.fabric.broadcast(value))

    def close(self) -> None:
        """Leave the other processes: from now on one of them may end before this one."""
        self._over.set()
        if self.world > 1:  # gloo's threads abort a process that ends with them
            torch.distributed.destroy_process_group()

    def _before_step(self, optimizer: Optimizer, *_arguments: object) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.world > 1:
            self._each(gradients, self._mean_of_all)
        if self.scale is not None:
            # a fused optimizer divides by the one and, where the other is 1, leaves the step out
            optimizer.grad_scale = self.scale
            optimizer.found_inf = (~get_total_norm(gradients).isfinite()).float()
            self._overflows.append(optimizer.found_inf)

    def _each(self, tensors: Iterable[Tensor], act: Callable[[Tensor], None]) -> None:
        """Let `act` change tensors in place, those of one kind joined into one."""
        if self.world == 1:
            return
        kinds: dict[torch.dtype, list[Tensor]] = {}
        for tensor in tensors:
            kinds.setdefault(tensor.dtype, []).append(tensor)
        for group in kinds.values():
            flat = torch.cat([t.detach().reshape(-1) for t in group])
            self._exchange(lambda flat=flat: act(flat))
            with torch.no_grad():
                parts = flat.split([t.numel() for t in group])
                for tensor, part in zip(group, parts, strict=True):
                    tensor.copy_(part.view(tensor.shape))

    def _mean_of_all(self, flat: Tensor) -> None:
        torch.distributed.all_reduce(flat)
        flat /= self.world

    def _from_first(self, flat: Tensor) -> None:
        torch.distributed.broadcast(flat, 0)

    def _exchange(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except RuntimeError as error:
            reason = str(error).splitlines()[0].split(". ")[0]
            raise LostProcess(
                f"process {self.rank} lost the others ({reason}); one of them ended: if it could "
                "say why, it did so above. hfnmp train --resume goes on"
            ) from None


class _Ours(LightningEnvironment):
    """Who a process is where no torchrun says it: what `config.is_first` knows, nothing else.

    Fabric would ask RANK, LOCAL_RANK, SLURM_NTASKS and others, which any program may have left.
    """

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.nodes, self.started = nodes, STARTED_BY in os.environ  # now: `_launch` sets it

    @property
    def creates_processes_externally(self) -> bool:
        return self.started

    def local_rank(self) -> int:
        return number_from(os.environ, "LOCAL_RANK") if self.started else 0

    def node_rank(self) -> int:
        return node_rank(self.nodes)

    @property
    def main_address(self) -> str:
        return super().main_address if self.nodes > 1 else "127.0.0.1"


def _check_port(machine: Machine) -> None:
    """Refuse a MASTER_PORT on which the processes cannot meet, before there are others."""
    if "MASTER_PORT" not in os.environ or TORCHRUN in os.environ or not is_first(machine.nodes):
        return
    port = os.environ["MASTER_PORT"]
    try:
        with socket.socket() as probe:
            if os.name != "nt":  # as torch does: one that was closed just now is free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("", int(port) or -1))  # 0 would be any
            probe.listen()
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(
            f"MASTER_PORT is '{port}', where the processes cannot meet ({error}); give a free "
            "port, or unset it"
        ) from None


def _launch(fabric: Fabric) -> None:
    """Start the other processes and meet them; where that fails, none is left."""
    first = STARTED_BY not in os.environ
    if first:
        os.environ[STARTED_BY] = str(os.getpid())  # inherited by those that start now
    try:
        fabric.launch()
    except (RuntimeError, ValueError, OSError) as error:
        for process in (started := getattr(fabric.strategy.launcher, "procs", [])):
            process.kill()
            process.wait()
        started.clear()  # Fabric's observer would end this process, too
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"the processes of the run could not meet ({reason}); see to MASTER_ADDR and "
            "MASTER_PORT where they are set, or unset them"
        ) from None
    finally:
        if first:
            del os.environ[STARTED_BY]


def _check(machine: Machine, accelerator: str) -> None:
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "accelerator 'cuda' was asked for, but this machine has no usable NVIDIA GPU; leave "
            "--accelerator out, or give cpu"
        )
    found = torch.cuda.device_count() if accelerator == "cuda" else machine.devices
    if machine.devices > found:
        raise InputError(f"--devices is {machine.devices}; this machine has {found} GPU(s)")
    if machine.precision == "16-mixed" and accelerator != "cuda":
        raise InputError("precision '16-mixed' needs a GPU; on a CPU give bf16-mixed or 32-true")
    if machine.sync_batch_norm and accelerator != "cuda":
        raise InputError("--sync-batch-norm needs GPUs; leave it out on a CPU")


def _quieten() -> None:
    """Let Fabric say nothing but that a process ended and it ends the others."""
    for name in ("lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    observer = "lightning_fabric.strategies.launchers.subprocess_script"
    logging.getLogger(observer).setLevel(logging.INFO)


def _end_with_the_first(over: threading.Event) -> None:
    """End this process when the one that started it has gone, whatever is computed just now."""
    # on Windows something may stand between the two
    parent = os.getppid() if os.name == "nt" else number_from(os.environ, STARTED_BY)
    while not over.wait(2):
        if os.getppid() != parent:
            print("hfnmp: the first process ended, and so does this one", file=sys.stderr)
            sys.stderr.flush()
            os._exit(1)


def compile_passes(network: HFN) -> None:
    """Let torch.compile translate the network's two passes; raises InputError on Windows."""
    if sys.platform == "win32":
        raise InputError("--compile is not available on Windows; leave it out")
    network.see, network.judge = torch.compile(network.see), torch.compile(network.judge)
