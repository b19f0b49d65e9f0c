"""The table of runs in pages: hand-worked lines, and a block that is replaced and nothing else."""

from __future__ import annotations

import pytest
from rows import GOOD, planted, without

from hfnmp_lite.data.samples import notebooks_root
from hfnmp_lite.experiments.ablation import write_rows
from hfnmp_lite.experiments.quote import BEGIN, END, main, markdown, quoted, shipped
from hfnmp_lite.experiments.summary import say_goal, summarise, summarise_file
from hfnmp_lite.files import InputError

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
        points = f"{found['points']:+.1f}"
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


def test_the_block_alone_is_written_anew(tmp_path, capsys):
    page, table = tmp_path / "page.md", tmp_path / "table.csv"
    page.write_text(f"# A page\n\n{BEGIN}\nold\n{END}\n\nMore.\n")
    write_rows(table, ROWS)
    main([str(page), "--table", str(table)])
    assert "quotes 39 runs" in capsys.readouterr().out
    once = page.read_text()
    assert quoted(page) == markdown(summarise(ROWS))
    assert once.startswith(f"# A page\n\n{BEGIN}\n\n| arm |")
    assert once.endswith(f"\n\n{END}\n\nMore.\n")
    main([str(page), "--table", str(table)])
    assert page.read_text() == once


@pytest.mark.parametrize("text", ["nothing", BEGIN, f"{END}\n{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_a_page_without_its_marks_is_refused_in_one_line(text, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(InputError, match=r"page\.md: expected one line") as caught:
        quoted(page)
    assert "\n" not in str(caught.value)
    write_rows(tmp_path / "table.csv", ROWS)
    with pytest.raises(SystemExit, match="expected one line"):
        main([str(page), "--table", str(tmp_path / "table.csv")])
    assert page.read_text() == text


def test_the_pages_quote_the_shipped_table():
    expected = markdown(summarise_file(shipped()))
    note, readme = notebooks_root() / "PAPER.md", notebooks_root().parent / "README.md"
    pages = [page for page in (note, readme) if BEGIN in page.read_text(encoding="utf-8")]
    assert note in pages
    for page in pages:
        again = f"python -m hfnmp_lite.experiments.quote {page.name}"
        assert quoted(page) == expected, f"{page.name} is older than the table: {again}"
