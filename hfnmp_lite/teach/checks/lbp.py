"""Checks of notebook 02, local binary patterns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from hfnmp_lite.teach.checks.verdict import (
    call,
    checker,
    fail,
    need_shape,
    need_values,
    numbers,
)

# Right, upper right, up, upper left, left, lower left, down, lower right: (row, column).
AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


def _code(image: Sequence, row: int, column: int, around: Sequence = AROUND) -> int:
    """The code of one pixel, in plain Python."""
    centre = image[row][column]
    return sum(2**p for p, (r, c) in enumerate(around) if image[row + r][column + c] >= centre)


def _codes(image: np.ndarray, around: Sequence = AROUND) -> np.ndarray:
    rows, columns = image.shape
    levels = image.tolist()
    inner = [
        [_code(levels, r, c, around) for c in range(1, columns - 1)] for r in range(1, rows - 1)
    ]
    return np.array(inner)


def _other_codes(image: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """What known mistakes make of an image."""
    from skimage.feature import local_binary_pattern

    levels = image.astype(int)
    on_a_circle = local_binary_pattern(image, 8, 1)[1:-1, 1:-1]
    from_the_corner = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
    in_rows = tuple((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if r or c)
    clockwise = tuple((-r, c) for r, c in AROUND)
    right_is_next_row = tuple((c, r) for r, c in AROUND)
    return [  # where two give the same codes, the later is named
        *_other_orders(levels),
        (on_a_circle, "corners were interpolated on a circle: the whole pixel is asked for here"),
        (np.full_like(on_a_circle, 255), "every bit came out 1: was a neighbour compared with "
         "itself, or subtracted in uint8, which never goes below 0? Compare, do not subtract"),
        (255 - _codes(-levels), "a neighbour as bright as the centre sets its bit: >=, not >"),
        (_codes(-levels), "the comparison is the wrong way round: neighbour >= centre"),
        (255 - _codes(levels), "a bit is 1 where the neighbour is at least as bright, else 0"),
        (_codes(levels, AROUND[::-1]), "bit 0 weighs 1 and bit 7 weighs 128: 2**p"),
        (_codes(levels, clockwise), "the bits run counter-clockwise: rows count downwards"),
        (_codes(levels, from_the_corner), "bit 0 is the right neighbour, not the upper left"),
        (_codes(levels, in_rows), "the order is a circle from the right, not row by row"),
        (_codes(levels, right_is_next_row), "rows and columns changed places"),
        (_codes(levels) / 255, "the code itself is asked for, 0 to 255: do not divide"),
    ]  # fmt: skip


def _other_orders(levels: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """Codes whose ring starts elsewhere or runs the other way, and which."""
    names = ("right", "upper right", "upper", "upper left")
    names += ("left", "lower left", "lower", "lower right")
    rings = []
    for start in range(1, 8):
        for way, word in ((1, "counter-clockwise"), (-1, "clockwise")):
            ring = [AROUND[(start + way * p) % 8] for p in range(8)]
            cause = (
                f"bit 0 is the {names[start]} neighbour here and the ring runs {word}; asked for "
                "is the right one first, then counter-clockwise"
            )
            rings.append((_codes(levels, ring), cause))
    return rings


@checker
def check_lbp_code(fn: Callable) -> int:
    """Exercise 02.1: patch (3, 3) -> the code of its centre, 0 to 255."""
    cases = [  # worked by hand; the first tells all orders of the ring apart
        ([[9, 1, 9], [1, 5, 5], [1, 1, 1]], 1 + 2 + 8),  # 5 >= 5 counts
        ([[9, 9, 9], [9, 5, 5], [1, 1, 1]], 1 + 2 + 4 + 8 + 16),
        ([[1, 2, 3], [4, 5, 6], [7, 8, 9]], 1 + 32 + 64 + 128),
        ([[7, 7, 7], [7, 7, 7], [7, 7, 7]], 255),
        ([[0, 250, 0], [250, 100, 0], [0, 0, 0]], 4 + 16),  # the corner between them is dark
        ([[3, 3, 3], [3, 250, 3], [3, 3, 3]], 0),
    ]
    for p, (row, column) in enumerate(AROUND):  # each bit alone, and all but it
        alone, without = [[1, 2, 3], [4, 50, 5], [6, 7, 8]], [[91, 92, 93], [94, 50, 95], [96] * 3]
        alone[1 + row][1 + column], without[1 + row][1 + column] = 90 + p, p
        cases += [(alone, 2**p), (without, 255 - 2**p)]
    for patch, expected in cases:
        given = f"the patch {patch}"
        levels = np.array(patch, np.uint8)
        code = call(fn, given, levels)
        need_shape(given, code, (), {}, "one number is asked for: the sum of the bits' weights")
        mistakes = [(wrong[0, 0], cause) for wrong, cause in _other_codes(levels)]
        mistakes.append((bin(expected).count("1"), "bit p weighs 2**p; this counts the bits"))
        if expected:
            mistakes.append((2 * expected, "the right neighbour's bit weighs 1: 2**0"))
        other = "compare each neighbour with the centre, weigh with 2**p, add"
        need_values(given, code, np.array(float(expected)), mistakes, other)
    return len(cases)


@checker
def check_lbp_map(fn: Callable) -> int:
    """Exercise 02.2: image (H, W) uint8 -> codes of the inner pixels (H - 2, W - 2)."""
    sizes = [(5, 7), (9, 4)]
    for seed, (height, width) in enumerate(sizes):
        given = f"an image of shape ({height}, {width})"
        image = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
        image[1:4, 1:3] = 77  # neighbours as bright as the centre
        codes = call(fn, given, image)
        causes = {
            (height, width): "pixels of the border lack neighbours: leave them out",
            (8, height - 2, width - 2): "the eight bits were not added up",
            (height - 2, width - 2, 8): "the eight bits were not added up",
            (): "one code for each pixel is asked for, not one for the image",
        }
        need_shape(given, codes, (height - 2, width - 2), causes, "one code for each inner pixel")
        expected = _codes(image)
        mistakes = [
            *_other_codes(image),
            (_codes(image) % 128, "bit 7 is lost: 2**7 = 128 does not fit into int8"),
            (_codes(image).astype(np.int8), "codes above 127 do not fit into int8"),
        ]
        other = "shift the image for each neighbour, compare with the centre, weigh with 2**p"
        need_values(given, codes, expected.astype(float), mistakes, other)
    return len(sizes)


def _pictures() -> list[tuple[str, np.ndarray]]:
    """Small pictures, uint8: all levels in disorder and in order, a soft slope, white."""
    levels = np.random.default_rng(0).permutation(256).reshape(16, 16)
    levels = np.vstack([levels, levels[:1]])  # some of them twice
    snake = np.arange(256).reshape(16, 16)
    snake[1::2] = snake[1::2, ::-1]  # each level beside the next one
    slope = 100 + np.add.outer(np.arange(14) // 3, np.arange(18) // 4)
    white = np.full((14, 14), 255)
    white[4:9, 3:8] = 140
    return [
        ("an image that has all levels", levels.astype(np.uint8)),
        ("a ramp of all levels", np.pad(snake, 1, "edge").astype(np.uint8)),
        ("a soft slope", slope.astype(np.uint8)),
        ("a grey patch on white", white.astype(np.uint8)),
    ]


@checker
def check_nearly_black(fn: Callable) -> int:
    """Exercise 02.3: image uint8 -> floats in [0, 0.1], each code as it was."""
    pictures = _pictures()
    for given, image in pictures:
        dark = call(fn, given, image)
        need_shape(given, dark, image.shape, {}, "the picture keeps its shape")
        got = numbers(given, dark)
        if np.isnan(got).any():
            fail(given, "NaN", "numbers", "a division by zero, or a logarithm of zero")
        if got.min() < 0 or got.max() > 0.1 + 1e-6:
            said = f"values from {got.min():.3g} to {got.max():.3g}"
            cause = "255 is to become 0.1 or less, and 0 nothing below 0"
            fail(given, said, "values from 0 to 0.1", cause)
        wrong = (_codes(got) != _codes(image)).mean()
        if wrong:
            said = f"a picture with {wrong:.0%} of the codes changed"
            fail(given, said, "none changed", _why_codes_changed(image, got))
    return len(pictures)


def _why_codes_changed(image: np.ndarray, got: np.ndarray) -> str:
    became: dict[int, float] = {}
    for level, value in zip(image.ravel().tolist(), got.ravel().tolist(), strict=True):
        if became.setdefault(level, value) != value:
            return f"level {level} became {became[level]:.4g} here and {value:.4g} there"
    levels = sorted(became)
    for low, high in pairwise(levels):
        if became[low] == became[high]:
            return (
                f"levels {low} and {high} both became {became[low]:.4g}; stay with floats, "
                "do not round or clip, or take a gentler curve"
            )
        if became[low] > became[high]:
            return f"level {high} became darker than level {low}: keep the order of the levels"
    return "keep the order of the levels"


@checker
def check_one_level(fn: Callable) -> int:
    """Exercise 02.5: image uint8 -> uint8, no pixel moved by more than 1, a third of codes new."""
    pictures = _pictures()[2:]
    for given, image in pictures:
        changed = call(fn, given, image)
        need_shape(given, changed, image.shape, {}, "the picture keeps its shape")
        kind = getattr(changed, "dtype", type(changed).__name__)
        if str(kind).removeprefix("torch.") != "uint8":
            fail(given, str(kind), "uint8", "call .astype(np.uint8) at the end")
        step = np.abs(numbers(given, changed) - image).max()
        if step > 1:
            cause = "a pixel may move by one level up or down"
            if step > 200:
                cause = "uint8 counts in a circle, 255 + 1 = 0: np.clip(..., 0, 255) before uint8"
            fail(given, f"a pixel moved by {step:.0f} levels", "1 at most", cause)
        share = (_codes(numbers(given, changed)) != _codes(image)).mean()
        if share < 1 / 3:
            cause = "neighbours must move differently: some up, some down, some not at all"
            if np.ptp(numbers(given, changed) - image) == 0:
                cause = "all pixels moved alike, which keeps every comparison"
            fail(given, f"{share:.0%} of the codes changed", "a third or more", cause)
    return len(pictures)


@checker
def check_smallest_rotation(fn: Callable) -> int:
    """Exercise 02.4: code, number of bits -> the smallest of its rotations."""
    cases = [  # worked by hand
        (0b00101100, 8, 0b00001011),
        (0b10000000, 8, 0b00000001),
        (0b11000001, 8, 0b00000111),
        (0b1011, 4, 0b0111),
        (0b100100, 6, 0b001001),
        (0b00010001, 8, 0b00010001),
        (255, 8, 255),
        (0, 8, 0),
    ]
    for code, points, expected in cases:
        given = f"the code {code} ({code:0{points}b}) of {points} bits"
        smallest = call(fn, given, code, points)
        need_shape(given, smallest, (), {}, "one number is asked for")
        bits, ones = f"{code:0{points}b}", code.bit_count()
        turned = [int(bits[i:] + bits[:i], 2) for i in range(points)]
        eight, short = f"{code:08b}", f"{code:b}"
        short_turned = [int(short[i:] + short[:i], 2) for i in range(len(short))]
        mistakes = [
            (
                code,
                f"the code came back as it was: try all rotations, and keep them to {points} bits",
            ),
            (turned[1], "one step is not enough: try all rotations"),
            (turned[-1], "one step is not enough: try all rotations"),
            (0, "bits that fall off on one side must come in again on the other"),
            (max(turned), "the smallest rotation is asked for, not the largest"),
            (ones, "the code is asked for, not the number of its ones"),
            (int(f"{min(turned):b}"), "these are the bits read as a decimal: int(text, 2)"),
            (2**ones - 1, "bits turn together, they do not move past each other"),
            (min(short_turned), f"leading zeros turn, too: write the code in {points} bits"),
            (int(bits[::-1], 2), "turn the bits in a circle; do not mirror them"),
        ]
        if points != 8:
            in_eight = min(int(eight[i:] + eight[:i], 2) for i in range(8))
            mistakes.append((in_eight, f"the code has {points} bits here, not 8"))
        other = f"turned by 0 to {points - 1} bits it is one of {sorted(set(turned))}"
        need_values(given, smallest, np.array(float(expected)), mistakes, other)
    return len(cases)
