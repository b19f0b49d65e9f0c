"""Checks of notebook 01, faces, attacks, cameras."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import numpy as np

from hfnmp_lite.teach.checks.verdict import call, checker, need_shape, need_values


@checker
def check_cue_change(fn: Callable) -> int:
    """Exercise 01.1: two images (H, W, 3) uint8 -> largest change over the channels (H, W)."""
    sizes = [(3, 4), (5, 2)]
    for seed, (height, width) in enumerate(sizes):
        given = f"two images of shape ({height}, {width}, 3)"
        levels = np.random.default_rng(seed).integers(0, 256, (2, height, width, 3))
        levels[:, 0, 0] = (10, 20, 30), (12, 20, 25)  # darker by 5 in blue: 5, not 251 or 2
        levels[:, 0, 1] = (0, 9, 9), (255, 9, 9)
        with_cue, without = levels.astype(np.uint8)
        change = call(fn, given, with_cue, without)
        causes = {
            (height, width, 3): "the largest of the three channels is asked for: .max(2)",
            (): "the maximum ran over the whole image: .max(2) keeps one number a pixel",
            (3,): "the maximum ran over the places: .max(2) runs over the channels",
        }
        need_shape(given, change, (height, width), causes, "one number is asked for each pixel")
        expected, signed, summed, averaged = np.zeros((4, height, width))
        for row in range(height):
            for column in range(width):
                pair = zip(with_cue[row, column], without[row, column], strict=True)
                steps = [int(a) - int(b) for a, b in pair]
                expected[row, column] = max(abs(step) for step in steps)
                signed[row, column] = max(steps)
                summed[row, column] = sum(abs(step) for step in steps)
                averaged[row, column] = sum(steps) / 3
        wrapped = (with_cue - without).max(2)
        wrapped_back = (without - with_cue).max(2)
        around = "uint8 counts in a circle, 2 - 3 = 255: call .astype(float) before subtracting"
        mistakes = [
            (wrapped, around),
            (wrapped_back, around),
            (np.abs((with_cue - without).astype(np.int8).astype(int)).max(2), around),
            (signed, "a cue may darken a pixel too: np.abs before the maximum"),
            (np.abs(signed), "a cue may darken a pixel too: np.abs before the maximum"),
            (np.abs(averaged), "compare channel by channel, then take the largest"),
            (summed, "the largest channel is asked for, not the sum over channels"),
            (summed / 3, "the largest channel is asked for, not the mean over channels"),
            (expected / 255, "grey levels are asked for, 0 to 255: do not divide"),
        ]
        need_values(given, change, expected, mistakes, "|difference| per channel, then the largest")
    return len(sizes)


@checker
def check_pitch_in_pixels(fn: Callable) -> int:
    """Exercise 01.2: lines per inch, width in mm, sensor pixels -> pitch in sensor pixels."""
    # worked by hand: 254 an inch are 0.1 mm apart; 200 pixels across 100 mm see 0.5 mm each
    cases = [
        (254.0, 100.0, 200, 0.2),
        (127.0, 80.0, 320, 0.8),  # 0.2 mm apart; a pixel sees 0.25 mm
        (508.0, 20.0, 500, 1.25),  # 0.05 mm apart; a pixel sees 0.04 mm
    ]
    for per_inch, width_mm, pixels, expected in cases:
        given = f"{per_inch:g} an inch, a crop {width_mm:g} mm wide and {pixels} pixels"
        pitch = call(fn, given, per_inch, width_mm, pixels)
        need_shape(given, pitch, (), {}, "one number is asked for")
        mistakes = [
            (1 / expected, "that is the other way round: how many cells lie in one pixel"),
            (expected / 25.4, "the pitch is in inches, the crop in mm: 1 inch = 25.4 mm"),
            (25.4 / per_inch, "that is the pitch in mm; divide by the mm that one pixel sees"),
            (expected * pixels, "multiply by the pixels once"),
            (
                25.4 / per_inch / width_mm,
                "that is in crop widths; multiply by the pixels",
            ),
            (25.4 / per_inch * width_mm / pixels, "divide the pitch by what one pixel sees"),
        ]
        other = "pitch in mm = 25.4 / per_inch; one pixel sees width_mm / pixels"
        need_values(given, pitch, np.array(expected), mistakes, other)
    return len(cases)


@checker
def check_apparent_frequency(fn: Callable) -> int:
    """Exercise 01.3: frequencies, any shape -> what sampling once a pixel makes of them."""
    cases = [  # worked by hand: the distance to the nearest whole number
        ([0.2, 0.5, 0.7, 2.98], [0.2, 0.5, 0.3, 0.02]),
        ([[1.0, 1.3], [1.6, 2.25]], [[0.0, 0.3], [0.4, 0.25]]),
        ([-0.3, -0.96], [0.3, 0.04]),
    ]
    for frequencies, expected in cases:
        given = f"frequencies {frequencies}"
        f, right = np.array(frequencies), np.array(expected)
        seen = call(fn, given, f)
        need_shape(given, seen, f.shape, {}, "one number is asked for each frequency")
        mistakes = [
            (
                f,
                "above 1/2 a sampled wave looks like a slower one: subtract the nearest whole",
            ),
            (f - np.round(f), "a frequency has no sign here: take the absolute value"),
            (np.round(f) - f, "a frequency has no sign here: take the absolute value"),
            ((f + 0.5) % 1 - 0.5, "a frequency has no sign here: take the absolute value"),
            (1 - f % 1, "the nearest whole number may lie below: 0.2 appears as 0.2"),
            (f % 1, "f % 1 lies in [0, 1); above 1/2 it folds back: 0.98 appears as 0.02"),
            (np.minimum(f, 0.5), "a sensor folds frequencies, it does not cut them off at 1/2"),
            (np.abs(1 - f), "the nearest whole number need not be 1: it may be 0, 2, ..."),
            (f % 0.5, "the samples repeat with every whole cycle, not with every half"),
        ]
        other = "how far is the nearest whole number? np.round finds it"
        need_values(given, seen, right, mistakes, other)
    return len(cases)


@checker
def check_peak_frequency(fn: Callable) -> int:
    """Exercise 01.4: signal (n,) -> its strongest frequency but 0, cycles per sample."""
    waves = [  # (samples, [(amplitude, cycles in all of them, phase)], mean)
        (32, [(1.0, 4, 2.8), (0.3, 7, 0.0)], 5.0),  # the peak's real part is negative
        (45, [(0.5, 3, 0.0), (1.0, 20, 1.0)], -2.0),
        (24, [(0.4, 12, 0.0), (0.2, 2, 0.5)], 0.0),
    ]
    # Above n / 2 each wave has a mirror image; which of the two rounds higher is a matter of luck
    waves += [(7, [(1.0, 3, 0.2 + 0.5 * i)], 1.0) for i in range(12)]
    for n, parts, mean in waves:
        given = f"{n} samples of {len(parts)} wave(s) about {mean:g}"
        signal = [
            mean + sum(a * math.cos(2 * math.pi * k * x / n + phase) for a, k, phase in parts)
            for x in range(n)
        ]
        peak = call(fn, given, np.array(signal))
        need_shape(given, peak, (), {}, "one number is asked for, the frequency alone")
        waves_of = [
            sum(s * cmath.exp(-2j * math.pi * k * x / n) for x, s in enumerate(signal))
            for k in range(n // 2 + 1)
        ]
        power = [abs(wave) for wave in waves_of]
        real = max(range(1, n // 2 + 1), key=lambda k: waves_of[k].real)
        k = max(range(1, n // 2 + 1), key=power.__getitem__)
        mistakes = [
            (0.0, "that is the mean, which has frequency 0: subtract it first"),
            (k, "that is the number of the bin; divide by the number of samples"),
            (k - 1, "that is the number of a bin; divide by the number of samples"),
            ((k - 1) / n, "a slice that starts at bin 1 counts from 0 again: add 1"),
            (1 - k / n, "the upper half of fft repeats the lower one; rfft gives the lower alone"),
            (-k / n, "the upper half of fft repeats the lower one; rfft gives the lower alone"),
            (2 * k / n, "divide by the number of samples, not by the number of bins"),
            (k / (n // 2 + 1), "divide by the number of samples, not by the number of bins"),
            (2 * math.pi * k / n, "that is in radians; cycles per sample are asked for"),
            (n / k, "that is the period; the frequency is one over it"),
            (real / n, "compare moduli: np.abs before argmax"),
            (power[k], "that is how strong the peak is; where is it? argmax"),
        ]
        other = "subtract the mean, np.abs(np.fft.rfft(...)), argmax; bin k is k / n cycles"
        need_values(given, peak, np.array(k / n), mistakes, other)
    return len(waves)


@checker
def check_shift(fn: Callable) -> int:
    """Exercise 01.5: two groups (n,), (m,) -> difference of means in standard deviations."""
    cases = [  # worked by hand
        ([1.0, 3.0, 1.0, 3.0], [4.0, 6.0, 6.0, 4.0], 3.0),  # means 2, 5; both variances 1
        ([0.0, 0.0, 0.0, 4.0], [1.0, 1.0], 0.0),  # means 1, 1; the medians differ
        ([2.0, 6.0], [1.0, 2.0, 1.0, 2.0, 1.0, 2.0], -2.5 / math.sqrt((4 + 0.25) / 2)),
        ([0.0, 0.0, 3.0], [2.0, 6.0, 2.0, 2.0], 2 / math.sqrt((2 + 3) / 2)),  # means 1, 3
    ]
    for a, b, expected in cases:
        given = f"a = {a} and b = {b}"
        d = call(fn, given, np.array(a), np.array(b))
        need_shape(given, d, (), {}, "one number is asked for")
        mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
        var_a = sum((x - mean_a) ** 2 for x in a) / len(a)
        var_b = sum((x - mean_b) ** 2 for x in b) / len(b)
        middle = float(np.median(b) - np.median(a))
        gap, var = mean_b - mean_a, (var_a + var_b) / 2
        both = [*a, *b]
        whole = sum((x - sum(both) / len(both)) ** 2 for x in both) / len(both)
        less = (var_a * len(a) / (len(a) - 1) + var_b * len(b) / (len(b) - 1)) / 2
        mistakes = [
            (-expected, "the mean of b minus that of a: positive where b is larger"),
            (abs(expected), "keep the sign: negative where b is smaller"),
            (gap, "divide by the standard deviation within the groups"),
            (middle / math.sqrt(var), "means are asked for, not medians"),
            (gap / var, "divide by the root of the mean variance, not by the variance"),
            (gap / math.sqrt(2 * var), "halve the sum of the two variances"),
            (gap / math.sqrt(whole), "the spread within a group counts, not that of both together"),
            (gap / ((math.sqrt(var_a) + math.sqrt(var_b)) / 2), "average the variances, then root"),
            (gap / math.sqrt(less), "here a variance divides by n, as np.var does"),
            *((gap / math.sqrt(v), "both variances count, not one") for v in (var_a, var_b) if v),
        ]
        other = "(mean(b) - mean(a)) / sqrt((var(a) + var(b)) / 2)"
        need_values(given, d, np.array(expected), mistakes, other)
    return len(cases)
