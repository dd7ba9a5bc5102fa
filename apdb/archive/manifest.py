"""The manifest of a night: what was archived, whether it is complete, and whether it was in time.

The verdict follows the requirements of the Rubin Observatory: 98% of the alerts of a visit within
60 s of the end of readout (OSS-REQ-0127), at most 1% of visits late and 0.1% failed at any stage
(DMS-REQ-0392), both over visits of at most 40,000 alerts (DMS-REQ-0393).  There, a visit is an
exposure with all its detectors.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row, dict_row

from apdb.session import Session

FORMAT = "apdb night manifest 1"
LATENCY = 60.0
"""Longest time from the end of readout that is in time [s]."""

IN_TIME, LATE, FAILED = 0.98, 0.01, 0.001
"""Least share of a visit's alerts in time, most visits late and failed."""

MOST_ALERTS = 40_000
"""Visits with more alerts are not counted in the verdict."""

_QUANTILES = ("min", "p10", "median", "p90", "p98", "max")


@dataclass(frozen=True)
class VisitLine:
    """What became of a (visit, detector); see ``sql/archive/manifest_visits.sql``."""

    visit: int
    detector: int
    is_stored: bool
    failed_stage: str | None
    failed_reason: str | None
    n_eligible: int
    n_alerts: int
    n_missing: int
    n_not_eligible: int
    n_degraded: int
    n_first: int
    n_in_time: int
    latency: float | None
    latency_from: str | None


@dataclass(frozen=True)
class Verdict:
    """Whether a night meets the requirements.

    Attributes
    ----------
    n_visits : int
        Exposures counted: expected, failed or stored, of at most `MOST_ALERTS` alerts.
    n_late : int
        Those with too few alerts in time.
    n_failed : int
        Those of which a detector is not stored or an alert is missing.
    n_too_large : int
        Exposures with more alerts, not counted.
    share_late, share_failed : float
        Of those counted; 0 where there are none.
    met : bool
        True if both shares are within the requirement.
    late, failed : tuple of int
        Which.
    """

    n_visits: int
    n_late: int
    n_failed: int
    n_too_large: int
    share_late: float
    share_failed: float
    met: bool
    late: tuple[int, ...]
    failed: tuple[int, ...]


def verdict(lines: Iterable[VisitLine]) -> Verdict:
    """Judge a night.

    Parameters
    ----------
    lines : iterable of VisitLine
        All of its detectors.

    Returns
    -------
    Verdict
    """
    exposures: dict[int, list[VisitLine]] = defaultdict(list)
    for line in lines:
        exposures[line.visit].append(line)
    late: list[int] = []
    failed: list[int] = []
    n_too_large = 0
    for visit, parts in sorted(exposures.items()):
        if sum(part.n_eligible for part in parts) > MOST_ALERTS:
            n_too_large += 1
            continue
        if any(not part.is_stored or part.n_missing for part in parts):
            failed.append(visit)
        due = sum(part.n_first + part.n_missing for part in parts)
        if due and sum(part.n_in_time for part in parts) < IN_TIME * due:
            late.append(visit)
    n = len(exposures) - n_too_large
    share_late, share_failed = (len(some) / n if n else 0.0 for some in (late, failed))
    met = share_late <= LATE and share_failed <= FAILED
    return Verdict(
        n, len(late), len(failed), n_too_large, share_late, share_failed, met,
        tuple(late), tuple(failed),
    )  # fmt: skip


def manifest(session: Session, night: dt.date | str) -> dict[str, Any]:
    """Return the manifest of a night as it is now.

    Parameters
    ----------
    session : Session
        The database.
    night : date or str
        Observing night.

    Returns
    -------
    dict
        See `night_manifest`.
    """
    with session.connection() as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        return night_manifest(connection, night)


def night_manifest(
    connection: psycopg.Connection[Any], night: dt.date | str, seal: int | None = None
) -> dict[str, Any]:
    """Return the manifest of a night.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction that sees one state of the database throughout.
    night : date or str
        Observing night.
    seal : int, optional
        Number of the seal that it is made for.

    Returns
    -------
    dict
        What JSON can say: counts, ``requirement`` with the verdict, ``visits`` (one entry for each
        detector), ``files`` with SHA-256, ``packet_size`` [byte] and earlier ``seals``.
    """
    lines = _lines(connection, night)
    files = _dicts(connection, "select * from apdb.manifest_files(%s)", night)
    found = verdict(lines)
    return {
        "format": FORMAT,
        "night": str(night),
        "seal": seal,
        "time": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "n_alerts": sum(line.n_alerts for line in lines),
        "n_eligible": sum(line.n_eligible for line in lines),
        "n_missing": sum(line.n_missing for line in lines),
        "n_degraded": sum(line.n_degraded for line in lines),
        "n_stored": sum(line.is_stored for line in lines),
        "n_not_stored": sum(not line.is_stored for line in lines),
        "requirement": {
            "seconds": LATENCY,
            "least_share_in_time": IN_TIME,
            "most_late": LATE,
            "most_failed": FAILED,
            "most_alerts": MOST_ALERTS,
            **dataclasses.asdict(found),
            "late": list(found.late),
            "failed": list(found.failed),
        },
        "packet_size": _sizes(connection, night),
        "visits": [_shown(line) for line in lines],
        "files": files,
        "seals": _dicts(
            connection,
            "select s.seal, s.n_files, s.n_alerts, s.manifest, encode(s.manifest_sha256, 'hex') "
            "as manifest_sha256 from apdb.night_seal as s where s.night = %s order by s.seal",
            night,
        ),
    }


def _lines(connection: psycopg.Connection[Any], night: dt.date | str) -> list[VisitLine]:
    with connection.cursor(row_factory=class_row(VisitLine)) as cursor:
        return cursor.execute(
            "select * from apdb.manifest_visits(%s, %s)", (night, LATENCY)
        ).fetchall()


def _shown(line: VisitLine) -> dict[str, Any]:
    complete = line.is_stored and not line.n_missing
    latency = None if line.latency is None else round(line.latency, 3)
    return {**dataclasses.asdict(line), "complete": complete, "latency": latency}


def _sizes(connection: psycopg.Connection[Any], night: dt.date | str) -> dict[str, Any]:
    rows = _dicts(connection, "select * from apdb.manifest_sizes(%s)", night)
    return {
        row["part"]: {
            "n": row["n"],
            "total": int(row["total"]),
            "mean": round(row["mean"], 1),
            **dict(zip(_QUANTILES, row["quantiles"], strict=True)),
        }
        for row in rows
    }


def _dicts(
    connection: psycopg.Connection[Any], query: Any, night: dt.date | str
) -> Sequence[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, (night,)).fetchall()
