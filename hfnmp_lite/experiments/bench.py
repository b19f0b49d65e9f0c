"""How fast the method runs: the meta step, LBP, the metrics, the simulator and the loading.

Each is timed beside a baseline, the two in turn, and beside the floor of its arithmetic. No
baseline is slower than what it stands for.
"""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage.feature import local_binary_pattern
from tqdm import tqdm

from hfnmp_lite.data.workers import default_count
from hfnmp_lite.evaluate import metrics
from hfnmp_lite.experiments.card import measure_card
from hfnmp_lite.experiments.card import table as card_table
from hfnmp_lite.experiments.loading import MANY, measure_loading
from hfnmp_lite.experiments.steps import SEED, Case, measure_steps
from hfnmp_lite.experiments.timing import Matmul, compare, figure, in_turn, prepare, waiter
from hfnmp_lite.files import InputError
from hfnmp_lite.model.lbp import LocalBinaryPattern
from hfnmp_lite.owned import check_free, write_owned
from hfnmp_lite.provenance import provenance
from hfnmp_lite.simulate import scene
from hfnmp_lite.simulate.domains import DOMAINS

CASES = {"lite": (128, 9), "resnet50": (256, 5)}  # trunk -> side in pixels, rounds
LBP_SHAPE = (32, 3, 128, 128)
SCORES = 10_000
THRESHOLDS = 100_001
BY = "hfnmp bench"
FIRST_SUBJECT = 700_000  # nobody of the benchmark

Counts = tuple[int, int]  # attacks accepted, live faces rejected


def report(device: str = "cpu", quick: bool = False, json_file: Path | None = None) -> None:
    """Measure, print a table, and write everything to `json_file` where there is one.

    Raises InputError where `json_file` is not what an earlier bench wrote, and what `bench` raises.
    """
    if json_file is not None:
        check_free([json_file], BY)
    result = bench(device, quick)
    print(table(result))
    if json_file is not None:
        write_owned(json_file, json.dumps(result, indent=1) + "\n", BY)


def bench(device: str = "cpu", quick: bool = False, progress: bool = True) -> dict[str, object]:
    """Measure everything.

    Parameters
    ----------
    device : {"cpu", "cuda"}
        Where the meta step and LBP run. On the CPU with a thread for each core that this process
        may use.
    quick : bool
        A few rounds of the small network alone, its memory not measured: to see that all works.
    progress : bool
        Whether to show progress bars.

    Returns
    -------
    dict
        The figures of each section with what they mean, and their provenance; times in seconds.

    Raises
    ------
    InputError
        There is no such device, or too little memory.
    FloatingPointError
        Two ways of computing the same thing disagree.
    """
    if device not in ("cpu", "cuda"):
        raise InputError(f"--device is '{device}'; expected cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device is cuda, but PyTorch finds no GPU here; give --device cpu")
    threads, before = default_count(), torch.get_num_threads()
    result: dict[str, object] = {
        "what": "speed of the meta step, of LBP, of the metrics and of the simulator",
        "command": shlex.join(["hfnmp", *sys.argv[1:]]),
        "seed": SEED,
        "threads": threads,
        "device": device if device == "cpu" else torch.cuda.get_device_name(),
        "quick": quick,
        **provenance(),
    }
    prepare(device, threads)
    try:
        result["meta_step"] = {
            trunk: measure_steps(
                Case(trunk, size, device), 2 if quick else rounds, threads, not quick, progress
            )
            for trunk, (size, rounds) in CASES.items()
            if trunk == "lite" or not quick
        }
        if device == "cuda":
            result["card"] = measure_card(Case("resnet50", 256, device), 10, progress=progress)
        result["lbp"] = measure_lbp(device, 3 if quick else 9, progress)
        result["metrics"] = measure_metrics(1_001 if quick else THRESHOLDS, 3, progress)
        result["simulator"] = measure_simulator(1 if quick else 2, progress)
        result["loading"] = measure_loading(2_000 if quick else MANY)
    finally:
        torch.set_num_threads(before)
    return _rounded(result)


def measure_lbp(device: str, rounds: int, progress: bool = True) -> dict[str, object]:
    """Time LBP of a batch against scikit-image's compiled loop over images and channels.

    That loop has one thread by nature, so ours is timed on one thread, too.
    """
    rng = np.random.default_rng(SEED)
    planes = rng.integers(0, 256, LBP_SHAPE, dtype=np.uint8)
    images = torch.from_numpy(planes).to(device).float().div(255)
    lbp, threads = LocalBinaryPattern(points=8, radius=1.0), torch.get_num_threads()
    found = {}

    def loop() -> None:
        codes = [[local_binary_pattern(channel, 8, 1.0) for channel in i] for i in planes]
        found["skimage"] = np.array(codes)

    def ours() -> None:
        found["ours"] = lbp(images)

    def on_one_thread() -> None:
        torch.set_num_threads(1)
        ours()
        torch.set_num_threads(threads)

    variants = {"skimage": loop, "ours": ours, "ours_one_thread": on_one_thread}
    for run in variants.values():
        run()
    if not np.array_equal(found["skimage"], (found["ours"].double() * 255).round().cpu().numpy()):
        raise FloatingPointError("LBP: our codes differ from scikit-image's")
    product = Matmul(device)
    title = f"LBP of {LBP_SHAPE[0]} images of {LBP_SHAPE[2]} px"
    with tqdm(total=4 * rounds, desc=title, unit="run", disable=not progress) as bar:
        seconds = in_turn({**variants, "matmul": product}, rounds, bar, waiter(device))
    gflops = product.gflops(seconds["matmul"])
    flop = 34 * planes.size
    whats = {
        "skimage": "scikit-image's compiled loop over images and channels, one thread",
        "ours": "LocalBinaryPattern",
        "ours_one_thread": "LocalBinaryPattern, one thread",
    }
    return {
        "what": f"seconds for {title}, 8 points at radius 1; the codes are equal",
        "rounds": rounds,
        "matmul_gflops": gflops,
        "operations": "34 a value: 3 for each of 2 + 4 interpolations, 8 comparisons, 8 additions",
        "variants": {n: {"what": w, **figure(seconds[n], flop, gflops)} for n, w in whats.items()},
        "ratios": {
            f"skimage / {name}": compare(seconds["skimage"], seconds[name], 5.0)
            for name in ("ours", "ours_one_thread")
        },
    }


def measure_metrics(thresholds: int, rounds: int, progress: bool = True) -> dict[str, object]:
    """Time the exact metrics of `SCORES` scores against scans of evenly spaced thresholds."""
    rng = np.random.default_rng(SEED)
    live = rng.random(SCORES) < 0.4
    scores = 1 / (1 + np.exp(-rng.normal(1.5 * live)))
    found = {}

    def exact() -> None:
        found["exact"] = metrics.evaluate(scores, live)

    def scan(count: Callable[..., Counts], name: str) -> None:
        found[name] = scan_thresholds(scores, live, thresholds, count)

    variants = {
        "scan": partial(scan, counts_as_released, "scan"),
        "lean_scan": partial(scan, counts_by_class, "lean_scan"),
        "ours": exact,
    }
    product = Matmul("cpu")
    title = f"metrics of {SCORES:,} scores"
    with tqdm(total=4 * rounds, desc=title, unit="run", disable=not progress) as bar:
        seconds = in_turn({**variants, "matmul": product}, rounds, bar, waiter("cpu"))
    result, (eer, hter) = found["exact"], found["scan"]
    equal = found["scan"] == found["lean_scan"]
    if not equal or result.hter_oracle > hter or abs(result.eer - eer) > 0.01:
        raise FloatingPointError(
            f"metrics: EER and lowest HTER are {result.eer} and {result.hter_oracle}; the scans "
            f"found {found['scan']} and {found['lean_scan']}"
        )
    gflops = product.gflops(seconds["matmul"])
    operations = {
        "scan": 4 * thresholds * SCORES,
        "lean_scan": thresholds * SCORES,
        "ours": SCORES * math.log2(SCORES),
    }
    whats = {
        "scan": f"{thresholds} thresholds, four counts over all scores at each (released code)",
        "lean_scan": f"{thresholds} thresholds, a count over each class's scores at each",
        "ours": "metrics.evaluate: these two exactly, and all other figures",
    }
    wanted = 1_000.0 if thresholds == THRESHOLDS else None
    return {
        "what": f"seconds for EER and lowest HTER of {SCORES} scores",
        "rounds": rounds,
        "matmul_gflops": gflops,
        "operations": "comparisons: n for each count of a scan, n log2 n for one sort",
        "eer": {"exact": result.eer, "scan": eer},
        "hter_oracle": {"exact": result.hter_oracle, "scan": hter},
        "variants": {
            n: {"what": w, **figure(seconds[n], operations[n], gflops)} for n, w in whats.items()
        },
        "ratios": {
            "scan / ours": compare(seconds["scan"], seconds["ours"], wanted),
            "lean_scan / ours": compare(seconds["lean_scan"], seconds["ours"]),
        },
    }


def scan_thresholds(
    scores: np.ndarray, live: np.ndarray, number: int, count: Callable[..., Counts]
) -> tuple[float, float]:
    """Look for EER and lowest HTER on an even grid from the lowest to the highest score.

    Both in one scan, where the release makes one for each.
    """
    nearest, eer, lowest = math.inf, math.nan, math.inf
    labels = live.astype(np.int64)
    attacks, lives = scores[~live], scores[live]
    for threshold in np.linspace(scores.min(), scores.max(), number):
        false_accepts, false_rejects = count(threshold, scores, labels, attacks, lives)
        far, frr = false_accepts / attacks.size, false_rejects / lives.size
        if abs(far - frr) < nearest:
            nearest, eer = abs(far - frr), (far + frr) / 2
        lowest = min(lowest, (far + frr) / 2)
    return float(eer), float(lowest)


def counts_as_released(
    threshold: float, scores: np.ndarray, labels: np.ndarray, *by_class: np.ndarray
) -> Counts:
    """Count all four outcomes; returns false accepts and false rejects (*released code*)."""
    accepted = scores >= threshold
    four = {
        (label, verdict): np.sum((labels == label) & (accepted == verdict))
        for label in (0, 1)
        for verdict in (False, True)
    }
    return four[0, True], four[1, False]


def counts_by_class(
    threshold: float, scores: np.ndarray, labels: np.ndarray, *by_class: np.ndarray
) -> Counts:
    """Count the same two by the shortest way."""
    attacks, lives = by_class
    return np.count_nonzero(attacks >= threshold), np.count_nonzero(lives < threshold)


def measure_simulator(each: int, progress: bool = True) -> dict[str, object]:
    """Count the frames a second that one process renders.

    They are `each` presentations with `each` frames of every kind, of a subject of every domain.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # as in the processes that build a benchmark
    seconds: dict[str, list[float]] = {}
    frames = 0
    try:
        with tqdm(total=len(DOMAINS), desc="simulator", disable=not progress) as bar:
            for domain in DOMAINS:
                drawn = scene.draw_subject_takes(
                    domain, SEED, FIRST_SUBJECT, presentations=each, frames=each
                )
                takes = [take for some in drawn.values() for take in some]
                frames += len(takes)
                run = {domain: partial(_render_all, takes)}
                seconds |= in_turn(run, 1, bar, waiter("cpu"))
    finally:
        cv2.setNumThreads(threads)
    return {
        "what": "frames of 128 px a second, one process of one thread; live, print and replay",
        "frames": frames,
        "seconds": {domain: once for domain, (once,) in seconds.items()},
        "frames_per_second": frames / sum(once for (once,) in seconds.values()),
        "operations": "not counted",
    }


def _render_all(takes: Sequence[scene.Take]) -> None:
    for take in takes:
        scene.render(take)


def _rounded(value: object) -> object:
    """Round floats to four significant digits, through dicts and lists."""
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def table(result: dict) -> str:
    """Lay out what `bench` returns for reading."""
    lines = [f"{result['threads']} thread(s) of {result['hardware']['processor']}"]
    if result["device"] != "cpu":
        lines.append(f"meta step and LBP on {result['device']}")
    for section in (*result["meta_step"].values(), result["lbp"], result["metrics"]):
        lines += ["", f"{section['what']}; matmul {section['matmul_gflops']:.0f} GFLOP/s"]
        lines += _rows(section)
    if "card" in result:
        lines += ["", *card_table(result["card"])]
    found = result["simulator"]
    lines += ["", f"{found['what']}:", f"  {'ours':16s} {found['frames_per_second']:.1f}"]
    found = result["loading"]
    lines += ["", f"{found['what']}:"]
    for name in ("few", "many"):
        line = f"  {found['rows'][name]:<9,d} rows {found[name]['seconds_to_first_batch']:.3g} s"
        if "memory_mb" in found[name]:
            line += f", {found[name]['memory_mb']:.0f} MB, then batches take "
            line += f"{found[name]['more_after_batches_mb']:.0f} MB more"
        lines.append(line)
    return "\n".join(lines)


def _rows(section: dict) -> Iterator[str]:
    for name, v in section["variants"].items():
        line = f"  {name:16s}{v['seconds']:10.4g} s   floor {v['floor_seconds']:9.3g} s, "
        line += f"{100 * v['share_of_floor']:.2g} % of it reached"
        if "peak_memory_mb" in v:
            line += f"   peak {v['peak_memory_mb']:.0f} MB"
        yield line
    for pair, r in section["ratios"].items():
        low, high = r["range"]
        line = f"  {pair:26s} {r['ratio']:.4g} [{low:.4g}, {high:.4g}]"
        if "wanted" in r:
            line += f", wanted {r['wanted']:.4g}: {'reached' if r['reached'] else 'missed'}"
        if "of_operations" in r:
            line += f"; operations {r['of_operations']:.3g}"
        if "of_peak_memory" in r:
            line += f", peak memory {r['of_peak_memory']:.3g}"
        yield line
        if "floor" in r:
            yield f"    {r['floor']}"
            slow, fast = (section["variants"][name] for name in pair.split(" / "))
            most = slow["seconds"] / fast["floor_seconds"]
            yield f"    were every operation of ours as fast as matmul, it would be {most:.2f}"
