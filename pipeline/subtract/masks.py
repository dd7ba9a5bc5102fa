"""Mask planes of a difference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.calibrate.kernels import grown
from pipeline.exposure import Bits, Exposure, Mask

_CARRIED = (
    Mask.BAD | Mask.CR | Mask.INTERP | Mask.EDGE | Mask.NO_DATA | Mask.SUSPECT | Mask.STREAK
    | Mask.GHOST | Mask.CROSSTALK | Mask.SAT | Mask.SAT_TEMPLATE | Mask.INJECTED
    | Mask.INJECTED_TEMPLATE | Mask.HIGH_VARIANCE
)  # fmt: skip


def spread(bits: Bits, reach: int) -> Bits:
    """Give every pixel the bits of its neighbours in a square.

    Parameters
    ----------
    bits : ndarray of uint32, shape (ny, nx)
        Mask.
    reach : int
        Half side of the square [pixel].

    Returns
    -------
    ndarray of uint32, shape (ny, nx)
    """
    return np.asarray(grown(bits, reach))


def reach_of(kernel: NDArray[np.float64], fraction: float) -> int:
    """Half side of the square that holds a fraction of a kernel's absolute values.

    Parameters
    ----------
    kernel : ndarray, shape (k, k)
        Kernel.
    fraction : float
        Between 0 and 1.

    Returns
    -------
    int
    """
    half = kernel.shape[-1] // 2
    size = np.abs(kernel)
    total = size.sum()
    for reach in range(half):
        inner = slice(half - reach, half + reach + 1)
        if size[inner, inner].sum() >= fraction * total:
            return reach
    return int(half)


def of_template(template: Exposure) -> Bits:
    """Mask of a template in the words of a difference.

    Parameters
    ----------
    template : Exposure
        Template.

    Returns
    -------
    ndarray of uint32, shape (ny, nx)
    """
    bits = template.mask & np.uint32(_CARRIED)
    for plane, renamed in (
        (Mask.SAT, Mask.SAT_TEMPLATE),
        (Mask.INJECTED, Mask.INJECTED_TEMPLATE),
    ):
        moved = bits & np.uint32(plane)
        bits ^= moved
        moved <<= np.uint32(renamed.bit_length() - plane.bit_length())
        bits |= moved
    return bits


def of_science(science: Exposure) -> Bits:
    """Mask of a science image without what was detected on it.

    Parameters
    ----------
    science : Exposure
        Science image.

    Returns
    -------
    ndarray of uint32, shape (ny, nx)
    """
    return np.asarray(science.mask & np.uint32(_CARRIED))


def with_edges(bits: Bits, reach: int, blind: NDArray[np.bool_]) -> Bits:
    """Set EDGE where a kernel reaches beyond the image or to pixels without data.

    Parameters
    ----------
    bits : ndarray of uint32, shape (ny, nx)
        Mask; changed in place.
    reach : int
        Pixels that a kernel reaches.
    blind : ndarray of bool, shape (ny, nx)
        Pixels without data.

    Returns
    -------
    ndarray of uint32, shape (ny, nx)
        The same array.
    """
    edge = np.uint32(Mask.EDGE)
    if reach > 0:
        for rim in (bits[:reach], bits[-reach:], bits[:, :reach], bits[:, -reach:]):
            np.bitwise_or(rim, edge, out=rim)
    if blind.any():
        bits |= spread(np.where(blind, edge, np.uint32(0)), reach)
    return bits
