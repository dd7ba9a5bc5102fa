"""PostgreSQL's binary COPY format from numpy columns, without a loop over rows.

All rows are laid out in one matrix of bytes, as wide as the widest row, and a mask then leaves out
what NULLs and short texts do not fill.  Format: "COPY", section "Binary Format", PostgreSQL manual.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.input.byte_matrix import put_padded, view
from apdb.input.conversion import default_value
from apdb.input.records import Batch
from apdb.schema.catalogue import Column

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)

#: Rows laid out at a time: the matrix of 100 columns stays within a few MB, in the cache.
CHUNK_ROWS = 1024

#: Largest matrix [bytes]; where a long text would make it larger, fewer rows are taken.
CHUNK_BYTES = 16 * 2**20

#: Types of the protocol whose values have one length, big-endian.
FIXED: Mapping[str, np.dtype[Any]] = {
    "boolean": np.dtype("u1"),
    "smallint": np.dtype(">i2"),
    "integer": np.dtype(">i4"),
    "bigint": np.dtype(">i8"),
    "real": np.dtype(">f4"),
    "double precision": np.dtype(">f8"),
}
_VARIABLE = ("text", "bytea")
_SIZE = np.dtype(">i4")


def encode(batch: Batch, columns: Sequence[Column]) -> bytes:
    """Return a batch in the binary COPY format, whole.

    Parameters
    ----------
    batch : Batch
        The rows.
    columns : sequence of Column
        The columns of the COPY, in its order.  One that the batch does not have is written as its
        default, or NULL.

    Returns
    -------
    bytes
        Signature, header, rows and trailer.

    Raises
    ------
    TypeError
        If a column has a type that cannot be encoded.
    """
    return b"".join(chunks(batch, columns))


def chunks(
    batch: Batch, columns: Sequence[Column], chunk_rows: int = CHUNK_ROWS
) -> Iterator[bytes | memoryview]:
    """Yield a batch in the binary COPY format, in pieces that bound the memory taken.

    Parameters
    ----------
    batch : Batch
        The rows.
    columns : sequence of Column
        As in `encode`.
    chunk_rows : int
        Largest number of rows in a piece.

    Yields
    ------
    bytes or memoryview
        Pieces for psycopg's ``copy.write``, the first with the header, the last the trailer.

    Raises
    ------
    TypeError
        If a column has a type that cannot be encoded.
    """
    fields = [_field(batch, column) for column in columns]
    yield HEADER
    for start in range(0, batch.n, chunk_rows):
        yield from _pieces(fields, start, min(start + chunk_rows, batch.n))
    yield TRAILER


class _Field:
    """One column ready to be laid out; `values` None if it is NULL in every row."""

    def __init__(self, values: Any, nulls: NDArray[np.bool_] | None, fixed: Any) -> None:
        self.values = values
        self.nulls = nulls
        self.fixed: np.dtype[Any] | None = fixed
        self.sizes: NDArray[np.int32] | None = None
        if values is not None and fixed is None:
            self.sizes = np.fromiter(map(len, values), np.int32, len(values))

    def width(self, start: int, stop: int) -> int:
        """Return how many bytes the widest value of some rows takes."""
        if self.values is None:
            return 0
        if self.fixed is not None:
            return self.fixed.itemsize
        assert self.sizes is not None
        return int(self.sizes[start:stop].max(initial=0))


def _field(batch: Batch, column: Column) -> _Field:
    fixed = FIXED.get(column.sql_type)
    if fixed is None and column.sql_type not in _VARIABLE:
        raise TypeError(f"column {column.name}: {column.sql_type} has no binary encoding here")
    if column.name in batch.columns:
        values: Any = batch.columns[column.name]
        nulls = batch.nulls[column.name]
    else:
        default, nulls = default_value(column), None
        if default is None:
            return _Field(None, None, fixed)
        values = np.broadcast_to(np.asarray(default, column.numpy_dtype), (batch.n,))
    if nulls is not None and nulls.all():
        return _Field(None, None, fixed)
    if nulls is not None and not nulls.any():
        nulls = None
    if fixed is None:
        # str.encode over map loops in C; bytes pass as they are.
        texts = values.tolist()
        values = texts if column.sql_type == "bytea" else list(map(str.encode, texts))
    return _Field(values, nulls, fixed)


def _pieces(fields: Sequence[_Field], start: int, stop: int) -> Iterator[memoryview]:
    """Yield some rows, in halves of halves where they are too wide for one matrix."""
    widths = [field.width(start, stop) for field in fields]
    row_bytes = 2 + 4 * len(fields) + sum(widths)
    if row_bytes * (stop - start) > CHUNK_BYTES and stop - start > 1:
        middle = (start + stop) // 2
        yield from _pieces(fields, start, middle)
        yield from _pieces(fields, middle, stop)
        return
    yield _rows(fields, widths, row_bytes, start, stop)


def _rows(
    fields: Sequence[_Field], widths: Sequence[int], row_bytes: int, start: int, stop: int
) -> memoryview:
    n = stop - start
    matrix = np.empty((n, row_bytes), np.uint8)
    keep: NDArray[np.bool_] | None = None
    matrix[:, :2] = np.frombuffer(struct.pack(">h", len(fields)), np.uint8)
    at = 2
    for field, width in zip(fields, widths, strict=True):
        sizes, kept = _put(field, width, matrix, at, start, stop)
        view(matrix, at, _SIZE)[:] = sizes
        if kept is not None:
            if keep is None:
                keep = np.ones((n, row_bytes), bool)
            keep[:, at + 4 : at + 4 + width] = kept
        at += 4 + width
    flat = matrix.ravel()
    return (flat if keep is None else flat[keep.ravel()]).data


def _put(
    field: _Field, width: int, matrix: NDArray[np.uint8], at: int, start: int, stop: int
) -> tuple[Any, NDArray[np.bool_] | None]:
    """Put the values of some rows into the matrix; return their sizes and which bytes to keep."""
    if field.values is None:
        return -1, None
    nulls = None if field.nulls is None else field.nulls[start:stop]
    if field.fixed is not None:
        view(matrix, at + 4, field.fixed)[:] = field.values[start:stop]
        if nulls is None:
            return width, None
        return np.where(nulls, -1, width), ~nulls[:, None]
    assert field.sizes is not None
    sizes = field.sizes[start:stop]
    if nulls is not None:
        sizes = np.where(nulls, -1, sizes)
    put_padded(matrix, at + 4, width, field.values[start:stop])
    return sizes, np.arange(width) < sizes[:, None]
