"""The report of a run: one HTML file for a student, from what the run wrote and a few images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.teach import figures, pictures
from hfnmp_lite.teach.cases import kind, kinds
from hfnmp_lite.teach.finished import Run, read_run
from hfnmp_lite.teach.page import (
    Markup,
    definitions,
    join,
    page,
    paragraph,
    per_cent,
    picture,
    section,
    table,
    tag,
    text,
)
from hfnmp_lite.teach.shown import shown

CAVEAT = (
    "Every face, attack and camera on this page is rendered, none is real. The images are for "
    "learning and for testing code. They make no claim about real attacks, products, or rankings "
    "on real data sets; skin tones are balanced by construction, which supports no fairness claim "
    "about people."
)
ORDER_WORDS = {
    "alternating": "meta-learning, alternating: the extractor is corrected on a source domain that "
    "the network did not just train on",
    "bilevel": "meta-learning, bilevel: the extractor is corrected through a step that the network "
    "would take, on a domain outside that step",
    "bilevel-first-order": "meta-learning, bilevel to first order: the same, that step taken as "
    "fixed",
    "joint": "joint: everything is trained on all sources together, no meta-learning",
}


def report_page(
    run_dir: str | Path,
    presentations: Sequence[Presentation],
    detector: Detector,
    show_faces: bool = False,
) -> str:
    """Return the report of a finished run as one self-contained HTML page.

    Parameters
    ----------
    run_dir : path
        Holds metrics.json, config.json, log.csv and scores.csv.
    presentations : sequence of Presentation
        The data of the run, all domains or the target's alone.
    detector : Detector
        The run's, in eval mode.
    show_faces : bool
        Whether the faces of real data are shown; simulated ones always are.

    Raises
    ------
    InputError
        A file of the run is missing or damaged, its figures contradict its scores, or a scored
        presentation is not among `presentations`.
    """
    run = read_run(Path(run_dir), presentations, detector)
    title = f"Judged on “{run.target}”, a domain it had never seen"
    content = [
        _head(run, title),
        _caveat(run),
        _answer(run),
        _home_and_away(run),
        _what_was_done(run),
        pictures.thresholds(run),
        pictures.by_type(run),
        *(
            (pictures.what_it_sees(run), pictures.cases(run))
            if run.simulated or show_faces
            else (_no_faces(),)
        ),
        pictures.learning(run),
        _limits(run),
        _go_on(run),
        _provenance(run),
    ]
    return page(f"hfnmp_lite: {title}", *content)


# ---------------------------------------------------------------- the page, part by part


def _head(run: Run, title: str) -> Markup:
    m = run.stored
    about = (
        f"Learned on {', '.join(m['sources'])} · pattern: {shown(run.detector.extractor).kind} · "
        f"seed {m.get('seed', '?')}"
    )
    return tag(
        "header",
        paragraph("hfnmp_lite · report of one run", class_="kicker"),
        tag("h1", title),
        paragraph(about, class_="note"),
    )


def _no_faces() -> Markup:
    return section(
        "Faces",
        paragraph(
            "The recordings are of real people, so this page shows no face; nothing of it left "
            "this machine. Make the report with --show-faces to see cases and score maps."
        ),
        id_="sees",
    )


def _caveat(run: Run) -> Markup:
    if run.simulated:
        said = [tag("strong", "Simulated data. "), CAVEAT]
    else:
        said = [
            tag("strong", "Read with care. "),
            f"The figures hold for exactly this list of presentations: {_list(run)}. "
            "Lists that share a data set's name differ: name yours when you compare.",
        ]
    return tag("aside", paragraph(*said), class_="caveat", role="note", aria_label="Caveat")


def _list(run: Run) -> str:
    """The manifest, and which list of a licensed set it holds."""
    lists = run.stored.get("lists") or {}
    protocol = run.stored.get("protocol")
    parts = [str(run.stored.get("data")), *([f"protocol {protocol}"] if protocol else [])]
    return "; ".join([*parts, *(f"{domain}: {text}" for domain, text in lists.items())])


def _answer(run: Run) -> Markup:
    r, intervals = run.result, run.result.intervals
    better = r.hter - r.hter_oracle
    verdict = (
        "The two nearly agree here: the threshold travelled well to the new domain."
        if better < 0.01
        else f"Looking would flatter by {100 * better:.1f} points: part of that is a threshold "
        "that did not travel well to the new domain, part is luck that only the labels know."
    )
    cards = [
        _card(
            "HTER",
            per_cent(r.hter),
            f"{_between(intervals['hter'], 100)} Half total error rate: the mean of the two error "
            "rates, at the threshold chosen on the sources.",
        ),
        _card(
            "AUC",
            f"{r.auc:.3f}",
            f"{_between(intervals['auc'], 1)} How often a live face scores above an attack; no "
            "threshold is needed.",
        ),
        _card(
            "HTER oracle",
            per_cent(r.hter_oracle),
            "With the threshold that the target's own labels would choose. Nobody has these in "
            "the field.",
            "oracle",
        ),
    ]
    return section(
        "The answer",
        paragraph(
            f"Of 100 attacks it let {100 * r.far:.0f} pass, and of 100 live faces it turned "
            f"{100 * r.frr:.0f} away. Guessing would be wrong 50 times in 100.",
            class_="answer",
        ),
        tag("ul", *cards, class_="cards"),
        tag("h3", "How to read this"),
        paragraph(
            tag("strong", "The interval "),
            f"says how much the figure would move if other people stood in front of the same "
            f"trained system: 95 % of the resamples of the {r.n_subjects} subjects lie inside. It "
            "does not hold the luck of training; another seed gives another system.",
        ),
        paragraph(
            tag("strong", "The oracle "),
            "is the lowest HTER that any threshold reaches on these scores, chosen by looking at "
            "the answers. Published tables often print such a figure. ",
            verdict,
        ),
        id_="answer",
    )


REPAIRS = {
    "hter_quantile": "quantile threshold",
    "hter_adapted": "its own statistics",
    "hter_adapted_quantile": "both",
}


def _home_and_away(run: Run) -> Markup:
    """Say what the system loses on the new domain and what unlabelled pictures repair."""
    r, target = run.result, run.target
    home = run.stored.get("hter_sources")
    rates = {"known cameras": home} if _is_rate(home) else {}  # not in a run of an earlier version
    rates |= {target: r.hter, f"{target}, oracle": r.hter_oracle}
    repaired = {f"{target}, {said}": run.stored.get(name) for name, said in REPAIRS.items()}
    repaired = {name: rate for name, rate in repaired.items() if _is_rate(rate)}
    rates |= repaired
    content = []
    if _is_rate(home):
        lost = r.hter - home
        if lost < 0.01:
            why = "So here next to nothing was lost."
        elif 2 * (r.hter - r.hter_oracle) > lost:
            why = (
                "Most of what is lost is lost by the threshold: live faces and attacks still "
                "differ in score, but at another level than at home."
            )
        else:
            why = (
                "The threshold is not to blame for most of it: even the best one errs. Live faces "
                "and attacks mix in score, because part of what told them apart at home is missing "
                "here, or means something else."
            )
        content.append(
            paragraph(
                f"In front of the cameras it knows, with people it never saw, HTER is "
                f"{per_cent(home)} (the threshold was chosen there, which flatters a little). On "
                f"“{target}” it is {per_cent(r.hter)}. {why}"
            )
        )
    dots = figures.rate_bars(rates, {target: r.intervals["hter"]}, chance=0.5)
    said = "; ".join(f"{name} {per_cent(rate)}" for name, rate in rates.items())
    content.append(picture(figures.svg(dots), f"HTER: {said}."))
    if repaired:
        content += [
            tag("h3", "What pictures without labels repair"),
            paragraph(
                "The lower rows saw half of the new domain's people, without being told who is "
                "live, and were judged on the other half, and the other way round. ",
                tag("strong", "Quantile threshold: "),
                "it turns away as large a share as at home, which assumes as large a share of "
                "attacks. ",
                tag("strong", "Its own statistics: "),
                "the batch norms count on the new camera's means and variances. Either can harm: "
                "where the assumption fails, and where the old statistics were not the trouble.",
            ),
        ]
    return section("At home and away", *content, id_="away")


def _is_rate(value: object) -> bool:
    return isinstance(value, float | int) and 0 <= value <= 1


def _card(name: str, value: str, more: str, style: str | None = None) -> Markup:
    return tag(
        "li",
        tag("span", name, class_="name"),
        tag("strong", value),
        tag("span", more, class_="more"),
        class_=style,
    )


def _between(interval: Sequence[float] | None, factor: int) -> str:
    """Write an interval in per cent (factor 100) or as it is (factor 1)."""
    if interval is None:
        return "No interval: too few subjects."
    digits = 1 if factor == 100 else 3
    low, high = (f"{factor * value:.{digits}f}" for value in interval)
    return f"95 % interval {low} to {high}."


def _what_was_done(run: Run) -> Markup:
    m = run.stored
    names = kinds(run.scored)
    rows = []
    for domain in (*m["sources"], run.target):
        held = [p for p in run.presentations.values() if p.domain == domain]
        role = "target" if domain == run.target else "source"
        if held:
            counts = [sum(kind(p) == name for p in held) for name in names]
            rows.append((domain, role, len({p.subject for p in held}), *counts))
        else:
            rows.append((domain, role, *["–"] * (1 + len(names))))
    order = str(m.get("order"))
    stages = (
        " First the pattern is learned; then it is frozen and the network learns anew with it."
        if m.get("stages") == 2
        else ""
    )
    return section(
        "What was done",
        paragraph(
            "A network looks at one image of a face and gives a score: near 1 it says ",
            tag("em", "live"),
            ", near 0 ",
            tag("em", "attack"),
            " (a printed photo or a screen held in front of the camera). It learned from the "
            "source domains and is judged on the target: other cameras, other rooms, other people.",
        ),
        table(["domain", "role", "subjects", *names], rows),
        definitions(
            ("Pattern beside the image", shown(run.detector.extractor).kind),
            ("Way of learning", f"{ORDER_WORDS.get(order, order)}.{stages}"),
            ("How the checkpoint was chosen", m.get("selected_on", "not recorded")),
            (
                "How the threshold was chosen",
                f"{m.get('threshold_rule', 'not recorded')}: {run.threshold:.4f}",
            ),
            (
                "And the target",
                f"its {run.result.n} presentations were scored once, after everything was chosen. "
                f"{_failures(run)}",
            ),
        ),
        id_="done",
    )


def _failures(run: Run) -> str:
    failed = run.result.n_failed
    if not failed:
        return "Every listed presentation got a score."
    return (
        f"{failed} of them could not be scored (failure to acquire): accepted at no threshold, "
        "they count as errors where live and as stopped where attacks."
    )


def _limits(run: Run) -> Markup:
    points = [
        "One target, one seed. A comparison of methods needs several of both, and intervals that "
        "do not overlap by luck.",
        "The interval holds the choice of people only: not the choice of training data, and not "
        "the luck of initial weights.",
        f"Attacks of the kinds {', '.join(kinds(run.scored)[1:])} only. Masks, make-up and "
        "injected video are other problems.",
    ]
    if run.simulated:
        points.insert(
            0,
            "Faces, attacks and cameras are rendered from a model of the physics. A figure here "
            "says something about the method under known conditions and nothing about real "
            "attacks.",
        )
    return section("Limits", tag("ul", *(tag("li", point) for point in points)), id_="limits")


def _go_on(run: Run) -> Markup:
    other = str(run.stored["sources"][0])
    again = "lbp" if run.stored.get("pattern") == "mp" else "mp"
    steps = [
        (f"hfnmp train --target {other}", "leave another domain out: is it harder?"),
        (f"hfnmp train --target {run.target} --pattern {again}", "the same with another pattern"),
        (
            "hfnmp predict RUN_DIR YOUR_PHOTO.jpg",
            "score your own face, then a photo of it; RUN_DIR is the folder of this run",
        ),
        ("hfnmp lab", "the course: notebooks that build each part"),
    ]
    listed = [tag("li", tag("code", command), f": {why}") for command, why in steps]
    return section("Where to go on", tag("ul", *listed), id_="next")


def _provenance(run: Run) -> Markup:
    m = run.stored
    rows = [
        ("command", tag("code", m.get("command", "?"))),
        ("date", m.get("date", "?")),
        ("seed, preset", f"{m.get('seed', '?')}, {m.get('preset', '?')}"),
        ("data", m.get("data", "?")),
        ("commit", tag("code", m.get("commit") or "not run from a checkout")),
        ("hardware", _pairs(m.get("hardware"))),
        ("versions", _pairs(m.get("versions"))),
        ("took", f"{m.get('seconds', '?')} s, at most {m.get('peak_memory_mb', '?')} MB of memory"),
    ]
    return section("Provenance", table([], rows), id_="provenance")


def _pairs(given: object) -> Markup:
    if not isinstance(given, Mapping):
        return text(given or "?")
    return join((f"{key} {value}".replace("_", " ") for key, value in given.items()), ", ")
