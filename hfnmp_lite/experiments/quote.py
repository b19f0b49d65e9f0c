"""The shipped table of runs, quoted in pages: the block between two marks is written anew.

    python -m hfnmp_lite.experiments.quote README.md notebooks/PAPER.md

A page holds the lines `BEGIN` and `END`; what stands between them comes from the table alone, so
that no page says anything else than the table does.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from hfnmp_lite.data.samples import root
from hfnmp_lite.experiments.paired import ALONE
from hfnmp_lite.experiments.summary import BASELINES, say_chance, say_goal, summarise_file
from hfnmp_lite.files import InputError, write_whole

BEGIN, END = "<!-- ablation.csv: begin -->", "<!-- ablation.csv: end -->"


def shipped() -> Path:
    """Return where the shipped table lies."""
    return root() / "results" / "ablation.csv"


def markdown(summary: Mapping[str, object]) -> str:
    """Lay a summary out as a Markdown table with its goals; see `summary.summarise`.

    Gains are HTER points saved against a baseline, with 95 % intervals; ** stands where one is
    clear of zero, (s) where it is over subjects alone.
    """
    gains = {b: summary["gains"][b] for b in BASELINES if b in summary["gains"]}
    columns = ["arm", "HTER", "oracle", "AUC", *(f"saves against {b}" for b in gains), "seeds"]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for arm, held in summary["arms"].items():
        counts = [len(held["targets"].get(t, {}).get("seeds", ())) for t in summary["targets"]]
        seeds = sorted({min(counts), max(counts)})
        cells = [
            *(arm, _share(held["hter"]), _share(held["hter_oracle"])),
            "–" if held["auc"] is None else f"{held['auc']:.3f}",
            *(_gain(of.get(arm)) for of in gains.values()),
            "–".join(map(str, seeds)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    said = [say_goal(goal) for goal in summary["goals"]]
    said += [say_chance(target, found) for target, found in summary["at_chance"].items()]
    return "\n".join([*lines, "", *(f"- {line[0].upper()}{line[1:]}." for line in said)])


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _gain(found: Mapping[str, object] | None) -> str:
    if not found or found["points"] is None:
        return "–"
    text = f"{found['points']:+.1f}"
    if found["clear"]:
        text = f"**{text}**"
    if found["interval"] is not None:
        low, high = found["interval"]
        text += f" [{low:+.1f}, {high:+.1f}]"
    return text + (" (s)" if found["over"] == ALONE else "")


def quoted(page: Path) -> str:
    """Return what a page holds between the marks.

    Raises
    ------
    InputError
        The page lacks them, or has one of them twice.
    """
    text = page.read_text(encoding="utf-8")
    if (text.count(BEGIN), text.count(END)) != (1, 1) or text.index(END) < text.index(BEGIN):
        raise InputError(
            f"{page}: expected one line '{BEGIN}' and below it one line '{END}'; add them where "
            "the table shall stand"
        )
    return text.partition(BEGIN)[2].partition(END)[0].strip("\n")


def quote(page: Path, summary: Mapping[str, object]) -> None:
    """Write the block of a page anew."""
    before = quoted(page)
    text = page.read_text(encoding="utf-8")
    start = text.index(BEGIN) + len(BEGIN)
    rest = text[start:].lstrip("\n")[len(before) :].lstrip("\n")
    write_whole(page, f"{text[:start]}\n\n{markdown(summary)}\n\n{rest}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Quote the table in every page named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", type=Path, nargs="+", metavar="PAGE.md")
    parser.add_argument("--table", type=Path, help="default: the shipped one")
    given = parser.parse_args(arguments)
    try:
        summary = summarise_file(given.table or shipped())
        for page in given.pages:
            quote(page, summary)
            print(f"{page}: quotes {summary['rows']['n']} runs")
    except (InputError, OSError) as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
