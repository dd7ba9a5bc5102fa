"""Assembly in SQL: bytes against fastavro over the same columns, for every content and version."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import psycopg
import pytest
from packet_tools import Expected, eligible, forced, set_archive
from store_tools import exposures

import apdb
from apdb.alerts.packets import decode, without_histories
from apdb.alerts.refill import check_fragments
from apdb.alerts.rules import read_rules
from apdb.alerts.schemas import alert_schema
from apdb.alerts.stream import PLANNER, assemble
from apdb.schema import catalogue

EXTREME_FLOATS = np.array([0.0, -0.0, 1e-45, 3.4e38, -3.4e38, 1.5], np.float32)
SUMMARISED = ("ra_dec_cov", "science_flux", "science_flux_err")  # squared in summaries
TEXTS = ["", "α Centauri 🌟", "é" * 63, "x" * 64, "plain"]


def full_sources(plain: dict[str, Any], seed: int) -> dict[str, Any]:
    """Sources with a value or NULL in every column that a caller may give."""
    rng = np.random.default_rng(seed)
    n = len(plain["dia_source_id"])
    made = dict(plain)
    decided = {"dia_object_id", "ss_object_id", "ss_object_reassoc_time_mjd_tai", "store_seq"}
    of_visit = {"visit", "detector", "band", "midpoint_mjd_tai", "exposure_time"}
    times = {"time_processed_mjd_tai", "time_withdrawn_mjd_tai"}
    for column in catalogue.table("dia_source").columns:
        name = column.name
        if name in made or name in decided | of_visit | times:
            continue
        if column.datatype == "boolean":
            values: Any = np.ma.masked_array(rng.random(n) < 0.3, rng.random(n) < 0.2)
            values = values if column.nullable else values.data
        elif column.datatype == "text":
            values = np.ma.masked_array(
                np.array([TEXTS[k] for k in rng.integers(0, len(TEXTS), n)], object),
                rng.random(n) < 0.3,
            )
        elif column.datatype in ("float", "double"):
            values = np.abs(rng.choice(EXTREME_FLOATS, n)).astype(float)
            if name.endswith(("_ra", "_dec")) or name in SUMMARISED:
                values = rng.uniform(0.0, 90.0, n)
            if column.nullable:
                values[rng.random(n) < 0.3] = np.nan
        else:
            top = {"short": 2**15, "int": 2**31, "long": 2**63}[column.datatype] - 1
            values = rng.choice([0, 1, 63, 64, top], n)
        made[name] = values
    # Nothing that would keep a source from yielding an alert.
    for name in ("cr", "nodata", "interpolated", "saturated", "suspect", "streak", "injected"):
        made[f"pixel_flags_{name}_center"] = np.zeros(n, bool)
    made["glint_trail"] = np.zeros(n, bool)
    return made


@pytest.fixture
def stored(db: apdb.Apdb, dsn: str, tmp_path: Path) -> list[Any]:
    """Four visits of full rows, with forced photometry and an archive."""
    set_archive(dsn, tmp_path / "archive")
    shots = exposures(4, n=16, noise=4, span=30.0)
    for k, shot in enumerate(shots):
        report = db.store_visit(shot.visit, full_sources(shot.sources, k), forced=forced)
        assert {"fragments", "alerts"} <= report.timings.keys()
    return shots


def assembled(
    connection: psycopg.Connection[Any], visit: apdb.Visit, **how: Any
) -> dict[int, bytes]:
    key = (visit.visit, visit.detector, visit.midpoint_mjd_tai)
    rules = read_rules(connection)
    return {
        number: bytes(packet)
        for some in assemble(connection, rules, key, **how)
        for number, packet in zip(some.dia_source_id, some.packets, strict=True)
    }


def test_packets_are_what_fastavro_writes_of_the_columns(
    db: apdb.Apdb, stored: list[Any], plain_connection: psycopg.Connection[Any]
) -> None:
    expected = Expected(plain_connection)
    last = stored[-1].visit
    made = assembled(plain_connection, last)
    assert made.keys() == eligible(db, last)
    lengths, owned = set(), set()
    for number, packet in made.items():
        assert packet == expected.packet(number)
        record = decode(packet, alert_schema())
        lengths.add(len(record["prvDiaSources"] or ()))
        owned.add(record["diaObject"] is not None)
        assert record["prvDiaSources"] != []
        assert (record["prvDiaForcedSources"] is None) == (record["diaObject"] is None)
    assert {0, 1, 2} <= lengths
    assert owned == {False, True}  # flagged or doubtful sources have no object


@pytest.mark.parametrize("measured", [False, True])
def test_the_first_visit_has_no_history_as_real_packets_have_none(
    db: apdb.Apdb,
    dsn: str,
    tmp_path: Path,
    plain_connection: psycopg.Connection[Any],
    measured: bool,
) -> None:
    set_archive(dsn, tmp_path / "archive")
    (shot,) = exposures(1, n=9, noise=2)
    db.store_visit(shot.visit, shot.sources, forced=forced if measured else None)
    for packet in assembled(plain_connection, shot.visit).values():
        record = decode(packet, alert_schema())
        assert record["prvDiaSources"] is None
        # Forced photometry of the trigger's own image is in the packet.
        own = [row["visit"] for row in record["prvDiaForcedSources"]]
        assert own == [shot.visit.visit] * measured


def test_history_ends_before_the_midpoint_and_begins_where_the_setting_says(
    dsn: str, stored: list[Any], plain_connection: psycopg.Connection[Any]
) -> None:
    set_archive(dsn, Path("/nowhere"), alert_history_days=16.0)
    plain_connection.rollback()
    expected = Expected(plain_connection, days=16.0)
    made = assembled(plain_connection, stored[-1].visit)
    assert {p == expected.packet(number) for number, p in made.items()} == {True}
    times = [
        row["midpointMjdTai"]
        for p in made.values()
        for row in decode(p, alert_schema())["prvDiaSources"] or ()
    ]
    # visits are 7.5 days apart
    assert set(times) == {shot.visit.midpoint_mjd_tai for shot in stored[1:3]}


def test_contents(dsn: str, stored: list[Any], plain_connection: psycopg.Connection[Any]) -> None:
    visit = stored[-1].visit
    whole = assembled(plain_connection, visit)
    public, wide = alert_schema(), alert_schema(extended=True)
    bare = assembled(plain_connection, visit, histories=False, extended=True)
    assert bare == {n: without_histories(p, public) for n, p in whole.items()}
    records = [decode(packet, wide) for packet in bare.values()]
    record = max(records, key=lambda one: len(one["prvDiaSourceIds"]))
    assert record["prvDiaSources"] is None
    assert len(record["prvDiaSourceIds"]) == 3
    assert len(record["prvDiaForcedSources"]) == 4
    late = assembled(plain_connection, visit, histories=False, extended=True, left_out="histories")
    assert {decode(p, wide)["leftOut"] for p in late.values()} == {"histories"}
    strict = assembled(plain_connection, visit, histories=False)
    assert {decode(p, public)["prvDiaSources"] is None for p in strict.values()} == {True}

    def routine(content: str, extended: bool) -> dict[int, bytes]:
        with psycopg.connect(dsn) as connection:
            rows = connection.execute(
                "select dia_source_id, packet from apdb.assemble_alerts(%s, %s, %s, %s)",
                (visit.visit, visit.detector, content, extended),
            ).fetchall()
        return {number: bytes(packet) for number, packet in rows}

    assert routine("full", False) == routine("no_stamps", False) == whole
    assert routine("no_histories", True) == routine("bare", True) == bare
    assert routine("bare", False) == strict


def plan_of(connection: psycopg.Connection[Any], visit: apdb.Visit, explain: str) -> list[str]:
    connection.execute(PLANNER)
    plan = connection.execute(
        f"{explain} select a.packet from apdb.assemble_packets("
        f"{visit.visit}, {visit.detector}::smallint, {visit.midpoint_mjd_tai}, "
        f"{visit.midpoint_mjd_tai - 365.0}, 1101::smallint, true, false, null, '', 0, false) as a"
    ).fetchall()
    connection.rollback()
    return [line.strip() for (line,) in plan]


def test_sources_of_a_visit_are_not_looked_for_among_those_of_all_visits(
    stored: list[Any], plain_connection: psycopg.Connection[Any]
) -> None:
    # To read them in the order of the objects from an index by object takes as long as the
    # partition is large; the planner does so where it can, since it may not sort.
    lines = plan_of(plain_connection, stored[-1].visit, "explain")
    scans = [k for k, line in enumerate(lines) if re.search(r"on dia_source_p\d+ ", line)]
    assert len(scans) == 1
    assert lines[scans[0] + 1].startswith("Index Cond: ")
    assert "visit = " in lines[scans[0] + 1]


def test_forced_photometry_is_read_from_the_index_alone(
    stored: list[Any], dsn: str, plain_connection: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        # What is committed, but not on the disk yet, vacuum does not take as seen by all.
        connection.execute("checkpoint")
        connection.execute("vacuum apdb_base.dia_forced_source_fragment")
    lines = plan_of(plain_connection, stored[-1].visit, "explain (analyze, timing off)")
    scans = [k for k, line in enumerate(lines) if " on dia_forced_source_fragment_p" in line]
    assert scans
    for k in scans:
        assert "Index Only Scan" in lines[k]
        assert "Heap Fetches: 0" in lines[k + 1 : k + 4]


def test_unknown_contents_and_visits_are_refused(
    stored: list[Any], plain_connection: psycopg.Connection[Any]
) -> None:
    visit = stored[-1].visit
    for values, state in (
        ((visit.visit, visit.detector, "all"), "VA001"),
        ((visit.visit, visit.detector, None), "VA001"),
        ((visit.visit + 99, visit.detector, "full"), "VA005"),
    ):
        with pytest.raises(psycopg.Error) as caught:
            plain_connection.execute("select * from apdb.assemble_alerts(%s, %s, %s)", values)
        plain_connection.rollback()
        assert caught.value.sqlstate == state
    with pytest.raises(psycopg.Error, match="fragments of schema 1000") as caught:
        plain_connection.execute(
            "select * from apdb.assemble_alerts(%s, %s, 'full', false, 1000)",
            (visit.visit, visit.detector),
        )
    assert caught.value.sqlstate == "VA001"


def test_solar_system_alerts_have_records_of_their_own_and_no_history(
    db: apdb.Apdb, dsn: str, tmp_path: Path, plain_connection: psycopg.Connection[Any]
) -> None:
    set_archive(dsn, tmp_path / "archive")
    shots = exposures(2, n=9, noise=0, span=0.02)
    plain_connection.execute(
        "insert into apdb_base.mpc_orbits (id, designation, packed_primary_provisional_designation, "
        "unpacked_primary_provisional_designation, a, e, created_at) "
        "select i, '2026 AB', 'K26A00B', '2026 AB', 2.5 + i, 0.125, '2026-03-01 10:00:00.25' "
        "from generate_series(1, 2) as i"
    )
    plain_connection.commit()
    for shot in shots:
        mjd = shot.visit.midpoint_mjd_tai
        where = {name: [float(shot.sources[name][0])] * 2 for name in ("ra", "dec")}
        times = {"mjd_tai": [mjd - 0.001, mjd + 0.001], "ss_object_id": [7, 7]}
        rates = {"ra_rate": [0.0, 0.0], "dec_rate": [0.0, 0.0], "designation": ["2026 AB"] * 2}
        db.load_ephemeris({**where, **times, **rates})
        report = db.store_visit(shot.visit, shot.sources, forced=forced)
        assert (report.ss_object_id != 0).sum() == 1
        number = int(report.dia_source_id[report.ss_object_id != 0][0])
        packet = assembled(plain_connection, shot.visit)[number]
        assert packet == Expected(plain_connection).packet(number)
        record = decode(packet, alert_schema())
        assert (
            record["diaObject"] is record["prvDiaSources"] is record["prvDiaForcedSources"] is None
        )
        assert record["ssSource"]["ssObjectId"] == 7
        assert record["mpc_orbits"]["a"] == 3.5  # of the lowest id


@pytest.mark.parametrize(
    ("columns", "changed", "wanted"),
    [
        ({"pixel_flags_streak_center": True}, {}, False),
        ({"pixel_flags_streak_center": True}, {"alert_flags": "glint_trail"}, True),
        ({"centroid_flag": True}, {}, True),
        ({"centroid_flag": True}, {"alert_flags": "centroid_flag, glint_trail"}, False),
        ({"pixel_flags_injected_center": True}, {}, False),
        ({"pixel_flags_injected_center": True}, {"alert_fakes": "true"}, True),
        ({"reliability": 0.25}, {}, True),
        ({"reliability": 0.25}, {"alert_reliability_min": 0.5}, False),
        ({}, {"alert_reliability_min": 0.5}, True),
    ],
)
def test_eligible(
    db: apdb.Apdb,
    dsn: str,
    tmp_path: Path,
    columns: dict[str, Any],
    changed: dict[str, Any],
    wanted: bool,
) -> None:
    set_archive(dsn, tmp_path / "archive", **changed)
    (shot,) = exposures(1, n=4, noise=2)
    n = len(shot.sources["dia_source_id"])
    special = {name: np.arange(n) == 0 for name in columns if columns[name] is True}
    special |= {
        name: np.where(np.arange(n) == 0, value, 0.9)
        for name, value in columns.items()
        if value is not True
    }
    db.store_visit(shot.visit, {**shot.sources, **special})
    found = eligible(db, shot.visit)
    assert (int(shot.sources["dia_source_id"][0]) in found) is wanted
    assert len(found) == n - (not wanted)
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select array_agg(dia_source_id) from apdb.alert").fetchone()
    assert row is not None
    assert set(row[0]) == found


def test_numbers_are_written_as_avro_does(plain_connection: psycopg.Connection[Any]) -> None:
    edges = [sign * 2**k + step for k in range(63) for sign in (-1, 1) for step in (-1, 0, 1)]
    random = np.random.default_rng(1).integers(-(2**63), 2**63 - 1, 2000).tolist()
    numbers = [*edges, *random, 2**63 - 1, -(2**63)]
    rows = plain_connection.execute(
        "select apdb.avro_long(u.x), apdb.avro_double(u.y) "
        "from unnest(%s::bigint[], %s::double precision[]) as u (x, y)",
        (numbers, [number / 7.0 for number in numbers]),
    ).fetchall()

    def avro(kind: str, value: float) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, kind, value)
        return out.getvalue()

    assert [row[0] for row in rows] == [avro("long", number) for number in numbers]
    assert [row[1] for row in rows] == [avro("double", number / 7.0) for number in numbers]


def test_self_check_finds_no_fault(db: apdb.Apdb, stored: list[Any]) -> None:
    assert stored
    assert check_fragments(db) == []
