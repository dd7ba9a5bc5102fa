"""Packets from the columns, as they were known at a step of knowledge; fragments are not used.

What `assemble_packets` makes of fragments in SQL, this makes of rows: for the proof that an
archived alert is what the database said, and for alerts that are completed later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from apdb.alerts import rows
from apdb.alerts.encoding import Encoded, encode_long
from apdb.alerts.fragments import records
from apdb.alerts.packets import NO_STAMPS, extension
from apdb.alerts.schemas import AlertSchema
from apdb.features.packet import features_as_of
from apdb.input.copy_read import read_copy
from apdb.input.records import Batch
from apdb.reference.neighbours import packet_fields
from apdb.schema import catalogue

MJD_FIRST, MJD_LAST = 0.0, 200_000.0

_NULL, _VALUE = b"\0", b"\2"
_NO_ORIGIN = _NULL + _NULL


@dataclass(frozen=True)
class Rendered:
    """One packet made of columns.

    Attributes
    ----------
    dia_source_id : int
        The trigger.
    dia_object_id, ss_object_id : int
        Its objects then; 0 for none.
    packet : bytes
        The packet, its stamps null.
    """

    dia_source_id: int
    dia_object_id: int
    ss_object_id: int
    packet: bytes


def render(
    connection: psycopg.Connection[Any],
    schema: AlertSchema,
    dia_source_ids: list[int],
    store_seq: int,
    history_days: float,
    *,
    left_out: str | None = None,
    histories: bool = True,
) -> Iterator[Rendered]:
    """Make packets of the sources of one visit from columns.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction to read in.
    schema : AlertSchema
        What to write them in.
    dia_source_ids : list of int
        The triggers; all of one visit.
    store_seq : int
        Step of knowledge that they are of.
    history_days : float
        Length of the history [d].
    left_out : str, optional
        What an extended schema says is completed later.
    histories : bool
        Put in earlier DIASources; their ids otherwise, where the schema is extended.

    Yields
    ------
    Rendered
        Those that were known then, in the order of dia_object_id and id.
    """
    triggers = _sources(connection, schema, (dia_source_ids, None, MJD_FIRST, MJD_LAST, store_seq))
    if not triggers.n:
        return
    midpoint = float(triggers.columns["midpoint_mjd_tai"][0])
    owners = triggers.columns["dia_object_id"]
    ids = np.unique(owners[owners != 0])
    span = (midpoint - history_days, midpoint)
    history = _sources(connection, schema, (None, ids.tolist(), *span, store_seq))
    forced = _read(
        connection, schema, "diaForcedSource", "forced_as_of", (ids.tolist(), *span, store_seq)
    )
    objects = _read(connection, schema, "diaObject", "objects_as_of", (ids.tolist(), store_seq))
    parts = _Parts(
        _grouped(schema, "diaSource", history, ids),
        _grouped(schema, "diaForcedSource", forced, ids),
        dict(_by(objects.columns["dia_object_id"], records(schema, "diaObject", objects))),
        *_solar_system(connection, schema, triggers),
    )
    features = features_as_of(connection, ids, store_seq) if schema.extended else {}
    near = packet_fields(connection, ids.tolist(), store_seq) if schema.extended else {}
    trigger_bytes = records(schema, "diaSource", triggers).rows()
    ss_owners = triggers.columns["ss_object_id"].tolist()
    numbers = triggers.columns["dia_source_id"].tolist()
    for number, owner, ss_owner, own in zip(
        numbers, owners.tolist(), ss_owners, trigger_bytes, strict=True
    ):
        pieces = [encode_long(number), _NO_ORIGIN, own, *parts.of(number, owner, histories)]
        pieces.append(NO_STAMPS)
        if schema.extended:
            earlier = None if histories else parts.history_ids(owner)
            values: dict[str, object] = {"features": features.get(owner)}
            if left_out is not None:
                values["leftOut"] = left_out
            values |= near.get(owner, {})
            pieces.append(extension(schema, earlier, values))
        yield Rendered(number, owner, ss_owner, b"".join(pieces))


@dataclass(frozen=True)
class _Group:
    """Records of objects, those of each next to each other."""

    encoded: memoryview
    ids: NDArray[np.int64]
    first: dict[int, tuple[int, int, int, int]]

    def array(self, owner: int) -> bytes:
        """Return the records of an object as an Avro array."""
        row, stop, start, end = self.first.get(owner, (0, 0, 0, 0))
        if row == stop:
            return _NULL
        return b"".join((encode_long(stop - row), self.encoded[start:end], _NULL))


@dataclass(frozen=True)
class _Parts:
    """What packets are put together of, by object or source."""

    history: _Group
    forced: _Group
    objects: dict[int, bytes]
    ss_sources: dict[int, bytes]
    orbits: dict[int, bytes]

    def of(self, dia_source_id: int, owner: int, histories: bool) -> Iterator[bytes]:
        """Yield the fields between the trigger and the stamps."""
        if owner:
            earlier = self.history.array(owner) if histories else _NULL
            yield _NULL if earlier == _NULL else _VALUE + earlier
            yield _VALUE + self.forced.array(owner)
        else:
            yield _NULL + _NULL
        for found in (
            self.objects.get(owner),
            self.ss_sources.get(dia_source_id),
            self.orbits.get(dia_source_id),
        ):
            yield _NULL if found is None else _VALUE + found

    def history_ids(self, owner: int) -> list[int]:
        """Return the ids of the earlier DIASources, oldest first."""
        row, stop, _, _ = self.history.first.get(owner, (0, 0, 0, 0))
        return [int(each) for each in self.history.ids[row:stop]]


def _sources(
    connection: psycopg.Connection[Any], schema: AlertSchema, values: tuple[object, ...]
) -> Batch:
    """Read DIASources as of a step; their ids of objects are those of then."""
    columns = rows.columns_of(schema, "diaSource")
    own = {"dia_object_id": "then_dia_object_id", "ss_object_id": "then_ss_object_id"}
    parts = [
        sql.SQL("t.{}").format(sql.Identifier(own[column.name]))
        if column.name in own
        else sql.SQL("(t.source).{}").format(sql.Identifier(column.name))
        for column in columns
    ]
    query = sql.SQL(
        "select {} from apdb.sources_as_of("
        "%s::bigint[], %s::bigint[], %s::double precision, %s::double precision, %s::bigint) as t"
    ).format(sql.SQL(", ").join(parts))
    return _not_withdrawn(read_copy(connection, query, columns, values))


def _read(
    connection: psycopg.Connection[Any],
    schema: AlertSchema,
    record: str,
    routine: str,
    values: tuple[object, ...],
) -> Batch:
    source = sql.SQL("apdb.{}({}) as t").format(
        sql.Identifier(routine), sql.SQL(", ").join([sql.Placeholder()] * len(values))
    )
    return _not_withdrawn(rows.read_rows(connection, schema, record, source, values))


def _not_withdrawn(batch: Batch) -> Batch:
    """Return rows as they were before any withdrawal: nothing withdrawn is in a packet."""
    name = "time_withdrawn_mjd_tai"
    columns = {k: v for k, v in batch.columns.items() if k != name}
    return replace(
        batch, columns=columns, nulls={k: v for k, v in batch.nulls.items() if k != name}
    )


def _grouped(schema: AlertSchema, record: str, batch: Batch, owners: NDArray[np.int64]) -> _Group:
    encoded = records(schema, record, batch)
    owner = batch.columns["dia_object_id"]
    start, stop = np.searchsorted(owner, owners, "left"), np.searchsorted(owner, owners, "right")
    at = encoded.offsets
    places = zip(start.tolist(), stop.tolist(), at[start].tolist(), at[stop].tolist(), strict=True)
    own_id = catalogue.table(schema.tables[record]).primary_key
    name = "dia_source_id" if "dia_source_id" in own_id else "dia_forced_source_id"
    return _Group(
        memoryview(encoded.data.tobytes()),
        batch.columns[name],
        dict(zip(owners.tolist(), places, strict=True)),
    )


def _by(ids: NDArray[np.int64], encoded: Encoded) -> Iterator[tuple[int, bytes]]:
    return zip(ids.tolist(), encoded.rows(), strict=True)


def _solar_system(
    connection: psycopg.Connection[Any], schema: AlertSchema, triggers: Batch
) -> tuple[dict[int, bytes], dict[int, bytes]]:
    """Return the records of solar-system objects, by trigger."""
    ids = triggers.columns["dia_source_id"][triggers.columns["ss_object_id"] != 0]
    if not len(ids):
        return {}, {}
    found = rows.ss_sources(connection, schema, ids)
    sources = dict(_by(found.columns["dia_source_id"], records(schema, "ssSource", found)))
    orbits = rows.orbits(
        connection, schema, sorted(set(filter(None, found.columns["designation"].tolist())))
    )
    made = records(schema, "mpc_orbits", orbits).rows()
    by_name = dict(zip(orbits.columns["designation"].tolist(), made, strict=True))
    pairs = zip(
        found.columns["dia_source_id"].tolist(), found.columns["designation"].tolist(), strict=True
    )
    return sources, {number: by_name[name] for number, name in pairs if name in by_name}
