"""The base tables as SQLAlchemy has them: DDL of the catalogue, to make or compare a schema with.

Apart from the catalogue, for SQLAlchemy takes as long to import as all that commands need of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from apdb.schema.catalogue import BASE_SCHEMA, PARTITION_COLUMN, catalogue
from apdb.schema.catalogue_model import Column, Index, Table

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

# History is read by object: bytes that are in the index lie side by side, and need not be fetched
# from thirty pages.  Those of DIASources are not: each visit would write twice as much for them.
_WITH_KEY: Mapping[str, tuple[str, ...]] = {"dia_forced_source_fragment": ("head", "tail")}


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
        sa.PrimaryKeyConstraint(
            *table.primary_key,
            name=f"{table.name}_pkey",
            postgresql_include=_WITH_KEY.get(table.name),
        )
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
