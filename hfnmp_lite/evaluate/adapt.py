"""What repairs a detector at an unseen camera, from its pictures alone, without a label.

All *our choice*. A threshold may be moved to the quantile of the new camera's scores that was
rejected among the sources' (it assumes that attacks are as frequent there), and batch norms may
take their statistics from the new camera's pictures (AdaBN, Li et al. 2017; it assumes the same of
the pictures' mixture). Both work on a copy, and neither is told which picture is live.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from hfnmp_lite.config import ADAPTATIONS, THRESHOLDS
from hfnmp_lite.data.loaders import load_frame, to_batch
from hfnmp_lite.data.presentations import Presentation, split_subjects
from hfnmp_lite.evaluate import metrics
from hfnmp_lite.evaluate.scoring import Scored, score_presentations
from hfnmp_lite.files import InputError
from hfnmp_lite.model.detector import Detector

BATCH = 48


def adapt_statistics(
    detector: Detector, unlabelled: Sequence[Presentation], size: int = 128
) -> Detector:
    """Return a copy whose batch norms, the extractor's too, know the unlabelled frames' statistics.

    The running means and variances become the mean over batches of `BATCH` frames; no weight
    moves, and the threshold stays. Frames that cannot be read are left out.

    Raises
    ------
    InputError
        No frame can be read.
    """
    adapted = copy.deepcopy(detector).eval()
    norms = [m for m in adapted.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches
        norm.train()
    frames = [frame for p in unlabelled for frame in p.frames]
    device = next(adapted.parameters()).device
    for start in range(0, len(frames), BATCH):
        images = []
        for frame in frames[start : start + BATCH]:
            try:
                images.append(load_frame(frame, size))
            except InputError:
                continue
        if images:
            with torch.no_grad():
                adapted(to_batch(images).to(device))
    if norms and not norms[0].num_batches_tracked:
        raise InputError("none of the unlabelled frames can be read; there is nothing to adapt to")
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return adapted.eval()


def quantile_threshold(scores: np.ndarray, share_rejected: float) -> float:
    """Return the threshold that rejects this share of the scores.

    The unlabelled scores of a new camera are cut where the sources' were: right where attacks are
    as frequent there as among the sources, and wrong by as much as they are not.

    Parameters
    ----------
    scores : (n,) of float, without NaN
    share_rejected : float
        In [0, 1], of the sources' held-out presentations.

    Raises
    ------
    InputError
        There is no score, or the share is none.
    """
    scores = np.sort(np.asarray(scores, np.float64))
    if not len(scores):
        raise InputError("a quantile needs unlabelled scores, and there is none; give --unlabelled")
    if not 0 <= share_rejected <= 1:
        raise InputError(f"the share to reject is {share_rejected}; expected 0 to 1")
    below = round(share_rejected * len(scores))
    if below in (0, len(scores)):
        return float(scores[0] if below == 0 else np.nextafter(scores[-1], np.inf))
    middle = (scores[below - 1] + scores[below]) / 2
    return float(middle if middle > scores[below - 1] else scores[below])


def repair(
    detector: Detector,
    unlabelled: Sequence[Presentation],
    threshold: str = "source",
    adapt: str = "none",
    size: int = 128,
) -> Detector:
    """Return a copy that is repaired as asked, from pictures of the new camera without labels.

    Parameters
    ----------
    threshold : {"source", "quantile"}
    adapt : {"none", "statistics"}

    Raises
    ------
    InputError
        An unknown way; a quantile where no frame can be scored, or of a detector that does not say
        which share its sources rejected.
    """
    for what, given, known in (
        ("--threshold", threshold, THRESHOLDS),
        ("--adapt", adapt, ADAPTATIONS),
    ):
        if given not in known:
            raise InputError(f"{what} is '{given}'; expected {' or '.join(known)}")
    if adapt == "statistics":
        changed = adapt_statistics(detector, unlabelled, size)
    else:
        changed = copy.deepcopy(detector)
    if threshold == "quantile":
        if detector.share_rejected is None:
            raise InputError(
                "the checkpoint does not say which share of its sources it rejected; train again "
                "with this version, or leave --threshold quantile out"
            )
        scores = np.array([s.score for s in score_presentations(changed, unlabelled, size)])
        changed.threshold = quantile_threshold(scores[np.isfinite(scores)], detector.share_rejected)
    return changed


def halves(presentations: Sequence[Presentation]) -> tuple[list[Presentation], ...]:
    """Split into two halves by subject, the same in every run, within each domain."""
    return split_subjects(presentations, 0.5)


def repaired(
    detector: Detector,
    presentations: Sequence[Presentation],
    scored: Sequence[Scored],
    size: int = 128,
    choose: Callable[[Sequence[Presentation]], Sequence[Presentation]] = list,
) -> dict[str, float | None]:
    """Judge the repairs: each half of the subjects is adapted to, the other half judged.

    Parameters
    ----------
    presentations : sequence of Presentation
        Of the target; their labels serve for judging alone.
    scored : sequence of Scored
        What `detector` says of them, in their order.
    choose : callable
        Which presentations of a half are adapted to, by default all; the other is judged whole.

    Returns
    -------
    dict
        "hter_quantile", "hter_adapted" (at the sources' threshold), "hter_adapted_quantile" and
        "auc_adapted" (mean over the halves). None where it cannot be said: the detector has no
        threshold, or for a quantile no share; a domain has fewer than two subjects, or a half no
        picture; for the AUC, a half has one class.
    """
    names = ("hter_quantile", "hter_adapted", "hter_adapted_quantile", "auc_adapted")
    nothing: dict[str, float | None] = dict.fromkeys(names)
    share, threshold = detector.share_rejected, detector.threshold
    people = Counter(domain for domain, _ in {(p.domain, p.subject) for p in presentations})
    if threshold is None or min(people.values()) < 2:
        return nothing
    before = {s.presentation: s.score for s in scored}
    parts = halves(presentations)
    if not all(any(np.isfinite(before[p.id]) for p in part) for part in parts):
        return nothing
    margins: dict[str, list[np.ndarray]] = {}
    live, aucs = [], []
    for half, judged in (parts, parts[::-1]):
        unlabelled = choose(half)
        adapted = adapt_statistics(detector, unlabelled, size)
        of = {
            "before": [np.array([before[p.id] for p in part]) for part in (unlabelled, judged)],
            "after": [
                np.array([s.score for s in score_presentations(adapted, part, size)])
                for part in (unlabelled, judged)
            ],
        }
        truth = np.array([p.live for p in judged])
        for name, when, by_quantile in (
            ("hter_quantile", "before", True),
            ("hter_adapted", "after", False),
            ("hter_adapted_quantile", "after", True),
        ):
            if by_quantile and share is None:
                continue
            seen, asked = of[when]
            cut = quantile_threshold(seen[np.isfinite(seen)], share) if by_quantile else threshold
            margins.setdefault(name, []).append(asked - cut)
        live.append(truth)
        if truth.any() and not truth.all():
            aucs.append(metrics.auc(of["after"][1], truth))
    labels = np.concatenate(live)
    hters = {n: float(metrics.hter(np.concatenate(m), labels, 0.0)) for n, m in margins.items()}
    return {**nothing, **hters, "auc_adapted": float(np.mean(aucs)) if len(aucs) == 2 else None}
