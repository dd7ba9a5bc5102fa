"""What a schema is made of: frozen records of columns, constraints, indexes and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

_SQL_TYPES = {
    "boolean": "boolean",
    "short": "smallint",
    "int": "integer",
    "long": "bigint",
    "float": "real",
    "double": "double precision",
    "text": "text",
    "binary": "bytea",
    "timestamp": "timestamp without time zone",
}

_NUMPY_TYPES = {
    "boolean": "?",
    "smallint": "i2",
    "integer": "i4",
    "bigint": "i8",
    "real": "f4",
    "double precision": "f8",
    "timestamp without time zone": "M8[us]",
    "timestamp with time zone": "M8[us]",
    "date": "M8[D]",
}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
        Name in SQL and Python, snake_case.
    dpdd_name : str
        Name in an alert packet, for instance ``psfFlux``.
    datatype : str
        Felis type: boolean, short, int, long, float, double, text, binary or timestamp.
    array : bool
        True if a value is an array of any length of that type.
    nullable : bool
        Whether the value may be null.
    default : object or None
        Value that a row gets when none is given; None if there is no default.
    unit : str or None
        Unit in a notation that `astropy.units.Unit` reads.
    ucd : str or None
        IVOA unified content descriptor.
    description : str
        Meaning of the column.
    identity : bool
        True if the server numbers the rows when no value is given.
    sql_override : str or None
        PostgreSQL type where it is not the usual one for `datatype`.
    """

    name: str
    dpdd_name: str
    datatype: str
    array: bool
    nullable: bool
    default: object | None
    unit: str | None
    ucd: str | None
    description: str
    identity: bool = False
    sql_override: str | None = None

    @property
    def sql_type(self) -> str:
        """Type in PostgreSQL.

        Returns
        -------
        str
            As the server's ``format_type`` writes it, for instance ``double precision``.
        """
        base = self.sql_override or _SQL_TYPES[self.datatype]
        return f"{base}[]" if self.array else base

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """Dtype of one value.

        Returns
        -------
        numpy.dtype
            Of one element if `array`; object for text, binary and JSON.
        """
        return np.dtype(_NUMPY_TYPES.get(self.sql_type.removesuffix("[]"), "O"))

    @property
    def sql_default(self) -> str | None:
        """Default as SQL.

        Returns
        -------
        str or None
            An expression for DEFAULT; None if there is none.
        """
        if self.default is None:
            return None
        if isinstance(self.default, bool):
            return str(self.default).lower()
        if isinstance(self.default, float) and not math.isfinite(self.default):
            return f"'{self.default}'::{self.sql_type}".replace("nan", "NaN")
        if isinstance(self.default, str):
            return "'" + self.default.replace("'", "''") + "'"
        return str(self.default)

    @property
    def comment(self) -> str:
        """Text for COMMENT ON COLUMN.

        Returns
        -------
        str
            The description, then the unit in brackets if there is one.
        """
        return f"{self.description} [{self.unit}]" if self.unit else self.description


@dataclass(frozen=True)
class Check:
    """A check constraint: a name, an SQL condition that every row meets, and why."""

    name: str
    expression: str
    description: str


@dataclass(frozen=True)
class Unique:
    """A unique constraint other than the primary key."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class ForeignKey:
    """A reference to the key of another table.

    Those of the tables that a visit writes thousands of rows to are checked once a statement, by
    triggers (`apdb.schema.references`); the others are foreign keys of PostgreSQL.
    """

    name: str
    columns: tuple[str, ...]
    referenced_table: str
    referenced_columns: tuple[str, ...]
    by_statement: bool


@dataclass(frozen=True)
class Index:
    """A b-tree index over columns or expressions, of all rows or of those that meet `where`."""

    name: str
    columns: tuple[str, ...]
    expressions: tuple[str, ...]
    where: str | None
    unique: bool
    description: str


@dataclass(frozen=True)
class Table:
    """One table: columns in order, keys, checks and indexes."""

    name: str
    description: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    checks: tuple[Check, ...]
    uniques: tuple[Unique, ...]
    indexes: tuple[Index, ...]
    foreign_keys: tuple[ForeignKey, ...]
    partitioned: bool

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {c.dpdd_name: c for c in self.columns} | {c.name: c for c in self.columns}

    def column(self, name: str) -> Column:
        """Find a column.

        Parameters
        ----------
        name : str
            Its snake_case or its DPDD name.

        Returns
        -------
        Column
            The column of that name.

        Raises
        ------
        KeyError
            The table has no such column.
        """
        try:
            return self._by_name[name]
        except KeyError:
            raise KeyError(f"table {self.name} has no column {name!r}") from None


@dataclass(frozen=True)
class Catalogue:
    """All tables of one version of the schema, by name and in order of creation."""

    version: str
    description: str
    tables: Mapping[str, Table]
