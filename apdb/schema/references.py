"""Triggers that check references once a statement, where a foreign key would check each row."""

from __future__ import annotations

from functools import cache

from apdb.schema.catalogue import BASE_SCHEMA, ForeignKey, Table, catalogue


@cache
def reference_statements() -> dict[str, str]:
    """Return the statements that create the triggers of each reference, by its name.

    Returns
    -------
    dict of str to str
        CREATE TRIGGER statements, separated by semicolons: for insert and update of the referring
        table, and for delete of the referenced one.
    """
    return {
        key.name: _statements(table, key)
        for table in catalogue().tables.values()
        for key in table.foreign_keys
        if key.by_statement
    }


def _statements(table: Table, key: ForeignKey) -> str:
    pairs = "".join(
        f", '{column}', '{referenced}'"
        for column, referenced in zip(key.columns, key.referenced_columns, strict=True)
    )
    written = [
        f"create or replace trigger {key.name}_{event} after {event} on {BASE_SCHEMA}.{table.name} "
        f"referencing new table as added for each statement "
        f"execute function apdb.check_reference('{key.referenced_table}'{pairs})"
        for event in ("insert", "update")
    ]
    deleted = (
        f"create or replace trigger {key.name}_delete after delete "
        f"on {BASE_SCHEMA}.{key.referenced_table} "
        f"referencing old table as removed for each statement "
        f"execute function apdb.check_unreferenced('{table.name}'{pairs})"
    )
    return ";\n".join([*written, deleted])
