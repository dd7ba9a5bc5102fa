"""`apdb characterize` and `apdb features`, run on a real database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from features_tools import stored_field
from typer.testing import CliRunner

import apdb
from apdb.cli.main import app
from apdb.features import work as work_module


def run(dsn: str, *arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["--dsn", dsn, *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def ids(db: apdb.Apdb) -> list[int]:
    found: list[int] = stored_field(db, n_objects=3, n_visits=26, bands="gr").tolist()
    return found


def test_characterize_and_look(ids: list[int], dsn: str) -> None:
    text = run(dsn, "characterize", "--status")
    assert "due             0 objects" in text
    assert "not looked at   26 visits and corrections" in text
    text = run(dsn, "features", str(ids[0]))
    assert f"apdb characterize {ids[0]}" in text
    text = run(dsn, "characterize", "--jobs", "1")
    assert text.startswith("3 objects characterised, 6 light curves, in ")
    text = run(dsn, "characterize", "--status")
    assert "characterised   3 objects" in text
    assert "UTC" in text
    text = run(dsn, "features", str(ids[0]))
    for word in ("frequency1", "stetson_j", "1 / d", "parallax", "mas / yr", "n_points"):
        assert word in text


def test_as_json(ids: list[int], dsn: str) -> None:
    done = json.loads(run(dsn, "characterize", "--jobs", "2", "--json"))
    assert (done["n_written"], done["n_left"], done["n_died"]) == (3, 0, 0)
    due = json.loads(run(dsn, "--json", "characterize", "--status"))
    assert due["n_objects"] == 3
    found = json.loads(run(dsn, "features", str(ids[1]), "--json"))
    assert [row["band"] for row in found["features"]] == ["g", "r"]
    assert found["features"][0]["n_points"] == 13
    assert found["features"][0]["frequency2"] is None
    assert found["astrometry"][0]["n_points"] == 26


def test_some_objects_and_all(ids: list[int], dsn: str) -> None:
    assert run(dsn, "characterize", str(ids[2])).startswith("1 objects characterised")
    assert run(dsn, "characterize", "--jobs", "1", "--limit", "1").startswith("1 objects")
    assert run(dsn, "characterize", "--jobs", "1", "--all").startswith("3 objects")


def test_failures_have_an_exit_code(
    ids: list[int], dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise FloatingPointError("no way")

    monkeypatch.setattr(work_module, "fit_astrometry", fails)
    text = run(dsn, "characterize", str(ids[0]), code=21)
    assert "attempts failed: FloatingPointError: no way" in text


def test_wrong_input(ids: list[int], dsn: str) -> None:
    with pytest.raises(apdb.NotFound, match="there is no DIAObject 99"):
        run(dsn, "characterize", "99")
    with pytest.raises(apdb.NotFound, match="There is no DIAObject 99"):
        run(dsn, "features", "99")
    with pytest.raises(apdb.InvalidInput, match="--status goes with no other option"):
        run(dsn, "characterize", "--status", "--all")
    with pytest.raises(apdb.InvalidInput, match="not both"):
        run(dsn, "characterize", "--all", str(ids[0]))
    assert "jobs" in run(dsn, "characterize", "--jobs", "0", code=2)
