"""`nway`: many catalogues in, objects with repeatability and variability out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.table import Table

from apdb.errors import InvalidInput
from apdb.nway import database as in_database
from apdb.nway import memory
from apdb.nway.memory import Watch
from apdb.nway.parts import Part
from apdb.nway.sink import Sink
from apdb.nway.sources import Columns, Sources, gather
from apdb.nway.summary import Overall, describe
from apdb.session import Session


@dataclass(frozen=True)
class NwayResult:
    """What an N-way matching found.

    Attributes
    ----------
    objects : astropy.table.Table or None
        One row for each object, see `apdb.nway.summary.describe`; None if it went to a file.
    sources : astropy.table.Table or None
        Object, catalogue, row and position of each source; None if it went to a file.
    summary : dict
        Numbers of catalogues, sources and objects; medians of scatter and repeatability.
    """

    objects: Table | None
    sources: Table | None
    summary: dict[str, Any]


def nway(
    catalogues: Iterable[object] | Mapping[str, object],
    radius: float,
    *,
    plane: bool = False,
    columns: Columns | None = None,
    min_sources: int = 1,
    database: Session | None = None,
    objects_to: Path | None = None,
    sources_to: Path | None = None,
    watch: Watch | None = None,
) -> NwayResult:
    """Group the sources of many catalogues into objects.

    An object has at most one source of each catalogue.  Neither the order of the catalogues nor
    that of their rows matters: groups, numbers and statistics are the same to the last bit.  The
    rule is in `apdb.nway.group`.

    Parameters
    ----------
    catalogues : iterable of paths, or mapping of str to path or table
        Files (Parquet, FITS, ECSV, Avro), or tables by name.
    radius : float
        Largest distance of a source from its object: arcsec on the sky (0.01 to 3600), in a plane
        as x and y.  Several times the scatter of a position, and below the distance of neighbours.
    plane : bool, optional
        Match x and y instead of ra and dec.
    columns : Columns, optional
        Names of the columns; by default the first of the usual names that is there.
    min_sources : int, optional
        Leave out objects with fewer sources.
    database : Session, optional
        Do it in temporary tables of this database: for more sources than memory holds.
    objects_to, sources_to : Path, optional
        Parquet files to write the result to as it comes, instead of tables.
    watch : callable, optional
        Told the step, how much of it is done, and of how much.

    Returns
    -------
    NwayResult

    Raises
    ------
    InvalidInput
        A catalogue cannot be read or lacks a column, a position or an argument is out of range.
    """
    if not isinstance(min_sources, int) or min_sources < 1:
        raise InvalidInput(f"min_sources must be a whole number from 1, not {min_sources!r}")
    sources = gather(catalogues, radius, not plane, columns or Columns())
    telling = watch or _nobody
    overall = Overall(sources.grid, len(sources))
    n_sources = n_used = 0
    with Sink(objects_to) as objects, Sink(sources_to) as members:
        with _matched(sources, database, telling) as (parts, n_dropped):
            for each in parts:
                n_sources += len(each.row)
                part = each.of_several(min_sources) if min_sources > 1 else each
                n_used += len(part.row)
                described = describe(part.members(), sources.grid)
                overall.add(described)
                objects.add(described)
                members.add(part.table(list(sources.tables), sources.grid))
        summary = {
            "n_catalogues": len(sources),
            "n_sources": n_sources,
            "n_dropped": n_dropped,
            "n_sources_in_objects": n_used,
            **overall.result(),
        }
        return NwayResult(objects.table(), members.table(), summary)


@contextmanager
def _matched(
    sources: Sources, database: Session | None, watch: Watch
) -> Iterator[tuple[Iterable[Part], int]]:
    """Lend the matched sources in the order of objects, and the number of those dropped."""
    if database is None:
        part, n_dropped = memory.match(sources, watch)
        yield [part], n_dropped
        return
    with database.connection() as connection:
        n_dropped = in_database.load(connection, sources, watch)
        in_database.match(connection, sources.grid, watch)
        yield in_database.parts(connection), n_dropped
        # Nothing of it outlives the matching.
        connection.rollback()


def _nobody(step: str, done: int, total: int) -> None:
    pass
