"""Fragments on their way into their tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from apdb.alerts import rows
from apdb.alerts.encoding import Encoded
from apdb.alerts.fragments import Fragments, fragments, records
from apdb.alerts.schemas import AlertSchema
from apdb.input.copy_binary import chunks
from apdb.input.records import Batch
from apdb.schema import catalogue

Visit = tuple[int, int, float]
"""Visit, detector and midpoint, MJD TAI [d]."""


def stage_sources(
    connection: psycopg.Connection[Any],
    schema: AlertSchema,
    made: Fragments,
    keys: Mapping[str, NDArray[Any]],
) -> None:
    """Stage fragments of DIASources.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction with the stage open.
    schema : AlertSchema
        Version of the fragments.
    made : Fragments
        The bytes, n rows.
    keys : mapping of str to ndarray, shape (n,)
        dia_source_id, dia_object_id (0 for none) and midpoint_mjd_tai [d].
    """
    _stage(connection, schema, "dia_source_fragment", keys, {"head": made.head, "tail": made.tail})


def stage_forced(connection: psycopg.Connection[Any], schema: AlertSchema, batch: Batch) -> None:
    """Encode forced photometry and stage it.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction with the stage open.
    schema : AlertSchema
        Version of the fragments.
    batch : Batch
        The rows, as the database has them.
    """
    made = fragments(schema, "diaForcedSource", batch)
    keys = {name: batch.columns[name] for name in rows.KEYS["dia_forced_source"]}
    bytes_of = {"head": made.head, "tail": made.tail}
    _stage(connection, schema, "dia_forced_source_fragment", keys, bytes_of)


def stage_objects(
    connection: psycopg.Connection[Any], schema: AlertSchema, visit: Visit, batch: Batch
) -> None:
    """Encode objects as a visit left them and stage them.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction with the stage open.
    schema : AlertSchema
        Version of the fragments.
    visit : (int, int, float)
        The visit.
    batch : Batch
        The objects.
    """
    keys = {"dia_object_id": batch.columns["dia_object_id"], **_of(visit, batch.n)}
    made = {"fragment": records(schema, "diaObject", batch)}
    _stage(connection, schema, "dia_object_fragment", keys, made)


def stage_solar_system(
    connection: psycopg.Connection[Any],
    schema: AlertSchema,
    visit: Visit,
    dia_source_ids: NDArray[np.int64],
) -> None:
    """Encode what is known of solar-system objects in a visit and stage it.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction with the stage open.
    schema : AlertSchema
        Version of the fragments.
    visit : (int, int, float)
        The visit.
    dia_source_ids : ndarray of int64
        Its sources that belong to solar-system objects.
    """
    if not len(dia_source_ids):
        return
    found = rows.ss_sources(connection, schema, dia_source_ids)
    keys = {"dia_source_id": found.columns["dia_source_id"], **_of(visit, found.n)}
    _stage(
        connection,
        schema,
        "ss_source_fragment",
        keys,
        {"fragment": records(schema, "ssSource", found)},
    )
    names = found.columns["designation"]
    ids = dict(zip(names.tolist(), found.columns["ss_object_id"].tolist(), strict=True))
    orbits = rows.orbits(connection, schema, sorted(filter(None, ids)))
    if orbits.n:
        whose = np.array([ids[name] for name in orbits.columns["designation"]], np.int64)
        made = {"fragment": records(schema, "mpc_orbits", orbits)}
        keys = {"ss_object_id": whose, **_of(visit, orbits.n)}
        _stage(connection, schema, "mpc_orbits_fragment", keys, made)


def _of(visit: Visit, n: int) -> dict[str, NDArray[Any]]:
    return {
        "visit": np.full(n, visit[0], np.int64),
        "detector": np.full(n, visit[1], np.int16),
        "midpoint_mjd_tai": np.full(n, visit[2], np.float64),
    }


def _stage(
    connection: psycopg.Connection[Any],
    schema: AlertSchema,
    table: str,
    keys: Mapping[str, NDArray[Any]],
    made: Mapping[str, Encoded],
) -> None:
    n = len(next(iter(made.values())))
    if not n:
        return
    columns: dict[str, NDArray[Any]] = {
        **keys,
        "registry_id": np.full(n, schema.registry_id, np.int16),
    }
    for name, encoded in made.items():
        # numpy would make a matrix of byte strings that have one length
        values = np.empty(n, object)
        values[:] = encoded.rows()
        columns[name] = values
    batch = Batch(n, columns, dict.fromkeys(columns))
    shape = [c for c in catalogue.table(table).columns if c.name in columns]
    statement = sql.SQL("copy pg_temp.{} ({}) from stdin (format binary)").format(
        sql.Identifier(f"stage_{table}"),
        sql.SQL(", ").join(sql.Identifier(c.name) for c in shape),
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for chunk in chunks(batch, shape):
            copy.write(chunk)
