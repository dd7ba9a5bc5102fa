"""Crossmatch of tables of positions with DIAObjects or a reference catalogue, in the database."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from apdb.errors import Problem
from apdb.given import number_in
from apdb.input.containers import RawColumn
from apdb.positions import check, degrees, parts
from apdb.query.call import chosen_columns, find_q3c, invalid
from apdb.query.tables_out import fetch_table, selection
from apdb.schema.catalogue import Column
from apdb.session import Session

if TYPE_CHECKING:
    from astropy import units as u
    from astropy.table import Table

OBJECTS = "objects"
"""What stands for the DIAObjects where a catalogue is asked for."""

WORKERS = 2
"""Parts that the database works on at once."""

MAX_RADIUS = 3600.0


def _column(name: str, datatype: str, unit: str | None, description: str) -> Column:
    return Column(name, name, datatype, False, False, None, unit, None, description)


_PLACE = _column("row", "long", None, "Row of the input, counted from 0")
_MATCH = (
    _column("match_ra", "double", "deg", "Right ascension of the match, ICRS"),
    _column("match_dec", "double", "deg", "Declination of the match, ICRS"),
    _column("distance", "double", "arcsec", "Distance from the position of the input"),
)


@dataclass(frozen=True)
class Target:
    """What positions are matched with.

    Attributes
    ----------
    against : str
        ``objects``, or the name of a reference catalogue.
    radius : float
        How far to look [arcsec].
    best : bool
        Only the nearest match of each position.
    columns : tuple of Column
        Further columns of the matches.
    """

    against: str
    radius: float
    best: bool
    columns: tuple[Column, ...]

    @property
    def table(self) -> str:
        """Name of the table that the matches are rows of."""
        return "dia_object" if self.against == OBJECTS else "reference_object"

    @property
    def id_column(self) -> Column:
        """The column that the matches are named by."""
        return chosen_columns(self.table, [f"{self.table}_id"])[0]

    def run(self, session: Session, ra: NDArray[Any], dec: NDArray[Any], first: int) -> Table:
        """Match some positions.

        Parameters
        ----------
        session : Session
            Where to.
        ra, dec : ndarray, shape (n,)
            Positions [deg].
        first : int
            Number of the first.

        Returns
        -------
        astropy.table.Table
            Their matches, in the order of position and distance.
        """
        where = [] if self.against == OBJECTS else [self.against]
        routine = "crossmatch_objects" if self.against == OBJECTS else "crossmatch_reference"
        id_name = sql.Identifier(self.id_column.name)
        more: sql.Composable = sql.SQL("")
        join: sql.Composable = sql.SQL("")
        if self.columns:
            more = sql.SQL(", {}").format(selection(self.columns))
            join = sql.SQL(" join apdb.{} as t using ({})").format(
                sql.Identifier(self.table), id_name
            )
            if where:
                join = sql.SQL("{} and t.catalogue_id = apdb.reference_catalogue_id({})").format(
                    sql.SQL(" join apdb.reference_object as t on t.reference_object_id = "
                            "m.reference_object_id"),
                    sql.Literal(self.against),
                )  # fmt: skip
        query = sql.SQL(
            "select m.place + {}, m.{}, m.ra, m.dec, m.distance{} from apdb.{}({}, %s, %s) as m{} "
            "order by m.place, m.distance, m.{}"
        ).format(
            sql.Literal(first),
            id_name,
            more,
            sql.Identifier(routine),
            sql.SQL(", ").join([*map(sql.Literal, where), _array(ra), _array(dec)]),
            join,
            id_name,
        )
        columns = (_PLACE, self.id_column, *_MATCH, *self.columns)
        with session.reading() as connection:
            find_q3c(connection)
            return fetch_table(connection, query, (self.radius, self.best), columns)


def _array(values: NDArray[Any]) -> sql.Composable:
    """Return numbers as SQL, exactly, several times as fast as psycopg writes them."""
    return sql.SQL("'{{{}}}'::double precision[]").format(
        sql.SQL(",".join(map(repr, values.tolist())))
    )


class Crossmatches(Session):
    """Matching tables of positions with what the database has."""

    def crossmatch(
        self,
        positions: object,
        against: str = OBJECTS,
        *,
        radius: float | u.Quantity = 1.0,
        best: bool = True,
        columns: Sequence[str] | None = None,
        ra: str | None = None,
        dec: str | None = None,
    ) -> Table:
        """Match positions with DIAObjects or a reference catalogue.

        Parameters
        ----------
        positions : object
            Any table that `store_visit` takes, or a path; with columns of positions, ICRS [deg]
            unless they have another unit of angle.
        against : str, optional
            ``objects``, or the name of a reference catalogue; its objects are where they were at
            its epoch.
        radius : float or Quantity, optional
            How far to look [arcsec], above 0 and at most 3600.
        best : bool, optional
            Only the nearest match of each position; otherwise all within the radius.
        columns : sequence of str, optional
            Further columns of the matches.
        ra, dec : str, optional
            Names of the columns of positions, where they are not ``ra`` and ``dec`` or the like.

        Returns
        -------
        astropy.table.Table
            A row for each match, in the order of the input and of distance: ``row`` of the input,
            the id, ``match_ra``, ``match_dec`` [deg], ``distance`` [arcsec], and `columns`.

        Raises
        ------
        InvalidInput
            A position, the radius or a column is wrong.
        NotFound
            There is no such catalogue.
        """
        target = make_target(self, against, radius, best=best, columns=columns)
        found = [t for t, _ in matched(self, target, positions, ra=ra, dec=dec)]
        return _stacked(found)


def make_target(
    session: Session,
    against: str,
    radius: float | u.Quantity,
    *,
    best: bool,
    columns: Sequence[str] | None,
) -> Target:
    """Return what positions are to be matched with.

    Parameters
    ----------
    session : Session
        Where to.
    against : str
        ``objects``, or the name of a reference catalogue.
    radius : float or Quantity
        How far to look [arcsec].
    best : bool
        Only the nearest match of each position.
    columns : sequence of str or None
        Further columns of the matches.

    Returns
    -------
    Target

    Raises
    ------
    InvalidInput
        The radius or a column is wrong.
    NotFound
        There is no such catalogue.
    """
    try:
        number = number_in("arcsec", radius)
    except (TypeError, ValueError):
        number = float("nan")
    if not 0.0 < number <= MAX_RADIUS:
        text = f"must be above 0 and at most {MAX_RADIUS:g} arcsec"
        raise invalid([Problem(None, "radius", str(radius), text)])
    if against != OBJECTS:
        with session.reading() as connection:
            connection.execute("select apdb.reference_catalogue_id(%s)", (against,))
    table = "dia_object" if against == OBJECTS else "reference_object"
    more = chosen_columns(table, columns) if columns else ()
    taken = {f"{table}_id"}
    return Target(against, number, best, tuple(c for c in more if c.name not in taken))


def matched(
    session: Session,
    target: Target,
    positions: object,
    *,
    ra: str | None = None,
    dec: str | None = None,
    keep: Sequence[str] = (),
) -> Iterator[tuple[Table, int]]:
    """Match positions, a part of them at a time.

    Parameters
    ----------
    session : Session
        Where to.
    target : Target
        What with.
    positions : object
        A table, or the path of one.
    ra, dec : str, optional
        Names of the columns of positions.
    keep : sequence of str
        Columns of the input to put behind the matches.

    Yields
    ------
    (astropy.table.Table, int)
        Matches of a part, and its number of positions.  At least one part.

    Raises
    ------
    InvalidInput
        A position is none, or a column is not there.
    """
    # Two parts are under way at once, each on a connection of its own.
    waiting: deque[tuple[Future[Table], dict[str, RawColumn], int, int]] = deque()
    with ThreadPoolExecutor(WORKERS, "crossmatch") as pool:
        some = False
        for first, columns, (ra_name, dec_name) in parts(positions, ra, dec, keep):
            by_name = {column.name: column for column in columns}
            where = (
                degrees(by_name[ra_name], "ra", first),
                degrees(by_name[dec_name], "dec", first),
            )
            check(where, (ra_name, dec_name), first)
            found = pool.submit(target.run, session, *where, first)
            waiting.append((found, by_name, first, len(where[0])))
            some = True
            if len(waiting) > WORKERS:
                yield _finished(*waiting.popleft(), keep)
        while waiting:
            yield _finished(*waiting.popleft(), keep)
    if not some:
        none = np.empty(0)
        empty = target.run(session, none, none, 0)
        for name in keep:
            empty[_free(name, empty)] = none
        yield empty, 0


def _finished(
    result: Future[Table],
    by_name: dict[str, RawColumn],
    first: int,
    n: int,
    keep: Sequence[str],
) -> tuple[Table, int]:
    """Return the matches of a part, with the columns kept of the input."""
    found = result.result()
    for name in keep:
        found[_free(name, found)] = _taken(by_name[name], np.asarray(found["row"]) - first)
    return found, n


def _free(name: str, table: Table) -> str:
    return f"input_{name}" if name in table.colnames else name


def _taken(column: RawColumn, rows: NDArray[Any]) -> Any:
    from astropy.table import Column as TableColumn
    from astropy.table import MaskedColumn

    values = column.values[rows]
    if values.dtype.kind == "O":
        values = values.astype(str)
    if column.missing is not None and column.missing[rows].any():
        return MaskedColumn(values, mask=column.missing[rows], unit=column.unit)
    return TableColumn(values, unit=column.unit)


def _stacked(parts: list[Table]) -> Table:
    from astropy.table import Column as TableColumn
    from astropy.table import MaskedColumn, Table

    if len(parts) == 1:
        return parts[0]
    whole = Table()
    for name in parts[0].colnames:
        columns = [part[name] for part in parts]
        first = columns[0]
        values: Any = None
        if any(map(np.ma.isMA, columns)):
            values = cast(Any, np.ma).concatenate(columns)
        described = {"name": name, "unit": first.unit, "description": first.description}
        if values is None:
            whole[name] = TableColumn(np.concatenate([np.asarray(c) for c in columns]), **described)
        else:
            whole[name] = MaskedColumn(values, **described)
    return whole
