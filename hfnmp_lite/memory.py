"""Python's garbage collector, paused where it would only be in the way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected(kept: bool = False) -> Iterator[None]:
    """Pause the collector: it looks through all objects, torch's many too, as new ones are made.

    For work that must answer at once, or makes very many objects. With `kept` those stay: they
    count as old from the start, so that no collection follows to find that out. Also a decorator.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if kept and not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()  # into the oldest generation
        if collecting:
            gc.enable()
