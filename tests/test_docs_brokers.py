"""The brokers' guide runs against a real service, and prints what it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from doc_tools import agrees, outputs
from service_tools import new_token, serving
from store_tools import exposures

import apdb
from apdb.archive.stamps import make_stamp

PAGE = Path(__file__).parents[1] / "docs" / "brokers.md"


def archive_some(db: apdb.Apdb, folder: Path) -> None:
    """Store four nights, with stamps."""
    db.set_setting("archive_url", str(folder))
    rng = np.random.default_rng(5)
    for exposed in exposures(4, span=4.0):
        n = len(exposed.sources["dia_source_id"])
        stamps = [make_stamp(rng.normal(size=(30, 30)), np.ones((30, 30))) for _ in range(n)]
        cutouts = dict.fromkeys(("difference", "science", "template"), stamps)
        db.store_visit(exposed.visit, exposed.sources, cutouts=cutouts)


def test_the_guide_runs_and_prints_what_it_shows(
    db: apdb.Apdb, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_some(db, tmp_path / "archive")
    token = new_token(dsn)
    monkeypatch.chdir(tmp_path)
    ran = 0
    with serving(dsn) as (url, _):
        environment = {"ALERTS": url, "TOKEN": token, "APDB_DSN": dsn}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        for block, printed in outputs(PAGE, tmp_path, environment):
            ran += 1
            place = f"{PAGE.name}:{block.line}"
            if block.shown is None:
                assert not printed.strip(), f"{place} shows no output, but printed\n{printed}"
            else:
                assert agrees(block.shown, printed), f"{place} printed\n{printed}"
    assert ran >= 11
