"""Fragments on their way into their tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from apdb.alerts import rows
from apdb.alerts.encoding import Encoded
from apdb.alerts.fragments import Fragments, fragments, records
from apdb.alerts.schemas import AlertSchema
from apdb.input.records import Batch
from apdb.stage import copy_in

Visit = tuple[int, int, float]
"""Visit, detector and midpoint, MJD TAI [d]."""


@dataclass(frozen=True)
class Staged:
    """Fragments of one table.

    Attributes
    ----------
    table : str
        The table.
    keys : mapping of str to ndarray, shape (n,)
        Columns of its key but the version.
    made : mapping of str to Encoded
        The bytes, n rows, by column.
    """

    table: str
    keys: Mapping[str, NDArray[Any]]
    made: Mapping[str, Encoded]


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
    both = {"head": made.head, "tail": made.tail}
    stage(connection, schema, Staged("dia_source_fragment", keys, both))


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
    stage(connection, schema, forced_fragments(schema, batch))


def forced_fragments(schema: AlertSchema, batch: Batch) -> Staged:
    """Encode forced photometry.

    Parameters
    ----------
    schema : AlertSchema
        Version of the fragments.
    batch : Batch
        The rows, as the database has them.

    Returns
    -------
    Staged
    """
    made = fragments(schema, "diaForcedSource", batch)
    keys = {name: batch.columns[name] for name in rows.KEYS["dia_forced_source"]}
    return Staged("dia_forced_source_fragment", keys, {"head": made.head, "tail": made.tail})


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
    stage(connection, schema, object_fragments(schema, visit, batch))


def object_fragments(schema: AlertSchema, visit: Visit, batch: Batch) -> Staged:
    """Encode objects as a visit left them.

    Parameters
    ----------
    schema : AlertSchema
        Version of the fragments.
    visit : (int, int, float)
        The visit.
    batch : Batch
        The objects.

    Returns
    -------
    Staged
    """
    keys = {"dia_object_id": batch.columns["dia_object_id"], **_of(visit, batch.n)}
    return Staged("dia_object_fragment", keys, {"fragment": records(schema, "diaObject", batch)})


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
    made = {"fragment": records(schema, "ssSource", found)}
    stage(connection, schema, Staged("ss_source_fragment", keys, made))
    names = found.columns["designation"]
    ids = dict(zip(names.tolist(), found.columns["ss_object_id"].tolist(), strict=True))
    orbits = rows.orbits(connection, schema, sorted(filter(None, ids)))
    if orbits.n:
        whose = np.array([ids[name] for name in orbits.columns["designation"]], np.int64)
        made = {"fragment": records(schema, "mpc_orbits", orbits)}
        keys = {"ss_object_id": whose, **_of(visit, orbits.n)}
        stage(connection, schema, Staged("mpc_orbits_fragment", keys, made))


def _of(visit: Visit, n: int) -> dict[str, NDArray[Any]]:
    return {
        "visit": np.full(n, visit[0], np.int64),
        "detector": np.full(n, visit[1], np.int16),
        "midpoint_mjd_tai": np.full(n, visit[2], np.float64),
    }


def stage(connection: psycopg.Connection[Any], schema: AlertSchema, staged: Staged) -> None:
    """Stage fragments.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction with the stage open.
    schema : AlertSchema
        Version of the fragments.
    staged : Staged
        The fragments.
    """
    n = len(next(iter(staged.made.values())))
    if not n:
        return
    columns: dict[str, NDArray[Any]] = {
        **staged.keys,
        "registry_id": np.full(n, schema.registry_id, np.int16),
    }
    for name, encoded in staged.made.items():
        # numpy would make a matrix of byte strings that have one length
        values = np.empty(n, object)
        values[:] = encoded.rows()
        columns[name] = values
    batch = Batch(n, columns, dict.fromkeys(columns))
    copy_in(connection, f"stage_{staged.table}", staged.table, batch, {})
