"""The schema as data: tables and columns of `catalogue.yaml`, the one place that defines them.

SQLAlchemy tables, views, Avro records and the column reference all derive from what this module
loads.  Nothing here touches a database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
import yaml
from sqlalchemy.dialects import postgresql

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
    "sqlalchemy_metadata",
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

_SA_TYPES: Mapping[str, sa.types.TypeEngine[Any]] = {
    "boolean": sa.Boolean(),
    "smallint": sa.SmallInteger(),
    "integer": sa.Integer(),
    "bigint": sa.BigInteger(),
    "real": sa.REAL(),
    "double precision": sa.Double(),
    "text": sa.Text(),
    "bytea": postgresql.BYTEA(),
    "jsonb": postgresql.JSONB(),
    "date": sa.Date(),
    "timestamp without time zone": sa.TIMESTAMP(timezone=False),
    "timestamp with time zone": sa.TIMESTAMP(timezone=True),
}

# What association and summaries read of each row comes first in it, fixed widths before the rest:
# PostgreSQL takes a row apart from the front, and a visit reads hundreds of thousands.
_FIRST: Mapping[str, tuple[str, ...]] = {
    "dia_source": (
        "dia_source_id",
        "visit",
        "midpoint_mjd_tai",
        "ra",
        "dec",
        "detector",
        "dia_object_id",
        "ra_err",
        "dec_err",
        "psf_flux",
        "psf_flux_err",
        "science_flux",
        "science_flux_err",
        "ra_dec_cov",
        "band",
        "ss_object_id",
        "time_withdrawn_mjd_tai",
    ),
}

# Objects are updated in place at every detection, and their mean positions are indexed and move:
# free space in each page and early vacuuming keep the table from bloating.
_STORAGE: Mapping[str, Mapping[str, Any]] = {
    "dia_object": {"fillfactor": 70, "autovacuum_vacuum_scale_factor": 0.02},
    "dia_object_place": {"fillfactor": 70, "autovacuum_vacuum_scale_factor": 0.02},
}


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


def _literal(sql: str) -> sa.TextClause:
    # A colon before a letter would be taken for a bound parameter; `::` casts are left alone.
    return sa.text(re.sub(r"(?<!:):(?=\w)", r"\:", sql))


def _sa_type(column: Column) -> sa.types.TypeEngine[Any]:
    base = _SA_TYPES[column.sql_type.removesuffix("[]")]
    return postgresql.ARRAY(base) if column.array else base


def _sa_column(column: Column) -> sa.Column[Any]:
    default = column.sql_default
    return sa.Column(
        column.name,
        _sa_type(column),
        *([sa.Identity()] if column.identity else []),
        nullable=column.nullable,
        server_default=_literal(default) if default is not None else None,
        comment=column.comment,
        autoincrement=column.identity,
    )


def _sa_index(index: Index) -> sa.Index:
    parts: list[Any] = list(index.columns) or [_literal(e) for e in index.expressions]
    where = _literal(index.where) if index.where else None
    return sa.Index(index.name, *parts, unique=index.unique, postgresql_where=where)


def _sa_constraints(table: Table) -> list[sa.Constraint]:
    found: list[sa.Constraint] = [
        sa.PrimaryKeyConstraint(*table.primary_key, name=f"{table.name}_pkey")
    ]
    found += [sa.CheckConstraint(_literal(c.expression), name=c.name) for c in table.checks]
    found += [sa.UniqueConstraint(*u.columns, name=u.name) for u in table.uniques]
    for key in table.foreign_keys:
        if key.by_statement:
            continue
        target = [f"{BASE_SCHEMA}.{key.referenced_table}.{c}" for c in key.referenced_columns]
        found.append(sa.ForeignKeyConstraint(key.columns, target, name=key.name))
    return found


def _physical_order(table: Table) -> list[Column]:
    first = _FIRST.get(table.name, ())
    rest = [column for column in table.columns if column.name not in first]
    return [table.column(name) for name in first] + rest


def sqlalchemy_metadata() -> sa.MetaData:
    """Build the base tables, in schema apdb_base, with keys, checks, indexes and comments.

    Returns
    -------
    sqlalchemy.MetaData
        A new object at each call.  Partitioned tables are declared without partitions; expression
        indexes call ``q3c_ang2ipix`` unqualified, so Q3C's schema must be on the search path.
    """
    metadata = sa.MetaData(schema=BASE_SCHEMA)
    for definition in catalogue().tables.values():
        options: dict[str, Any] = {}
        if definition.partitioned:
            options["postgresql_partition_by"] = f"range ({PARTITION_COLUMN})"
        if definition.name in _STORAGE:
            options["postgresql_with"] = dict(_STORAGE[definition.name])
        sa.Table(
            definition.name,
            metadata,
            *[_sa_column(c) for c in _physical_order(definition)],
            *_sa_constraints(definition),
            *[_sa_index(i) for i in definition.indexes],
            comment=definition.description,
            **options,
        )
    return metadata
