"""Right and wrong answers to the exercises of notebook 06."""

import math

import numpy as np


def learning_rate(iteration, total, full):
    return full * (1 + math.cos(math.pi * iteration / total)) / 2


def freeze(extractor):
    return extractor.requires_grad_(False).eval()


def freeze_by_hand(extractor):
    for parameter in extractor.parameters():
        parameter.requires_grad = False
    extractor.train(False)
    return extractor


def choose(log):
    return min(log, key=lambda row: (-row["val_auc"], row["val_loss"]))["iteration"]


def choose_by_loop(log):
    best = log[0]
    for row in log[1:]:
        if (row["val_auc"], -row["val_loss"]) > (best["val_auc"], -best["val_loss"]):
            best = row
    return best["iteration"]


def batch_indices(number, n, size, seed):
    epoch, place = divmod(number, n // size)
    order = np.random.default_rng([seed, epoch]).permutation(n)
    return order[place * size : (place + 1) * size]


generator = np.random.default_rng(0)

ANSWERS = {
    "learning_rate": (
        [learning_rate, lambda i, n, full: full * math.cos(math.pi * i / n / 2) ** 2],
        [
            (lambda i, n, full: full * (1 - i / n), ["along a line"]),
            (lambda i, n, full: full * math.cos(math.pi * i / n), ["shift and halve"]),
            (lambda i, n, full: learning_rate(i, n, 1), ["full rate"]),
            (lambda i, n, full: full - learning_rate(i, n, full), ["rises"]),
            (lambda i, n, full: [full, full], ["one number"]),
        ],
    ),
    "freeze": (
        [freeze, freeze_by_hand],
        [
            (lambda e: e.requires_grad_(False), [".eval()", "running_mean"]),
            (lambda e: e.eval(), ["requires_grad_(False)"]),
            (lambda e: 3, ["return the extractor"]),
        ],
    ),
    "choose": (
        [choose, choose_by_loop],
        [
            (lambda log: min(log, key=lambda r: r["target_hter"])["iteration"], ["target's own"]),
            (lambda log: min(log, key=lambda r: r["val_loss"])["iteration"], ["AUC decides"]),
            (
                lambda log: max(log, key=lambda r: (r["val_auc"], r["val_loss"]))["iteration"],
                ["LOWER loss"],
            ),
            (lambda log: log[-1]["iteration"], ["not always the best"]),
            (lambda log: log, ["not all numbers"]),
        ],
    ),
    "batch_indices": (
        [batch_indices],
        [
            (lambda k, n, size, seed: generator.permutation(n)[:size], ["every image once"]),
            (
                lambda k, n, size, seed: np.random.default_rng(seed).permutation(n)[
                    k % (n // size) * size :
                ][:size],
                ["another order in every epoch"],
            ),
            (lambda k, n, size, seed: np.arange(n), ["a whole epoch"]),
            (lambda k, n, size, seed: batch_indices(k, n, size, 0), ["seed is not used"]),
        ],
    ),
}
