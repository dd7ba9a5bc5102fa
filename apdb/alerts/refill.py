"""Fragments made anew from the columns, also in another version; and their check against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from psycopg import sql

from apdb.alerts import rows, staging
from apdb.alerts.encoding import Encoded
from apdb.alerts.fragments import fragments, records
from apdb.alerts.rules import open_alerts, read_rules
from apdb.alerts.schemas import AlertSchema, alert_schema
from apdb.input.records import Batch
from apdb.routine import first_row
from apdb.session import Session

Key = tuple[int, int]
Progress = Callable[[int, int], None]

_OF_VISIT = sql.SQL("apdb.{} as t where t.visit = %s and t.detector = %s::smallint")


@dataclass(frozen=True)
class Refilled:
    """What became of a rebuild.

    Attributes
    ----------
    version : str
        Version of the fragments, which packets now follow.
    n_visits : int
        Visits looked at.
    n_rebuilt : int
        Visits whose fragments were made.
    n_fragments : int
        Fragments made.
    n_dropped : int
        Fragments of other versions removed.
    """

    version: str
    n_visits: int
    n_rebuilt: int
    n_fragments: int
    n_dropped: int


def rebuild_fragments(
    session: Session,
    version: str | None = None,
    *,
    everything: bool = False,
    progress: Progress | None = None,
) -> Refilled:
    """Make the fragments that are missing, a visit at a time; packets then follow that version.

    Visits may be stored meanwhile: from the beginning on they write fragments in the new version
    too.  May be interrupted and repeated: visits that have all their fragments are passed over.

    Parameters
    ----------
    session : Session
        Where.
    version : str, optional
        Version of the public schema; that of the settings by default.
    everything : bool, optional
        Make those that are there anew, too.
    progress : callable, optional
        Called with the number of visits done and of all.

    Returns
    -------
    Refilled

    Raises
    ------
    InvalidInput
        There is no such version; or a visit was stored without fragments meanwhile.
    Busy
        Another session holds a visit's sky; what was done stays, repeat it.
    """
    with session.connection() as connection:
        rules = read_rules(connection)
        schema = alert_schema(version or rules.schema_version, namespace=rules.namespace)
        connection.execute("select apdb.begin_rebuild(%s)", (schema.registry_id,))
    with session.connection() as connection:
        keys = _visits(connection)
    n_rebuilt = n_fragments = 0
    for done, key in enumerate(keys):
        if progress is not None:
            progress(done, len(keys))
        with session.connection() as connection:
            made = _refill(connection, schema, key, everything)
        n_rebuilt += made > 0
        n_fragments += made
    if progress is not None:
        progress(len(keys), len(keys))
    with session.connection() as connection:
        done_with = (schema.registry_id, schema.version)
        connection.execute("select apdb.finish_rebuild(%s, %s)", done_with)
    with session.connection() as connection:
        row = connection.execute("select apdb.drop_fragments()").fetchone()
    assert row is not None
    return Refilled(schema.version, len(keys), n_rebuilt, n_fragments, row[0])


def check_fragments(session: Session, n_visits: int = 100, *, seed: float = 0.0) -> list[str]:
    """Compare the fragments of some visits with the columns.

    Parameters
    ----------
    session : Session
        Where.
    n_visits : int, optional
        How many visits, drawn at random.
    seed : float, optional
        Seed of the draw, from -1 to 1.

    Returns
    -------
    list of str
        One line for each visit and kind that does not agree; empty if all do.
    """
    found: list[str] = []
    with session.connection() as connection:
        rules = read_rules(connection)
        connection.execute("select setseed(%s)", (seed,))
        keys = connection.execute(
            "select v.visit, v.detector from apdb.visit as v order by random() limit %s",
            (n_visits,),
        ).fetchall()
        for visit, detector in keys:
            wrong = _disagreements(connection, rules.schema, (visit, detector))
            found += [f"visit {visit} detector {detector}: {text}" for text in wrong]
    return found


def add_forced(connection: psycopg.Connection[Any], store_seq: int) -> None:
    """Write the fragments of forced photometry that came later than its visit.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction of store_forced, after it.
    store_seq : int
        Its place in the order of knowledge.
    """
    rules = open_alerts(connection)
    if not rules.archive_url:
        return
    source = sql.SQL(
        "pg_temp.stage_forced as s inner join apdb.dia_forced_source as t "
        "on s.dia_object_id = t.dia_object_id and s.visit = t.visit and s.detector = t.detector "
        "and s.midpoint_mjd_tai = t.midpoint_mjd_tai where t.store_seq = %s"
    )
    for schema in rules.written_schemas:
        batch = rows.read_rows(connection, schema, "diaForcedSource", source, (store_seq,))
        staging.stage_forced(connection, schema, batch)
    connection.execute("select apdb.insert_fragments()")


def _visits(connection: psycopg.Connection[Any]) -> list[Key]:
    """Return every visit that has sources or forced photometry, those stored first first."""
    found = connection.execute(
        "select k.visit, k.detector from ("
        "select v.visit, v.detector, v.store_seq from apdb.visit as v union all "
        "select distinct f.visit, f.detector, null::bigint from apdb.dia_forced_source as f "
        "where not exists (select from apdb.visit as v where v.visit = f.visit "
        "and v.detector = f.detector)) as k order by k.store_seq, k.visit, k.detector"
    ).fetchall()
    return [(visit, detector) for visit, detector in found]


def _refill(
    connection: psycopg.Connection[Any], schema: AlertSchema, key: Key, everything: bool
) -> int:
    """Make the fragments of one visit; return how many."""
    connection.execute("select apdb.open_stage(null), apdb.open_fragment_stage()")
    if not everything and not _missing(connection, schema, key):
        return 0
    # Corrections wait, and none is between what is read here and what is written.
    connection.execute("select apdb.lock_concerned(null, null, %s::bigint, %s::integer, null)", key)
    sources = rows.read_rows(
        connection, schema, "diaSource", _OF_VISIT.format(sql.Identifier("dia_source")), key
    )
    staging.stage_sources(
        connection,
        schema,
        fragments(schema, "diaSource", sources),
        {
            name: sources.columns[name]
            for name in ("dia_source_id", "dia_object_id", "midpoint_mjd_tai")
        },
    )
    forced = rows.read_rows(
        connection,
        schema,
        "diaForcedSource",
        _OF_VISIT.format(sql.Identifier("dia_forced_source")),
        key,
    )
    staging.stage_forced(connection, schema, forced)
    if sources.n:
        place = (*key, float(sources.columns["midpoint_mjd_tai"][0]))
        staging.stage_objects(connection, schema, place, _objects(connection, schema, key, sources))
        ss = sources.columns["dia_source_id"][sources.columns["ss_object_id"] != 0]
        staging.stage_solar_system(connection, schema, place, ss)
    row = connection.execute("select apdb.insert_fragments()").fetchone()
    assert row is not None
    return int(row[0])


def _objects(
    connection: psycopg.Connection[Any], schema: AlertSchema, key: Key, sources: Batch
) -> Batch:
    """Return the objects of a visit's sources as the visit left them."""
    row = first_row(
        connection,
        "select v.store_seq from apdb.visit as v where v.visit = %s and v.detector = %s",
        key,
    )
    assert row is not None
    owners = np.unique(sources.columns["dia_object_id"])
    source = sql.SQL("apdb.objects_as_of(%s::bigint[], %s::bigint) as t")
    params = (owners[owners != 0].tolist(), row["store_seq"])
    return rows.read_rows(connection, schema, "diaObject", source, params)


def _missing(connection: psycopg.Connection[Any], schema: AlertSchema, key: Key) -> int:
    counts = _counts(connection, schema, key)
    return int(counts["sources_missing"] + counts["forced_missing"])


def _counts(connection: psycopg.Connection[Any], schema: AlertSchema, key: Key) -> dict[str, Any]:
    row = first_row(
        connection,
        "select * from apdb.fragment_counts(%s, %s::integer, %s)",
        (*key, schema.registry_id),
    )
    assert row is not None
    return row


def _disagreements(connection: psycopg.Connection[Any], schema: AlertSchema, key: Key) -> list[str]:
    names = {
        "sources_missing": "DIASources without fragment",
        "sources_stray": "withdrawn DIASources with fragment",
        "forced_missing": "forced measurements without fragment",
        "forced_stray": "withdrawn forced measurements with fragment",
    }
    found = [f"{n} {names[name]}" for name, n in _counts(connection, schema, key).items() if n]
    for record, number in (
        ("diaSource", "dia_source_id"),
        ("diaForcedSource", "dia_forced_source_id"),
    ):
        table = schema.tables[record]
        batch = rows.read_rows(
            connection, schema, record, _OF_VISIT.format(sql.Identifier(table)), key
        )
        made = fragments(schema, record, batch)
        wanted = _pairs(batch.columns[number], batch.columns["dia_object_id"], made.head, made.tail)
        query = sql.SQL(
            "select t.{number}, f.dia_object_id, f.head, f.tail from apdb.{table} as t "
            "inner join apdb.{fragment} as f on f.dia_object_id = coalesce(t.dia_object_id, 0) "
            "and f.midpoint_mjd_tai = t.midpoint_mjd_tai and f.{number} = t.{number} "
            "where t.visit = %s and t.detector = %s::smallint and f.registry_id = %s"
        ).format(
            number=sql.Identifier(number),
            table=sql.Identifier(table),
            fragment=sql.Identifier(f"{table}_fragment"),
        )
        cursor = connection.execute(query, (*key, schema.registry_id), binary=True)
        wrong = [row[0] for row in cursor if wanted.get((row[0], row[1])) != (row[2], row[3])]
        if wrong:
            found.append(
                f"{len(wrong)} fragments of {table} are not as the columns, first {wrong[0]}"
            )
    return found + _object_disagreements(connection, schema, key)


def _object_disagreements(
    connection: psycopg.Connection[Any], schema: AlertSchema, key: Key
) -> list[str]:
    stored = connection.execute(
        "select f.dia_object_id, f.fragment from apdb.dia_object_fragment as f "
        "where f.visit = %s and f.detector = %s::smallint and f.registry_id = %s",
        (*key, schema.registry_id),
        binary=True,
    ).fetchall()
    source = sql.SQL(
        "apdb.visit as v cross join lateral apdb.objects_as_of(%s::bigint[], v.store_seq) as t "
        "where v.visit = %s and v.detector = %s"
    )
    batch = rows.read_rows(
        connection, schema, "diaObject", source, ([number for number, _ in stored], *key)
    )
    numbers = batch.columns["dia_object_id"].tolist()
    wanted = dict(zip(numbers, records(schema, "diaObject", batch).rows(), strict=True))
    wrong = [number for number, made in stored if wanted.get(number) != made]
    if not wrong:
        return []
    return [f"{len(wrong)} fragments of dia_object are not as the columns, first {wrong[0]}"]


def _pairs(
    numbers: Any, owners: Any, head: Encoded, tail: Encoded
) -> dict[tuple[int, int], tuple[bytes, bytes]]:
    keys = zip(numbers.tolist(), owners.tolist(), strict=True)
    return dict(zip(keys, zip(head.rows(), tail.rows(), strict=True), strict=True))
