"""FITS files of many stamps at once: one header template, all pixels laid out by numpy.

Standard: FITS 4.0, sections 3 and 4.  astropy makes the template, once for each layout; what
differs from stamp to stamp has a fixed place in it, columns 11 to 30 of a card.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.io import fits

CARD = 80
BLOCK = 2880
_VALUE = slice(10, 30)

WCS_KEYS = ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")
"""Keywords of a local WCS, in the order in which their values come."""

CORNER_KEYS = ("CUTMINX", "CUTMINY")
"""Keywords of the place of a stamp in its image."""

PSF_KEY = "PSFREF"
"""Keyword of a stamp whose PSF is stored in another stamp of the same alert, which it names."""

_BITPIX = {"u1": 8, "i2": 16, "i4": 32, "f4": -32, "f8": -64}


@dataclass(frozen=True)
class Layout:
    """What stamps must have in common to be laid out together.

    Attributes
    ----------
    planes : tuple of (str, str, (int, int))
        Name, type (such as ``f4``) and shape of each array, the image first.
    unit : str
        Unit of the image.
    wcs, corner : bool
        Whether there is a local WCS, and the place of the stamp in its image.
    psf_in : str or None
        Stamp of the alert that holds the PSF instead; None if this one does or there is none.
    """

    planes: tuple[tuple[str, str, tuple[int, int]], ...]
    unit: str
    wcs: bool
    corner: bool
    psf_in: str | None


@dataclass(frozen=True)
class Template:
    """An empty stamp.

    Attributes
    ----------
    data : ndarray of uint8, shape (length,)
        The file, all values zero.
    planes : tuple of (int, int)
        Where the data of each array begin, and their length [byte].
    values : dict of str to int
        Where the value of each keyword that differs begins.
    """

    data: NDArray[np.uint8]
    planes: tuple[tuple[int, int], ...]
    values: dict[str, int]


@functools.lru_cache(maxsize=256)
def template(layout: Layout) -> Template:
    """Return the empty stamp of a layout.

    Parameters
    ----------
    layout : Layout
        What is in it.

    Returns
    -------
    Template
    """
    pieces: list[bytes] = []
    planes: list[tuple[int, int]] = []
    values: dict[str, int] = {}
    at = 0
    for number, (name, kind, shape) in enumerate(layout.planes):
        head = _primary(layout) if number == 0 else _extension(name, kind, shape)
        text = head.tostring().encode("ascii")
        for k in range(0, len(text), CARD):
            key = text[k : k + 8].decode().rstrip()
            if number == 0 and key in (*WCS_KEYS, *CORNER_KEYS):
                values[key] = at + k + _VALUE.start
        length = int(np.prod(shape)) * np.dtype(kind).itemsize
        padded = -(-length // BLOCK) * BLOCK
        planes.append((at + len(text), length))
        pieces += [text, bytes(padded)]
        at += len(text) + padded
    return Template(np.frombuffer(b"".join(pieces), np.uint8), tuple(planes), values)


def fill(
    layout: Layout,
    out: NDArray[np.uint8],
    arrays: Sequence[NDArray[np.generic]],
    wcs: NDArray[np.uint8] | None,
    corner: NDArray[np.uint8] | None,
) -> None:
    """Write stamps.

    Parameters
    ----------
    layout : Layout
        Of all of them.
    out : ndarray of uint8, shape (n, length)
        Where to; may be part of a wider matrix.
    arrays : sequence of ndarray, shape (n, rows, columns)
        In the order of the layout's planes.
    wcs : ndarray of uint8, shape (n, 8, 20), or None
        Values of `WCS_KEYS`, see `number_cards`.
    corner : ndarray of uint8, shape (n, 2, 20), or None
        Values of `CORNER_KEYS`.
    """
    empty = template(layout)
    out[:] = empty.data
    for (start, length), (_, kind, shape), array in zip(
        empty.planes, layout.planes, arrays, strict=True
    ):
        n, pixels = len(out), int(np.prod(shape))
        plane = out[:, start : start + length].view(np.dtype(kind).newbyteorder(">"))
        plane[:] = array.reshape(n, pixels)
    for keys, cards in ((WCS_KEYS, wcs), (CORNER_KEYS, corner)):
        if cards is not None:
            for k, key in enumerate(keys):
                start = empty.values[key]
                out[:, start : start + 20] = cards[:, k]


def number_cards(values: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return numbers as the text of FITS cards, 14 digits of floats.

    Parameters
    ----------
    values : ndarray of float64 or int64, shape (n, k)
        The numbers.

    Returns
    -------
    ndarray of uint8, shape (n, k, 20)
    """
    n, k = values.shape
    form = ("%20d" if values.dtype.kind == "i" else "%20.13E") * k
    text = "".join([form % tuple(row) for row in values.tolist()])
    return np.frombuffer(text.encode("ascii"), np.uint8).reshape(n, k, 20)


def _primary(layout: Layout) -> fits.Header:
    from astropy.io import fits

    name, kind, (rows, columns) = layout.planes[0]
    cards: list[tuple[str, object, str]] = [
        ("SIMPLE", True, "conforms to FITS standard"),
        ("BITPIX", _BITPIX[kind], "array data type"),
        ("NAXIS", 2, "number of array dimensions"),
        ("NAXIS1", columns, ""),
        ("NAXIS2", rows, ""),
        ("EXTEND", True, ""),
        ("BUNIT", layout.unit, f"unit of the {name}"),
    ]
    if layout.corner:
        cards += [(key, 0, "pixel of the image at the corner") for key in CORNER_KEYS]
    if layout.wcs:
        cards += [
            ("WCSAXES", 2, "number of coordinate axes"),
            ("CTYPE1", "RA---TAN", "right ascension, gnomonic projection"),
            ("CTYPE2", "DEC--TAN", "declination, gnomonic projection"),
            ("CUNIT1", "deg", ""),
            ("CUNIT2", "deg", ""),
            ("RADESYS", "ICRS", ""),
            *((key, 0.0, "") for key in WCS_KEYS),
        ]
    if layout.psf_in is not None:
        cards.append((PSF_KEY, layout.psf_in, "stamp of this alert with the same PSF"))
    return fits.Header(cards)


def _extension(name: str, kind: str, shape: tuple[int, int]) -> fits.Header:
    from astropy.io import fits

    cards: list[tuple[str, object, str]] = [
        ("XTENSION", "IMAGE", "Image extension"),
        ("BITPIX", _BITPIX[kind], "array data type"),
        ("NAXIS", 2, "number of array dimensions"),
        ("NAXIS1", shape[1], ""),
        ("NAXIS2", shape[0], ""),
        ("PCOUNT", 0, "number of parameters"),
        ("GCOUNT", 1, "number of groups"),
        ("EXTNAME", name, "extension name"),
    ]
    if name == "UNCERT":
        cards.append(("UTYPE", "VarianceUncertainty", ""))
    return fits.Header(cards)
