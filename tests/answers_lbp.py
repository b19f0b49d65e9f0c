"""Right and wrong answers to the exercises of notebook 02, for tests/test_checks.py."""

import numpy as np
from skimage.feature import local_binary_pattern

AROUND = [(0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1)]


def lbp_code(patch, around=AROUND, set_by=np.greater_equal):
    return sum(2**p for p, (r, c) in enumerate(around) if set_by(patch[1 + r, 1 + c], patch[1, 1]))


def lbp_code_by_places(patch):
    ring = patch[[1, 0, 0, 0, 1, 2, 2, 2], [2, 2, 1, 0, 0, 0, 1, 2]]
    return int((ring >= patch[1, 1]) @ (1 << np.arange(8)))


def lbp_map(image, around=AROUND, set_by=np.greater_equal):
    height, width = image.shape
    codes = np.zeros((height - 2, width - 2), int)
    for p, (r, c) in enumerate(around):
        there = image[1 + r : height - 1 + r, 1 + c : width - 1 + c]
        codes += set_by(there, image[1:-1, 1:-1]) * 2**p
    return codes


def lbp_map_by_patches(image):
    patches = np.lib.stride_tricks.sliding_window_view(image, (3, 3))
    return [[lbp_code(patch) for patch in row] for row in patches]


def lbp_map_in_place(image):
    codes = lbp_map(image)
    image[:] = 0
    return codes


def random_step(image):
    step = np.random.default_rng(0).integers(-1, 2, image.shape)
    return np.clip(image + step, 0, 255).astype(np.uint8)


def lower_a_lattice(image):
    changed = image.copy()
    changed[::2, ::2] -= 1
    return changed


def wrapping_step(image):
    return image + np.random.default_rng(0).integers(0, 2, image.shape).astype(np.uint8)


def smallest_rotation(code, points):
    smallest = code
    for _ in range(points - 1):
        code = code >> 1 | (code & 1) << (points - 1)
        smallest = min(smallest, code)
    return smallest


def smallest_rotation_of_text(code, points):
    bits = f"{code:0{points}b}"
    return min(int(bits[i:] + bits[:i], 2) for i in range(points))


def subtracted(image):
    """The comparison as a difference of uint8, which is never negative."""
    return lbp_map(image, set_by=lambda there, centre: there - centre >= 0)


CORNER = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
CLOCKWISE = [(-r, c) for r, c in AROUND]

ANSWERS = {
    "lbp_code": (
        [lbp_code, lbp_code_by_places],
        [
            (lambda x: lbp_code(x, set_by=np.greater), [">=, not >", "expected 11"]),
            (lambda x: lbp_code(x, AROUND[2:] + AROUND[:2]), ["upper neighbour", "counter-clock"]),
            (
                lambda x: lbp_code(x, AROUND[5::-1] + AROUND[:5:-1]),
                ["lower left", "runs clockwise"],
            ),
            (lambda x: np.packbits(x[1] >= x[1, 1])[0], ["weigh with 2**p"]),
            (lambda x: int(subtracted(x)[0, 0]), ["never goes below 0"]),
            (lambda x: local_binary_pattern(x, 8, 1)[1, 1], ["interpolated", "expected 20"]),
            (lambda x: str(lbp_code(x)), ["'11'", "not all numbers"]),
            (lambda x: lbp_code(x, set_by=np.less_equal), ["wrong way round"]),
            (lambda x: lbp_code(x, CORNER), ["not the upper left"]),
            (lambda x: lbp_code(x, CLOCKWISE), ["counter-clockwise"]),
            (lambda x: lbp_code(x, AROUND[::-1]), ["bit 0 weighs 1"]),
            (lambda x: 2 * lbp_code(x), ["weighs 1: 2**0"]),
            (lambda x: bin(lbp_code(x)).count("1"), ["counts the bits"]),
            (lambda x: x >= x[1, 1], ["shape (3, 3)", "the sum"]),
            (lambda x: lbp_code(x) / 255, ["do not divide"]),
            (lambda x: 254, ["weigh with 2**p"]),
        ],
    ),
    "lbp_map": (
        [lbp_map, lbp_map_by_patches],
        [
            (lambda x: lbp_map(x, set_by=np.greater), [">=, not >"]),
            (lambda x: lbp_map(x, CORNER), ["not the upper left"]),
            (lambda x: lbp_map(x, CLOCKWISE), ["counter-clockwise"]),
            (lambda x: lbp_map(x, [(c, r) for r, c in AROUND]), ["rows and columns"]),
            (lambda x: lbp_map(np.pad(x, 1)), ["shape (5, 7)", "leave them out"]),
            (lambda x: lbp_map(x) % 128, ["128", "int8"]),
            (lambda x: 255 - lbp_map(x), ["else 0"]),
            (lambda x: lbp_code(x[:3, :3]), ["not one for the image"]),
            (lambda x: np.stack([lbp_map(x) >> p & 1 for p in range(8)]), ["not added up"]),
            (lambda x: lbp_map(x)[::-1], ["shift the image"]),
            (lambda x: lbp_map(x, AROUND[2:] + AROUND[:2]), ["upper neighbour", "counter-clock"]),
            (lambda x: lbp_map(x, AROUND[2::-1] + AROUND[:2:-1]), ["upper neighbour", "clockwise"]),
            (subtracted, ["never goes below 0"]),
            (lambda x: lbp_map(x).astype(np.int8), ["int8"]),
            (lambda x: local_binary_pattern(x, 8, 1)[1:-1, 1:-1], ["interpolated"]),
            (lambda x: local_binary_pattern(x, 8, 1), ["leave them out"]),
            (lbp_map_in_place, ["changed its input"]),
        ],
    ),
    "nearly_black": (
        [
            lambda x: x / 2550,
            lambda x: (x / 255) ** 4 / 10,
            lambda x: 0.01 + np.log1p(x.astype(np.float32)) / 100,
        ],
        [
            (lambda x: x / 255, ["from 0 to 1", "0.1"]),
            (lambda x: np.zeros(x.shape), ["levels 0 and 1 both became 0", "stay with floats"]),
            (lambda x: np.round(x / 2550, 2), ["both became", "do not round"]),
            (lambda x: np.minimum(x / 1000, 0.1), ["levels 100 and 101", "do not round or clip"]),
            (lambda x: 0.1 - x / 2550, ["darker than", "keep the order"]),
            (lambda x: x / 2550 - 0.05, ["from -0.05"]),
            (lambda x: (x // 10).astype(np.uint8), ["from 0 to 25"]),
            (lambda x: np.sort(x, axis=0) / 2550, ["became", "here and", "there"]),
            (lambda x: (x / 2550)[1:], ["shape (16, 16)", "keeps its shape"]),
            (lambda x: np.full(x.shape, np.nan), ["NaN"]),
            (lambda x: (x / 255) ** 200 / 10, ["ramp", "0 and 1 both became 0", "gentler"]),
        ],
    ),
    "one_level": (
        [random_step, lower_a_lattice],
        [
            (lambda x: x, ["0% of the codes", "moved alike"]),
            (lambda x: x - np.uint8(1), ["moved alike"]),
            (wrapping_step, ["moved by 255", "counts in a circle", "np.clip"]),
            (lambda x: random_step(x).astype(int), ["int64", ".astype(np.uint8)"]),
            (lambda x: x // 2, ["moved by 54", "one level"]),
            (lambda x: random_step(x)[1:], ["keeps its shape"]),
            (lambda x: x - (np.arange(x.shape[1]) > 6).astype(np.uint8), ["differently"]),
            (lambda x: random_step(x).tolist(), ["list", "expected uint8"]),
            (lambda x: x ^ 1, ["0% of the codes"]),
        ],
    ),
    "smallest_rotation": (
        [smallest_rotation, smallest_rotation_of_text],
        [
            (lambda c, p: c, ["as it was"]),
            (lambda c, p: min(c >> i for i in range(p)), ["come in again"]),
            (lambda c, p: c.bit_count(), ["number of its ones"]),
            (lambda c, p: 2 ** c.bit_count() - 1, ["past each other"]),
            (lambda c, p: smallest_rotation(c, 8), ["4 bits here, not 8"]),
            (lambda c, p: c >> 1 | (c & 1) << (p - 1), ["one step"]),
            (lambda c, p: int(f"{c:0{p}b}"[::-1], 2), ["mirror"]),
            (
                lambda c, p: max(int((b := f"{c:0{p}b}")[i:] + b[:i], 2) for i in range(p)),
                ["not the largest"],
            ),
            (lambda c, p: [smallest_rotation(c, p)], ["shape (1,)"]),
            (lambda c, p: min(c << i | c >> (p - i) for i in range(p)), ["keep them to 8 bits"]),
            (lambda c, p: smallest_rotation_of_text(c, c.bit_length() or 1), ["leading zeros"]),
            (lambda c, p: f"{smallest_rotation(c, p):0{p}b}", ["'00001011'", "not all numbers"]),
            (lambda c, p: int(f"{smallest_rotation(c, p):b}"), ["int(text, 2)"]),
            (lambda c, p: 77, ["it is one of"]),
        ],
    ),
}
