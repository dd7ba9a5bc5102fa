"""Expected, failed and missing visits, attempts that died, who waits, and `status` as a whole."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from typing import Any

import astropy.units as u
import psycopg
import pytest
from astropy.time import Time
from psycopg.conninfo import make_conninfo

import apdb
from apdb.query.status import Disk, Severity, Status


def now() -> float:
    return float(Time.now().tai.mjd)


def visit(number: int = 1, mjd: float | None = None, detector: int = 4) -> apdb.Visit:
    return apdb.Visit(
        visit=number,
        detector=detector,
        band="r",
        midpoint_mjd_tai=now() - 30 / 86400 if mjd is None else mjd,
        ra=150.0,
        dec=1.0,
        radius=0.2,
    )


def sources(first: int, n: int = 3) -> dict[str, Any]:
    return {
        "dia_source_id": [first + i for i in range(n)],
        "ra": [150.0 + 0.01 * i for i in range(n)],
        "dec": [1.0] * n,
        "psf_flux": [100.0] * n,
        "psf_flux_err": [5.0] * n,
    }


def plenty(status: Status) -> Status:
    """The same with a disk that is not the matter of the test."""
    return dataclasses.replace(status, disk=Disk("/", 100, 90, None))


def messages(status: Status) -> list[str]:
    return [finding.message for finding in plenty(status).findings]


def outstanding(db: apdb.Apdb, **options: Any) -> list[tuple[str, int, int]]:
    return [(o.state, o.visit, o.detector) for o in db.status(**options).outstanding]


def test_an_empty_database_is_well(db: apdb.Apdb) -> None:
    status = db.status()
    assert messages(status) == []
    assert status.now.n_visits == 0
    assert status.now.last_visit is None
    assert status.nights == status.outstanding == status.attempts == status.waits == []
    assert status.now.database_bytes > 1_000_000
    assert {"dia_object", "visit", "dia_source"} - {s.table_name for s in status.sizes} <= {
        "dia_source"
    }


def test_last_visit_nights_and_growth(db: apdb.Apdb) -> None:
    today = visit(7)
    db.store_visit(visit(6, detector=1), sources(1))
    db.store_visit(today, sources(11, 5))
    db.store_visit(visit(5, mjd=61109.2), sources(21, 1))
    status = db.status()
    assert (status.now.last_visit, status.now.last_detector) == (5, 4)
    assert status.now.n_visits == 3
    assert [n.night for n in status.nights] == [today.night(), visit(5, mjd=61109.2).night()]
    latest = status.nights[0]
    assert (latest.n_exposures, latest.n_visits, latest.n_dia_sources) == (2, 2, 8)
    assert latest.lag_median == pytest.approx(30.0, abs=15.0)
    # All that is there came today.
    assert status.now.bytes_per_day == pytest.approx(status.now.database_bytes, rel=0.01)
    assert messages(status) == []
    assert len(db.status(nights=1).nights) == 1
    leaves = [s for s in status.sizes if s.table_name == "dia_source"]
    assert all(s.partition_name for s in leaves)
    assert sum(s.table_bytes for s in leaves) > 0


def test_a_survey_that_was_closed_for_long_grows_by_nothing(
    db: apdb.Apdb, plain_connection: Any
) -> None:
    db.store_visit(visit(7), sources(1))
    with plain_connection.transaction():
        plain_connection.execute("update apdb_base.store_event set mjd_tai = mjd_tai - 400")
    # as autovacuum does: the size is known, though nothing of it is recent
    plain_connection.execute("analyze apdb_base.dia_source")
    status = db.status()
    assert status.now.bytes_per_day == 0.0
    assert status.disk is None or status.disk.days_left is None
    assert status.now.last_visit == 7


def test_nights_agree_with_visit_night(db: apdb.Apdb, plain_connection: Any) -> None:
    for mjd in (41317.5, 51544.499, 51544.5, 51544.5004, 61109.5001, 61109.50043):
        found = plain_connection.execute("select apdb.night_of(%s)", (mjd,)).fetchone()[0]
        assert found == visit(mjd=mjd).night(), mjd


def test_missing_after_the_grace_until_stored(db: apdb.Apdb) -> None:
    midpoint = now() - 1000 / 86400
    assert (
        db.expect_visit(9, range(3, 6), band="r", midpoint_mjd_tai=midpoint, ra=150 * u.deg, dec=1)
        == 3
    )
    later = now() + 0.1
    assert db.expect_visit(10, 0, midpoint_mjd_tai=Time(later, format="mjd", scale="tai")) == 1
    assert outstanding(db, grace=2000.0) == []
    assert outstanding(db) == [("missing", 9, 3), ("missing", 9, 4), ("missing", 9, 5)]
    assert messages(db.status()) == ["3 visit(s) missing: 9/3, 9/4, 9/5"]
    db.store_visit(visit(9, midpoint), sources(1))
    assert outstanding(db) == [("missing", 9, 3), ("missing", 9, 5)]
    # one night or, around noon, two
    this, next_ = visit(9, midpoint).night(), visit(10, later).night()
    nights = db.status().nights
    assert {n.night: n.n_expected for n in nights} == Counter([this] * 3 + [next_])
    assert {n.night: n.n_outstanding for n in nights} == Counter([this] * 2 + [next_])
    # Announced again with a later time: no longer missing.
    assert db.expect_visit(9, [3, 5], midpoint_mjd_tai=now()) == 3
    assert outstanding(db) == []


def test_a_failed_visit_can_be_stored_later(db: apdb.Apdb) -> None:
    db.expect_visit(9, [4], midpoint_mjd_tai=now() - 1)
    assert db.fail_visit(9, 4, "no template", "subtract") == 1
    assert db.fail_visit(9, 4, "kernel has no stars", "subtract") == 2
    assert db.fail_visit(8, 1, "readout error", "isr") == 1
    found = {(o.visit, o.detector): o for o in db.status().outstanding}
    assert {o.state for o in found.values()} == {"failed"}
    assert (found[9, 4].stage, found[9, 4].reason, found[9, 4].n_failures) == (
        "subtract", "kernel has no stars", 2,
    )  # fmt: skip
    assert len(messages(db.status())) == 1
    db.store_visit(visit(9), sources(1))
    assert outstanding(db) == [("failed", 8, 1)]


def test_an_attempt_that_was_refused_is_a_failed_visit(db: apdb.Apdb) -> None:
    db.store_visit(visit(1), sources(1))
    with pytest.raises(apdb.IdConflict):
        db.store_visit(visit(2), sources(3))
    (found,) = db.status().outstanding
    assert (found.state, found.visit, found.stage) == ("failed", 2, "store")
    assert "already stored" in str(found.reason)
    db.store_visit(visit(2), sources(30))
    assert db.status().outstanding == []


@pytest.mark.parametrize(
    ("match", "arguments"),
    [
        ("visit", (-1, [1])),
        ("detectors", (1, [40000])),
        ("detectors", (1, [])),
        ("detectors", (1, [1.5])),
    ],
)
def test_bad_expectations(db: apdb.Apdb, match: str, arguments: Any) -> None:
    with pytest.raises(apdb.InvalidInput, match=match):
        db.expect_visit(*arguments)


def test_bad_details(db: apdb.Apdb) -> None:
    for name, value in {"ra": 360.0, "dec": 91.0, "midpoint_mjd_tai": float("nan")}.items():
        with pytest.raises(apdb.InvalidInput, match=name):
            db.expect_visit(1, [1], **{name: value})  # type: ignore[arg-type]
    with pytest.raises(apdb.InvalidInput, match="reason and a stage"):
        db.fail_visit(1, 1, " ", "isr")


def test_an_attempt_whose_session_is_gone_died(db: apdb.Apdb, dsn: str) -> None:
    with psycopg.connect(dsn) as session:
        session.execute("select apdb.begin_visit(5, 4, 'r', %s, 'a pipeline')", (now(),))
        session.commit()
        assert [(a.state, a.visit) for a in db.status().attempts] == [("running", 5)]
    deadline = time.monotonic() + 10.0
    while [a.state for a in db.status().attempts] != ["died"]:
        assert time.monotonic() < deadline
    status = plenty(db.status())
    assert status.findings[0].severity is Severity.ERROR
    assert status.findings[0].message == "1 attempt(s) died: 5/4"
    assert status.attempts[0].client == "a pipeline"
    db.store_visit(visit(5), sources(1))
    assert db.status().attempts == []
    assert messages(db.status()) == []


def test_who_waits_for_whom(db: apdb.Apdb, dsn: str) -> None:
    errors: list[BaseException] = []

    def store() -> None:
        try:
            db.store_visit(visit(6), sources(1))
        except apdb.Busy as error:
            errors.append(error)

    with psycopg.connect(dsn, application_name="holder") as holder:
        holder.execute("select apdb.lock_visit(6, 4)")
        thread = threading.Thread(target=store)
        thread.start()
        deadline = time.monotonic() + 10.0
        while not db.status().waits:
            assert time.monotonic() < deadline
        (wait,) = db.status().waits
        assert (wait.visit, wait.lock, wait.holder_client) == ("6 4", "visit", "holder")
        assert wait.holder_pid == holder.info.backend_pid
        (attempt,) = db.status().attempts
        assert (attempt.state, attempt.blocked_by) == ("waiting", [holder.info.backend_pid])
        assert db.status().now.oldest_transaction_pid == holder.info.backend_pid
        long = dataclasses.replace(wait, waiting=120.0)
        (finding,) = plenty(dataclasses.replace(db.status(), waits=[long])).findings
        assert "held by session" in finding.message
        holder.rollback()
        thread.join()
    assert errors == []
    assert db.status().waits == []


def test_disk_findings(db: apdb.Apdb, cluster: Any) -> None:
    status = db.status()
    assert status.disk is not None
    assert status.disk.folder == str(cluster.data)
    assert 0 < status.disk.free_bytes < status.disk.total_bytes

    def severity(disk: Disk) -> Severity | None:
        found = dataclasses.replace(status, disk=disk).findings
        return found[0].severity if found else None

    assert severity(Disk("/d", 1000, 500, 100.0)) is None
    assert severity(Disk("/d", 1000, 500, None)) is None
    assert severity(Disk("/d", 1000, 500, 10.0)) is Severity.WARNING
    assert severity(Disk("/d", 1000, 500, 1.0)) is Severity.ERROR
    assert severity(Disk("/d", 1000, 90, None)) is Severity.WARNING
    assert severity(Disk("/d", 1000, 10, None)) is Severity.ERROR


def test_a_reader_sees_the_status_but_records_nothing(db: apdb.Apdb) -> None:
    db.store_visit(visit(1), sources(1))
    with apdb.connect(make_conninfo(db.dsn, user="apdb_reader")) as reader:
        status = reader.status()
        assert status.now.n_visits == 1
        # Where the data are is not for everybody.
        assert status.disk is None
        with pytest.raises(apdb.ApdbError, match=r"read-only|permission denied"):
            reader.fail_visit(1, 1, "a", "b")
        with pytest.raises(apdb.ApdbError, match=r"read-only|permission denied"):
            reader.expect_visit(1, [1])
    with apdb.connect(make_conninfo(db.dsn, user="apdb_writer")) as writer:
        assert writer.expect_visit(2, [1]) == 1
        assert writer.fail_visit(2, 1, "a", "b") == 1
