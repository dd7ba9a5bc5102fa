"""What the writes of a visit cost alone: the yardstick for `store`.

Tables without constraints beside those of apdb, in the same database: 10,000 rows of all columns into one
with four indexes, their objects updated or inserted, the former rows of these kept as versions; one
transaction.  Rows come from tables on the server, found by visit and object: nothing is sent, matched,
checked or worked out.
"""

from __future__ import annotations

import time

import psycopg

_TABLES = """
create schema plain;
create table plain.source as select * from apdb_base.dia_source limit 0;
create unique index on plain.source (dia_source_id);
create index on plain.source (dia_object_id, midpoint_mjd_tai);
create index on plain.source (visit, detector);
create index on plain.source (q3c_ang2ipix(ra, "dec"));
insert into plain.source select * from apdb_base.dia_source;
create table plain.object as select * from apdb_base.dia_object;
create unique index on plain.object (dia_object_id);
create index on plain.object (q3c_ang2ipix(ra, "dec"));
create table plain.version as select * from apdb_base.dia_object limit 0;
create unique index on plain.version (dia_object_id, validity_start_mjd_tai);
"""
_TOUCHED = "(select dia_object_id from apdb_base.dia_source where visit = %(visit)s and detector = %(detector)s)"


def prepare(dsn: str) -> None:
    """Make the tables, filled with what apdb holds."""
    with psycopg.connect(dsn) as connection:
        connection.execute(_TABLES)


def write(dsn: str, visit: int, detector: int) -> float:
    """Write what apdb wrote for a visit it has just stored; wall seconds, commit included."""
    with psycopg.connect(dsn) as connection:
        columns = [
            row[0]
            for row in connection.execute(
                "select quote_ident(attname) from pg_attribute"
                " where attrelid = 'plain.object'::regclass and attnum > 0 order by attnum"
            )
        ]
        connection.commit()
        values = {"visit": visit, "detector": detector}
        start = time.perf_counter()
        connection.execute(
            "insert into plain.source select * from apdb_base.dia_source"
            " where visit = %(visit)s and detector = %(detector)s",
            values,
        )
        connection.execute(
            f"insert into plain.version select * from plain.object where dia_object_id in {_TOUCHED}",
            values,
        )
        news = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
        connection.execute(
            f"insert into plain.object select * from apdb_base.dia_object where dia_object_id in {_TOUCHED}"
            f" on conflict (dia_object_id) do update set {news}",
            values,
        )
        connection.commit()
        return time.perf_counter() - start
