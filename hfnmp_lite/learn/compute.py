"""What a run computes on: device, precision, and the processes that share its batches.

Lightning Fabric starts the processes and knows device and precision; the networks stay plain
modules. Gradients are averaged where an optimizer steps, because `torch.autograd.grad`, which the
meta step uses, passes by the hooks of DistributedDataParallel.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn
from torch.optim import Optimizer

from hfnmp_lite.config import Machine
from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.evaluate.scoring import Scored, score_presentations
from hfnmp_lite.files import InputError
from hfnmp_lite.learn.meta_step import Batch, Loss
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.model.network import HFN, Output

# How long a process waits for the others. Gloo notices at once when one has gone, NCCL never.
PATIENCE = {"gloo": timedelta(minutes=10), "nccl": timedelta(seconds=50)}
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
        accelerator = machine.accelerator
        if accelerator == "auto":
            accelerator = "cuda" if torch.cuda.is_available() else "cpu"
        _check(machine, accelerator)
        devices, nodes = _from_launcher(machine.devices, machine.nodes)
        shared = devices * nodes > 1
        strategy = "auto"
        if shared:
            backend = "nccl" if accelerator == "cuda" else "gloo"
            strategy = DDPStrategy(process_group_backend=backend, timeout=PATIENCE[backend])
        self.machine = replace(machine, devices=devices, nodes=nodes)
        for name in ("lightning.fabric", "lightning_fabric"):
            logging.getLogger(name).setLevel(logging.WARNING)  # it tells what we know
        self.fabric = Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            strategy=strategy,
            precision=machine.precision,
        )
        self.fabric.launch()
        self.device = self.fabric.device
        self.rank, self.world = self.fabric.global_rank, self.fabric.world_size
        # float16 loses small gradients: the loss is multiplied, the gradients are divided again.
        self.scale = torch.tensor(2.0**14) if machine.precision == "16-mixed" else None

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and shows progress."""
        return self.rank == 0

    def autocast(self) -> AbstractContextManager:
        """Return the context in which forward passes take the precision that was asked for."""
        return self.fabric.autocast()

    def prepare(self, detector: Detector, meta: bool) -> Detector:
        """Bring a detector to the device, the same weights in every process.

        With `machine.compile` the network's two passes are compiled, but not where the meta step
        differentiates through a virtual network.
        """
        if self.machine.sync_batch_norm:
            detector.network = nn.SyncBatchNorm.convert_sync_batchnorm(detector.network)
        detector.to(self.device, memory_format=torch.channels_last)
        self._each(detector.state_dict().values(), self._from_first)
        if self.machine.compile and not meta:
            _compile(detector.network)
        return detector

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
            return loss(out, live) * self.scale.to(out.logits.device)

        return larger

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
    ) -> list[Scored]:
        """Score presentations, each in one process; every process gets all scores, in order."""
        mine = presentations[self.rank :: self.world]
        with self.autocast():
            scored = score_presentations(detector, mine, size, progress=progress and self.first)
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
        return self.fabric.broadcast(value) if self.world > 1 else value

    def _before_step(self, optimizer: Optimizer, *_arguments: object) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.world > 1:
            self._each(gradients, self._mean_of_all)
        if self.scale is None:
            return
        for gradient in gradients:
            gradient /= self.scale.to(gradient.device)
        finite = torch.stack([g.isfinite().all() for g in gradients]).all()
        if finite:
            self.scale = (self.scale * 1.001).clamp(max=2.0**16)
            return
        self.scale = self.scale / 2  # too large: this step is left out
        for parameter in parameters:
            parameter.grad = None

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

    def _exchange(self, act: Callable[[], object]) -> None:
        try:
            act()
        except RuntimeError as error:
            raise InputError(
                f"process {self.rank} lost the others ({str(error).splitlines()[0]}); one of them "
                "ended, and its message stands above. hfnmp train --resume goes on"
            ) from None


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


def _from_launcher(devices: int, nodes: int) -> tuple[int, int]:
    """Processes on this machine, and machines, as torchrun or `fabric run` set them up."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return devices, nodes
    local = int(os.environ["LOCAL_WORLD_SIZE"])
    return local, int(os.environ["WORLD_SIZE"]) // local


def _compile(network: HFN) -> None:
    if sys.platform == "win32":
        raise InputError("--compile is not available on Windows; leave it out")
    network.see, network.judge = torch.compile(network.see), torch.compile(network.judge)
