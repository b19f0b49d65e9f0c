"""The report on fabricated runs: one file, nothing fetched, nothing from the data unescaped."""

import csv
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
import torch

from hfnmp_lite.config import PATTERN_NAMES, make_config
from hfnmp_lite.data.presentations import Presentation
from hfnmp_lite.evaluate.scoring import Scored, write_scores
from hfnmp_lite.experiments.recipe import judge
from hfnmp_lite.files import InputError
from hfnmp_lite.learn.state import LOG_COLUMNS
from hfnmp_lite.model.catalogue import build_pattern
from hfnmp_lite.model.detector import Detector
from hfnmp_lite.model.lbp import LocalBinaryPattern
from hfnmp_lite.model.network import HFN
from hfnmp_lite.teach import cases, figures, pictures
from hfnmp_lite.teach.finished import read_run
from hfnmp_lite.teach.report import report_page
from hfnmp_lite.teach.shown import SHOWN, shown

SIZE = 32
DOMAINS = ("handheld", "mixed", "phone", "webcam")
HOSTILE = '<script>alert("1")</script>&\'x'


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    path = tmp_path_factory.mktemp("frames") / "one.png"
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), image)
    return path


def make_presentations(frame, subjects=4, target="webcam"):
    return [
        Presentation(
            id=f"{domain}-{s}-{kind}",
            domain=domain,
            subject=f"{domain}-{s}",
            live=kind == "live",
            attack_type=None if kind == "live" else kind,
            instrument=None if kind == "live" else HOSTILE,
            frames=(frame,),
        )
        for domain in (*DOMAINS[:3], target)
        for s in range(subjects)
        for kind in ("live", "print", "replay")
    ]


def score(presentations, target, seed=0, gap=0.2):
    rng = np.random.default_rng(seed)
    return [
        Scored(
            p.id, p.domain, p.subject, p.live, p.attack_type, p.instrument, 1,
            float(np.clip(rng.normal(0.4 + gap * p.live, 0.15), 0, 1)),
        )
        for p in presentations
        if p.domain == target
    ]  # fmt: skip


def make_detector(pattern):
    torch.manual_seed(0)
    extractor = build_pattern(pattern)
    return Detector(extractor, HFN(streams=1 if extractor is None else 2)).eval()


def make_run(folder, scored, pattern="mp", threshold=0.5, target="webcam", **changes):
    config = make_config("smoke", target, (*DOMAINS[:3], target), pattern, size=SIZE)
    folder.mkdir(exist_ok=True)
    write_scores(folder / "scores.csv", scored)
    stored = {
        **{k: getattr(config, k) for k in ("target", "pattern", "order", "stages", "seed")},
        "sources": list(config.sources),
        "data": "shipped samples",
        "selected_on": "source validation",
        "threshold_rule": "equal error rate",
        **judge(scored, threshold),
        "command": f"hfnmp train --out {HOSTILE}",
        "versions": {"python": "3"},
        "hardware": {"cores": 2},
        **changes,
    }
    (folder / "metrics.json").write_text(json.dumps(stored))
    (folder / "config.json").write_text(json.dumps({"config": config.to_dict()}))
    with (folder / "log.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(LOG_COLUMNS)
        for stage in range(1, config.stages + 1):
            for i in (5, 10, 15, 20):
                look = (0.5, 0.8 + i / 1000, 0.2) if i % 10 == 0 else ("", "", "")
                writer.writerow([stage, i, 1 / i, 0.2 if stage == 1 else "", *look, i])
    return folder


class Page(HTMLParser):
    """Collects tags and text, and checks that every element is closed where it should be."""

    VOID = ("meta", "img", "br")

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def report(tmp_path, presentations, scored, pattern="mp", **changes):
    folder = make_run(tmp_path / "run", scored, pattern, **changes)
    html = report_page(folder, presentations, make_detector(pattern))
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    return Page(html)


@pytest.mark.parametrize("pattern", ["mp", "lbp", "rgb"])
def test_the_report_is_one_whole_file_that_fetches_nothing(tmp_path, frame, pattern):
    presentations = make_presentations(frame)
    scored = score(presentations, "webcam")
    page = report(tmp_path, presentations, scored, pattern)

    names = {name for name, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "form", "a"}
    for _, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on") or key in ("href", "srcset")]
    images = page.all("img")
    assert len(images) >= 7
    for image in images:
        assert image["src"].startswith(("data:image/png;base64,", "data:image/svg+xml;base64,"))
        assert len(image["alt"]) > 10
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)=.?https?:|url\(|@import", html)
    assert len(page.all("h1")) == 1
    assert page.all("html")[0]["lang"] == "en"

    stored = json.loads((tmp_path / "run" / "metrics.json").read_text())
    low, high = stored["hter_ci"]
    assert f"{100 * stored['hter']:.1f} %" in page.text
    assert f"95 % interval {100 * low:.1f} to {100 * high:.1f}" in page.text
    assert f"{100 * stored['hter_oracle']:.1f} %" in page.text
    assert f"{stored['auc']:.3f}" in page.text
    for word in ("Simulated data", "handheld, mixed, phone", "source validation", "equal error"):
        assert word in page.text
    assert SHOWN[pattern].kind in page.text
    assert ("Meta Pattern is learned" in page.text) == (pattern == "mp")


@pytest.mark.parametrize(
    ("threshold", "why"),
    [(0.5, "The threshold is not to blame"), (0.01, "lost by the threshold"), (0.5, "next to")],
)
def test_at_home_and_away(tmp_path, frame, threshold, why):
    presentations = make_presentations(frame, 20)
    scored = score(presentations, "webcam", gap=0.4 if threshold < 0.5 else 0.2)
    home = judge(scored, threshold)["hter"] if why == "next to" else 0.012
    repairs = {"hter_quantile": 0.234, "hter_adapted": None, "hter_adapted_quantile": float("nan")}
    page = report(
        tmp_path, presentations, scored, threshold=threshold, hter_sources=home, **repairs
    )
    alt = next(i["alt"] for i in page.all("img") if i["alt"].startswith("HTER: known cameras"))
    assert f"{100 * home:.1f} %" in alt
    assert alt.endswith("webcam, quantile threshold 23.4 %.")  # what is no rate is left out
    assert why in page.text


@pytest.mark.parametrize("pattern", PATTERN_NAMES)
def test_the_sheet_draws_and_names_the_pattern_that_the_network_sees(
    tmp_path, frame, pattern, monkeypatch
):
    presentations = make_presentations(frame)
    folder = make_run(tmp_path / "run", score(presentations, "webcam"), pattern)
    detector = make_detector(pattern)
    sheets = []
    monkeypatch.setattr(figures, "pattern_rows", lambda *given: sheets.append(given))
    monkeypatch.setattr(figures, "png", lambda _: b"")
    page = Page(str(pictures.what_it_sees(read_run(folder, presentations, detector))))

    images, columns, *_ = sheets[0]
    lbp = LocalBinaryPattern()(torch.from_numpy(images).permute(0, 3, 1, 2))[:, 1].numpy()
    own = [title for title in columns if title != "LBP (not used)"]
    assert own == ([] if pattern == "rgb" else [SHOWN[pattern].title])
    for title, drawn in columns.items():
        assert title in page.all("img")[0]["alt"]
        assert np.array_equal(drawn, lbp) == title.startswith("LBP")
        assert drawn.shape[:3] == images.shape[:3]
        assert drawn.min() >= 0
        assert drawn.max() <= 1
    assert SHOWN[pattern].caption in page.text
    assert ("does not see it" in page.text) == (pattern != "lbp")


def test_every_pattern_has_a_name_a_caption_and_a_picture_of_its_own():
    assert set(SHOWN) == set(PATTERN_NAMES)
    for words in zip(*((s.title, s.kind, s.caption) for s in SHOWN.values()), strict=True):
        assert len(set(words)) == len(PATTERN_NAMES)


def test_the_caption_of_lbp_says_its_settings():
    caption = shown(LocalBinaryPattern(points=16, radius=2, method="uniform")).caption
    assert "16 neighbours, 2 px away" in caption
    assert "how many" in caption
    captions = {shown(LocalBinaryPattern(method=m)).caption for m in LocalBinaryPattern.METHODS}
    assert len(captions) == len(LocalBinaryPattern.METHODS)


def test_names_from_the_data_are_escaped(tmp_path, frame):
    presentations = make_presentations(frame, target=HOSTILE)
    page = report(tmp_path, presentations, score(presentations, HOSTILE), target=HOSTILE, data="x")
    assert not page.all("script")
    assert page.text.count(HOSTILE) >= 3
    assert "Simulated data" not in page.text
    assert "Read with care" in page.text


def test_the_same_run_gives_the_same_bytes(tmp_path, frame):
    presentations = make_presentations(frame)
    scored = score(presentations, "webcam")
    report(tmp_path, presentations, scored)
    first = (tmp_path / "report.html").read_bytes()
    report(tmp_path, presentations, scored)
    assert (tmp_path / "report.html").read_bytes() == first


def test_failures_few_subjects_and_perfect_scores(tmp_path, frame):
    presentations = make_presentations(frame, subjects=1)
    scored = [replace(s, score=0.9 if s.live else 0.1) for s in score(presentations, "webcam")]
    page = report(tmp_path, presentations, scored)
    assert "No interval: too few subjects" in page.text
    assert "No decision on a scored face was wrong" in page.text

    presentations = make_presentations(frame)
    scored = score(presentations, "webcam")
    scored[0] = replace(scored[0], score=float("nan"), n_frames=0)
    page = report(tmp_path, presentations, scored)
    assert "1 of them could not be scored" in page.text


def test_the_target_alone_and_an_empty_log_are_enough(tmp_path, frame):
    presentations = [p for p in make_presentations(frame) if p.domain == "webcam"]
    folder = make_run(tmp_path / "run", score(presentations, "webcam"))
    header = (folder / "log.csv").read_text().splitlines()[0]
    (folder / "log.csv").write_text(header + "\n")
    assert "The log holds no rows" in report_page(folder, presentations, make_detector("mp"))


def test_a_run_that_cannot_be_reported_is_named(tmp_path, frame):
    presentations = make_presentations(frame)
    scored = score(presentations, "webcam")
    detector = make_detector("rgb")

    def refused(folder, message, given=presentations):
        with pytest.raises(InputError, match=message):
            report_page(folder, given, detector)

    refused(tmp_path / "nowhere", "no finished run")
    refused(make_run(tmp_path / "a", scored), "not in the data given", presentations[:-1])
    refused(make_run(tmp_path / "b", scored, hter=0.0123), "metrics.json says HTER 0.0123")
    for name in ("config.json", "log.csv", "scores.csv"):
        folder = make_run(tmp_path / name, scored)
        (folder / name).unlink()
        refused(folder, "cannot be reported")
    folder = make_run(tmp_path / "c", scored)
    (folder / "scores.csv").write_text("presentation,score\nx,1\n")
    refused(folder, "scores.csv: has no column domain")


# ---------------------------------------------------------------- which cases are shown


def some(score_, live, kind=None, subject="s"):
    name = f"{subject}-{kind or 'live'}-{score_}"
    return Scored(name, "d", subject, live, kind, None, 1, score_)


def test_worst_and_best_cases():
    scored = [
        some(0.9, True), some(0.3, True), some(0.1, True), some(0.6, True),
        some(0.2, False, "print"), some(0.95, False, "print"), some(0.4, False, "replay"),
        some(float("nan"), False, "replay"),
    ]  # fmt: skip
    wrong = cases.extremes(scored, 0.5, False, 4)
    assert [(cases.kind(s), s.score) for s in wrong] == [
        ("live", 0.1), ("print", 0.95), ("live", 0.3),
    ]  # fmt: skip
    best = cases.extremes(scored, 0.5, True, 4)
    assert [(cases.kind(s), s.score) for s in best] == [
        ("live", 0.9), ("print", 0.2), ("replay", 0.4), ("live", 0.6),
    ]  # fmt: skip


def test_typical_subjects_are_the_ordinary_ones():
    scored = [
        row
        for i, shift in enumerate([-0.3, -0.1, 0.0, 0.05, 0.3])
        for row in (
            some(0.6 + shift, True, subject=f"s{i}"),
            some(0.4 + shift, False, "print", f"s{i}"),
        )
    ]
    rows = cases.typical_subjects(scored, 2)
    assert [[s.subject for s in row] for row in rows] == [["s2", "s2"], ["s3", "s3"]]
    apart = [some(0.5, True, subject="a"), some(0.4, False, "print", "b")]
    assert [[s.subject for s in row] for row in cases.typical_subjects(apart, 2)] == [["a", "b"]]


# ---------------------------------------------------------------- figures


def test_histograms_put_an_edge_at_the_threshold_and_lose_no_score():
    rng = np.random.default_rng(1)
    for low, high, threshold in ((0, 1, 0.37), (0.50, 0.53, 0.512), (0.2, 0.3, 0.9)):
        scores = rng.uniform(low, high, 200)
        figure = figures.score_histograms({"live": scores, "mask": scores[:50]}, threshold, 0.5)
        for axes, expected in zip(figure.axes, (scores, scores[:50]), strict=True):
            bars = [p for p in axes.patches if hasattr(p, "get_height") and p.get_hatch() is None]
            starts = np.array([bar.get_x() for bar in bars])
            heights = [bar.get_height() for bar in bars if bar.get_alpha() == 0.85]
            assert sum(heights) == expected.size
            assert np.abs(starts - threshold).min() < 1e-9


def test_stretch_uses_one_range_for_all_images():
    patterns = np.zeros((2, 8, 8, 3), np.float32)
    patterns[0], patterns[1] = 0.4, 0.6
    stretched = figures.stretch(patterns)
    assert np.allclose(stretched[0], 0)
    assert np.allclose(stretched[1], 1)
    assert np.isfinite(figures.stretch(np.full((1, 4, 4, 3), 0.5))).all()


def test_figures_leave_no_trace_in_pyplot():
    from matplotlib import pyplot

    figures.svg(figures.rate_bars({"a": 0.2, "b oracle": 0.1}, {"a": None}))
    figures.svg(figures.roc_curves({"x": (np.array([1, 0]), np.array([0, 1]))}))
    assert pyplot.get_fignums() == []
