"""FITS files are opened, and their images read, with errors that name the file and the cause."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import fsspec
import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyError
from numpy.typing import NDArray

from pipeline.errors import ReadError
from pipeline.io.quiet import QUIET

Source = str | Path | IO[bytes]

#: What astropy and the decompressors raise on files that are cut off or were never FITS.
_BROKEN = (OSError, EOFError, TypeError, ValueError, KeyError, IndexError, zlib.error, VerifyError)
#: Kinds of HDU that may hold an image.
_IMAGES = (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)


def name_of(source: Source) -> str:
    """Return how a file is called in messages.

    Parameters
    ----------
    source : str, Path or file object
        Where an image is read from.

    Returns
    -------
    str
    """
    if isinstance(source, str | Path):
        return str(source)
    return str(getattr(source, "name", "stream"))


@contextmanager
def opened(source: Source) -> Iterator[fits.HDUList]:
    """Open a FITS file; what goes wrong in the block is a `ReadError`.

    Parameters
    ----------
    source : str, Path or file object
        Path, fsspec URL or an open file; plain, gzipped or with tile-compressed images.

    Yields
    ------
    astropy.io.fits.HDUList

    Raises
    ------
    ReadError
        If there is no such file, or it is no FITS, or it is cut off.
    """
    name = name_of(source)
    try:
        # Deviations from the standard that do not matter; what matters raises or is checked.
        with QUIET, fits.open(_content(source), memmap=False, lazy_load_hdus=False) as hdus:
            yield hdus
    except ReadError:
        raise
    except FileNotFoundError as error:
        raise ReadError(f"{name}: no such file") from error
    except _BROKEN as error:
        cause = str(error) or type(error).__name__
        raise ReadError(
            f"{name}: not a whole FITS file ({cause}); transfer it again, or run fitscheck on it"
        ) from error


def _content(source: Source) -> Any:
    """Return what astropy opens: a path, or a file object."""
    if isinstance(source, str) and "://" in source:
        with fsspec.open(source, "rb") as remote:
            return io.BytesIO(remote.read())
    return source


def image_hdus(hdus: fits.HDUList) -> list[int]:
    """Return the numbers of the HDUs that hold two-dimensional images.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        Open file.

    Returns
    -------
    list of int
    """
    return [i for i, hdu in enumerate(hdus) if isinstance(hdu, _IMAGES) and len(shape_of(hdu)) == 2]


def shape_of(hdu: Any) -> tuple[int, ...]:
    """Return the shape of the image of an HDU as its header has it, without axes of one pixel.

    Parameters
    ----------
    hdu : astropy HDU
        Image HDU.

    Returns
    -------
    tuple of int
    """
    header = hdu.header
    axes = [int(header[f"NAXIS{i}"]) for i in range(int(header.get("NAXIS", 0)), 0, -1)]
    return tuple(axis for axis in axes if axis != 1) if len(axes) > 2 else tuple(axes)


def find_hdu(hdus: fits.HDUList, wanted: int | str, name: str) -> Any:
    """Return an HDU with an image by number or EXTNAME.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        Open file.
    wanted : int or str
        Which.
    name : str
        Of the file, for messages.

    Returns
    -------
    astropy HDU

    Raises
    ------
    ReadError
        If it does not exist or is no image.
    """
    listing = "; ".join(f"{i} {hdu.name or '-'} {_kind(hdu)}" for i, hdu in enumerate(hdus))
    try:
        hdu = hdus[wanted]
    except (KeyError, IndexError) as error:
        raise ReadError(f"{name}: no HDU {wanted!r}; there are: {listing}") from error
    if not isinstance(hdu, _IMAGES) or len(shape_of(hdu)) != 2:
        raise ReadError(
            f"{name}: HDU {wanted!r} is {_kind(hdu)}, not an image of two axes; "
            f"there are: {listing}"
        )
    return hdu


def _kind(hdu: Any) -> str:
    """Return a word on what an HDU holds."""
    if isinstance(hdu, _IMAGES):
        return " × ".join(map(str, shape_of(hdu))) if shape_of(hdu) else "empty"
    return "a table"


def pixels_of(hdu: Any, name: str, dtype: type[Any] = np.float32) -> NDArray[Any]:
    """Return the pixels of an HDU in native byte order; blank integers become NaN.

    Parameters
    ----------
    hdu : astropy HDU
        Image HDU.
    name : str
        Of the file, for messages.
    dtype : type
        What to return.

    Returns
    -------
    ndarray, shape (ny, nx)

    Raises
    ------
    ReadError
        If the file ends before the image.
    """
    _check_length(hdu, name)
    header = hdu.header
    blank = header.get("BLANK") if int(header["BITPIX"]) > 0 else None
    value = None if blank is None else blank * header.get("BSCALE", 1) + header.get("BZERO", 0)
    try:
        data = np.asarray(hdu.data).reshape(shape_of(hdu))
    except Exception as error:
        # decompressors have exceptions of their own, which are not public
        raise ReadError(
            f"{name}: the pixels of HDU {hdu.name or 0} cannot be read ({error}); transfer it again"
        ) from error
    # The file has no further need of them: they are turned into native order where they lie.
    del hdu.data
    empty = None if value is None else data == value
    if data.dtype == np.dtype(dtype).newbyteorder(">") and data.flags.writeable:
        data = data.byteswap(inplace=True).view(dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = data.astype(dtype, copy=False)
    if empty is not None and np.issubdtype(dtype, np.floating):
        pixels[empty] = np.nan
    return pixels


def _check_length(hdu: Any, name: str) -> None:
    """Raise if the bytes of an HDU are not all there; without it the rest may read as zeros."""
    where = hdu.fileinfo()
    if where is None or getattr(where["file"], "compression", None):
        return
    # a compressed image is a table in the file
    last = where["datLoc"] + getattr(hdu, "_bintable", hdu).size
    stream = where["file"]
    here = stream.tell()
    stream.seek(0, io.SEEK_END)
    size = stream.tell()
    stream.seek(here)
    if size < last:
        raise ReadError(
            f"{name}: truncated: {size} bytes, and the image of HDU {hdu.name or 0} ends at "
            f"{last}; transfer it again"
        )
