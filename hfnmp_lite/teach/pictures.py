"""The report's sections with pictures: thresholds, attack types, patterns, cases, learning."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from hfnmp_lite.evaluate import metrics
from hfnmp_lite.evaluate.scoring import Scored, as_arrays
from hfnmp_lite.teach import figures
from hfnmp_lite.teach.cases import (
    extremes,
    image_and_map,
    kind,
    kinds,
    look,
    right,
    typical_subjects,
)
from hfnmp_lite.teach.finished import Run
from hfnmp_lite.teach.page import (
    Markup,
    definitions,
    join,
    paragraph,
    per_cent,
    picture,
    section,
    tag,
)
from hfnmp_lite.teach.shown import SHOWN, shown

SUBJECTS_SHOWN = 2
CASES_SHOWN = 4
COMPARED = (
    " LBP, which codes each pixel by which of its eight neighbours are at least as bright, is "
    "shown for comparison; this network does not see it."
)


def thresholds(run: Run) -> Markup:
    arrays, r = as_arrays(run.scored), run.result
    far, frr, _ = metrics.roc(arrays["scores"], arrays["live"])
    oracle_far, oracle_frr = _rates_at(run, r.hter_threshold_oracle)
    curve = figures.roc_curves(
        {f"AUC {r.auc:.3f}": (far, frr)},
        {"source threshold": (r.far, r.frr), "oracle": (oracle_far, oracle_frr)},
    )
    by_kind = {
        name: np.array([s.score for s in run.scored if kind(s) == name])
        for name in kinds(run.scored)
    }
    bars = figures.score_histograms(by_kind, run.threshold, r.hter_threshold_oracle)
    return section(
        "Scores and thresholds",
        tag(
            "div",
            picture(
                figures.svg(curve),
                f"ROC curve, AUC {r.auc:.3f}. At the source threshold {per_cent(r.far)} of the "
                f"attacks and {per_cent(1 - r.frr)} of the live faces are accepted.",
                "Each point of the curve is one threshold. The dot is where the source threshold "
                "puts us; the upper left corner would be perfect.",
            ),
            picture(
                figures.svg(bars),
                f"Histograms of the scores for {', '.join(by_kind)}, with the source threshold "
                f"{run.threshold:.3f} and the oracle {r.hter_threshold_oracle:.3f}.",
                "The scores of each class. Right of the black line a face is accepted; hatched "
                "bars are wrong decisions. Where two classes overlap no threshold separates them; "
                "where only the line is off, a better threshold would.",
            ),
            class_="pair",
        ),
        id_="scores",
    )


def _rates_at(run: Run, threshold: float) -> tuple[float, float]:
    at = metrics.evaluate(**as_arrays(run.scored), threshold=threshold, resamples=1)
    return at.far, at.frr


def by_type(run: Run) -> Markup:
    r, intervals = run.result, run.result.intervals
    rates = {f"APCER {name}": rate for name, rate in r.apcer.items()}
    between = {f"APCER {name}": intervals["apcer"][name] for name in r.apcer}
    groups = {f"APCER {name}": name for name in r.apcer}
    rates["BPCER"], between["BPCER"], groups["BPCER"] = r.bpcer, intervals["bpcer"], "live"
    said = "; ".join(f"{name} {per_cent(rate)}" for name, rate in rates.items())
    worst = max(r.apcer, key=r.apcer.get)
    none = [name for name, rate in rates.items() if rate == 0]
    return section(
        "Which attacks get through",
        picture(figures.svg(figures.rate_bars(rates, between, groups)), f"{said}."),
        definitions(
            (
                "APCER, attack presentation classification error rate",
                f"the share of attacks of one type that is accepted as live. Here {worst} is the "
                "harder type, and a system is as strong as its weakest side: APCER = "
                f"{per_cent(r.apcer_max)}.",
            ),
            (
                "BPCER, bona fide presentation classification error rate",
                f"the share of live faces that is turned away: {per_cent(r.bpcer)} of "
                f"{r.n_live} presentations.",
            ),
            (
                "ACER",
                "the mean of the worst APCER and BPCER: "
                f"{per_cent(r.acer, intervals['acer'])}. HTER counts all attacks together instead.",
            ),
        ),
        paragraph(
            "The standard (ISO/IEC 30107-3) counts APCER for each species of attack instrument; we "
            "count it for each attack type. ",
            f"{' and '.join(none)}: no error was seen. With {r.n_subjects} subjects that happens "
            f"by chance up to a true rate of about {min(1, 3 / r.n_subjects):.0%} (3 / subjects), "
            "which the interval cannot show."
            if none
            else "",
            class_="note",
        ),
        id_="types",
    )


def what_it_sees(run: Run) -> Markup:
    rows = [s for row in typical_subjects(run.scored, SUBJECTS_SHOWN) for s in row]
    seen = look(run.detector, [run.presentations[s.presentation] for s in rows], run.size)
    own, columns = shown(run.detector.extractor), {}
    if seen.pattern is not None:
        columns[own.title] = own.picture(seen.pattern)
    if own.title != SHOWN["lbp"].title:
        columns["LBP (not used)"] = seen.lbp
    sheet = figures.pattern_rows(
        seen.images,
        columns,
        seen.maps,
        np.array([s.score for s in rows]),
        [f"{kind(s)}\n{s.subject}" for s in rows],
        run.threshold,
    )
    said = "; ".join(f"{kind(s)} {s.score:.2f}" for s in rows)
    return section(
        "What the network sees",
        paragraph(
            "Subjects of the target domain whose scores are the most ordinary, each with one "
            "presentation of every kind."
        ),
        picture(
            figures.png(sheet),
            f"Rows of presentations with image, {', '.join(columns)}, score map and score: {said}.",
            join(
                [
                    own.caption,
                    COMPARED if "LBP (not used)" in columns else "",
                    " The score map says where the face looks live (blue) or like an attack "
                    "(vermilion). It is what the network answers, not an explanation of why. Maps "
                    "belong to the first frame, scores to the whole presentation.",
                ],
                "",
            ),
            class_="wide",
        ),
        id_="sees",
    )


def cases(run: Run) -> Markup:
    wrong = extremes(run.scored, run.threshold, False, CASES_SHOWN)
    best = extremes(run.scored, run.threshold, True, CASES_SHOWN)
    total = sum(not right(s, run.threshold) for s in run.scored)
    return section(
        "Best and worst cases",
        paragraph(
            "Each picture is the first frame and its score map; live faces and the attack types "
            "take turns. Before you read the captions: would you have known?"
        ),
        tag("h3", f"Most wrong ({total} of {len(run.scored)} decisions are wrong)"),
        _gallery(run, wrong) if wrong else paragraph("No decision on a scored face was wrong."),
        tag("h3", "Most confidently right"),
        _gallery(run, best) if best else paragraph("No decision was right."),
        id_="cases",
    )


def _gallery(run: Run, chosen: Sequence[Scored]) -> Markup:
    seen = look(run.detector, [run.presentations[s.presentation] for s in chosen], run.size)
    drawn = []
    for s, image, score_map in zip(chosen, seen.images, seen.maps, strict=True):
        accepted = s.score >= run.threshold
        made = f" ({s.instrument})" if s.instrument else ""
        caption = join(
            [
                tag("strong", kind(s)),
                f"{made}, {'accepted' if accepted else 'rejected'}: score {s.score:.3f}, "
                f"{abs(s.score - run.threshold):.3f} {'above' if accepted else 'below'} the "
                f"threshold. Subject {s.subject}.",
            ],
            "",
        )
        alt = f"{kind(s)}, score {s.score:.3f}, {'accepted' if accepted else 'rejected'}"
        drawn.append(picture(image_and_map(image, score_map), alt, caption))
    return tag("div", *drawn, class_="cases")


def _kept(log: Sequence[Mapping[str, str]]) -> dict[str, int]:
    """Stage -> iteration of the look that the selection rule prefers, as `fit` ranks them."""
    best: dict[str, tuple[float, float, int]] = {}
    for row in log:
        if row.get("val_auc"):
            rank = (float(row["val_auc"]), -float(row["val_loss"] or math.inf))
            if row["stage"] not in best or rank > best[row["stage"]][:2]:
                best[row["stage"]] = (*rank, int(row["iteration"]))
    return {stage: iteration for stage, (*_, iteration) in best.items()}


def learning(run: Run) -> Markup:
    if not run.log:
        return section("How it learned", paragraph("The log holds no rows."), id_="learning")
    kept = _kept(run.log)
    curves = figures.learning_curves(run.log, kept)
    stages = len({row["stage"] for row in run.log})
    said = ", ".join(f"stage {stage}: iteration {at}" for stage, at in kept.items())
    meta = (
        " The meta-test loss is taken on the source domain that was left out in that iteration."
        if any(row.get("meta_test") for row in run.log)
        else ""
    )
    return section(
        "How it learned",
        picture(
            figures.svg(curves),
            f"Losses and validation AUC and HTER over the iterations of {stages} stage(s).",
            f"Above: losses.{meta} Below: AUC and HTER on held-out subjects of the source domains. "
            f"The dotted line marks what was kept ({said or 'nothing'}). All of this is on the "
            "sources: compare it with the figures at the top of the page to see the domain gap.",
            class_="wide",
        ),
        id_="learning",
    )
