"""Checks of notebook 10, real data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hfnmp_lite.teach.checks.verdict import call, checker, fail, need_shape, need_values, say


@checker
def check_read_name(fn: Callable) -> int:
    """Exercise 10.1: name of a video of OULU-NPU -> (number of the user, kind)."""
    cases = [
        ("3_1_07_4.avi", (7, "replay")),
        ("1_2_21_1.avi", (21, "live")),
        ("6_3_55_2.avi", (55, "print")),
        ("4_1_36_3.avi", (36, "print")),
        ("2_3_8_5.AVI", (8, "replay")),
    ]
    for name, expected in cases:
        given = f"'{name}'"
        got = call(fn, given, name)
        if not isinstance(got, tuple | list) or len(got) != 2:
            fail(given, say(got), f"{expected}", "two things are asked for, number and kind")
        user, kind = got
        phone, session, _, file = (int(part) for part in name.split(".")[0].split("_"))
        if kind != expected[1]:
            causes = {
                file: "the number of the file is not its kind: 1 live, 2 and 3 print, 4 and 5 "
                "replay"
            }
            fail(
                given,
                say(got),
                f"{expected}",
                causes.get(kind, "the kind: file 1 is live, 2 and 3 are print, 4 and 5 replay"),
            )
        if isinstance(user, str):
            fail(given, say(got), f"{expected}", "the number is text; int() makes it a number")
        if user != expected[0]:
            cause = "the user is the third number: Phone_Session_User_File"
            if user in (phone, session):
                cause = "that is the phone or the session; " + cause
            fail(given, say(got), f"{expected}", cause)
    return len(cases)


@checker
def check_choose_frames(fn: Callable) -> int:
    """Exercise 10.2: names in a zip, how many -> that many frames, evenly spaced, both ends in."""
    cases = [
        (["0.png", "1.png", "10.png", "11.png", "2.png", "20.png", "9.png", "info.txt"], 2),
        (["30.png", "7.png", "100.png", "8.png", "9.png", "info.txt"], 3),
        (["3.png", "info.txt", "12.png"], 2),
        (["5.png", "40.png", "info.txt"], 4),
        (["6.png", "info.txt"], 1),
        (["36.png", "112.png", "103.png", "26.png", "info.txt"], 3),
    ]
    expected = [
        ["0.png", "20.png"],
        ["7.png", "9.png", "100.png"],
        ["3.png", "12.png"],
        ["5.png", "40.png"],
        ["6.png"],
        ["26.png", "36.png", "112.png"],
    ]
    for (names, count), right in zip(cases, expected, strict=True):
        given = f"{names} and count {count}"
        got = call(fn, given, names, count)
        if not isinstance(got, list | tuple) or not all(isinstance(n, str) for n in got):
            fail(given, say(got), f"{right}", "a list of names is asked for")
        got = list(got)
        if got == right:
            continue
        frames = [n for n in names if n != "info.txt"]
        as_text = sorted(frames)
        in_order = sorted(frames, key=lambda n: int(n[:-4]))
        if "info.txt" in got:
            cause = "info.txt is no frame: keep the names that end in .png"
        elif len(got) > len(right):
            cause = "more names than were asked for, or one of them twice"
        elif len(got) < len(right):
            cause = "too few: where the zip holds fewer frames than asked for, all are taken"
        elif got == in_order[:count]:
            cause = "these are the first ones; they are to be spaced over the whole video"
        elif got in (_spaced(as_text, count), as_text[:count]):
            cause = "the names were sorted as text, where '10' comes before '2'; sort by int"
        elif got == _spaced(frames, count):
            cause = "the names were taken in the zip's order, which means nothing; sort by int"
        elif got[-1] != right[-1]:
            cause = "the last frame is missing: both ends are included, as with np.linspace"
        else:
            cause = "places np.linspace(0, n - 1, count), cut down to integers"
        fail(given, say(got), f"{right}", cause)
    return len(cases)


def _spaced(names: list[str], count: int) -> list[str]:
    if len(names) <= count:
        return names
    return [names[i * (len(names) - 1) // max(1, count - 1)] for i in range(count)]


@checker
def check_rates_of_all(fn: Callable) -> int:
    """Exercise 10.3: scores with NaN for no score, labels, threshold -> (FAR, FRR) over all."""
    nan = np.nan
    cases = [
        ("six scores, all there", [0.9, 0.4, 0.6, 0.8, 0.2, 0.1], [1, 1, 1, 0, 0, 0], 0.5),
        ("a live video without a score", [0.9, nan, 0.6, 0.4, 0.8, 0.2], [1, 1, 1, 1, 0, 0], 0.5),
        ("an attack without a score", [0.9, 0.4, nan, 0.8, 0.2, 0.7], [1, 1, 0, 0, 0, 0], 0.5),
        ("both, and a score at the threshold", [0.5, nan, nan, 0.5, 0.1], [1, 1, 0, 0, 0], 0.5),
    ]
    expected = [(1 / 3, 1 / 3), (1 / 2, 2 / 4), (2 / 4, 1 / 2), (1 / 3, 1 / 2)]
    for (given, scores, live, threshold), right in zip(cases, expected, strict=True):
        s, y = np.array(scores), np.array(live)
        got = call(fn, given, s, y, threshold)
        need_shape(given, got, (2,), {}, "two are asked for, FAR and FRR")
        attack, real = s[y == 0], s[y == 1]
        seen = [x[~np.isnan(x)] for x in (attack, real)]
        let_in, kept_out = (attack >= threshold).mean(), (~(real >= threshold)).mean()
        need_values(
            given,
            got,
            np.array(right),
            [
                (
                    ((seen[0] >= threshold).mean(), (seen[1] < threshold).mean()),
                    "videos without a score were left out of the denominators",
                ),
                (
                    (let_in, (real < threshold).mean()),
                    "NaN < threshold is False, so a live face that nobody saw counted as accepted",
                ),
                (
                    (1 - (attack < threshold).mean(), kept_out),
                    "NaN < threshold is False: an attack without a score was counted as accepted",
                ),
                (right[::-1], "FAR comes first"),
                (
                    ((attack > threshold).mean(), (~(real > threshold)).mean()),
                    "a score at the threshold is accepted: >=, not >",
                ),
            ],
            "FAR = accepted attacks / all attacks; FRR = live that were not accepted / all live",
        )
    return len(cases)


@checker
def check_for_rgb(fn: Callable) -> int:
    """Exercise 10.4: weights (out, 3, k, k) that saw BGR -> weights for RGB."""
    import torch

    sizes = [(2, 3), (4, 1)]
    for out, side in sizes:
        given = f"weights of shape ({out}, 3, {side}, {side})"
        weight = torch.arange(out * 3 * side * side, dtype=torch.float32)
        weight = (weight.view(out, 3, side, side) / 10).contiguous()
        got = call(fn, given, weight)
        if not isinstance(got, torch.Tensor):
            fail(given, say(got), "a torch.Tensor", "stay in torch")
        need_shape(given, got, tuple(weight.shape), {}, "only the order of the channels changes")
        right = torch.stack([weight[:, 2], weight[:, 1], weight[:, 0]], 1)
        need_values(
            given,
            got,
            right.numpy(),
            [
                (weight.numpy(), "nothing was exchanged"),
                (weight.numpy()[::-1], "the outputs were reversed, not the input channels: axis 1"),
                (weight.numpy()[..., ::-1], "the kernel was mirrored; the channels are axis 1"),
                (np.roll(weight.numpy(), 1, 1), "the channels were rolled: BGR is RGB reversed"),
                (np.roll(weight.numpy(), -1, 1), "the channels were rolled: BGR is RGB reversed"),
            ],
            "input channel 0 of the result is channel 2 of the weights given",
        )
    return len(sizes)
