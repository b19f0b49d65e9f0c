"""Every check passes a right answer and names what is wrong with a wrong one."""

from __future__ import annotations

import copy
import inspect
import runpy
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from hfnmp_lite.teach import checks


def stub(*arguments):
    raise NotImplementedError()


def nothing(*arguments):
    return None


def wrong_arguments():
    return 0


def raises(*arguments):
    return [1, 2][len(arguments) + 5]


def undefined(*arguments):
    return faces_of_mine  # noqa: F821


def leaves(*arguments):
    raise SystemExit(3)


# One entry a check: right answers (more than one way to write each), and wrong ones with words
# that their message must hold.


def count_kinds(presentations):
    return Counter("live" if p.live else p.attack_type for p in presentations)


def count_kinds_with_zeros(presentations):
    counts = {"live": 0, "print": 0, "replay": 0}
    for p in presentations:
        counts[p.attack_type or "live"] += 1
    return counts


def count_frames(presentations):
    counts = Counter()
    for p in presentations:
        counts["live" if p.live else p.attack_type] += len(p.frames)
    return counts


def count_and_eat(presentations):
    counts = Counter()
    while presentations:
        p = presentations.pop()
        counts["live" if p.live else p.attack_type] += 1
    return counts


def to_batch(image):
    return torch.from_numpy(image).permute(2, 0, 1).float()[None] / 255


def to_batch_in_numpy(image):
    return torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255))


def to_batch_in_place(image):
    batch = torch.from_numpy(image).permute(2, 0, 1)[None]
    result = batch.float() / 255
    batch //= 2
    return result


def live_score(logits, maps):
    return (maps.mean((1, 2, 3)) + logits.softmax(1)[:, 1]) / 2


def live_score_by_hand(logits, maps):
    live = 1 / (1 + torch.exp(logits[:, 0] - logits[:, 1]))
    return 0.5 * maps.flatten(1).mean(1) + 0.5 * live


def error_rates(scores, live, threshold):
    accepted = scores >= threshold
    return accepted[live == 0].mean(), (~accepted)[live == 1].mean()


def error_rates_in_python(scores, live, threshold):
    attack = [s for s, real in zip(scores, live, strict=True) if not real]
    real = [s for s, real in zip(scores, live, strict=True) if real]
    return [sum(s >= threshold for s in attack) / len(attack), np.mean(np.less(real, threshold))]


ANSWERS = {
    "count_kinds": (
        [count_kinds, count_kinds_with_zeros],
        [
            (count_frames, ["frames were counted", "expected {'live': 2"]),
            (lambda ps: Counter(p.attack_type for p in ps), ["is None for a live face"]),
            (lambda ps: Counter(p.attack_type for p in ps if not p.live), ["live", "left out"]),
            (lambda ps: len(ps), ["expected a dict", "6"]),
            (count_and_eat, ["changed its input"]),
            (lambda ps: {"live": len(ps)}, ["{'live': 6}", "counts once"]),
        ],
    ),
    "to_batch": (
        [to_batch, to_batch_in_numpy],
        [
            (lambda x: 255 * to_batch(x), ["not divided by 255", "expected 1"]),
            (lambda x: to_batch(x)[0], ["shape (3, 4, 6)", "(1, 3, 4, 6)", "[None]"]),
            (lambda x: torch.from_numpy(x)[None].float() / 255, ["(1, 4, 6, 3)", "permute"]),
            (lambda x: torch.from_numpy(x).float() / 255, ["(4, 6, 3)", "permute"]),
            (lambda x: to_batch(x).transpose(2, 3), ["(1, 3, 6, 4)", "rows and columns"]),
            (
                lambda x: torch.from_numpy(x).reshape(1, 3, *x.shape[:2]).float() / 255,
                ["reshape moves no axis", "at ["],
            ),
            (lambda x: to_batch(x)[:, [2, 1, 0]], ["red and blue"]),
            (lambda x: to_batch(x) * 255 / 256, ["not by 256"]),
            (lambda x: 2 * to_batch(x) - 1, ["not [-1, 1]"]),
            (lambda x: to_batch(x).half(), ["torch.float16"]),
            (lambda x: to_batch(x).double(), ["torch.float64", ".float()"]),
            (lambda x: to_batch(x).numpy(), ["expected a torch.Tensor", "ndarray"]),
            (lambda x: to_batch(x) // 1, ["divided as integers"]),
            (lambda x: to_batch(x) * torch.nan, ["division by zero"]),
            (lambda x: to_batch(x).flip(3), ["other places"]),
            (to_batch_in_place, ["changed its input"]),
        ],
    ),
    "live_score": (
        [live_score, live_score_by_hand, lambda a, m: live_score(a, m).requires_grad_()],
        [
            (lambda a, m: a.softmax(1)[:, 1], ["map is missing"]),
            (lambda a, m: m.mean((1, 2, 3)), ["logits are missing"]),
            (lambda a, m: 2 * live_score(a, m), ["halve"]),
            (lambda a, m: live_score(a.flip(1), m), ["index 1 is live"]),
            (lambda a, m: (m.mean((1, 2, 3)) + a.softmax(0)[:, 1]) / 2, ["over the batch"]),
            (lambda a, m: (m.mean((1, 2, 3)) + a[:, 1]) / 2, ["no probabilities"]),
            (lambda a, m: (m.mean() + a.softmax(1)[:, 1]) / 2, ["map's mean", "(1, 2, 3)"]),
            (lambda a, m: live_score(a, m).mean(), ["shape ()", "shape (3,)"]),
            (lambda a, m: live_score(a, m)[:, None], ["shape (3, 1)"]),
            (lambda a, m: (m.mean((2, 3)) + a.softmax(1)) / 2, ["(3, 2)", "[:, 1]"]),
            (lambda a, m: live_score(a, m) ** 2, ["equation"]),
            (lambda a, m: (m.mean((1, 2, 3)) + a[:, 1].sigmoid()) / 2, ["no sigmoid"]),
            (lambda a, m: (m.amax((1, 2, 3)) + a.softmax(1)[:, 1]) / 2, ["not its max"]),
        ],
    ),
    "error_rates": (
        [error_rates, error_rates_in_python],
        [
            (
                lambda s, y, t: ((s[y == 0] > t).mean(), (s[y == 1] <= t).mean()),
                [">=, not >", "0.5"],
            ),
            (
                lambda s, y, t: ((s[y == 0] > t).mean(), (s[y == 1] < t).mean()),
                ["for the attacks, too", "expected 0.5"],
            ),
            (
                lambda s, y, t: ((s[y == 0] >= t).mean(), (s[y == 1] <= t).mean()),
                ["with <, not <=", "expected 0.333333"],
            ),
            (lambda s, y, t: [100 * rate for rate in error_rates(s, y, t)], ["not per cent"]),
            (lambda s, y, t: error_rates(s, y, t)[::-1], ["FAR comes first"]),
            (lambda s, y, t: [1 - rate for rate in error_rates(s, y, t)], ["right decisions"]),
            (
                lambda s, y, t: (
                    ((s >= t) & (y == 0)).sum() / len(s),
                    ((s < t) & (y == 1)).sum() / len(s),
                ),
                ["attacks alone", "0.142857"],
            ),
            (
                lambda s, y, t: (((s >= t) & (y == 0)).sum(), ((s < t) & (y == 1)).sum()),
                ["counts"],
            ),
            (lambda s, y, t: sum(error_rates(s, y, t)) / 2, ["shape ()", "two are asked for"]),
            (lambda s, y, t: ("a", "b"), ["not all numbers"]),
            (lambda s, y, t: ([0.1], [0.2, 0.3]), ["not all numbers"]),
            (lambda s, y, t: {"far": 0.1}, ["not all numbers"]),
            (lambda s, y, t: (s.sort(), 0.3)[0:2], ["changed its input"]),
            (lambda s, y, t: (0.25, 0.25), ["accepted attacks / attacks"]),
        ],
    ),
}
for path in sorted(Path(__file__).parent.glob("answers_*.py")):  # one a notebook
    ANSWERS |= runpy.run_path(str(path))["ANSWERS"]
CHECKS = {
    name.removeprefix("check_"): check
    for name, check in vars(checks).items()
    if name.startswith("check_")
}


def test_every_check_is_tested():
    assert set(CHECKS) == set(ANSWERS)
    assert all(len(wrong) >= 2 for _, wrong in ANSWERS.values())
    assert all(inspect.getdoc(check) for check in CHECKS.values())


@pytest.mark.parametrize("name", CHECKS)
def test_right_answers_pass(name):
    for answer in ANSWERS[name][0]:
        verdict = CHECKS[name](answer)
        assert verdict, verdict.message
        assert repr(verdict).startswith(f"passed: {name}: all ")
        assert "Passed" in verdict._repr_html_()


@pytest.mark.parametrize(
    ("name", "number"), [(n, i) for n, (_, wrong) in ANSWERS.items() for i in range(len(wrong))]
)
def test_wrong_answers_fail_with_the_cause(name, number):
    answer, words = ANSWERS[name][1][number]
    verdict = CHECKS[name](answer)
    assert not verdict
    for word in words:
        assert word in verdict.message, verdict.message
    assert repr(verdict).startswith(f"not yet: {name}: ")


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (stub, ["not written yet", "NotImplementedError"]),
        (nothing, ["returned None", "return"]),
        (wrong_arguments, ["TypeError", "does not take the arguments"]),
        (raises, ["IndexError", "[1, 2][len(arguments) + 5]", "line"]),
        (undefined, ["NameError", "faces_of_mine", "a cell above that did not run"]),
        (leaves, ["SystemExit: 3"]),
        (3, ["got 3", "without (...)"]),
        (None, ["got None"]),
        (np, ["got <module 'numpy'", "without (...)"]),
    ],
)
def test_what_can_go_wrong_everywhere(name, answer, words):
    verdict = CHECKS[name](answer)
    assert not verdict
    for word in words:
        assert word in verdict.message, verdict.message


def changed(value):
    """Change whatever can be changed in place; say whether there was anything."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        value[:] = "?"
    elif isinstance(value, np.ndarray):
        value += value == value  # by one, which uint8 allows, too
    elif isinstance(value, torch.Tensor):
        value.add_(1)
    elif isinstance(value, list | dict):
        value.clear()
    return isinstance(value, np.ndarray | torch.Tensor | list | dict)


# What these give are numbers and texts, which nobody can change.
NUMBERS_ALONE = {
    *("pitch_in_pixels", "smallest_rotation", "build_extractor", "two_gradients"),
    *("learning_rate", "batch_indices", "stream_shapley", "read_name"),
}
IN_PLACE = {"freeze", "gradient_norms"}  # to be changed; its backward() is allowed


@pytest.mark.parametrize("name", sorted(set(CHECKS) - NUMBERS_ALONE - IN_PLACE))
def test_a_right_answer_that_spoils_its_input_is_refused(name):
    given = inputs_of(name)
    for place in range(len(given)):
        if not changed(copy.deepcopy(given[place])):
            continue

        def spoil(*arguments, place=place):
            result = ANSWERS[name][0][0](*arguments)
            changed(arguments[place])
            return result

        verdict = CHECKS[name](spoil)
        assert not verdict, f"argument {place}"
        assert "changed its input in place" in verdict.message


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_inputs_can_be_spoilt_but_for_numbers_and_texts(name):
    assert any(map(changed, inputs_of(name))) == (name not in {*NUMBERS_ALONE, "freeze"})


def inputs_of(name):
    """Copies of what a check gives at first."""
    first = []

    def keep(*arguments):
        first.append(arguments)
        return ANSWERS[name][0][0](*arguments)

    assert CHECKS[name](keep)
    return first[0]


@pytest.mark.parametrize(
    "value",
    [
        *("31", b"1", [1, "a"], [[1], [1, 2]], {}, {"a": 1}, {1}, object(), 1j, np.nan, np.inf),
        *(10**400, (None, None), np.zeros(0), torch.ones(2).bfloat16(), torch.eye(2).to_sparse()),
        *(torch.ones(2, device="meta"), torch.ones(3, requires_grad=True), torch.nn.ReLU()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_comes_back_is_answered(value):
    for name, check in CHECKS.items():
        verdict = check(lambda *_: value)
        assert not verdict, name
        assert 10 < len(verdict.message) < 500, verdict.message


def test_html_is_escaped():
    verdict = checks.Verdict("f", False, "<script>1</script>")
    assert "<script>" not in verdict._repr_html_()
