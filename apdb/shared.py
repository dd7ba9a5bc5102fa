"""Contexts of the whole process that several threads may be in at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ContextDecorator
from types import TracebackType


class Shared(ContextDecorator):
    """A context, or a decorator, that the first thread enters and the last one leaves.

    Settings of a process are put back as they were found: of two threads that overlap, the second
    would find, and put back, what the first has set.

    Parameters
    ----------
    make : callable
        Makes the context; it may have its effect then, or when it is entered.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[object]]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._inside = 0
        self._context: AbstractContextManager[object] | None = None

    def __enter__(self) -> None:
        """Enter the context, if nobody is in it."""
        with self._lock:
            if self._inside == 0:
                self._context = self._make()
                self._context.__enter__()
            self._inside += 1

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Leave the context, if nobody else is in it."""
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._context is not None:
                self._context.__exit__(None, None, None)
                self._context = None
