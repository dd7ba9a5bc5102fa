"""The SQL routines: their headers say what they do, and nothing in them is wrong."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest

from apdb.errors import error_classes
from apdb.schema.routine_files import Routine, routines
from apdb.schema.routines import drift, install

SECTIONS = {"contract", "returns", "errors", "locks", "cost"}
STAGES = (
    "select apdb.open_stage(null)",
    "select apdb.open_fragment_stage()",
    "select apdb.open_alert_stage()",
    "select apdb.open_ephemeris_stage()",
    "select apdb.open_reference_stage()",
    "select apdb.open_changes()",
    "select apdb.open_nway_stage()",
    "select apdb.open_feature_stage()",
    "select apdb.open_orbit_stage()",
    "select apdb.open_night_stage()",
    "select apdb.open_ss_science()",
    "create temporary table stage_nway_object (object_id bigint)",
)
CALLS = re.compile(r"apdb\.(\w+)\(")


@pytest.fixture(params=routines(), ids=lambda r: r.name)
def routine(request: pytest.FixtureRequest) -> Routine:
    found: Routine = request.param
    return found


def code(routine: Routine) -> str:
    return "\n".join(
        line for line in routine.text.splitlines() if not line.strip().startswith("--")
    )


def test_header_is_complete(routine: Routine) -> None:
    assert routine.sections.keys() == SECTIONS
    assert not routine.summary.endswith(".")
    assert all(routine.sections.values())


def test_every_argument_is_documented(routine: Routine) -> None:
    head = code(routine).split("\nas $$")[0]
    signature = head[head.index("(") : head.index("\nlanguage")]
    declared = re.findall(r"(?<!out )\b(p_\w+)", signature)
    assert [a.name for a in routine.arguments] == declared


def test_positions_and_times_have_units(routine: Routine) -> None:
    for argument in routine.arguments:
        if re.fullmatch(r"p_(ra|dec|radius|mjd|from|to|\w+_radius)", argument.name):
            assert argument.unit is not None, argument.name


def test_every_sqlstate_is_documented(routine: Routine) -> None:
    raised = set(re.findall(r"errcode = '(\w+)'", code(routine)))
    assert raised <= set(re.findall(r"\w+", routine.sections["errors"]))
    ours = {cls.sqlstate for cls in error_classes()}
    assert {state for state in raised if state.startswith("VA")} <= ours


def test_search_path_is_set_where_it_decides_what_is_meant(routine: Routine) -> None:
    """Functions without rights of their own that write nothing may do without: they are inlined."""
    head = code(routine).split("\nas $$")[0]
    if "security definer" in head or "volatile" in head:
        assert "set search_path = apdb, @q3c@, pg_catalog, pg_temp" in head


def test_only_routines_that_exist_are_called(routine: Routine) -> None:
    known = {r.name for r in routines()}
    called = set(CALLS.findall(code(routine)))
    views_and_tables = {"metadata"}
    assert called - views_and_tables <= known


def test_plpgsql_check_finds_nothing(plain_connection: psycopg.Connection[Any]) -> None:
    available = plain_connection.execute(
        "select from pg_available_extensions where name = 'plpgsql_check'"
    ).fetchone()
    if available is None:
        pytest.skip("the server has no plpgsql_check (postgresql-15-plpgsql-check)")
    plain_connection.execute("create extension plpgsql_check")
    for statement in STAGES:
        plain_connection.execute(statement)
    found = plain_connection.execute(
        "select p.proname, c.lineno, c.level, c.message "
        "from pg_proc as p "
        "join pg_language as l on p.prolang = l.oid "
        "cross join lateral plpgsql_check_function_tb(p.oid, fatal_errors => false, "
        "  performance_warnings => false, extra_warnings => true) as c "
        "where p.pronamespace = 'apdb'::regnamespace and l.lanname = 'plpgsql' "
        "  and p.prorettype <> 'trigger'::regtype and c.level <> 'warning extra'"
        # `v_x double precision := apdb.setting(…)` is a cast by assignment, and meant
        "  and c.message <> 'target type is different type than source type'"
    ).fetchall()
    assert "\n".join(map(str, found)) == ""


def test_install_again_changes_nothing(plain_connection: psycopg.Connection[Any]) -> None:
    assert install(plain_connection) == []


def test_drift_sees_a_change_by_hand(plain_connection: psycopg.Connection[Any]) -> None:
    assert drift(plain_connection) == []
    plain_connection.execute(
        "create or replace function apdb.ms_since(p_start timestamptz) returns double precision "
        "language sql as 'select 0.0::double precision'"
    )
    plain_connection.execute("drop function apdb.sky_cells")
    plain_connection.execute(
        "create function apdb.stranger() returns int language sql as 'select 1'"
    )
    assert sorted(drift(plain_connection)) == [
        "apdb.stranger is in the database, but not ours",
        "function apdb.ms_since was changed in the database by hand",
        "function apdb.sky_cells is in the ledger, but not in the database",
    ]


def test_an_upgrade_puts_a_change_by_hand_right(
    plain_connection: psycopg.Connection[Any],
) -> None:
    plain_connection.execute(
        "create or replace function apdb.ms_since(p_start timestamptz) returns double precision "
        "language sql as 'select 0.0::double precision'"
    )
    plain_connection.execute("drop function apdb.sky_cells")
    plain_connection.execute("drop trigger dia_source_visit_fk_insert on apdb_base.dia_source")
    plain_connection.execute("set local role apdb_owner")
    assert sorted(install(plain_connection)) == ["dia_source_visit_fk", "ms_since", "sky_cells"]
    assert drift(plain_connection) == []


def test_a_changed_signature_is_dropped_and_made_anew(
    plain_connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    import apdb.schema.routines as module

    old = next(r for r in routines() if r.name == "ms_since")
    new = replace(
        old, text=old.text.replace("(p_start timestamptz)", "(p_start timestamptz, p_x int)")
    )
    rest = tuple(r for r in routines() if r.name not in {"ms_since", "galactic"})
    monkeypatch.setattr(module, "routines", lambda: (new, *rest))
    plain_connection.execute("set local role apdb_owner")
    assert sorted(install(plain_connection)) == ["dropped galactic", "ms_since"]
    assert plain_connection.execute(
        "select p.oid::regprocedure::text from pg_proc as p where p.proname = 'ms_since'"
    ).fetchall() == [("apdb.ms_since(timestamp with time zone,integer)",)]


def test_a_changed_view_takes_its_routines_along(
    plain_connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import apdb.schema.routines as module

    generated = dict(module._generated())
    generated["view", "dia_object"] += ";\ncomment on view apdb.dia_object is 'changed'"
    monkeypatch.setattr(module, "_generated", lambda: generated)
    plain_connection.execute("set local role apdb_owner")
    changed = install(plain_connection)
    assert changed[0] == "dia_object"
    assert "objects_in_cone" in changed
    assert plain_connection.execute("select * from apdb.objects_in_cone(0, 0, 1)").fetchall() == []
    assert drift(plain_connection) == []


def test_references_hold_on_insert_update_and_delete(
    plain_connection: psycopg.Connection[Any],
) -> None:
    plain_connection.execute("select apdb.ensure_partitions(61100, 61100)")
    violation = psycopg.errors.ForeignKeyViolation
    row = (
        "insert into apdb_base.dia_source (dia_source_id, visit, detector, midpoint_mjd_tai, ra, dec, "
        "band, time_processed_mjd_tai, store_seq, dia_object_id) "
        "values (1, 5, 6, 61100, 1, 1, 'g', 61100, 1, {})"
    )
    with (
        pytest.raises(violation, match=r"dia_source refers to visit \(5,6\)"),
        plain_connection.transaction(),
    ):
        plain_connection.execute(row.format("null"))
    plain_connection.execute(
        "insert into apdb_base.visit (visit, detector, band, midpoint_mjd_tai, ra, dec, radius, night, digest, "
        "store_seq, time_processed_mjd_tai, association, association_radius, n_dia_sources, "
        "n_new_dia_objects, n_matched_dia_objects, n_ss_objects, n_unassociated, report_dia_object_id, "
        "report_ss_object_id, report_is_new) values (5, 6, 'g', 61100, 1, 1, 1, '2026-01-01', "
        "decode(repeat('00', 32), 'hex'), 1, 61100, 'nearest', 1, 1, 0, 0, 0, 1, '{0}', '{0}', '{f}')"
    )
    with pytest.raises(violation, match=r"dia_object \(77\)"), plain_connection.transaction():
        plain_connection.execute(row.format("77"))
    plain_connection.execute(row.format("null"))
    with pytest.raises(violation, match=r"dia_object \(78\)"), plain_connection.transaction():
        plain_connection.execute("update apdb_base.dia_source set dia_object_id = 78")
    with (
        pytest.raises(violation, match=r"visit \(5,6\) is still referred to by dia_source"),
        plain_connection.transaction(),
    ):
        plain_connection.execute("delete from apdb_base.visit")
