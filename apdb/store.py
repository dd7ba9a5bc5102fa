"""Storing a visit: one visit, one transaction.

Everything that decides is in SQL (``sql/visit``); this module validates, copies the columns in,
calls the steps in order and hands back the report.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from apdb.alerts.produce import prepare
from apdb.errors import ApdbError, ConnectionLost, IdConflict, InvalidInput, Problem
from apdb.input.visit import Visit
from apdb.routine import first_row
from apdb.schema.partitions import make_partitions
from apdb.session import Session, client_name
from apdb.stage import copy_in
from apdb.store_forced import stage_forced, store_followed
from apdb.store_job import Job, StoreReport

Rule = Literal["nearest", "likelihood"]
MAX_RADIUS = 60.0


def store_visit(
    session: Session,
    visit: Visit,
    sources: object,
    *,
    forced: Any = None,
    radius: float | None = None,
    associate: Rule | None = None,
    dry_run: bool = False,
    cutouts: Any = None,
) -> StoreReport:
    """Store a visit; see `apdb.Apdb.store_visit`.

    Parameters
    ----------
    session : Session
        Where to.
    visit : Visit
        Which exposure and detector, when and where.
    sources : object
        Its DIASources, a table of any kind.
    forced : callable or table, optional
        Forced photometry.
    radius : float, optional
        Association radius [arcsec].
    associate : {"nearest", "likelihood"}, optional
        Association rule.
    dry_run : bool, optional
        Show the outcome and write nothing.
    cutouts : mapping, optional
        Stamps.

    Returns
    -------
    StoreReport
    """
    check_options(radius, associate)
    return run(session, Job(visit, sources, forced, dry_run, cutouts), radius, associate)


def run(session: Session, job: Job, radius: float | None, associate: Rule | None) -> StoreReport:
    """Carry out a job in one transaction, with a trace of the attempt.

    Parameters
    ----------
    session : Session
        Where to.
    job : Job
        What to do.
    radius : float or None
        Association radius [arcsec]; None for that of the database.
    associate : {"nearest", "likelihood"} or None
        Association rule; None for that of the database.

    Returns
    -------
    StoreReport
        See `apdb.Apdb.store_visit`, also for what is raised.
    """
    try:
        with session.connection() as connection:
            _begin(session, connection, job)
            job.rule, job.radius = associate or job.rule, radius or job.radius
            report = _repeated(connection, job) or _store(connection, job)
            if job.dry_run:
                connection.rollback()
        return report
    except ConnectionLost:
        # The server may have committed before the connection broke: the register decides.
        stored = None if job.dry_run else _stored_all_the_same(session, job)
        if stored is None:
            raise
        return stored
    except BaseException as error:
        if job.alerts is not None and not job.committing:
            # What cannot be removed now, maintenance removes later.
            with contextlib.suppress(ApdbError, OSError):
                job.alerts.abandon()
        _record_failure(session, job, error)
        if isinstance(error, IdConflict):
            raise _with_rows(error, job) from error
        raise


def check_options(radius: float | None, associate: str | None) -> None:
    """Make sure that a radius and a rule can be.

    Parameters
    ----------
    radius : float or None
        Association radius [arcsec]; None for that of the database.
    associate : str or None
        Association rule; None for that of the database.

    Raises
    ------
    InvalidInput
        Naming each that cannot.
    """
    problems: list[Problem] = []
    if radius is not None and not (isinstance(radius, int | float) and 0.0 < radius <= MAX_RADIUS):
        text = f"must be above 0 and at most {MAX_RADIUS:g} arcsec"
        problems.append(Problem(None, "radius", repr(radius), text))
    if associate not in (None, "nearest", "likelihood"):
        text = "must be nearest or likelihood"
        problems.append(Problem(None, "associate", repr(associate), text))
    if problems:
        raise InvalidInput(problems=problems)


def _begin(session: Session, connection: psycopg.Connection[Any], job: Job) -> None:
    visit = job.visit
    client = None if job.dry_run else client_name()
    row = first_row(
        connection,
        "select * from apdb.begin_visit(%s, %s::integer, %s, %s, %s)",
        (visit.visit, visit.detector, visit.band, visit.midpoint_mjd_tai, client),
    )
    assert row is not None
    connection.commit()
    job.attempt_id, job.band = row["attempt_id"], row["band"]
    job.rule, job.radius, job.site_longitude = row["rule"], row["radius"], row["site_longitude"]
    if row["partitions_from"] is not None and not job.dry_run:
        span = (row["partitions_from"], row["partitions_to"])
        make_partitions(connection, *span, session.busy_timeout)
    job.tick("begin")


def _repeated(connection: psycopg.Connection[Any], job: Job) -> StoreReport | None:
    """Return the stored report if the visit is stored with the same content."""
    key = (job.visit.visit, job.visit.detector)
    connection.execute("select apdb.lock_visit(%s, %s::integer)", key)
    row = first_row(connection, "select * from apdb.registered_visit(%s, %s::integer)", key)
    if not job.is_stored(connection, row):
        return None
    assert row is not None
    _end_attempt(connection, job, "repeated")
    return job.report(row, "repeated")


def _store(connection: psycopg.Connection[Any], job: Job) -> StoreReport:
    _stage_sources(connection, job)
    job.alerts = None if job.dry_run else prepare(connection, job)
    job.lock(connection)
    job.tick("lock")
    visit = job.visit
    place = (visit.midpoint_mjd_tai, visit.ra, visit.dec, visit.radius)
    row = first_row(
        connection,
        "select apdb.associate_visit(%s, %s, %s, %s, %s, %s) as timings",
        (*place, job.rule, job.radius),
    )
    assert row is not None
    job.timings |= row["timings"]
    job.since = time.perf_counter()
    if job.dry_run:
        staged = first_row(connection, "select * from apdb.staged_report()", ())
        assert staged is not None
        missing = bool(job.timings.pop("ephemerides_missing"))
        return job.report(
            {**staged, "timings": job.timings, "ephemerides_missing": missing}, "dry_run"
        )
    if job.forced is not None:
        stage_forced(connection, job)
    return _commit(connection, job)


def _stage_sources(connection: psycopg.Connection[Any], job: Job) -> None:
    visit, n = job.visit, job.batch.n
    connection.execute("select apdb.open_stage(%s::integer)", (n,))
    constant: dict[str, NDArray[Any]] = {
        "visit": np.full(n, visit.visit, np.int64),
        "detector": np.full(n, visit.detector, np.int16),
        "band": np.full(n, job.band, object),
        "midpoint_mjd_tai": np.full(n, visit.midpoint_mjd_tai, np.float64),
    }
    if visit.exposure_time is not None:
        constant["exposure_time"] = np.full(n, visit.exposure_time, np.float32)
    copy_in(connection, "stage_source", "dia_source", job.batch, constant)
    job.tick("copy")


def _commit(connection: psycopg.Connection[Any], job: Job) -> StoreReport:
    visit = job.visit
    flat = [float(x) for corner in visit.boundary or () for x in corner] or None
    missing = job.timings["ephemerides_missing"]
    row = job.commit(
        connection,
        (
            visit.visit,
            visit.detector,
            job.band,
            visit.midpoint_mjd_tai,
            visit.exposure_time,
            visit.ra,
            visit.dec,
            visit.radius,
            flat,
            visit.readout_end,
            visit.night(job.site_longitude),
            job.digest,
            job.rule,
            job.radius,
            Jsonb(job.timings),
        ),
    )
    if job.followed is not None:
        store_followed(connection, job.followed)
    if job.alerts is not None:
        night = visit.night(job.site_longitude)
        row["timings"] |= job.alerts.produce(connection, row, night, job.reason)
    _end_attempt(connection, job, "stored")
    job.committing = True
    connection.commit()
    return job.report({**row, "ephemerides_missing": missing}, "stored")


def _end_attempt(connection: psycopg.Connection[Any], job: Job, state: str) -> None:
    if job.attempt_id is not None:
        connection.execute("select apdb.end_attempt(%s, %s, null, null)", (job.attempt_id, state))


def _record_failure(session: Session, job: Job, error: BaseException) -> None:
    if job.attempt_id is None:
        return
    sqlstate = getattr(error, "sqlstate", None)
    message = str(error) or type(error).__name__
    with contextlib.suppress(ApdbError), session.connection() as connection:
        connection.execute(
            "select apdb.end_attempt(%s, 'failed', %s, %s)",
            (job.attempt_id, message[:2000], sqlstate),
        )


def _stored_all_the_same(session: Session, job: Job) -> StoreReport | None:
    with contextlib.suppress(ApdbError), session.connection() as connection:
        key = (job.visit.visit, job.visit.detector)
        # The transaction may outlive its connection: it holds this lock until it has ended.
        connection.execute("select apdb.lock_visit(%s, %s::integer)", key)
        row = first_row(connection, "select * from apdb.registered_visit(%s, %s::integer)", key)
        if job.is_stored(connection, row) and row is not None:
            return job.report(row, "stored")
    return None


def _with_rows(error: IdConflict, job: Job) -> IdConflict:
    """Return the error with the rows of the input that it is about."""
    rows = {
        str(value): row for row, value in enumerate(job.batch.columns["dia_source_id"].tolist())
    }
    name = job.batch.names.get("dia_source_id", "dia_source_id")
    return IdConflict(
        problems=[replace(p, row=rows.get(p.value), column=name) for p in error.problems]
    )


__all__ = ["Rule", "StoreReport", "check_options", "copy_in", "run", "store_visit"]
