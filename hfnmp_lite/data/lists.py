"""Lists: which videos of the four data sets are meant by O, C, I and M, and manifests joined.

Two lists are in use under the same letters. The authors' released one takes every video of a data
set; the shorter one, of other public code, leaves out the development partitions of OULU-NPU and
Replay-Attack. A result names the list it was measured on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from hfnmp_lite.data.presentations import (
    REAL_COLUMNS,
    Presentation,
    read_manifest,
    read_rows,
    write_manifest,
)
from hfnmp_lite.data.recordings import root_for
from hfnmp_lite.files import InputError

PUBLISHED = {
    "released": {"oulu": 4950, "casia": 600, "replay": 1200, "msu": 280},
    "short": {"oulu": 3600, "casia": 600, "replay": 840, "msu": 280},
}
ORDER = ("train", "dev", "test", "no partition")
SHORTENED = ("oulu", "replay")  # of these the shorter list leaves "dev" out


def describe(presentations: Iterable[Presentation]) -> dict[str, str]:
    """Name the list of each licensed data set among some presentations, with its counts.

    Returns
    -------
    dict of str to str
        For example {"oulu": "short list (train, test): 3600 of 3600 videos"}; empty where the
        presentations are of other data. What is written is what the presentations show, whoever
        made the manifest.
    """
    parts: dict[str, Counter] = {}
    for p in presentations:
        if p.domain in PUBLISHED["released"]:
            parts.setdefault(p.domain, Counter())[p.partition or "no partition"] += 1
    named = {}
    for domain, counts in sorted(parts.items()):
        both = domain not in SHORTENED
        short = set(counts) <= {"train", "test"} and not both
        wanted = PUBLISHED["short" if short else "released"][domain]
        name = "released and short lists" if both else f"{'short' if short else 'released'} list"
        order = sorted(counts, key=lambda p: (ORDER.index(p) if p in ORDER else len(ORDER), p))
        named[domain] = f"{name} ({', '.join(order)}): {counts.total()} of {wanted} videos"
    return named


def join(manifests: Sequence[str | Path], out: str | Path, chosen: str = "released") -> int:
    """Write one manifest of several, or of one list of them; frames stay where they are.

    Parameters
    ----------
    manifests : sequence of path
        Manifests of frames.
    out : path
        The new one; must not exist.
    chosen : {"released", "short"}
        "released" keeps all; "short" leaves the development partitions of OULU-NPU and
        Replay-Attack out.

    Returns
    -------
    int
        Presentations written.

    Raises
    ------
    InputError
        A manifest cannot be used, two hold the same presentation, a partition is not stated where
        the list needs it, nothing is left, or `out` exists.
    """
    out = Path(out)
    if out.exists():
        raise InputError(f"{out}: exists; give --out a new file")
    rows, homes = [], {}
    for path in map(Path, manifests):
        for line, row in read_rows(path):
            first = homes.setdefault(row["presentation"], path)
            if first is not path:
                raise InputError(
                    f"{path}, line {line}: presentation '{row['presentation']}' is in {first} "
                    "already; give each data set once"
                )
            if chosen == "short" and row["domain"] in SHORTENED:
                if not row.get("partition"):
                    raise InputError(
                        f"{path}, line {line}: states no partition, which the short list needs; "
                        "index the data set with hfnmp data index"
                    )
                if row["partition"] == "dev":
                    continue
            root, prefix = root_for(Path(row.get("root") or path.resolve().parent), out)
            known = {column: row.get(column, "") for column in REAL_COLUMNS}
            rows.append({**known, "root": root, "path": prefix + row["path"]})
    if not rows:
        raise InputError(f"no presentation is left in the {chosen} list; give other manifests")
    write_manifest(out, rows, REAL_COLUMNS)
    try:
        return len(read_manifest(out))  # refuses what only shows between manifests
    except InputError:
        out.unlink()
        raise
