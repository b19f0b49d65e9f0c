"""What a table of runs says: means over domains, gains over baselines, goals, what is missing.

How two arms are compared, and what the intervals do not tell, stands in `experiments.paired`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hfnmp_lite.evaluate.intervals import LEVEL
from hfnmp_lite.experiments.ablation import SIMULATED, read_rows
from hfnmp_lite.experiments.paired import (
    ALONE,
    BOTH,
    FIGURES,
    Gain,
    Table,
    gain,
    tabulate,
)
from hfnmp_lite.experiments.run import SHIPPED
from hfnmp_lite.files import InputError

BASELINES = ("lbp", "rgb", "identity", "random")
GOAL_ARM = "mp alternating 2"
GOALS = {"lbp": 3.0, "rgb": 3.0, "random": 2.0}  # HTER points that `GOAL_ARM` is hoped to gain
CHANCE = (0.45, 0.55)  # HTER of a rule that accepts all, or none, is 1/2


def summarise(rows: Sequence[Mapping[str, str]]) -> dict[str, object]:
    """Return what the rows say, as JSON can hold it: arms, gains, goals, what is missing.

    A mean over targets stands only where the arm, or both arms, have every target of the table;
    elsewhere it is None, and the targets that are there stand by themselves.

    Parameters
    ----------
    rows : sequence of mappings
        From `ablation.read_rows`.

    Raises
    ------
    InputError
        See `tabulate`.
    """
    table = tabulate(rows)
    gains: dict[str, dict[str, object]] = {}
    for baseline in (b for b in BASELINES if b in table.arms):
        gains[baseline] = {}
        for arm in (a for a in table.arms if a != baseline):
            apart = {t: gain(table, arm, baseline, [t]) for t in table.targets}
            whole = gain(table, arm, baseline, table.targets)
            gains[baseline][arm] = {
                **(_plain(whole) if whole else dict.fromkeys(("points", "interval", "over"))),
                "clear": whole.clear if whole else None,
                "targets": {t: _plain(g) | {"seeds": g.seeds[t]} for t, g in apart.items() if g},
            }
    return {
        "seed": sorted({int(row["seed"]) for row in rows}),
        "level": LEVEL,
        "targets": list(table.targets),
        "arms": {arm: _means(table, arm) for arm in table.arms},
        "gains": gains,
        "goals": [_judge_goal(gains, baseline) for baseline in GOALS],
        "at_chance": at_chance(table),
        "missing": missing(table),
        "rows": _origin(rows),
    }


def _plain(found: Gain) -> dict[str, object]:
    return {"points": found.points, "interval": found.interval, "over": found.over}


def _means(table: Table, arm: str) -> dict[str, object]:
    """Means over seeds by target, and over targets where the arm has them all; in [0, 1]."""
    here = [t for t in table.targets if (arm, t) in table.seeds]
    apart = {
        t: {f: float(table.figures[arm, t][f].mean()) for f in FIGURES}
        | {"seeds": list(table.seeds[arm, t])}
        for t in here
    }
    whole = len(here) == len(table.targets)
    means = {f: float(np.mean([apart[t][f] for t in here])) if whole else None for f in FIGURES}
    return means | {"targets": apart}


def _judge_goal(gains: Mapping[str, Mapping], baseline: str) -> dict[str, object]:
    """Hold a gain against its goal: met, not met, or open while runs are missing."""
    found = gains.get(baseline, {}).get(GOAL_ARM) or dict.fromkeys(
        ("points", "interval", "over", "clear")
    )
    met = None
    if found["interval"] is not None and found["over"] == BOTH:
        met = found["points"] >= GOALS[baseline] and found["interval"][0] > 0
    kept = {k: found[k] for k in ("points", "interval", "over")}
    return {"arm": GOAL_ARM, "baseline": baseline, "goal": GOALS[baseline], **kept, "met": met}


def at_chance(table: Table) -> dict[str, dict[str, list[float]]]:
    """Find targets before which no arm's threshold works, though its ranking may.

    Returns
    -------
    dict
        target -> {"auc", "hter_oracle": [lowest, highest] mean of an arm}, of those targets where
        the mean HTER of every arm lies within `CHANCE`. There gains in HTER tell nothing.
    """
    found = {}
    for target in table.targets:
        held = [table.figures[a, target] for a in table.arms if (a, target) in table.figures]
        if all(CHANCE[0] <= of["hter"].mean() <= CHANCE[1] for of in held):
            means = {f: sorted(float(of[f].mean()) for of in held) for f in ("auc", "hter_oracle")}
            found[target] = {f: [values[0], values[-1]] for f, values in means.items()}
    return found


def say_chance(target: str, found: Mapping[str, Sequence[float]]) -> str:
    """Say in a line that before a target every arm judges like a rule that looks at nothing."""
    oracle, auc = found["hter_oracle"], found["auc"]
    return (
        f"before {target} no arm's threshold works: every HTER is {100 * CHANCE[0]:.0f} to "
        f"{100 * CHANCE[1]:.0f} %, that of a rule which accepts all or none; rankings do differ "
        f"(AUC {auc[0]:.3f} to {auc[1]:.3f}, HTER at the oracle's threshold {100 * oracle[0]:.1f} "
        f"to {100 * oracle[1]:.1f} %)"
    )


def missing(table: Table) -> list[str]:
    """Say which runs other arms have and one lacks, a line for each arm."""
    wanted = {
        t: sorted({s for a in table.arms for s in table.seeds.get((a, t), ())})
        for t in table.targets
    }
    lines = []
    for arm in table.arms:
        lacks = []
        for target, seeds in wanted.items():
            absent = [s for s in seeds if s not in table.seeds.get((arm, target), ())]
            if absent:
                numbers = "every seed" if absent == seeds else f"seed {', '.join(map(str, absent))}"
                lacks.append(f"{target} ({numbers})")
        if lacks:
            lines.append(f"{arm} lacks {', '.join(lacks)}")
    return lines


def _origin(rows: Sequence[Mapping[str, str]]) -> dict[str, object]:
    """Where the rows came from: every distinct command, commit, machine and set of versions."""

    def distinct(name: str) -> list[object]:
        values = sorted({row[name] for row in rows})
        return [json.loads(v) if v.startswith("{") else v for v in values]

    dates = sorted(row["date"] for row in rows)
    return {
        "n": len(rows),
        "hours_of_one_core": round(math.fsum(float(row["seconds"]) for row in rows) / 3600, 2),
        "dates": [dates[0], dates[-1]],
        "preset": json.loads(rows[0]["config"])["preset"],
        **{name: distinct(name) for name in ("data", "data_sha256", "command", "commit")},
        **{name: distinct(name) for name in ("versions", "hardware", "threads")},
        **{name: distinct(name) for name in ("selected_on", "threshold_rule")},
    }


def summarise_file(path: Path) -> dict[str, object]:
    """Summarise a file of `ablate`, naming it and its checksum; raises `InputError`."""
    rows = read_rows(path)
    try:
        summary = summarise(rows)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    return summary | {"rows": {"file": path.name, "sha256": checksum, **summary["rows"]}}


def render(summary: Mapping[str, object]) -> str:
    """Lay a summary out for reading on a terminal."""
    targets = summary["targets"]
    data = summary["rows"]["data"]
    simulated = all(d == SHIPPED or d.endswith(f"; {SIMULATED}") for d in data)
    lines = [
        *(["Simulated data."] if simulated else [f"Data: {d}." for d in data]),
        "HTER in %, at the threshold from the sources; oracle: at the target's own best threshold, "
        "which flatters.",
        "",
        f"{'arm':28}{'HTER':>6}{'oracle':>8}{'AUC':>7} "
        + "".join(f"{t:>10}" for t in targets)
        + "   seeds",
    ]
    for arm, held in summary["arms"].items():
        apart = held["targets"]
        numbers = sorted({len(apart[t]["seeds"]) if t in apart else 0 for t in targets})
        lines.append(
            f"{arm:28}{_share(held['hter'])}{_share(held['hter_oracle']):>8}"
            + (f"{held['auc']:7.3f} " if held["auc"] is not None else f"{'-':>7} ")
            + "".join(f"{_share(apart.get(t, {}).get('hter')):>10}" for t in targets)
            + f"   {'-'.join(map(str, numbers[:: max(1, len(numbers) - 1)]))}"
        )
    gains = summary["gains"]
    lines += ["", "HTER points saved (positive: errs less), with 95 % intervals, against"]
    lines.append(f"{'':28}" + "".join(f"{b:^24}" for b in gains))
    for arm in summary["arms"]:
        lines.append(f"{arm:28}" + "".join(f"{_gain(of.get(arm)):24}" for of in gains.values()))
    lines += [
        "",
        "* clear of zero; (s) over subjects alone, since there is one seed; else over subjects and "
        "seeds.",
        "Not corrected for the number of comparisons: the best of many looks better than it is.",
        "",
        *map(say_goal, summary["goals"]),
        *(say_chance(target, found) for target, found in summary["at_chance"].items()),
        *summary["missing"],
    ]
    return "\n".join(line.rstrip() for line in lines)


def _share(value: float | None) -> str:
    return f"{'-':>6}" if value is None else f"{100 * value:6.1f}"


def _gain(found: Mapping[str, object] | None) -> str:
    if not found or found["points"] is None:
        return f"{'-':^22}"
    text = f"{found['points']:+z6.1f} "
    if found["interval"] is not None:
        low, high = found["interval"]
        text += f"[{low:+5.1f},{high:+5.1f}]"
    return text + ("*" if found["clear"] else "") + ("(s)" if found["over"] == ALONE else "")


def say_goal(goal: Mapping[str, object]) -> str:
    """Say in a line whether a goal is met."""
    text = f"goal: {goal['arm']} saves {goal['goal']:g} points against {goal['baseline']}: "
    if goal["points"] is None:
        return text + "open, runs are missing"
    between = ""
    if goal["interval"] is not None:
        low, high = goal["interval"]
        between = f" [{low:+.1f}, {high:+.1f}] over {goal['over']}"
    word = {True: "met", False: "not met", None: "open"}[goal["met"]]
    return f"{text}{word}, {goal['points']:+z.1f}{between}"
