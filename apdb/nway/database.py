"""N-way matching larger than memory: sources lie in tables of a session, and come block by block.

The rule, the tiles and the blocks are those of the matching in memory, and so is the result.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from apdb.input.batch import Batch
from apdb.nway.grid import Grid, Ints, blocks
from apdb.nway.group import group
from apdb.nway.memory import BLOCK, Watch
from apdb.nway.parts import Part
from apdb.nway.sources import Catalogue, Sources
from apdb.query.tables_out import fetch_table
from apdb.schema.catalogue import Column
from apdb.stage import copy_columns

_KINDS = {"long": np.int64, "int": np.int32, "double": np.float64, "boolean": np.bool_}


def _columns(**kinds: str) -> tuple[Column, ...]:
    return tuple(
        Column(name, name, kind, False, True, None, None, None, name)
        for name, kind in kinds.items()
    )


_SOURCE = _columns(
    source_no="long", tile="long", is_home="boolean", catalogue="int", row_no="long",
    lon="double", lat="double", flux="double", flux_err="double", mjd="double",
)  # fmt: skip
_MATCH = _columns(source_no="long", cell="long", round="long")
_BLOCK = _columns(
    source_no="long", tile="long", is_home="boolean", catalogue="int", lon="double", lat="double"
)
_OBJECT = _columns(
    object_id="long", catalogue="int", row_no="long", lon="double", lat="double", flux="double",
    flux_err="double", mjd="double",
)  # fmt: skip


def load(connection: psycopg.Connection[Any], sources: Sources, watch: Watch) -> int:
    """Copy the sources into the session's tables.

    Parameters
    ----------
    connection : psycopg.Connection
        In the session that does the matching.
    sources : Sources
        The catalogues; one at a time is in memory.
    watch : callable
        Told the step, how much of it is done, and of how much.

    Returns
    -------
    int
        Sources without position.
    """
    connection.execute("select apdb.open_nway_stage()")
    n_dropped = first = 0
    for k, each in enumerate(sources):
        watch("reading", k, len(sources))
        n_dropped += each.n_dropped
        _copy(connection, "stage_nway", _SOURCE, _rows(k, first, each, sources.grid))
        first += each.n
    return n_dropped


def match(connection: psycopg.Connection[Any], grid: Grid, watch: Watch) -> None:
    """Match what was loaded.

    Parameters
    ----------
    connection : psycopg.Connection
        The session.
    grid : Grid
        Sky or plane, and the radius.
    watch : callable
        Told the step, how much of it is done, and of how much.
    """
    found = connection.execute("select * from apdb.nway_tiles()").fetchall()
    tiles, counts = np.array(found, np.int64).reshape(-1, 2).T
    block = blocks(tiles, counts, BLOCK)
    numbers = np.unique(block)
    for k, number in enumerate(numbers):
        watch("matching", k, len(numbers))
        _match_block(connection, grid, tiles[block == number])
    watch("matching", len(numbers), len(numbers))


def parts(connection: psycopg.Connection[Any]) -> Iterator[Part]:
    """Return what was matched, whole objects at a time, in their order.

    Parameters
    ----------
    connection : psycopg.Connection
        The session.

    Yields
    ------
    Part
    """
    ends = [row[0] for row in connection.execute("select apdb.nway_objects(%s)", (BLOCK,))]
    query = sql.SQL(
        "select object_id, catalogue, row_no, lon, lat, flux, flux_err, mjd "
        "from pg_temp.stage_nway_object where object_id > %s and object_id <= %s "
        "order by object_id, source_no"
    )
    # Where nothing was matched, one part without rows.
    for before, last in itertools.pairwise([0, *(ends or [0])]):
        read = fetch_table(connection, query, (before, last), _OBJECT)
        values = [np.ma.filled(np.ma.asarray(read[c.name]), np.nan) for c in _OBJECT[3:]]
        yield Part(
            np.asarray(read["object_id"]), np.asarray(read["catalogue"], np.int64),
            np.asarray(read["row_no"]), *values,
        )  # fmt: skip


def _rows(number: int, first: int, catalogue: Catalogue, grid: Grid) -> dict[str, NDArray[Any]]:
    """Return the rows of a catalogue: each source at home, and once in each tile that is near.

    Sources are numbered through: PostgreSQL hashes a bigint by folding its halves on each other.
    """
    n = catalogue.n
    home = grid.tile(catalogue.lon, catalogue.lat)
    ghost, near = grid.ghosts(catalogue.lon, catalogue.lat, home)
    which = np.concatenate([np.arange(n), ghost])
    return {
        "source_no": first + which,
        "tile": np.concatenate([home, near]),
        "is_home": np.arange(len(which)) < n,
        "catalogue": np.full(len(which), number),
        "row_no": catalogue.row[which],
        **{
            name: getattr(catalogue, name)[which]
            for name in ("lon", "lat", "flux", "flux_err", "mjd")
        },
    }


def _match_block(connection: psycopg.Connection[Any], grid: Grid, tiles: Ints) -> None:
    query = sql.SQL(
        "select distinct on (source_no) source_no, tile, is_home, catalogue, lon, lat "
        "from pg_temp.stage_nway where tile = any(%s::bigint[]) "
        "order by source_no, is_home desc"
    )
    read = fetch_table(connection, query, (tiles.tolist(),), _BLOCK)
    lon, lat = np.asarray(read["lon"]), np.asarray(read["lat"])
    catalogue = np.asarray(read["catalogue"], np.int64)
    cell, when = group(grid.points(lon, lat), grid.cell(lon, lat), catalogue, grid.reach)
    home = np.asarray(read["is_home"])
    number = np.asarray(read["source_no"])[home]
    found = {"source_no": number, "cell": cell[home], "round": when[home]}
    _copy(connection, "stage_nway_match", _MATCH, found)


def _copy(
    connection: psycopg.Connection[Any],
    table: str,
    columns: tuple[Column, ...],
    values: dict[str, NDArray[Any]],
) -> None:
    given: dict[str, NDArray[Any]] = {
        c.name: np.ascontiguousarray(values[c.name], _KINDS[c.datatype]) for c in columns
    }
    nulls = {
        name: np.isnan(v) if v.dtype.kind == "f" and np.isnan(v).any() else None
        for name, v in given.items()
    }
    copy_columns(connection, table, Batch(len(given["source_no"]), given, nulls), columns)
