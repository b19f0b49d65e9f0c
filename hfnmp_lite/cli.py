"""The command line, a thin door: parse, call, print."""

from __future__ import annotations

import argparse
import errno
import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from hfnmp_lite.config import UNSEEN, Machine, RunConfig, is_first
from hfnmp_lite.data.commands import run as run_data
from hfnmp_lite.files import InputError, one_line
from hfnmp_lite.options import build_parser
from hfnmp_lite.owned import check_free, write_owned

# Options of train that decide what is learned: fields of RunConfig.
LEARNING = (
    *("pattern", "order", "stages", "fusion", "loss", "augment", "inner_steps"),
    *("lbp_points", "lbp_radius", "lbp_method", "seed", "preset", "trunk_weights"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status.

    0: done. 1: done, but some of what was given failed. 2: what was given cannot be used.
    130: interrupted.
    """
    if arguments is None:
        _in_utf8()
    given = build_parser().parse_args(arguments)
    # OpenCV's words on damaged files would stand beside ours; it looks here when it is imported.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    if hasattr(sys.stdout, "reconfigure"):  # names of files may hold what no terminal can show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return CALLS[given.command](given) or 0
    except (InputError, FloatingPointError) as error:
        _complain(str(error))
    except BrokenPipeError:  # the reader of our output has gone, as with `| head`
        sys.stderr.close()
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        elsewhere = _may_not_write(error) and hasattr(given, "out")
        cure = ", and --out names another place" if elsewhere else ""
        _complain(f"{where}{error.strerror or error}; nothing was half-written{cure}")
    except KeyboardInterrupt as interruption:
        hints = {
            "train": f"; {interruption}" if str(interruption) else "",
            "ablate": "; finished runs are kept, and the same command goes on",
            "data": "; prepared frames are kept, and the same command goes on",
        }
        if is_first(getattr(given, "nodes", None) or 1):
            print(f"\nhfnmp: interrupted{hints.get(given.command, '')}", file=sys.stderr)
        return 130
    return 2


def _in_utf8() -> None:
    """Begin anew in Python's UTF-8 mode where names of files are taken for something else.

    So it is with LC_ALL=C where Python's own remedy is switched off, and in old locales.
    """
    if sys.getfilesystemencoding() != "utf-8" and "utf8" not in sys._xoptions:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def _may_not_write(error: OSError) -> bool:
    if error.errno in (errno.EACCES, errno.EPERM) and error.filename:
        return not os.access(os.path.dirname(os.path.abspath(error.filename)), os.W_OK)
    return error.errno == errno.EROFS


def _complain(text: str) -> None:
    print(f"hfnmp: {one_line(text)}", file=sys.stderr)


def _refuse_unused(given: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """Refuse options that were given and would be ignored."""
    unused = [
        f"--{name.replace('_', '-')}"
        for name in names
        if getattr(given, name) is not None and getattr(given, name) is not False
    ]
    if unused:
        raise InputError(f"{why}; leave {', '.join(unused)} out")


def _demo(given: argparse.Namespace) -> None:
    from hfnmp_lite.experiments.wording import in_words
    from hfnmp_lite.teach.demo import demo

    print(in_words(demo(given.target, given.out, given.seed, given.preset)))
    print(f"\nThe report: {(given.out / 'report.html').resolve()}")


def _lab(given: argparse.Namespace) -> int:
    from hfnmp_lite.teach.classroom import make_student_copies, open_lab

    print(make_student_copies(given.dir, reset=given.reset))
    return open_lab(given.dir, browser=not given.no_browser)


def _samples(given: argparse.Namespace) -> int | None:
    from hfnmp_lite.data import samples

    if given.action == "build":
        plan = given.seed, given.inventory, given.subjects, given.size, given.preset
        samples.build(given.out, *plan)
        print(f"{given.out}: built")
        return None
    folder = given.dir or samples.root()
    problems = samples.verify(folder)
    for problem in problems:
        print(problem)
    print(f"{folder}: {f'{len(problems)} problem(s)' if problems else 'every file is as listed'}")
    return 1 if problems else 0


def _train(given: argparse.Namespace) -> None:
    from hfnmp_lite.config import make_config
    from hfnmp_lite.data.protocols import domains_of, named, unseen_factor
    from hfnmp_lite.experiments.run import begun, load_data

    names = ("accelerator", "devices", "nodes", "precision", "compile", "sync_batch_norm")
    asked = _given_of(given, names)
    learned = _given_of(given, LEARNING)
    asked_for = {"--target": given.target, "--unseen": given.unseen, "--protocol": given.protocol}
    left_out = [option for option, value in asked_for.items() if value is not None]
    if given.resume and given.out is not None and not left_out:
        config, manifest, machine = begun(given.out)
        held = {**config.to_dict(), "manifest": manifest}
        others = {**learned, **_given_of(given, ("manifest", "sources"))}
        if differ := [n for n, value in others.items() if str(value) != str(held[n])]:
            raise InputError(
                f"{given.out}: holds a run with other {', '.join(differ)}; resume with those it "
                "was started with, or leave them out"
            )
        _show_run(
            config, given.out, manifest, True, Machine(**{**machine, **asked}), given.tensorboard
        )
        return
    if len(left_out) > 1:
        raise InputError(f"{' and '.join(left_out)} both say what is left out; give one of them")
    if not left_out:
        raise InputError("--target is missing; name the domain to leave out, for example webcam")
    if given.protocol is not None:
        sources, target = named(given.protocol)
    else:
        target = given.target or given.unseen
        sources = domains_of(load_data(given.manifest))
        if given.unseen is not None and unseen_factor(target) is None:
            raise InputError(
                f"--unseen is '{target}'; expected {', '.join(f'{f}=NAME' for f in UNSEEN)}"
            )
    if given.sources is not None:
        if unknown := [d for d in given.sources if d not in sources]:
            raise InputError(
                f"--sources names '{unknown[0]}'; expected some of {', '.join(sources)}"
            )
        sources = tuple(given.sources)
    domains = (*(d for d in sources if d != target), target)
    config = make_config(learned.pop("preset", "classroom"), target, domains, **learned)
    if config.order == "joint":
        _refuse_unused(given, ("inner_steps",), "order joint has no meta-learning step")
    name = f"{config.target}-{config.pattern}-{config.order}-{config.stages}-seed{config.seed}"
    # a manifest may call its domains anything; the run stays under runs/
    folder = given.out or Path("runs") / (re.sub(r"[^\w.-]+", "-", name).strip(".-") or "run")
    _show_run(config, folder, given.manifest, given.resume, Machine(**asked), given.tensorboard)


def _given_of(given: argparse.Namespace, names: Sequence[str]) -> dict[str, object]:
    return {name: getattr(given, name) for name in names if getattr(given, name) is not None}


def _show_run(
    config: RunConfig,
    folder: Path,
    manifest: str | Path | None,
    resume: bool,
    machine: Machine,
    tensorboard: bool,
) -> None:
    from hfnmp_lite.experiments.run import run
    from hfnmp_lite.experiments.wording import in_words

    try:
        summary = run(config, folder, manifest, resume, machine=machine, tensorboard=tensorboard)
    except KeyboardInterrupt:
        if not (folder / "config.json").exists():
            raise
        command = shlex.join(["hfnmp", "train", "--resume", "--out", str(folder)])
        raise KeyboardInterrupt(f"{command} goes on") from None
    if is_first(machine.nodes):
        print(in_words(summary))
        print(f"\nThe run: {folder}")


def _ablate(given: argparse.Namespace) -> int:
    if given.out.suffix != ".csv":
        raise InputError(f"--out is {given.out}; expected a name that ends in .csv")
    if given.report:
        names = ("preset", "workers", "seeds", "sources", "arms", "targets", "training", "manifest")
        _refuse_unused(given, names, "--report runs nothing: it compares what the table holds")
    written = given.out.with_suffix(".summary.json"), given.out.with_suffix(".png")
    check_free(written, "hfnmp ablate")
    problems = [] if given.report else _run_grid(given)
    if problems and not given.out.exists():
        raise InputError("every run failed; the lines above say why")
    from hfnmp_lite.experiments.summary import render, summarise_file
    from hfnmp_lite.provenance import provenance
    from hfnmp_lite.teach.ablation_figures import forest
    from hfnmp_lite.teach.figures import png

    summary = summarise_file(given.out)
    summary |= {"command": shlex.join(["hfnmp", *sys.argv[1:]]), **provenance()}
    write_owned(written[0], json.dumps(summary, indent=2) + "\n", "hfnmp ablate")
    write_owned(written[1], png(forest(summary)), "hfnmp ablate")
    print(f"{render(summary)}\n\nwritten: {written[0]}, {written[1]}")
    if problems:
        _complain(f"{len(problems)} run(s) failed; the lines above say why")
    return 1 if problems else 0


def _run_grid(given: argparse.Namespace) -> list[str]:
    from hfnmp_lite.data.protocols import domains_of
    from hfnmp_lite.experiments.ablation import ablate, grid
    from hfnmp_lite.experiments.run import load_data
    from hfnmp_lite.experiments.search import recipes_for

    domains = domains_of(load_data(given.manifest))
    training = given.training or "classroom"
    recipes = recipes_for(training, domains)
    if recipes is not None:
        print("settings by leaving one source domain out (results/search.csv):")
        for (pattern, target), changes in recipes.items():
            if changes:
                print(f"  {pattern}, {target}: {json.dumps(changes)}")
    print(f"settings{' of all others' if recipes else ''}: the preset's")
    configs = grid(
        given.preset or "core",
        domains,
        given.seeds,
        training,
        given.arms,
        given.targets,
        recipes,
        given.sources,
    )
    return ablate(configs, given.out, given.manifest, given.workers)


def _evaluate(given: argparse.Namespace) -> None:
    from hfnmp_lite.experiments.run import evaluate, stored_data
    from hfnmp_lite.experiments.wording import in_words

    if given.show_faces and given.report is None:
        raise InputError("--show-faces goes with --report FILE.html; name the report")
    if given.report is not None and (given.manifest is not None or given.domain is not None):
        raise InputError("--report shows the run on its own data; leave --manifest, --domain out")
    repair = given.threshold, given.adapt, given.unlabelled
    if given.unlabelled is not None and repair[:2] == ("source", "none"):
        raise InputError("--unlabelled goes with --threshold quantile or --adapt statistics")
    if given.report is not None:
        check_free([given.report], "hfnmp evaluate")
    print(in_words(evaluate(given.run, given.manifest, given.domain, *repair)))
    if given.report is not None:
        from hfnmp_lite.model.checkpoint import load_checkpoint
        from hfnmp_lite.teach.report import report_page

        data, detector = stored_data(given.run), load_checkpoint(given.run)
        page = report_page(given.run, data, detector, given.show_faces)
        write_owned(given.report, page, "hfnmp evaluate")
        print(f"\nThe report: {given.report.resolve()}")


def _predict(given: argparse.Namespace) -> int:
    if bool(given.files) == (given.manifest is not None):
        raise InputError("what is to be scored? Give FILE_OR_FOLDER, or --manifest FILE")
    from hfnmp_lite.experiments.predict import Repair, predict, predict_manifest, render

    if given.show_faces and given.timeline is None:
        raise InputError("--show-faces goes with --timeline DIR; name the folder for the figures")
    repair = None
    if (given.threshold, given.adapt) != ("source", "none"):
        if given.unlabelled is None:
            raise InputError(
                "--threshold quantile and --adapt statistics need pictures of the camera; give "
                "--unlabelled MANIFEST"
            )
        repair = Repair(given.threshold, given.adapt, given.unlabelled)
    elif given.unlabelled is not None:
        raise InputError("--unlabelled goes with --threshold quantile or --adapt statistics")
    if given.manifest is not None:
        _refuse_unused(given, ("frames", "no_crop"), "--manifest has its frames scored as they are")
        verdicts = predict_manifest(given.checkpoint, given.manifest, given.show_faces, repair)
    else:
        frames = 10 if given.frames is None else given.frames
        how = not given.no_crop, frames, given.show_faces, repair
        verdicts = predict(given.checkpoint, given.files, *how)
    print(render(verdicts, given.format))
    if given.timeline is not None:
        from hfnmp_lite.teach.timeline import write_timelines

        if not write_timelines(given.timeline, verdicts, given.show_faces):
            _complain("--timeline draws the scores of videos, and none was scored")
    failed = sum(v.error is not None for v in verdicts)
    if failed:
        _complain(f"{failed} of {len(verdicts)} could not be scored; their lines say why")
    return 1 if failed else 0


def _bench(given: argparse.Namespace) -> None:
    from hfnmp_lite.experiments.bench import report

    report(given.device, given.quick, given.json)


def _explain(given: argparse.Namespace) -> int:
    for path in (given.checkpoint, given.against):
        if path is not None and not path.exists():
            raise InputError(f"{path}: no such file; give a checkpoint or a finished run")
    if given.images and (given.manifest is not None or given.domain is not None):
        raise InputError("give IMAGE files, or --manifest with --domain; not both")
    if given.images:
        _refuse_unused(given, ("each",), "IMAGE files are explained one by one")
    else:
        _refuse_unused(given, ("no_crop",), "only IMAGE files are cropped")
    problems = [f"{p}: no such file; give an image" for p in given.images if not p.is_file()]
    images = [path for path in given.images if path.is_file()]
    if given.images and not images:
        raise InputError("; ".join(problems))
    from hfnmp_lite.teach.explanations import Wanted, explain

    wanted = Wanted(
        images,
        not given.no_crop,
        given.manifest,
        given.domain,
        given.each,
        given.show_faces,
    )
    said, more = explain(given.checkpoint, given.against, wanted, given.out)
    for line in said:
        print(line)
    for problem in (*problems, *more):
        _complain(problem)
    print(f"\nThe sheets, and numbers.json: {given.out.resolve()}")
    return 1 if problems or more else 0


def _doctor(given: argparse.Namespace) -> int:
    from hfnmp_lite.doctor import examine

    status = 0
    for name, well, text in examine():
        print(f"{'ok  ' if well else 'FAIL'}  {name}: {text}", flush=True)
        status = status if well else 1
    return status


CALLS = {
    "demo": _demo,
    "lab": _lab,
    "samples": _samples,
    "data": run_data,
    "train": _train,
    "ablate": _ablate,
    "evaluate": _evaluate,
    "predict": _predict,
    "bench": _bench,
    "explain": _explain,
    "doctor": _doctor,
}


if __name__ == "__main__":
    sys.exit(main())
