"""Neighbours of objects that visits and corrections touch, their versions, and packets that have them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from correction_tools import MJD, sources, visit
from packet_tools import forced, set_archive
from reference_tools import Sky, neighbours, simulate

import apdb
from apdb.alerts.packets import decode
from apdb.alerts.render import render
from apdb.alerts.schemas import alert_schema
from apdb.reference import neighbours as neighbours_module

Plain = psycopg.Connection[Any]
CENTRE = (150.0, 2.2)


@pytest.fixture
def sky(db: apdb.Apdb) -> Sky:
    """A crowd around the place where `sources` puts objects, loaded."""
    where = sources([1], [0.0])
    made = simulate((float(where["ra"][0]), float(where["dec"][0])), n=200, radius=0.006)
    db.load_reference("simulated", made.columns, release="1")
    return made


def versions(connection: Plain, dia_object_id: int) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        rows = cursor.execute(
            "select * from apdb_base.dia_object_neighbour where dia_object_id = %s order by store_seq",
            (dia_object_id,),
        ).fetchall()
    connection.commit()
    return rows


def hold(connection: Plain, sky: Sky, dia_object_id: int, mjd: float) -> None:
    """Compare the current neighbours of an object with brute force at the place that it has."""
    row = versions(connection, dia_object_id)[-1]
    assert row["store_seq_end"] is None
    (position,) = connection.execute(
        "select row_to_json(o) from apdb.dia_object as o where o.dia_object_id = %s",
        (dia_object_id,),
    ).fetchone()  # type: ignore[misc]
    connection.commit()
    names = ("ra", "dec", "ra_err", "dec_err", "ra_dec_cov")
    known = {name: np.nan if position[name] is None else position[name] for name in names}
    expected = neighbours(sky, known, mjd)
    assert [i or 0 for i in row["nearby_obj"]] == expected["nearby_obj"].tolist()
    assert [i or 0 for i in row["nearby_pot_host"]] == expected["nearby_pot_host"].tolist()
    np.testing.assert_allclose(
        row["nearby_obj_ln_p"], expected["nearby_obj_ln_p"], rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(
        row["nearby_pot_host_sep_dist"], expected["nearby_pot_host_sep_dist"], rtol=1e-5
    )


def test_without_a_catalogue_nothing_is_done(db: apdb.Apdb, plain_connection: Plain) -> None:
    db.store_visit(visit(1, MJD), sources([1], [0.0]))
    assert versions(plain_connection, 1) == []
    assert len(db.neighbours(1)) == 0
    assert db.references() == []
    assert db.refresh_neighbours() == 0


def test_new_objects_get_theirs(db: apdb.Apdb, sky: Sky, plain_connection: Plain) -> None:
    db.store_visit(visit(1, MJD), sources([1, 2], [0.0, 3.0]))
    for number in (1, 2):
        hold(plain_connection, sky, number, MJD)
    table = db.neighbours([1, 2])
    assert sorted(set(table["kind"])) == ["galaxy", "host", "star"]
    assert set(table["catalogue"]) == {"simulated"}
    row = versions(plain_connection, 2)[0]
    assert (
        table[table["dia_object_id"] == 2]["reference_object_id"].tolist()
        == row["nearby_obj"] + row["nearby_pot_host"]
    )


def test_they_are_columns_of_the_object(db: apdb.Apdb, sky: Sky, plain_connection: Plain) -> None:
    db.store_visit(visit(1, MJD), sources([1], [0.0]))
    row = plain_connection.execute(
        "select o.ra, n.nearby_obj, n.nearby_pot_host_sep_dist "
        "from apdb.dia_object as o join apdb.dia_object_neighbour as n using (dia_object_id)"
    ).fetchone()
    assert row is not None
    assert len(row[1]) == 6
    assert len(row[2]) == 3


def test_only_what_is_due_is_worked_out(db: apdb.Apdb, sky: Sky, plain_connection: Plain) -> None:
    def store(number: int, east: float, days: float = 1.0, err: float = 0.1) -> int:
        made = sources([number], [east])
        made["ra_err"] = made["dec_err"] = np.array([err / 3600])
        report = db.store_visit(visit(number, MJD + days * number), made)
        assert report.dia_object_id.tolist() == [1]
        return len(versions(plain_connection, 1))

    assert store(1, 0.0) == 1
    # The mean moves by 0.02 arcsec, and the errors shrink by less than half.
    assert store(2, 0.04) == 1
    # By 0.2 arcsec.
    assert store(3, 0.6) == 2
    hold(plain_connection, sky, 1, MJD + 3)
    # Errors of a quarter.
    before = len(versions(plain_connection, 1))
    assert store(4, 0.21, err=0.01) >= before
    hold_at = versions(plain_connection, 1)[-1]
    # More than a year later.
    count = len(versions(plain_connection, 1))
    made = sources([9], [0.2])
    db.store_visit(visit(9, hold_at["mjd_tai"] + 366.0), made)
    assert len(versions(plain_connection, 1)) == count + 1
    # A load makes all of it old, once.
    count += 1
    db.load_reference("other", simulate(CENTRE, n=10, seed=8).columns)
    db.store_visit(visit(10, hold_at["mjd_tai"] + 366.1), sources([10], [0.2]))
    assert len(versions(plain_connection, 1)) == count + 1
    db.store_visit(visit(11, hold_at["mjd_tai"] + 366.2), sources([11], [0.2]))
    assert len(versions(plain_connection, 1)) == count + 1
    rows = versions(plain_connection, 1)
    assert [row["store_seq_end"] for row in rows] == [row["store_seq"] for row in rows[1:]] + [None]


def test_an_object_without_any_is_not_looked_for_again(
    db: apdb.Apdb, plain_connection: Plain
) -> None:
    db.load_reference("far", simulate((10.0, -40.0), n=5).columns)
    for number in (1, 2):
        db.store_visit(visit(number, MJD + number), sources([number], [0.0]))
    (row,) = versions(plain_connection, 1)
    assert row["nearby_obj"] == [None] * 6
    assert row["nearby_pot_host"] == [None] * 3


def test_drop_and_refresh(db: apdb.Apdb, sky: Sky, plain_connection: Plain) -> None:
    db.store_visit(visit(1, MJD), sources([1, 2], [0.0, 3.0]))
    assert db.drop_reference("simulated") == len(sky)
    assert plain_connection.execute("select count(*) from apdb.reference_object").fetchone() == (0,)
    plain_connection.commit()
    seen: list[int] = []
    assert db.refresh_neighbours(lambda n, _: seen.append(n), batch=1) == 2
    assert seen == [1, 2]
    assert len(db.neighbours([1, 2])) == 0
    assert db.refresh_neighbours() == 0
    with pytest.raises(apdb.NotFound, match="simulated"):
        db.drop_reference("simulated")
    db.load_reference("simulated", sky.columns, release="2")
    assert db.refresh_neighbours() == 2
    for number in (1, 2):
        hold(plain_connection, sky, number, MJD)
    # The name of a catalogue that was dropped is still that of old neighbours.
    numbers = {c for row in versions(plain_connection, 1) for c in row["nearby_obj_catalogue"]}
    assert numbers == {1, None, 2}


def test_refresh_goes_on_where_the_sky_was_held(
    db: apdb.Apdb, sky: Sky, plain_connection: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that holds the sky of one object, in the middle of the run."""
    first = sources([1, 2, 3], [0.0, 3.0, 6.0])
    db.store_visit(visit(1, MJD), first | {"dec": first["dec"] + np.array([0.0, 0.15, -0.15])})
    db.drop_reference("simulated")
    seen: list[int] = []
    cells = "select pg_advisory_lock(17002, c.cell) from apdb.dia_object as o, apdb.sky_cells(o.ra, o.dec, 0) as c where o.dia_object_id = "
    with (
        psycopg.connect(plain_connection.info.dsn, autocommit=True) as holder,
        apdb.connect(db.dsn, busy_timeout=0.1) as impatient,
    ):
        order = "select dia_object_id from apdb.dia_object order by public.q3c_ang2ipix(ra, dec)"
        second = [i for (i,) in holder.execute(order)][1]
        holder.execute(f"{cells}{second}")
        monkeypatch.setattr(neighbours_module, "PATIENCE", 0.2)
        with pytest.raises(apdb.Busy):
            impatient.refresh_neighbours(lambda n, _: seen.append(n), batch=1)
        assert seen == [1]
        monkeypatch.setattr(neighbours_module, "PATIENCE", 60.0)
        timer = threading.Timer(1.0, holder.execute, ["select pg_advisory_unlock_all()"])
        timer.start()
        assert impatient.refresh_neighbours(lambda n, _: seen.append(n), batch=1) == 2
        timer.join()
    assert seen == [1, 0, 1, 2]


CORRECTIONS: dict[str, Any] = {
    "merge": lambda db: db.merge_objects(1, 2, reason="one star"),
    "split": lambda db: db.split(1, [11], reason="two stars"),
    "replace": lambda db: db.replace(
        visit(2, MJD + 3), sources([11, 12], [0.6, 3.6]), reason="new pixels"
    ),
    "replace with others": lambda db: db.replace(
        visit(1, MJD), sources([1, 2], [5.0, 9.0]), reason="new pixels"
    ),
}


@pytest.mark.parametrize("kind", CORRECTIONS)
def test_corrections_leave_one_current_version(
    db: apdb.Apdb, sky: Sky, plain_connection: Plain, kind: str
) -> None:
    for k in range(2):
        db.store_visit(visit(k + 1, MJD + 3 * k), sources([10 * k + 1, 10 * k + 2], [0.0, 3.0]))
    CORRECTIONS[kind](db)
    ids = [
        r[0]
        for r in plain_connection.execute("select dia_object_id from apdb.dia_object").fetchall()
    ]
    plain_connection.commit()
    for number in ids:
        rows = versions(plain_connection, number)
        assert [row["store_seq_end"] for row in rows] == [row["store_seq"] for row in rows[1:]] + [
            None
        ]
        row = rows[-1]
        (place,) = plain_connection.execute(
            "select q3c_dist(o.ra, o.dec, %s, %s) * 3600 from apdb.dia_object as o "
            "where o.dia_object_id = %s", (row["ra"], row["dec"], number),
        ).fetchone()  # type: ignore[misc]  # fmt: skip
        plain_connection.commit()
        assert place <= 0.05


def same(records: list[dict[str, Any]], name: str, values: list[float]) -> None:
    """Compare a field of records with a column, in single precision."""
    assert np.float32([each[name] for each in records]).tolist() == np.float32(values).tolist()


def test_extended_packets_have_them(
    db: apdb.Apdb, sky: Sky, plain_connection: Plain, dsn: str, tmp_path: Path
) -> None:
    set_archive(dsn, tmp_path / "archive")
    reports = [
        db.store_visit(
            visit(k + 1, MJD + k), sources([10 * k + 1, 10 * k + 2], [0.7 * k, 3.0]), forced=forced
        )
        for k in range(2)
    ]
    schema = alert_schema("11.1", extended=True)
    assert len(versions(plain_connection, 1)) == 2
    for k, report in enumerate(reports):
        rows = plain_connection.execute(
            "select a.dia_source_id, a.packet from apdb.assemble_alerts(%s, 40, 'no_histories', true) as a "
            "order by 1", (k + 1,),
        ).fetchall()  # fmt: skip
        made = {
            each.dia_source_id: each.packet
            for each in render(
                plain_connection,
                schema,
                [r[0] for r in rows],
                report.store_seq,
                365.0,
                histories=False,
            )
        }
        plain_connection.commit()
        assert len(rows) == 2
        for number, packet in rows:
            assert bytes(packet) == made[number]
            alert = decode(packet, schema)
            kept = versions(plain_connection, alert["diaSource"]["diaObjectId"])
            row = next(v for v in kept if v["store_seq"] <= report.store_seq
                       and (v["store_seq_end"] or 2**62) > report.store_seq)  # fmt: skip
            near = alert["nearbyObjects"]
            assert [each["objectId"] for each in near] == [i for i in row["nearby_obj"] if i]
            assert [each["isGalaxy"] for each in near] == [False] * 3 + [True] * 3
            same(near, "lnP", row["nearby_obj_ln_p"])
            same(near, "distance", row["nearby_obj_dist"])
            assert {each["catalogue"] for each in near} == {"simulated"}
            hosts = alert["potentialHosts"]
            same(hosts, "separation", row["nearby_pot_host_sep_dist"])


def test_packets_tell_none_from_unknown(
    db: apdb.Apdb, plain_connection: Plain, dsn: str, tmp_path: Path
) -> None:
    set_archive(dsn, tmp_path / "archive")
    db.store_visit(visit(1, MJD), sources([1], [0.0]))
    db.load_reference("far", simulate((10.0, -40.0), n=5).columns)
    db.store_visit(visit(2, MJD + 1), sources([2], [3.0]))
    schema = alert_schema("11.1", extended=True)
    found = []
    for number in (1, 2):
        row = plain_connection.execute(
            "select a.packet from apdb.assemble_alerts(%s, 40, 'full', true) as a", (number,)
        ).fetchone()
        assert row is not None
        alert = decode(row[0], schema)
        found.append((alert["nearbyObjects"], alert["potentialHosts"]))
    assert found == [(None, None), ([], [])]
