"""Fragments: the Avro bytes of rows, made once, of which packets are put together in SQL.

What association decides is left open in them, so that a row that moves to another object keeps
its fragment: a packet holds ``head``, the ids, ``tail``.  A time of processing that is known only
at the end is put in afterwards: it is eight bytes at a known place of the tail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.alerts.encoding import Encoded, encode
from apdb.alerts.schemas import AlertSchema, Field
from apdb.input.records import Batch

LEFT_OPEN: Mapping[str, tuple[str, ...]] = {
    "diaSource": ("dia_object_id", "ss_object_id"),
    "diaForcedSource": ("dia_object_id",),
}
"""Columns between head and tail of a fragment, by record."""

TIME = "time_processed_mjd_tai"
_TIME_BYTES = 8


@dataclass(frozen=True)
class Fragments:
    """Fragments of rows that belong to an object.

    Attributes
    ----------
    head : Encoded
        Bytes of the fields before those of `LEFT_OPEN`, n rows.
    tail : Encoded
        Bytes of the fields behind them, n rows.
    time_at : ndarray of int32, shape (n,)
        Where in the tail the time of processing is: eight bytes, a little-endian double.
    """

    head: Encoded
    tail: Encoded
    time_at: NDArray[np.int32]

    def with_time(self, mjd_tai: float) -> Fragments:
        """Return the fragments with the time of processing in every row.

        Parameters
        ----------
        mjd_tai : float
            Time of processing, MJD TAI [d].

        Returns
        -------
        Fragments
        """
        data = self.tail.data.copy()
        at = self.tail.offsets[:-1] + self.time_at
        data[at[:, None] + np.arange(_TIME_BYTES)] = np.frombuffer(
            np.float64(mjd_tai).astype("<f8").tobytes(), np.uint8
        )
        return Fragments(self.head, Encoded(data, self.tail.offsets), self.time_at)


def fragments(
    schema: AlertSchema, record: str, batch: Batch, constants: Mapping[str, object] | None = None
) -> Fragments:
    """Return the fragments of rows.

    Parameters
    ----------
    schema : AlertSchema
        Version to encode in.
    record : {"diaSource", "diaForcedSource"}
        Which record the rows become.
    batch : Batch
        The rows; those of `LEFT_OPEN` are not looked at.
    constants : mapping of str to object, optional
        Columns with one value for all rows: what the visit says, such as ``visit``, ``band``.

    Returns
    -------
    Fragments
        With the batch's time of processing, or zero where it has none.

    Raises
    ------
    ValueError
        If a field that cannot be null has no value.
    TypeError
        If a column is not of the type of its field.
    """
    before, behind = _split(schema.record(record), LEFT_OPEN[record])
    columns, nulls = _complete(batch, constants, behind)
    if TIME not in columns:
        columns[TIME] = np.broadcast_to(np.float64(0.0), (batch.n,))
    at = [each.column for each in behind].index(TIME)
    tail = encode(behind, columns, nulls, batch.n)
    rest = encode(behind[at:], columns, nulls, batch.n)
    return Fragments(
        encode(before, columns, nulls, batch.n), tail, (tail.sizes - rest.sizes).astype(np.int32)
    )


def records(
    schema: AlertSchema, record: str, batch: Batch, constants: Mapping[str, object] | None = None
) -> Encoded:
    """Return whole records of rows.

    Parameters
    ----------
    schema : AlertSchema
        Version to encode in.
    record : str
        Which record the rows become, such as ``diaObject``.
    batch : Batch
        The rows.
    constants : mapping of str to object, optional
        Columns with one value for all rows.

    Returns
    -------
    Encoded

    Raises
    ------
    ValueError
        If a field that cannot be null has no value.
    TypeError
        If a column is not of the type of its field.
    """
    fields = schema.record(record)
    columns, nulls = _complete(batch, constants, fields)
    return encode(fields, columns, nulls, batch.n)


def _split(
    fields: tuple[Field, ...], left_open: tuple[str, ...]
) -> tuple[tuple[Field, ...], tuple[Field, ...]]:
    """Return the fields before and behind those left open, which are neighbours."""
    names = [each.column for each in fields]
    first = names.index(left_open[0])
    stop = first + len(left_open)
    if tuple(names[first:stop]) != left_open:
        raise ValueError(f"{', '.join(left_open)} do not follow each other in {names}")
    return fields[:first], fields[stop:]


def _complete(
    batch: Batch, constants: Mapping[str, object] | None, fields: tuple[Field, ...]
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.bool_] | None]]:
    """Return the columns with those of one value; a constant None is null in every row."""
    columns, nulls = dict(batch.columns), dict(batch.nulls)
    strings = {each.column for each in fields if each.type in ("string", "bytes")}
    for name, value in (constants or {}).items():
        columns.pop(name, None)
        nulls.pop(name, None)
        if value is not None:
            one = np.array(value, object if name in strings else None)
            columns[name] = np.broadcast_to(one, (batch.n,))
    return columns, nulls
