"""`apdb db`: schema, settings and filters from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

import apdb
from apdb.cli.main import main
from apdb.server.cluster import Cluster

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process: exit code, standard output, standard error."""

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["apdb", *arguments])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as end:
            main()
        output = capsys.readouterr()
        return int(end.value.code or 0), output.out, output.err

    return command


@pytest.fixture
def empty_dsn(cluster: Cluster) -> Iterator[str]:
    """A database without any schema."""
    name = sql.Identifier("apdb_empty")
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(name))
        try:
            yield cluster.dsn("apdb_empty")
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(name))


def test_upgrade_of_an_empty_database_from_nothing_to_current(run: Run, empty_dsn: str) -> None:
    code, out, _ = run("--dsn", empty_dsn, "db", "status")
    assert code == 4
    assert "holds no apdb schema" in out
    assert "apdb db upgrade" in out
    code, out, _ = run("--dsn", empty_dsn, "db", "check")
    assert code == 1
    assert "apdb db upgrade" in out
    code, _, err = run("--dsn", empty_dsn, "db", "settings")
    assert code == 4
    assert "apdb db upgrade" in err

    code, out, _ = run("--dsn", empty_dsn, "db", "upgrade")
    assert code == 0
    assert "revision 0001" in out
    assert "associate_visit" in out
    code, out, _ = run("--dsn", empty_dsn, "db", "upgrade")
    assert (code, out) == (0, "nothing to change; the database is up to date\n")
    assert run("--dsn", empty_dsn, "db", "status")[0] == 0
    assert run("--dsn", empty_dsn, "db", "check")[:2] == (0, "no drift\n")


def test_check_lists_drift_and_upgrade_repairs_dropped_routines(
    run: Run, dsn: str, plain_connection: psycopg.Connection
) -> None:
    plain_connection.execute("comment on column apdb_base.dia_source.ra is 'wrong'")
    plain_connection.execute("alter table apdb_base.dia_source add column extra integer")
    plain_connection.execute(
        "create function apdb.stranger() returns int language sql as 'select 1'"
    )
    plain_connection.commit()
    code, out, _ = run("--dsn", dsn, "db", "check")
    assert code == 1
    assert "column dia_source.ra has another comment" in out
    assert "column dia_source.extra is not in the catalogue" in out
    assert "apdb.stranger is in the database, but not ours" in out
    assert out.endswith("3 differences\n")
    code, out, _ = run("--json", "--dsn", dsn, "db", "check")
    assert code == 1
    assert len(json.loads(out)["drift"]) == 3


def test_newer_databases_are_left_alone(
    run: Run, dsn: str, plain_connection: psycopg.Connection
) -> None:
    plain_connection.execute(
        "update apdb_base.metadata set value = '9999' where name = 'schema.revision'"
    )
    plain_connection.commit()
    code, out, _ = run("--dsn", dsn, "db", "status")
    assert code == 4
    assert "install the newer apdb" in out
    code, _, err = run("--dsn", dsn, "db", "upgrade")
    assert code == 4
    assert "newer code" in err


def test_no_server_is_said_with_the_remedy(run: Run, tmp_path) -> None:
    code, _, err = run("--dsn", f"host={tmp_path} dbname=x", "db", "upgrade")
    assert code == 9
    assert "apdb server start" in err


def test_settings_are_shown_and_changed(run: Run, dsn: str) -> None:
    code, out, _ = run("--dsn", dsn, "db", "settings")
    assert code == 0
    assert "association_radius" in out
    assert "above 0, at most 60" in out
    code, out, _ = run("--dsn", dsn, "db", "set", "association_radius", "1.50")
    assert (code, out) == (0, "association_radius is 1.5 (was 1.0)\n")
    code, out, _ = run("--dsn", dsn, "--json", "db", "settings")
    values = {each["name"]: each["value"] for each in json.loads(out)}
    assert values["association_radius"] == "1.5"
    code, out, _ = run("--dsn", dsn, "db", "set", "site_longitude", "--", "-70.75")
    assert (code, out) == (0, "site_longitude is -70.75 (was 0.0)\n")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("association_rule", "best", "nearest or likelihood"),
        ("association_radius", "0", "number above 0, at most 60 arcsec"),
        ("association_radius", "60.1", "number above 0, at most 60 arcsec"),
        ("association_radius", "nan", "number above 0, at most 60 arcsec"),
        ("association_radius", "1 arcsec", "number above 0, at most 60 arcsec"),
        ("association_radius", "1e400", "number above 0, at most 60 arcsec"),
        ("association_radius", "", "number above 0, at most 60 arcsec"),
        ("max_new_objects", "2.5", "integer from 0 to"),
        ("max_new_objects", "1e18", "integer from 0 to"),
        ("history_days", "-inf", "number above 0, at most 36525 d"),
    ],
)
def test_impossible_values_are_refused(
    run: Run, dsn: str, name: str, value: str, said: str
) -> None:
    code, _, err = run("--dsn", dsn, "db", "set", name, "--", value)
    assert code == 2
    assert f"{name} cannot be '{value}'" in err
    assert said in err


def test_unknown_setting(run: Run, dsn: str) -> None:
    code, _, err = run("--dsn", dsn, "db", "set", "radius", "1")
    assert code == 6
    assert "there is no setting 'radius'" in err


def test_every_setting_has_a_rule_and_obeys_it(
    db: apdb.Apdb, plain_connection: psycopg.Connection
) -> None:
    stored = plain_connection.execute(
        "select substr(name, 9), value from apdb.metadata where name like 'setting.%'"
    ).fetchall()
    found = db.settings()
    assert {name for name, _ in stored} == found.keys()
    for name, value in stored:
        assert db.set_setting(name, value) == value
    assert set(db.settings()) == set(found)


def test_file_that_cannot_be_written(run: Run, dsn: str, tmp_path: Path) -> None:
    out = str(tmp_path / "absent" / "night.json")
    code, _, err = run("--dsn", dsn, "alerts", "manifest", "2026-03-09", "--out", out)
    assert (code, err) == (2, f"apdb: {out}: No such file or directory\n")


def test_place_of_the_archive_becomes_absolute(
    db: apdb.Apdb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for given, kept in (
        ("alerts/here", f"{tmp_path}/alerts/here"),
        ("s3://bucket/alerts", "s3://bucket/alerts"),
        ("", ""),
    ):
        db.set_setting("archive_url", given)
        assert db.settings()["archive_url"].value == kept


def test_an_archive_of_an_unknown_kind_is_refused_at_once(db: apdb.Apdb) -> None:
    before = db.settings()["archive_url"].value
    for url in ("s33://bucket", "://bucket", "simplecache::nowhere://bucket"):
        with pytest.raises(apdb.InvalidInput, match="no kind of place"):
            db.set_setting("archive_url", url)
    assert db.settings()["archive_url"].value == before
    for url in ("memory://bucket", "simplecache::s3://bucket/folder", ""):
        db.set_setting("archive_url", url)


def test_settings_change_what_store_visit_does(db: apdb.Apdb) -> None:
    db.set_setting("association_rule", "likelihood")
    db.set_setting("association_radius", 2)
    visit = apdb.Visit(1, 1, "g", 61109.1, 30.0, ra=150.0, dec=2.0, radius=0.2)
    db.store_visit(visit, None)
    with db.reading() as connection:
        row = connection.execute(
            "select association, association_radius from apdb.visit"
        ).fetchone()
    assert row == ("likelihood", 2.0)


def test_filters_of_an_instrument(run: Run, dsn: str) -> None:
    assert run("--dsn", dsn, "db", "band", "DECam-g", "g")[:2] == (
        0,
        "filter DECam-g is band g\n",
    )
    assert run("--dsn", dsn, "db", "band", "DECam-g", "r")[1] == (
        "filter DECam-g is band r (was g)\n"
    )
    known = json.loads(run("--dsn", dsn, "--json", "db", "band")[1])
    assert known == {"DECam-g": "r"} | {band: band for band in "ugrizy"}
    with apdb.connect(dsn) as db:
        visit = apdb.Visit(1, 1, "DECam-g", 61109.1, 30.0, ra=150.0, dec=2.0, radius=0.2)
        db.store_visit(visit, None)
        with db.reading() as connection:
            assert connection.execute("select band from apdb.visit").fetchone() == ("r",)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("X", "V"), "there is no band 'V'"),
        (("g", "r"), "g is a band of the survey and cannot stand for r"),
        ((" ", "r"), "a filter cannot be called ' '"),
    ],
)
def test_impossible_filters(run: Run, dsn: str, names: tuple[str, str], said: str) -> None:
    code, _, err = run("--dsn", dsn, "db", "band", *names)
    assert code == 2
    assert said in err


def test_readers_see_settings_and_cannot_change_them(dsn: str) -> None:
    with psycopg.connect(dsn, user="apdb_reader") as connection:
        assert connection.execute("select count(*) from apdb.settings()").fetchone()[0] > 5
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select apdb.set_setting('reliability_min', '0')")
