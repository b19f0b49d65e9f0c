"""What the table says, in words: reliance on cues, and whether it goes with generalisation.

Sentences are made from the rows alone. A difference counts as decided where its interval leaves out
zero; a negative answer, or none, is an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hfnmp_lite.explain.table import Row

RELIANCE = "removal, response"
Found = Mapping[tuple[str, str, str, str, str], Row]


def answer(rows: Sequence[Row], first: str, second: str) -> list[str]:
    """Compare two networks in sentences: first one with a Meta Pattern, second one with LBP.

    Parameters
    ----------
    rows : sequence of Row
        Of both networks, and of "first - second" (`table.differences`).
    """
    found = {(r.network, r.where, r.measure, r.method, r.cue): r for r in rows}
    said = []
    for where in ("known", "unseen"):
        said += _reliance(found, first, second, where)
    said += _generalisation(found, first, second)
    for name in (first, second):
        said += _trust(found, name)
    return said


def _place(where: str) -> str:
    return "In the domains they learned from" if where == "known" else "In the unseen domain"


def _reliance(found: Found, first: str, second: str, where: str) -> list[str]:
    every = [found.get((n, where, RELIANCE, "", "every")) for n in (first, second)]
    gap = found.get((f"{first} - {second}", where, RELIANCE, "", "every"))
    if None in every or gap is None:
        return []
    one, other = every
    said = [
        f"{_place(where)}, rendering an attack without any cue moves the response towards live by "
        f"{_number(one)} standard deviations for {first} and by {_number(other)} for {second}: "
        f"{_decided(gap, f'{first} relies on the cues more', f'{second} relies on them more')}."
    ]
    verdicts: dict[str, list[str]] = {first: [], second: [], "": []}
    for (network, at, measure, _, cue), row in found.items():
        if (network, at, measure) == (gap.network, where, RELIANCE) and cue != "every":
            winner = "" if _sign(row) == 0 else (first if _sign(row) > 0 else second)
            verdicts[winner].append(f"{cue} ({_number(row)})")
    parts = [
        f"{name} responds more to {', '.join(cues)}"
        for name, cues in verdicts.items()
        if name and cues
    ]
    if verdicts[""]:
        parts.append(f"not decided: {', '.join(verdicts[''])}")
    said.append(f"{_place(where)}, cue by cue ({first} less {second}): {'; '.join(parts)}.")
    aucs = [
        [found.get((n, where, "auc", "", c)) for c in ("every", "none")] for n in (first, second)
    ]
    if None not in aucs[0] + aucs[1]:
        told = " and ".join(
            f"by {name} {_number(every)}, without any cue {_number(none)}"
            for name, (every, none) in zip((first, second), aucs, strict=True)
        )
        said.append(
            f"{_place(where)}, live faces and attacks are told apart with an AUC of: {told}."
        )
    return said


def _generalisation(found: Found, first: str, second: str) -> list[str]:
    pair = f"{first} - {second}"
    auc = [found.get((n, "unseen", "auc", "", "every")) for n in (first, second)]
    gap = found.get((pair, "unseen", "auc", "", "every"))
    rely = found.get((pair, "known", RELIANCE, "", "every"))
    if None in (*auc, gap, rely):
        return []
    better = _decided(gap, f"{first} generalises better", f"{second} generalises better")
    signs = _sign(rely), _sign(gap)
    if 0 in signs:
        together = "so this pair cannot say whether reliance goes with generalisation"
    elif signs[0] == signs[1]:
        together = "so more reliance on known cues goes with better generalisation in this pair"
    else:
        together = "so more reliance on known cues goes with worse generalisation in this pair"
    return [
        f"Generalisation, by the AUC in the unseen domain, {_number(auc[0])} and "
        f"{_number(auc[1])}: {better}, {together}. One pair of networks "
        "is one case, whatever its interval over subjects."
    ]


def _trust(found: Found, network: str) -> list[str]:
    """Which explanations of a network earned trust, and by what."""
    methods = sorted({k[3] for k in found if k[0] == network and k[2] == "deletion"})
    tests = {
        "foretell the measured change better than the cue's size does": ("correlation", "all cues"),
        "find what to delete better than chance": ("deletion", "every"),
    }
    said = []
    for words, (measure, cue) in tests.items():
        passed = [
            method
            for method in methods
            for row in [found.get((network, "known", measure, method, cue))]
            if row is not None and row.above_low > 0
        ]
        said.append(
            f"{network}, known domains: explanations that {words}: {', '.join(passed) or 'none'}."
        )
    return said


def _sign(row: Row) -> int:
    if np.isnan(row.low) or row.low <= 0 <= row.high:
        return 0
    return 1 if row.low > 0 else -1


def _decided(row: Row, more: str, less: str) -> str:
    words = {1: more, -1: less, 0: "which of the two is higher is not decided"}[_sign(row)]
    return f"{words} (difference {_number(row)})"


def _number(row: Row) -> str:
    return f"{row.value:.2f} [{row.low:.2f}, {row.high:.2f}]"
