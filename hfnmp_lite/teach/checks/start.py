"""Checks of notebook 00, start here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.teach.checks.verdict import call, checker, fail, need_shape, need_values, say


@checker
def check_count_kinds(fn: Callable) -> int:
    """Exercise 00.1: presentations -> how many are "live", "print", "replay"."""
    frames = (Path("a.jpg"), Path("b.jpg"))
    kinds = ["print", None, "replay", "print", None, "print"]
    shown = [
        Presentation(f"p{i}", "webcam", f"s{i}", kind is None, kind, None, frames[: 1 + i % 2])
        for i, kind in enumerate(kinds)
    ]
    cases = [
        ("2 live, 3 print and 1 replay", shown, {"live": 2, "print": 3, "replay": 1}),
        ("one print alone", shown[:1], {"print": 1}),
    ]
    for given, presentations, expected in cases:
        counts = call(fn, given, presentations)
        if not isinstance(counts, Mapping):
            fail(given, say(counts), "a dict", "the counts were not put under their names")
        counts = {kind: n for kind, n in counts.items() if n != 0}
        n_frames = sum(len(p.frames) for p in presentations)
        if counts == expected:
            continue
        if None in counts:
            cause = "`attack_type` is None for a live face; the key asked for is 'live'"
        elif sum(counts.values()) == n_frames:
            cause = "frames were counted; a presentation counts once, however many frames it has"
        elif set(counts) == set(expected) - {"live"}:
            cause = "live presentations were left out"
        else:
            cause = "each presentation counts once: 'live' if it is live, else its attack_type"
        fail(given, str(dict(counts)), str(expected), cause)
    return len(cases)


@checker
def check_to_batch(fn: Callable) -> int:
    """Exercise 00.2: image (H, W, 3) uint8 -> batch (1, 3, H, W) float32 in [0, 1]."""
    import torch

    sizes = [(4, 6), (8, 3)]
    for height, width in sizes:
        given = f"an image of shape ({height}, {width}, 3)"
        levels = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
        levels[0, 0] = (255, 0, 51)
        batch = call(fn, given, levels)
        if not isinstance(batch, torch.Tensor):
            fail(given, say(batch), "a torch.Tensor", "torch.from_numpy was not called")
        causes = {
            (3, height, width): "the axis of the batch is missing: index with [None]",
            (1, height, width, 3): "channels stand last: permute(2, 0, 1) puts them first",
            (height, width, 3): "the image's axes were left as they were: permute, then [None]",
            (1, 3, width, height): "rows and columns changed places: permute(2, 0, 1)",
        }
        need_shape(given, batch, (1, 3, height, width), causes, "the order asked for is N, 3, H, W")
        if batch.dtype != torch.float32:
            cause = "call .float() on the tensor; uint8 / 255 in NumPy gives float64"
            fail(given, str(batch.dtype), "torch.float32", cause)
        expected = np.empty((1, 3, height, width))
        for row in range(height):
            for column in range(width):
                for channel in range(3):
                    expected[0, channel, row, column] = int(levels[row, column, channel]) / 255
        mistakes = [
            (255 * expected, "values were not divided by 255"),
            (255 / 256 * expected, "divide by 255, the largest level, not by 256"),
            (2 * expected - 1, "the range asked for is [0, 1], not [-1, 1]: / 255 alone"),
            (np.floor(expected), "levels were divided as integers: call .float() first"),
            (levels.reshape(expected.shape) / 255, "reshape moves no axis; permute does"),
            (expected[:, ::-1], "red and blue changed places; images here are RGB"),
        ]
        need_values(given, batch, expected, mistakes, "pixels ended up in other places")
    return len(sizes)


@checker
def check_live_score(fn: Callable) -> int:
    """Exercise 00.3: logits (N, 2), map (N, 1, h, w) -> score (N,)."""
    import torch

    logits = [[0.0, 0.0], [2.0, -1.0], [-0.5, 3.0]]
    maps = [[[0.0, 0.2], [0.4, 0.6]], [[1.0, 0.5], [0.0, 0.5]], [[0.9, 0.9], [0.9, 0.7]]]
    counts = (3, 1)
    for n in counts:
        given = f"a batch of {n}"
        live = [math.exp(b) / (math.exp(a) + math.exp(b)) for a, b in logits[:n]]
        mean = [sum(map(sum, values)) / 4 for values in maps[:n]]
        score = call(fn, given, torch.tensor(logits[:n]), torch.tensor(maps[:n])[:, None])
        causes = {
            (): "the mean ran over the batch too: mean((1, 2, 3)) keeps one number a face",
            (n, 1): "the map's channel axis was kept: mean((1, 2, 3))",
            (n, 2): "both classes were kept: take [:, 1], the probability of live",
        }
        need_shape(given, score, (n,), causes, "one score is asked for each face")
        live, mean = np.array(live), np.array(mean)
        raw = np.array(logits[:n])
        down = np.exp(raw) / np.exp(raw).sum(0)
        mistakes = [
            (live, "the map is missing: it gives the other half of the score"),
            (mean, "the class logits are missing: they give the other half of the score"),
            (live + mean, "halve the sum, so that a score stays in [0, 1]"),
            ((1 - live + mean) / 2, "index 1 is live; index 0 is attack"),
            ((down[:, 1] + mean) / 2, "softmax ran over the batch: softmax(1) runs over classes"),
            ((raw[:, 1] + mean) / 2, "logits are no probabilities yet: softmax(1)"),
            ((1 / (1 + np.exp(-raw[:, 1])) + mean) / 2, "both logits count: softmax, no sigmoid"),
            (
                (live + [np.max(m) for m in maps[:n]]) / 2,
                "the map's mean is asked for, not its max",
            ),
            ((live + mean.mean()) / 2, "the map's mean ran over the batch too: mean((1, 2, 3))"),
        ]
        need_values(given, score, (live + mean) / 2, mistakes, "compare with the equation of s")
    return len(counts)


@checker
def check_error_rates(fn: Callable) -> int:
    """Exercise 00.4: scores (n,), live (n,), threshold -> (FAR, FRR)."""
    # attack scores, live scores, threshold -> FAR, FRR: worked by hand
    cases = [
        ([0.1, 0.2, 0.6], [0.4, 0.8, 0.9, 0.95], 0.5, (1 / 3, 1 / 4)),
        ([0.1, 0.5], [0.5, 0.3, 0.9], 0.5, (1 / 2, 1 / 3)),  # a score at the threshold is accepted
        ([0.8, 0.9], [0.1, 0.2, 0.3], 0.5, (1.0, 1.0)),
        ([0.1, 0.2, 0.3], [0.7], 0.0, (1.0, 0.0)),
    ]
    for attack, real, threshold, expected in cases:
        given = f"attack scores {attack}, live scores {real} and threshold {threshold}"
        scores = np.array(attack + real)
        live = np.array([0] * len(attack) + [1] * len(real))
        rates = call(fn, given, scores, live, threshold)
        other = "return two numbers: FAR, then FRR"
        need_shape(given, rates, (2,), {(): "one number came back; two are asked for"}, other)
        n, missed, refused = len(scores), expected[0] * len(attack), expected[1] * len(real)
        above = (scores[live == 0] > threshold).mean(), (scores[live == 1] <= threshold).mean()
        equal = "a score equal to the threshold is accepted: "
        mistakes = [
            (np.multiply(100, expected), "shares are asked for, 0 to 1, not per cent"),
            ((missed / n, refused / n), "divide by the attacks alone, and by the live alone"),
            ((1 - expected[0], 1 - expected[1]), "these are shares of right decisions, not errors"),
            (expected[::-1], "FAR comes first, then FRR"),
            ((missed, refused), "these are counts; rates are shares"),
            (above, f"{equal}>=, not >"),
            ((above[0], expected[1]), f"{equal}>=, not >, for the attacks, too"),
            ((expected[0], above[1]), f"{equal}live faces are rejected with <, not <="),
        ]
        other = "FAR: accepted attacks / attacks; FRR: rejected live / live"
        need_values(given, rates, np.array(expected), mistakes, other)
    return len(cases)
