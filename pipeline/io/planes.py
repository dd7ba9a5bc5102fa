"""Bits of masks in files become planes of `Mask`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from pipeline.exposure import Bits, Mask

#: Names that others use for our planes.
_ALIASES = {
    "INTRP": Mask.INTERP,
    "SENSOR_EDGE": Mask.EDGE,
    "UNMASKEDNAN": Mask.NO_DATA,
    "COSMIC_RAY": Mask.CR,
    "SATURATED": Mask.SAT,
    "SPIKE": Mask.GHOST,
}
_PREFIX = "MP_"


def planes_header() -> dict[str, int]:
    """Return the cards that say which bit is which plane.

    Returns
    -------
    dict of str to int
        Bit numbers by keyword, MP_ and the name of the plane, as the Rubin pipelines have it.
    """
    return {f"{_PREFIX}{plane.name}": plane.bit_length() - 1 for plane in Mask}


def to_bits(
    values: NDArray[np.integer[Any]], header: Header, planes: Mapping[int, Mask] | None
) -> Bits:
    """Return a mask in our bits.

    Parameters
    ----------
    values : ndarray of int, shape (ny, nx)
        As in the file.
    header : Header
        Of the mask; MP_ cards name its bits.
    planes : mapping of int to Mask, optional
        What each bit number means, if there are no such cards.

    Returns
    -------
    ndarray of uint32, shape (ny, nx)
        Bits of unknown names are left out; if no bit is named at all, whatever is not zero is BAD.
    """
    named = planes if planes is not None else _named(header)
    if not named and not _has_names(header):
        return np.where(values != 0, np.uint32(Mask.BAD), np.uint32(0)).astype(np.uint32)
    if all(1 << bit == plane for bit, plane in named.items()):
        known = np.uint32(sum(named.values()))
        return np.asarray(values.astype(np.uint32, copy=False) & known)
    found = np.zeros(values.shape, np.uint32)
    for bit, plane in named.items():
        found[(values >> bit) & 1 == 1] |= np.uint32(plane)
    return found


def _has_names(header: Header) -> bool:
    """Tell whether bits have names, known or not."""
    return any(str(card).startswith(_PREFIX) for card in header)


def _named(header: Header) -> dict[int, Mask]:
    """Return what the bits mean by the cards of the header."""
    found = {}
    for keyword, bit in header.items():
        name = str(keyword).removeprefix(_PREFIX)
        if name == keyword:
            continue
        if name in Mask.__members__:
            found[int(bit)] = Mask[name]
        elif name in _ALIASES:
            found[int(bit)] = _ALIASES[name]
    return found
