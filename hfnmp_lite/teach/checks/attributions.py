"""Checks of notebook 09, attributions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from hfnmp_lite.teach.checks.verdict import call, checker, fail, need_shape, need_values, say


@checker
def check_integrated_gradients(fn: Callable) -> int:
    """Exercise 09.1: gradient function, x, x0, steps -> attributions of the shape of x."""
    # f, its gradient; f = x^3 from 0 to 2 in two steps: 2 * (3 * .5^2 + 3 * 1.5^2) / 2 = 7.5
    cases = [
        ("f = 3 x[0] - x[1]", lambda x: np.array([3.0, -1.0]), [2.0, 1.0], [0.5, 3.0], 4),
        ("f = x[0]^3, from 0", lambda x: 3 * np.asarray(x) ** 2, [2.0], [0.0], 2),
        ("f = x[0]^3 + x[1]^3", lambda x: 3 * np.asarray(x) ** 2, [2.0, -1.0], [1.0, 3.0], 3),
    ]
    for given, gradient, x, x0, steps in cases:
        given = f"{given}, x = {x}, x0 = {x0} and {steps} steps"
        found = call(fn, given, gradient, np.array(x), np.array(x0), steps)
        causes = {
            (): "the attributions were added up; keep one for each input",
            (steps, len(x)): "the gradients were not averaged over the steps",
        }
        need_shape(given, found, (len(x),), causes, "one attribution is asked for each input")
        gap = [a - b for a, b in zip(x, x0, strict=True)]

        def mean(places: list[float], gradient=gradient, x0=x0, gap=gap) -> list[float]:
            points = [[b + t * g for b, g in zip(x0, gap, strict=True)] for t in places]
            slopes = [gradient(p) for p in points]
            return [sum(s[i] for s in slopes) / len(places) for i in range(len(gap))]

        middles = [(k + 0.5) / steps for k in range(steps)]
        slope = mean(middles)
        expected = np.multiply(slope, gap)
        from_zero = [gradient([t * a for a in x]) for t in middles]
        mistakes = [
            (slope, "the mean gradient was not multiplied by x - x0"),
            (np.multiply(slope, x), "multiply by x - x0, not by x"),
            (-expected, "the sign: multiply by x - x0, not by x0 - x"),
            (expected * steps, "the gradients were added up; take their mean"),
            (expected / steps, "divided by the number of steps once too often"),
            (
                np.multiply(gradient(x), gap),
                "this is the gradient at x alone; average along the path",
            ),
            (np.multiply(np.mean(from_zero, axis=0), gap), "the path starts at x0, not at zero"),
            (np.multiply(mean([k / steps for k in range(steps)]), gap), _MIDDLES),
            (np.multiply(mean([(k + 1) / steps for k in range(steps)]), gap), _MIDDLES),
            (np.multiply(mean([float(t) for t in np.linspace(0, 1, steps)]), gap), _MIDDLES),
        ]
        need_values(given, found, expected, mistakes, "compare with the equation, term by term")
    return len(cases)


_MIDDLES = "take the gradient in the middle of each piece: at (k + 1/2) / steps of the way"


def _occlusion_cases() -> Iterator[tuple]:
    """(in words, respond, image, baseline, window, what the response loses)."""

    def brightness(image: np.ndarray) -> float:
        return float(np.asarray(image).sum())

    def corner(image: np.ndarray) -> float:
        return 4 * float(image[0, 0]) - float(image[2, 3])

    def weighted(image: np.ndarray) -> float:
        return float((np.asarray(image) * weights).sum())

    image, grey = np.arange(20.0).reshape(4, 5), np.full((4, 5), 0.5)
    # brightness: 1 + 2 + 6 + 7 = 16 becomes 4 * .5 = 2; corner: 4 * 0 becomes 4 * .5, then none,
    # then -13 becomes -.5 in a window that the border cuts
    yield "respond = the sum of all pixels", brightness, image, grey, (0, 1, 2), 14.0
    for window, lost in (((0, 0, 2), -2.0), ((1, 1, 1), 0.0), ((2, 3, 3), -12.5)):
        yield "respond = 4 image[0, 0] - image[2, 3]", corner, image, grey, window, lost
    # where every pixel weighs differently no other window gives the same: in plain Python
    weights, slope = 1 + np.arange(20.0).reshape(4, 5) ** 2, np.arange(20.0).reshape(5, 4).T / 7
    for top, left, side in ((1, 2, 2), (2, 0, 1), (0, 3, 2), (2, 1, 2), (1, 1, 3)):
        inside = [(r, c) for r in range(top, top + side) for c in range(left, left + side)]
        covered = [p for p in inside if p[0] < 4 and p[1] < 5]
        lost = sum(float(weights[p] * (image[p] - slope[p])) for p in covered)
        what = "respond = a sum in which every pixel has a weight of its own"
        yield what, weighted, image, slope, (top, left, side), lost


@checker
def check_occlusion_change(fn: Callable) -> int:
    """Exercise 09.2: respond, image, baseline, top, left, side -> the response's loss."""
    cases = list(_occlusion_cases())
    for what, respond, image, baseline, (top, left, side), expected in cases:
        given = f"{what}, window at ({top}, {left}) of side {side}"
        found = call(fn, given, respond, image, baseline, top, left, side)
        need_shape(given, found, (), {}, "one number is asked for: how much the response loses")
        patched = [[float(v) for v in row] for row in image]
        for row in range(top, min(top + side, 4)):
            for column in range(left, min(left + side, 5)):
                patched[row][column] = 0.0
        black = respond(image) - respond(np.array(patched))
        mistakes = [
            (-expected, "the sign: the response of the image less that of the occluded one"),
            (respond(image) - expected, "this is the response of the occluded image; subtract it"),
            (black, "the window was set to zero; take it from the baseline"),
            (respond(image) - respond(baseline), "the whole image was replaced, not the window"),
            (0.0, "the image that was compared with was occluded, too: work on a copy"),
        ]
        if expected == 0:
            mistakes = mistakes[1:4]
        need_values(
            given, found, np.array(expected), mistakes, "check rows and columns of the window"
        )
    return len(cases)


@checker
def check_stream_shapley(fn: Callable) -> int:
    """Exercise 09.3: four responses -> what the image stream adds, and the pattern."""
    # nothing, image alone, pattern alone, both -> worked by hand
    cases = [
        ((1.0, 3.0, 2.0, 4.0), (2.0, 1.0)),  # additive
        ((-1.0, 4.0, 1.0, 2.0), (3.0, 0.0)),
        ((0.5, -1.5, 3.5, 3.5), (-1.0, 4.0)),
        ((0.0, 0.0, 0.0, 6.0), (3.0, 3.0)),  # only together
        ((0.5, 1.0, 2.25, 3.0), (0.625, 1.875)),
    ]
    for (nothing, image, pattern, both), expected in cases:
        given = f"nothing {nothing}, image {image}, pattern {pattern}, both {both}"
        found = call(fn, given, nothing, image, pattern, both)
        need_shape(
            given,
            found,
            (2,),
            {(): "one number came back; two are asked for"},
            "return two numbers: of the image stream, then of the pattern",
        )
        first = (image - nothing, pattern - nothing)
        last = (both - pattern, both - image)
        mistakes = [
            (expected[::-1], "the image stream comes first, then the pattern"),
            (first, "this is what each adds alone; take the mean over both orders of joining"),
            (last, "this is what each adds last; take the mean over both orders of joining"),
            ((2 * expected[0], 2 * expected[1]), "halve the sums: there are two orders"),
            ((image, pattern), "these are responses; subtract what was there before"),
            ((first[0], last[1]), "one order of joining alone: image first; take both"),
            ((last[0], first[1]), "one order of joining alone: pattern first; take both"),
        ]
        need_values(
            given, found, np.array(expected), mistakes, "the two must add to both - nothing"
        )
    return len(cases)


@checker
def check_share_inside(fn: Callable) -> int:
    """Exercise 09.4: map (H, W), member (H, W) -> share inside, share by chance."""
    # worked by hand: values, member -> sum |v| m / sum |v|, mean of m
    cases = [
        ([[-3.0, 1.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]], (0.75, 0.25)),
        ([[2.0, -2.0], [1.0, -3.0]], [[1.0, 1.0], [0.0, 0.0]], (0.5, 0.5)),
        ([[4.0, 0.0], [-4.0, 2.0], [0.0, 0.0]], [[0.5, 1.0], [0.0, 1.0], [0.0, 0.5]], (0.4, 0.5)),
    ]
    for values, member, expected in cases:
        given = f"values {values} and member {member}"
        found = call(fn, given, np.array(values), np.array(member))
        if isinstance(found, dict):
            fail(given, say(found), "two numbers", "return the share, then the area")
        need_shape(
            given,
            found,
            (2,),
            {(): "one number came back; the share by chance is asked for, too"},
            "return two numbers: the share inside, then the share by chance",
        )
        v, m = np.array(values), np.array(member)
        signed = (v * m).sum() / v.sum() if v.sum() else np.inf
        positive = (np.maximum(v, 0) * m).sum() / max(np.maximum(v, 0).sum(), 1e-9)
        hard = (np.abs(v) * (m > 0)).sum() / np.abs(v).sum()
        share, area = expected
        mistakes = [
            (expected[::-1], "the share inside comes first, then the share by chance"),
            ((signed, area), "signs cancel: take absolute values first"),
            ((positive, area), "negative values were left out: take absolute values"),
            ((hard, area), "membership is a weight in [0, 1]: multiply by it"),
            ((hard, (m > 0).mean()), "membership is a weight in [0, 1]: multiply by it"),
            ((share, m.sum()), "by chance: the mean of member, not its sum"),
            ((np.abs(v * m).sum(), area), "divide by the absolute sum of the whole map"),
            ((np.abs(v * m).mean(), area), "divide by the absolute sum of the whole map"),
        ]
        need_values(given, found, np.array(expected), mistakes, "compare with the two equations")
    return len(cases)
