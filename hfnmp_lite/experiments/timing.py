"""Measuring: variants in turn, ratios round by round, arithmetic floors, peak memory."""

from __future__ import annotations

import ctypes
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tqdm import tqdm

from hfnmp_lite.provenance import of_this_process

if TYPE_CHECKING:
    import torch

MEMORY_RULE = (
    "in a fresh process for each variant: the largest resident size during a meta step with K = 1, "
    "and one on tiny images before it that gives the optimizers their momentum, less the resident "
    "size after the set-up, whose freed memory is given back first (Linux: VmHWM, reset after the "
    "set-up, less VmRSS; ru_maxrss would count what the process that started it held); on a GPU, "
    "the same of the allocated memory"
)


def prepare(device: str, threads: int) -> None:
    """Fix what decides the speed of this process: the threads, and single precision on a GPU."""
    import torch

    torch.set_num_threads(threads)
    if device == "cuda":
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def waiter(device: str) -> Callable[[], None]:
    """Return what waits until the device has done all that it was given."""
    import torch

    return torch.cuda.synchronize if device == "cuda" else lambda: None


def in_turn(
    variants: Mapping[str, Callable[[], object]],
    rounds: int,
    bar: tqdm,
    wait: Callable[[], None],
    enough: float = math.inf,
) -> dict[str, list[float]]:
    """Run the variants one after another, in every round, and return the seconds of each.

    What disturbs the machine for longer than one run falls on all variants. `wait` as `waiter`
    gives it. After `enough` seconds no round begins but the second.
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds):
        if number > 1 and sum(map(sum, seconds.values())) > enough:
            break
        for name, run in variants.items():
            bar.set_postfix_str(name)
            wait()
            started = time.perf_counter()
            run()
            wait()
            seconds[name].append(time.perf_counter() - started)
            bar.update()
    return seconds


def compare(
    slow: Sequence[float], fast: Sequence[float], wanted: float | None = None
) -> dict[str, object]:
    """Describe slow / fast round by round: the median and its range, beside what was wanted."""
    each = [s / f for s, f in zip(slow, fast, strict=True)]
    found: dict[str, object] = {"ratio": median(each), "range": [min(each), max(each)]}
    if wanted is not None:
        found |= {"wanted": wanted, "reached": found["ratio"] >= wanted}
    return found


def figure(seconds: Sequence[float], flop: float | None, gflops: float) -> dict[str, object]:
    """Describe the times of a variant beside its floor.

    The floor is what its arithmetic, `flop` operations, would take at the machine's rate of matrix
    multiplication, `gflops`; `share_of_floor` is floor / time, 1 for a perfect program.
    """
    found: dict[str, object] = {"seconds": median(seconds), "seconds_of_rounds": list(seconds)}
    if flop is not None:
        floor = flop / (1e9 * gflops)
        share = floor / found["seconds"]
        found |= {"gflop": flop / 1e9, "floor_seconds": floor, "share_of_floor": share}
    return found


class Matmul:
    """A matrix product whose time gives the machine's rate; square, in float32 by default."""

    def __init__(self, device: str, dtype: torch.dtype | None = None) -> None:
        import torch

        side = 8192
        if device == "cpu":
            side = 2048 if dtype in (None, torch.float32) else 256  # without bf16 units it is slow
        self.a, self.out = (torch.rand(side, side, device=device, dtype=dtype) for _ in range(2))
        self.multiply, self.flop = torch.mm, 2 * side**3

    def __call__(self) -> None:
        self.multiply(self.a, self.a, out=self.out)

    def gflops(self, seconds: Sequence[float]) -> float:
        """Return the rate, in 10^9 operations a second, that these times mean."""
        return self.flop / median(seconds) / 1e9


def count_flop(run: Callable[[], object]) -> int:
    """Count the floating-point operations of convolutions and products in a call."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


class PeakMemory:
    """How much memory this process takes beyond what it holds now, see `MEMORY_RULE`."""

    def __init__(self, device: str) -> None:
        self.device = device
        if device == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated()
            return
        if sys.platform == "linux":
            with suppress(AttributeError, OSError):  # no glibc; a /proc that cannot be written
                ctypes.CDLL(None).malloc_trim(0)  # or steps fill what the set-up left unnoticed
                Path("/proc/self/clear_refs").write_text("5")  # forgets the set-up's own peak
        self.before = resident()

    def megabytes(self) -> float | None:
        """Return the peak since, in MB; None where this system does not tell."""
        if self.device == "cuda":
            import torch

            return (torch.cuda.max_memory_allocated() - self.before) / 1e6
        peak = of_this_process("VmHWM")
        return None if peak is None else (peak - self.before) / 1e6


def resident() -> int | None:
    """Return the resident size of this process in bytes; None where this system does not tell."""
    return of_this_process("VmRSS")
