"""The meta step on a GPU: ours in 16 bits beside the released step in single precision.

Everything here runs on a CPU, too, where it is tested; the authors had no GPU to try it on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from tqdm import tqdm

from hfnmp_lite.experiments.steps import META_TRAIN, Case, K, Step
from hfnmp_lite.experiments.timing import (
    Matmul,
    PeakMemory,
    compare,
    count_flop,
    in_turn,
    waiter,
)
from hfnmp_lite.files import InputError
from hfnmp_lite.learn.compute import compile_passes
from hfnmp_lite.learn.losses import presentation_loss
from hfnmp_lite.learn.meta_step import network_step

WANTED = 6.0  # times as long as ours the released step should take
WARM_UP = 3  # steps before anything is timed: choice of kernels, compilation
OUTER_STEPS = 5  # timed for each batch


class Way(NamedTuple):
    """How a meta step is computed."""

    step: str  # of `steps.VARIANTS`
    what: str
    half: bool = False  # bf16 where that is safe
    tf32: bool = False  # 10 bits of mantissa in the convolutions' products
    compiled: bool = False


WAYS = {
    "released": Way("released", "the released step as written, float32"),
    "released_tf32": Way("released", "the same as PyTorch has it by default, with TF32", tf32=True),
    "ours": Way("ours", "as hfnmp train --precision bf16-mixed does it", half=True),
    "compiled": Way("ours", "the same with --compile", half=True, compiled=True),
}
# What operations are called by the profiler; what fits nowhere works element by element.
KINDS = {
    "convolutions": ("conv", "mm", "linear"),
    "batch norm": ("batch_norm", "batchnorm"),
    "optimizer": ("_foreach", "_fused", "optimizer"),
    "casts and copies": ("copy", "fill", "zero"),
}
REST = "element by element"


class Runner:
    """A meta step computed in one of `WAYS`, with networks and batches of its own."""

    def __init__(self, way: Way, case: Case) -> None:
        self.way, self.device = way, case.device
        self.step = Step(way.step, case, fused=way.step == "ours")
        if way.compiled:
            compile_passes(self.step.network)

    def __call__(self) -> None:
        """Do one meta step."""
        with self._precision():
            self.step()

    def outer(self, images: torch.Tensor, live: torch.Tensor) -> None:
        """Do one step of the network alone."""
        step = self.step
        with self._precision():
            network_step(
                step.network, step.extractor, (images, live), step.on_network, presentation_loss
            )

    @contextmanager
    def _precision(self) -> Iterator[None]:
        before = torch.backends.cudnn.allow_tf32
        torch.backends.cudnn.allow_tf32 = self.way.tf32
        try:
            with torch.autocast(
                self.device, torch.bfloat16, enabled=self.way.half, cache_enabled=False
            ):
                yield
        finally:
            torch.backends.cudnn.allow_tf32 = before


def measure_card(
    case: Case,
    rounds: int,
    outer_batches: Sequence[int] = (16, 64, 256),
    progress: bool = True,
) -> dict[str, object]:
    """Time the meta step in every way, and the outer step by itself at several batches.

    Parameters
    ----------
    case : Case
        On a GPU, resnet50 at 256 px.
    rounds : int
        How often each is timed.
    outer_batches : sequence of int
        Images in a batch of the outer step, even numbers; those that memory does not hold are left
        out.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    InputError
        The GPU's memory does not hold a step.
    """
    small = case._replace(per_class=1)
    flop = case.per_class * count_flop(Step("ours", small))
    wait = waiter(case.device)
    products = {"matmul_bf16": Matmul(case.device, torch.bfloat16), "matmul": Matmul(case.device)}
    runners, peak, left_out = {}, {}, {}
    title = f"on the card, {case.trunk} {case.size} px"
    total = len(WAYS) + rounds * (len(WAYS) + len(products)) + len(outer_batches)
    with tqdm(total=total, desc=title, unit="run", disable=not progress) as bar:
        for name, way in WAYS.items():
            bar.set_postfix_str(f"{name}, first steps")
            try:
                runners[name], peak[name] = _begin(way, case)
            except torch.OutOfMemoryError:
                raise InputError(
                    f"the GPU's memory does not hold a step of '{name}' with {case.trunk} at "
                    f"{case.size} px; close other programs on it"
                ) from None
            except Exception as error:
                if not way.compiled:
                    raise
                left_out[name] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            bar.update()
        seconds = in_turn({**runners, **products}, rounds, bar, wait)
        rate = products["matmul_bf16"].gflops(seconds["matmul_bf16"])
        outer = [_outer(runners["ours"], case, n, rate, bar) for n in outer_batches]
    images = 2 * case.per_class * (K + META_TRAIN)
    variants = {}
    for name in runners:
        took = median(seconds[name])
        variants[name] = {
            "what": WAYS[name].what,
            "seconds": took,
            "seconds_of_rounds": seconds[name],
            "images_per_second": images / took,
            "peak_memory_mb": peak[name],
            "model_flop_utilisation": flop / took / 1e9 / rate,
        }
    best = min((n for n in runners if WAYS[n].half), key=lambda n: variants[n]["seconds"])
    return {
        "what": f"seconds of a meta step, {case.trunk} at {case.size} px, K = {K}, {images} images",
        "model_gflop": flop / 1e9,
        "utilisation": "model operations / seconds / the card's measured bf16 matmul rate",
        "matmul_bf16_gflops": rate,
        "matmul_float32_gflops": products["matmul"].gflops(seconds["matmul"]),
        "variants": variants,
        "left_out": left_out,
        "ratios": {
            f"{name} / {best}": compare(seconds[name], seconds[best], wanted)
            for name, wanted in (("released", WANTED), ("released_tf32", None))
            if name in runners
        },
        "outer_step": [o for o in outer if o is not None],
    }


def _begin(way: Way, case: Case) -> tuple[Runner, float | None]:
    """Build a runner, let it warm up, and measure the memory that a step takes beside it."""
    runner = Runner(way, case)
    for _ in range(WARM_UP):
        runner()
    memory = PeakMemory(case.device)
    runner()
    waiter(case.device)()
    return runner, memory.megabytes()


def _outer(runner: Runner, case: Case, n: int, rate: float, bar: tqdm) -> dict[str, object] | None:
    """Time the outer step with `n` images and say what limits it; None where memory does not do."""
    bar.set_postfix_str(f"outer step, {n} images")
    images = torch.rand(n, 3, case.size, case.size, device=case.device)
    images = images.to(memory_format=torch.channels_last)
    live = torch.arange(n, device=case.device) % 2
    wait = waiter(case.device)
    try:
        flop = n // 2 * count_flop(lambda: runner.outer(images[:2], live[:2]))
        runner.outer(images, live)
        each = []
        for _ in range(OUTER_STEPS):
            wait()
            started = time.perf_counter()
            runner.outer(images, live)
            wait()
            each.append(time.perf_counter() - started)
        shares = time_by_kind(lambda: runner.outer(images, live), case.device, median(each))
    except torch.OutOfMemoryError:
        return None
    finally:
        bar.update()
    reached = flop / median(each) / 1e9 / rate
    return {
        "images": n,
        "seconds": median(each),
        "gflop": flop / 1e9,
        "share_of_bf16_matmul_rate": reached,
        "time": shares,
        "limited_by": limit(shares, reached),
    }


def time_by_kind(run: Callable[[], object], device: str, seconds: float) -> dict[str, float]:
    """Say which share of a run's time goes to operations of each kind, by the profiler.

    `seconds` is what the run takes unwatched; what the operations leave of it is "waiting": a GPU
    for its next kernel, a CPU for Python.
    """
    on_gpu = device == "cuda"
    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * on_gpu]
    with profile(activities=activities) as watched:
        run()
        waiter(device)()
    spent = dict.fromkeys((*KINDS, REST), 0.0)
    for event in watched.key_averages():
        if event.device_type != DeviceType.CPU:
            continue  # a kernel; the operation that started it has its time
        name = event.key.lower()
        kind = next((k for k, words in KINDS.items() if any(w in name for w in words)), REST)
        spent[kind] += event.self_device_time_total if on_gpu else event.self_cpu_time_total
    busy = sum(spent.values()) / 1e6
    whole = max(busy, seconds)
    return {**{k: v / 1e6 / whole for k, v in spent.items()}, "waiting": (whole - busy) / whole}


def limit(shares: dict[str, float], reached: float) -> str:
    """Name what keeps a step from the rate of matrix multiplication, the largest part first."""
    inside = shares["convolutions"]
    rate = f", in which they reach {100 * reached / inside:.0f} % of the matmul rate" * (inside > 0)
    others = sorted(((v, k) for k, v in shares.items() if k != "convolutions"), reverse=True)
    rest = ", ".join(f"{kind} {100 * share:.0f} %" for share, kind in others if share >= 0.005)
    return f"convolutions have {100 * inside:.0f} % of the time{rate}; {rest}"


def table(found: dict) -> list[str]:
    """Lay out what `measure_card` returns for reading."""
    lines = [
        f"{found['what']}; matmul {found['matmul_bf16_gflops'] / 1e3:.3g} TFLOP/s in bf16, "
        f"{found['matmul_float32_gflops'] / 1e3:.3g} in float32"
    ]
    for name, v in found["variants"].items():
        line = f"  {name:16s}{v['seconds']:10.4g} s {v['images_per_second']:9.4g} images/s   "
        line += f"{100 * v['model_flop_utilisation']:.3g} % of the bf16 rate"
        if v["peak_memory_mb"] is not None:
            line += f"   peak {v['peak_memory_mb']:.0f} MB"
        lines.append(line)
    lines += [f"  {name:16s}left out: {why}" for name, why in found["left_out"].items()]
    for pair, r in found["ratios"].items():
        line = f"  {pair:26s} {r['ratio']:.4g} [{r['range'][0]:.4g}, {r['range'][1]:.4g}]"
        if "wanted" in r:
            line += f", wanted {r['wanted']:.4g}: {'reached' if r['reached'] else 'missed'}"
        lines.append(line)
    for o in found["outer_step"]:
        lines.append(
            f"  outer step, {o['images']} images: {o['seconds']:.4g} s, "
            f"{100 * o['share_of_bf16_matmul_rate']:.3g} % of the bf16 rate; {o['limited_by']}"
        )
    return lines
