"""Many runs compared: which pattern, order, stage, fusion and loss, on every domain left out.

Every run learns on one thread with the same number of updates of the network that is judged, is
chosen and given its threshold on held-out subjects of its sources, and is judged on its target
once. A run's row is on disk as soon as the run ends.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import multiprocessing
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tqdm import tqdm

from hfnmp_lite.config import PRESETS, RunConfig, make_config
from hfnmp_lite.data.lists import describe
from hfnmp_lite.data.presentations import is_simulated, read_manifest
from hfnmp_lite.data.samples import root
from hfnmp_lite.data.workers import default_count, pool
from hfnmp_lite.experiments.recipe import judge, learn, tallies
from hfnmp_lite.experiments.run import SHIPPED, load_data, protocol_of
from hfnmp_lite.files import InputError, check_commas, exclusive, opened_table, write_whole
from hfnmp_lite.provenance import peak_memory_mb, provenance

SIMULATED = "simulated"  # what `data_identity` says of the simulator's data beside the shipped
FACTORS = ("pattern", "order", "stages", "fusion", "loss", "inner_steps", "augment")
KEY = (*FACTORS, "target", "seed")
REPAIRED = ("hter_quantile", "hter_adapted", "hter_adapted_quantile", "auc_adapted")
JUDGED = (
    *("hter", "hter_oracle", "auc", "far", "frr", "apcer", "bpcer", "acer", "eer_oracle"),
    *("bpcer20_oracle", "live_accepted_at_apcer1_oracle", "threshold", *REPAIRED),
)
CHOSEN = ("selected_iteration", "auc_sources", "hter_sources", "selected_on", "threshold_rule")
ABOUT = (
    *("n_presentations", "n_listed", "seconds", "peak_memory_mb", "threads", "data"),
    *(
        "data_sha256",
        "date",
        "commit",
        "versions",
        "hardware",
        "command",
        "config",
        "subjects",
        "devices",
    ),
)
COLUMNS = (*KEY, *JUDGED, *CHOSEN, *ABOUT)
MAX_TABLE = 2**28  # bytes

Key = Callable[[Mapping[str, object]], tuple[str, ...]]
Arm = dict[str, object]  # what an arm changes in a run's config; "pattern" at least
MP: Arm = {"pattern": "mp", "order": "alternating", "stages": 2}
MAIN: tuple[Arm, ...] = ({"pattern": "rgb"}, {"pattern": "lbp"}, {"pattern": "random"}, MP)
CORE: tuple[Arm, ...] = (
    *MAIN,
    {"pattern": "identity"},
    {"pattern": "msr"},
    {"pattern": "mp", "order": "joint", "stages": 1},
    {**MP, "stages": 1},
    {**MP, "order": "bilevel"},
)
ALONE: tuple[Arm, ...] = (
    {**MP, "fusion": "alone"},
    {"pattern": "lbp", "fusion": "alone"},
    {"pattern": "random", "fusion": "alone"},
)
AUGMENTED: tuple[Arm, ...] = tuple({**arm, "augment": "camera"} for arm in MAIN)
FACTOR_BY_FACTOR: tuple[Arm, ...] = (
    {"pattern": "gradient"},
    {**MP, "order": "bilevel-first-order"},
    {**MP, "order": "joint"},
    {**MP, "fusion": "late"},
    {**MP, "fusion": "concat"},
    {**MP, "fusion": "top"},
    {**MP, "loss": "ce"},
    {**MP, "inner_steps": 1},
    {**MP, "inner_steps": 4},
)
GRIDS = {
    "main": MAIN,
    "core": CORE,
    "full": (*CORE, *ALONE, *AUGMENTED, *FACTOR_BY_FACTOR),
}
SEEDS = {"main": 5, "core": 3, "factor": 1}  # as planned, before anything was compared
# The claims rest on the main arms, once, on these drawn inventories (build seed 0): named before
# any of them was built, none of them replaced. The shipped domains are never pooled with them.
CLAIMS = ("4001", "4002", "4003", "4004")


def key_of(config: Mapping[str, object]) -> tuple[str, ...]:
    """Return what tells a run of the table from every other."""
    return tuple(str(config[k]) for k in KEY)


def name_of(row: Mapping[str, object]) -> str:
    """Name an arm by what it changes, from a row or a config: "lbp", "mp alternating 2", ..."""
    name = str(row["pattern"])
    if name == "mp":
        name += f" {row['order']} {row['stages']}"
    for factor, usual in (("fusion", "hfm"), ("loss", "ce+mse")):
        if row[factor] != usual:
            name += f" {row[factor]}"
    if row["augment"] != "none":
        name += " augmented"
    if row["pattern"] == "mp" and str(row["inner_steps"]) != str(_usual_steps(row)):
        name += f" K={row['inner_steps']}"
    return name


def _usual_steps(row: Mapping[str, object]) -> object:
    """K of the preset that a row or a config belongs to."""
    preset = row["preset"] if "preset" in row else json.loads(str(row["config"]))["preset"]
    return PRESETS[preset].get("inner_steps", RunConfig.inner_steps)


def arms_of(preset: str, training: str = "classroom") -> dict[str, Arm]:
    """Return the arms of a preset by name, in order; raises InputError for an unknown preset."""
    if preset not in GRIDS:
        raise InputError(f"preset '{preset}' is unknown; expected one of {', '.join(GRIDS)}")
    stand_in = "-", ("-", "+", "*")  # a name does not depend on the domains
    return {name_of(make_config(training, *stand_in, **a).to_dict()): a for a in GRIDS[preset]}


def grid(
    preset: str,
    domains: Sequence[str],
    seeds: int | None = None,
    training: str = "classroom",
    arms: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    recipes: Mapping[tuple[str, str], Mapping[str, object]] | None = None,
    sources: Sequence[str] | None = None,
) -> list[RunConfig]:
    """Return the runs of a preset, the most telling first.

    Parameters
    ----------
    preset : {"main", "core", "full"}
        Which arms: the four that are compared first; all patterns and orders; or those, patterns
        alone, images augmented, and every factor changed by itself.
    domains : sequence of str
        The sources and targets, each left out in turn.
    seeds : int, optional
        Seeds 0, 1, ... of every arm and target; by default as planned: five of the main arms, one
        of those with one factor changed, three of all others.
    training : str
        The preset of every run (`config.PRESETS`).
    arms, targets : sequence of str, optional
        Only these, arms as `name_of` names them.
    recipes : mapping, optional
        What a pattern changes before a target, see `experiments.search`.
    sources : sequence of str, optional
        Learn from these alone; the targets are the other domains.

    Raises
    ------
    InputError
        An unknown name, or no seed.
    """
    named = arms_of(preset, training)
    if seeds is not None and seeds < 1:
        raise InputError(f"--seeds is {seeds}; expected at least 1")
    judged = [d for d in domains if d not in (sources or ())]
    for what, given, known in (
        ("arms", arms, named),
        ("sources", sources, domains),
        ("targets", targets, judged),
    ):
        if unknown := [g for g in given or () if g not in known]:
            more = "; --preset full has more" if what == "arms" and preset == "core" else ""
            raise InputError(
                f"--{what} names '{unknown[0]}'; expected some of: {', '.join(known)}{more}"
            )
    places = {name: place for place, name in enumerate(named)}
    factors = len(named) - len(FACTOR_BY_FACTOR) if preset == "full" else len(named)

    def group(name: str) -> str:
        if places[name] < len(MAIN):
            return "main"
        return "core" if places[name] < factors else "factor"

    def urgency(config: RunConfig) -> tuple[int | bool, ...]:
        name = name_of(config.to_dict())
        late = group(name) == "main" and config.seed > 2
        # the main arms at three seeds, the others, two more seeds, then one factor at a time
        order = {"main": 0, "core": 1, "factor": 3}[group(name)]
        return 2 if late else order, config.seed, places[name]

    configs = [
        make_config(
            training,
            target,
            tuple(domains) if sources is None else (*sources, target),
            seed=seed,
            **{**(recipes or {}).get((arm["pattern"], target), {}), **arm},
        )
        for name, arm in named.items()
        for target in judged
        for seed in range(seeds or SEEDS[group(name)])
        if name in (arms or named) and target in (targets or judged)
    ]
    return sorted(configs, key=urgency)


def ablate(
    configs: Sequence[RunConfig],
    out: Path,
    manifest: str | Path | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> list[str]:
    """Do the runs that `out` does not hold yet; returns what went wrong, a line for each run.

    Interrupt it and call it again: it goes on. Two at a time on one file refuse each other.

    Parameters
    ----------
    configs : sequence of RunConfig
        What to run.
    out : Path
        CSV with `COLUMNS`, written whole after every run.
    manifest : path, optional
        The data; the shipped samples where None.
    workers : int, optional
        Processes of one thread each; by default one a processor.

    Raises
    ------
    InputError
        `out` is no such table, is of another version, or holds rows of other data or of other
        settings; it is in use; the data cannot be used.
    """
    if workers is not None and workers < 1:
        raise InputError(f"--workers is {workers}; expected at least 1")
    presentations = load_data(manifest)
    for config in configs:  # every refusal before the first second of work
        protocol_of(config, presentations)
    data = data_identity(manifest)
    about = {k: v if isinstance(v, str) else json.dumps(v) for k, v in provenance().items()}
    about |= {**data, "command": shlex.join(["hfnmp", *sys.argv[1:]])}
    with exclusive(out):
        rows = read_rows(out) if out.exists() else []
        waiting = still_to_do(configs, rows, data, out)
        jobs = [(config, manifest, (config.target,)) for config in waiting]
        problems = []

        def keep(done: list[dict[str, object]]) -> None:
            rows.extend({**about, **row} for row in done)
            write_rows(out, rows)

        run_all(jobs, workers, keep, problems, progress, done=len(configs) - len(waiting))
    return problems


def run_all(
    jobs: Sequence[tuple[RunConfig, str | Path | None, tuple[str, ...]]],
    workers: int | None,
    keep: Callable[[list[dict[str, object]]], None],
    problems: list[str],
    progress: bool = True,
    done: int = 0,
) -> None:
    """Run `learn_and_judge` on every job in worker processes; `keep` gets each job's rows."""
    if not jobs:
        return
    count = min(workers or default_count(), len(jobs))
    with (
        tempfile.TemporaryDirectory() as scratch,
        pool(count) as submit,
        tqdm(total=done + len(jobs), initial=done, unit="run", disable=not progress) as bar,
    ):
        try:
            for outcome in submit(learn_and_judge, [(*job, scratch) for job in jobs]):
                if isinstance(outcome, str):
                    problems.append(outcome)
                    tqdm.write(outcome)
                else:
                    keep(outcome)
                bar.update()
        except BrokenProcessPool:
            raise InputError(
                "a worker process was ended from outside, for want of memory perhaps; finished "
                "runs are kept: give fewer --workers and run the same command again"
            ) from None
        except KeyboardInterrupt:
            for worker in multiprocessing.active_children():  # else they finish their run first
                worker.terminate()
            raise


def learn_and_judge(
    config: RunConfig, manifest: str | Path | None, judged: tuple[str, ...], scratch: str
) -> list[dict[str, object]] | str:
    """Do one run on one thread and judge it on domains: a row for each, or what went wrong.

    What it writes on the way goes to a folder in `scratch`.
    """
    import torch

    from hfnmp_lite.evaluate.adapt import repaired
    from hfnmp_lite.evaluate.scoring import score_presentations
    from hfnmp_lite.learn.fit import SELECTION, THRESHOLD_RULE

    try:
        started = time.perf_counter()
        presentations = load_data(manifest)
        protocol = protocol_of(config, presentations)
        detector = learn(config, protocol.training, protocol.validation, scratch)
        rows = []
        for domain in judged:
            target = protocol.target
            if domain != config.target:
                target = [p for p in presentations if p.domain == domain]
            scored = score_presentations(detector, target, config.size)
            verdict = judge(scored, detector.threshold)
            verdict |= repaired(detector, target, scored, config.size)
            row = {name: getattr(config, name) for name in FACTORS} | {
                "target": domain,
                "seed": config.seed,
                **{k: verdict[k] for k in (*JUDGED, "n_presentations", "n_listed")},
                "apcer": json.dumps(verdict["apcer"]),
                "selected_iteration": detector.validation["iteration"],
                "auc_sources": detector.validation["auc"],
                "hter_sources": detector.validation["hter"],
                "selected_on": SELECTION,
                "threshold_rule": THRESHOLD_RULE,
                "seconds": round(time.perf_counter() - started, 1),
                "peak_memory_mb": peak_memory_mb(),
                "threads": torch.get_num_threads(),
                "config": json.dumps(config.to_dict()),
                **tallies(scored, target, detector.threshold),
            }
            rows.append(row)
        return rows
    except (InputError, FloatingPointError, OSError) as error:
        return f"{name_of(config.to_dict())}, {config.target}, seed {config.seed}: {error}"


def data_identity(manifest: str | Path | None) -> dict[str, str]:
    """Name the data, with the lists of licensed sets, and fix their content by a checksum."""
    path = root() / "manifest.csv" if manifest is None else Path(manifest)
    name = SHIPPED
    if manifest is not None:
        kept = describe(read_manifest(path))
        parts = [SIMULATED] * is_simulated(path) + [f"{d}: {text}" for d, text in kept.items()]
        name = str(manifest) + "".join(f"; {part}" for part in parts)
    return {
        "data": name,
        "data_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def still_to_do(
    configs: Sequence[RunConfig],
    rows: Sequence[Mapping[str, str]],
    data: Mapping[str, str],
    out: Path,
    key: Key = key_of,
) -> list[RunConfig]:
    """Leave out the runs that `out` holds; refuse rows that may not stand beside the new ones."""
    for row in rows:
        if row["data_sha256"] != data["data_sha256"]:
            raise InputError(
                f"{out}: holds runs on other data ({row['data']}); give --out another file, or "
                "--manifest those data"
            )
    begun = [json.loads(row["config"]) for row in rows]
    asked_presets = {c.preset for c in configs}
    if configs and (others := {c["preset"] for c in begun} - asked_presets):
        raise InputError(
            f"{out}: holds runs with --training {', '.join(sorted(others))}, beside which runs "
            f"with {', '.join(sorted(asked_presets))} may not stand; give --out another file"
        )
    held = {key({**c, "target": r["target"]}): c for c, r in zip(begun, rows, strict=True)}
    waiting = []
    for config in configs:
        asked = config.to_dict()
        other = held.get(key(asked))
        if other is None:
            waiting.append(config)
        elif asked != other:
            differ = sorted(k for k in {*asked, *other} if asked.get(k) != other.get(k))
            raise InputError(
                f"{out}: holds {name_of(asked)} on '{config.target}' with other settings "
                f"({', '.join(differ)}), of another version or --training; give --out another file"
            )
    return waiting


def read_rows(path: Path, key: Key = key_of) -> list[dict[str, str]]:
    """Read the table that `ablate` wrote, in order.

    Raises
    ------
    InputError
        It is missing, damaged, of another version, or holds a run twice.
    """
    try:
        with opened_table(path, (), MAX_TABLE) as reader:
            header = tuple(reader.fieldnames or ())
            if header != COLUMNS:
                check_commas(path, ",".join(header))
                missing = [c for c in COLUMNS if c not in header] or "none, but in another order"
                raise InputError(
                    f"{path}: is not a results table of this version of hfnmp ablate (columns "
                    f"missing: {missing}); give --out another file"
                )
            rows = list(reader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; hfnmp ablate --out writes it") from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read as a results table ({error}); restore it, or give another file"
        ) from None
    seen: set[tuple[str, ...]] = set()
    for line, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise InputError(f"{path}, row {line}: is cut off or too long; remove it")
        try:
            float(row["hter"]), float(row["auc"]), int(row["seed"]), json.loads(row["subjects"])
            found = key({**row, **json.loads(row["config"]), "target": row["target"]})
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}, row {line}: is damaged ({error}); remove it") from None
        if found in seen:
            raise InputError(f"{path}, row {line}: {name_of(row)} stands there twice; remove one")
        seen.add(found)
    return rows


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write the table, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())
