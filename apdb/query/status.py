"""What a night operator asks: what came, what is missing, who waits, when the disk is full."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import shutil
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.rows import class_row

from apdb.precovery.run import REQUIRED_AGE, PrecoveryQueue
from apdb.session import Session

GRACE = 600.0
"""How long after its midpoint a visit may take before it is missing [s]."""

LATE = 60.0
"""Lag of the slowest 2% of a night's visits that is worth a warning [s]."""

LONG_WAIT = 60.0
LONG_TRANSACTION = 3600.0
DISK_WARNING_DAYS, DISK_ERROR_DAYS = 14.0, 2.0
DISK_WARNING_SHARE, DISK_ERROR_SHARE = 0.10, 0.02

Row = TypeVar("Row")


class Severity(StrEnum):
    """How much a finding matters: an error loses data or will soon, a warning may."""

    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """Something that needs the operator: how much, what it is, and what to do."""

    severity: Severity
    message: str
    remedy: str


@dataclass(frozen=True)
class Now:
    """The database at a glance; see ``sql/status/status_now.sql``."""

    mjd_tai: float
    schema_version: str | None
    n_visits: int
    last_visit: int | None
    last_detector: int | None
    last_midpoint_mjd_tai: float | None
    last_stored_mjd_tai: float | None
    last_lag: float | None
    last_store_seq: int | None
    database_bytes: int
    bytes_per_day: float
    oldest_transaction_age: float | None
    oldest_transaction_pid: int | None
    oldest_transaction_client: str | None
    archive_failing_since: dt.datetime | None
    n_replicas: int
    replica_lag: float | None


@dataclass(frozen=True)
class Night:
    """What came in one night; lags [s]."""

    night: dt.date
    n_exposures: int
    n_visits: int
    n_dia_sources: int
    n_new_dia_objects: int
    n_dia_forced_sources: int
    n_unassociated: int
    n_expected: int
    n_outstanding: int
    lag_median: float | None
    lag_p98: float | None


@dataclass(frozen=True)
class Outstanding:
    """A visit that is missing or failed."""

    state: str
    visit: int
    detector: int
    night: dt.date | None
    midpoint_mjd_tai: float | None
    since_mjd_tai: float
    stage: str | None
    reason: str | None
    n_failures: int


@dataclass(frozen=True)
class Attempt:
    """An attempt to store a visit that has not ended: running, waiting or died; age [s]."""

    state: str
    attempt_id: int
    visit: int
    detector: int
    client: str | None
    pid: int
    age: float
    waits_for: str | None
    blocked_by: list[int]


@dataclass(frozen=True)
class Wait:
    """A session that waits for another; visits are "visit detector", waiting [s]."""

    pid: int
    client: str | None
    visit: str | None
    lock: str
    waiting: float | None
    holder_pid: int | None
    holder_client: str | None
    holder_visit: str | None
    holder_state: str | None


@dataclass(frozen=True)
class TableSize:
    """Size of a table or of one partition of it [bytes]; rows as the planner estimates them."""

    table_name: str
    partition_name: str | None
    n_rows: int | None
    table_bytes: int
    index_bytes: int


@dataclass(frozen=True)
class Disk:
    """The disk that holds the database [bytes], when its folder can be seen from here."""

    folder: str
    total_bytes: int
    free_bytes: int
    days_left: float | None


@dataclass(frozen=True)
class Status:
    """State of a database.

    Attributes
    ----------
    now : Now
        Last visit, size, growth, oldest transaction, archiving and replicas.
    nights : list of Night
        The last nights, latest first.
    outstanding : list of Outstanding
        Missing and failed visits.
    attempts : list of Attempt
        Attempts that have not ended.
    waits : list of Wait
        Who waits for whom.
    sizes : list of TableSize
        Every table and partition.
    disk : Disk or None
        None when the server is elsewhere, or this role may not know where its data are.
    precovery : PrecoveryQueue
        The queue of new objects that are to be measured on earlier images.
    """

    now: Now
    nights: list[Night]
    outstanding: list[Outstanding]
    attempts: list[Attempt]
    waits: list[Wait]
    sizes: list[TableSize]
    disk: Disk | None
    precovery: PrecoveryQueue

    @property
    def findings(self) -> list[Finding]:
        """What needs the operator, errors first; empty when all is well."""
        found = [
            *_of_visits(self),
            *_of_sessions(self),
            *_of_server(self),
            *_of_precovery(self.precovery),
        ]
        return sorted(found, key=lambda finding: finding.severity is not Severity.ERROR)

    def as_dict(self) -> dict[str, Any]:
        """Return everything, the findings first, as plain mappings and lists."""
        findings = [dataclasses.asdict(finding) for finding in self.findings]
        return {"findings": findings, **dataclasses.asdict(self)}


class Monitoring(Session):
    """The state of the database; part of `apdb.Apdb`."""

    def status(self, *, nights: int = 7, grace: float = GRACE) -> Status:
        """Return the state of the database.

        Parameters
        ----------
        nights : int, optional
            How many nights to count.
        grace : float, optional
            How long after its midpoint an expected visit may take [s].

        Returns
        -------
        Status
            With what needs the operator in `Status.findings`.
        """
        with self.reading() as connection:
            now = _rows(connection, Now, "select * from apdb.status_now()")[0]
            return Status(
                now=now,
                nights=_rows(connection, Night, "select * from apdb.status_nights(%s)", nights),
                outstanding=_rows(
                    connection, Outstanding, "select * from apdb.outstanding_visits(%s)", grace
                ),
                attempts=_rows(connection, Attempt, "select * from apdb.open_attempts()"),
                waits=_rows(connection, Wait, "select * from apdb.waiting_sessions()"),
                sizes=_rows(connection, TableSize, "select * from apdb.table_sizes()"),
                disk=_disk(connection, now.bytes_per_day),
                precovery=_rows(connection, PrecoveryQueue, "select * from apdb.precovery_queue()")[
                    0
                ],
            )


def _rows(
    connection: psycopg.Connection[Any], kind: type[Row], query: LiteralString, *values: object
) -> list[Row]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query, values).fetchall()


def _disk(connection: psycopg.Connection[Any], bytes_per_day: float) -> Disk | None:
    """Return the disk of a server on this machine: one that is reached by its socket."""
    # The view leaves out what the role may not see; current_setting would be an error.
    row = connection.execute(
        "select setting from pg_settings "
        "where name = 'data_directory' and inet_server_addr() is null"
    ).fetchone()
    if row is None or not os.access(row[0], os.F_OK):
        return None
    usage = shutil.disk_usage(row[0])
    days = usage.free / bytes_per_day if bytes_per_day > 0 else None
    return Disk(row[0], usage.total, usage.free, days)


def _some(names: list[str], shown: int = 5) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _of_visits(status: Status) -> list[Finding]:
    found: list[Finding] = []
    for state, remedy in (
        ("missing", "look at the pipeline: `apdb visits --missing` lists them"),
        ("failed", "mend the cause and store them again: `apdb visits --failed` says why"),
    ):
        names = [f"{o.visit}/{o.detector}" for o in status.outstanding if o.state == state]
        if names:
            message = f"{len(names)} visit(s) {state}: {_some(names)}"
            found.append(Finding(Severity.WARNING, message, remedy))
    died = [f"{a.visit}/{a.detector}" for a in status.attempts if a.state == "died"]
    if died:
        message = f"{len(died)} attempt(s) died: {_some(died)}"
        remedy = "nothing of them is stored: store these visits again"
        found.append(Finding(Severity.ERROR, message, remedy))
    latest = status.nights[0] if status.nights else None
    # A night long past is being replayed; its lag says nothing.
    if latest is not None and latest.lag_p98 is not None and LATE < latest.lag_p98 < 86_400.0:
        message = f"2% of the visits of {latest.night} took more than {latest.lag_p98:.0f} s"
        remedy = "see which step: the timings of the visit table, and who waits below"
        found.append(Finding(Severity.WARNING, message, remedy))
    return found


def _of_sessions(status: Status) -> list[Finding]:
    found = [
        Finding(
            Severity.WARNING,
            f"session {wait.pid} has waited {wait.waiting:.0f} s for {wait.lock}, held by session "
            f"{wait.holder_pid} ({wait.holder_client}, {wait.holder_state})",
            f"if the holder is stuck: select pg_terminate_backend({wait.holder_pid})",
        )
        for wait in status.waits
        if (wait.waiting or 0.0) > LONG_WAIT
    ]
    now = status.now
    age = now.oldest_transaction_age or 0.0
    if age > LONG_TRANSACTION:
        message = (
            f"a transaction is open for {age / 3600.0:.1f} h: tables bloat meanwhile (session "
            f"{now.oldest_transaction_pid}, {now.oldest_transaction_client})"
        )
        remedy = f"end it: select pg_terminate_backend({now.oldest_transaction_pid})"
        found.append(Finding(Severity.WARNING, message, remedy))
    return found


def _of_server(status: Status) -> list[Finding]:
    found: list[Finding] = []
    disk = status.disk
    if disk is not None:
        share = disk.free_bytes / disk.total_bytes
        days = disk.days_left if disk.days_left is not None else float("inf")
        severity = None
        if share < DISK_ERROR_SHARE or days < DISK_ERROR_DAYS:
            severity = Severity.ERROR
        elif share < DISK_WARNING_SHARE or days < DISK_WARNING_DAYS:
            severity = Severity.WARNING
        if severity is not None:
            when = f", full in {days:.1f} d as it grows now" if days < 1e4 else ""
            message = f"{disk.free_bytes / 1e9:.1f} GB ({share:.0%}) free in {disk.folder}{when}"
            remedy = "free or add space before the night: see retention in docs/operations.md"
            found.append(Finding(severity, message, remedy))
    if status.now.archive_failing_since is not None:
        message = f"archiving of the log has failed since {status.now.archive_failing_since:%F %T}"
        remedy = "mend archive_command: the log fills the disk until it works"
        found.append(Finding(Severity.ERROR, message, remedy))
    return found


def _of_precovery(queue: PrecoveryQueue) -> list[Finding]:
    found: list[Finding] = []
    age = queue.oldest_age or 0.0
    if age > REQUIRED_AGE / 2.0:
        severity = Severity.ERROR if age > REQUIRED_AGE else Severity.WARNING
        message = (
            f"{queue.n_queued} new object(s) wait for precovery, the oldest for "
            f"{age / 3600.0:.0f} h of the 24 h allowed"
        )
        remedy = (
            "run `apdb precovery run MODULE:FUNCTION`, or more of them; without images, "
            "`apdb db set precovery_days 0`"
        )
        found.append(Finding(severity, message, remedy))
    if queue.n_dead:
        message = f"precovery of {queue.n_dead} object(s) was given up"
        remedy = "`apdb precovery status` says why; then `apdb precovery retry --all`"
        found.append(Finding(Severity.WARNING, message, remedy))
    return found
