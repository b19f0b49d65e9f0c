"""What is silenced for a whole process while files are decoded, in one place.

Python's filter of warnings and OpenCV's log level belong to the process. Threads decode side by
side, so the first that comes in changes them and the last that leaves puts them back.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import cv2
from PIL import Image

_LOCK = threading.Lock()
_before = ExitStack()
_inside = 0


@contextmanager
def quietly() -> Iterator[None]:
    """Silence warnings and OpenCV's log; Pillow's warning of too many pixels becomes an error."""
    global _inside
    with _LOCK:
        if not _inside:
            _before.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            _before.callback(cv2.utils.logging.setLogLevel, cv2.utils.logging.getLogLevel())
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        _inside += 1
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            if not _inside:
                _before.close()
