"""Avro's binary form of whole tables from numpy columns, without a loop over rows.

All rows are laid out in one matrix of bytes, as wide as the widest row, and a mask then leaves out
what NULLs, small integers and short texts do not fill.  Format: Avro specification 1.11, "Binary
Encoding".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.alerts.schemas import Field
from apdb.input.byte_matrix import put_padded, view

Mask = NDArray[np.bool_]

#: Rows laid out at a time: the matrix of 100 fields stays within the cache.
CHUNK_ROWS = 2048

#: Largest matrix [bytes]; where a long text would make it larger, fewer rows are taken.
CHUNK_BYTES = 16 * 2**20

_NULL, _VALUE = b"\x00", b"\x02"
_FIXED: dict[str, np.dtype[Any]] = {
    "boolean": np.dtype("u1"),
    "float": np.dtype("<f4"),
    "double": np.dtype("<f8"),
}
_KINDS = {
    "boolean": "b",
    "int": "iu",
    "long": "iu",
    "float": "f",
    "double": "f",
    "string": "O",
    "bytes": "O",
}


@dataclass(frozen=True)
class Encoded:
    """Byte strings one after the other, one per row.

    Attributes
    ----------
    data : ndarray of uint8
        The bytes of all rows.
    offsets : ndarray of int64, shape (n + 1,)
        Where each row begins, and where the last ends.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Length of each row [bytes]."""
        return np.diff(self.offsets)

    def rows(self) -> list[bytes]:
        """Return the rows.

        Returns
        -------
        list of bytes
        """
        whole = self.data.tobytes()
        return [whole[start:stop] for start, stop in pairwise(self.offsets.tolist())]


def encode(
    fields: Sequence[Field],
    columns: Mapping[str, NDArray[Any]],
    nulls: Mapping[str, Mask | None],
    n: int,
) -> Encoded:
    """Return rows in Avro's binary form.

    Parameters
    ----------
    fields : sequence of Field
        Fields of the record, or some of them that follow each other, in order.
    columns : mapping of str to ndarray, shape (n,)
        Values by name of the column, as in `apdb.input.records.Batch`; text as object arrays of
        str, bytes as object arrays of bytes.  A column that is not there has its default in every
        row, or is null.  One that `numpy.broadcast_to` made of one value costs nothing.
    nulls : mapping of str to (ndarray of bool, shape (n,), or None)
        True where null; None, or no entry, if nothing is.
    n : int
        Number of rows.

    Returns
    -------
    Encoded
        What `fastavro.schemaless_writer` writes for each row.

    Raises
    ------
    ValueError
        If a field that cannot be null has no value in a row, or an integer does not fit its type.
    TypeError
        If the values of a column are not of the type of its field.
    """
    parts = _joined([part for each in fields for part in _parts(each, columns, nulls, n)])
    data: list[NDArray[np.uint8]] = []
    sizes: list[NDArray[np.int64]] = []
    for start in range(0, n, CHUNK_ROWS):
        _lay_out(parts, start, min(start + CHUNK_ROWS, n), data, sizes)
    offsets = np.zeros(n + 1, np.int64)
    if n:
        np.cumsum(np.concatenate(sizes), out=offsets[1:])
    return Encoded(np.concatenate(data) if data else np.empty(0, np.uint8), offsets)


def concatenate(*pieces: Encoded) -> Encoded:
    """Return rows that consist of a row of each piece.

    Parameters
    ----------
    *pieces : Encoded
        At least one, of as many rows each.

    Returns
    -------
    Encoded
        In each row the bytes of the first piece, then those of the second, and so on.

    Raises
    ------
    ValueError
        If the pieces have different numbers of rows.
    """
    rows = zip(*(piece.rows() for piece in pieces), strict=True)
    whole = b"".join(chain.from_iterable(rows))
    offsets = np.stack([piece.offsets for piece in pieces]).sum(axis=0)
    return Encoded(np.frombuffer(whole, np.uint8), offsets)


def zigzag(values: NDArray[Any]) -> NDArray[np.uint64]:
    """Return integers in the order 0, -1, 1, -2, …, which Avro writes in groups of seven bits.

    Parameters
    ----------
    values : ndarray of int
        Integers of 64 bits or fewer.

    Returns
    -------
    ndarray of uint64
    """
    wide = np.asarray(values, np.int64)
    return ((wide << 1) ^ (wide >> 63)).view(np.uint64)


def encode_longs(values: NDArray[Any]) -> Encoded:
    """Return integers as Avro longs.

    Parameters
    ----------
    values : ndarray of int, shape (n,)
        Identifiers, for instance.

    Returns
    -------
    Encoded
        One to ten bytes a row.
    """
    field = Field("value", "value", "long", nullable=False)
    return encode([field], {"value": np.asarray(values, np.int64)}, {}, len(values))


def encode_long(value: int) -> bytes:
    """Return one integer as an Avro long.

    Parameters
    ----------
    value : int
        From -2**63 to 2**63 - 1.

    Returns
    -------
    bytes
    """
    left = (value << 1) ^ (value >> 63)
    groups = bytearray()
    while left > 0x7F:
        groups.append(left & 0x7F | 0x80)
        left >>= 7
    groups.append(left)
    return bytes(groups)


class _Part:
    """Bytes of every row next to each other: the same in all rows, or one column's.

    Exactly one of `same`, `fixed`, `varint` and `texts` is set.
    """

    def __init__(
        self,
        *,
        same: bytes | None = None,
        fixed: tuple[NDArray[Any], np.dtype[Any]] | None = None,
        varint: NDArray[np.uint64] | None = None,
        texts: list[bytes] | None = None,
        present: Mask | None = None,
    ) -> None:
        self.same = same
        self.fixed = fixed
        self.varint = varint
        self.texts = texts
        self.present = present
        self.sizes: NDArray[np.int64] | None = None
        if texts is not None:
            self.sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        elif varint is not None:
            self.sizes = _varint_sizes(varint)
        if self.sizes is not None and present is not None:
            self.sizes = np.where(present, self.sizes, 0)

    def width(self, start: int, stop: int) -> int:
        """Return how many bytes the widest of some rows takes."""
        if self.same is not None:
            return len(self.same)
        if self.fixed is not None:
            return self.fixed[1].itemsize
        assert self.sizes is not None
        return int(self.sizes[start:stop].max(initial=0))

    def put(
        self, matrix: NDArray[np.uint8], at: int, width: int, start: int, stop: int
    ) -> Mask | None:
        """Write some rows into the matrix; return which bytes to keep, None for all."""
        if self.same is not None:
            matrix[:, at : at + width] = np.frombuffer(self.same, np.uint8)
            return None
        if self.fixed is not None:
            values, dtype = self.fixed
            view(matrix, at, dtype)[:] = values[start:stop]
            return None if self.present is None else self.present[start:stop, None]
        assert self.sizes is not None
        sizes = self.sizes[start:stop]
        if self.varint is not None:
            _put_varints(matrix, at, width, self.varint[start:stop], sizes)
        else:
            assert self.texts is not None
            put_padded(matrix, at, width, self.texts[start:stop])
        if sizes.min(initial=width) == width:
            return None
        return np.arange(width) < sizes[:, None]


def _parts(
    each: Field, columns: Mapping[str, NDArray[Any]], nulls: Mapping[str, Mask | None], n: int
) -> list[_Part]:
    """Return the bytes of one field: which branch of the union, then the value."""
    values, null = columns.get(each.column), nulls.get(each.column)
    if values is None:
        if each.default is None:
            return [_null(each, 0)] if n else []
        one = np.array(each.default, object if each.type in ("string", "bytes") else None)
        values, null = np.broadcast_to(one, (n,)), None
    if len(values) != n:
        raise ValueError(f"column {each.column} has {len(values)} rows, not {n}")
    if null is not None and not null.any():
        null = None
    if null is not None and not each.nullable:
        _null(each, int(np.argmax(null)))
    if null is not None and null.all():
        return [_Part(same=_NULL)]
    values = _checked(each, values)
    if n and values.strides == (0,) and null is None:
        alone = encode([each], {each.column: np.array(values[:1])}, {}, 1)
        return [_Part(same=alone.data.tobytes())]
    present = None if null is None else ~null
    branch = []
    if each.nullable:
        branch = [_Part(same=_VALUE)]
        if present is not None:
            branch = [_Part(fixed=(present * np.uint8(_VALUE[0]), _FIXED["boolean"]))]
    return [*branch, _value(each, values, present)]


def _value(each: Field, values: NDArray[Any], present: Mask | None) -> _Part:
    if each.type in _FIXED:
        return _Part(fixed=(values, _FIXED[each.type]), present=present)
    if each.type in ("int", "long"):
        return _Part(varint=zigzag(values), present=present)
    texts = values.tolist()
    if each.type == "string":
        texts = list(map(str.encode, texts))
    # as long as there are few lengths, looking up their bytes costs nothing
    lengths = {size: encode_long(size) for size in set(map(len, texts))}
    return _Part(texts=[lengths[len(text)] + text for text in texts], present=present)


def _null(each: Field, row: int) -> _Part:
    """Return the bytes of a null, where a field may be null."""
    if not each.nullable:
        raise ValueError(
            f"row {row}, column {each.column}: has no value, but {each.name} cannot be null in "
            "a packet: give it"
        )
    return _Part(same=_NULL)


def _checked(each: Field, values: NDArray[Any]) -> NDArray[Any]:
    """Return the values if they are of the field's type, times as their count of microseconds."""
    if each.logical and values.dtype.kind == "M":
        values = values.astype("M8[us]", copy=False).view(np.int64)
    size = {"float": 4, "int": 4}.get(each.type, 8)
    kind = values.dtype.kind
    if kind not in _KINDS[each.type] or (kind == "f" and values.dtype.itemsize > size):
        raise TypeError(
            f"column {each.column} is {values.dtype}, which cannot be written as {each.type}"
        )
    largest = 2 ** (8 * size - 1) - 1
    if kind in "iu" and len(values) and not np.can_cast(values.dtype, f"i{size}"):
        bad = (values > largest) | (values < (-largest - 1 if kind == "i" else 0))
        if bad.any():
            row = int(np.argmax(bad))
            text = f"does not fit {each.type}"
            raise ValueError(f"row {row}, column {each.column} = {values[row]}: {text}")
    return values


def _joined(parts: Sequence[_Part]) -> list[_Part]:
    """Return the parts with runs of those that are the same in all rows made one."""
    joined: list[_Part] = []
    for part in parts:
        if part.same is not None and joined and joined[-1].same is not None:
            joined[-1] = _Part(same=joined[-1].same + part.same)
        else:
            joined.append(part)
    return joined


def _varint_sizes(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    sizes = np.ones(len(values), np.int64)
    largest = int(values.max(initial=0))
    for bits in range(7, largest.bit_length(), 7):
        sizes += values >= np.uint64(1 << bits)
    return sizes


def _put_varints(
    matrix: NDArray[np.uint8],
    at: int,
    width: int,
    values: NDArray[np.uint64],
    sizes: NDArray[np.int64],
) -> None:
    for i in range(width):
        group = (values >> np.uint64(7 * i)).astype(np.uint8) & np.uint8(0x7F)
        # the highest bit says that another byte follows
        matrix[:, at + i] = group | ((sizes > i + 1) * np.uint8(0x80))


def _lay_out(
    parts: Sequence[_Part],
    start: int,
    stop: int,
    data: list[NDArray[np.uint8]],
    sizes: list[NDArray[np.int64]],
) -> None:
    """Append some rows, in halves of halves where they are too wide for one matrix."""
    widths = [part.width(start, stop) for part in parts]
    total, n = sum(widths), stop - start
    if total * n > CHUNK_BYTES and n > 1:
        middle = (start + stop) // 2
        _lay_out(parts, start, middle, data, sizes)
        _lay_out(parts, middle, stop, data, sizes)
        return
    matrix = np.empty((n, total), np.uint8)
    keep: Mask | None = None
    at = 0
    for part, width in zip(parts, widths, strict=True):
        kept = part.put(matrix, at, width, start, stop)
        if kept is not None:
            if keep is None:
                keep = np.ones((n, total), bool)
            keep[:, at : at + width] = kept
        at += width
    if keep is None:
        data.append(matrix.ravel())
        sizes.append(np.full(n, total, np.int64))
    else:
        data.append(matrix.ravel()[keep.ravel()])
        sizes.append(np.count_nonzero(keep, axis=1))
