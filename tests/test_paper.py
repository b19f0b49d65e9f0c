"""The reading note says what is where: marks, links, figures and every quoted number.

A number of *our measurement* must stand in a file that the statement links to: in a table under the
key that its column names, elsewhere among the leaves of a JSON, in the stored outputs of a
notebook, or in a test.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

from hfnmp_lite.config import RunConfig
from hfnmp_lite.data.samples import notebooks_root

PAGE = notebooks_root() / "PAPER.md"
TEXT = PAGE.read_text(encoding="utf-8")
HEADINGS = {
    "Quick summary": [],
    "Problem statement": [],
    "Key contributions": [],
    "Methodology": ["Architecture", "Key techniques", "Novel components"],
    "Experiments": ["Data sets", "Results", "Ablations", "Published neighbours"],
    "Strengths": [],
    "Limitations": [],
    "Critical analysis": ["What works well", "Concerns", "Missing pieces"],
    "Relevance to presentation attack detection": [
        *("Direct applications", "Ideas sparked", "Techniques to borrow"),
    ],
    "Implementation notes": ["Architecture", "Hyperparameters", "Training", "Reproducibility"],
    "Related papers": [],
    "Open questions and extensions": [],
    "Figures and equations to remember": [],
}
MARK = re.compile(r"\*(abstract|released\s+code|our\s+measurement|our\s+choice)\*")
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?![\w]|\.\d)(?: %)?")


class Statement(NamedTuple):
    """A list item, a table row or a paragraph, with the mark and links that go with it."""

    text: str
    marks: frozenset[str]  # its own, or those of the sentence that introduces it
    links: tuple[str, ...]
    columns: tuple[str, ...]  # of a table row: the table's header


def marks_of(text: str) -> frozenset[str]:
    return frozenset(" ".join(found.split()) for found in MARK.findall(text))


def links_of(text: str) -> tuple[str, ...]:
    return tuple(target for _, target in LINK.findall(text))


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def statements(text: str) -> list[Statement]:
    """Every statement below the first heading of the second level."""
    text = re.sub(r"\$\$.*?\$\$", "", text[text.index("\n## ") :], flags=re.DOTALL)
    found, introduced = [], frozenset()
    for block in re.split(r"\n\s*\n", text):
        block = block.strip()
        if not block or block.startswith("#"):
            introduced = frozenset()
            continue
        if block.startswith("|"):
            header, _, *rows = block.splitlines()
            given = introduced | marks_of(header)
            found += [
                Statement(r, given | marks_of(r), links_of(header + r), tuple(cells(header)))
                for r in rows
            ]
            continue
        parts = re.split(r"\n(?=- |\d\. )", block)
        for part in parts:
            marks = marks_of(part) or introduced
            found.append(Statement(part, marks, links_of(part), ()))
        last = parts[-1]
        introduces = last.endswith(":") or last.startswith("All of these")
        introduced = marks_of(last) if introduces else introduced
    return found


STATEMENTS = statements(TEXT)
MEASURED = [s for s in STATEMENTS if "our measurement" in s.marks and s.links]


def shown(statement: Statement) -> str:
    return " ".join(statement.text.split())[:100]


def path_of(link: str) -> Path:
    return (PAGE.parent / link.partition("#")[0]).resolve()


# --- what stands there -------------------------------------------------------------------------


def test_the_headings_are_those_of_the_course():
    found: dict[str, list[str]] = {}
    for level, title in re.findall(r"^(##|###) (.+)$", TEXT, re.M):
        if level == "##":
            found[title] = []
        else:
            found[list(found)[-1]].append(title)
    assert found == HEADINGS
    assert list(found) == list(HEADINGS)


def test_every_statement_is_marked():
    assert len(STATEMENTS) > 60
    for statement in STATEMENTS:
        assert statement.marks, shown(statement)
    assert frozenset().union(*(s.marks for s in STATEMENTS)) == {
        *("abstract", "released code", "our measurement", "our choice"),
    }


def test_what_the_code_or_we_found_is_linked():
    for statement in STATEMENTS:
        if marks_of(statement.text) & {"released code", "our measurement"}:
            introduces = statement.text.endswith(":")
            assert introduces or statement.links, shown(statement)


def test_nothing_is_said_of_the_papers_body():
    lower = " ".join(TEXT.lower().split())
    for words in ("the paper reports", "the paper shows", "the authors report", "in the paper,"):
        assert words not in lower
    assert not re.search(r"\btable [ivx\d]", lower)


def test_links_lead_somewhere():
    anchors = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in headings()}
    for link in links_of(TEXT):
        if link.startswith("https://"):
            continue
        target, _, anchor = link.partition("#")
        assert not target or path_of(link).exists(), link
        assert not anchor or anchor in anchors, link


def headings() -> list[str]:
    return re.findall(r"^#+ (.+)$", TEXT, re.M)


def test_a_link_named_by_a_number_leads_to_that_notebook():
    for name, target in LINK.findall(TEXT):
        if re.fullmatch(r"\d\d", name):
            assert target.startswith(f"{name}_"), target


def test_figures_to_remember_are_there():
    named = [
        (target, number)
        for _, target, rest in re.findall(r"\[(\d\d)\]\((\S+)\), (Figure[^\n]*)", TEXT)
        for number in re.findall(r"Figure (\d+)", rest)
    ]
    assert len(named) >= 4
    for target, number in named:
        captions = [
            cell.source
            for cell in nbformat.read(path_of(target), as_version=4).cells
            if cell.source.startswith(f"*Figure {number}. ")
        ]
        assert captions, (target, number)


# --- numbers -----------------------------------------------------------------------------------


def leaves(value: object) -> list[float]:
    if isinstance(value, dict):
        return [leaf for v in value.values() for leaf in leaves(v)]
    if isinstance(value, list):
        return [leaf for v in value for leaf in leaves(v)]
    return [value] if isinstance(value, float | int) else []


def written(value: float, like: str) -> str:
    """Write a value as a quoted number is written: its decimals, and % as hundredths."""
    share = like.endswith("%")
    decimals = len(like.removesuffix(" %").partition(".")[2])
    return f"{100 * value if share else value:.{decimals}f}{' %' if share else ''}"


def outputs(path: Path) -> str:
    """Everything that a notebook's stored outputs say."""
    said = []
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
            said += [output.get("text", ""), data.get("text/plain", ""), alt]
    return "\n".join(said)


def stands_in(number: str, path: Path) -> bool:
    if path.suffix == ".json":
        values = leaves(json.loads(path.read_text(encoding="utf-8")))
        return number in {written(v, number) for v in values}
    text = outputs(path) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")
    bare = number.removesuffix(" %")
    pattern = re.escape(bare) if path.suffix == ".ipynb" else re.escape(bare).replace(",", "_")
    return bool(
        re.search(rf"(?<![\d.,]){pattern}(?![\d_])" + (" ?%" if "%" in number else ""), text)
    )


def quoted(text: str) -> list[str]:
    """Numbers with decimals, with %, or of three digits and more; not those of names and links."""
    text = LINK.sub(r" ", text).replace("95 %", "")
    text = re.sub(r"`[^`]*`", " ", text)
    return [n for n in NUMBER.findall(text) if "." in n or "%" in n or len(n.replace(",", "")) >= 3]


@pytest.mark.parametrize("statement", MEASURED, ids=shown)
def test_a_quoted_number_stands_where_the_link_leads(statement):
    paths = [path_of(link) for link in statement.links if not link.startswith("#")]
    if statement.columns:
        return  # by its key, below
    for number in quoted(statement.text):
        assert any(stands_in(number, path) for path in paths), f"{number} is in none of {paths}"


def test_some_numbers_are_quoted():
    assert sum(len(quoted(s.text)) for s in MEASURED if not s.columns) >= 10


def test_a_table_quotes_the_keys_that_its_columns_name():
    checked = 0
    for statement in MEASURED:
        for column, cell in zip(statement.columns, cells(statement.text), strict=False):
            key = re.search(r"`(\w+)`", column)
            if key is None:
                continue
            values = json.loads(path_of(statement.links[0]).read_text(encoding="utf-8"))
            assert values["target"] == statement.text.strip("| ").split()[0]
            number = NUMBER.match(cell).group()
            assert number == written(values[key.group(1)], number), shown(statement)
            if "[" in cell:
                ends = (f"{100 * v:.1f}" for v in values[f"{key.group(1)}_ci"])
                assert cell.endswith(f"[{', '.join(ends)}]"), shown(statement)
            checked += 1
    assert checked == 8  # four columns, two domains


def test_the_hyperparameters_are_those_of_the_preset():
    c = RunConfig("a", ("b", "c"))
    rows = {cells(r)[0]: cells(r)[-1] for r in TEXT.splitlines() if r.startswith("| ")}
    assert rows["input"].startswith(f"{c.size}×{c.size}, ")
    assert f"up to {c.shift} pixels" in rows["batch"]
    assert c.per_class == 4  # "the same"
    assert (rows["optimiser"], c.optimizer) == (f"AdamW, {c.schedule} schedule", "adamw")
    rates = [f"1e{round(math.log10(r))}" for r in (c.network_lr, c.extractor_lr)]
    assert rows["rates"].startswith(f"{rates[0]} for $H$, {rates[1]} for $E$, ")
    assert c.second_lr == c.network_lr
    assert rows["$K$"] == str(c.inner_steps)
