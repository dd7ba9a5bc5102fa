"""Comparison of the live tables with the catalogue."""

from __future__ import annotations

from typing import Any

import psycopg

from apdb.schema.catalogue import BASE_SCHEMA, Table, catalogue

_COLUMNS = """
select
    c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    col_description(c.oid, a.attnum)
from pg_class as c
join pg_attribute as a on a.attrelid = c.oid
where c.relnamespace = %s::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    and a.attnum > 0 and not a.attisdropped
"""

_NAMES = """
select t.relname, k.conname
from pg_constraint as k
join pg_class as t on k.conrelid = t.oid
where t.relnamespace = %(schema)s::regnamespace and not t.relispartition
union all
select t.relname, i.relname
from pg_index as x
join pg_class as i on x.indexrelid = i.oid
join pg_class as t on x.indrelid = t.oid
where t.relnamespace = %(schema)s::regnamespace and not t.relispartition and x.indisvalid
"""


def table_drift(connection: psycopg.Connection[Any]) -> list[str]:
    """List the differences between the base tables and the catalogue.

    Parameters
    ----------
    connection : psycopg.Connection
        To the database to look at.

    Returns
    -------
    list of str
        One line for each table, column, type, nullability, comment, constraint or index that
        differs; empty if there is none.
    """
    live: dict[str, dict[str, tuple[str, bool, str | None]]] = {}
    for table, column, sql_type, not_null, comment in connection.execute(_COLUMNS, (BASE_SCHEMA,)):
        live.setdefault(table, {})[column] = (sql_type, not_null, comment)
    names: dict[str, set[str]] = {}
    for table, name in connection.execute(_NAMES, {"schema": BASE_SCHEMA}):
        names.setdefault(table, set()).add(name)
    found: list[str] = []
    wanted = catalogue().tables
    for name, table in wanted.items():
        if name not in live:
            found.append(f"table {name} is missing")
        else:
            found += _column_drift(table, live[name])
            found += _name_drift(table, names.get(name, set()))
    known = wanted.keys() | {"alembic_version"}
    found += [
        f"table {name} is in the database, but not in the catalogue" for name in live.keys() - known
    ]
    return found


def _column_drift(table: Table, live: dict[str, tuple[str, bool, str | None]]) -> list[str]:
    found: list[str] = []
    for column in table.columns:
        if column.name not in live:
            found.append(f"column {table.name}.{column.name} is missing")
            continue
        sql_type, not_null, comment = live[column.name]
        if sql_type != column.sql_type:
            found.append(f"column {table.name}.{column.name} is {sql_type}, not {column.sql_type}")
        if not_null == column.nullable:
            state = "not null" if not_null else "nullable"
            found.append(f"column {table.name}.{column.name} is {state}, against the catalogue")
        if comment != column.comment:
            found.append(
                f"column {table.name}.{column.name} has another comment than the catalogue"
            )
    extra = live.keys() - {column.name for column in table.columns}
    found += [f"column {table.name}.{name} is not in the catalogue" for name in sorted(extra)]
    return found


def _name_drift(table: Table, live: set[str]) -> list[str]:
    keys = [key for key in table.foreign_keys if not key.by_statement]
    groups = (table.checks, table.uniques, keys, table.indexes)
    wanted = {item.name for group in groups for item in group}
    return [
        f"constraint or index {name} of {table.name} is missing" for name in sorted(wanted - live)
    ]
