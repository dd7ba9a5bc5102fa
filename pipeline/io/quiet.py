"""Files are read without warnings: what matters is an error."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from apdb.shared import Shared


@contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


QUIET = Shared(_without_warnings)
"""A context without warnings; files are read by several threads, and filters are the process's."""
