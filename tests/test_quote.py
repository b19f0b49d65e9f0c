"""Results in pages: hand-worked lines, and a block that is replaced and nothing else."""

from __future__ import annotations

import pytest
from rows import GOOD, planted, without

from hfnmp_lite.data.samples import notebooks_root
from hfnmp_lite.experiments import bench
from hfnmp_lite.experiments.ablation import write_rows
from hfnmp_lite.experiments.quote import (
    SOURCES,
    main,
    markdown,
    marks,
    quoted,
    shipped,
)
from hfnmp_lite.experiments.summary import say_goal, summarise
from hfnmp_lite.files import InputError

BENCH = marks("bench.json")
ROWS = without(planted(GOOD, seeds=2, subjects=6), pattern="mp", target="phone", seed=1)


def test_every_arm_has_its_line_with_the_summarys_figures():
    said = summarise(ROWS)
    head, rule, *lines = markdown(said).splitlines()
    columns = [c.strip() for c in head.strip("|").split("|")]
    assert columns[4:] == [f"saves against {b}" for b in ("lbp", "rgb", "identity", "random")] + [
        "seeds"
    ]
    assert rule.count("---") == len(columns)
    table = [[c.strip() for c in line.strip("|").split("|")] for line in lines[: len(GOOD)]]
    assert [row[0] for row in table] == list(said["arms"])
    for row in table:
        held = said["arms"][row[0]]
        assert row[1] == f"{100 * held['hter']:.1f} %"
        assert row[2:4] == ["10.0 %", "0.900"]
        found = said["gains"]["lbp"].get(row[0])
        if found is None:
            assert row[4] == "–"
            continue
        low, high = found["interval"]
        points = f"{found['points']:+z.1f}"
        points = f"**{points}**" if found["clear"] else points
        alone = " (s)" if row[0] == "mp alternating 2" else ""  # one seed in common on the phone
        assert row[4] == f"{points} [{low:+.1f}, {high:+.1f}]{alone}"
    assert {row[0]: row[-1] for row in table} == dict.fromkeys(GOOD, "2") | {
        "mp alternating 2": "1–2"
    }
    for goal in said["goals"]:
        assert f"- {say_goal(goal).capitalize()[:4]}" in markdown(said)
        assert say_goal(goal)[1:] in markdown(said)


def test_a_missing_target_leaves_no_mean():
    said = markdown(summarise(without(ROWS, pattern="lbp", target="webcam")))
    (line,) = [row for row in said.splitlines() if row.startswith("| lbp |")]
    assert line.split("|")[2:5] == [" – "] * 3
    assert line.rstrip(" |").endswith("0–2")


def test_the_blocks_alone_are_written_anew(tmp_path, capsys, monkeypatch):
    page, (begin, end) = tmp_path / "page.md", marks("ablation.csv")
    page.write_text(f"# A page\n\n{begin}\nold\n{end}\n\nMore.\n\n{BENCH[0]}\n{BENCH[1]}\n")
    write_rows(tmp_path / "ablation.csv", ROWS)
    (tmp_path / "bench.json").write_text('{"quick": true}')
    monkeypatch.setattr(bench, "table", lambda result: f"quick {result['quick']}\n\n  3 s")
    main([str(page), "--results", str(tmp_path)])
    assert "quotes ablation.csv, bench.json" in capsys.readouterr().out
    once = page.read_text()
    speeds = "    quick True\n\n      3 s"
    assert quoted(page) == {"ablation.csv": markdown(summarise(ROWS)), "bench.json": speeds}
    assert once.startswith(f"# A page\n\n{begin}\n\n| arm |")
    assert once.endswith(f"\n\n{end}\n\nMore.\n\n{BENCH[0]}\n\n{speeds}\n\n{BENCH[1]}\n")
    main([str(page), "--results", str(tmp_path)])
    assert page.read_text() == once


@pytest.mark.parametrize(
    "text", ["nothing", BENCH[0], f"{BENCH[1]}\n{BENCH[0]}", f"{BENCH[0]}{BENCH[0]}{BENCH[1]}"]
)
def test_a_page_without_its_marks_is_refused_in_one_line(text, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(InputError, match=r"page\.md: expected one line") as caught:
        quoted(page)
    assert "\n" not in str(caught.value)
    with pytest.raises(SystemExit, match="expected one line"):
        main([str(page), "--results", str(tmp_path)])
    assert page.read_text() == text


def test_the_pages_quote_the_shipped_results():
    note, results = notebooks_root() / "PAPER.md", shipped() / "README.md"
    for page in (note, results):
        for name, block in quoted(page).items():
            again = f"python -m hfnmp_lite.experiments.quote {page.name}"
            now = SOURCES[name](shipped() / name)
            assert block == now, f"{page.name} is older than {name}: {again}"
    assert "ablation.csv" in quoted(note)
