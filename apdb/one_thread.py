"""Linear algebra by one thread: of small matrices a second one only waits, and costs a core.

Where another process has that core, each call waits until the second thread has had its turn: the
fit of a kernel then takes twenty times as long.
"""

from __future__ import annotations

import threading
from contextlib import ContextDecorator
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


class OneThread(ContextDecorator):
    """A context, or a decorator, in which BLAS keeps to one thread, in the whole process.

    Several threads may be in it: the first sets the limit, the last lifts it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._limit: Any = None

    def __enter__(self) -> None:
        """Set the limit."""
        with self._lock:
            if self._inside == 0:
                self._limit = _libraries().limit(limits=1, user_api="blas")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        """Lift the limit."""
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._limit.restore_original_limits()


ONE_THREAD = OneThread()


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all libraries: 2 ms
