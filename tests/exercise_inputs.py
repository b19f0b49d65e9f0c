"""Random inputs of every exercise, as its task promises them, ties and edges among them.

Where more than one answer is right, `OPEN` says which are, in place of the solution's.
"""

from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hfnmp_lite.data.presentations import Presentation


def tensor(values):
    return torch.tensor(np.asarray(values).tolist())  # float32, as the checks hand them


def kinds(rng):
    frames = (Path("a.jpg"), Path("b.jpg"))
    drawn = rng.choice(["", "print", "replay"], rng.integers(0, 6))
    about = [("d", f"s{i}", not kind, kind or None, None) for i, kind in enumerate(drawn.tolist())]
    return ([Presentation(f"p{i}", *rest, frames[: 1 + i % 2]) for i, rest in enumerate(about)],)


def levels(rng, *shape):
    """uint8, here of all levels, there of few, so that neighbours tie."""
    return rng.integers(0, rng.choice([3, 256]), shape).astype(np.uint8)


def soft(rng):
    """A soft slope, at times into white: what one level can change."""
    shape, (down, across) = rng.integers(12, 20, 2), rng.integers(3, 6, 2)
    slope = np.add.outer(np.arange(shape[0]) // down, np.arange(shape[1]) // across)
    return (rng.choice([100, 245]) + slope).clip(0, 255).astype(np.uint8)


def scored(rng, missing=0.0):
    """Scores with ties and labels, both kinds there."""
    n = int(rng.integers(3, 9))
    scores = rng.integers(0, 9, n) / 8
    scores[rng.random(n) < missing] = np.nan
    live = rng.integers(0, 2, n)
    live[:2] = 0, 1
    return scores, live


def iso(rng):
    scores, live = scored(rng, 0.2)
    types = np.where(live, "", rng.choice(["print", "replay", "mask"], len(live)))
    return scores, live, types, float(rng.integers(0, 9) / 8)


def rows(rng):
    _, live = scored(rng)
    return rng.integers(0, 9, (rng.integers(1, 5), len(live))) / 8, live


def seeds(rng):
    return {int(s): float(rng.random()) for s in {0, *rng.permutation(6)[: rng.integers(1, 5)]}}


def log(rng):
    return ([
        {"iteration": 9 * i + 9, "val_auc": rng.integers(5, 8) / 8, "val_loss": rng.integers(1, 4)}
        for i in range(rng.integers(1, 6))
    ],)  # fmt: skip


def frames(rng):
    numbers = rng.permutation(120)[: rng.integers(1, 9)]
    return [*(f"{n}.png" for n in numbers), "info.txt"], int(rng.integers(2, 6))


def fold(rng):
    d, c, k, j = rng.integers(1, 4, 4)
    weight = rng.normal(size=(d, c, k, j))
    bias, mean, gamma, beta = rng.normal(size=(4, d))
    return *map(tensor, (weight, bias, mean, rng.random(d) + 0.1, gamma, beta)), 0.05


def fuse(rng):
    n, c, h, w = rng.integers(1, 4, 4)
    lateral = (n, c, 2 * h, 2 * w)
    shapes = (n, c, h, w), lateral, lateral, (c, c, 3, 3), (c,)
    return tuple(tensor(rng.normal(size=shape)) for shape in shapes)


def losses(rng):
    n, h, w = rng.integers(1, 4, 3)
    maps = tensor(rng.random((n, 1, h, w)))
    return tensor(rng.normal(size=(n, 2))), maps, torch.tensor(rng.integers(0, 2, n))


def parts(rng):
    torch.manual_seed(int(rng.integers(99)))
    modules = {name: nn.Linear(2, 2) for name in "abc"}
    x = torch.randn(2)
    used = [m for m in modules.values() if rng.random() < 0.7] or [modules["a"]]
    value = sum(m(x).square().sum() for m in used)
    return value, modules


def extractor(rng):
    torch.manual_seed(int(rng.integers(99)))
    drop = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Dropout())
    return (nn.Sequential(drop, nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).train(),)


def quadratic(theta, phi):
    return (theta.sum() * phi.sum()) ** 2 / 2 + theta[0] * phi[-1]


def cubic(theta, phi):
    return (theta[0] * phi[0] ** 2 - theta[-1] * phi[1]) * theta[-1]


def step(rng):
    numbers = (float(a) for a in rng.uniform(0.1, 0.8, 2))
    return *two_vectors(rng), quadratic, cubic, *numbers, int(rng.integers(1, 4))


def two_vectors(rng):
    n, m = rng.integers(2, 4, 2)
    return torch.tensor(rng.normal(size=n)), torch.tensor(rng.normal(size=m))


def cubes(x):
    return (x**3).sum() - x[0]


def along(rng):
    x, direction = torch.tensor(rng.normal(size=(2, rng.integers(1, 4))))
    return cubes, x, direction, float(rng.uniform(0.05, 1))


def gradient(x):
    return 3 * np.asarray(x) ** 2 + np.roll(x, 1)


def respond(image):
    return float((image * np.arange(1, image.size + 1).reshape(image.shape) ** 2).sum())


def window(rng):
    height, width = rng.integers(2, 7, 2)
    image, baseline = rng.normal(size=(2, height, width))
    place = int(rng.integers(height)), int(rng.integers(width)), int(rng.integers(1, 5))
    return respond, image, baseline, *place


def member(rng):
    shape = rng.integers(2, 5, 2)
    return rng.normal(size=shape), rng.choice([0.0, 0.5, 1.0], shape)


def paired(rng):
    p, b = rng.integers(1, 5, 2)
    return rng.random(p), rng.random(p), rng.integers(0, p, (b, p))


def both(rng):
    s, p, b, m = rng.integers(1, 5, 4)
    return rng.normal(size=(s, p)), rng.integers(0, s, (b, m)), rng.integers(0, p, (b, p))


def rotation(rng):
    points = int(rng.integers(1, 13))
    return int(rng.integers(0, 2**points)), points


def wave(rng):
    n = int(rng.integers(3, 20))
    k = rng.integers(1, n // 2 + 1)
    x = np.arange(n)
    return (np.cos(2 * np.pi * k * x / n + rng.normal()) + 0.1 * rng.normal(size=n) + 3,)


def file_name(rng):
    suffix = rng.choice(["avi", "AVI"])
    return (f"{rng.integers(1, 7)}_{rng.integers(1, 4)}_{rng.integers(1, 56):02d}_"
            f"{rng.integers(1, 6)}.{suffix}",)  # fmt: skip


INPUTS = {
    "count_kinds": kinds,
    "to_batch": lambda rng: (levels(rng, *rng.integers(1, 6, 2), 3),),
    "live_score": lambda rng: losses(rng)[:2],
    "error_rates": lambda rng: (*scored(rng), float(rng.integers(0, 9) / 8)),
    "cue_change": lambda rng: (*levels(rng, 2, *rng.integers(1, 6, 2), 3),),
    "pitch_in_pixels": lambda rng: (*rng.uniform(50, 300, 2).tolist(), int(rng.integers(50, 500))),
    "apparent_frequency": lambda rng: (rng.integers(-12, 13, rng.integers(1, 5, 2)) / 4.5,),
    "peak_frequency": wave,
    "shift": lambda rng: (rng.normal(size=rng.integers(2, 6)), rng.random(rng.integers(2, 6))),
    "lbp_code": lambda rng: (levels(rng, 3, 3),),
    "lbp_map": lambda rng: (levels(rng, *rng.integers(3, 8, 2)),),
    "nearly_black": lambda rng: (levels(rng, *rng.integers(3, 8, 2)),),
    "smallest_rotation": rotation,
    "one_level": lambda rng: (soft(rng),),
    "build_extractor": lambda rng: (int(rng.integers(1, 9)),),
    "fold": fold,
    "gain": lambda rng: (rng.normal(size=(3, 3)), *rng.uniform(-0.5, 0.5, 2).tolist()),
    "ring_power": lambda rng: (rng.normal(size=(2 * int(rng.integers(2, 6)),) * 2),),
    "fuse": fuse,
    "one_conv": lambda rng: 2 * (fold(rng)[:2]),
    "two_losses": losses,
    "gradient_norms": parts,
    "alternating_step": step,
    "two_gradients": lambda rng: tuple(rng.uniform(-1, 2, 3).tolist()),
    "central_difference": along,
    "phi_gradient": lambda rng: (*step(rng)[:5], bool(rng.integers(2))),
    "learning_rate": lambda rng: (int(rng.integers(0, 90)), 90, float(rng.random())),
    "freeze": extractor,
    "choose": log,
    "batch_indices": lambda rng: (
        int(rng.integers(9)), 12 * int(rng.integers(1, 4)), int(rng.choice([3, 4, 6])),
        int(rng.integers(9)),
    ),
    "eer_threshold": scored,
    "iso_rates": iso,
    "best_in_hindsight": rows,
    "draw_subjects": lambda rng: (
        rng.permutation([*"abc", *rng.choice(list("abc"), 4)]), int(rng.integers(999))
    ),
    "mean_gain": lambda rng: (seeds(rng), seeds(rng)),
    "paired_gains": paired,
    "gains_of_both": both,
    "best_of_many": lambda rng: (*rng.normal(size=(2, *rng.integers(1, 5, 2))),),
    "integrated_gradients": lambda rng: (
        gradient, *rng.normal(size=(2, rng.integers(1, 4))), int(rng.integers(1, 6))
    ),
    "occlusion_change": window,
    "stream_shapley": lambda rng: tuple(rng.normal(size=4).tolist()),
    "share_inside": member,
    "read_name": file_name,
    "choose_frames": frames,
    "rates_of_all": lambda rng: (*scored(rng, 0.2), float(rng.integers(0, 9) / 8)),
    "for_rgb": lambda rng: (tensor(rng.normal(size=(*rng.integers(1, 4, 1), 3, 2, 2))),),
}  # fmt: skip


def codes(image):
    """Which of the eight neighbours are at least as bright, for each inner pixel."""
    shifts = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1)]
    return [np.roll(image, s, (0, 1))[1:-1, 1:-1] >= image[1:-1, 1:-1] for s in shifts]


def is_nearly_black(answer, image):
    dark = np.asarray(answer(image), float)
    fits = dark.shape == image.shape and dark.min() >= 0 and dark.max() <= 0.1
    return fits and np.array_equal(codes(dark), codes(image))


def is_one_level(answer, image):
    moved = answer(image)
    if moved.shape != image.shape or moved.dtype != np.uint8:
        return False
    steps = np.abs(moved.astype(int) - image).max()
    return steps <= 1 and np.any(np.not_equal(codes(moved), codes(image)), 0).mean() >= 1 / 3


def are_batches(answer, number, n, size, seed):
    def epoch(first, seed=seed):
        return [np.asarray(answer(first + i, n, size, seed)).tolist() for i in range(n // size)]

    start = number - number % (n // size)
    here = epoch(start)
    whole = all(len(b) == size for b in here) and sorted(chain(*here)) == list(range(n))
    again = epoch(start) == here
    return whole and again and here not in (epoch(start + n // size), epoch(start, seed + 1))


def are_drawn_subjects(answer, subject, seed):
    drawn = [np.asarray(answer(subject, seed + i)) for i in range(200)]
    if any(d.ndim != 1 or d.dtype.kind != "i" for d in drawn):
        return False
    times = np.array([np.bincount(d, minlength=len(subject)) for d in drawn])  # (200, n)
    names, first = np.unique(subject, return_index=True)
    by_name, owner = times[:, first], np.searchsorted(names, subject)
    whole = np.array_equal(times, by_name[:, owner])
    chance = np.abs(by_name.mean(0) - 1).max() < 0.3 and 0.3 < by_name.var(0).mean() < 1
    again = np.array_equal(np.sort(answer(subject, seed)), np.sort(drawn[0]))
    return whole and chance and again and (by_name.sum(1) == len(names)).all()


def is_frozen(answer, module):
    before = {name: value.clone() for name, value in module.state_dict().items()}
    frozen = answer(module)
    frozen(torch.rand(2, 3, 7, 6))
    after = frozen.state_dict()
    still = all(torch.equal(after[name], value) for name, value in before.items())
    return still and not any(p.requires_grad for p in frozen.parameters())


def is_extractor(answer, width):
    module = answer(width)
    convs = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    wanted = [nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, 3, 3, padding=1)]
    rest = [nn.BatchNorm2d(width), nn.BatchNorm2d(3)]
    for ours, theirs in zip([*wanted, *rest], [*convs, *norms], strict=True):
        nn.init.normal_(theirs.weight)
        ours.load_state_dict(theirs.state_dict())
    whole = nn.Sequential(wanted[0], rest[0], nn.ReLU(), wanted[1], rest[1], nn.Sigmoid())
    images = torch.rand(2, 3, 6, 5)
    modes = [(module.train(m)(images), whole.train(m)(images)) for m in (True, False)]
    return all(torch.allclose(a, b, atol=1e-6) for a, b in modes)


OPEN = {
    "freeze": is_frozen,
    "build_extractor": is_extractor,
    "nearly_black": is_nearly_black,
    "one_level": is_one_level,
    "batch_indices": are_batches,
    "draw_subjects": are_drawn_subjects,
}
