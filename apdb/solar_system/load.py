"""Loading orbits of known objects into the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from apdb.errors import InvalidInput
from apdb.input.records import Batch
from apdb.schema.catalogue import table
from apdb.session import Session
from apdb.solar_system.bad_lines import BadLine, BadLines
from apdb.solar_system.designations import pack, ss_object_id
from apdb.stage import copy_columns

if TYPE_CHECKING:
    from apdb.solar_system.orbits import Orbits

Watch = Callable[[int, int | None], None]

_WHOLE = ("integer", "smallint", "bigint")
#: Number of an object, the id that it would have by it alone, packed and plain designation.
_Number = tuple[str, int, str, str]
_TRIANGLE = np.triu_indices(6)


@dataclass(frozen=True)
class OrbitLoad:
    """What became of a file of orbits.

    Attributes
    ----------
    n_orbits : int
        Orbits that were read and are good.
    n_new, n_changed : int
        How many of them are of new objects, and how many replaced another orbit.
    n_bad : int
        Lines that were left out, or of which something was.
    bad : list of BadLine
        The first thousand of them.
    """

    n_orbits: int
    n_new: int
    n_changed: int
    n_bad: int
    bad: list[BadLine]


class OrbitTables(Session):
    """The orbits of known objects."""

    def load_orbits(
        self,
        source: str | Path | Iterable[Mapping[str, Any]],
        *,
        name: str | None = None,
        watch: Watch | None = None,
    ) -> OrbitLoad:
        """Load orbits; one of an object that has one already replaces it.

        All that is good is loaded, in one transaction; the same again changes nothing.

        Parameters
        ----------
        source : str, Path or iterable of mapping
            A file as `apdb orbits load` takes it, or rows with the columns of mpc_orbits.
        name : str, optional
            Where they are from, for the column `source`; default is the name of the file.
        watch : callable, optional
            Told how many orbits were sent; the total is never known.

        Returns
        -------
        OrbitLoad
            With the lines that are bad, and why.

        Raises
        ------
        InvalidInput
            If the file is of no known kind, or has no good orbit; nothing was stored.
        MissingKernel
            If there is no planetary kernel.
        """
        # Compiled dynamics: not for every `import apdb`.
        from apdb.solar_system.readers import read_orbits, read_rows

        bad = BadLines()
        if isinstance(source, str | Path):
            parts = read_orbits(Path(source), bad)
            said = name or Path(source).name
        else:
            parts, said = read_rows(source, bad), name or "rows"
        with self.connection() as connection:
            connection.execute("select apdb.open_orbit_stage()")
            sent, numbers = _send(connection, parts, said, bad, watch)
            if not sent:
                raise InvalidInput(_nothing(said, bad))
            row = connection.execute("select * from apdb.load_orbits(%s)", (said,)).fetchone()
            if numbers:
                columns = [list(each) for each in zip(*numbers, strict=True)]
                connection.execute("select apdb.note_numbers(%s, %s, %s, %s)", columns)
        assert row is not None
        return OrbitLoad(sent, int(row[0]), int(row[1]), bad.total, bad.found)


def _send(
    connection: psycopg.Connection[Any],
    parts: Iterable[Orbits],
    said: str,
    bad: BadLines,
    watch: Watch | None,
) -> tuple[int, list[_Number]]:
    """Copy orbits into the stage tables; return how many, and the numbers that they have."""
    sent = 0
    numbers: list[_Number] = []
    for read in parts:
        part = _by_one_name(connection, read, bad)
        if not len(part):
            continue
        numbers += _numbers(part)
        batches = {"orbit": _orbit_batch(part, said), "mpc_orbits": _mpc_batch(part)}
        for stage, batch in batches.items():
            columns = [c for c in table(stage).columns if c.name in batch.columns]
            copy_columns(connection, f"stage_{stage}", batch, columns)
        sent += len(part)
        if watch is not None:
            watch(sent, None)
    return sent, numbers


def _numbers(orbits: Orbits) -> list[_Number]:
    if orbits.number is None:
        return []
    return [
        (number, ss_object_id(pack(number)), packed, plain)
        for number, packed, plain in zip(
            orbits.number, orbits.packed, orbits.designation, strict=True
        )
        if number is not None
    ]


def _by_one_name(connection: psycopg.Connection[Any], orbits: Orbits, bad: BadLines) -> Orbits:
    """Give objects that are known by number alone the provisional designation that they have."""
    bare = [i for i, plain in enumerate(orbits.designation) if plain.isdigit()]
    if not bare:
        return orbits
    known = {
        row[0]: row[1:]
        for row in connection.execute(
            "select n.permid, n.packed_primary_provisional_designation, "
            "n.unpacked_primary_provisional_designation "
            "from apdb.numbered_identifications as n where n.permid = any(%s)",
            ([orbits.designation[i] for i in bare],),
        )
    }
    keep = np.ones(len(orbits), bool)
    for i in bare:
        if orbits.designation[i] not in known:
            continue
        line = int(orbits.lines[i])
        packed, plain = known[orbits.designation[i]]
        first = bad.seen.setdefault(ss_object_id(packed), line)
        if first != line:
            bad.add(line, f"{orbits.designation[i]} is {plain}, which is on line {first} already")
            keep[i] = False
        orbits.packed[i], orbits.designation[i] = packed, plain
        orbits.ss_object_id[i] = ss_object_id(packed)
    return orbits.take(keep)


def _nothing(said: str, bad: BadLines) -> str:
    lines = [f"{said} has no orbit that can be loaded; {bad.total} bad line(s):"]
    return "\n  ".join([*lines, *map(str, bad.found[: InvalidInput.shown])])


def nullable_batch(n: int, name: str, columns: Mapping[str, NDArray[Any]]) -> Batch:
    """Return a batch with NaN and None as NULL.

    Parameters
    ----------
    n : int
        Number of rows.
    name : str
        Table of the catalogue.
    columns : mapping of str to ndarray, shape (n,)
        Values by name of the column; others than those of the table are left out.

    Returns
    -------
    Batch
        In the types of the table.
    """
    values: dict[str, NDArray[Any]] = {}
    nulls: dict[str, NDArray[np.bool_] | None] = {}
    for column in table(name).columns:
        if column.name not in columns:
            continue
        given = columns[column.name]
        if given.dtype == object:
            missing = np.array([value is None for value in given], bool)
            empty: Any = {"bytea": b"", "boolean": False}.get(column.sql_type, "")
            filled = np.where(missing, empty, given).astype(column.numpy_dtype)
        elif given.dtype.kind == "f":
            missing = ~np.isfinite(given)
            whole = column.sql_type in _WHOLE
            filled = np.where(missing, 0.0, np.round(given) if whole else given)
            filled = filled.astype(column.numpy_dtype)
        else:
            missing, filled = np.zeros(n, bool), given.astype(column.numpy_dtype)
        values[column.name], nulls[column.name] = filled, missing if missing.any() else None
    return Batch(n, values, nulls)


def _orbit_batch(orbits: Orbits, said: str) -> Batch:
    n = len(orbits)
    states, covariance = orbits.states()
    columns: dict[str, NDArray[Any]] = {
        "ss_object_id": orbits.ss_object_id,
        "designation": orbits.designation,
        "epoch_mjd_tdb": orbits.epoch,
        "source": np.full(n, said, object),
    }
    columns |= {name: states[:, k] for k, name in enumerate(("x", "y", "z", "vx", "vy", "vz"))}
    columns |= {name: orbits.columns[name] for name in ("h", "g") if name in orbits.columns}
    if covariance is not None:
        columns["covariance"] = packed_covariances(covariance)
    return nullable_batch(n, "orbit", columns)


def packed_covariances(covariance: NDArray[np.float64]) -> NDArray[np.object_]:
    """Return covariances as the table orbit has them.

    Parameters
    ----------
    covariance : ndarray, shape (n, 6, 6)
        Of barycentric ICRF states [au, au/d]; NaN where it is not known.

    Returns
    -------
    ndarray of object, shape (n,)
        168 bytes each, or None.
    """
    known = np.isfinite(covariance).all(axis=(1, 2))
    triangles = covariance[:, _TRIANGLE[0], _TRIANGLE[1]].astype("<f8")
    found = np.empty(len(covariance), object)
    for i in np.flatnonzero(known):
        found[i] = triangles[i].tobytes()
    return found


def unpacked_covariances(packed: Iterable[bytes | None]) -> NDArray[np.float64]:
    """Return covariances that the table orbit has.

    Parameters
    ----------
    packed : iterable of bytes or None
        As `packed_covariances` makes them; empty and None are not known.

    Returns
    -------
    ndarray, shape (n, 6, 6)
        NaN where it is not known.
    """
    unknown = np.full(21, np.nan).astype("<f8").tobytes()
    triangles = np.frombuffer(b"".join(each or unknown for each in packed), "<f8").reshape(-1, 21)
    found = np.empty((len(triangles), 6, 6))
    found[:, _TRIANGLE[0], _TRIANGLE[1]] = triangles
    found[:, _TRIANGLE[1], _TRIANGLE[0]] = triangles
    return found


def _mpc_batch(orbits: Orbits) -> Batch:
    e = orbits.elements
    with np.errstate(invalid="ignore", divide="ignore"):
        motion = e.mean_motion
        columns: dict[str, NDArray[Any]] = {
            **vars(e),
            "a": e.a,
            "mean_anomaly": e.mean_anomaly(orbits.epoch),
            "mean_motion": motion,
            "period": 360.0 / motion,
            "epoch_mjd": orbits.epoch,
            "designation": orbits.designation,
            "packed_primary_provisional_designation": orbits.packed,
            "unpacked_primary_provisional_designation": orbits.designation,
        }
    return nullable_batch(len(orbits), "mpc_orbits", orbits.columns | columns)
