"""Linear algebra by one thread: of small matrices a second one only waits, and costs a core.

Where another process has that core, each call waits until the second thread has had its turn: the
fit of a kernel then takes twenty times as long.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

from apdb.shared import Shared


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all libraries: 2 ms


def _one_thread() -> Any:
    return _libraries().limit(limits=1, user_api="blas")


ONE_THREAD = Shared(_one_thread)
"""A context, or a decorator, in which BLAS keeps to one thread, in the whole process."""
