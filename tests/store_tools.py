"""A small sky, its visits, and what must hold in a database whatever happened to it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from psycopg import sql

import apdb

MJD = 61109.1447
CENTRE = (150.0, 2.2)


@dataclass(frozen=True)
class Exposed:
    """A visit with its sources and the true object of each (0: noise)."""

    visit: apdb.Visit
    sources: dict[str, Any]
    truth: np.ndarray[Any, Any]


def sky(n: int = 40, seed: int = 1, side: float = 0.12) -> tuple[Any, Any]:
    """Positions of true objects [deg]: a jittered grid, and every fourth with a close companion."""
    rng = np.random.default_rng(seed)
    columns = int(np.ceil(np.sqrt(n)))
    k = np.arange(columns**2)
    x = ((k % columns + rng.uniform(0.2, 0.8, len(k))) / columns - 0.5) * 2 * side
    y = ((k // columns + rng.uniform(0.2, 0.8, len(k))) / columns - 0.5) * 2 * side
    companion = np.arange(0, len(k), 4)
    distance = rng.uniform(0.7, 2.0, len(companion)) / 3600
    angle = rng.uniform(0, 2 * np.pi, len(companion))
    x = np.concatenate([x, x[companion] + distance * np.cos(angle)])
    y = np.concatenate([y, y[companion] + distance * np.sin(angle)])
    return CENTRE[0] + x / np.cos(np.radians(CENTRE[1])), CENTRE[1] + y


def isolated(n: int = 40) -> set[int]:
    """True objects of `sky` that have no companion."""
    n = int(np.ceil(np.sqrt(n))) ** 2
    return {k + 1 for k in range(n) if k % 4}


def exposures(
    n_visits: int, *, seed: int = 1, n: int = 40, noise: int = 8, span: float = 70.0
) -> list[Exposed]:
    """Overlapping visits to one sky, in time order, over several partitions."""
    ra, dec = sky(n, seed)
    made = []
    for k in range(n_visits):
        rng = np.random.default_rng([seed, k])
        centre = (CENTRE[0] + rng.uniform(-0.06, 0.06), CENTRE[1] + rng.uniform(-0.06, 0.06))
        radius = 0.12
        here = np.flatnonzero(np.hypot(ra - centre[0], dec - centre[1]) < radius * 0.98)
        angle, distance = rng.uniform(0, 2 * np.pi, noise), radius * np.sqrt(rng.random(noise))
        x = np.concatenate(
            [ra[here] + rng.normal(0, 0.1, len(here)) / 3600, centre[0] + distance * np.cos(angle)]
        )
        y = np.concatenate(
            [dec[here] + rng.normal(0, 0.1, len(here)) / 3600, centre[1] + distance * np.sin(angle)]
        )
        m = len(x)
        visit = apdb.Visit(
            visit=k + 1, detector=k % 7, band="ugrizy"[k % 6],
            midpoint_mjd_tai=MJD + span * k / n_visits, exposure_time=30.0,
            ra=centre[0], dec=centre[1], radius=radius,
        )  # fmt: skip
        sources = {
            "dia_source_id": (k + 1) * 1_000_000 + np.arange(1, m + 1),
            "ra": x,
            "dec": y,
            "ra_err": rng.uniform(0.05, 0.2, m) / 3600,
            "dec_err": rng.uniform(0.05, 0.2, m) / 3600,
            "psf_flux": rng.normal(2000, 300, m),
            "psf_flux_err": rng.uniform(20, 90, m),
        }
        made.append(Exposed(visit, sources, np.concatenate([here + 1, np.zeros(noise, int)])))
    return made


def partition(connection: psycopg.Connection[Any]) -> set[frozenset[int]]:
    """Sources by object, as a set of sets of ids: independent of how objects are called."""
    groups = defaultdict(list)
    for source, *owner in connection.execute(
        "select dia_source_id, dia_object_id, ss_object_id from apdb_base.dia_source"
    ):
        groups[tuple(owner) if any(owner) else source].append(source)
    connection.rollback()
    return {frozenset(group) for group in groups.values()}


def commit_order(connection: psycopg.Connection[Any]) -> list[tuple[int, int]]:
    """(visit, detector) in the order of store_seq."""
    rows = connection.execute("select visit, detector from apdb_base.visit order by store_seq")
    found = rows.fetchall()
    connection.rollback()
    return found


def digest(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """A digest of all rows of every base table but the trace of attempts."""
    connection.rollback()
    tables = connection.execute(
        "select relname from pg_class where relnamespace = 'apdb_base'::regnamespace "
        "and relkind in ('r', 'p') and not relispartition and relname <> 'visit_attempt'"
    ).fetchall()
    query = sql.SQL(
        "select coalesce(md5(string_agg(t::text, chr(10) order by t::text)), '') from {} as t"
    )
    found = {}
    for (name,) in tables:
        row = connection.execute(query.format(sql.Identifier("apdb_base", name))).fetchone()
        assert row is not None
        found[name] = row[0]
    connection.rollback()
    return found


_MUST_BE_EMPTY = {
    "sources are not those that the register counts": """
        select v.visit, v.detector from apdb_base.visit as v
        left join (select visit, detector, count(*) as n from apdb_base.dia_source
            group by 1, 2) as s
            using (visit, detector)
        left join (select visit, detector, count(*) as n from apdb_base.dia_source_locator
            group by 1, 2) as l using (visit, detector)
        where v.n_dia_sources <> coalesce(s.n, 0) or v.n_dia_sources <> coalesce(l.n, 0)
            or cardinality(v.report_is_new) <> v.n_dia_sources""",
    "sources and locator differ": """
        select dia_source_id from apdb_base.dia_source as s
        full join apdb_base.dia_source_locator as l
            using (dia_source_id, visit, detector, midpoint_mjd_tai)
        where s.store_seq is null or l.dia_source_id is null""",
    "sources without a visit": """
        select dia_source_id from apdb_base.dia_source
        left join apdb_base.visit as v using (visit, detector) where v.visit is null""",
    "one id twice": """
        select dia_source_id from apdb_base.dia_source group by 1 having count(*) > 1""",
    "forced sources are not those that the register counts": """
        select v.visit, v.detector from apdb_base.visit as v
        left join (select visit, detector, count(*) as n from apdb_base.dia_forced_source
            group by 1, 2) as f using (visit, detector)
        where v.n_dia_forced_sources <> coalesce(f.n, 0)""",
    "counters or times of objects are wrong": """
        select o.dia_object_id from apdb_base.dia_object as o
        left join (select dia_object_id, count(*) as n, min(midpoint_mjd_tai) as first,
            max(midpoint_mjd_tai) as last from apdb_base.dia_source group by 1) as s
            using (dia_object_id)
        where o.validity_end_mjd_tai is null and (o.n_dia_sources, o.first_dia_source_mjd_tai,
                o.last_dia_source_mjd_tai) is distinct from (s.n::integer, s.first, s.last)
            or o.n_dia_sources <> o.u_psf_flux_ndata + o.g_psf_flux_ndata + o.r_psf_flux_ndata
                + o.i_psf_flux_ndata + o.z_psf_flux_ndata + o.y_psf_flux_ndata""",
    "sources of objects that are not there": """
        select dia_source_id from apdb_base.dia_source
        left join apdb_base.dia_object as o using (dia_object_id)
        where dia_object_id is not null and o.ra is null""",
    "versions do not follow each other": """
        select dia_object_id from (
            select dia_object_id, validity_end_mjd_tai, store_seq, lead(store_seq) over w as next,
                lead(validity_start_mjd_tai) over w as next_start, n_dia_sources,
                lead(n_dia_sources) over w as next_n
            from (select dia_object_id, validity_start_mjd_tai, validity_end_mjd_tai, store_seq,
                n_dia_sources from apdb_base.dia_object_version union all
                select dia_object_id, validity_start_mjd_tai, validity_end_mjd_tai, store_seq,
                n_dia_sources from apdb_base.dia_object) as v
            window w as (partition by dia_object_id order by store_seq)
        ) as x
        where validity_end_mjd_tai is distinct from next_start or next_n <= n_dia_sources""",
    "versions are not one for each visit that touched the object": """
        select dia_object_id from (select dia_object_id, store_seq from apdb_base.dia_object
            union all select dia_object_id, store_seq from apdb_base.dia_object_version) as v
        full join (select distinct dia_object_id, store_seq from apdb_base.dia_source
            where dia_object_id is not null) as s using (dia_object_id, store_seq)
        group by dia_object_id, store_seq having count(*) <> 1
            or bool_or(dia_object_id is null)""",
    "counters of solar-system objects are wrong": """
        select o.ss_object_id from apdb_base.ss_object as o
        where n_obs <> (select count(*) from apdb_base.dia_source as d
                where d.ss_object_id = o.ss_object_id)
            or n_obs <> (select count(*) from apdb_base.ss_source as s
                where s.ss_object_id = o.ss_object_id)""",
    "events are not those of the visits": """
        select e.store_seq from (select * from apdb_base.store_event where kind = 'visit') as e
        full join apdb_base.visit as v using (store_seq, visit, detector)
        where e.kind is null or v.band is null""",
    "stored attempts without a visit": """
        select attempt_id from apdb_base.visit_attempt as a
        left join apdb_base.visit as v using (visit, detector)
        where a.state in ('stored', 'repeated') and v.visit is null""",
}


def check_whole(connection: psycopg.Connection[Any]) -> None:
    """Fail unless every visit is whole or absent and all that follows from the visits agrees."""
    connection.rollback()
    wrong = {}
    for what, query in _MUST_BE_EMPTY.items():
        rows = connection.execute(query).fetchall()
        if rows:
            wrong[what] = rows[:5]
    connection.rollback()
    assert not wrong


def check_content(connection: psycopg.Connection[Any], visits: list[Exposed]) -> set[int]:
    """Fail unless what is stored of these visits is what was given; return those stored."""
    stored: dict[int, dict[int, tuple[float, ...]]] = defaultdict(dict)
    for number, source, *values in connection.execute(
        "select visit, dia_source_id, ra, dec, psf_flux::float8 from apdb_base.dia_source"
    ):
        stored[number][source] = tuple(values)
    registered = {v for (v,) in connection.execute("select visit from apdb_base.visit")}
    connection.rollback()
    assert set(stored) <= registered
    by_number = {each.visit.visit: each.sources for each in visits}
    for number in registered:
        given = by_number[number]
        flux = np.float32(given["psf_flux"]).astype(float)
        columns = (given["ra"].tolist(), given["dec"].tolist(), flux.tolist())
        assert stored[number] == dict(
            zip(given["dia_source_id"].tolist(), zip(*columns, strict=True), strict=True)
        )
    return registered


@contextmanager
def watching(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that looks at the server from outside all transactions."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def wait_until_blocked(watcher: psycopg.Connection[Any], n: int = 1) -> None:
    """Wait until n sessions of this database wait for a lock of another session."""
    until = time.monotonic() + 60.0
    while True:
        row = watcher.execute(
            "select count(*) from pg_stat_activity "
            "where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0"
        ).fetchone()
        assert row is not None
        if row[0] >= n:
            return
        assert time.monotonic() < until, "nobody waits"
