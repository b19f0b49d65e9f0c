"""Right and wrong answers to the exercises of notebook 10."""

import re

import numpy as np
import torch

KIND = {"1": "live", "2": "print", "3": "print", "4": "replay", "5": "replay"}


def read_name(name):
    _, _, user, file = name.split(".")[0].split("_")
    return int(user), KIND[file]


def read_name_by_pattern(name):
    found = re.fullmatch(r"\d_\d_0*(\d+)_(\d)\.avi", name, re.I)
    number = int(found[2])
    return [int(found[1]), ["live", "print", "replay"][number // 2]]


def choose_frames(names, count):
    frames = sorted((n for n in names if n.endswith(".png")), key=lambda n: int(n[:-4]))
    if len(frames) <= count:
        return frames
    return [frames[i] for i in np.linspace(0, len(frames) - 1, count, dtype=int)]


def choose_frames_in_python(names, count):
    numbers = sorted(int(n.split(".")[0]) for n in names if n.split(".")[0].isdigit())
    last = len(numbers) - 1
    places = {i * last // max(1, count - 1) for i in range(count)} if last >= count else None
    chosen = numbers if places is None else [numbers[i] for i in sorted(places)]
    return tuple(f"{n}.png" for n in chosen)


def spaced(frames, count):
    if len(frames) <= count:
        return frames
    return [frames[i] for i in np.linspace(0, len(frames) - 1, count, dtype=int)]


def only_png(names):
    return [n for n in names if n.endswith(".png")]


def by_number(names):
    return sorted(only_png(names), key=lambda n: int(n[:-4]))


def rates_of_all(scores, live, threshold):
    accepted = scores >= threshold
    return accepted[live == 0].mean(), (~accepted[live == 1]).mean()


def rates_in_python(scores, live, threshold):
    far = [s >= threshold for s, y in zip(scores, live, strict=True) if not y]
    frr = [not s >= threshold for s, y in zip(scores, live, strict=True) if y]
    return [sum(far) / len(far), sum(frr) / len(frr)]


def rates_of_the_seen(scores, live, threshold):
    seen = ~np.isnan(scores)
    return rates_of_all(scores[seen], live[seen], threshold)


ANSWERS = {
    "read_name": (
        [read_name, read_name_by_pattern],
        [
            (lambda n: (n.split("_")[2], KIND[n[-5]]), ["int()", "text"]),
            (lambda n: (int(n[0]), KIND[n.split(".")[0][-1]]), ["third number", "phone"]),
            (
                lambda n: (int(n.split("_")[2]), "live" if n[-5] == "1" else "attack"),
                ["2 and 3 are print"],
            ),
            (lambda n: (int(n.split("_")[2]), int(n[-5])), ["not its kind"]),
            (lambda n: read_name(n)[0], ["two things", "7"]),
        ],
    ),
    "choose_frames": (
        [choose_frames, choose_frames_in_python],
        [
            (lambda n, k: spaced(sorted(only_png(n)), k), ["as text", "'10' comes before '2'"]),
            (lambda n, k: spaced(sorted(n), k), ["info.txt is no frame"]),
            (lambda n, k: by_number(n)[:k], ["first ones"]),
            (lambda n, k: spaced(only_png(n), k), ["'2'"]),
            (lambda n, k: by_number(n)[:: max(1, len(n) // k)][:k], ["both ends"]),
            (lambda n, k: [0, 11], ["a list of names"]),
            (
                lambda n, k: [by_number(n)[i] for i in np.linspace(0, len(n) - 2, k, dtype=int)],
                ["one of them twice"],
            ),
            (lambda n, k: spaced(by_number(n), k)[:2], ["too few"]),
        ],
    ),
    "rates_of_all": (
        [rates_of_all, rates_in_python],
        [
            (rates_of_the_seen, ["left out of the denominators"]),
            (
                lambda s, y, t: ((s[y == 0] >= t).mean(), (s[y == 1] < t).mean()),
                ["NaN < threshold is False", "nobody saw"],
            ),
            (
                lambda s, y, t: (1 - (s[y == 0] < t).mean(), (~(s[y == 1] >= t)).mean()),
                ["an attack without a score was counted as accepted"],
            ),
            (lambda s, y, t: rates_of_all(s, y, t)[::-1], ["FAR comes first"]),
            (
                lambda s, y, t: ((s[y == 0] > t).mean(), (~(s[y == 1] > t)).mean()),
                [">=, not >"],
            ),
            (lambda s, y, t: np.mean(rates_of_all(s, y, t)), ["shape ()", "FAR and FRR"]),
            (lambda s, y, t: (s * np.nan)[:2], ["division by zero"]),
        ],
    ),
    "for_rgb": (
        [lambda w: w[:, [2, 1, 0]], lambda w: w.flip(1), lambda w: torch.flip(w, dims=(1,))],
        [
            (lambda w: w, ["nothing was exchanged"]),
            (lambda w: w.flip(0), ["outputs were reversed", "axis 1"]),
            (lambda w: w.roll(1, 1), ["rolled"]),
            (lambda w: w.flip(1).numpy(), ["stay in torch"]),
            (lambda w: w[:, :1], ["shape (2, 1, 3, 3)", "order of the channels"]),
            (lambda w: w.flip(1) * 2, ["channel 2"]),
            (lambda w: w.copy_(w.flip(1)), ["changed its input"]),
        ],
    ),
}
