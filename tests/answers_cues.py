"""Right and wrong answers to the exercises of notebook 01, for tests/test_checks.py."""

import numpy as np


def cue_change(with_cue, without):
    return np.abs(with_cue.astype(float) - without).max(2)


def cue_change_in_integers(with_cue, without):
    return np.max(np.maximum(with_cue, without) - np.minimum(with_cue, without), axis=-1)


def peak_frequency(signal):
    power = np.abs(np.fft.rfft(signal - signal.mean()))
    return power.argmax() / len(signal)


def peak_frequency_by_correlation(signal):
    n, x = len(signal), np.arange(len(signal))
    waves = [np.abs(np.sum(signal * np.exp(-2j * np.pi * k * x / n))) for k in range(1, n // 2 + 1)]
    return (1 + int(np.argmax(waves))) / n


def peak_of_upper_half(signal):
    power = np.abs(np.fft.fft(signal - signal.mean()))
    return 1 - power.argmax() / len(signal) if power.argmax() else 0.0


def shift(a, b):
    return (b.mean() - a.mean()) / np.sqrt((a.var() + b.var()) / 2)


def shift_by_hand(a, b):
    spread = (np.mean((a - np.mean(a)) ** 2) + np.mean((b - np.mean(b)) ** 2)) / 2
    return float((np.mean(b) - np.mean(a)) * spread**-0.5)


def apparent_frequency(f):
    return np.abs(f - np.round(f))


ANSWERS = {
    "cue_change": (
        [cue_change, cue_change_in_integers],
        [
            (lambda a, b: (a - b).max(2), ["uint8 counts in a circle", ".astype(float)"]),
            (lambda a, b: np.abs(a - b).max(2), ["uint8 counts in a circle"]),
            (lambda a, b: np.abs(a.astype(float) - b), ["shape (3, 4, 3)", ".max(2)"]),
            (lambda a, b: cue_change(a, b).max(), ["shape ()", "one number a pixel"]),
            (lambda a, b: np.abs(a.astype(float) - b).max((0, 1)), ["runs over the channels"]),
            (lambda a, b: (a.astype(float) - b).max(2), ["darken"]),
            (lambda a, b: np.abs(a.astype(float) - b).mean(2), ["not the mean"]),
            (lambda a, b: np.abs(a.astype(float) - b).sum(2), ["not the sum"]),
            (lambda a, b: cue_change(a, b) / 255, ["do not divide"]),
            (lambda a, b: cue_change(a, b).T, ["shape (4, 3)"]),
            (lambda a, b: cue_change(a, b) ** 2, ["then the largest"]),
            (lambda a, b: np.abs((a.astype(float) - b).max(2)), ["before the maximum"]),
            (lambda a, b: np.abs(a.mean(2) - b.mean(2)), ["channel by channel"]),
        ],
    ),
    "pitch_in_pixels": (
        [
            lambda per_inch, width, n: 25.4 * n / (per_inch * width),
            lambda per_inch, width, n: np.float32(25.4 / per_inch) / (width / n),
        ],
        [
            (lambda d, w, n: d * w / (25.4 * n), ["other way round", "expected 0.2"]),
            (lambda d, w, n: n / (d * w), ["1 inch = 25.4 mm"]),
            (lambda d, w, n: 25.4 / d, ["pitch in mm"]),
            (lambda d, w, n: 25.4 / d / w, ["crop widths"]),
            (lambda d, w, n: 25.4 / d * w / n, ["what one pixel sees"]),
            (lambda d, w, n: [25.4 * n / (d * w)] * 2, ["shape (2,)"]),
            (lambda d, w, n: 2.54 * n / (d * w), ["25.4 / per_inch"]),
        ],
    ),
    "apparent_frequency": (
        [
            apparent_frequency,
            lambda f: np.minimum(f % 1, 1 - f % 1),
            lambda f: np.arccos(np.cos(2 * np.pi * f)) / (2 * np.pi),
        ],
        [
            (lambda f: f, ["above 1/2", "0.7 at [2]", "expected 0.3"]),
            (lambda f: f % 1, ["folds back"]),
            (lambda f: f - np.round(f), ["no sign"]),
            (lambda f: np.minimum(f, 0.5), ["cut them off"]),
            (lambda f: np.abs(1 - f), ["need not be 1"]),
            (lambda f: f % 0.5, ["every whole cycle"]),
            (lambda f: apparent_frequency(f).sum(), ["shape ()", "for each frequency"]),
            (lambda f: 1 - apparent_frequency(f), ["np.round"]),
            (lambda f: (f + 0.5) % 1 - 0.5, ["no sign", "-0.5 at [1]"]),
            (lambda f: 1 - f % 1, ["may lie below"]),
            (lambda f: np.abs(f - int(f)), ["TypeError", "int(f)"]),
        ],
    ),
    "peak_frequency": (
        [peak_frequency, peak_frequency_by_correlation],
        [
            (lambda s: np.abs(np.fft.rfft(s)).argmax() / len(s), ["mean", "subtract it"]),
            (lambda s: peak_frequency(s) * len(s), ["divide by the number of samples"]),
            (
                lambda s: np.abs(np.fft.rfft(s))[1:].argmax() / len(s),
                ["starts at bin 1", "add 1"],
            ),
            (lambda s: 2 * peak_frequency(s), ["not by the number of bins"]),
            (lambda s: 2 * np.pi * peak_frequency(s), ["radians"]),
            (lambda s: 1 / peak_frequency(s), ["period"]),
            (lambda s: 1 - peak_frequency(s), ["upper half"]),
            (lambda s: np.abs(np.fft.rfft(s - s.mean())).max(), ["argmax"]),
            (lambda s: np.abs(np.fft.rfft(s)), ["the frequency alone"]),
            (lambda s: 0.3, ["bin k is k / n"]),
            (lambda s: np.fft.rfft(s - s.mean()).argmax() / len(s), ["np.abs before argmax"]),
            (lambda s: peak_frequency(s) + 1 / len(s), ["bin k is k / n"]),
            (lambda s: complex(peak_frequency(s)), ["not real"]),
        ],
    ),
    "shift": (
        [shift, shift_by_hand],
        [
            (lambda a, b: shift(b, a), ["mean of b minus", "expected 3"]),
            (lambda a, b: abs(shift(a, b)), ["keep the sign"]),
            (lambda a, b: b.mean() - a.mean(), ["within the groups", "returned -2.5"]),
            (lambda a, b: (b.mean() - a.mean()) / (a.var() + b.var()) ** 0.5, ["halve the sum"]),
            (lambda a, b: (b.mean() - a.mean()) / np.append(a, b).std(), ["both together"]),
            (
                lambda a, b: (b.mean() - a.mean()) / ((a.var(ddof=1) + b.var(ddof=1)) / 2) ** 0.5,
                ["divides by n"],
            ),
            (lambda a, b: (b.mean() - a.mean()) / ((a.std() + b.std()) / 2), ["then root"]),
            (lambda a, b: (b - a[0]) / a.std(), ["shape (4,)"]),
            (
                lambda a, b: (np.median(b) - np.median(a)) / ((a.var() + b.var()) / 2) ** 0.5,
                ["not medians", "expected 0"],
            ),
            (lambda a, b: 2 * shift(a, b), ["(mean(b) - mean(a))"]),
        ],
    ),
}
