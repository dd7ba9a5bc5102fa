"""Alerts of a visit, made in its transaction: fragments, packets, archive, index.

`prepare` comes before the sky is locked: the DIASources are encoded in a thread while the database
associates.  `VisitAlerts.produce` comes last, before COMMIT: an alert exists if and only if its
DIASource committed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from apdb.alerts import rows, staging
from apdb.alerts.degrade import Plan, plan
from apdb.alerts.fragments import Fragments, fragments
from apdb.alerts.rules import Rules, open_alerts
from apdb.alerts.schemas import AlertSchema
from apdb.alerts.spool import write_spool
from apdb.alerts.stream import assemble
from apdb.archive.cutouts import Chosen, Cutouts
from apdb.archive.index import index_alerts
from apdb.archive.place import Place
from apdb.archive.sink import Sink
from apdb.archive.writer import VisitWriter
from apdb.routine import first_row

if TYPE_CHECKING:
    from apdb.store_job import Job

_STAMPS_AT_A_TIME = 256


def prepare(connection: psycopg.Connection[Any], job: Job) -> VisitAlerts | None:
    """Begin the alerts of a visit.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction of the visit, before its locks.
    job : Job
        The visit on its way.

    Returns
    -------
    VisitAlerts or None
        None where the database has no archive, and so makes no alerts.
    """
    rules = open_alerts(connection)
    return VisitAlerts(rules, job) if rules.archive_url else None


class VisitAlerts:
    """The alerts of one visit on their way.

    Parameters
    ----------
    rules : Rules
        What the settings say.
    job : Job
        The visit on its way.
    """

    def __init__(self, rules: Rules, job: Job) -> None:
        self._rules = rules
        self._job = job
        self._place = Place(rules.archive_url)
        self._visit = (job.visit.visit, job.visit.detector, job.visit.midpoint_mjd_tai)
        self._writer: VisitWriter | None = None
        self._spool: Sink | None = None
        thread = ThreadPoolExecutor(1, "alerts-encode")
        self._encoded: dict[int, Future[Fragments]] = {
            schema.registry_id: thread.submit(self._encode, schema)
            for schema in rules.written_schemas
        }
        thread.shutdown(wait=False)

    def produce(
        self,
        connection: psycopg.Connection[Any],
        stored: Mapping[str, Any],
        night: Any,
        reason: str | None = None,
    ) -> dict[str, float]:
        """Make the alerts; the caller commits.

        Parameters
        ----------
        connection : psycopg.Connection
            In the transaction of the visit, all of which is written.
        stored : mapping of str to object
            What commit_visit said: store_seq, mjd_tai, dia_object_ids and ss_object_ids.
        night : date
            Night of the visit.
        reason : str, optional
            Why the visit was replaced.

        Returns
        -------
        dict of str to float
            Milliseconds per step.

        Raises
        ------
        ArchiveUnavailable
            The archive cannot be written to.
        """
        start = time.perf_counter()
        self.write_fragments(connection, stored)
        middle = time.perf_counter()
        self._archive(connection, int(stored["store_seq"]), night, reason)
        end = time.perf_counter()
        steps = {"fragments": middle - start, "alerts": end - middle}
        return {step: round(seconds * 1000.0, 3) for step, seconds in steps.items()}

    def abandon(self) -> None:
        """Remove the files; for after a rollback, never after a commit of unknown outcome."""
        if self._writer is not None:
            self._writer.abandon()
        if self._spool is not None:
            self._spool.remove()

    def write_fragments(
        self, connection: psycopg.Connection[Any], stored: Mapping[str, Any]
    ) -> None:
        """Write the fragments of what the visit stored.

        Parameters
        ----------
        connection : psycopg.Connection
            In the transaction of the visit.
        stored : mapping of str to object
            As for `produce`.
        """
        ids = np.asarray(self._job.batch.columns["dia_source_id"], np.int64)
        order = np.argsort(ids, kind="stable")
        owner, ss_owner = (np.empty(len(ids), np.int64) for _ in range(2))
        owner[order], ss_owner[order] = stored["dia_object_ids"], stored["ss_object_ids"]
        keys = {
            "dia_source_id": ids,
            "dia_object_id": owner,
            "midpoint_mjd_tai": np.full(len(ids), self._visit[2]),
        }
        touched = np.unique(owner[owner != 0])
        with ThreadPoolExecutor(1, "alerts-encode") as thread:
            for schema in self._rules.written_schemas:
                # The thread decodes and encodes what was read while the server sends or takes more.
                objects = rows.objects(connection, schema, touched)
                later = [
                    thread.submit(_of_objects, schema, self._visit, objects),
                    thread.submit(
                        _of_forced,
                        schema,
                        rows.forced_of_step(connection, schema, self._visit, stored["store_seq"]),
                    ),
                ]
                made = self._encoded[schema.registry_id].result().with_time(stored["mjd_tai"])
                staging.stage_sources(connection, schema, made, keys)
                for each in later:
                    staging.stage(connection, schema, each.result())
                staging.stage_solar_system(connection, schema, self._visit, ids[ss_owner != 0])
        connection.execute("select apdb.insert_fragments()")

    def _encode(self, schema: Any) -> Fragments:
        visit = self._job.visit
        constants = {
            "visit": visit.visit,
            "detector": visit.detector,
            "band": self._job.band,
            "midpoint_mjd_tai": visit.midpoint_mjd_tai,
            "exposure_time": None
            if visit.exposure_time is None
            else np.float32(visit.exposure_time),
            "time_withdrawn_mjd_tai": None,
        }
        return fragments(schema, "diaSource", self._job.batch, constants)

    def _archive(
        self, connection: psycopg.Connection[Any], store_seq: int, night: Any, reason: str | None
    ) -> None:
        cutouts, job = self._job.cutouts, self._job
        how = plan(
            self._rules,
            self._n_alerts(connection),
            time.perf_counter() - job.started,
            stamps=cutouts is not None,
        )
        writer = self._open_writer(how, night)
        place_of = _Places(job.batch.columns["dia_source_id"])
        owners: list[NDArray[np.int64]] = []
        for some in assemble(
            connection,
            self._rules,
            self._visit,
            histories=how.histories,
            left_out=how.left_out,
            extended=not how.histories,
        ):
            pairs = zip(some.dia_object_id, some.ss_object_id, strict=True)
            owners.append(np.array([(a or 0, b or 0) for a, b in pairs], np.int64))
            ids = np.array(some.dia_source_id, np.int64)
            stamps = None
            if cutouts is not None and how.stamps:
                stamps = Chosen(cutouts, place_of(ids))
            writer.add(ids, some.packets, stamps)
        published = writer.publish()
        if cutouts is not None and not how.stamps:
            spooled = _spooled(cutouts, published.dia_source_id, place_of)
            schema = self._rules.schema
            self._spool = write_spool(self._place, published.packet_file, schema, spooled)
        whose = np.concatenate([np.empty((0, 2), np.int64), *owners])
        index_alerts(
            connection,
            published,
            dia_object_id=whose[:, 0],
            ss_object_id=whose[:, 1],
            store_seq=store_seq,
            content=how.content,
            degraded=how.degraded,
            reason=reason,
        )

    def _open_writer(self, how: Plan, night: Any) -> VisitWriter:
        assert self._job.attempt_id is not None
        rules = self._rules
        header = {"content": how.content, "history_days": repr(rules.history_days)}
        if how.degraded is not None:
            header |= {"degraded": how.degraded, "left_out": how.left_out or ""}
        self._writer = VisitWriter(
            self._place,
            visit=self._visit[0],
            detector=self._visit[1],
            night=night,
            attempt=self._job.attempt_id,
            schema=rules.schema if how.histories else rules.extended,
            codec=rules.archive_codec,
            header=header,
        )
        return self._writer

    def _n_alerts(self, connection: psycopg.Connection[Any]) -> int:
        """Return the number of alerts, if it may matter; it is at most that of sources."""
        n = self._job.batch.n
        if n <= min(self._rules.max_with_stamps, self._rules.max_with_histories):
            return n
        row = first_row(
            connection,
            "select count(*) as n from apdb.eligible_sources(%s, %s::integer)",
            self._visit[:2],
        )
        assert row is not None
        return int(row["n"])


def _of_objects(schema: AlertSchema, visit: staging.Visit, found: rows.Unread) -> staging.Staged:
    return staging.object_fragments(schema, visit, found.batch())


def _of_forced(schema: AlertSchema, found: rows.Unread) -> staging.Staged:
    return staging.forced_fragments(schema, found.batch())


class _Places:
    """Where in the input a source is."""

    def __init__(self, ids: NDArray[Any]) -> None:
        self._order = np.argsort(ids, kind="stable")
        self._sorted = np.asarray(ids, np.int64)[self._order]

    def __call__(self, ids: NDArray[np.int64]) -> NDArray[np.intp]:
        return self._order[np.searchsorted(self._sorted, ids)]


def _parts(n: int) -> Iterator[slice]:
    for start in range(0, n, _STAMPS_AT_A_TIME):
        yield slice(start, min(start + _STAMPS_AT_A_TIME, n))


def _spooled(
    cutouts: Cutouts, ids: NDArray[np.int64], place_of: _Places
) -> Iterator[tuple[NDArray[np.int64], list[Any]]]:
    for part in _parts(len(ids)):
        yield ids[part], cutouts.encode(place_of(ids[part]))
