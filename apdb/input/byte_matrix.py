"""Rows of bytes laid out in one matrix, as wide as the widest row: what binary writers share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def view(matrix: NDArray[np.uint8], at: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the values of one type that lie at one offset of every row.

    Parameters
    ----------
    matrix : ndarray of uint8, shape (n, width)
        Rows of bytes, contiguous.
    at : int
        Offset in a row [bytes].
    dtype : dtype
        Type of the values, with its byte order.

    Returns
    -------
    ndarray, shape (n,)
        To be written to.
    """
    n, width = matrix.shape
    return np.ndarray((n,), dtype, buffer=matrix.data, offset=at, strides=(width,))


def put_padded(matrix: NDArray[np.uint8], at: int, width: int, values: Sequence[bytes]) -> None:
    """Write byte strings at one offset of the rows, filled up with zeros.

    Parameters
    ----------
    matrix : ndarray of uint8, shape (n, row width)
        Rows of bytes, contiguous.
    at : int
        Offset in a row [bytes].
    width : int
        Length of the longest [bytes].
    values : sequence of bytes
        One per row.
    """
    if width:
        padded = np.array(values, dtype=f"S{width}")
        matrix[:, at : at + width] = padded.view(np.uint8).reshape(-1, width)
