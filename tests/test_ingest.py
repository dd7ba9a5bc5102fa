"""Ingest of catalogue files: four formats, visits told apart, repeats, refusals."""

from __future__ import annotations

import gzip
import json
import sys
import threading
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, Table

import apdb
from apdb.cli.main import main
from apdb.ingest.run import ingest
from apdb.ingest.said import VisitOptions
from pipeline.survey import Field, SurveyConfig, simulate

MJD = 61109.1447
FIELD = Field("test", 150.1, 2.2, crowded_pairs=0)
OF_VISIT = {"visit": 7, "detector": 3, "band": "g", "midpoint_mjd_tai": MJD, "exposure_time": 30.0}


def rows(first_id: int = 101, n: int = 3) -> Table:
    """Sources 20 arcsec apart, with a column of missing values."""
    table = Table(
        {
            "diaSourceId": np.arange(first_id, first_id + n),
            "ra": 150.1 + np.arange(n) / 180,
            "dec": np.full(n, 2.2),
            "psfFlux": np.linspace(1000, 2000, n),
            "psfFluxErr": np.full(n, 50.0),
        },
        units={"ra": "deg", "dec": "deg", "psfFlux": "nJy", "psfFluxErr": "nJy"},
    )
    snr = np.arange(n, dtype=np.float32) + 20
    table["snr"] = MaskedColumn(snr, mask=np.arange(n) == 1)
    table["isNegative"] = np.arange(n) % 2 == 1
    return table


def with_columns(table: Table, **of_visit: Any) -> Table:
    for name, value in of_visit.items():
        table[name] = value
    return table


def write_avro(table: Table, path: Path, meta: dict[str, str] | None = None) -> None:
    kinds = {"i": "long", "f": "double", "b": "boolean", "U": "string"}
    fields = [
        {"name": name, "type": ["null", kinds[table[name].dtype.kind]]} for name in table.colnames
    ]
    records = [
        {name: None if row[name] is np.ma.masked else row[name].item() for name in table.colnames}
        for row in table
    ]
    schema = {"type": "record", "name": "source", "fields": fields}
    with path.open("wb") as stream:
        fastavro.writer(stream, schema, records, metadata=meta or {})


def write(table: Table, path: Path) -> Path:
    """Write columns and metadata of a table in the format that the suffix says."""
    meta = dict(table.meta)
    if path.suffix == ".avro":
        write_avro(table, path, {key: str(value) for key, value in meta.items()})
    elif path.suffix == ".parquet":
        arrays = {
            name: pa.array(np.asarray(table[name]), mask=np.ma.getmaskarray(table[name]))
            for name in table.colnames
        }
        arrow = pa.table(arrays)
        pq.write_table(arrow.replace_schema_metadata({k: str(v) for k, v in meta.items()}), path)
    elif path.suffix == ".fits":
        header = fits.Header([(f"HIERARCH {k}" if len(k) > 8 else k, v) for k, v in meta.items()])
        hdu = fits.table_to_hdu(Table(table, meta={}))
        fits.HDUList([fits.PrimaryHDU(header=header), hdu]).writeto(path)
    else:
        table.write(path, format="ascii.ecsv")
    return path


@pytest.fixture(params=["parquet", "fits", "ecsv", "avro"])
def suffix(request: pytest.FixtureRequest) -> str:
    return request.param


def stored(db: apdb.Apdb) -> list[tuple]:
    with db.reading() as connection:
        return connection.execute(
            "select visit, detector, band, dia_source_id, ra, psf_flux, snr, is_negative "
            "from apdb.dia_source order by dia_source_id"
        ).fetchall()


def visits(db: apdb.Apdb) -> list[tuple]:
    with db.reading() as connection:
        return connection.execute(
            "select visit, detector, ra, dec, radius, n_dia_sources, exposure_time "
            "from apdb.visit order by visit, detector"
        ).fetchall()


EXPECTED = [
    (7, 3, "g", 101, 150.1, 1000.0, 20.0, False),
    (7, 3, "g", 102, 150.1 + 1 / 180, 1500.0, None, True),
    (7, 3, "g", 103, 150.1 + 2 / 180, 2000.0, 22.0, False),
]


def test_visit_from_columns_in_every_format(db: apdb.Apdb, tmp_path: Path, suffix: str) -> None:
    path = write(with_columns(rows(), **OF_VISIT), tmp_path / f"visit.{suffix}")
    summary = ingest(db, [path])
    assert [o.reason for o in summary.refused] == []
    assert (summary.count("stored"), summary.exit_code) == (1, 0)
    assert summary.outcomes[0].n_new_objects == 3
    assert stored(db) == EXPECTED
    again = ingest(db, [path])
    assert (again.count("skipped"), again.exit_code) == (1, 0)
    assert again.outcomes[0].reason == "stored already"
    assert stored(db) == EXPECTED


def test_visit_and_footprint_from_metadata_in_every_format(
    db: apdb.Apdb, tmp_path: Path, suffix: str
) -> None:
    table = rows()
    table.meta = OF_VISIT | {"ra": 150.11, "dec": 2.21, "radius": 0.15}
    summary = ingest(db, [write(table, tmp_path / f"visit.{suffix}")])
    assert [o.reason for o in summary.refused] == []
    assert stored(db) == EXPECTED
    assert visits(db) == [(7, 3, 150.11, 2.21, pytest.approx(0.15), 3, 30.0)]


def test_visit_from_options_in_every_format(db: apdb.Apdb, tmp_path: Path, suffix: str) -> None:
    options = VisitOptions(**OF_VISIT, ra=150.1, dec=2.2, radius=0.3)
    summary = ingest(db, [write(rows(), tmp_path / f"a.{suffix}")], options=options)
    assert [o.reason for o in summary.refused] == []
    assert stored(db) == EXPECTED
    assert visits(db)[0][2:5] == (150.1, 2.2, pytest.approx(0.3))


def test_short_fits_keywords_and_telescope_coordinates(db: apdb.Apdb, tmp_path: Path) -> None:
    table = rows()
    table.meta = {"VISIT": 7, "DETECTOR": 3, "FILTER": "g", "MIDPOINT": MJD, "EXPTIME": 30.0}
    table.meta |= {"RA": "10:00:24", "DEC": "+02:12:00"}
    path = write(table, tmp_path / "a.fits")
    packed = tmp_path / "a.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert ingest(db, [packed]).refused == ()
    assert stored(db) == EXPECTED
    assert ingest(db, [path]).count("skipped") == 1


def test_units_of_files_are_heeded(db: apdb.Apdb, tmp_path: Path) -> None:
    table = with_columns(rows(), **OF_VISIT)
    table["psfFlux"] = (table["psfFlux"].quantity).to(u.uJy)
    table["psfFluxErr"] = (table["psfFluxErr"].quantity).to(u.uJy)
    for number, suffix in enumerate(("parquet", "fits", "ecsv")):
        path = tmp_path / f"a.{suffix}"
        table["diaSourceId"] = np.arange(3) + 101 + 10 * number
        table["visit"] = 7 + number
        table.write(path)  # by astropy, with its own way to note units in each format
        assert ingest(db, [path]).refused == ()
    assert [row[5] for row in stored(db)] == pytest.approx([1000.0, 1500.0, 2000.0] * 3)


def test_computed_footprint_holds_the_sources_with_a_margin(db: apdb.Apdb, tmp_path: Path) -> None:
    table = with_columns(rows(), **OF_VISIT)
    table["ra"] = [359.9, 0.0, 0.1]
    assert ingest(db, [write(table, tmp_path / "a.fits")]).refused == ()
    half_width = 0.1 * np.cos(np.radians(2.2))  # on the sphere, to second order
    ((_, _, ra, dec, radius, _, _),) = visits(db)
    assert min(ra, 360 - ra) < 1e-9
    assert dec == pytest.approx(2.2, abs=1e-4)
    assert radius == pytest.approx(1.05 * half_width, rel=1e-4)


def test_visits_of_one_file_are_told_apart_and_stored_in_time_order(
    db: apdb.Apdb, tmp_path: Path, suffix: str
) -> None:
    survey = simulate(
        SurveyConfig(fields=(FIELD,), n_visits=3, objects_per_detector=20, noise_per_detector=2.0)
    )
    parts = []
    for simulated in survey.visits():
        names = ("dia_source_id", "ra", "dec", "psf_flux", "psf_flux_err")
        of_visit = {name: simulated.visit[name] for name in OF_VISIT}
        part = Table({name: simulated.sources[name] for name in names})
        parts.append(
            {n: np.asarray(part[n]) for n in names}
            | {n: np.full(len(part), value) for n, value in of_visit.items()}
        )
    together = Table({name: np.concatenate([p[name] for p in parts]) for name in parts[0]})
    shuffled = together[np.random.default_rng(1).permutation(len(together))]
    path = write(shuffled, tmp_path / f"night.{suffix}")
    summary = ingest(db, [path])
    assert summary.refused == ()
    assert summary.count("stored") == len(parts) == 6
    with db.reading() as connection:
        times = connection.execute("select midpoint_mjd_tai from apdb.visit order by store_seq")
        midpoints = [time for (time,) in times.fetchall()]
    assert midpoints == sorted(midpoints)
    assert len(stored(db)) == len(together)
    assert ingest(db, [path]).count("skipped") == 6


def test_a_visit_without_sources_is_a_visit(db: apdb.Apdb, tmp_path: Path) -> None:
    table = rows()[:0]
    table.meta = OF_VISIT | {"ra": 150.1, "dec": 2.2, "radius": 0.2}
    for number, suffix in enumerate(("parquet", "fits", "ecsv", "avro")):
        table.meta["visit"] = number
        assert ingest(db, [write(table, tmp_path / f"a.{suffix}")]).refused == ()
    assert [row[5] for row in visits(db)] == [0, 0, 0, 0]


def bad_file(tmp_path: Path) -> Path:
    """Visits 7, 8 and 9, of which 8 has a bad row: row 4 of the file."""
    tables = [
        with_columns(rows(100 * n), **(OF_VISIT | {"visit": n, "midpoint_mjd_tai": MJD + n / 100}))
        for n in (7, 8, 9)
    ]
    together = Table({n: np.concatenate([t[n] for t in tables]) for n in tables[0].colnames})
    together["psfFluxErr"][4] = -1.0
    return write(together, tmp_path / "three.parquet")


def test_refusal_ends_the_ingest_and_names_the_row_of_the_file(
    db: apdb.Apdb, tmp_path: Path
) -> None:
    path = bad_file(tmp_path)
    summary = ingest(db, [path, tmp_path / "later.fits"])
    assert [o.state for o in summary.outcomes] == ["stored", "refused"]
    assert summary.stopped
    assert (summary.n_visits_left, summary.n_files_left, summary.exit_code) == (1, 1, 2)
    (refused,) = summary.refused
    assert (refused.visit, refused.error) == (8, "InvalidInput")
    assert "row 4, column psfFluxErr = -1.0: must be positive" in refused.reason
    assert len(stored(db)) == 3


def test_keep_going_stores_the_rest_and_repeating_resumes(db: apdb.Apdb, tmp_path: Path) -> None:
    path, broken = bad_file(tmp_path), tmp_path / "broken.fits"
    broken.write_bytes(b"SIMPLE  =                    T" + b" " * 100)
    note = tmp_path / "note.txt"
    note.write_text("hello")
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(path.read_bytes()[:200])
    files = [broken, note, cut, tmp_path / "absent.fits", path]
    summary = ingest(db, files, keep_going=True)
    states = [o.state for o in summary.outcomes]
    assert states == ["refused"] * 4 + ["stored", "refused", "stored"]
    assert not summary.stopped
    reasons = [o.reason for o in summary.refused]
    assert "cannot be read" in reasons[0]
    assert "no catalogue that can be read: give Parquet, FITS, ECSV or Avro" in reasons[1]
    assert "cannot be read" in reasons[2]
    assert "No such file" in reasons[3]
    again = ingest(db, [path], keep_going=True)
    assert [o.state for o in again.outcomes] == ["skipped", "refused", "skipped"]


def test_other_content_under_a_stored_visit_is_refused(db: apdb.Apdb, tmp_path: Path) -> None:
    ingest(db, [write(with_columns(rows(), **OF_VISIT), tmp_path / "a.ecsv")])
    changed = with_columns(rows(), **OF_VISIT)
    changed["psfFlux"][0] += 1
    summary = ingest(db, [write(changed, tmp_path / "b.ecsv")])
    assert summary.exit_code == apdb.VisitConflict.exit_code
    assert "stored already with other content" in summary.refused[0].reason
    assert stored(db) == EXPECTED


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"visit": 7, "detector": 3, "band": "g"}, "does not say midpoint_mjd_tai"),
        ({}, "does not say visit, detector, band, midpoint_mjd_tai"),
        (OF_VISIT | {"band": "V"}, "unknown band 'V'"),
        (OF_VISIT | {"mag": 20.0}, "unknown column of dia_source"),
        (OF_VISIT | {"midpoint_mjd_tai": [MJD, MJD, MJD + 1]}, "row 2, column midpoint_mjd_tai"),
        (OF_VISIT | {"visit_radius": [0.1, 0.2, 0.1]}, "one value in all rows"),
        (OF_VISIT | {"visit": MaskedColumn([7, 7, 7], mask=[0, 1, 0])}, "row 1, column visit"),
        (OF_VISIT | {"ra": [0.0, 120.0, 240.0], "dec": 0.0}, "all over the sky"),
    ],
)
def test_what_a_file_cannot_say_is_named(
    db: apdb.Apdb, tmp_path: Path, columns: dict[str, Any], said: str
) -> None:
    path = write(with_columns(rows(), **columns), tmp_path / "a.ecsv")
    summary = ingest(db, [path])
    assert summary.exit_code == 2
    assert said in summary.refused[0].reason
    assert visits(db) == []


def test_options_that_contradict_the_file_are_refused(db: apdb.Apdb, tmp_path: Path) -> None:
    path = write(with_columns(rows(), **OF_VISIT), tmp_path / "a.fits")
    summary = ingest(db, [path], options=VisitOptions(visit=8))
    assert "disagrees with the visit, which has 8" in summary.refused[0].reason
    with pytest.raises(apdb.InvalidInput, match="all three or none"):
        VisitOptions(ra=1.0)
    with pytest.raises(apdb.InvalidInput, match="radius"):
        ingest(db, [path], radius=0.0)


def test_dry_run_writes_nothing(db: apdb.Apdb, tmp_path: Path) -> None:
    path = write(with_columns(rows(), **OF_VISIT), tmp_path / "a.fits")
    summary = ingest(db, [path], dry_run=True, radius=2.0, associate="likelihood")
    assert [o.state for o in summary.outcomes] == ["dry run"]
    assert summary.outcomes[0].n_new_objects == 3
    assert stored(db) == []


def test_held_sky_is_waited_for(
    dsn: str, plain_connection: psycopg.Connection, tmp_path: Path
) -> None:
    path = write(with_columns(rows(), **OF_VISIT), tmp_path / "a.fits")
    plain_connection.execute("select apdb.lock_visit(7, 3)")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            plain_connection.rollback()

    with apdb.connect(dsn, busy_timeout=0.1) as db:
        assert ingest(db, [path], pause=pause).count("stored") == 1
        assert pauses == [0.5, 1.0]
        plain_connection.execute("select apdb.lock_visit(8, 3)")
        other = write(with_columns(rows(201), **(OF_VISIT | {"visit": 8})), tmp_path / "b.fits")
        summary = ingest(db, [other], pause=pauses.append)
    assert pauses[2:] == [0.5, 1.0, 2.0, 4.0]
    assert summary.refused[0].error == "Busy"


def test_two_ingests_at_once_store_every_visit_once(dsn: str, tmp_path: Path) -> None:
    tables = [with_columns(rows(100 * n), **(OF_VISIT | {"visit": n})) for n in range(1, 9)]
    paths = [write(table, tmp_path / f"{i}.fits") for i, table in enumerate(tables)]
    with apdb.connect(dsn) as db:
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda order=order: found.append(ingest(db, order)))
            for order in (paths, paths[::-1])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(each.count("stored") for each in found) == 8
        assert sum(each.count("skipped") for each in found) == 8
        assert len(visits(db)) == 8


def test_alert_packets_are_replayed(db: apdb.Apdb, test_data: Path, tmp_path: Path) -> None:
    """The first two alerts of the real file, so that it is quick; the benchmark replays all."""
    whole = test_data / "rubin" / "alerts.avro"
    part = tmp_path / "part.avro"
    with whole.open("rb") as stream:
        reader = fastavro.reader(stream)
        alerts = sorted(reader, key=lambda alert: len(alert["prvDiaSources"] or ()))
        alerts = [alert for alert in alerts if alert["prvDiaSources"]][:2]
        with part.open("wb") as out:
            fastavro.writer(out, fastavro.parse_schema(reader.writer_schema), alerts)
    sent = {alert["diaSource"]["diaSourceId"] for alert in alerts}
    sent |= {row["diaSourceId"] for alert in alerts for row in alert["prvDiaSources"]}
    summary = ingest(db, [part], radius=1.5)
    assert summary.refused == ()
    assert {row[3] for row in stored(db)} == sent
    refused = ingest(db, [part], options=VisitOptions(band="g"))
    assert "say band themselves" in refused.refused[0].reason


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["apdb", *arguments])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_command_prints_what_became_of_the_visits(
    dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = str(bad_file(tmp_path))
    assert run(monkeypatch, "--dsn", dsn, "store", path) == 2
    out = capsys.readouterr().out
    assert "visit 8 detector 3: InvalidInput" in out
    assert "row 4, column psfFluxErr" in out
    assert "1 visits of this file and 0 files were not tried" in out
    assert run(monkeypatch, "--dsn", dsn, "--json", "store", path, "--keep-going") == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["stored"], told["skipped"], told["refused"]) == (1, 1, 1)
    good = str(write(rows(1001), tmp_path / "good.fits"))
    options = ["--visit", "10", "--detector", "3", "--band", "r", "--midpoint", str(MJD)]
    options += ["--ra", "150.1", "--dec", "2.2", "--footprint-radius", "0.2", "--radius", "1.5"]
    assert run(monkeypatch, "--dsn", dsn, "store", good, *options) == 0
    assert run(monkeypatch, "--dsn", dsn, "store", good, *options) == 0
    assert "skipped: 1 stored already" in capsys.readouterr().out
