"""`hfnmp data`: index a data set, prepare its frames, join manifests; imports little at first."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from hfnmp_lite.files import InputError

DATASETS = ("oulu", "casia", "replay", "msu", "own", "release")
RULES = ("linspace", "fixed")
CROPS = ("auto", "annotation", "detector", "none")
LISTS = ("released", "short")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions to the command's parser."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    index = actions.add_parser("index", help="list the recordings of a data set in a manifest")
    index.add_argument("root", type=Path, metavar="ROOT", help="the data set's folder")
    index.add_argument(
        "--dataset",
        choices=DATASETS,
        required=True,
        help="a licensed set as distributed; own: live/ and attack/<type>/; "
        "release: zips and lists of the authors' code",
    )
    index.add_argument("--out", type=Path, metavar="FILE", help="default: ROOT/manifest.csv")
    index.add_argument("--domain", metavar="NAME", help="of own recordings; default: the folder's")
    index.add_argument(
        "--lists", type=Path, nargs="+", metavar="FILE", help="of a release: lists or their folder"
    )
    _add_choice(index, "of a release: which frames of each zip")

    prepare = actions.add_parser("prepare", help="decode, choose and crop frames; resumable")
    prepare.add_argument("indexes", type=Path, nargs="+", metavar="MANIFEST", help="from index")
    prepare.add_argument("--out", type=Path, metavar="DIR", help="default: prepared/ beside it")
    _add_choice(prepare, "which frames of each video")
    prepare.add_argument("--size", type=int, default=256, metavar="PX", help="default: 256")
    prepare.add_argument("--crop", choices=CROPS, default="auto", help="how the face is found")
    prepare.add_argument("--workers", type=int, metavar="N", help="default: one a processor")

    join = actions.add_parser("join", help="write one manifest of several, or one list of them")
    join.add_argument("manifests", type=Path, nargs="+", metavar="MANIFEST")
    join.add_argument("--out", type=Path, required=True, metavar="FILE")
    join.add_argument(
        "--list",
        choices=LISTS,
        default="released",
        help="short: without the development parts of OULU-NPU and Replay-Attack",
    )


def _add_choice(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("--rule", choices=RULES, help=f"{text}; default: linspace")
    parser.add_argument("--frames", type=int, metavar="N", help="default: 2")


def _choice(given: argparse.Namespace) -> tuple[str, int]:
    return given.rule or "linspace", 2 if given.frames is None else given.frames


def run(given: argparse.Namespace) -> int:
    """Do what was asked, print what came of it, and return the exit status."""
    return {"index": _index, "prepare": _prepare, "join": _join}[given.action](given)


def _index(given: argparse.Namespace) -> int:
    if (given.dataset == "release") != bool(given.lists):
        raise InputError(
            "--lists goes with --dataset release, and only with it; give the authors' .csv lists"
        )
    if given.domain and given.dataset != "own":
        raise InputError("--domain names one's own recordings; the others are named already")
    if given.dataset != "release" and (given.rule or given.frames is not None):
        raise InputError(
            "--rule and --frames of these are hfnmp data prepare's; leave them out here"
        )
    _, frames = _choice(given)
    if not given.root.is_dir():
        raise InputError(f"{given.root}: no such folder; give the data set's folder")
    if not 1 <= frames <= 1000:
        raise InputError(f"frames is {frames}; expected 1 to 1000 for each video")
    out = given.out or given.root / "manifest.csv"
    if given.dataset == "release":
        return _index_release(given, out)
    from hfnmp_lite.data import ocim, own, recordings

    if given.dataset == "own":
        found = own.find(given.root, given.domain)
    else:
        found = ocim.find(given.root, given.dataset)
    recordings.write_index(out, given.root, found.recordings)
    print("\n".join([*found.remarks, _counts(found.recordings)]))
    print(f"{out}: {len(found.recordings)} recordings; next: hfnmp data prepare {out}")
    return 0


def _index_release(given: argparse.Namespace, out: Path) -> int:
    from hfnmp_lite.data import release

    lists = release.expand(given.lists)
    indexed = release.index(given.root, lists, out, *_choice(given))
    print("\n".join([*indexed.remarks, *_failures(indexed.failures, indexed.presentations)]))
    print(f"{out}: {indexed.presentations} presentations, {indexed.frames} frames")
    _name_lists(out)
    return _status(indexed.failures)


def _counts(recordings: Sequence) -> str:
    from collections import Counter

    counts = Counter((r.domain, r.attack_type or "live") for r in recordings)
    return "; ".join(f"{domain} {kind}: {n}" for (domain, kind), n in sorted(counts.items()))


def _prepare(given: argparse.Namespace) -> int:
    if given.workers is not None and given.workers < 1:
        raise InputError(f"workers is {given.workers}; expected at least 1")
    if given.out is None and len(given.indexes) > 1:
        raise InputError("--out is missing; name the folder for the frames of several data sets")
    from hfnmp_lite.data.extract import Settings
    from hfnmp_lite.data.prepare import prepare

    out = given.out or given.indexes[0].parent / "prepared"
    settings = Settings(*_choice(given), given.size, given.crop)
    summary = prepare(given.indexes, out, settings, given.workers)
    by = ", ".join(f"{n} by {name}" for name, n in sorted(summary.cropped.items()))
    print("\n".join(_failures(summary.failures, summary.recordings)))
    print(f"{summary.manifest}: {summary.recordings} presentations, {summary.frames} frames ({by})")
    _name_lists(summary.manifest)
    return _status(summary.failures)


def _status(failures: Mapping[str, str]) -> int:
    """A face that nobody finds is a result; a file that cannot be used is not."""
    from hfnmp_lite.data.recordings import NO_FACE

    return 1 if any(not reason.startswith(NO_FACE) for reason in failures.values()) else 0


def _failures(failures: Mapping[str, str], listed: int) -> list[str]:
    """One line for each presentation without a frame, and their number, even where it is 0."""
    from hfnmp_lite.data.recordings import printable, shortened

    lines = [f"{printable(key)}: {printable(reason)}" for key, reason in failures.items()]
    return [
        *shortened(lines),
        f"failures to acquire: {len(failures)} of {listed}"
        + ("; they stay listed and count as errors" if failures else ""),
    ]


def _join(given: argparse.Namespace) -> int:
    from hfnmp_lite.data import lists

    count = lists.join(given.manifests, given.out, given.list)
    print(f"{given.out}: {count} presentations")
    _name_lists(given.out)
    return 0


def _name_lists(manifest: Path) -> None:
    from hfnmp_lite.data.lists import describe
    from hfnmp_lite.data.presentations import read_manifest

    for domain, text in describe(read_manifest(manifest)).items():
        print(f"{domain}: {text}")
