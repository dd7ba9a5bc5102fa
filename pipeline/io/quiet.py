"""Files are read without astropy's warnings: what matters is an error."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from astropy.utils.exceptions import AstropyWarning

from apdb.shared import Shared


@contextmanager
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        yield


QUIET = Shared(_without_warnings)
"""A context without warnings of astropy; several threads read files, and share the filters."""
