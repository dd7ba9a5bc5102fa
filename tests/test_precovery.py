"""Precovery: which images, what is stored, retries, dead letters, and how it is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from precovery_tools import CENTRE, MJD, flux_at, image, measure, no_sources, some
from typer.testing import CliRunner

import apdb
from apdb.cli.main import app
from apdb.query.status import Severity

HERE = Path(__file__).parent
Forced = dict[tuple[int, int], float]


def forced(connection: psycopg.Connection[Any]) -> Forced:
    """Fluxes by object and visit, without withdrawn ones."""
    rows = connection.execute(
        "select dia_object_id, visit, psf_flux from apdb.dia_forced_source"
    ).fetchall()
    connection.rollback()
    return {(number, visit): flux for number, visit, flux in rows}


def requests(connection: psycopg.Connection[Any]) -> dict[int, str]:
    rows = connection.execute("select dia_object_id, state from apdb.precovery_request").fetchall()
    connection.rollback()
    return dict(rows)


def make_due(connection: psycopg.Connection[Any]) -> None:
    connection.execute("update apdb_base.precovery_request set next_try_mjd_tai = 0")
    connection.commit()


def wanted(pairs: list[tuple[int, int]]) -> Forced:
    return {pair: float(flux_at(*pair)) for pair in pairs}


@pytest.fixture
def field(db: apdb.Apdb) -> apdb.Apdb:
    """Images 1 to 10, one every five days, the last at MJD - 2; without any source."""
    for k in range(10):
        db.store_visit(image(k + 1, MJD - 47 + 5 * k), no_sources())
    return db


def test_images_of_the_past_30_days(field: apdb.Apdb, plain_connection: Any) -> None:
    field.store_visit(image(20, MJD), some(101, *CENTRE))
    assert requests(plain_connection) == {101: "queued"}
    summary = field.run_precovery(measure)
    # MJD - 47, -42, -37, -32 are too old; the visit itself is not before the first detection
    assert forced(plain_connection) == wanted([(101, k) for k in range(5, 11)])
    assert (summary.n_taken, summary.n_done, summary.n_images, summary.n_stored) == (1, 1, 6, 6)
    assert requests(plain_connection) == {101: "done"}
    assert field.run_precovery(measure).n_taken == 0


def test_positions_as_measure_functions_get_them(field: apdb.Apdb) -> None:
    field.store_visit(image(20, MJD), some(101, CENTRE[0] + 0.01, CENTRE[1]))
    seen: list[Table] = []
    field.run_precovery(seen.append)
    assert [t.meta["visit"] for t in seen] == [image(k + 1, MJD - 47 + 5 * k) for k in range(4, 10)]
    assert seen[0].colnames == ["dia_object_id", "ra", "dec", "followed_id", "requested_by"]
    assert tuple(seen[0][0]) == (101, pytest.approx(CENTRE[0] + 0.01), pytest.approx(CENTRE[1]),
                                 0, "apdb:precovery")  # fmt: skip


def test_images_that_cover_the_position(db: apdb.Apdb, plain_connection: Any) -> None:
    """Circles and polygons of many sizes around RA 0, against astropy."""
    rng = np.random.default_rng(5)
    n, m = 60, 80
    visits = []
    for k in range(n):
        ra, dec = rng.uniform(-1, 1) % 360, rng.uniform(-1, 1)
        if k % 3:
            visits.append(
                image(k + 1, MJD - 29 + k / 10, ra=ra, dec=dec, radius=rng.uniform(0.1, 0.8))
            )
        else:
            half = rng.uniform(0.1, 0.5)
            corners = [((ra + half * x) % 360, dec + half * y) for x, y in
                       ((-1, -1), (1, -1), (1, 1), (-1, 1))]  # fmt: skip
            visits.append(
                image(k + 1, MJD - 29 + k / 10, ra=None, dec=None, radius=None, boundary=corners)
            )
        db.store_visit(visits[-1], no_sources())
    at = SkyCoord(rng.uniform(-1, 1, m) % 360, rng.uniform(-1, 1, m), unit="deg")
    db.store_visit(image(999, MJD, ra=0.0, dec=0.0, radius=2.0), some(1, at.ra.deg, at.dec.deg))
    db.run_precovery(measure, batch=30)
    sure: set[tuple[int, int]] = set()
    excluded: set[tuple[int, int]] = set()
    for visit in visits:
        centre = SkyCoord(visit.ra, visit.dec, unit="deg")
        if visit.boundary is None:
            inside = at.separation(centre).deg < visit.radius
            outside = ~inside
        else:
            # Within the inner, outside the outer box, both of tangent-plane width.
            frame = centre.skyoffset_frame()
            x, y = at.transform_to(frame).lon.deg, at.transform_to(frame).lat.deg
            half = (visit.boundary[1][0] - visit.boundary[0][0]) % 360 / 2
            inside = np.maximum(abs(x), abs(y)) < 0.98 * half
            outside = np.maximum(abs(x), abs(y)) > 1.02 * half + 0.01
        sure |= {(int(i) + 1, visit.visit) for i in np.flatnonzero(inside)}
        excluded |= {(int(i) + 1, visit.visit) for i in np.flatnonzero(outside)}
    found = forced(plain_connection)
    assert sure <= found.keys()
    assert not excluded & found.keys()
    assert len(found) > 500
    assert found == wanted(list(found))


def test_what_is_measured_already_is_not_asked_for(field: apdb.Apdb, plain_connection: Any) -> None:
    field.store_visit(image(20, MJD), some(101, *CENTRE))
    late = {"dia_object_id": [101], "visit": [7], "detector": [2], "midpoint_mjd_tai": [MJD - 17],
            "band": ["g"], "psf_flux": [-1.0], "psf_flux_err": [1.0]}  # fmt: skip
    field.store_forced(late)
    field.run_precovery(measure)
    assert forced(plain_connection) == wanted([(101, k) for k in (5, 6, 8, 9, 10)]) | {
        (101, 7): -1.0
    }


def test_images_behind_a_late_visit_are_measured_too(
    field: apdb.Apdb, plain_connection: Any
) -> None:
    """The object did not exist when they were stored; the visit that starts it is no such image."""
    for detector in (0, 1):
        field.store_visit(image(20, MJD, detector=detector), no_sources())
    field.store_visit(image(15, MJD - 10, detector=4), no_sources())
    field.store_visit(image(15, MJD - 10), some(101, *CENTRE))
    field.store_visit(image(21, MJD + 1), no_sources())
    field.run_precovery(measure)
    # 3 to 8 lie before the late visit, 9, 10 and 20 behind it; 21 was stored after it.
    assert forced(plain_connection) == wanted([(101, k) for k in (*range(3, 11), 20)])
    assert plain_connection.execute(
        "select count(*) from apdb.dia_forced_source where visit = 20"
    ).fetchone() == (2,)
    plain_connection.rollback()


def test_withdrawn_images_are_left_out(field: apdb.Apdb, plain_connection: Any) -> None:
    field.store_visit(image(11, MJD - 1), some(90, CENTRE[0] + 0.1, CENTRE[1]))
    field.withdraw(visit=(11, 1), reason="clouds")
    field.store_visit(image(20, MJD), some(101, *CENTRE))
    field.run_precovery(measure)
    assert requests(plain_connection) == {90: "void", 101: "done"}
    assert forced(plain_connection) == wanted([(101, k) for k in range(5, 11)])


def test_rows_are_in_later_packets(field: apdb.Apdb, tmp_path: Path, plain_connection: Any) -> None:
    field.set_setting("archive_url", str(tmp_path))
    field.store_visit(image(20, MJD), some(101, *CENTRE))
    field.run_precovery(measure)
    field.store_visit(image(21, MJD + 1), some(102, *CENTRE))
    packets = {a.row.dia_source_id: a.packet for a in field.alerts()}
    assert packets[101]["prvDiaForcedSources"] == []
    rows = packets[102]["prvDiaForcedSources"]
    assert {(r["diaObjectId"], r["visit"]): r["psfFlux"] for r in rows} == wanted(
        [(101, k) for k in range(5, 11)]
    )


def test_a_failed_image_is_tried_again_and_only_it(field: apdb.Apdb, plain_connection: Any) -> None:
    field.store_visit(image(20, MJD), some(101, [150.0, 150.01], [2.2, 2.2]))
    tried: list[int] = []

    def flaky(positions: Table) -> Any:
        number = positions.meta["visit"].visit
        tried.append(number)
        if number == 7 and tried.count(7) == 1:
            raise OSError("no such image")
        return measure(positions)

    summary = field.run_precovery(flaky)
    assert (summary.n_done, summary.n_left, summary.n_failed_images) == (0, 2, 1)
    assert summary.n_stored == 10
    row = plain_connection.execute(
        "select state, n_images, n_measured, error, "
        "(next_try_mjd_tai - queued_mjd_tai) * 86400 from apdb.precovery_request"
    ).fetchone()
    assert row[:4] == ("queued", 6, 5, "visit 7 detector 2: OSError: no such image")
    assert 60 <= row[4] < 75
    plain_connection.rollback()
    assert field.run_precovery(flaky).n_taken == 0  # the back-off is not over
    make_due(plain_connection)
    summary = field.run_precovery(flaky)
    assert (summary.n_done, summary.n_left, summary.n_images) == (2, 0, 1)
    assert tried == [5, 6, 7, 8, 9, 10, 7]
    assert len(forced(plain_connection)) == 12
    assert requests(plain_connection) == {101: "done", 102: "done"}


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (
            {"dia_object_id": [5], "psf_flux": [1.0], "psf_flux_err": [1.0]},
            "object 5 was not asked",
        ),
        ({"dia_object_id": [101], "psf_flux": [1.0]}, "psf_flux_err: is missing"),
        ({"dia_object_id": [101], "psf_flux": [1.0], "psf_flux_err": [0.0]}, "must be positive"),
        (7, "cannot read columns from int"),
        ({"followed_id": [1], "psf_flux": [1.0], "psf_flux_err": [1.0]}, "followed"),
    ],
)
def test_wrong_results_are_failures_of_the_image(
    field: apdb.Apdb, plain_connection: Any, rows: object, text: str
) -> None:
    field.store_visit(image(20, MJD), some(101, *CENTRE))
    summary = field.run_precovery(lambda _: rows, max_attempts=1)
    assert (summary.n_dead, summary.n_failed_images, summary.n_stored) == (1, 6, 0)
    (dead,) = field.precovery_dead()
    assert text in (dead.error or "")
    assert "and 3 more images" in (dead.error or "")


def test_a_request_on_which_workers_die_ends_alone(field: apdb.Apdb, plain_connection: Any) -> None:
    """One of 64 kills its worker: the others are done all the same, and it is given up."""
    field.store_visit(image(20, MJD), some(101, 150.0 + np.arange(64) / 1000, np.full(64, 2.2)))

    def deadly(positions: Table) -> Any:
        if 133 in positions["dia_object_id"]:
            raise KeyboardInterrupt  # as a signal, this ends the worker and not the image
        return measure(positions)

    deaths = 0
    for _ in range(40):
        try:
            field.run_precovery(deadly, batch=64, max_attempts=4, backoff=0.0)
        except KeyboardInterrupt:
            deaths += 1
    assert deaths == 4
    assert {n for n, state in requests(plain_connection).items() if state != "done"} == {133}
    (dead,) = field.precovery_dead()
    assert (dead.dia_object_id, dead.n_attempts) == (133, 4)
    assert "worker" in (dead.error or "")
    assert "died" in (dead.error or "")
    assert len(forced(plain_connection)) == 63 * 6


def test_back_off_dead_letters_and_retry(field: apdb.Apdb, plain_connection: Any) -> None:
    field.store_visit(image(20, MJD), some(101, *CENTRE))

    def broken(positions: Table) -> None:
        raise ValueError("bad template")

    waits = []
    for _ in range(3):
        field.run_precovery(broken, max_attempts=4)
        plain_connection.execute("select 1")
        row = plain_connection.execute(
            "select (next_try_mjd_tai - apdb.mjd_tai(clock_timestamp())) * 86400 "
            "from apdb.precovery_request"
        ).fetchone()
        waits.append(row[0])
        plain_connection.rollback()
        make_due(plain_connection)
    assert waits == pytest.approx([60.0, 240.0, 960.0], abs=5.0)
    summary = field.run_precovery(broken, max_attempts=4)
    assert summary.n_dead == 1
    assert requests(plain_connection) == {101: "dead"}
    assert field.precovery_queue().n_dead == 1
    assert field.run_precovery(measure).n_taken == 0
    with pytest.raises(apdb.NotFound, match="102"):
        field.retry_precovery([101, 102])
    assert field.retry_precovery([101]) == 1
    assert field.run_precovery(measure).n_done == 1
    assert len(forced(plain_connection)) == 6


def test_retired_and_brought_back_objects(field: apdb.Apdb, plain_connection: Any) -> None:
    at = image(20, MJD)
    field.store_visit(at, some(101, [150.0, 150.01], [2.2, 2.2]))
    field.run_precovery(measure)
    field.replace(at, some(101, [150.0], [2.2]), reason="one was a ghost")
    # All forced photometry of the objects was withdrawn; 101 lives again and is queued again.
    assert forced(plain_connection) == {}
    assert requests(plain_connection) == {101: "queued", 102: "done"}
    field.run_precovery(measure)
    assert forced(plain_connection) == wanted([(101, k) for k in range(5, 11)])


def test_objects_retired_while_they_are_measured(field: apdb.Apdb, plain_connection: Any) -> None:
    field.store_visit(image(19, MJD - 1), some(91, 150.01, 2.2))
    field.store_visit(image(20, MJD), some(101, *CENTRE))

    def merged_meanwhile(positions: Table) -> Any:
        if positions.meta["visit"].visit == 8:
            field.merge_objects(91, [101], reason="the same")
        return measure(positions)

    summary = field.run_precovery(merged_meanwhile)
    assert (summary.n_done, summary.n_void) == (1, 1)
    assert requests(plain_connection) == {91: "done", 101: "void"}
    assert {number for number, _ in forced(plain_connection)} == {91}


def test_a_replacement_does_not_wait_for_a_worker(
    field: apdb.Apdb, dsn: str, plain_connection: Any
) -> None:
    """It brings back an object that is being measured; that measurement is dropped."""
    at, content = image(20, MJD), some(101, [150.0, 150.01], [2.2, 2.2])
    field.store_visit(at, content)
    seen: list[Any] = []

    def replaced_meanwhile(positions: Table) -> Any:
        if not seen:
            seen.extend(
                plain_connection.execute(
                    "select a.backend_xid, a.backend_xmin, (select count(*) from pg_locks as t "
                    "where t.pid = a.pid and t.relation::regclass::text like '%source%') "
                    "from pg_stat_activity as a inner join pg_locks as l using (pid) "
                    "where l.classid = 17019"
                ).fetchall()
            )
            plain_connection.rollback()
            with apdb.connect(dsn, busy_timeout=2.0) as other:
                other.replace(at, content | {"ra": np.array([150.0, 150.02])}, reason="astrometry")
                # Both are due again, but another worker must leave them alone.
                assert other.run_precovery(measure).n_taken == 0
        return measure(positions)

    summary = field.run_precovery(replaced_meanwhile, max_batches=1)
    # Nothing that would hold back vacuum or new partitions.
    assert seen == [(None, None, 0)] * 2
    assert (summary.n_taken, summary.n_done, summary.n_left, summary.n_stored) == (2, 0, 2, 0)
    assert requests(plain_connection) == {101: "queued", 102: "queued"}
    assert forced(plain_connection) == {}
    assert field.run_precovery(measure).n_done == 2
    assert forced(plain_connection) == wanted(
        [(number, k) for number in (101, 102) for k in range(5, 11)]
    )


def test_a_worker_that_finds_the_sky_busy_did_not_die(
    field: apdb.Apdb, dsn: str, plain_connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apdb.precovery.work.BUSY_TRIES", 2)
    field.store_visit(image(20, MJD), some(101, 150.0 + np.arange(9) / 1000, np.full(9, 2.2)))
    with psycopg.connect(dsn) as holder:
        holder.execute(
            "select pg_advisory_xact_lock(17002, c.cell) from apdb.sky_cells(150.0, 2.2, 0.05) as c"
        )
        with apdb.connect(dsn, busy_timeout=0.1) as db:
            summary = db.run_precovery(measure, batch=9, max_batches=1)
    assert (summary.n_taken, summary.n_left, summary.n_stored) == (9, 9, 0)
    rows = plain_connection.execute(
        "select distinct state, n_attempts, error from apdb.precovery_request"
    ).fetchall()
    plain_connection.rollback()
    ((state, n_attempts, error),) = rows
    assert (state, n_attempts) == ("queued", 1)
    assert error.startswith("Busy: another session holds this part of the sky")
    make_due(plain_connection)
    # Had it died, one would be taken.
    assert field.run_precovery(measure, batch=9, max_batches=1).n_done == 9


def test_a_claim_reads_no_more_than_was_tried(
    field: apdb.Apdb, plain_connection: Any, dsn: str
) -> None:
    """The index of what was tried finds what is given up, however long the queue is."""
    rng = np.random.default_rng(1)
    ra, dec = 150 + rng.uniform(-0.1, 0.1, 3000), 2.2 + rng.uniform(-0.1, 0.1, 3000)
    field.store_visit(image(20, MJD), some(101, ra, dec))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum analyze apdb_base.precovery_request")
        scans = (
            "select coalesce(sum(pg_stat_get_xact_tuples_returned(c.oid)), 0) from pg_class as c "
            "where c.relname like 'precovery_request%'"
        )
        with connection.transaction():
            taken = connection.execute("select apdb.claim_precovery('w', 10, 5, 60.0)").fetchall()
            read = connection.execute(scans).fetchone()
    assert len(taken) == 10
    assert read is not None
    assert 10 <= read[0] < 300


def test_an_object_that_a_split_starts_is_queued(field: apdb.Apdb, plain_connection: Any) -> None:
    field.store_visit(image(20, MJD), some(101, *CENTRE))
    field.store_visit(image(21, MJD + 1), some(201, *CENTRE))
    report = field.split(101, [201], reason="two stars")
    (new,) = report.created
    assert requests(plain_connection)[new] == "queued"
    field.run_precovery(measure)
    assert {(n, v) for n, v in forced(plain_connection) if n == new} == {
        (new, k) for k in (5, 6, 7, 8, 9, 10, 20)
    }


def test_nothing_is_queued_where_the_setting_says_so(
    field: apdb.Apdb, plain_connection: Any
) -> None:
    field.set_setting("precovery_days", 0)
    field.store_visit(image(20, MJD), some(101, *CENTRE))
    assert requests(plain_connection) == {}


def test_a_request_exists_if_and_only_if_its_visit_does(
    field: apdb.Apdb, plain_connection: Any
) -> None:
    def broken(positions: Table) -> None:
        raise RuntimeError("no pixels")

    with pytest.raises(RuntimeError):
        field.store_visit(image(20, MJD), some(101, *CENTRE), forced=broken)
    assert requests(plain_connection) == {}


def test_ended_requests_are_forgotten(field: apdb.Apdb, plain_connection: Any) -> None:
    field.store_visit(image(20, MJD), some(101, [150.0, 150.01], [2.2, 2.2]))
    field.run_precovery(measure)
    plain_connection.execute(
        "update apdb_base.precovery_request set finished_mjd_tai = finished_mjd_tai - 91 "
        "where dia_object_id = 101"
    )
    plain_connection.commit()
    field.run_precovery(measure)
    assert requests(plain_connection) == {102: "done"}


def test_status_against_the_requirement(field: apdb.Apdb, plain_connection: Any) -> None:
    assert not [f for f in field.status().findings if "precovery" in f.message]
    field.store_visit(image(20, MJD), some(101, [150.0, 150.01], [2.2, 2.2]))
    for hours, severity in ((11, None), (13, Severity.WARNING), (25, Severity.ERROR)):
        plain_connection.execute(
            "update apdb_base.precovery_request set queued_mjd_tai = "
            "apdb.mjd_tai(clock_timestamp()) - %s / 24.0 where dia_object_id = 101",
            (hours,),
        )
        plain_connection.commit()
        found = [f for f in field.status().findings if "precovery" in f.message]
        assert [f.severity for f in found] == ([severity] if severity else [])
        queue = field.precovery_queue()
        assert queue.oldest_age == pytest.approx(3600 * hours, abs=60)
        assert (queue.n_queued, queue.n_due, queue.met) == (2, 2, hours <= 24)
    field.run_precovery(measure)
    queue = field.precovery_queue()
    assert (queue.n_queued, queue.oldest_age, queue.n_done_last_day) == (0, None, 2)
    assert queue.delay_max == pytest.approx(25 * 3600, abs=60)
    assert queue.delay_median == pytest.approx(12.5 * 3600, abs=60)
    assert not queue.met


def test_queueing_reads_no_images(db: apdb.Apdb, plain_connection: Any) -> None:
    """2,000 new objects are one insert; the footprints are searched by the worker."""
    rng = np.random.default_rng(1)
    ra, dec = 150 + rng.uniform(-0.1, 0.1, 2000), 2.2 + rng.uniform(-0.1, 0.1, 2000)
    report = db.store_visit(image(1, MJD), some(1, ra, dec))
    rows = plain_connection.execute(
        "select dia_object_id, before_mjd_tai - from_mjd_tai, n_images from apdb.precovery_request"
    ).fetchall()
    assert {row[0] for row in rows} == set(report.dia_object_id.tolist())
    assert {row[1:] for row in rows} == {(30.0, None)}


@pytest.mark.parametrize(
    "wrong", [{"batch": 0}, {"max_attempts": 0}, {"backoff": -1.0}, {"backoff": "1"}]
)
def test_wrong_options_are_named(db: apdb.Apdb, wrong: dict[str, Any]) -> None:
    with pytest.raises(apdb.InvalidInput, match=next(iter(wrong))):
        db.run_precovery(measure, **wrong)
    with pytest.raises(apdb.InvalidInput, match="measure"):
        db.run_precovery(7)  # type: ignore[arg-type]


def run(dsn: str, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["--dsn", dsn, *arguments])
    if isinstance(result.exception, apdb.ApdbError):
        assert result.exception.exit_code == code, result.exception
        return str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_the_commands(
    field: apdb.Apdb, dsn: str, plain_connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(HERE)
    field.store_visit(image(20, MJD), some(101, *CENTRE))
    assert "1 object(s) wait" in run(dsn, "precovery", "status")
    assert "1 object(s) wait" in run(dsn, "status")
    text = run(dsn, "precovery", "run", "precovery_tools:measure")
    assert "1 object(s) done on 6 image(s), 6 measurement(s) stored" in text
    assert "requirement met" in text
    field.store_visit(image(21, MJD + 1), some(201, 150.05, 2.2))
    assert "given up" in run(
        dsn, "precovery", "run", "precovery_tools:no_sources", "--attempts", "1", code=1
    )
    found = json.loads(run(dsn, "--json", "precovery", "status"))
    assert found["dead"][0]["dia_object_id"] == "201"
    assert "TypeError" in found["dead"][0]["error"]
    assert "201" in run(dsn, "precovery", "status")
    assert "1 queued again" in run(dsn, "precovery", "retry", "--all")
    assert (
        json.loads(run(dsn, "--json", "precovery", "run", "precovery_tools:measure"))["n_done"] == 1
    )
    for name, text in (
        ("nowhere:measure", "module nowhere cannot be imported"),
        ("precovery_tools:nothing", "has no nothing"),
        ("precovery_tools:NOT_A_FUNCTION", "is no function"),
        ("precovery_tools", "write module:function"),
    ):
        assert text in run(dsn, "precovery", "run", name, code=2)
    assert "--all" in run(dsn, "precovery", "retry", code=2)
