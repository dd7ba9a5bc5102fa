"""`apdb orbits`, `apdb ephemerides` and `apdb attribute`, run on a real database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_cli_query import run
from test_orbits import EROS

import apdb
from apdb.errors import InvalidInput


def test_orbits_become_a_night(db: apdb.Apdb, dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "orbits.txt"
    file.write_text(EROS + "\nthis is no orbit\n")
    assert "no night is built" in run(dsn, "ephemerides", "list")
    text = run(dsn, "orbits", "load", str(file))
    assert "line 2: 16 characters long" in text
    assert "1 orbits: 1 new, 0 changed, 0 as they were; 1 bad line(s)" in text
    run(dsn, "orbits", "load", str(file), "--strict", code=2)
    again = json.loads(run(dsn, "--json", "orbits", "load", str(file)))
    assert (again["n_new"], again["n_changed"], again["n_bad"]) == (0, 0, 1)
    assert again["bad"] == [{"line": 2, "reason": "16 characters long, no line of MPCORB"}]
    text = run(dsn, "ephemerides", "build", "2019-07-20", "--workers", "1")
    assert "night of 2019-07-20 at X05: 1 objects and 0 fast ones" in text
    listed = json.loads(run(dsn, "--json", "ephemerides", "list"))
    assert [(night["night"], night["n_slow"]) for night in listed] == [("2019-07-20", 1)]
    with pytest.raises(InvalidInput, match="no date"):
        run(dsn, "ephemerides", "build", "tonight")
    assert "0 sources attributed in 0 visits" in run(dsn, "attribute")
    assert json.loads(run(dsn, "--json", "orbits", "characterize")) == {"n_objects": 0}


def test_visits_that_wait_for_ephemerides_are_said(db: apdb.Apdb, dsn: str) -> None:
    visit = apdb.Visit(1, 1, "r", 61109.1, ra=10.0, dec=0.0, radius=0.2)
    columns = {
        "dia_source_id": [1],
        "ra": [10.0],
        "dec": [0.0],
        "psf_flux": [900.0],
        "psf_flux_err": [9.0],
    }
    assert db.store_visit(visit, columns).ephemerides_missing
    assert "1 visits have no ephemerides yet" in run(dsn, "attribute")
    found = json.loads(run(dsn, "--json", "attribute", "--visit", "1", "--detector", "1"))
    assert found == [
        {"visit": 1, "detector": 1, "n_dia_sources": None, "store_seq": 0, "retired": []}
    ]
