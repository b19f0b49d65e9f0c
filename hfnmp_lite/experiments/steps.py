"""The meta step three ways, from equal weights on equal batches, timed beside one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

from hfnmp_lite.data.workers import pool
from hfnmp_lite.experiments.released import (
    ReleasedExtractor,
    ReleasedNetwork,
    copy_ours,
    released_iteration,
)
from hfnmp_lite.experiments.timing import (
    MEMORY_RULE,
    Matmul,
    PeakMemory,
    compare,
    count_flop,
    figure,
    in_turn,
    prepare,
    waiter,
)
from hfnmp_lite.files import InputError
from hfnmp_lite.learn.losses import presentation_loss
from hfnmp_lite.learn.meta_step import Batch, meta_step
from hfnmp_lite.model.network import HFN
from hfnmp_lite.model.patterns import MetaPatternExtractor

SEED = 0
K = 4  # inner steps of a meta step
META_TRAIN = 2  # of three source domains; the third is the meta-test domain
PER_CLASS = 4  # live faces, and attacks, of a domain in a batch
VARIANTS = {
    "released": "the released step as written: NCHW, all gradients, paired convs, decoder",
    "plain": "our network and memory format, batched, all gradients by .backward()",
    "ours": "learn.meta_step.meta_step, alternating, channels-last",
}
SAME_LOSS = 1e-4
ENOUGH = 150.0  # seconds of rounds
WANTED = {  # how many times as long each should take as ours, at least
    "lite": {"released": 2.0, "plain": 1.5 / 1.15},  # 1.5 by counting, 15 % of it may be lost
    "resnet50": {"released": 2.5, "plain": 1.5 / 1.15},
}


class Case(NamedTuple):
    """What a meta step is measured on; random images and weights, both from `seed`."""

    trunk: str
    size: int  # pixels
    device: str = "cpu"
    per_class: int = PER_CLASS
    seed: int = SEED


class Step:
    """One of `VARIANTS` with networks, optimizers and batches of its own, all as in the release.

    Equal cases begin from equal weights. SGD with momentum 0.9 at 0.001 for the network and K times
    that for the extractor; ours has half the rate where it has one conv for the release's two.
    """

    def __init__(self, name: str, case: Case, fused: bool = False) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(case.seed)
            network: nn.Module = HFN(trunk=case.trunk, normalise_image=False)
            extractor: nn.Module = MetaPatternExtractor()
        layout = torch.channels_last
        halved = 0.5
        if name == "released":
            ours, network = network, ReleasedNetwork(case.trunk)
            copy_ours(ours, network)
            encoder, extractor = extractor.encoder, ReleasedExtractor()
            extractor.encoder.load_state_dict(encoder.state_dict())
            layout, halved = torch.contiguous_format, 1.0
        self.iteration = {
            "released": released_iteration,
            "plain": plain_iteration,
            "ours": our_iteration,
        }[name]
        self.network = network.to(case.device, memory_format=layout).train()
        self.extractor = extractor.to(case.device, memory_format=layout).train()
        named = list(self.network.named_parameters())
        groups = [
            {"params": [p for name, p in named if "smooth" not in name]},
            {"params": [p for name, p in named if "smooth" in name], "lr": 0.001 * halved},
        ]
        how = {"momentum": 0.9, "fused": fused or None}
        self.on_network = torch.optim.SGD(groups, lr=0.001, **how)
        self.on_extractor = torch.optim.SGD(self.extractor.parameters(), lr=0.001 * K, **how)
        counts = [2 * case.per_class] * K + [2 * case.per_class * META_TRAIN]
        *self.meta_test, self.meta_train = (
            _batch(case, n, i, layout) for i, n in enumerate(counts)
        )

    def __call__(self, k: int = K) -> Tensor:
        """Do one meta step with k inner steps; returns the loss before the last of them."""
        return self._on(self.meta_test[:k], self.meta_train)["meta_test"]

    def get_momentum(self) -> None:
        """Do a step on tiny images that moves no weight: the optimizers hold momentum after it."""
        groups = [*self.on_network.param_groups, *self.on_extractor.param_groups]
        rates = [group["lr"] for group in groups]
        images, live = self.meta_test[0]
        tiny = images[:2, :, :32, :32].contiguous(), live[:2]
        for group in groups:
            group["lr"] = 0.0
        self._on([tiny], tiny)
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate

    def _on(self, meta_test: Sequence[Batch], meta_train: Batch) -> dict[str, Tensor]:
        return self.iteration(
            self.network,
            self.extractor,
            meta_test,
            meta_train,
            self.on_network,
            self.on_extractor,
        )


def _batch(case: Case, n: int, number: int, layout: torch.memory_format) -> Batch:
    generator = torch.Generator().manual_seed(1000 * case.seed + number)
    images = torch.rand(n, 3, case.size, case.size, generator=generator)
    live = (torch.arange(n) < n // 2).long()
    return images.to(case.device, memory_format=layout), live.to(case.device)


def our_iteration(
    network: HFN,
    extractor: nn.Module,
    meta_test: Sequence[Batch],
    meta_train: Batch,
    on_network: Optimizer,
    on_extractor: Optimizer,
) -> dict[str, Tensor]:
    """Do `meta_step` in the released order."""
    return meta_step(network, extractor, meta_test, [meta_train], on_network, on_extractor)


def plain_iteration(
    network: HFN,
    extractor: nn.Module,
    meta_test: Sequence[Batch],
    meta_train: Batch,
    on_network: Optimizer,
    on_extractor: Optimizer,
) -> dict[str, Tensor]:
    """Do the same by the shortest way: every gradient of both networks, in every step."""
    test_losses = []
    for images, live in meta_test:
        loss = presentation_loss(network(images, extractor(images)), live)
        _descend_all(loss, on_extractor, (network, extractor))
        test_losses.append(loss.detach())
    images, live = meta_train
    loss = presentation_loss(network(images, extractor(images)), live)
    _descend_all(loss / 2, on_network, (network, extractor))
    return {"meta_test": torch.stack(test_losses).mean(), "meta_train": loss.detach()}


def _descend_all(value: Tensor, optimizer: Optimizer, modules: tuple[nn.Module, ...]) -> None:
    value.backward()
    optimizer.step()
    for module in modules:
        module.zero_grad()


def stream_work(
    k: int = K, inner: int = 2 * PER_CLASS, outer: int = 2 * PER_CLASS * META_TRAIN
) -> dict[str, int]:
    """Count a meta step in forward passes of one image through one stream's trunk.

    A forward costs 1 and a backward 2: the gradients of the inputs, and those of the weights. Of k
    inner batches of `inner` images and one outer batch of `outer` images:

    - plain: both streams, forward and backward, on all images: 2 (1 + 2) = 6 each, so
      6 (4 * 8 + 16) = 288. The release does the same.
    - ours: on an inner image both streams forward, and back through the pattern's alone to its
      input: 2 + 1 = 3; the outer step as before: 3 * 4 * 8 + 6 * 16 = 192.

    Left out: fusion and heads, whose share is 3 (k inner + outer) = 144 forwards against
    2 k inner + 3 outer = 112; the extractor, 144 against 3 k inner + outer = 112; and that no first
    conv needs the gradients of images. With these the counted operations give the ratio that a run
    states beside 1.5.
    """
    return {"plain": 6 * (k * inner + outer), "ours": 3 * k * inner + 6 * outer}


def memory_of(name: str, case: Case, threads: int) -> tuple[float, float | None]:
    """Measure in this process, which should be fresh: the first inner loss, the peak in MB."""
    prepare(case.device, threads)
    step = Step(name, case)
    memory = PeakMemory(case.device)
    step.get_momentum()
    first = float(step(1))
    return first, memory.megabytes()


def _in_fresh_process(name: str, case: Case, threads: int) -> tuple[float, float | None]:
    try:
        with pool(1) as submit:
            (found,) = submit(memory_of, [(name, case, threads)])
    except BrokenProcessPool:
        raise InputError(
            f"the process that measures '{name}' with {case.trunk} at {case.size} px was ended "
            "from outside, for want of memory perhaps; close other programs, or give --quick"
        ) from None
    return found


def measure_steps(
    case: Case, rounds: int, threads: int, memory: bool = True, progress: bool = True
) -> dict[str, object]:
    """Time the three variants of the meta step, count their operations, measure their memory.

    Of `rounds` as many are made as `ENOUGH` seconds allow, two at least.

    Raises
    ------
    FloatingPointError
        The first inner losses differ: the variants do not compute the same.
    InputError
        There is too little memory.
    """
    title = f"meta step, {case.trunk} {case.size} px"
    flop = {name: count_flop(Step(name, case._replace(device="meta"))) for name in VARIANTS}
    peak: dict[str, float | None] = dict.fromkeys(VARIANTS)
    first = {}
    product = Matmul(case.device)
    total = len(VARIANTS) * (1 + rounds) + rounds
    with tqdm(total=total, desc=title, unit="run", disable=not progress) as bar:
        steps = {} if memory else {name: Step(name, case) for name in VARIANTS}
        for name in VARIANTS:
            bar.set_postfix_str(f"{name}, first loss{' and memory' if memory else ''}")
            if memory:
                first[name], peak[name] = _in_fresh_process(name, case, threads)
                steps[name] = Step(name, case)
            else:
                first[name] = float(steps[name](1))
            bar.update()
        if not max(first.values()) - min(first.values()) <= SAME_LOSS:
            raise FloatingPointError(f"{title}: the first inner losses differ: {first}")
        wait = waiter(case.device)
        seconds = in_turn({**steps, "matmul": product}, rounds, bar, wait, ENOUGH)
    gflops = product.gflops(seconds["matmul"])
    variants = {
        name: {"what": what, **figure(seconds[name], flop[name], gflops)}
        for name, what in VARIANTS.items()
    }
    if None not in peak.values():
        for name in variants:
            variants[name]["peak_memory_mb"] = peak[name]
    return {
        "what": f"seconds of a meta step, {case.trunk} at {case.size} px, float32",
        "k": K,
        "images": {"inner_step": 2 * case.per_class, "outer_step": 2 * case.per_class * META_TRAIN},
        "rounds": len(seconds["ours"]),
        "matmul_gflops": gflops,
        "counted_streams": stream_work(),
        "first_inner_loss": first,
        "memory_rule": MEMORY_RULE,
        "variants": variants,
        "ratios": {
            f"{name} / ours": _ratio(name, wanted, seconds, flop, peak)
            for name, wanted in WANTED[case.trunk].items()
        },
    }


def _ratio(
    name: str,
    wanted: float,
    seconds: Mapping[str, Sequence[float]],
    flop: Mapping[str, int],
    peak: Mapping[str, float | None],
) -> dict[str, object]:
    """Compare a variant with ours; where arithmetic alone does not give what is wanted, say so."""
    found = compare(seconds[name], seconds["ours"], wanted)
    found["of_operations"] = operations = flop[name] / flop["ours"]
    if None not in peak.values():
        found["of_peak_memory"] = peak[name] / peak["ours"]
    if operations < wanted:
        found["floor"] = (
            f"operations alone give {operations:.2f}; for {wanted:.2f} each operation of "
            f"'{name}' would have to take {wanted / operations:.2f} times as long as one of ours"
        )
    return found
