"""Python's garbage collector, paused where it would only be in the way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the collector: it looks through all objects, torch's many too, as new ones are made.

    For work that makes very many objects and keeps them, or must answer at once. Also a decorator.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
