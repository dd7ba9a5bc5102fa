"""Identifiers of DIASources: visit, detector and counter in one number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import MeasureError

DETECTOR_BITS = 8
COUNTER_BITS = 14
_VISIT_BITS = 63 - DETECTOR_BITS - COUNTER_BITS


def dia_source_ids(visit: int, detector: int, n: int) -> NDArray[np.int64]:
    """Return identifiers that no other image's sources have.

    Parameters
    ----------
    visit : int
        Number of the visit, below 2⁴¹: room for numbers of the form YYYYMMDDNNNNN until 2199.
    detector : int
        Number of the detector, below 256.
    n : int
        How many sources, at most 16,383.

    Returns
    -------
    ndarray of int64, shape (n,)

    Raises
    ------
    MeasureError
        A number is too large for its place.
    """
    limits = (
        ("visit", visit, 1 << _VISIT_BITS),
        ("detector", detector, 1 << DETECTOR_BITS),
        ("number of sources", n, 1 << COUNTER_BITS),
    )
    for name, value, limit in limits:
        if not 0 <= value < limit:
            advice = (
                "look at the difference: so many are artefacts of a bad template or kernel"
                if name == "number of sources"
                else "number them otherwise"
            )
            raise MeasureError(
                f"{name} {value} does not fit into dia_source_id, which has room for less than "
                f"{limit}; {advice}"
            )
    first = (((visit << DETECTOR_BITS) | detector) << COUNTER_BITS) + 1
    return np.arange(first, first + n, dtype=np.int64)
