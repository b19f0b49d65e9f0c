"""Checks of notebook 06, training."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from hfnmp_lite.teach.checks.verdict import (
    call,
    checker,
    fail,
    need_shape,
    need_values,
    numbers,
    say,
)


@checker
def check_learning_rate(fn: Callable) -> int:
    """Exercise 06.1: iteration i of n, full rate -> the rate of half a cosine."""
    # worked by hand: cos(0) = 1, cos(pi / 3) = 1 / 2, cos(pi / 2) = 0, cos(2 pi / 3) = -1 / 2
    cases = [(0, 300, 0.01, 0.01), (100, 300, 0.01, 0.0075), (150, 300, 0.01, 0.005)]
    cases += [(200, 300, 0.004, 0.001), (5, 6, 1.0, (1 - math.sqrt(3) / 2) / 2)]
    for iteration, total, full, expected in cases:
        given = f"iteration {iteration} of {total} and full rate {full}"
        rate = call(fn, given, iteration, total, full)
        need_shape(given, rate, (), {}, "return one number")
        share = iteration / total
        mistakes = [
            (full * (1 - share), "this falls along a line; the task asks for half a cosine"),
            (full * math.cos(math.pi * share), "shift and halve the cosine: (1 + cos) / 2"),
            (
                full * math.cos(math.pi * share / 2),
                "this is a quarter of a cosine: pi, not pi / 2",
            ),
            ((1 + math.cos(math.pi * share)) / 2, "multiply by the full rate"),
            (full * (1 - math.cos(math.pi * share)) / 2, "it should fall, and this rises: + not -"),
            (full * (1 + math.cos(share)) / 2, "the angle is pi times the share"),
        ]
        mistakes = [(wrong, name) for wrong, name in mistakes if abs(wrong - expected) > 1e-9]
        need_values(given, rate, np.array(expected), mistakes, "compare with the equation")
    return len(cases)


@checker
def check_freeze(fn: Callable) -> int:
    """Exercise 06.2: an extractor -> the same one, which neither learns nor drifts any more."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    given = "a conv and a batch norm in train mode"
    frozen = call(fn, given, module, in_place=True)
    if not isinstance(frozen, nn.Module):
        fail(given, say(frozen), "the module", "return the extractor")
    if set(frozen.state_dict()) != set(before):
        fail(given, say(frozen), "the module that was given", "return the extractor itself")
    learning = [name for name, p in frozen.named_parameters() if p.requires_grad]
    if learning:
        cause = "requires_grad_(False) was not called on it"
        fail(given, f"a module whose {learning[0]} still asks for a gradient", "none", cause)
    frozen(torch.rand(4, 3, 5, 5))
    for name, value in frozen.state_dict().items():
        if "running" in name and not torch.equal(value, before[name]):
            cause = "batch norms in train mode move their statistics without any gradient: .eval()"
            fail(given, f"a module whose {name} moved in a forward pass", "no change", cause)
        if "running" not in name and "num" not in name and not torch.equal(value, before[name]):
            fail(given, f"a module whose {name} changed", "no change", "freeze, do not reset")
    return 3


@checker
def check_choose(fn: Callable) -> int:
    """Exercise 06.3: rows of a log -> the iteration whose weights are kept."""
    cases = [
        ([(9, 0.8, 0.3, 0.3), (18, 0.9, 0.5, 0.25), (27, 0.8, 0.6, 0.1), (36, 0.7, 0.7, 0.2)], 18),
        ([(50, 0.9, 0.4, 0.2), (100, 0.9, 0.3, 0.3), (150, 0.7, 0.1, 0.1)], 100),
        ([(50, 0.5, 0.9, 0.5)], 50),
        ([(10, 0.5, 0.3, 0.1), (20, 0.6, 0.4, 0.2), (30, 0.7, 0.5, 0.3)], 30),
        ([(8, 0.5, 0.3, 0.1), (16, 0.6, 0.2, 0.2), (24, 0.8, 0.5, 0.3), (32, 0.6, 0.1, 0.2)], 24),
        ([(10, 0.7, 0.5, 0.2), (20, 0.7, 0.5, 0.2)], 10),
    ]
    for table, expected in cases:
        rows = [
            {"iteration": i, "val_auc": auc, "val_loss": loss, "target_hter": hter}
            for i, auc, loss, hter in table
        ]
        given = "; ".join(
            f"iteration {i}: AUC {auc}, loss {loss}, target HTER {hter}"
            for i, auc, loss, hter in table
        )
        chosen = call(fn, given, rows)
        need_shape(given, chosen, (), {}, "return one iteration, a number")
        last = max(table, key=lambda r: (r[1], r[0]))[0]
        mistakes = [
            (min(table, key=lambda r: r[3])[0], "the target's own error may not choose"),
            (min(table, key=lambda r: r[2])[0], "AUC decides first; the loss breaks ties"),
            (max(table, key=lambda r: (r[1], r[2]))[0], "of equal AUCs the LOWER loss wins"),
            (last, "of equals the earlier wins"),
            (table[-1][0], "the last one is not always the best"),
        ]
        mistakes = [(wrong, name) for wrong, name in mistakes if wrong != expected]
        need_values(
            given, chosen, np.array(expected), mistakes, "highest val_auc, then lowest loss"
        )
    return len(cases)


@checker
def check_batch_indices(fn: Callable) -> int:
    """Exercise 06.4: batch number, n images, batch size, seed -> which images, from these alone."""
    n, size, seed = 12, 4, 7
    given = f"batches 0 to 5 of {size} out of {n} images, seed {seed}"

    def drawn(number: int, seed: int = seed) -> np.ndarray:
        found = numbers(given, call(fn, given, number, n, size, seed))
        return found.astype(int) if np.isin(found, range(n)).all() else found

    batches = [drawn(number) for number in range(6)]
    for batch in batches:
        need_shape(given, batch, (size,), {(n,): "a whole epoch came back"}, "one index an image")
    if any((b < 0).any() or (b >= n).any() for b in batches):
        fail(given, "an index outside", f"0 to {n - 1}", "permute range(n)")
    for first in (0, 3):
        epoch = np.sort(np.concatenate(batches[first : first + 3]))
        if not np.array_equal(epoch, np.arange(n)):
            cause = "an epoch is one permutation, cut into batches: number // (n // size) names it"
            fail(given, f"{epoch.tolist()} in one epoch", "every image once", cause)
    if np.array_equal(np.concatenate(batches[:3]), np.concatenate(batches[3:])):
        cause = "the epoch's number belongs into the seed: default_rng([seed, epoch])"
        fail(given, "the same order in both epochs", "another order in every epoch", cause)
    for number in (5, 0, 3):
        again = drawn(number)
        if not np.array_equal(again, batches[number]):
            cause = "it depends on what was drawn before: make the generator inside the function"
            fail(given, f"{again.tolist()} for batch {number} asked for again", "the same", cause)
    other = np.concatenate([drawn(number, seed + 1) for number in range(3)])
    if np.array_equal(other, np.concatenate(batches[:3])):
        fail(given, "the same batches with another seed", "others", "the seed is not used")
    return 6
