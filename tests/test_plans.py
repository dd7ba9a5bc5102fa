"""The plans of what must stay fast: read with auto_explain while the routines run.

The indexes must be used whatever the planner knows: before and after ANALYZE, on small and on
large tables, with history in 12 partitions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest
from association_tools import COUNTS, Bench
from psycopg.errors import Diagnostic

from apdb.schema import migrate
from apdb.server.cluster import Cluster

N_SOURCES = 500
#: Middle of each of 12 partitions of 30 days.
EPOCHS = [60750 + 30 * k + 15.0 for k in range(12)]
MJD = EPOCHS[-1] + 10.0
NODE_TABLE = "Relation Name"

#: Objects on a spiral, evenly over a cap of 4 deg around a field, stored in random order.
OBJECTS: LiteralString = f"""
    insert into apdb_base.dia_object (
        dia_object_id, ra, "dec", validity_start_mjd_tai, n_dia_sources, store_seq,
        {", ".join(COUNTS)},
        first_dia_source_mjd_tai, last_dia_source_mjd_tai
    )
    select
        k, 150.0 + 4.0 * sqrt(k / %(n)s::float8) * cos(k * 2.399963),
        2.0 + 4.0 * sqrt(k / %(n)s::float8) * sin(k * 2.399963),
        60000, 12, 1, {", ".join("2" for _ in COUNTS)}, %(first)s, %(last)s
    from (
        select 1 + (g * 7919::bigint) %% %(n)s as k from generate_series(0, %(n)s - 1) as g
    ) as s
"""
#: History of the first objects in each of the partitions.
HISTORY = """
    insert into apdb_base.dia_source (
        dia_source_id, visit, detector, dia_object_id, midpoint_mjd_tai, ra, "dec", band, psf_flux,
        psf_flux_err, time_processed_mjd_tai, store_seq
    )
    select
        10000000000 + o.dia_object_id * 1000 + e.nth, e.nth, 0, o.dia_object_id, e.mjd, o.ra,
        o."dec", 'r', 100.0, 5.0, 60000, 1
    from apdb_base.dia_object as o
    cross join unnest(%(epochs)s::float8[]) with ordinality as e (mjd, nth)
    where o.dia_object_id <= %(n)s
"""
STAGE = """
    insert into pg_temp.stage_source (
        dia_source_id, visit, detector, midpoint_mjd_tai, ra, "dec", band, psf_flux, psf_flux_err
    )
    select 90000000000 + o.dia_object_id, 99, 0, %(mjd)s, o.ra, o."dec", 'r', 100.0, 5.0
    from apdb_base.dia_object as o
    where o.dia_object_id <= %(n)s
"""
Plan = dict[str, Any]


class Explained:
    """A database with objects and history, whose session tells the plans of nested statements."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.bench = Bench(connection)
        self.plans: list[Plan] = []
        connection.add_notice_handler(self._listen)

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The connection."""
        return self.bench.connection

    def fill(self, n_objects: int, n_history: int) -> None:
        """Make objects around one field, and 12 epochs of history for the first of them."""
        execute = self.connection.execute
        execute("select apdb.ensure_partitions(%s, %s)", [EPOCHS[0], MJD])
        # as a table that has just been filled: nobody analyses behind the test's back
        for table in ("dia_object", *(f"dia_source_p{int(e // 30) * 30}" for e in EPOCHS)):
            execute(f"alter table apdb_base.{table} set (autovacuum_enabled = off)")
        times = {"first": EPOCHS[0], "last": EPOCHS[-1]}
        # the rows refer to visits that nobody stored
        execute("set local session_replication_role = replica")
        execute(OBJECTS, {"n": n_objects} | times)
        execute(HISTORY, {"n": n_history, "epochs": EPOCHS})
        self.connection.commit()

    def setting(self, name: str, value: str) -> None:
        """Change a setting of the database."""
        self.connection.execute("select apdb.set_setting(%s, %s)", [name, value])
        self.connection.commit()

    def visit(self, mjd: float = MJD) -> list[Plan]:
        """Associate a visit, tell the plans of its statements, and roll it back."""
        self.plans = []
        with self.bench.trial():
            self.connection.execute(STAGE, {"mjd": mjd, "n": N_SOURCES})
            for setting, value in EXPLAIN.items():
                self.connection.execute("select set_config(%s, %s, true)", [setting, value])
            self.connection.execute(
                "select apdb.associate_visit(%s, 150.0, 2.0, 1.0, 'nearest', 1.0)", [mjd]
            )
        return self.plans

    def _listen(self, notice: Diagnostic) -> None:
        text = notice.message_primary or ""
        if "plan:" in text:
            self.plans.append(json.loads(text.partition("plan:")[2]))


EXPLAIN = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
    "client_min_messages": "notice",
}


@pytest.fixture
def explained(cluster: Cluster) -> Iterator[Explained]:
    name = "plans"
    cluster.ensure_database(name)
    migrate.upgrade(cluster.dsn(name))
    with psycopg.connect(cluster.dsn(name)) as connection:
        connection.execute("load 'auto_explain'")
        yield Explained(connection)
    with psycopg.connect(cluster.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


def nodes(plan: Plan) -> Iterator[Plan]:
    """Yield all nodes of a plan."""
    if "Plan" in plan:
        plan = plan["Plan"]
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def statement(plans: list[Plan], *words: str) -> Plan:
    """Return the one plan of the statement whose text has all the words."""
    found = [p for p in plans if all(word in p["Query Text"] for word in words)]
    assert len(found) == 1, f"{len(found)} of {len(plans)} plans have {words}"
    return found[0]


def scans(plan: Plan, table: str) -> list[Plan]:
    """Return the scans of a table, or of its partitions, that were carried out."""
    return [
        n
        for n in nodes(plan)
        if "Scan" in n["Node Type"]
        and n.get("Actual Loops", 0) > 0
        and (n.get(NODE_TABLE) or "").startswith(table)
    ]


def indexes(plan: Plan, table: str) -> set[str]:
    """Return the indexes by which a table was read; ``""`` stands for reading all of it."""
    found = set()
    for node in nodes(plan):
        name = node.get("Index Name", "")
        bitmap = "Bitmap" in node["Node Type"]
        # a bitmap scan has the index in one node and the table in another
        read = name if bitmap else node.get(NODE_TABLE, "")
        if read.startswith(table) and node.get("Actual Loops", 0) > 0:
            found.add(name)
    return found


def check_association(plans: list[Plan]) -> None:
    """Candidate pairs come by the Q3C index, and only by it."""
    pairs = statement(plans, "q3c_join", "apdb_base.dia_object as o", "stage_match as m")
    assert indexes(pairs, "dia_object") == {"dia_object_q3c_idx"}
    read = sum(n["Actual Rows"] * n["Actual Loops"] for n in scans(pairs, "dia_object"))
    assert read < 20 * N_SOURCES, "rows of dia_object read"


def partitions_read(plans: list[Plan]) -> set[int]:
    """Return the partitions of the history that were looked into, by their first MJD."""
    names = [n[NODE_TABLE] for plan in plans for n in scans(plan, "dia_source_p")]
    return {int(name.removeprefix("dia_source_p")) for name in names}


def check_history(plans: list[Plan], *, analyzed: bool) -> None:
    """History comes by (dia_object_id, midpoint), and little else is read.

    Partitions of this size that were never analyzed the planner takes for almost empty and may
    walk through: the index is asked for its second column only.
    """
    used = set().union(*(indexes(plan, "dia_source_p") for plan in plans))
    assert used
    assert all(name.endswith("_dia_object_id_midpoint_mjd_tai_band_idx") for name in used), used
    for plan in plans if analyzed else ():
        read = sum(n["Actual Rows"] * n["Actual Loops"] for n in scans(plan, "dia_source_p"))
        assert read <= 2 * N_SOURCES * len(EPOCHS), plan["Query Text"][:200]


def check_visit(explained: Explained, *, large: bool, analyzed: bool) -> None:
    """Check the plans of a visit with a year of history and with 40 days of it."""
    plans = explained.visit()
    check_association(plans)
    partitions = [int(e // 30) * 30 for e in EPOCHS]
    assert len(set(partitions)) == 12
    assert partitions_read(plans) == set(partitions)
    if large:
        check_history(plans, analyzed=analyzed)
    explained.setting("history_days", "40")
    assert partitions_read(explained.visit()) == set(partitions[-2:])
    explained.setting("history_days", "365")


def check_before_and_after_analyze(explained: Explained, *, large: bool) -> None:
    check_visit(explained, large=large, analyzed=False)
    explained.connection.execute("analyze apdb_base.dia_object, apdb_base.dia_source")
    explained.connection.commit()
    check_visit(explained, large=large, analyzed=True)


def test_plans_with_a_thousand_objects(explained: Explained) -> None:
    """Half the history is wanted, so it may be read as a whole; the objects may not."""
    explained.fill(1000, 1000)
    check_before_and_after_analyze(explained, large=False)


def test_plans_with_a_long_history(explained: Explained) -> None:
    explained.fill(10_000, 6000)
    check_before_and_after_analyze(explained, large=True)


@pytest.mark.slow
def test_plans_with_a_million_objects(explained: Explained) -> None:
    explained.fill(1_000_000, 10_000)
    check_before_and_after_analyze(explained, large=True)
