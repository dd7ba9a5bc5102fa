"""Small constructed visits, and what must hold of the database after any corrections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg
from psycopg.rows import dict_row

import apdb

MJD = 61109.1447


def asec(value: float) -> float:
    return value / 3600.0


def visit(number: int, mjd: float) -> apdb.Visit:
    return apdb.Visit(
        visit=number, detector=40, band="g", midpoint_mjd_tai=mjd, ra=150.0, dec=1.2, radius=0.2
    )


def sources(ids: Sequence[int], north: Sequence[float], flux: Any = None) -> dict[str, Any]:
    """Sources so many arcsec north of (150, 1.2)."""
    n = len(ids)
    return {
        "dia_source_id": np.array(ids),
        "ra": np.full(n, 150.0),
        "dec": 1.2 + asec(1.0) * np.asarray(north),
        "psf_flux": np.full(n, 100.0) if flux is None else np.asarray(flux),
        "psf_flux_err": np.full(n, 5.0),
    }


def one(connection: psycopg.Connection[Any], query: str, *values: object) -> tuple[Any, ...]:
    row = connection.execute(query, values).fetchone()  # type: ignore[call-overload]
    connection.rollback()
    assert row is not None
    return tuple(row)


def objects(connection: psycopg.Connection[Any]) -> dict[int, dict[str, Any]]:
    """The current objects by id."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute("select * from apdb.dia_object order by dia_object_id").fetchall()
    connection.rollback()
    return {row["dia_object_id"]: row for row in rows}


def audit(
    connection: psycopg.Connection[Any], store_seq: int
) -> dict[int, tuple[int | None, int | None, bool]]:
    rows = connection.execute(
        "select dia_source_id, old_dia_object_id, new_dia_object_id, withdrawn "
        "from apdb.reassignment where store_seq = %s",
        (store_seq,),
    ).fetchall()
    connection.rollback()
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


VIOLATIONS = {
    "counters or times differ from the sources": """
        select o.dia_object_id, o.n_dia_sources, c.n
        from apdb.dia_object as o
        full join (
            select
                dia_object_id, count(*) as n, min(midpoint_mjd_tai) as a, max(midpoint_mjd_tai) as b
            from apdb.dia_source where dia_object_id is not null group by dia_object_id
        ) as c on o.dia_object_id = c.dia_object_id
        where (o.n_dia_sources, o.first_dia_source_mjd_tai, o.last_dia_source_mjd_tai)
            is distinct from (c.n::integer, c.a, c.b)""",
    "validity overlaps": """
        with v as (
            select dia_object_id, validity_start_mjd_tai as a, validity_end_mjd_tai as b, store_seq
            from apdb_base.dia_object
            union all
            select dia_object_id, validity_start_mjd_tai, validity_end_mjd_tai, store_seq
            from apdb_base.dia_object_version
        )
        select x.* from v as x join v as y
            on x.dia_object_id = y.dia_object_id and (x.a, x.store_seq) < (y.a, y.store_seq)
        where x.b is null or x.b > y.a""",
    "a version does not end where the next begins, nor by a retirement": """
        select * from (
            select
                dia_object_id, validity_end_mjd_tai as b, store_seq_end,
                lead(validity_start_mjd_tai) over w as next_start,
                lead(store_seq) over w as next_seq
            from (select * from apdb_base.dia_object union all
                  select * from apdb_base.dia_object_version) as v
            window w as (partition by dia_object_id order by store_seq)
        ) as x
        where next_seq is not null and (b, store_seq_end) is distinct from (next_start, next_seq)
            and not exists (
                select from apdb_base.correction as c
                where c.store_seq = x.store_seq_end
                    and (c.details -> 'retired' @> to_jsonb(x.dia_object_id))
            )""",
    "a version's store_seq is not that of its time": """
        select v.dia_object_id from (select * from apdb_base.dia_object union all
            select * from apdb_base.dia_object_version) as v
        left join apdb_base.store_event as e on v.store_seq = e.store_seq
        where e.mjd_tai is distinct from v.validity_start_mjd_tai""",
    "forced photometry of a retired object": """
        select f.* from apdb.dia_forced_source as f
        left join apdb.dia_object as o on f.dia_object_id = o.dia_object_id
        where o.dia_object_id is null""",
    "ss_source out of step": """
        select s.dia_source_id, d.dia_source_id from apdb.ss_source as s
        full join (select * from apdb.dia_source where ss_object_id is not null) as d
            on s.dia_source_id = d.dia_source_id
        where s.ss_object_id is distinct from d.ss_object_id""",
    "ss_object counters": """
        select o.ss_object_id, o.n_obs, count(d.dia_source_id) from apdb.ss_object as o
        left join apdb.dia_source as d on d.ss_object_id = o.ss_object_id
        group by 1, 2 having o.n_obs <> count(d.dia_source_id)""",
    "locator out of step": """
        select l.dia_source_id, d.dia_source_id from apdb_base.dia_source_locator as l
        full join apdb_base.dia_source as d on l.dia_source_id = d.dia_source_id
        where (l.visit, l.detector, l.midpoint_mjd_tai)
            is distinct from (d.visit, d.detector, d.midpoint_mjd_tai)""",
    "an event without its correction": """
        select e.store_seq from apdb_base.store_event as e
        full join apdb_base.correction as c on e.store_seq = c.store_seq
        where (e.kind not in ('visit', 'orbits', 'ephemerides') and c.store_seq is null)
            or e.kind <> c.kind""",
}


def invariants(connection: psycopg.Connection[Any]) -> None:
    """Assert what must hold after any sequence of visits and corrections."""
    for name, query in VIOLATIONS.items():
        found = connection.execute(query).fetchall()  # type: ignore[call-overload]
        assert not found, (name, found[:5])
    connection.rollback()


SOURCES_AS_OF = """
with event as (select mjd_tai from apdb_base.store_event where store_seq = %(seq)s),
row as (
    select dia_source_id, dia_object_id, ss_object_id, time_withdrawn_mjd_tai
    from apdb_base.dia_source where store_seq <= %(seq)s
    union all
    select dia_source_id, dia_object_id, ss_object_id, time_withdrawn_mjd_tai
    from apdb_base.dia_source_superseded
    where store_seq <= %(seq)s and superseded_store_seq > %(seq)s
)
select
    r.dia_source_id,
    case when n.store_seq is null then r.dia_object_id else n.old_dia_object_id end,
    case when n.store_seq is null then r.ss_object_id else n.old_ss_object_id end
from row as r
left join lateral (
    select * from apdb_base.reassignment as a
    where a.dia_source_id = r.dia_source_id and a.store_seq > %(seq)s order by a.store_seq limit 1
) as n on true
where r.time_withdrawn_mjd_tai is null or r.time_withdrawn_mjd_tai > (select mjd_tai from event)
order by 1
"""
