"""Building the ephemerides of a night from the orbits in the database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.rows import class_row

from apdb.errors import InvalidInput
from apdb.input.copy_read import read_copy
from apdb.input.records import Batch
from apdb.schema.catalogue import table
from apdb.session import Session
from apdb.solar_system.load import unpacked_covariances
from apdb.stage import copy_columns

if TYPE_CHECKING:
    from pipeline.moving.nightly import Frame, Night, Rows

Watch = Callable[[int, int | None], None]

#: Orbits that a worker takes at a time.
CHUNK = 20_000
#: Orbits that are read at a time.
_PAGE = 200_000
_COLUMNS = (
    "ss_object_id", "designation", "epoch_mjd_tdb", "x", "y", "z", "vx", "vy", "vz", "covariance",
    "h", "g",
)  # fmt: skip
_MJD_ZERO = dt.date(1858, 11, 17)
_REPORT = "night, site, n_slow, n_fast, n_failed, built_mjd_tai, store_seq"


@dataclass(frozen=True)
class NightReport:
    """A night whose ephemerides were built.

    Attributes
    ----------
    night : date
        Date of the evening on which it began.
    site : str
        Code of the observatory.
    n_slow, n_fast : int
        Objects that move little in a night, and that move more.
    n_failed : int
        Orbits that could not be propagated.
    built_mjd_tai : float
        When it was built.
    store_seq : int
        Step of knowledge that it was built in.
    """

    night: dt.date
    site: str
    n_slow: int
    n_fast: int
    n_failed: int
    built_mjd_tai: float
    store_seq: int


class NightlyEphemerides(Session):
    """Ephemerides of whole nights."""

    def build_ephemerides(
        self, night: dt.date | None = None, *, workers: int = 2, watch: Watch | None = None
    ) -> NightReport:
        """Build the ephemerides of a night; those that it had are replaced at the end.

        Parameters
        ----------
        night : date, optional
            Date of the evening on which it begins; default is the night that it is, or that comes.
        workers : int, default 2
            Threads that propagate orbits.
        watch : callable, optional
            Told how many orbits are done, and how many there are.

        Returns
        -------
        NightReport

        Raises
        ------
        InvalidInput
            If there are no orbits, or the setting site_code is no site; nothing was changed.
        MissingKernel
            If there is no planetary kernel, or it does not cover the times.
        """
        from pipeline.moving.nightly import SLOW_MARGIN, frame_of

        if workers < 1:
            raise InvalidInput(f"{workers} workers cannot build anything: give at least one")
        with self.reading() as connection:
            night_mjd, site, middle, orbit_seq = _night(connection, night)
        frame = frame_of(middle, site)
        made = self._make(frame, workers, watch)
        if not made.n_orbits:
            raise InvalidInput("there are no orbits: load some with `apdb orbits load`")
        with self.connection() as connection:
            connection.execute("select apdb.open_night_stage()")
            for name, batch in made.batches(night_mjd):
                columns = table(f"ephemeris_{name}").columns
                copy_columns(connection, f"stage_{name}", batch, columns)
            connection.execute(
                "select apdb.store_night(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    night_mjd, site, middle, frame.half_width, made.fast_half_width,
                    made.fast_spacing, SLOW_MARGIN,
                    made.fast_margin, frame.earth.ravel().tolist(),
                    frame.site_turn.ravel().tolist(), frame.sun.ravel().tolist(), made.n_failed,
                    orbit_seq,
                ),
            )  # fmt: skip
        return next(each for each in self.ephemeris_nights() if each.night == _date(night_mjd))

    def ephemeris_nights(self) -> list[NightReport]:
        """Return the nights whose ephemerides are built, in order.

        Returns
        -------
        list of NightReport
        """
        with (
            self.reading() as connection,
            connection.cursor(row_factory=class_row(NightReport)) as cursor,
        ):
            query = f"select {_REPORT} from apdb.ephemeris_night order by night"  # noqa: S608
            return cursor.execute(query).fetchall()

    def _make(self, frame: Frame, workers: int, watch: Watch | None) -> _Made:
        with self.reading(timeout=600.0) as connection:
            counted = connection.execute("select count(*) from apdb.orbit").fetchone()
            assert counted is not None
            made = _Made(frame)
            for chunk, night in _built(_chunks(connection), frame, workers):
                made.add(chunk, night)
                if watch is not None:
                    watch(made.n_orbits, int(counted[0]))
        return made


class _Made:
    """Ephemerides as they come from the workers."""

    def __init__(self, frame: Frame) -> None:
        from pipeline.moving.nightly import PIECES

        self.fast_spacing = 2 * frame.half_width / PIECES
        self.fast_half_width = 1.001 * self.fast_spacing / 2
        self.fast_margin = 0.0
        self.n_orbits = 0
        self.n_failed = 0
        self._parts: dict[str, list[dict[str, NDArray[Any]]]] = {"slow": [], "fast": []}

    def add(self, chunk: Batch, night: Night) -> None:
        """Take in what a worker made of some orbits."""
        self.n_orbits += chunk.n
        self.n_failed += night.n_failed
        self.fast_margin = max(self.fast_margin, night.fast_margin)
        self._parts["slow"].append(_columns(chunk, night.slow))
        self._parts["fast"].append(_columns(chunk, night.fast))

    def batches(self, night_mjd: int) -> Iterator[tuple[str, Batch]]:
        """Yield both tables, in an order in which neighbours on the sky are near each other."""
        import healpy  # with matplotlib; few commands need it

        for name, parts in self._parts.items():
            joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
            pixels = healpy.ang2pix(4096, joined["ra"], joined["dec"], nest=True, lonlat=True)
            order = np.argsort(pixels)
            columns: dict[str, NDArray[Any]] = {"night_mjd": np.full(len(order), night_mjd, "i4")}
            nulls: dict[str, NDArray[np.bool_] | None] = {"night_mjd": None}
            for column in table(f"ephemeris_{name}").columns[1:]:
                values = joined[column.name][order]
                nulls[column.name] = np.isnan(values) if column.nullable else None
                columns[column.name] = values.astype(column.numpy_dtype)
            yield name, Batch(len(order), columns, nulls)


def _columns(chunk: Batch, rows: Rows) -> dict[str, NDArray[Any]]:
    number = rows.number
    found: dict[str, NDArray[Any]] = {
        "ss_object_id": chunk.columns["ss_object_id"][number],
        "designation": chunk.columns["designation"][number],
        "middle_mjd_tai": rows.middle,
        "ra": rows.ra,
        "dec": rows.dec,
    }
    for name in ("h", "g"):
        values, null = chunk.columns[name].astype("f4"), chunk.nulls[name]
        filled = values if null is None else np.where(null, np.float32(np.nan), values)
        found[name] = filled[number]
    for power in range(4):
        for k, axis in enumerate("xyz"):
            values = rows.coefficients[:, power, k]
            found[f"{axis}{power}"] = values.astype("f4") if power else values
    for k, name in enumerate(("ra_err", "dec_err", "ra_dec_cov")):
        found[name] = rows.errors[:, k].astype("f4")
    return found


def _night(
    connection: psycopg.Connection[Any], night: dt.date | None
) -> tuple[int, str, float, int]:
    """Return number, site, middle and the last load of orbits for a night."""
    row = connection.execute(
        "select apdb.setting('site_code'), apdb.setting('site_longitude')::double precision, "
        "coalesce((select m.value::bigint from apdb.metadata as m "
        "where m.name = 'state.orbit_store_seq'), 0), apdb.night_of(apdb.mjd_tai(now()))"
    ).fetchone()
    assert row is not None
    site, longitude, orbit_seq, now = row
    mjd = ((night or now) - _MJD_ZERO).days
    middle = mjd + 1.0 - longitude / 360.0
    leap = connection.execute(
        "select apdb.mjd_tai(timestamptz '1858-11-17 00:00+00' + %s * interval '1 day') - %s",
        (middle, middle),
    ).fetchone()
    assert leap is not None
    return mjd, str(site), float(middle + leap[0]), int(orbit_seq)


def _date(night_mjd: int) -> dt.date:
    return _MJD_ZERO + dt.timedelta(days=night_mjd)


def _chunks(connection: psycopg.Connection[Any]) -> Iterator[Batch]:
    columns = [table("orbit").column(name) for name in _COLUMNS]
    names = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
    after = -1
    while True:
        query = sql.SQL(
            "select {} from apdb.orbit where ss_object_id > %s order by ss_object_id limit {}"
        ).format(names, sql.Literal(_PAGE))
        page = read_copy(connection, query, columns, (after,))
        if not page.n:
            return
        after = int(page.columns["ss_object_id"][-1])
        for start in range(0, page.n, CHUNK):
            part = slice(start, start + CHUNK)
            yield Batch(
                len(page.columns["ss_object_id"][part]),
                {name: values[part] for name, values in page.columns.items()},
                {name: null if null is None else null[part] for name, null in page.nulls.items()},
            )


def _built(chunks: Iterator[Batch], frame: Frame, workers: int) -> Iterator[tuple[Batch, Night]]:
    """Yield the chunks with what was made of them, in order."""
    if workers == 1:
        for chunk in chunks:
            yield chunk, _worker(*_arrays(chunk), frame)
        return
    # Threads will do: the integrator and numpy's large operations do not hold the interpreter.
    with ThreadPoolExecutor(workers) as pool:
        pending: list[tuple[Batch, Future[Night]]] = []
        for chunk in chunks:
            pending.append((chunk, pool.submit(_worker, *_arrays(chunk), frame)))
            # Never more than the workers need: the arrays of all would not fit.
            if len(pending) > 2 * workers:
                first, future = pending.pop(0)
                yield first, future.result()
        for first, future in pending:
            yield first, future.result()


def _arrays(
    chunk: Batch,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
    states = np.stack([chunk.columns[name] for name in ("x", "y", "z", "vx", "vy", "vz")], axis=1)
    packed = chunk.columns["covariance"]
    covariance = unpacked_covariances(packed) if any(packed) else None
    return states, chunk.columns["epoch_mjd_tdb"], covariance


def _worker(
    states: NDArray[np.float64],
    epochs: NDArray[np.float64],
    covariance: NDArray[np.float64] | None,
    frame: Frame,
) -> Night:
    from pipeline.moving.nightly import build

    return build(states, epochs, covariance, frame)
