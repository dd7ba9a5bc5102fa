"""Stamps: small FITS images around a source, and how they lie at the end of a packet.

A stamp is a FITS file that `astropy.nddata.CCDData.read` reads: the image in the primary HDU with
unit and local WCS, variance in ``UNCERT``, mask bits in ``MASK``, the PSF in ``PSFIMAGE``.  Where
the PSFs of difference and science image are equal, the science stamp holds it and the difference
stamp says so by ``PSFREF = 'cutoutScience'``; `read_ccd` follows that.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from apdb.archive.container import read_long
from apdb.archive.fits_layout import PSF_KEY, Layout, fill, number_cards, template
from apdb.archive.local_wcs import LocalWcs
from apdb.errors import ArchiveCorrupt, InvalidInput, Problem

if TYPE_CHECKING:
    from astropy.nddata import CCDData

KINDS = ("difference", "science", "template")
"""Stamps of an alert, in the order of the packet."""

FIELDS = dict(zip(KINDS, ("cutoutDifference", "cutoutScience", "cutoutTemplate"), strict=True))
"""Field of the packet of each kind."""

LARGEST = 1024
"""Longest side of a stamp [pixel]."""


@dataclass(frozen=True)
class Stamps:
    """Stamps of one kind, one for each source.

    Attributes
    ----------
    image : ndarray, shape (n, rows, columns), or sequence of ndarray of shape (rows, columns)
        Pixels.
    variance : as `image`, optional
        Variance of each pixel [square of the unit].
    mask : as `image`, of integers, optional
        Bits of each pixel; any bit makes it masked to `CCDData`.
    psf : ndarray, shape (n, rows, columns) or (rows, columns), or sequence of ndarray, optional
        Point spread function of each stamp, or of all.
    wcs : LocalWcs, optional
        Where they are on the sky.
    corner : ndarray of int, shape (n, 2), optional
        Pixel of the image, x and y, that is the first of each stamp.
    unit : str
        Unit of the image.
    """

    image: Any
    variance: Any = None
    mask: Any = None
    psf: Any = None
    wcs: LocalWcs | None = None
    corner: NDArray[np.int64] | None = None
    unit: str = "nJy"

    def __len__(self) -> int:
        return len(self.image)

    def psf_of(self, row: int) -> NDArray[Any] | None:
        """Return the PSF of a stamp.

        Parameters
        ----------
        row : int
            Which.

        Returns
        -------
        ndarray or None
        """
        if self.psf is None:
            return None
        if isinstance(self.psf, np.ndarray) and self.psf.ndim == 2:
            return self.psf
        return np.asarray(self.psf[row])

    def planes(self, row: int, *, psf: bool) -> list[tuple[str, NDArray[Any]]]:
        """Return the arrays of a stamp by name of their HDU.

        Parameters
        ----------
        row : int
            Which stamp.
        psf : bool
            Whether to return its PSF too.

        Returns
        -------
        list of (str, ndarray)
            The image first.
        """
        whole = [("IMAGE", self.image), ("UNCERT", self.variance), ("MASK", self.mask)]
        found = [(name, np.asarray(array[row])) for name, array in whole if array is not None]
        own = self.psf_of(row) if psf else None
        return found if own is None else [*found, ("PSFIMAGE", own)]

    def layout(self, row: int, psf_in: str | None) -> Layout:
        """Return the layout of a stamp.

        Parameters
        ----------
        row : int
            Which stamp.
        psf_in : str or None
            Field of the packet that holds its PSF; None if it does itself.

        Returns
        -------
        Layout
        """
        arrays = self.planes(row, psf=psf_in is None)
        return Layout(
            tuple((name, _kind(name, array.dtype), array.shape) for name, array in arrays),
            self.unit,
            self.wcs is not None,
            self.corner is not None,
            psf_in,
        )

    def fill(self, layout: Layout, out: NDArray[np.uint8], rows: NDArray[np.intp]) -> None:
        """Write stamps of one layout.

        Parameters
        ----------
        layout : Layout
            Of all of them.
        out : ndarray of uint8, shape (n, length)
            Where to.
        rows : ndarray of int, shape (n,)
            Which stamps.
        """
        sources = {"IMAGE": self.image, "UNCERT": self.variance, "MASK": self.mask}
        arrays = [
            self._psfs(rows) if name == "PSFIMAGE" else _taken(sources[name], rows)
            for name, _, _ in layout.planes
        ]
        wcs = None if self.wcs is None else self.wcs.cards(rows)
        corner = None if self.corner is None else number_cards(np.asarray(self.corner)[rows])
        fill(layout, out, arrays, wcs, corner)

    def _psfs(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        if isinstance(self.psf, np.ndarray) and self.psf.ndim == 2:
            return np.broadcast_to(self.psf, (len(rows), *self.psf.shape))
        return _taken(self.psf, rows)

    @property
    def uniform(self) -> bool:
        """Whether all stamps surely have the same layout."""
        arrays = (self.image, self.variance, self.mask, self.psf)
        return all(array is None or isinstance(array, np.ndarray) for array in arrays)

    def problems(self, kind: str, n: int) -> list[Problem]:
        """Return what is wrong.

        Parameters
        ----------
        kind : str
            What they are called in messages.
        n : int
            Number of sources.

        Returns
        -------
        list of Problem
            Empty if nothing is; one for each row and array.
        """
        found = [
            Problem(
                None, f"{kind}.{name}", str(len(array)), f"must have one for each of {n} sources"
            )
            for name, array in self._by_source()
            if len(array) != n
        ]
        if found or not n:
            return found
        rows = [0] if self.uniform and _fits(self.mask) else range(n)
        return [problem for row in rows for problem in self._row_problems(kind, row)]

    def _by_source(self) -> Iterator[tuple[str, Any]]:
        for name in ("image", "variance", "mask", "psf", "corner"):
            array = getattr(self, name)
            one_for_all = name == "psf" and getattr(array, "ndim", 0) == 2
            if array is not None and not one_for_all:
                yield name, array
        if self.wcs is not None:
            for name in ("crpix", "crval", "cd"):
                yield f"wcs.{name}", getattr(self.wcs, name)

    def _row_problems(self, kind: str, row: int) -> Iterator[Problem]:
        shape = np.shape(self.image[row])
        for name, array in self.planes(row, psf=True):
            text = None
            if array.ndim != 2 or not all(1 <= side <= LARGEST for side in array.shape):
                text = f"must have two sides of 1 to {LARGEST} pixels"
            elif name in ("UNCERT", "MASK") and array.shape != shape:
                text = f"must have the shape of the image, {shape}"
            elif name == "MASK" and array.dtype.kind not in "biu":
                text = "must be of integers"
            elif (
                name == "MASK" and array.size and not -(2**31) <= array.min() <= array.max() < 2**31
            ):
                text = "must fit in 32 bits"
            elif array.dtype.kind not in "biuf":
                text = "must be of numbers"
            if text is not None:
                yield Problem(row, f"{kind}.{name}", f"{array.dtype} {array.shape}", text)


def _fits(mask: NDArray[Any] | None) -> bool:
    """Tell whether all of a mask surely is 32-bit integers."""
    if mask is None or np.can_cast(mask.dtype, np.int32):
        return True
    return mask.dtype.kind in "iu" and bool(-(2**31) <= mask.min() <= mask.max() < 2**31)


def _taken(array: Any, rows: NDArray[np.intp]) -> NDArray[Any]:
    if isinstance(array, np.ndarray):
        return array[rows]
    return np.stack([np.asarray(array[row]) for row in rows.tolist()])


def _kind(name: str, dtype: np.dtype[Any]) -> str:
    """Return the type that pixels are stored as."""
    if name == "MASK":
        return {"b1": "u1", "u1": "u1", "i1": "i2", "i2": "i2"}.get(dtype.str[1:], "i4")
    return "f8" if name == "PSFIMAGE" and dtype.itemsize > 4 else "f4"


def make_stamp(
    image: ArrayLike,
    variance: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    psf: ArrayLike | None = None,
    wcs: LocalWcs | None = None,
    *,
    unit: str = "nJy",
) -> bytes:
    """Return one stamp as a FITS file; for many, `apdb.archive.cutouts.Cutouts` is faster.

    Parameters
    ----------
    image : array-like, shape (rows, columns)
        Pixels; stored in single precision.
    variance : array-like, shape (rows, columns), optional
        Variance of each pixel [square of the unit].
    mask : array-like of int, shape (rows, columns), optional
        Bits of each pixel.
    psf : array-like, optional
        Point spread function.
    wcs : LocalWcs, optional
        Of one stamp.
    unit : str, optional
        Unit of the image.

    Returns
    -------
    bytes
        FITS file that `CCDData.read` reads.

    Raises
    ------
    InvalidInput
        The shapes do not fit, or the like.
    """
    one = Stamps(
        np.asarray(image)[None],
        None if variance is None else np.asarray(variance)[None],
        None if mask is None else np.asarray(mask)[None],
        None if psf is None else np.asarray(psf),
        wcs,
        unit=unit,
    )
    problems = one.problems("stamp", 1)
    if problems:
        raise InvalidInput(problems=problems)
    layout = one.layout(0, psf_in=None)
    out = np.empty((1, len(template(layout).data)), np.uint8)
    one.fill(layout, out, np.zeros(1, np.intp))
    return out.tobytes()


def split_stamps(tail: bytes) -> dict[str, bytes | None]:
    """Take the last three fields of a packet apart.

    Parameters
    ----------
    tail : bytes
        As `apdb.archive.reader.read_stamps` yields it.

    Returns
    -------
    dict of str to (bytes or None)
        FITS file of each of `KINDS`.

    Raises
    ------
    ArchiveCorrupt
        It is not three fields.
    """
    found: dict[str, bytes | None] = {}
    at = 0
    for kind in KINDS:
        branch, at = read_long(tail, at)
        size, at = read_long(tail, at) if branch == 1 else (0, at)
        if branch not in (0, 1) or not 0 <= size <= len(tail) - at:
            raise ArchiveCorrupt(f"the {kind} stamp is cut off or no stamp")
        found[kind] = tail[at : at + size] if branch else None
        at += size
    if at != len(tail):
        raise ArchiveCorrupt("something lies behind the stamps")
    return found


def read_ccd(stamps: Mapping[str, bytes | None]) -> dict[str, CCDData]:
    """Read the stamps of an alert.

    Parameters
    ----------
    stamps : mapping of str to (bytes or None)
        FITS files by kind, or by field of the packet (a decoded packet will do).

    Returns
    -------
    dict of str to astropy.nddata.CCDData
        Those there are, by kind; the PSF of the difference image is that of the science image
        where both share it.
    """
    # Takes 0.2 s, and storing a visit does not need it.
    from astropy.nddata import CCDData

    files = {kind: stamps.get(kind) or stamps.get(field) for kind, field in FIELDS.items()}
    found = {
        kind: CCDData.read(io.BytesIO(file), format="fits") for kind, file in files.items() if file
    }
    for ccd in found.values():
        holder = {field: kind for kind, field in FIELDS.items()}.get(ccd.header.get(PSF_KEY))
        if ccd.psf is None and holder in found:
            ccd.psf = found[holder].psf
    return found
