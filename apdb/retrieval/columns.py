"""The columns that a condition on alerts may name, with their types and where they come from.

Three tables: the alert itself, the DIASource that triggered it, and, as ``dia_object.name`` or
``diaObject.name``, the DIAObject of the alert as it is now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from apdb.schema import catalogue

VIEW = "archived_alert"
"""The view that holds all of them."""

OBJECT_PREFIX = "object_"
"""What the columns of the DIAObject begin with in the view."""

_KINDS = {
    "boolean": "truth",
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "real": "number",
    "double precision": "number",
    "text": "text",
}
# What says where a packet is kept is the archive's own affair.
_HIDDEN = {
    "packet_file",
    "packet_offset",
    "packet_length",
    "stamps_file",
    "stamps_offset",
    "stamps_length",
    "sha256",
}


@dataclass(frozen=True)
class Searchable:
    """A column that a condition may name.

    Attributes
    ----------
    name : str
        Its name in a condition.
    column : str
        Its name in the view.
    kind : str
        ``truth``, ``integer``, ``number`` or ``text``.
    unit : str or None
        Its unit.
    description : str
        What it is.
    """

    name: str
    column: str
    kind: str
    unit: str | None
    description: str


@cache
def searchable() -> Mapping[str, Searchable]:
    """Return the columns by every name that a condition may use, in small letters.

    Returns
    -------
    mapping of str to Searchable
        snake_case and DPDD names, with and without the name of their table.
    """
    found: dict[str, Searchable] = {}
    for table, camel, prefix in (
        ("alert", "alert", ""),
        ("dia_source", "diaSource", ""),
        ("dia_object", "diaObject", OBJECT_PREFIX),
    ):
        for column in catalogue.table(table).columns:
            kind = _KINDS.get(column.sql_type)
            if kind is None or column.array or (table == "alert" and column.name in _HIDDEN):
                continue
            bare = table != "dia_object"
            name = column.name if bare else f"{table}.{column.name}"
            # What alert and source both have is in the view as the alert has it.
            each = found.get(name) or Searchable(
                name, prefix + column.name, kind, column.unit, column.description
            )
            names = [f"{table}.{column.name}", f"{camel}.{column.dpdd_name}"]
            names += [column.name, column.dpdd_name] if bare else []
            for one in names:
                found.setdefault(one.lower(), each)
    status = "current, superseded by a newer revision, or withdrawn with its DIASource"
    found["status"] = Searchable("status", "status", "text", None, status)
    return MappingProxyType(found)


def documented() -> tuple[Searchable, ...]:
    """Return the columns that a condition may name, each once, in the order of the tables."""
    return tuple(dict.fromkeys(searchable().values()))
