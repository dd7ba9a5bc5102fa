"""The schema as data: tables and columns of `catalogue.yaml`, the one place that defines them.

SQLAlchemy tables, views, Avro records and the column reference all derive from what this module
loads.  Nothing here touches a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import yaml

from apdb.schema.catalogue_model import Catalogue, Check, Column, ForeignKey, Index, Table, Unique

__all__ = [
    "BASE_SCHEMA",
    "PARTITION_COLUMN",
    "Catalogue",
    "Check",
    "Column",
    "ForeignKey",
    "Index",
    "Table",
    "Unique",
    "catalogue",
    "table",
]

BASE_SCHEMA = "apdb_base"
"""Schema of the base tables; users see the views of the same names in schema apdb."""

PARTITION_COLUMN = "midpoint_mjd_tai"
"""Column that every partitioned table is range-partitioned by."""

_PARTITIONED = "apdb:partitioned"
_WHERE = "apdb:where "
_UNIQUE_WHERE = "apdb:unique where "
_BY_STATEMENT = "apdb:by statement"


def _column(node: Mapping[str, Any]) -> Column:
    override = node.get("postgresql:datatype")
    return Column(
        name=node["name"],
        dpdd_name=_dpdd_name(node["@id"]),
        datatype=node["datatype"],
        array=node.get("votable:arraysize") == "*",
        nullable=node.get("nullable", True),
        default=node.get("value"),
        unit=node.get("ivoa:unit"),
        ucd=node.get("ivoa:ucd"),
        description=node["description"],
        identity=node.get("autoincrement", False),
        sql_override=override.lower() if override else None,
    )


def _dpdd_name(identifier: str) -> str:
    return identifier.partition(".")[2]


def _index(node: Mapping[str, Any], names: Mapping[str, tuple[str, str]]) -> Index:
    utype: str = node.get("votable:utype", "")
    unique = utype.startswith(_UNIQUE_WHERE)
    mark = _UNIQUE_WHERE if unique else _WHERE
    return Index(
        name=node["name"],
        columns=tuple(names[i][1] for i in node.get("columns", ())),
        expressions=tuple(node.get("expressions", ())),
        where=utype.removeprefix(mark) if utype.startswith(mark) else None,
        unique=unique,
        description=node["description"],
    )


def _foreign_key(node: Mapping[str, Any], names: Mapping[str, tuple[str, str]]) -> ForeignKey:
    referenced = [names[i] for i in node["referencedColumns"]]
    return ForeignKey(
        name=node["name"],
        columns=tuple(names[i][1] for i in node["columns"]),
        referenced_table=referenced[0][0],
        referenced_columns=tuple(column for _, column in referenced),
        by_statement=node.get("votable:utype") == _BY_STATEMENT,
    )


def _table(node: Mapping[str, Any], names: Mapping[str, tuple[str, str]]) -> Table:
    constraints: dict[str, list[Mapping[str, Any]]] = {"Check": [], "Unique": [], "ForeignKey": []}
    for constraint in node.get("constraints", ()):
        constraints[constraint["@type"]].append(constraint)
    return Table(
        name=node["name"],
        description=node["description"],
        columns=tuple(_column(c) for c in node["columns"]),
        primary_key=tuple(names[i][1] for i in node["primaryKey"]),
        checks=tuple(
            Check(c["name"], c["expression"], c["description"]) for c in constraints["Check"]
        ),
        uniques=tuple(
            Unique(c["name"], tuple(names[i][1] for i in c["columns"]))
            for c in constraints["Unique"]
        ),
        indexes=tuple(_index(i, names) for i in node.get("indexes", ())),
        foreign_keys=tuple(_foreign_key(c, names) for c in constraints["ForeignKey"]),
        partitioned=node.get("votable:utype") == _PARTITIONED,
    )


@cache
def catalogue() -> Catalogue:
    """Load the catalogue that comes with this package.

    Returns
    -------
    Catalogue
        The same object at each call.
    """
    text = resources.files("apdb.schema").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    # The safe loader written in C, where PyYAML has it, takes a tenth of the time.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.load(text, Loader=loader)  # noqa: S506
    names = {c["@id"]: (t["name"], c["name"]) for t in document["tables"] for c in t["columns"]}
    return Catalogue(
        version=document["version"]["current"],
        description=document["description"],
        tables=MappingProxyType({t["name"]: _table(t, names) for t in document["tables"]}),
    )


def table(name: str) -> Table:
    """Find a table.

    Parameters
    ----------
    name : str
        Name of the table, without schema.

    Returns
    -------
    Table
        The table of that name.

    Raises
    ------
    KeyError
        The catalogue has no such table.
    """
    try:
        return catalogue().tables[name]
    except KeyError:
        raise KeyError(f"the catalogue has no table {name!r}") from None
