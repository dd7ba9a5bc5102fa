"""Reports to the Minor Planet Center: validated by iau-ades, states, answers."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ades import adesutility
from ades.psvtoxml import psvtoxml
from ades.valutility import validate_xslt
from astropy.time import Time
from correction_tools import MJD, invariants, sources, visit
from lxml import etree
from typer.testing import CliRunner

import apdb
from apdb.cli.main import app
from apdb.solar_system.ades import ReportHeader, observations, psv, xml
from apdb.solar_system.designations import pack, ss_object_id

HEADER = ReportHeader("J. Doe & Sons", ("A. Nother",), ("J. Doe",))


def complaints(file: Path) -> str:
    """What iau-ades says against a submission."""
    out = io.StringIO()
    candidate = adesutility.readXML(str(file))
    validate_xslt("submit", adesutility.schemaxslts["submit"], candidate, out)
    said = out.getvalue()
    return "" if "is Valid" in said or "OK" in said else said or "nothing was said"


def _row(**more: Any) -> dict[str, Any]:
    return {
        "dia_source_id": 2**62 + 5, "ss_object_id": 1, "designation": "ap00000a",
        "found_here": True, "midpoint_mjd_tai": 61000.5, "exposure_time": 30.0, "ra": 359.99999999,
        "dec": -0.00000001, "ra_err": 3e-5, "dec_err": 1e-9, "ra_dec_cov": None,
        "psf_flux": 1500.0, "psf_flux_err": 100.0, "band": "r", **more,
    }  # fmt: skip


def test_reports_are_valid_in_both_forms(tmp_path: Path) -> None:
    rows = [
        _row(),
        _row(dia_source_id=7, designation="2004 XU11", found_here=False, ra_dec_cov=1e-14),
        _row(dia_source_id=8, designation="202179", found_here=False, psf_flux=-5.0),
        _row(dia_source_id=9, designation="73P-B", found_here=False, ra_err=None, psf_flux=None),
        _row(dia_source_id=10, designation="C/2019 Q4", found_here=False, exposure_time=None),
        _row(dia_source_id=11, designation="1I", found_here=False, ra=0.0, dec=-89.5),
    ]
    records = observations(rows, "X05", HEADER)
    groups = HEADER.groups("X05")
    (tmp_path / "a.xml").write_text(xml(groups, records))
    assert complaints(tmp_path / "a.xml") == ""
    (tmp_path / "a.psv").write_text(psv(groups, records))
    psvtoxml(str(tmp_path / "a.psv"), str(tmp_path / "b.xml"))
    assert complaints(tmp_path / "b.xml") == ""
    one, other = (etree.parse(tmp_path / name).getroot() for name in ("a.xml", "b.xml"))

    def read(root: Any) -> list[dict[str, str]]:
        return [{e.tag: e.text.strip() for e in o if e.text} for o in root.iter("optical")]

    assert read(one) == read(other)
    first = read(one)[0]
    assert first["obsSubID"] == str(2**62 + 5)
    assert first["trkSub"] == "ap00000a"
    # 37 leap seconds between TAI and UTC.
    assert first["obsTime"] == "2025-11-21T11:59:23.000Z"
    assert float(first["mag"]) == pytest.approx(31.4 - 2.5 * np.log10(1500.0), abs=0.006)
    assert first["band"] == "Lr"
    assert [next(iter(set(o) & {"permID", "provID", "trkSub"})) for o in read(one)] == [
        "trkSub", "provID", "permID", "permID", "provID", "permID",
    ]  # fmt: skip
    assert "mag" not in read(one)[2]
    assert "rmsRA" not in read(one)[3]
    damaged = (tmp_path / "a.xml").read_text().replace("<mode>CCD</mode>", "", 1)
    (tmp_path / "c.xml").write_text(damaged)
    assert "failed" in complaints(tmp_path / "c.xml")


@pytest.fixture
def found(db: apdb.Apdb) -> apdb.Apdb:
    """Two objects found here, of three sources each, and one that is known."""
    state = [2.0, 0.5, 0.1, -0.002, 0.01, 0.001]
    for k in range(3):
        table = sources(
            [10 * k + j for j in (1, 2, 3)], [9.0 * k, 100.0 + 9.0 * k, 300.0 + 9.0 * k]
        )
        table |= {"ra_err": np.full(3, 2e-5), "dec_err": np.full(3, 2e-5)}
        db.store_visit(visit(k + 1, MJD + 0.02 * k), table)
    with db.connection() as connection:
        for j in (1, 2):
            connection.execute(
                "select apdb.accept_moving_object(null, null, %s, %s, %s, null, %s, 'a test')",
                ([j, 10 + j, 20 + j], MJD, state,
                 json.dumps({"q": 1.5, "e": 0.1, "i": 5.0, "node": 1.0, "argperi": 2.0,
                             "peri_time": 61000.0, "normalized_rms": 0.9})),
            )  # fmt: skip
    db.reassign([3, 13, 23], ss_object_id=ss_object_id(pack("2004 XU11")), reason="known")
    with db.connection() as connection:
        connection.execute("select 1")
    return db


def _names(connection: Any) -> dict[str, int]:
    rows = connection.execute("select designation, ss_object_id from apdb.orbit").fetchall()
    connection.rollback()
    return dict(rows)


def test_sources_are_reported_once_and_answered(
    found: apdb.Apdb, plain_connection: Any, tmp_path: Path
) -> None:
    names = _names(plain_connection)
    assert len(names) == 2
    n = found.export_ades(tmp_path / "night", HEADER, found_only=True)
    assert n == 6
    assert complaints(tmp_path / "night.xml") == ""
    with pytest.raises(apdb.InvalidInput, match=r"night\.psv is there already"):
        found.export_ades(tmp_path / "night.xml", HEADER)
    with pytest.raises(apdb.InvalidInput, match="night was exported before"):
        found.export_ades(tmp_path / "more", HEADER, batch="night")
    assert found.export_ades(tmp_path / "rest", HEADER, found_only=True) == 0
    assert not (tmp_path / "rest.psv").exists()
    assert found.mark_submitted("night") == 6
    with pytest.raises(apdb.NotFound):
        found.mark_submitted("day")

    one, two = sorted(names)
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps([
        {"obsSubID": "1", "status": "published", "obsID": "LzA1", "designation": "2026 AB1"},
        {"obsSubID": "11", "status": "published", "obsID": "LzA2", "designation": "2026 AB1"},
        {"obsSubID": "2", "status": "published", "designation": "2026 CD"},
        {"obsSubID": "12", "status": "published", "designation": "2026 CE"},
        {"obsSubID": "22", "status": "rejected", "message": "residual"},
    ]))  # fmt: skip
    report = found.import_answers(answers)
    assert (report.n_answers, report.n_changed) == (5, 5)
    assert report.designated == {one: "2026 AB1"}
    assert report.ambiguous == {two: ["2026 CD", "2026 CE"]}
    new = ss_object_id("K26A01B")
    rows = plain_connection.execute(
        "select dia_source_id from apdb.dia_source where ss_object_id = %s order by 1", (new,)
    ).fetchall()
    assert rows == [(1,), (11,), (21,)]
    kinds = plain_connection.execute(
        "select kind, other_ss_object_id from apdb.identification where ss_object_id = %s", (new,)
    ).fetchall()
    plain_connection.rollback()
    assert kinds == [("designated", names[one])]
    assert set(_names(plain_connection)) == {"2026 AB1", two}
    invariants(plain_connection)
    again = found.import_answers(answers)
    assert (again.n_changed, again.designated) == (0, {})


def test_bad_answers_change_nothing(found: apdb.Apdb, tmp_path: Path) -> None:
    found.export_ades(tmp_path / "night", HEADER, found_only=True)
    before = found.submissions()
    good = {"obsSubID": "1", "status": "published"}
    for bad, error, said in (
        ({"obsSubID": "x9", "status": "published"}, apdb.InvalidInput, "answer 2: obsSubID 'x9'"),
        ({"obsSubID": "2", "status": "maybe"}, apdb.InvalidInput, "status 'maybe' of 2"),
        ({"obsSubID": "999", "status": "rejected"}, apdb.NotFound, "never exported: 999"),
        ({"obsSubID": "2", "status": "published", "provID": "no"}, apdb.InvalidInput, "'no'"),
    ):
        with pytest.raises(error, match=said):
            found.import_answers([good, bad])
    assert found.submissions() == before
    with pytest.raises(apdb.InvalidInput, match="no name"):
        found.export_ades(tmp_path / "other", ReportHeader(" "))


def test_from_the_command_line(found: apdb.Apdb, dsn: str, tmp_path: Path) -> None:
    runner = CliRunner()
    command = ["--dsn", dsn, "--json", "ades", "export", str(tmp_path / "n1")]
    done = runner.invoke(app, [*command, "--submitter", "J. Doe", "--found-only"])
    assert json.loads(done.output) == {"n_observations": 6}, done.output
    (tmp_path / "a.csv").write_text("obsSubID,status\n1,itf\n2,rejected\n")
    done = runner.invoke(app, ["--dsn", dsn, "ades", "import", str(tmp_path / "a.csv")])
    assert "2 answers, 2 of them new" in done.output
    done = runner.invoke(app, ["--dsn", dsn, "--json", "ades", "list"])
    assert {r["state"]: r["n_observations"] for r in json.loads(done.output)} == {
        "exported": 4, "rejected": 1, "unlinked": 1,
    }  # fmt: skip
    done = runner.invoke(app, ["--dsn", dsn, "--json", "moving", "history"])
    assert [s["kind"] for s in json.loads(done.output)] == ["new", "new"]
    done = runner.invoke(app, ["--dsn", dsn, "moving", "run", "--nights", "99"])
    assert isinstance(done.exception, apdb.InvalidInput)


def test_times_agree_with_astropy() -> None:
    said = observations([_row(midpoint_mjd_tai=61109.1447)], "X05", HEADER)[0]["obsTime"]
    back = Time(said.rstrip("Z"), scale="utc").tai.mjd
    assert abs(back - 61109.1447) * 86400.0 < 6e-4
