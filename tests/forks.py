"""Processes of their own that do not import torch once more."""

import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["torch", "hfnmp_lite.cli", "hfnmp_lite.learn.fit", "hfnmp_lite.experiments.run"]
)


def hfnmp(
    *arguments: object, limit: tuple[int, tuple[int, int]] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command line, as a shell would run it; `limit` as for `resource.setrlimit`."""
    command = [str(a) for a in arguments]
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        process = FORKS.Process(target=_main, args=(command, said, limit))
        process.start()
        process.join(600)
        return subprocess.CompletedProcess(
            command, process.exitcode, *(path.read_text() for path in said)
        )


def _main(command: list[str], said: list[Path], limit: tuple | None) -> None:
    from hfnmp_lite import cli

    if limit:
        import resource

        resource.setrlimit(*limit)

    for stream, path in zip((sys.stdout, sys.stderr), said, strict=True):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream.fileno())
    sys.exit(cli.main(command))


def in_two(act: Callable[..., object], *arguments: object) -> None:
    """Call `act` in two processes that are told what torchrun tells those it starts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    told |= {"TORCHELASTIC_RUN_ID": "test", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    told = [told | {"RANK": rank, "LOCAL_RANK": rank} for rank in ("0", "1")]
    both = [FORKS.Process(target=_told, args=(t, act, arguments)) for t in told]
    for process in both:
        process.start()
    for process in both:
        process.join(600)
    assert [process.exitcode for process in both] == [0, 0]


def _told(environment: dict[str, str], act: Callable[..., object], arguments: tuple) -> None:
    os.environ.update(environment)
    sys.exit(act(*arguments))
