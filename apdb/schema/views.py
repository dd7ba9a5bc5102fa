"""The views that users read: one for each base table, generated from the catalogue.

They hide what is withdrawn or retired and carry description and unit of every column.
"""

from __future__ import annotations

from functools import cache

from apdb.schema.catalogue import BASE_SCHEMA, Table, catalogue

HIDDEN = {
    "dia_object": "validity_end_mjd_tai is null",
    "dia_source": "time_withdrawn_mjd_tai is null",
    "dia_forced_source": "time_withdrawn_mjd_tai is null",
}
"""Condition on the rows that default reads see, where not all of them are seen."""

READ_BY = {
    "alert": "apdb_reader, apdb_writer, apdb_broker",
    # What a connection looks at first: the version of the schema.
    "metadata": "apdb_reader, apdb_writer, apdb_broker",
}
INTERNAL = frozenset({"routine_ledger"})


@cache
def view_statements() -> dict[str, str]:
    """Return the statements that create each view, by its name.

    Returns
    -------
    dict of str to str
        CREATE VIEW, its comments and its grants, separated by semicolons.
    """
    return {
        table.name: _statements(table)
        for table in catalogue().tables.values()
        if table.name not in INTERNAL
    }


def _statements(table: Table) -> str:
    columns = ", ".join(column.name for column in table.columns)
    condition = HIDDEN.get(table.name)
    where = f" where {condition}" if condition else ""
    readers = READ_BY.get(table.name, "apdb_reader, apdb_writer")
    lines = [
        f"create view apdb.{table.name} as select {columns} from {BASE_SCHEMA}.{table.name}{where}",  # noqa: S608 - our own names
        f"comment on view apdb.{table.name} is {_quoted(table.description)}",
        f"grant select on apdb.{table.name} to {readers}",
    ]
    lines += [
        f"comment on column apdb.{table.name}.{column.name} is {_quoted(column.comment)}"
        for column in table.columns
    ]
    return ";\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
