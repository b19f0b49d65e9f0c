"""Worker processes: same result for any number of them, and none is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing.connection import wait

ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    # glibc keeps freed memory instead of asking for it again in every step: a tenth of the time
    **dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(2**30)),
}


def default_count() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def pool(count: int) -> Iterator[Callable[[Callable, Iterable[tuple]], Iterator]]:
    """Give `submit(function, jobs)`, which yields results as they come, from `count` processes.

    One process too is a separate one, so that the numerical environment (a single thread each) does
    not depend on `count`. Processes are spawned: scripts need the usual `__main__` guard.
    """
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)  # inherited by the workers
    executor = ProcessPoolExecutor(
        max(1, count), mp_context=multiprocessing.get_context("spawn"), initializer=_begin
    )

    def submit(function: Callable, jobs: Iterable[tuple]) -> Iterator:
        futures = [executor.submit(function, *job) for job in jobs]
        for future in as_completed(futures):
            yield future.result()

    try:
        yield submit
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin() -> None:
    import cv2
    from tqdm import tqdm

    cv2.setNumThreads(1)
    tqdm.set_lock(threading.RLock())  # its own is a semaphore, left behind where a worker is ended
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interruption means
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End this worker when the parent was killed; it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
