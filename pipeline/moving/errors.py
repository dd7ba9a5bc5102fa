"""What can be wrong with orbits, kernels and sites."""

from __future__ import annotations

from apdb.errors import InvalidInput


class MovingError(InvalidInput):
    """An orbit, a time, a site or a kernel cannot be used; the message says why and what to do."""


class MissingKernel(MovingError):
    """The planetary kernel is not there or does not cover the times asked for."""


class UnknownSite(MovingError):
    """An observatory code has no place on the Earth."""
