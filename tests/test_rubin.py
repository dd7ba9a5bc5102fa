"""Real alert packets as tables and visits."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import fastavro
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

import apdb
from apdb.errors import InvalidInput
from apdb.rubin import AlertTables, AlertVisit, read_alerts, visits
from apdb.schema.catalogue import table

DATA = Path(os.environ.get("APDB_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
ALERTS = DATA / "rubin" / "alerts.avro"
needs_alerts = pytest.mark.skipif(
    not ALERTS.exists(), reason=f"no real alerts at {ALERTS}: set APDB_TEST_DATA"
)


@pytest.fixture(scope="module")
def packets() -> list[dict]:
    with ALERTS.open("rb") as stream:
        return list(fastavro.reader(stream))


@pytest.fixture(scope="module")
def tables() -> AlertTables:
    return read_alerts(ALERTS)


@pytest.fixture(scope="module")
def replay(tables) -> list[AlertVisit]:
    return list(visits(tables))


@needs_alerts
def test_counts_of_the_real_alerts(tables):
    assert tables.schema == "lsst.v10_0"
    assert len(tables.trigger) == 88
    assert len(np.unique(tables.dia_source["dia_source_id"])) == 31_939
    assert len(tables.dia_source["dia_source_id"]) == 31_939
    assert len(tables.dia_forced_source["visit"]) == 43_376
    owners = np.ma.filled(np.ma.asarray(tables.dia_source["dia_object_id"]), 0)
    assert len(np.unique(owners[owners != 0])) == 60
    assert len(tables.dia_object["dia_object_id"]) == 60
    assert len(tables.ss_source["dia_source_id"]) == 21
    assert len(np.unique(tables.mpc_orbits["designation"])) == 21
    assert set(tables.dia_source["band"].tolist()) == set("ugrizy")
    assert tables.left_out == {}


@needs_alerts
def test_every_value_is_that_of_the_packet(tables, packets):
    """All fields of all triggering sources and of their first forced source, null for null."""
    rows = {id_: i for i, id_ in enumerate(tables.dia_source["dia_source_id"].tolist())}
    forced = tables.dia_forced_source
    keys = zip(
        *(forced[name].tolist() for name in ("dia_object_id", "visit", "detector")), strict=True
    )
    forced_rows = {key: i for i, key in enumerate(keys)}
    for packet in packets:
        source = packet["diaSource"]
        same("dia_source", tables.dia_source, rows[source["diaSourceId"]], source)
        for row in (packet["prvDiaForcedSources"] or ())[:1]:
            key = (row["diaObjectId"], row["visit"], row["detector"])
            same("dia_forced_source", forced, forced_rows[key], row)


def same(name: str, columns: dict, row: int, packet: dict) -> None:
    for packet_name, expected in packet.items():
        column = columns[table(name).column(packet_name).name]
        if expected is None:
            assert np.ma.getmaskarray(column)[row], packet_name
        else:
            assert not np.ma.getmaskarray(column)[row], packet_name
            assert column[row] == expected, packet_name


@needs_alerts
def test_orbits_and_solar_system_sources(tables, packets):
    expected = {p["mpc_orbits"]["designation"]: p["mpc_orbits"] for p in packets if p["mpc_orbits"]}
    for row, name in enumerate(tables.mpc_orbits["designation"].tolist()):
        assert tables.mpc_orbits["q"][row] == expected[name]["q"]
        made = expected[name]["created_at"].replace(tzinfo=None)
        assert tables.mpc_orbits["created_at"][row].item() == made
    assert set(tables.ss_source["dia_source_id"].tolist()) <= set(tables.trigger.tolist())


@needs_alerts
def test_types_are_those_of_the_catalogue(tables):
    for name in ("dia_source", "dia_forced_source"):
        for column_name, column in getattr(tables, name).items():
            expected = table(name).column(column_name).numpy_dtype
            assert column.dtype.kind == expected.kind, column_name
            assert column.dtype.itemsize >= expected.itemsize, column_name


@needs_alerts
def test_visits_are_all_sources_once_in_time_order(tables, replay):
    assert len(replay) == 30_091
    assert len({(v.visit["visit"], v.visit["detector"]) for v in replay}) == 30_091
    sizes = Counter(len(v.truth) for v in replay)
    assert sizes == {1: 28_292, 2: 1_750, 3: 49}
    times = [v.visit["midpoint_mjd_tai"] for v in replay]
    assert times == sorted(times)
    ids = np.concatenate([v.sources["dia_source_id"] for v in replay])
    np.testing.assert_array_equal(np.sort(ids), np.sort(tables.dia_source["dia_source_id"]))


@needs_alerts
def test_visits_hold_what_the_table_holds(tables, replay):
    place = np.argsort(tables.dia_source["dia_source_id"])
    known = tables.dia_source["dia_source_id"][place]
    for replayed in replay[::500]:
        rows = place[np.searchsorted(known, replayed.sources["dia_source_id"])]
        for name in ("visit", "detector", "band", "midpoint_mjd_tai"):
            assert set(tables.dia_source[name][rows].tolist()) == {replayed.visit[name]}
        for name, values in replayed.sources.items():
            expected = tables.dia_source[name][rows]
            np.testing.assert_array_equal(np.ma.getmaskarray(values), np.ma.getmaskarray(expected))
            assert np.ma.allequal(values, expected), name
        gone = set(tables.dia_source) - set(replayed.sources) - set(replayed.visit)
        for name in gone - {"dia_object_id", "ss_object_id"}:
            assert np.ma.getmaskarray(tables.dia_source[name])[rows].all(), name


@needs_alerts
def test_visits_tell_nothing_of_rubins_association(replay):
    assert not any({"dia_object_id", "ss_object_id"} & set(v.sources) for v in replay)


@needs_alerts
def test_footprints_hold_their_sources(replay):
    sizes = [len(v.truth) for v in replay]
    centre = SkyCoord(
        np.repeat([v.visit["ra"] for v in replay], sizes),
        np.repeat([v.visit["dec"] for v in replay], sizes),
        unit="deg",
    )
    ra = np.concatenate([v.sources["ra"] for v in replay])
    dec = np.concatenate([v.sources["dec"] for v in replay])
    radius = np.repeat([v.visit["radius"] for v in replay], sizes)
    assert (centre.separation(SkyCoord(ra, dec, unit="deg")).deg < radius).all()
    assert radius.min() == 0.2
    for replayed in replay[::1000]:
        apdb.Visit(**replayed.visit)


@needs_alerts
def test_true_objects_are_rubins(tables, packets):
    ids = [p["diaSource"]["diaSourceId"] for p in packets]
    expected = [p["diaSource"]["diaObjectId"] or 0 for p in packets]
    assert tables.true_objects(ids).tolist() == expected
    with pytest.raises(KeyError, match="no source 12345"):
        tables.true_objects([12345])


def small_tables(**columns) -> AlertTables:
    """Return tables with a few sources and nothing else."""
    n = len(columns["ra"])
    source = {
        "dia_source_id": np.arange(1, n + 1),
        "visit": np.ones(n, np.int64),
        "detector": np.ones(n, np.int32),
        "band": np.array(["r"] * n, object),
        "midpoint_mjd_tai": np.full(n, 61000.0),
        "dia_object_id": np.zeros(n, np.int64),
    }
    source |= {name: np.asarray(values) for name, values in columns.items()}
    return AlertTables("lsst.v11_1", np.array([1]), source, {}, {}, {}, {})


@pytest.mark.parametrize(
    ("ra", "dec"),
    [([359.9, 0.1], [0.0, 0.0]), ([0.0, 90.0, 180.0, 270.0], [89.9] * 4), ([10.0], [-90.0])],
)
def test_footprints_at_ra_0_and_the_poles(ra, dec):
    (only,) = visits(small_tables(ra=ra, dec=dec), minimum_radius=0.05)
    centre = SkyCoord(only.visit["ra"], only.visit["dec"], unit="deg")
    apart = centre.separation(SkyCoord(ra, dec, unit="deg")).deg
    assert (apart < only.visit["radius"]).all()
    assert only.visit["radius"] < 0.11


def test_one_exposure_with_two_midpoints_is_refused():
    tables = small_tables(
        ra=[1.0, 1.0, 1.0],
        dec=[1.0, 1.0, 1.0],
        midpoint_mjd_tai=[61000.0, 61001.0, 61002.0],
        visit=[5, 6, 5],
    )
    with pytest.raises(InvalidInput, match="visit 5, detector 1 have several midpoints"):
        list(visits(tables))


def test_no_sources_no_visits():
    assert list(visits(small_tables(ra=[], dec=[]))) == []


def write(path: Path, schema: dict, records: list[dict]) -> Path:
    with path.open("wb") as stream:
        fastavro.writer(stream, fastavro.parse_schema(schema), records)
    return path


@needs_alerts
@pytest.mark.parametrize("version", ["v10_0", "v11_1"])
def test_versions_and_unknown_fields(tmp_path, packets, version):
    """A newer packet with a field that the catalogue lacks is read, and the field is named."""
    with ALERTS.open("rb") as stream:
        text = json.dumps(fastavro.reader(stream).writer_schema)
    schema = json.loads(text.replace("v10_0", version))
    fields = next(f for f in schema["fields"] if f["name"] == "diaSource")["type"]["fields"]
    fields.append({"name": "wobble", "type": ["null", "float"]})
    path = write(tmp_path / "new.avro", schema, packets[:3])
    read = read_alerts(path)
    assert read.schema == f"lsst.{version}"
    assert read.left_out == {"dia_source": ("wobble",)}
    assert read.trigger.tolist() == [p["diaSourceId"] for p in packets[:3]]


def test_other_records_are_refused(tmp_path):
    schema = {"type": "record", "name": "candidate", "namespace": "ztf", "fields": []}
    path = write(tmp_path / "ztf.avro", schema, [{}])
    with pytest.raises(InvalidInput, match=r"holds records ztf\.candidate, not LSST alerts"):
        read_alerts(path)


def test_other_versions_are_refused(tmp_path):
    schema = {"type": "record", "name": "alert", "namespace": "lsst.v7_4", "fields": []}
    path = write(tmp_path / "old.avro", schema, [{}])
    with pytest.raises(InvalidInput, match="versions 10 and 11 can be read"):
        read_alerts(path)


def test_a_file_that_is_not_avro_is_refused(tmp_path):
    path = tmp_path / "text.avro"
    path.write_text("not avro")
    with pytest.raises(InvalidInput, match="no whole Avro object container file"):
        read_alerts(path)


@needs_alerts
@pytest.mark.parametrize("share", [0.3, 0.62, 0.999])
def test_a_file_cut_short_is_refused(tmp_path, share):
    whole = ALERTS.read_bytes()
    path = tmp_path / "cut.avro"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InvalidInput, match="no whole Avro object container file"):
        read_alerts(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.avro"):
        read_alerts(tmp_path / "none.avro")
