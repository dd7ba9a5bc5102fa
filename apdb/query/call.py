"""How a query for an analyst is made: arguments checked, columns chosen, rows fetched."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString, TypeAlias, Union, cast

import numpy as np
import psycopg
from psycopg import sql

from apdb.errors import InvalidInput, Problem
from apdb.given import imported, number_in
from apdb.input.problems import show
from apdb.query.tables_out import fetch_table, selection
from apdb.schema import catalogue
from apdb.schema.catalogue import Column
from apdb.session import Session

if TYPE_CHECKING:
    from astropy import units as u
    from astropy.table import Table
    from astropy.time import Time

Degrees: TypeAlias = Union[float, "u.Quantity"]
"""A number of degrees, or a Quantity with a unit of angle."""

Mjd: TypeAlias = Union[float, "Time"]
"""MJD TAI [d], or a Time."""

DISTANCE = Column(
    name="distance",
    dpdd_name="distance",
    datatype="double",
    array=False,
    nullable=False,
    default=None,
    unit="arcsec",
    ucd="pos.angDistance",
    description="Distance on the sphere from the position asked for.",
)
FORCED = Column(
    name="forced",
    dpdd_name="forced",
    datatype="boolean",
    array=False,
    nullable=False,
    default=None,
    unit=None,
    ucd=None,
    description="True for forced photometry, false for a detection.",
)


@dataclass(frozen=True)
class Call:
    """A call of a routine that returns rows.

    Attributes
    ----------
    routine : str
        Name of the routine, or of a view.
    values : tuple
        Its arguments; None calls nothing and reads the view.
    columns : tuple of Column
        Columns of the result.
    order : tuple of str
        Columns to sort by.
    centre : (float, float) or None
        Position [deg] whose distance is the last column and sorts first.
    limit : int or None
        Most rows.
    """

    routine: str
    values: tuple[object, ...] | None
    columns: tuple[Column, ...]
    order: tuple[str, ...]
    centre: tuple[float, float] | None = None
    limit: int | None = None

    def run(self, session: Session, where: LiteralString | None = None, *given: object) -> Table:
        """Return the rows.

        Parameters
        ----------
        session : Session
            Where to run it, in a read-only transaction with a statement timeout.
        where : str, optional
            Condition on the rows, with ``%s`` for `given`.
        *given
            Values of the condition.

        Returns
        -------
        astropy.table.Table
            See `apdb.query.tables_out.fetch_table`.

        Raises
        ------
        ApdbError
            What the database says, InvalidInput for arguments that it refuses.
        """
        arguments: sql.Composable = sql.SQL("")
        if self.values is not None:
            arguments = sql.SQL("({})").format(
                sql.SQL(", ").join([sql.Placeholder()] * len(self.values))
            )
        chosen = selection(self.columns)
        columns = list(self.columns)
        order = [sql.Identifier("t", name) for name in self.order]
        values: list[object] = []
        if self.centre is not None:
            chosen = sql.SQL("{}, q3c_dist(%s, %s, t.ra, t.dec) * 3600.0 as distance").format(
                chosen
            )
            columns.append(DISTANCE)
            order.insert(0, sql.Identifier("distance"))
            values += self.centre
        values += [*(self.values or ()), *given, self.limit]
        query = sql.SQL("select {} from {}{} as t{} order by {} limit %s").format(
            chosen,
            sql.Identifier("apdb", self.routine),
            arguments,
            sql.SQL(" where " + where if where else ""),
            sql.SQL(", ").join(order),
        )
        with session.reading() as connection:
            find_q3c(connection)
            return fetch_table(connection, query, values, columns)


def find_q3c(connection: psycopg.Connection[Any]) -> None:
    """Put Q3C's schema on a transaction's search path: its functions call each other by name.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction.
    """
    connection.execute(
        "select set_config('search_path', 'apdb, ' || e.extnamespace::regnamespace::text, true) "
        "from pg_extension as e where e.extname = 'q3c'"
    )


def chosen_columns(table: str, names: Sequence[str] | None) -> tuple[Column, ...]:
    """Return columns of a table of the catalogue.

    Parameters
    ----------
    table : str
        Name of the table.
    names : sequence of str or None
        snake_case or DPDD names; None for all.

    Returns
    -------
    tuple of Column
        The columns, in the order of the names.

    Raises
    ------
    InvalidInput
        If there is no such column.
    """
    definition = catalogue.table(table)
    if names is None:
        return definition.columns
    wanted = [names] if isinstance(names, str) else list(names)
    found: list[Column] = []
    problems: list[Problem] = []
    for name in wanted:
        try:
            found.append(definition.column(name))
        except KeyError:
            problems.append(Problem(None, "columns", show(name), f"{table} has no such column"))
    if not wanted:
        problems.append(Problem(None, "columns", "", "name at least one, or None for all"))
    if problems:
        raise invalid(problems)
    return tuple(dict.fromkeys(found))


def degrees(name: str, value: Degrees) -> float:
    """Return an angle in degrees; its range is the database's to check.

    Parameters
    ----------
    name : str
        What it is, for the error.
    value : float or Quantity
        The angle.

    Returns
    -------
    float
        The angle [deg].

    Raises
    ------
    InvalidInput
        If it is no number, or not an angle.
    """
    try:
        return number_in("deg", value)
    except (TypeError, ValueError):
        text = "must be a number of degrees, or a Quantity of angle"
        raise invalid([Problem(None, name, show(value), text)]) from None


def mjd(name: str, value: Mjd | None) -> float | None:
    """Return a time as MJD TAI.

    Parameters
    ----------
    name : str
        What it is, for the error.
    value : float, astropy.time.Time or None
        The time.

    Returns
    -------
    float or None
        MJD TAI [d]; None as given.

    Raises
    ------
    InvalidInput
        If it is no time.
    """
    if value is None:
        return None
    try:
        is_time = isinstance(value, imported("astropy.time", "Time"))
        found = float(cast(Any, value).tai.mjd if is_time else value)
    except (TypeError, ValueError):
        found = float("nan")
    if found != found:  # NaN
        text = "must be an MJD (TAI), or a Time"
        raise invalid([Problem(None, name, show(value), text)])
    return found


def whole(name: str, value: int | None, low: int = 0, high: int = 2**63 - 1) -> int | None:
    """Return a whole number within bounds.

    Parameters
    ----------
    name : str
        What it is, for the error.
    value : int or None
        The number; never a float, which may have been rounded.
    low, high : int
        Bounds, included.

    Returns
    -------
    int or None
        The number; None as given.

    Raises
    ------
    InvalidInput
        If it is no whole number, or out of bounds.
    """
    if value is None:
        return None
    try:
        found = operator.index(cast(Any, value))
    except TypeError:
        found = low - 1
    if isinstance(value, bool | np.bool_) or not low <= found <= high:
        text = f"must be a whole number from {low} to {high}"
        raise invalid([Problem(None, name, show(value), text)])
    return found


def invalid(problems: Sequence[Problem]) -> InvalidInput:
    """Return the error for arguments of a query, which speaks of no input that was not stored.

    Parameters
    ----------
    problems : sequence of Problem
        What is wrong.

    Returns
    -------
    InvalidInput
        To be raised.
    """
    return InvalidInput("\n".join(str(problem) for problem in problems), problems)


def cone(ra: Degrees, dec: Degrees, radius: Degrees) -> tuple[float, float, float]:
    """Return a cone in degrees; its range is the database's to check.

    Parameters
    ----------
    ra, dec, radius : float or Quantity
        Centre and radius.

    Returns
    -------
    tuple of float
        All three [deg].

    Raises
    ------
    InvalidInput
        If one is no angle.
    """
    return degrees("ra", ra), degrees("dec", dec), degrees("radius", radius)


def span(mjd_from: Mjd, mjd_to: Mjd) -> tuple[float | None, float | None]:
    """Return a span of midpoints as MJD TAI.

    Parameters
    ----------
    mjd_from, mjd_to : float or Time
        First time, and the time before which it ends.

    Returns
    -------
    tuple of float
        Both as MJD TAI [d].

    Raises
    ------
    InvalidInput
        If one is no time.
    """
    return mjd("mjd_from", mjd_from), mjd("mjd_to", mjd_to)
