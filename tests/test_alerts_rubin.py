"""Real alerts: our packets of the same triggers have the same histories as Rubin's own.

Visits are replayed that concern the objects of the alerts, then the triggers; the packets are read
from the archive with the schema of lsst-alert-packet.  What differs, and why: docs/packets.md.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pytest
from alert_tools import public_package
from packet_tools import decoded, set_archive
from psycopg import connect
from psycopg.rows import dict_row

import apdb
from apdb.alerts.rebuild import locate
from apdb.alerts.refill import rebuild_fragments
from apdb.archive.place import Place
from apdb.archive.reader import read_packets
from apdb.rubin import AlertVisit, read_alerts, visits

DATA = Path(os.environ.get("APDB_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
ALERTS = DATA / "rubin" / "alerts.avro"
SHORT = 11  # rows of history: what is replayed in the fast group
MEDIUM = 261  # and in the slow one; all of them take 20 minutes

pytestmark = pytest.mark.skipif(
    not ALERTS.exists(), reason=f"no real alerts at {ALERTS}: set APDB_TEST_DATA"
)

#: What the store decides by itself: when it processed a row, and which object it belongs to.
DECIDED = ("timeProcessedMjdTai", "diaObjectId")
#: Real packets carry 0 where there is none.
ZERO_IS_NONE = ("ssObjectId", "parentDiaSourceId")


class Replayed:
    """Some alerts of the set, replayed into a database.

    Attributes
    ----------
    real, ours : dict of int to dict
        Packets by trigger.
    owner : dict of int to int
        Our object of each source; 0 for none.
    truth : dict of int to int
        Rubin's object of each source.
    """

    def __init__(self, db: apdb.Apdb, folder: Path, longest: int | None) -> None:
        with ALERTS.open("rb") as file:
            reader: Any = fastavro.reader(file)
            every = [alert for alert in reader if alert["diaObject"]]
        self.real = {
            a["diaSourceId"]: a
            for a in every
            if longest is None or len(a["prvDiaSources"] or ()) <= longest
        }
        self.owner: dict[int, int] = {}
        self.truth: dict[int, int] = {}
        objects = {a["diaObject"]["diaObjectId"] for a in self.real.values()}
        shots = list(_concerning(objects))
        late = [s for s in shots if self._triggers(s)]
        for shot in shots:
            if not self._triggers(shot):
                self._store(db, shot)
        set_archive(db.dsn, folder)
        rebuild_fragments(db, "10.0")
        for shot in late:
            for number in self._triggers(shot):
                self._forced(db, self.real[number])
            self._store(db, shot)
        self.ours = dict(_packets(db.dsn, folder, list(self.real)))

    def _triggers(self, shot: AlertVisit) -> list[int]:
        return [n for n in shot.sources["dia_source_id"].tolist() if n in self.real]

    def _store(self, db: apdb.Apdb, shot: AlertVisit) -> None:
        report = db.store_visit(apdb.Visit(**shot.visit), shot.sources)
        numbers = report.dia_source_id.tolist()
        self.owner |= dict(zip(numbers, report.dia_object_id.tolist(), strict=True))
        self.truth |= dict(zip(numbers, shot.truth.tolist(), strict=True))

    def _forced(self, db: apdb.Apdb, real: dict[str, Any]) -> None:
        """Store the forced photometry of a packet, under our object."""
        owner = self.most_of(real["diaObject"]["diaObjectId"])
        rows = real["prvDiaForcedSources"]
        if not rows or not owner:
            return
        left_out = {*DECIDED, "timeWithdrawnMjdTai"}
        columns = {
            name: np.array([np.nan if row[name] is None else row[name] for row in rows])
            for name in rows[0]
            if name not in left_out
        }
        db.store_forced({**columns, "dia_object_id": np.full(len(rows), owner)})

    def most_of(self, real_object: int) -> int:
        """Return our object that has most sources of a real one."""
        found = Counter(
            self.owner[n] for n, t in self.truth.items() if t == real_object and self.owner[n]
        )
        return found.most_common(1)[0][0] if found else 0


def _concerning(objects: set[int]) -> Iterator[AlertVisit]:
    """Yield the visits with sources of these objects, and only those sources."""
    tables = read_alerts(ALERTS)
    for shot in visits(tables):
        keep = np.isin(shot.truth, list(objects))
        if keep.any():
            sources = {name: column[keep] for name, column in shot.sources.items()}
            yield AlertVisit(shot.visit, sources, shot.truth[keep])


def _packets(dsn: str, folder: Path, numbers: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    with connect(dsn) as connection, connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "select a.* from apdb.alert as a where a.dia_source_id = any(%s) and a.is_current",
            (numbers,),
        ).fetchall()
    schema = public_package("10.0").definition
    packets = read_packets(Place(str(folder)), map(locate, rows))
    for row, packet in zip(rows, packets, strict=True):
        yield row["dia_source_id"], decoded(packet, schema)


def same(name: str, real: Any, ours: Any) -> bool:
    """Tell whether two values of a field are the same."""
    if name in ZERO_IS_NONE:
        return bool((real or None) == ours)
    if isinstance(real, float) and isinstance(ours, float):
        return real == ours or (math.isnan(real) and math.isnan(ours))
    return bool(real == ours)


def fields_that_differ(real: dict[str, Any], ours: dict[str, Any]) -> set[str]:
    """Return names of fields that differ, but for what the store decides itself."""
    return {n for n in real if n not in DECIDED and not same(n, real[n], ours[n])}


def check(replayed: Replayed) -> dict[str, int]:
    """Compare every packet; return how many rows are only in one of the two, by reason."""
    reasons: Counter[str] = Counter()
    for number, real in replayed.real.items():
        ours = replayed.ours[number]
        assert fields_that_differ(real["diaSource"], ours["diaSource"]) == set()
        owner = replayed.owner[number]
        if not owner:
            # It has centroid_flag, and nothing to join: no object, so no history.
            assert ours["diaObject"] is None
            assert real["diaSource"]["centroid_flag"]
            reasons["trigger without object"] += 1
            continue
        assert ours["diaObject"]["diaObjectId"] == owner
        theirs = {row["diaSourceId"]: row for row in real["prvDiaSources"] or ()}
        mine = {row["diaSourceId"]: row for row in ours["prvDiaSources"] or ()}
        for one in theirs.keys() & mine.keys():
            assert fields_that_differ(theirs[one], mine[one]) == set()
            assert mine[one]["diaObjectId"] == owner
        for one in theirs.keys() - mine.keys():
            if replayed.owner[one] == 0:
                assert theirs[one]["centroid_flag"]
                reasons["flagged source without object"] += 1
            else:
                assert replayed.owner[one] != owner
                reasons["source of a split object"] += 1
        for one in mine.keys() - theirs.keys():
            reasons[extra(replayed, real, mine[one])] += 1
        if theirs.keys() == mine.keys():
            assert bool(theirs) == bool(ours["prvDiaSources"])
        compare_forced(replayed, real, ours, owner, reasons)
    return dict(reasons)


def extra(replayed: Replayed, real: dict[str, Any], row: dict[str, Any]) -> str:
    """Say why a row is in our packet and not in the real one."""
    if row["midpointMjdTai"] < real["diaSource"]["midpointMjdTai"] - 365.0:
        return "older than the history"
    if replayed.truth[row["diaSourceId"]] != real["diaObject"]["diaObjectId"]:
        return "source of another real object"
    # Rubin processed two exposures side by side: the packet of the second lacks the first.
    assert real["diaSource"]["midpointMjdTai"] - row["midpointMjdTai"] < 60.0 / 86400.0
    return "exposure 40 s before"


def compare_forced(
    replayed: Replayed,
    real: dict[str, Any],
    ours: dict[str, Any],
    owner: int,
    reasons: Counter[str],
) -> None:
    """Compare forced photometry; all of the set's rows of the object are stored under ours."""
    assert ours["prvDiaForcedSources"] is not None
    if owner != replayed.most_of(real["diaObject"]["diaObjectId"]):
        reasons["forced photometry of a split object"] += len(real["prvDiaForcedSources"])
        return
    theirs = {(r["visit"], r["detector"]): r for r in real["prvDiaForcedSources"] or ()}
    mine = {(r["visit"], r["detector"]): r for r in ours["prvDiaForcedSources"]}
    reasons["forced missing"] += len(theirs.keys() - mine.keys())
    for key in theirs.keys() & mine.keys():
        wrong = fields_that_differ(theirs[key], mine[key])
        reasons[f"forced {sorted(wrong)}"] += bool(wrong)
        assert mine[key]["diaObjectId"] == owner
    for key in mine.keys() - theirs.keys():
        before = real["diaSource"]["midpointMjdTai"] - mine[key]["midpointMjdTai"]
        assert 0.0 < before < 60.0 / 86400.0
        reasons["forced, exposure 40 s before"] += 1


def test_short_histories(db: apdb.Apdb, tmp_path: Path) -> None:
    replayed = Replayed(db, tmp_path / "archive", SHORT)
    assert len(replayed.real) == 10
    assert {n: c for n, c in check(replayed).items() if c} == {}


@pytest.mark.slow
def test_histories_of_medium_length(db: apdb.Apdb, tmp_path: Path) -> None:
    replayed = Replayed(db, tmp_path / "archive", MEDIUM)
    assert len(replayed.real) == 26
    # Of the rows that docs/packets.md explains one by one.
    assert {n: c for n, c in check(replayed).items() if c} == {
        "flagged source without object": 10,
        "exposure 40 s before": 2,
        "forced, exposure 40 s before": 2,
    }


@pytest.mark.skipif("APDB_TEST_LONG" not in os.environ, reason="20 minutes: set APDB_TEST_LONG=1")
@pytest.mark.slow
def test_all_alerts_with_objects(db: apdb.Apdb, tmp_path: Path) -> None:
    replayed = Replayed(db, tmp_path / "archive", None)
    assert len(replayed.real) == 67
    # One by one in docs/packets.md; all other rows are there, equal in every field.
    assert {n: c for n, c in check(replayed).items() if c} == {
        "flagged source without object": 10,
        "source of a split object": 20,
        "exposure 40 s before": 6,
        "forced, exposure 40 s before": 6,
    }
