"""The demonstration from end to end, small."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from io import BytesIO
from itertools import islice
from pathlib import Path

import fastavro
import psycopg
import pytest
from astropy.nddata import CCDData
from matplotlib.image import imread

import apdb
from apdb.archive.stamps import FIELDS
from apdb.cli.main import main
from apdb.demo import run as demo
from apdb.demo.broker import take_a_night
from apdb.demo.material import replayed, simulated
from apdb.demo.real_stamps import open_stamps
from apdb.server.cluster import Cluster
from pipeline.survey import Field, SurveyConfig

SMALL = SurveyConfig(
    seed=3,
    fields=(Field("RA 0", 0.0, -7.5, crowded_pairs=0), Field("pole", 30.0, 90.0, crowded_pairs=0)),
    n_visits=12,
    n_detectors=1,
    objects_per_detector=60,
    noise_per_detector=5.0,
    movers_per_field=8,
)


def run_command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["apdb", *arguments])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_small_night(db: apdb.Apdb, tmp_path: Path) -> None:
    material = simulated(config=SMALL)
    assert material.n_visits == 12
    report = demo.run(db, material)
    with db.reading() as connection:
        counts = connection.execute(
            "select (select count(*) from apdb.visit), (select count(*) from apdb.dia_source), "
            "(select count(*) from apdb.dia_object), "
            "(select count(*) from apdb.dia_source as s where coalesce(s.ss_object_id, 0) <> 0), "
            "(select count(distinct ss_object_id) from apdb.ephemeris)"
        ).fetchone()
    assert counts[:3] == (12, report.n_sources, report.n_objects)
    assert counts[3] >= report.n_attributed == report.n_known_moving > 0
    assert counts[4] == 2 * 6  # three quarters of eight in each field are known
    assert report.truth.n_recurring > 50
    assert report.truth.unsplit_fraction == 1.0
    assert report.truth.merges == {}
    steps = list(report.timings)
    assert steps[:3] == ["validate", "begin", "copy"]
    assert steps[-2:] == ["commit and the rest", "total"]
    # Each is part of its visit; medians of several need not add up to that of the whole.
    assert all(0 <= report.timings[step] < report.timings["total"] for step in steps[:-1])

    demo.draw(db, report, tmp_path / "new" / "folder")
    assert [path.name for path in report.figures] == ["sky.png", "light_curves.png"]
    for path in report.figures:
        pixels = imread(path)[..., :3]
        assert pixels.shape[1] > 1000
        assert pixels.std() > 0.05  # not a blank page

    again = demo.run(db, simulated(config=SMALL))
    assert (again.n_objects, again.n_sources) == (report.n_objects, report.n_sources)
    assert again.truth.n_whole == report.truth.n_whole
    assert not (tmp_path / "archive").exists()


def test_steps_of_a_visit_add_up(db: apdb.Apdb) -> None:
    timings = demo.run(db, simulated(config=replace(SMALL, n_visits=1))).timings
    assert timings["total"] > 0
    assert sum(timings.values()) == pytest.approx(2 * timings["total"])


def test_a_night_for_a_broker(db: apdb.Apdb, tmp_path: Path) -> None:
    db.set_setting("archive_url", tmp_path / "archive")
    assert take_a_night(db, tmp_path).night is None  # nothing stored yet

    report = demo.run(db, simulated(config=SMALL))
    assert {"fragments", "alerts"} < set(report.timings)
    found = take_a_night(db, tmp_path / "new")
    with db.reading() as connection:
        eligible, stamped = connection.execute(
            "with v as (select visit, detector, row_number() over (order by midpoint_mjd_tai desc) "
            "from apdb.visit) "
            "select count(*), count(*) filter (where row_number <= 8) "
            "from v cross join lateral apdb.eligible_sources(visit, detector)"
        ).fetchone()
    assert found.n_alerts == found.n_exported == found.n_read == found.n_decoded == eligible > 100
    assert found.n_with_stamps == stamped > 0
    files = list((tmp_path / "archive").rglob("*.avro"))
    assert (found.n_files, found.n_bytes) == (len(files), sum(f.stat().st_size for f in files))
    assert found.file.stat().st_size == found.file_bytes

    with found.file.open("rb") as file:
        alerts = {alert["diaSourceId"]: alert for alert in fastavro.reader(file)}
    assert sum(alert["ssSource"] is not None for alert in alerts.values()) == found.n_of_ss_objects
    histories = [len(a["prvDiaSources"] or ()) for a in alerts.values()]
    assert sum(n > 0 for n in histories) == found.n_with_history > 50
    example = alerts[found.example]
    stamp = CCDData.read(BytesIO(example["cutoutDifference"]), format="fits")
    assert stamp.shape == (30, 30)
    assert len(example["prvDiaSources"]) > 0


def test_command_on_a_database_of_its_own(
    dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("APDB_DSN", dsn)
    options = ["demo", "--seed", "5", "--limit", "4", "--out", str(tmp_path / "figures")]
    assert run_command(monkeypatch, *options) == 0
    out = capsys.readouterr().out
    assert "a simulated night, seed 5" in out
    for word in ("visits", "sources", "objects", "splits", "merges", "total", dsn, "psql -c"):
        assert word in out
    assert "read back" in out
    # an empty database without an archive gets one beside the figures
    assert str(tmp_path / "figures" / "archive") in out
    (night,) = (tmp_path / "figures").glob("alerts-*.avro")
    suggested = re.search(r"alerts get (\d+) .*--out", out)
    assert run_command(monkeypatch, "alerts", "get", suggested[1], "--json") == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["alert"]["diaSourceId"] == suggested[1]
    with night.open("rb") as file:
        assert int(suggested[1]) in {alert["diaSourceId"] for alert in fastavro.reader(file)}
    assert (tmp_path / "figures" / "sky.png").stat().st_size > 10_000

    # a second one must not mix with what somebody may want to keep
    assert run_command(monkeypatch, *options) == 2
    assert "holds visits already" in capsys.readouterr().err
    assert run_command(monkeypatch, "--json", *options, "--keep") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n_visits"] == 4
    assert report["archive"]["n_exported"] == report["archive"]["n_alerts"]


def test_database_without_archive_makes_no_alerts(
    dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["demo", "--limit", "2", "--keep", "--out", str(tmp_path / "figures")]
    assert run_command(monkeypatch, "--dsn", dsn, *options) == 0
    assert "this database has no archive" in capsys.readouterr().out
    assert not (tmp_path / "figures" / "archive").exists()


def test_own_database_is_made_anew_unless_kept(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "Cluster", lambda: cluster)
    monkeypatch.setattr(demo, "DATABASE", "apdb_demo_test")
    visit = apdb.Visit(1, 1, "g", 61109.1, 30.0, ra=150.0, dec=2.0, radius=0.2)

    def n_visits(*, keep: bool) -> int:
        dsn = demo.private_database(keep=keep)
        with psycopg.connect(dsn) as connection:
            return connection.execute("select count(*) from apdb.visit").fetchone()[0]

    archive = cluster.root / "archive" / "apdb_demo_test"
    try:
        with apdb.connect(demo.private_database()) as db:
            assert db.settings()["archive_url"].value == str(archive)
            db.store_visit(visit, None)
        assert len(list(archive.rglob("*.packets.avro"))) == 1
        assert n_visits(keep=True) == 1
        assert len(list(archive.rglob("*.packets.avro"))) == 1
        assert n_visits(keep=False) == 0
        assert not archive.exists()
    finally:
        with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
            connection.execute("drop database if exists apdb_demo_test with (force)")


def test_files_that_are_no_alerts(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = str(tmp_path / "absent.avro")
    assert run_command(monkeypatch, "--dsn", dsn, "demo", "--alerts", absent) == 2
    assert "No such file" in capsys.readouterr().err


def test_stamps_of_real_alerts(test_data: Path) -> None:
    path = test_data / "rubin" / "alerts.avro"
    with path.open("rb") as file:
        sent = {alert["diaSourceId"]: alert for alert in islice(fastavro.reader(file), 5)}
    with open_stamps(path) as stamps:
        for identifier, alert in sent.items():
            found = stamps.of([-1, identifier])
            for kind, name in FIELDS.items():
                assert found[kind] == [None, alert[name]]
        assert stamps.of([-1]) is None


@pytest.mark.slow
def test_replay_of_real_alerts(db: apdb.Apdb, test_data: Path, tmp_path: Path) -> None:
    material = replayed(test_data / "rubin" / "alerts.avro")
    assert material.n_visits == 30_091  # said by the README of the data
    report = demo.run(db, material.first(400), radius=1.5)
    assert report.n_visits == 400
    assert report.truth.splits == {}
    assert report.truth.merges == {}
    demo.draw(db, report, tmp_path)
    assert len(report.figures) == 2
