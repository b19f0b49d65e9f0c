"""Are the explanations faithful? Networks and methods scored against known cues, as one table.

    python -m hfnmp_lite.explain.faithfulness --out data_samples/results/faithfulness.csv \
        data_samples/checkpoints/*.safetensors

Every network sees the same simulated people, drawn with a seed that no network was trained on:
in each domain a live picture and an attack of each type for each person, with every cue, without
each cue, with each alone and with none (`cue_sets`). All are scored; the attacks of every fifth
person are explained by every method, and the explanations of one attack of every fifteenth are
computed for noisy images and drawn weights, too: those take most of the time. What is measured is
told in `measures`, how it is summed up in `table`. Work in progress lies beside the table in
`.NAME.partial`, one file a person; the same call after an interruption goes on from there, on any
number of processes and for any number of people.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from tqdm import tqdm

from hfnmp_lite.data import samples, workers
from hfnmp_lite.files import InputError, exclusive, write_whole
from hfnmp_lite.owned import check_free, write_owned
from hfnmp_lite.provenance import provenance
from hfnmp_lite.simulate.domains import DOMAINS

SEED = 1000
SUBJECTS = 40
EXPLAINED = 5  # every fifth person's attacks and decoy are explained; scores are cheap, of all
COSTLY = 15  # of every fifteenth person one attack is measured for stability too, in turn
SETTINGS = "settings.json"
BY = "hfnmp_lite.explain.faithfulness"
RESPONSES = ("margin", "map", "score")


def measure(
    checkpoints: Sequence[Path],
    out: Path,
    *,
    subjects: int = SUBJECTS,
    seed: int = SEED,
    response: str = "margin",
    processes: int | None = None,
    command: str = "",
    progress: bool = True,
) -> dict[str, object]:
    """Measure networks and write the table `out` (CSV), and beside it a JSON of its provenance.

    Parameters
    ----------
    checkpoints : sequence of path
        Checkpoints or run directories; a network is named by its file or directory.
    out : path
        The table; the JSON has the same name and ends in .json.
    subjects : int
        People in each domain.
    seed : int
        Of the simulated people; not the shipped samples', whom the networks know.
    response : {"margin", "map", "score"}
        What is explained.
    processes : int, optional
        By default one for each processor. Changes no number.

    Returns
    -------
    dict
        What the JSON holds; "answers" are sentences.

    Raises
    ------
    InputError
        An argument cannot be used; a partial table was begun with other arguments.
    """
    networks = _networks(checkpoints)
    _check(subjects, seed)
    settings = {
        "networks": {name: _sha256(path) for name, path in networks.items()},
        "seed": seed,
        "response": response,
        "simulator": samples.source_digest(),
        "methods": _own_digest(),
    }
    check_free([out, out.with_suffix(".json")], BY)
    with exclusive(out):
        partial = out.parent / f".{out.name}.partial"
        _claim(partial, settings)
        jobs = [(domain, number) for number in range(subjects) for domain in DOMAINS]
        waiting = [job for job in jobs if not _part(partial, *job).is_file()]
        count = workers.default_count() if processes is None else processes
        paths = tuple((name, str(path)) for name, path in networks.items())
        with (
            workers.pool(min(count, max(1, len(waiting)))) as submit,
            tqdm(total=len(jobs), desc="people", unit="person", disable=not progress) as bar,
        ):
            bar.update(len(jobs) - len(waiting))
            calls = [(partial, paths, seed, response, *job) for job in waiting]
            for _ in submit(examine_person, calls):
                bar.update()
        records = [
            record for job in jobs for record in json.loads(_part(partial, *job).read_text())
        ]
        said = _write(out, records, networks, settings | {"subjects": subjects}, command, progress)
        parts = [path for d in DOMAINS for path in partial.glob(f"{d}-[0-9]*.json")]
        for path in (*parts, partial / SETTINGS):
            path.unlink()
        with suppress(OSError):  # it holds something that is not ours
            partial.rmdir()
    return said


def _networks(checkpoints: Sequence[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for given in checkpoints:
        file = given / "model.safetensors" if given.is_dir() else given
        if not file.is_file():
            raise InputError(f"{file}: no such file; give checkpoints or finished runs")
        name = given.resolve().name.removesuffix(".safetensors")
        if name in found:
            raise InputError(
                f"{given} and {found[name]} are both named '{name}', and the table could not tell "
                "them apart; rename one"
            )
        found[name] = file
    return found


def _check(subjects: int, seed: int) -> None:
    if subjects < 2:
        raise InputError(f"subjects is {subjects}; expected at least 2, or there is no interval")
    if seed < 1:
        raise InputError(
            f"seed is {seed}; expected 1 or more: with 0 come the people of the shipped samples, "
            "whom the networks have met"
        )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _own_digest() -> str:
    """The first 12 digits of the SHA-256 of what makes records: parts of two ways never mix."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem in ("table", "answers", "tour"):
            continue  # they read records
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:12]


def _claim(partial: Path, settings: dict[str, object]) -> None:
    """Begin the folder of parts, or go on with one that was begun alike."""
    record = partial / SETTINGS
    if record.is_file():
        begun = json.loads(record.read_text())
        if begun != settings:
            raise InputError(
                f"{partial} holds a table begun with other arguments, other networks or other "
                "code; finish it with those, or remove it"
            )
        return
    partial.mkdir(parents=True, exist_ok=True)
    write_whole(record, json.dumps(settings, indent=1))


def _part(partial: Path, domain: str, number: int) -> Path:
    return partial / f"{domain}-{number:03d}.json"


def examine_person(
    partial: Path,
    networks: tuple[tuple[str, str], ...],
    seed: int,
    response: str,
    domain: str,
    number: int,
) -> None:
    """Examine every network before one person and write the records: one job of a worker."""
    import torch

    from hfnmp_lite.explain.cue_sets import draw_person
    from hfnmp_lite.explain.examine import examine

    torch.set_num_threads(1)
    records, people = [], {}
    for name, path in networks:
        detector = _load(path)
        size = int(detector.config.get("size", 128))
        if size not in people:
            people[size] = draw_person(domain, seed, number, size)
        turn = number // COSTLY % 2 if number % COSTLY == 0 else None
        found = examine(detector, people[size], response, number % EXPLAINED == 0, turn)
        records += [{"network": name, **record} for record in found]
    write_whole(_part(partial, domain, number), json.dumps(records))


@lru_cache(maxsize=8)
def _load(path: str):
    from hfnmp_lite.model.checkpoint import load_checkpoint

    return load_checkpoint(path)


def _write(
    out: Path,
    records: Sequence[dict],
    networks: dict[str, Path],
    settings: dict[str, object],
    command: str,
    progress: bool,
) -> dict[str, object]:
    """Sum up, answer, and write the table and its provenance."""
    from hfnmp_lite.explain.answers import answer
    from hfnmp_lite.explain.table import differences, read, summarise, write

    about = {name: _load(str(path)).config for name, path in networks.items()}
    unseen = {name: str(config.get("target", "")) for name, config in about.items()}
    rows = summarise(records, unseen, progress=progress)
    compared = pairs(about)
    for first, second in compared:
        rows += differences(records, unseen, first, second, progress=progress)
    text = write(rows)
    rows = read(text)  # as rounded there, so that sentences and table agree
    answers = [sentence for two in compared for sentence in answer(rows, *two)]
    said = {
        "what": "faithfulness of attributions against known cues, simulated data; 95 % intervals "
        "by subject; columns and measures are told in hfnmp_lite.explain.table",
        "answers": answers,
        "networks": {
            name: {"pattern": config.get("pattern"), "target": unseen[name], "sha256": digest}
            for (name, config), digest in zip(
                about.items(), settings["networks"].values(), strict=True
            )
        },
        "response": settings["response"],
        "people": f"{settings['subjects']} simulated subjects in each domain, seed "
        f"{settings['seed']}; a live picture and an attack of each type of each; the attacks of "
        f"one subject in {EXPLAINED} explained, one attack of one in {COSTLY} tried for stability",
        "command": command,
        "seed": settings["seed"],
        **provenance(),
    }
    said["versions"]["captum"] = version("captum")
    write_owned(out, text, BY)
    write_owned(out.with_suffix(".json"), json.dumps(said, indent=2) + "\n", BY)
    return said


def pairs(about: dict[str, dict]) -> list[tuple[str, str]]:
    """Pair each Meta Pattern's network with each LBP's that left the same domain out."""
    return [
        (first, second)
        for first, one in about.items()
        for second, other in about.items()
        if one.get("pattern") == "mp"
        and other.get("pattern") == "lbp"
        and one.get("target") == other.get("target")
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, and print the answers."""
    parser = argparse.ArgumentParser(
        prog="python -m hfnmp_lite.explain.faithfulness", description=__doc__.splitlines()[0]
    )
    parser.add_argument("checkpoints", type=Path, nargs="+", metavar="RUN_DIR_OR_CHECKPOINT")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv")
    parser.add_argument("--subjects", type=int, default=SUBJECTS, help="in each domain")
    parser.add_argument("--seed", type=int, default=SEED, help="of the simulated people")
    parser.add_argument("--response", choices=RESPONSES, default="margin")
    parser.add_argument("--workers", type=int, help="processes; by default one a processor")
    given = parser.parse_intermixed_args(arguments)
    signal.signal(signal.SIGINT, _leave)
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        said = measure(
            given.checkpoints,
            given.out,
            subjects=given.subjects,
            seed=given.seed,
            response=given.response,
            processes=given.workers,
            command=shlex.join(["python", "-m", "hfnmp_lite.explain.faithfulness", *arguments]),
        )
    except InputError as error:
        print(f"faithfulness: {error}", file=sys.stderr)
        return 2
    for sentence in said["answers"]:
        print(f"- {sentence}")
    return 0


def _leave(_signal: int, _frame: object) -> None:
    """End at once; a pool would finish what it has begun. Workers leave with their parent."""
    print("\nfaithfulness: interrupted; the same call goes on from here", file=sys.stderr)
    sys.stderr.flush()
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
