"""`apdb objects`, `object`, `visits`, `sources`, `status`, run on a real database."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

import apdb
from apdb.cli.main import app

FIRST = 2**60 + 1
MJD = 61109.1
N = 7


@pytest.fixture
def stored(db: apdb.Apdb) -> apdb.Apdb:
    """Seven epochs of two objects, one with forced photometry, and one that failed."""
    rng = np.random.default_rng(3)
    for epoch in range(N):
        visit = apdb.Visit(
            visit=100 + epoch,
            detector=4,
            band="gri"[epoch % 3],
            midpoint_mjd_tai=MJD + 3 * epoch,
            ra=150.0,
            dec=1.0,
            radius=0.2,
        )
        sources = {
            "dia_source_id": [FIRST + 10 * epoch, FIRST + 10 * epoch + 1],
            "ra": [150.0, 150.1],
            "dec": [1.0, 1.0],
            "psf_flux": 3000.0 + 1500.0 * np.sin(epoch) + rng.normal(0, 80.0, 2),
            "psf_flux_err": [80.0, 90.0],
        }
        forced = {"dia_object_id": [FIRST], "psf_flux": [2900.0 + 1500.0 * np.sin(epoch)],
                  "psf_flux_err": [120.0]}  # fmt: skip
        db.store_visit(visit, sources, forced=forced)
    db.fail_visit(200, 7, "no template", "subtract")
    return db


def run(dsn: str, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["--dsn", dsn, *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def test_objects(stored: apdb.Apdb, dsn: str) -> None:
    text = run(dsn, "objects", "--cone", "150", "1", "0.05")
    assert str(FIRST) in text
    assert str(FIRST + 1) not in text
    rows = json.loads(run(dsn, "objects", "--box", "149", "151", "0", "2", "--json"))
    assert [row["dia_object_id"] for row in rows] == [str(FIRST), str(FIRST + 1)]
    assert rows[0]["n_dia_sources"] == N
    assert rows[0]["u_psf_flux_mean"] is None
    assert (
        len(json.loads(run(dsn, "--json", "objects", "--cone", "150", "1", "1", "--limit", "1")))
        == 1
    )
    past = ("objects", "--cone", "150", "1", "1", "--json", "--at")
    assert json.loads(run(dsn, *past, "2001-01-01T00:00:00")) == []
    assert len(json.loads(run(dsn, *past, "99000"))) == 2


def test_objects_to_a_file(stored: apdb.Apdb, dsn: str, tmp_path: Path) -> None:
    wanted = stored.objects_in_cone(150.0, 1.0, 1.0)
    for suffix in ("ecsv", "fits", "parquet", "csv"):
        out = tmp_path / "new" / f"objects.{suffix}"
        arguments = ("objects", "--cone", "150", "1", "1", "--out", str(out))
        assert "2 rows" in run(dsn, *arguments)
        if suffix == "csv":
            rows = list(csv.DictReader(out.read_text().splitlines()))
            assert [int(row["dia_object_id"]) for row in rows] == [FIRST, FIRST + 1]
            assert rows[0]["u_psf_flux_mean"] == ""
        else:
            found = Table.read(out)
            assert found["dia_object_id"].tolist() == wanted["dia_object_id"].tolist()
            assert found["g_psf_flux_mean"].tolist() == wanted["g_psf_flux_mean"].tolist()
            assert found["g_psf_flux_mean"].unit == wanted["g_psf_flux_mean"].unit
        with pytest.raises(apdb.InvalidInput, match="overwrite"):
            run(dsn, *arguments)
        assert "2 rows" in run(dsn, *arguments, "--overwrite")


def test_bad_arguments(db: apdb.Apdb, dsn: str, tmp_path: Path) -> None:
    for match, arguments in {
        "give --cone": ["objects"],
        "goes with": ["objects", "--box", "0", "1", "0", "1", "--at", "60000"],
        "ends in": ["objects", "--cone", "0", "0", "1", "--out", str(tmp_path / "a.txt")],
        "at most 90": ["objects", "--cone", "0", "0", "nan"],
        "--at noon": ["objects", "--cone", "0", "0", "1", "--at", "noon"],
        "night": ["visits", "--night", "noon"],
    }.items():
        with pytest.raises(apdb.InvalidInput, match=match):
            run(dsn, *arguments)
    with pytest.raises(apdb.NotFound, match="DIAObject 77"):
        run(dsn, "object", "77")
    with pytest.raises(apdb.NotFound, match="Visit 77 detector 1"):
        run(dsn, "sources", "77", "1")


def test_object_and_its_plot(stored: apdb.Apdb, dsn: str, tmp_path: Path) -> None:
    plot = tmp_path / "curve.png"
    text = run(dsn, "object", str(FIRST), "--plot", str(plot))
    assert f"{N} versions" in text
    assert f"{2 * N} points" in text
    assert plot.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    found = json.loads(run(dsn, "object", str(FIRST), "--json"))
    assert len(found["versions"]) == N
    assert sum(row["forced"] for row in found["light_curve"]) == N
    assert found["light_curve"][0]["dia_object_id"] == str(FIRST)


def test_an_object_with_neighbours_and_features(stored: apdb.Apdb, dsn: str) -> None:
    text = run(dsn, "object", str(FIRST))
    for word in ("neighbours", "features", "parallax"):
        assert word not in text
    star = {"reference_object_id": [2**61 + 1], "ra": [150.0], "dec": [1.0 + 1 / 3600]}
    stored.load_reference("stars", star, kind="star", epoch="J2016.0")
    stored.refresh_neighbours()
    stored.characterize()
    text = run(dsn, "object", str(FIRST))
    for word in ("1 neighbours and hosts", "stars", "3 light curves with features", "stetson_j"):
        assert word in text
    assert "proper motion and parallax" in text
    found = json.loads(run(dsn, "object", str(FIRST), "--json"))
    (near,) = found["neighbours"]
    assert (near["kind"], near["reference_object_id"]) == ("star", str(2**61 + 1))
    assert near["distance"] == pytest.approx(1.0, abs=0.3)
    assert [row["band"] for row in found["features"]] == ["g", "i", "r"]
    assert found["astrometry"][0]["n_points"] == N


def test_visits_and_sources(stored: apdb.Apdb, dsn: str, tmp_path: Path) -> None:
    rows = json.loads(run(dsn, "visits", "--json"))
    assert [row["visit"] for row in rows] == list(range(100, 100 + N))
    night = rows[3]["night"]
    assert [r["visit"] for r in json.loads(run(dsn, "visits", "--night", night, "--json"))] == [103]
    assert str(99 + N) in run(dsn, "visits", "--limit", "2")
    failed = json.loads(run(dsn, "visits", "--failed", "--json"))
    assert [(row["visit"], row["stage"]) for row in failed] == [(200, "subtract")]
    assert "no template" in run(dsn, "visits", "--failed")
    assert json.loads(run(dsn, "visits", "--missing", "--json")) == []
    run(dsn, "visits", "--failed", "--out", str(tmp_path / "failed.ecsv"))
    assert Table.read(tmp_path / "failed.ecsv")["detector"].tolist() == [7]
    sources = json.loads(run(dsn, "sources", "101", "4", "--json"))
    assert [row["dia_source_id"] for row in sources] == [str(FIRST + 10), str(FIRST + 11)]
    assert str(FIRST + 11) in run(dsn, "sources", "101")
    run(dsn, "sources", "101", "--out", str(tmp_path / "sources.fits"))
    assert len(Table.read(tmp_path / "sources.fits")) == 2


def test_status(stored: apdb.Apdb, dsn: str) -> None:
    text = run(dsn, "status", code=20)
    assert "1 visit(s) failed: 200/7" in text
    assert "last visit" in text
    assert "Largest tables" in text
    found: dict[str, Any] = json.loads(run(dsn, "status", "--json", code=20))
    assert found["findings"][-1]["severity"] == "warning"
    assert found["now"]["n_visits"] == N
    assert len(found["nights"]) == 7
    assert found["outstanding"][0]["reason"] == "no template"
