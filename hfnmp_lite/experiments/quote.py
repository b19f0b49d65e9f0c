"""Shipped results, quoted in pages: each block between two marks is written anew.

    python -m hfnmp_lite.experiments.quote data_samples/results/README.md notebooks/PAPER.md

A page that quotes a file of `SOURCES` holds the two lines of `marks`; what stands between them
comes from that file alone, so that no page says anything else than the file does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import indent

from hfnmp_lite.data.samples import root
from hfnmp_lite.experiments.claims import read_claims, say_claims
from hfnmp_lite.experiments.paired import ALONE
from hfnmp_lite.experiments.summary import BASELINES, say_chance, say_goal, summarise_file
from hfnmp_lite.files import InputError, write_whole


def marks(name: str) -> tuple[str, str]:
    """Return the lines above and below what a page quotes of a file."""
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def shipped() -> Path:
    """Return the folder of the shipped results."""
    return root() / "results"


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
    text = f"{found['points']:+z.1f}"
    if found["clear"]:
        text = f"**{text}**"
    if found["interval"] is not None:
        low, high = found["interval"]
        text += f" [{low:+.1f}, {high:+.1f}]"
    return text + (" (s)" if found["over"] == ALONE else "")


def speeds(bench: Path) -> str:
    """Quote what `hfnmp bench --json` wrote, as it prints it, each line of it indented."""
    from hfnmp_lite.experiments.bench import table

    return indent(table(json.loads(bench.read_text(encoding="utf-8"))), "    ")


def _compared(runs: Path) -> str:
    return markdown(summarise_file(runs))


def _regime(file: Path) -> str:
    from hfnmp_lite.experiments.regime import render

    return render(json.loads(file.read_text(encoding="utf-8")))


def _claims(name: Path) -> str:
    return "\n".join(f"- {line}." for line in say_claims(read_claims(name.parent)))


SOURCES: dict[str, Callable[[Path], str]] = {
    "ablation.csv": _compared,
    "claims": _claims,  # of every claims-*.csv
    "bench.json": speeds,
    "regime.json": _regime,
}


def quoted(page: Path) -> dict[str, str]:
    """Return what a page holds between the marks of each file that it quotes.

    Raises
    ------
    InputError
        The page quotes nothing, or has a mark twice or without the other.
    """
    text = page.read_text(encoding="utf-8")
    found = {}
    for name in SOURCES:
        begin, end = marks(name)
        counts = text.count(begin), text.count(end)
        if counts != (0, 0):
            if counts != (1, 1) or text.index(end) < text.index(begin):
                raise InputError(f"{page}: expected one line '{begin}' and below it one '{end}'")
            found[name] = text.partition(begin)[2].partition(end)[0].strip("\n")
    if not found:
        begin, end = marks("NAME")
        raise InputError(
            f"{page}: expected one line '{begin}' and below it one '{end}' where a result shall "
            f"stand, NAME one of {', '.join(SOURCES)}"
        )
    return found


def quote(page: Path, results: Path) -> list[str]:
    """Write the blocks of a page anew from the files in `results`; returns their names."""
    text, names = page.read_text(encoding="utf-8"), list(quoted(page))
    for name in names:
        begin, end = marks(name)
        before, after = text.partition(begin)[0], text.partition(end)[2]
        text = f"{before}{begin}\n\n{SOURCES[name](results / name)}\n\n{end}{after}"
    write_whole(page, text)
    return names


def main(arguments: Sequence[str] | None = None) -> None:
    """Quote the results in every page named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", type=Path, nargs="+", metavar="PAGE.md")
    parser.add_argument("--results", type=Path, help="folder; default: the shipped results")
    given = parser.parse_intermixed_args(arguments)
    try:
        for page in given.pages:
            print(f"{page}: quotes {', '.join(quote(page, given.results or shipped()))}")
    except (InputError, OSError) as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
