"""What the commands may be told: their options, and where on the line these may stand."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from hfnmp_lite import __version__
from hfnmp_lite.config import (
    ACCELERATORS,
    ADAPTATIONS,
    AUGMENTATIONS,
    FUSION_NAMES,
    LBP_METHODS,
    LOSS_NAMES,
    ORDER_NAMES,
    PATTERN_NAMES,
    PRECISIONS,
    PRESETS,
    THRESHOLDS,
)
from hfnmp_lite.data.commands import add_arguments as add_data_arguments


class _Parser(argparse.ArgumentParser):
    """A parser whose options may stand between positional arguments, too.

    Below a command `parse_intermixed_args` cannot be asked for: argparse calls `parse_known_args`.
    """

    leaf, mixing = True, False

    def add_subparsers(self, **how: object) -> argparse._SubParsersAction:
        self.leaf = False
        return super().add_subparsers(**how)

    def parse_known_args(
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        if self.mixing or not self.leaf:
            return super().parse_known_args(args, namespace)
        self.mixing = True  # before Python 3.12.8 the next line comes here again
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self.mixing = False


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands."""
    parser = _Parser(
        prog="hfnmp",
        description="Domain generalisation in face anti-spoofing, taught and runnable.",
    )
    parser.add_argument("--version", action="version", version=f"hfnmp-lite {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")

    demo = add("demo", "learn on three simulated domains, judge on the fourth, write a report")
    demo.add_argument("--target", default="webcam", help="the unseen domain (default: %(default)s)")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), metavar="DIR")
    demo.add_argument("--seed", type=int, default=0)
    demo.add_argument("--preset", choices=PRESETS, default="classroom")

    lab = add("lab", "write the student notebooks where missing and open JupyterLab there")
    lab.add_argument("--dir", type=Path, default=Path("lab"))
    lab.add_argument("--no-browser", action="store_true")
    lab.add_argument("--reset", metavar="NN", help="write notebook NN anew, keeping a dated copy")

    _add_samples(add("samples", "build or verify a simulated sample benchmark"))
    add_data_arguments(add("data", "index, prepare and join real data sets"))
    _add_train(add("train", "learn on all domains but one and judge on that one"))

    _add_ablate(add("ablate", "run a grid of patterns, orders and seeds, and compare"))

    evaluate = add("evaluate", "score the target of a finished run once more")
    evaluate.add_argument("run", type=Path, metavar="RUN_DIR_OR_CHECKPOINT")
    evaluate.add_argument("--manifest", type=Path, metavar="FILE")
    evaluate.add_argument("--domain", help="judge on this one instead of the run's target")
    _add_repairs(evaluate)
    evaluate.add_argument("--report", type=Path, metavar="FILE.html", help="of the run, as a page")
    evaluate.add_argument("--show-faces", action="store_true", help="of real people, in the report")

    predict = add("predict", "score image and video files: live or attack")
    predict.add_argument("checkpoint", type=Path, metavar="RUN_DIR_OR_CHECKPOINT")
    predict.add_argument("files", type=Path, nargs="*", metavar="FILE_OR_FOLDER")
    predict.add_argument("--manifest", type=Path, metavar="FILE", help="score its presentations")
    _add_repairs(predict)
    predict.add_argument("--format", choices=("table", "csv", "json"), default="table")
    predict.add_argument("--no-crop", action="store_true", help="score whole images")
    predict.add_argument("--frames", type=int, metavar="N", help="of a video, default: 10")
    predict.add_argument("--timeline", type=Path, metavar="DIR", help="draw videos' scores there")
    predict.add_argument("--show-faces", action="store_true", help="in the timelines, too")

    bench = add("bench", "measure the speed of the meta step, LBP, metrics and simulator")
    bench.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    bench.add_argument("--quick", action="store_true", help="few rounds, the small network alone")

    _add_explain(add("explain", "draw where decisions come from, and say it in numbers"))

    add("doctor", "say what this machine has and whether everything works")
    return parser


def _add_repairs(command: argparse.ArgumentParser) -> None:
    repairs = command.add_argument_group("repairs for an unseen camera, from unlabelled pictures")
    repairs.add_argument("--threshold", choices=THRESHOLDS, default="source")
    repairs.add_argument("--adapt", choices=ADAPTATIONS, default="none")
    repairs.add_argument("--unlabelled", type=Path, metavar="MANIFEST", help="pictures from there")


def _add_samples(samples: argparse.ArgumentParser) -> None:
    actions = samples.add_subparsers(dest="action", required=True, metavar="ACTION")
    build = actions.add_parser("build", help="render a benchmark into a new folder")
    build.add_argument("--out", type=Path, required=True, metavar="DIR")
    build.add_argument("--seed", type=int, default=0)
    build.add_argument(
        "--inventory",
        default="shipped",
        metavar="shipped|SEED",
        help="its devices (default: %(default)s)",
    )
    build.add_argument("--subjects", type=int, default=80, help="in each domain (default: 80)")
    build.add_argument("--size", type=int, default=128, metavar="PX")
    build.add_argument("--preset", choices=("physical", "vivid"), default="physical")
    verify = actions.add_parser("verify", help="check every file against its checksum")
    verify.add_argument("--dir", type=Path, help="default: the shipped samples")


def _add_train(train: argparse.ArgumentParser) -> None:
    train.add_argument("--target", help="the domain to leave out and judge on")
    train.add_argument(
        "--unseen",
        metavar="camera|instrument|light=NAME",
        help="leave this out instead of a domain",
    )
    train.add_argument("--sources", type=_names, metavar="A,B", help="default: all other domains")
    train.add_argument(
        "--protocol",
        metavar="NAME",
        help="of the licensed sets: OCI-M, MI-C, oulu-1, oulu-3.6, ...",
    )
    train.add_argument("--pattern", choices=PATTERN_NAMES, help="default: mp")
    train.add_argument("--order", choices=ORDER_NAMES, help="default: alternating where learned")
    train.add_argument("--stages", type=int, choices=(1, 2), help="default: 2 where learned")
    train.add_argument("--fusion", choices=FUSION_NAMES, help="default: hfm")
    train.add_argument("--loss", choices=LOSS_NAMES, help="default: ce+mse")
    train.add_argument("--augment", choices=AUGMENTATIONS, help="as cameras vary, default: none")
    train.add_argument("--inner-steps", type=int, metavar="K", help="default: the preset's")
    train.add_argument("--lbp-points", type=int, metavar="N", help="default: 8")
    train.add_argument("--lbp-radius", type=float, metavar="PX", help="default: 1")
    train.add_argument("--lbp-method", choices=LBP_METHODS, help="default: default")
    train.add_argument("--seed", type=int, help="default: 0")
    train.add_argument("--preset", choices=PRESETS, help="default: classroom")
    train.add_argument("--trunk-weights", metavar="FILE", help="start a ResNet trunk from these")
    machine = train.add_argument_group("what it computes on")
    machine.add_argument("--accelerator", choices=ACCELERATORS, help="default: a GPU if there is")
    machine.add_argument("--devices", type=int, metavar="N", help="processes, or GPUs (default: 1)")
    machine.add_argument("--nodes", type=int, metavar="N", help="machines (default: 1)")
    machine.add_argument("--precision", choices=PRECISIONS, help="default: 32-true")
    machine.add_argument("--compile", action="store_true", help="torch.compile the network")
    machine.add_argument("--sync-batch-norm", action="store_true", help="over all GPUs")
    train.add_argument("--tensorboard", action="store_true", help="write the log for it, too")
    train.add_argument("--manifest", type=Path, metavar="FILE", help="default: the shipped samples")
    train.add_argument("--out", type=Path, metavar="RUN_DIR", help="default: under runs/")
    train.add_argument(
        "--resume", action="store_true", help="go on with an interrupted run; --out names it"
    )


def _add_ablate(ablate: argparse.ArgumentParser) -> None:
    ablate.add_argument("--out", type=Path, required=True, metavar="FILE.csv")
    ablate.add_argument(
        "--preset", choices=("main", "core", "full"), help="which arms, default: core"
    )
    ablate.add_argument("--workers", type=int, metavar="N", help="default: one a processor")
    ablate.add_argument("--seeds", type=int, metavar="N", help="of each arm; default: as planned")
    ablate.add_argument("--sources", type=_names, metavar="A,B", help="learn from these alone")
    ablate.add_argument("--arms", type=_names, metavar="A,B", help='such as "lbp,mp alternating 2"')
    ablate.add_argument("--targets", type=_names, metavar="A,B", help="default: every domain")
    ablate.add_argument("--training", choices=PRESETS, help="of every run, default: classroom")
    ablate.add_argument(
        "--manifest", type=Path, metavar="FILE", help="default: the shipped samples"
    )
    ablate.add_argument("--report", action="store_true", help="run nothing: compare what is there")


def _add_explain(explain: argparse.ArgumentParser) -> None:
    explain.add_argument("checkpoint", type=Path, metavar="RUN_DIR_OR_CHECKPOINT")
    explain.add_argument(
        "images",
        type=Path,
        nargs="*",
        metavar="IMAGE",
        help="default: the run's own data, where real; else a tour of the samples",
    )
    explain.add_argument("--manifest", type=Path, metavar="FILE", help="draw presentations of it")
    explain.add_argument("--domain", help="draw from this one instead of the run's target")
    explain.add_argument(
        "--each", type=int, metavar="N", help="of live, of each attack (default: 2)"
    )
    explain.add_argument("--against", type=Path, metavar="RUN_DIR_OR_CHECKPOINT")
    explain.add_argument("--out", type=Path, default=Path("runs/explain"), metavar="DIR")
    explain.add_argument("--no-crop", action="store_true", help="explain whole images")
    explain.add_argument("--show-faces", action="store_true", help="of real people, on the sheets")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
