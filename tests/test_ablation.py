"""The grid and the command that runs it: what is refused, kept, gone on with."""

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import stand_ins
from rows import DOMAINS, planted, row

from hfnmp_lite import cli
from hfnmp_lite.data.presentations import read_manifest
from hfnmp_lite.evaluate import metrics
from hfnmp_lite.experiments import ablation, search
from hfnmp_lite.experiments.ablation import (
    COLUMNS,
    KEY,
    ablate,
    arms_of,
    grid,
    key_of,
    name_of,
    read_rows,
    write_rows,
)
from hfnmp_lite.experiments.recipe import tallies, tally
from hfnmp_lite.files import InputError, exclusive

SMALL = ("--training", "smoke", "--workers", "1", "--seeds", "1", "--targets", "phone")


@pytest.fixture(scope="module")
def manifest(small_samples):
    return small_samples / "manifest.csv"


def one_line(capsys, *arguments, status=2):
    """Run `hfnmp ablate` here and give the one line that it ends with."""
    assert cli.main(["ablate", *map(str, arguments)]) == status
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("hfnmp")]
    assert len(lines) == 1
    return lines[0]


def some(manifest, samples, folder, keep):
    """A manifest of some of the samples' frames."""
    folder.mkdir()
    (folder / "frames").symlink_to(samples / "frames")
    with open(manifest, newline="") as file:
        rows = list(csv.DictReader(file))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(r for r in rows if keep(r))
    (folder / "manifest.csv").write_text(text.getvalue())
    return folder / "manifest.csv"


# --- the grid ----------------------------------------------------------------------------------


@pytest.mark.parametrize("training", ["classroom", "paper", "smoke"])
@pytest.mark.parametrize("preset", ["main", "core", "full"])
def test_no_run_of_the_grid_comes_twice_and_all_have_the_same_updates(preset, training):
    configs = grid(preset, DOMAINS, 2, training)
    keys = Counter(key_of(c.to_dict()) for c in configs)
    assert set(keys.values()) == {1}
    assert {name_of(c.to_dict()) for c in configs} == set(arms_of(preset, training))
    assert len({(c.iterations, c.per_class, c.size, c.shift) for c in configs}) == 1
    assert {(c.target, c.seed) for c in configs} == {(t, s) for t in DOMAINS for s in (0, 1)}
    assert all(c.target not in c.sources for c in configs)


def test_the_most_telling_runs_come_first():
    """The main arms at three seeds, all others but one factor alone, two more seeds, the rest."""
    configs = grid("full", DOMAINS)
    names = [name_of(c.to_dict()) for c in configs]
    first = ["rgb", "lbp", "random", "mp alternating 2"]
    assert list(arms_of("main")) == first
    assert list(dict.fromkeys(names[:16])) == first  # four arms, four targets, one seed
    assert {c.seed for c in configs[:16]} == {0}
    assert {c.seed for c in configs[:48]} == {0, 1, 2}
    assert set(names[:48]) == set(first)
    factors = set(arms_of("full")) - set(names[: names.index("gradient")])
    last = names[-len(factors) * 4 :]
    assert set(last) == factors
    more = [c for c in configs if name_of(c.to_dict()) in first and c.seed > 2]
    assert configs[-len(factors) * 4 - len(more) : -len(factors) * 4] == more
    assert set(names[48 : -len(factors) * 4 - len(more)]).isdisjoint(first)


def test_seeds_are_those_planned_unless_told_otherwise():
    seeds = Counter(name_of(c.to_dict()) for c in grid("full", DOMAINS))
    assert seeds["rgb"] == seeds["mp alternating 2"] == 5 * 4
    for name in ("identity", "mp joint 1", "mp bilevel 2", "lbp alone", "mp alternating 2 alone"):
        assert seeds[name] == 3 * 4, name
    for name in ("rgb augmented", "mp alternating 2 augmented"):
        assert seeds[name] == 3 * 4, name
    for name in ("gradient", "mp alternating 2 late", "mp alternating 2 K=4"):
        assert seeds[name] == 4, name
    assert set(Counter(name_of(c.to_dict()) for c in grid("full", DOMAINS, 2)).values()) == {8}


def test_two_sources_alone_leave_the_others_as_targets():
    configs = grid("main", DOMAINS, 1, sources=["handheld", "webcam"])
    assert {c.target for c in configs} == {"mixed", "phone"}
    assert {c.sources for c in configs} == {("handheld", "webcam")}
    with pytest.raises(InputError, match="--sources names 'moon'"):
        grid("main", DOMAINS, sources=["moon"])
    with pytest.raises(InputError, match="--targets names 'webcam'; expected some of: mixed"):
        grid("main", DOMAINS, sources=["handheld", "webcam", "phone"], targets=["webcam"])


def test_a_grid_of_some_arms_and_targets():
    configs = grid("full", DOMAINS, 2, arms=["gradient", "mp alternating 2 K=4"], targets=["phone"])
    assert sorted({name_of(c.to_dict()) for c in configs}) == ["gradient", "mp alternating 2 K=4"]
    assert {c.target for c in configs} == {"phone"}
    assert len(configs) == 4
    # what needs two sources does not stand in the way of what does not
    assert len(grid("core", ("phone", "webcam"), 1, arms=["lbp"])) == 2


def test_settings_found_for_a_pattern_and_target_are_used_there_alone():
    recipes = {("lbp", "phone"): {"lbp_method": "uniform"}, ("mp", "webcam"): {"extractor_lr": 0.1}}
    for config in grid("full", DOMAINS, 1, recipes=recipes):
        here = (config.pattern, config.target)
        assert (config.lbp_method == "uniform") == (here == ("lbp", "phone"))
        assert (config.extractor_lr == 0.1) == (here == ("mp", "webcam"))


def found(pattern, judged, sources, hter, **changes):
    """A row of the search's log."""
    target = next(d for d in DOMAINS if d not in sources)
    config = search.make_config("classroom", target, (*sources, target), pattern, **changes)
    return {"target": judged, "hter": str(hter), "config": json.dumps(config.to_dict())}


def log(errors):
    """All candidates of rgb on every pair; `errors(judged, fast)` is the error found.

    `fast` is 0 for the preset, 1 for the faster rate, 2 for the slower.
    """
    rows = []
    for fast, changes in enumerate(search.CANDIDATES["rgb"]):
        for config in search.trials(DOMAINS):
            if config.pattern == "rgb" and config.network_lr == changes.get("network_lr", 1e-3):
                rows += [
                    found("rgb", d, config.sources, errors(d, fast), **changes)
                    for d in DOMAINS
                    if d not in config.sources
                ]
    return rows


def test_a_recipe_is_what_erred_least_on_the_other_domains():
    # the faster rate is better before the phone and worse by as much before the webcam alone
    gain = {"phone": -0.1, "webcam": 0.05}
    rows = log(lambda judged, fast: (0.3, 0.3 + gain.get(judged, 0), 0.4)[fast])
    assert len(rows) == 3 * 6 * 2
    chosen = search.recipes(rows)
    fast = search.CANDIDATES["rgb"][1]
    # of a target's three, one is on each other domain
    assert chosen["rgb", "handheld"] == chosen["rgb", "webcam"] == fast
    assert chosen["rgb", "phone"] == {}


@pytest.mark.parametrize("target", DOMAINS)
def test_no_recipe_depends_on_what_was_seen_of_its_target(target):
    draw = np.random.default_rng(0)
    errors = {(d, f): draw.uniform(0.1, 0.5) for d in DOMAINS for f in (0, 1, 2)}
    before = search.recipes(log(lambda *at: errors[at]))["rgb", target]
    for value in (0.0, 1.0):
        changed = errors | {(target, 1): value}
        assert search.recipes(log(lambda *at, c=changed: c[at]))["rgb", target] == before
    # a row whose sources hold the target does not count either
    rows = [
        r | {"hter": "0" if '"network_lr": 0.003' in r["config"] else "1"}
        if target in json.loads(r["config"])["sources"]
        else r
        for r in log(lambda *at: errors[at])
    ]
    assert search.recipes(rows)["rgb", target] == before


def test_every_candidate_of_a_main_arm_can_be_learned_in_every_arm_of_its_pattern():
    """A recipe meets all arms: patterns alone and one stage too."""
    for candidates in zip(*search.CANDIDATES.values(), strict=True):
        recipes = {
            (pattern, target): changes
            for pattern, changes in zip(search.CANDIDATES, candidates, strict=True)
            for target in DOMAINS
        }
        configs = grid("full", DOMAINS, 1, recipes=recipes)
        assert len({key_of(c.to_dict()) for c in configs}) == len(configs)
        for config in configs:
            changes = recipes.get((config.pattern, config.target), {})
            assert all(getattr(config, name) == value for name, value in changes.items())


def test_what_the_shipped_search_found_is_used_and_said(manifest, tmp_path, capsys, monkeypatch):
    path, out = tmp_path / "search.csv", tmp_path / "table.csv"
    monkeypatch.setattr(search, "_shipped", lambda: path)
    assert search.recipes_for("classroom", DOMAINS) is None
    path.write_text("here")
    found = log(lambda judged, fast: 0.3 - 0.1 * (fast == 1) * (judged != "webcam"))
    monkeypatch.setattr(search, "read_search", lambda _: found)
    assert search.recipes_for("smoke", DOMAINS) is None
    assert search.recipes_for("classroom", DOMAINS[:3]) is None
    monkeypatch.setattr(ablation, "learn_and_judge", stand_ins.quick)
    how = ["--arms", "rgb,lbp", "--manifest", str(manifest), "--training", "classroom"]
    assert cli.main(["ablate", "--out", str(out), *SMALL, *how]) == 0
    said = capsys.readouterr().out
    assert '\n  rgb, phone: {"network_lr": 0.003}\n' in said
    assert "\nsettings of all others: the preset's\n" in said
    rates = {r["pattern"]: json.loads(r["config"])["network_lr"] for r in read_rows(out)}
    assert rates == {"rgb": 0.003, "lbp": 0.001}


# --- the tally ---------------------------------------------------------------------------------


def test_the_tally_makes_the_error_that_the_metrics_give():
    from hfnmp_lite.evaluate.scoring import Scored, as_arrays

    draw = np.random.default_rng(0)
    scored = []
    for i in range(120):
        kind = (None, "print", "replay")[i % 3]
        score = float("nan") if i in (6, 7, 50) else float(draw.uniform())
        scored.append(Scored(f"p{i}", "d", f"s{i // 12}", kind is None, kind, None, 1, score))
    people = [s.subject for s in scored]
    counts = np.sum(list(tally(scored, 0.4, people).values()), axis=0)
    expected = metrics.evaluate(**as_arrays(scored), threshold=0.4)
    assert counts[0] / counts[1] == pytest.approx(expected.frr)
    assert counts[2] / counts[3] == pytest.approx(expected.far)
    assert len(tally(scored, 0.4, people)) == 10


def test_errors_are_counted_by_subject_and_by_what_they_were_made_with():
    from hfnmp_lite.data.presentations import Presentation
    from hfnmp_lite.evaluate.scoring import Scored

    made = [  # id, subject, live, camera, instrument, light, score
        ("a", "s0", True, "nexus", None, "lamp", 0.9),
        ("b", "s0", True, "nexus", None, None, 0.1),
        ("c", "s0", False, "nexus", "laser", "lamp", 0.7),
        ("d", "s1", False, "oppo", "ipad", "lamp", 0.2),
        ("e", "s1", True, "oppo", None, "lamp", float("nan")),
        ("f", "s1", False, "oppo", "ipad", "lamp", float("nan")),
    ]
    presentations, scored = [], []
    for id_, who, live, camera, instrument, light, score in made:
        kind = None if live else "x"
        shared = (id_, "d", who, live, kind, instrument)
        presentations.append(Presentation(*shared, (), camera=camera, light=light))
        scored.append(Scored(*shared, 1, score))
    found = {k: json.loads(v) for k, v in tallies(scored, presentations, 0.5).items()}
    assert found == {
        "subjects": {"s0": [1, 2, 1, 1], "s1": [1, 1, 0, 2]},
        "devices": {
            "camera": {"nexus": [1, 2, 1, 1], "oppo": [1, 1, 0, 2]},
            "instrument": {"laser": [0, 0, 1, 1], "ipad": [0, 0, 0, 2]},
            "light": {"lamp": [1, 2, 1, 3]},
        },
    }


# --- a real table ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(manifest, tmp_path_factory):
    """Three real runs, the first of which explodes: (file, status, stdout, stderr)."""
    out = tmp_path_factory.mktemp("ablation") / "table.csv"
    good = grid("core", DOMAINS, 1, "smoke", ["lbp", "mp alternating 2"], ["phone"])
    (rgb,) = grid("core", DOMAINS, 1, "smoke", ["rgb"], ["phone"])
    configs = [replace(rgb, network_lr=1e30, optimizer="sgd"), *good]
    said, wrong = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ablation, "grid", lambda *_: configs)
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(wrong):
            status = cli.main(["ablate", "--out", str(out), *SMALL, "--manifest", str(manifest)])
    return out, status, said.getvalue(), wrong.getvalue()


def test_an_exploding_loss_is_one_line_and_the_rest_goes_on(table):
    out, status, said, wrong = table
    assert status == 1
    (line,) = [line for line in said.splitlines() if "lower the learning rates" in line]
    assert line.startswith("rgb, phone, seed 0: ")
    assert "Traceback" not in said + wrong
    assert "hfnmp: 1 run(s) failed" in wrong
    assert [name_of(r) for r in read_rows(out)] == ["lbp", "mp alternating 2"]


def test_a_table_comes_with_its_summary_and_figure(table):
    out, _, said, _ = table
    assert {p.name for p in out.parent.iterdir()} == {
        *("table.csv", "table.summary.json", "table.png", ".table.csv.lock", ".hfnmp.json")
    }
    rows = list(csv.DictReader(out.open(newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert all(r[c] != "" for r in rows for c in COLUMNS)
    summary = json.loads(out.with_suffix(".summary.json").read_text())
    assert {"command", "seed", "commit", "versions", "hardware"} <= set(summary)
    assert summary["rows"]["n"] == 2
    gain = summary["gains"]["lbp"]["mp alternating 2"]
    hters = {name_of(r): 100 * float(r["hter"]) for r in rows}
    assert gain["points"] == pytest.approx(hters["lbp"] - hters["mp alternating 2"])
    assert gain["over"] == "subjects alone"
    assert said.splitlines()[0] == "settings: the preset's"
    assert "Simulated data" in said
    written = out.with_suffix(".summary.json"), out.with_suffix(".png")
    assert said.splitlines()[-1] == f"written: {written[0]}, {written[1]}"


def test_a_row_is_what_hfnmp_train_finds(table, manifest, tmp_path):
    from hfnmp_lite.config import RunConfig
    from hfnmp_lite.experiments.run import run

    (of_mp,) = [r for r in read_rows(table[0]) if r["pattern"] == "mp"]
    config = RunConfig.from_dict(json.loads(of_mp["config"]))
    alone = run(config, tmp_path / "run", manifest, progress=False)
    for name in ("hter", "auc", "hter_oracle", "threshold"):
        assert alone[name] == pytest.approx(float(of_mp[name]), abs=1e-6)


def test_the_same_command_again_does_nothing_more(table, manifest, tmp_path, capsys, monkeypatch):
    out = tmp_path / "copy.csv"
    shutil.copy(table[0], out)
    monkeypatch.setattr(ablation, "learn_and_judge", None)  # nobody may call it
    arguments = ["--arms", "lbp, mp alternating 2", "--manifest", str(manifest)]
    assert cli.main(["ablate", "--out", str(out), *SMALL, *arguments]) == 0
    assert out.read_bytes() == table[0].read_bytes()
    # and --report alone says the same
    again = capsys.readouterr().out
    assert cli.main(["ablate", "--out", str(out), "--report"]) == 0
    assert "settings: the preset's\n" + capsys.readouterr().out == again


# --- interrupted, killed, together -------------------------------------------------------------


def test_a_killed_worker_is_one_line_and_finished_runs_are_kept(
    manifest, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "table.csv"
    arguments = ["--out", out, *SMALL, "--manifest", manifest, "--arms", "rgb,lbp"]
    monkeypatch.setattr(ablation, "learn_and_judge", stand_ins.killed_at_lbp)
    line = one_line(capsys, *arguments)
    assert "worker process was ended" in line
    assert "run the same command again" in line
    assert [name_of(r) for r in read_rows(out)] == ["rgb"]
    monkeypatch.setattr(ablation, "learn_and_judge", stand_ins.quick)
    assert cli.main(["ablate", *map(str, arguments)]) == 0
    assert [name_of(r) for r in read_rows(out)] == ["rgb", "lbp"]


def test_interrupted_it_ends_at_once_and_the_same_command_goes_on(manifest, tmp_path):
    out = tmp_path / "table.csv"
    arguments = ["ablate", "--out", str(out), *SMALL, "--manifest", str(manifest)]
    code = (
        "import signal, sys, stand_ins\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # whatever started the tests
        "from hfnmp_lite import cli\n"
        "from hfnmp_lite.experiments import ablation\n"
        "ablation.learn_and_judge = stand_ins.slow_at_lbp\n"
        f"sys.exit(cli.main({[*arguments, '--arms', 'rgb,lbp']!r}))"
    )
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    places = {"PYTHONPATH": str(Path(__file__).parent), "TMPDIR": str(temporary)}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | places,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not out.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    workers = children(process.pid)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, wrong = process.communicate(timeout=50)  # a run of a minute is not waited for
    assert process.returncode == 130, wrong
    assert "Traceback" not in wrong
    assert "Warning" not in wrong
    assert wrong.splitlines()[-1].endswith("finished runs are kept, and the same command goes on")
    assert workers
    while any(Path(f"/proc/{pid}").exists() for pid in workers):  # nobody is left behind
        assert time.monotonic() - begun < 30
        time.sleep(0.1)
    assert list(temporary.iterdir()) == []
    assert [name_of(r) for r in read_rows(out)] == ["rgb"]


def test_a_run_writes_where_the_command_clears_up(manifest, tmp_path, monkeypatch):
    """A worker that is ended leaves its files; they lie in a folder that the command removes."""
    seen = []

    def watched(config, training, validation, folder, **how):
        seen.append(folder)
        raise FloatingPointError("enough")

    monkeypatch.setattr("hfnmp_lite.learn.fit.fit", watched)
    (config,) = grid("main", DOMAINS, 1, "smoke", ["rgb"], ["phone"])
    said = ablation.learn_and_judge(config, manifest, ("phone",), tmp_path)
    assert said == "rgb, phone, seed 0: enough"
    assert [folder.parent for folder in seen] == [tmp_path]
    assert not seen[0].exists()


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_two_on_one_file_refuse_each_other(manifest, tmp_path, capsys):
    out = tmp_path / "table.csv"
    with exclusive(out):
        line = one_line(capsys, "--out", out, *SMALL, "--manifest", manifest, "--arms", "lbp")
    assert "another process is writing it" in line
    assert not out.exists()


# --- refused at the door -----------------------------------------------------------------------


def other_version(rows, path):
    write_rows(path, rows)
    path.write_text(path.read_text().replace("hter_oracle", "hter_best", 1))


def twice(rows, path):
    write_rows(path, [*rows, rows[0]])


def cut_off(rows, path):
    write_rows(path, rows)
    path.write_text(path.read_text()[:-40])


def cut_between(rows, path):
    write_rows(path, rows)
    text = path.read_text()
    path.write_text(text[: text.rindex(rows[-1]["data_sha256"])])


def no_table(rows, path):
    path.write_bytes(b"\xff\xfe\x00")


def empty(rows, path):
    path.write_text("")


@pytest.mark.parametrize("report", [True, False])
@pytest.mark.parametrize(
    ("write", "words"),
    [
        (other_version, "columns missing: ['hter_oracle']"),
        (twice, "row 10: lbp stands there twice"),
        (cut_off, "unexpected end of data"),
        (cut_between, "row 9: is cut off"),
        (no_table, "cannot be read"),
        (empty, "is not a results table"),
    ],
)
def test_a_file_that_is_no_table_of_this_version(write, words, report, manifest, tmp_path, capsys):
    out = tmp_path / "table.csv"
    write(planted({"lbp": 0.2}, seeds=2, subjects=3), out)
    before = out.read_bytes()
    how = ["--report"] if report else [*SMALL, "--arms", "rgb", "--manifest", manifest]
    line = one_line(capsys, "--out", out, *how)
    assert words in line
    assert str(out) in line
    assert out.read_bytes() == before


def test_a_table_saved_by_a_spreadsheet_is_read_or_told_what_it_is(tmp_path, capsys):
    out = tmp_path / "table.csv"
    write_rows(out, planted({"lbp": 0.2}, seeds=2, subjects=3))
    text, rows = out.read_text(), read_rows(out)
    out.write_text("\ufeff" + text.replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert read_rows(out) == rows
    header, _, rest = text.partition("\n")
    out.write_text(header.replace(",", ";") + "\n" + rest)
    assert "is separated by semicolons" in one_line(capsys, "--out", out, "--report")


def test_a_file_with_runs_on_other_data_or_other_settings(manifest, tmp_path, capsys):
    out = tmp_path / "table.csv"
    rows = planted({"rgb": 0.3}, seeds=1, subjects=3, targets=("phone",))
    write_rows(out, rows)
    how = ["--out", out, *SMALL, "--manifest", manifest, "--arms", "rgb"]
    assert "other data (made up)" in one_line(capsys, *how)
    here = ablation.data_identity(manifest)
    write_rows(out, [r | here for r in rows])
    line = one_line(capsys, *how)
    assert "--training classroom" in line
    assert "give --out another file" in line
    config = json.loads(rows[0]["config"]) | {"network_lr": 0.5}
    write_rows(out, [r | here | {"config": json.dumps(config)} for r in rows])
    how = [*how[:2], *SMALL[2:], "--manifest", manifest, "--arms", "rgb"]
    assert "other settings (network_lr)" in one_line(capsys, *how)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--arms", "sift"], "--arms names 'sift'; expected some of: rgb, lbp"),
        (["--arms", "gradient"], "--preset full has more"),
        (["--sources", "moon"], "--sources names 'moon'; expected some of: handheld"),
        (["--targets", "moon"], "--targets names 'moon'; expected some of: handheld"),
        (["--seeds", "0"], "--seeds is 0; expected at least 1"),
        (["--workers", "0"], "--workers is 0; expected at least 1"),
        (["--manifest", "none.csv"], "none.csv"),
        (["--report"], "leave --manifest out"),
        (["--out", "table.png"], "ends in .csv"),
    ],
)
def test_a_wrong_word(arguments, words, manifest, tmp_path, capsys):
    out = tmp_path / "table.csv"
    line = one_line(capsys, "--out", out, "--manifest", manifest, *arguments)
    assert words in line
    assert not out.exists()


def test_a_report_of_a_table_that_is_not_there(tmp_path, capsys):
    line = one_line(capsys, "--out", tmp_path / "table.csv", "--report")
    assert "no such file; hfnmp ablate --out writes it" in line


def test_data_that_no_domain_can_be_left_out_of(manifest, small_samples, tmp_path, capsys):
    cases = {
        "one": (lambda r: r["domain"] == "phone", "at least one source"),
        "two": (lambda r: r["domain"] in ("phone", "webcam"), "at least 2 source domains"),
        "live": (
            lambda r: r["domain"] != "mixed" or r["live"] == "1",
            "domain 'mixed' has no attack",
        ),
        "attack": (
            lambda r: r["domain"] != "mixed" or r["live"] == "0",
            "domain 'mixed' has no live presentation",
        ),
    }
    for name, (keep, words) in cases.items():
        given = some(manifest, small_samples, tmp_path / name, keep)
        assert read_manifest(given)
        out = tmp_path / f"{name}.csv"
        line = one_line(capsys, "--out", out, *SMALL, "--manifest", given)
        assert words in line
        assert not out.exists()


@pytest.mark.parametrize("steps", [0, -1])
def test_fewer_than_one_inner_step(steps, capsys):
    arguments = ["train", "--target", "phone", "--inner-steps", str(steps)]
    assert cli.main(arguments) == 2
    assert f"inner_steps is {steps}; expected at least 1" in capsys.readouterr().err


def test_names_and_keys_tell_runs_apart():
    rows = [
        row("mp alternating 2", "phone", 0, {"a": [0, 1, 0, 1]}),
        row("mp joint 1", "phone", 0, {"a": [0, 1, 0, 1]}),
    ]
    assert name_of(rows[0]) == "mp alternating 2"
    for cells, name in (
        ({"fusion": "alone"}, "mp alternating 2 alone"),
        ({"augment": "camera"}, "mp alternating 2 augmented"),
    ):
        assert name_of(rows[0] | cells) == name
        assert key_of(rows[0] | cells) != key_of(rows[0])
    assert key_of(rows[0]) != key_of(rows[1])
    assert set(KEY) < set(COLUMNS)
    with pytest.raises(InputError, match="preset 'huge' is unknown"):
        grid("huge", DOMAINS)
    with pytest.raises(InputError, match="at least 1"):
        ablate([], Path("nowhere.csv"), workers=0)
