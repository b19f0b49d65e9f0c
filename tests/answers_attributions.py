"""Right and wrong answers to the exercises of notebook 09, for tests/test_checks.py."""

import numpy as np


def integrated_gradients(gradient, x, x0, steps):
    way = (np.arange(steps) + 0.5) / steps
    return (x - x0) * np.mean([gradient(x0 + t * (x - x0)) for t in way], axis=0)


def integrated_gradients_in_a_loop(gradient, x, x0, steps):
    total = [0.0] * len(x)
    for k in range(steps):
        point = [b + (k + 0.5) / steps * (a - b) for a, b in zip(x, x0, strict=True)]
        for i, slope in enumerate(gradient(np.array(point))):
            total[i] += slope / steps
    return [t * (a - b) for t, a, b in zip(total, x, x0, strict=True)]


def from_the_ends(gradient, x, x0, steps):
    return (x - x0) * np.mean(
        [gradient(x0 + t * (x - x0)) for t in np.linspace(0, 1, steps)], axis=0
    )


def in_place(gradient, x, x0, steps):
    x -= x0
    return x * np.mean([gradient(x0 + (k + 0.5) / steps * x) for k in range(steps)], axis=0)


def occlusion_change(respond, image, baseline, top, left, side):
    patched = image.copy()
    window = np.s_[top : top + side, left : left + side]
    patched[window] = baseline[window]
    return respond(image) - respond(patched)


def occlusion_change_by_mask(respond, image, baseline, top, left, side):
    rows, columns = np.indices(image.shape)
    inside = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
    return np.float64(respond(image) - respond(np.where(inside, baseline, image)))


def occlude_the_image_itself(respond, image, baseline, top, left, side):
    before = respond(image)
    window = np.s_[top : top + side, left : left + side]
    image[window] = baseline[window]
    return before - respond(image)


def occlude_with_black(respond, image, baseline, top, left, side):
    return occlusion_change(respond, image, 0 * baseline, top, left, side)


def rows_and_columns_changed(respond, image, baseline, top, left, side):
    return occlusion_change(respond, image, baseline, left, top, side)


def stream_shapley(nothing, image_alone, pattern_alone, both):
    image = ((image_alone - nothing) + (both - pattern_alone)) / 2
    return image, both - nothing - image


def stream_shapley_as_array(nothing, image_alone, pattern_alone, both):
    joint = both - nothing
    apart = image_alone - pattern_alone
    return np.array([(joint + apart) / 2, (joint - apart) / 2])


def share_inside(values, member):
    mass = np.abs(values)
    return (mass * member).sum() / mass.sum(), member.mean()


def share_inside_in_a_loop(values, member):
    inside = whole = covered = 0.0
    for v, m in zip(np.ravel(values), np.ravel(member), strict=True):
        inside, whole, covered = inside + abs(v) * m, whole + abs(v), covered + m
    return [inside / whole, covered / member.size]


ANSWERS = {
    "integrated_gradients": (
        [integrated_gradients, integrated_gradients_in_a_loop],
        [
            (
                lambda g, x, x0, n: integrated_gradients(g, x, x0, n) / (x - x0),
                ["not multiplied by x - x0"],
            ),
            (lambda g, x, x0, n: g(x) * (x - x0), ["gradient at x alone", "x[0]^3"]),
            (lambda g, x, x0, n: n * integrated_gradients(g, x, x0, n), ["take their mean"]),
            (lambda g, x, x0, n: -integrated_gradients(g, x, x0, n), ["x0 - x"]),
            (lambda g, x, x0, n: integrated_gradients(g, x, x0, n).sum(), ["added up"]),
            (
                lambda g, x, x0, n: (x - x0) * integrated_gradients(g, x, 0 * x, n) / x,
                ["starts at x0"],
            ),
            (from_the_ends, ["middle of each piece"]),
            (in_place, ["changed its input"]),
        ],
    ),
    "occlusion_change": (
        [occlusion_change, occlusion_change_by_mask],
        [
            (lambda *given: -occlusion_change(*given), ["the sign", "-14", "expected 14"]),
            (occlude_the_image_itself, ["changed its input"]),
            (occlude_with_black, ["set to zero", "baseline"]),
            (rows_and_columns_changed, ["rows and columns"]),
            (
                lambda f, x, x0, *window: f(x) - occlusion_change(f, x, x0, *window),
                ["response of the occluded image"],
            ),
            (lambda f, x, x0, *window: f(x) - f(x0), ["whole image"]),
            (lambda f, x, x0, *window: 0.0, ["work on a copy"]),
            (lambda f, x, x0, *window: x - x0, ["one number"]),
        ],
    ),
    "stream_shapley": (
        [stream_shapley, stream_shapley_as_array],
        [
            (lambda n, i, p, b: stream_shapley(n, i, p, b)[::-1], ["comes first"]),
            (lambda n, i, p, b: (i - n, p - n), ["adds alone", "both orders"]),
            (lambda n, i, p, b: (b - p, b - i), ["adds last"]),
            (lambda n, i, p, b: (i - n, b - i), ["image first"]),
            (lambda n, i, p, b: (b - p, p - n), ["pattern first"]),
            (lambda n, i, p, b: (i - n + b - p, p - n + b - i), ["halve"]),
            (lambda n, i, p, b: (i, p), ["subtract what was there"]),
            (lambda n, i, p, b: (b - n) / 2, ["two are asked for"]),
            (lambda n, i, p, b: (7.0, 8.0), ["both - nothing"]),
        ],
    ),
    "share_inside": (
        [share_inside, share_inside_in_a_loop],
        [
            (lambda v, m: ((v * m).sum() / v.sum(), m.mean()), ["signs cancel"]),
            (lambda v, m: share_inside(v, m)[0], ["by chance is asked for"]),
            (lambda v, m: share_inside(v, m)[::-1], ["comes first"]),
            (lambda v, m: (share_inside(v, m)[0], m.sum()), ["not its sum"]),
            (lambda v, m: (np.abs(v * m).sum(), m.mean()), ["whole map"]),
            (lambda v, m: share_inside(v, (m > 0).astype(float)), ["weight in [0, 1]"]),
            (lambda v, m: share_inside(np.maximum(v, 0), m), ["absolute values"]),
        ],
    ),
}
