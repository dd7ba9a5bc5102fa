"""Catalogues for N-way matching: which columns of which files, in an order of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from numpy.typing import NDArray

from apdb.errors import InvalidInput, Problem
from apdb.ingest.files import read_catalogue
from apdb.input.containers import RawColumn, read_columns
from apdb.input.problems import Problems
from apdb.nway.grid import CELLS, LARGEST, Floats, Grid

SMALLEST = 0.01
"""Smallest radius on the sky [arcsec]."""

LARGEST_RADIUS = 3600.0
"""Largest radius on the sky [arcsec]."""

USUAL: Mapping[str, tuple[str, ...]] = {
    "ra": ("ra", "coord_ra", "ra_deg", "raj2000"),
    "dec": ("dec", "coord_dec", "dec_deg", "decl", "dej2000"),
    "x": ("x", "x_image", "xcentroid", "x_pixel"),
    "y": ("y", "y_image", "ycentroid", "y_pixel"),
    "flux": ("psf_flux", "psfflux", "flux", "ap_flux", "apflux"),
    "flux_err": ("psf_flux_err", "psffluxerr", "flux_err", "fluxerr", "ap_flux_err", "apfluxerr"),
    "mjd": ("midpoint_mjd_tai", "midpointmjdtai", "mjd", "obs_mjd"),
}
"""Names by which columns are found where the caller names none, whatever their case."""

OPTIONAL = ("flux", "flux_err", "mjd")


@dataclass(frozen=True)
class Columns:
    """Which columns to read; None for the first of the usual names that is there."""

    lon: str | None = None
    lat: str | None = None
    flux: str | None = None
    flux_err: str | None = None
    mjd: str | None = None


@dataclass(frozen=True)
class Catalogue:
    """Sources of one catalogue with finite positions, ordered by what they are.

    Attributes
    ----------
    name : str
        Name or path.
    row : ndarray of int64, shape (n,)
        Row in the catalogue, counted from 0.
    lon, lat, flux, flux_err, mjd : ndarray of float64, shape (n,)
        Position, flux, its error and time; NaN where unknown.
    n_dropped : int
        Sources without position.
    """

    name: str
    row: NDArray[np.int64]
    lon: Floats
    lat: Floats
    flux: Floats
    flux_err: Floats
    mjd: Floats
    n_dropped: int

    @property
    def n(self) -> int:
        """Number of sources."""
        return len(self.row)


@dataclass(frozen=True)
class Sources:
    """The catalogues of one matching, by name.

    Attributes
    ----------
    grid : Grid
        Sky or plane, and the radius.
    columns : Columns
        Which columns to read.
    tables : mapping of str to object
        Tables, or paths of files, by name; in the order of the names.
    """

    grid: Grid
    columns: Columns = field(default_factory=Columns)
    tables: Mapping[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Catalogue]:
        for name, data in self.tables.items():
            yield _catalogue(name, data, self.grid, self.columns)

    def __len__(self) -> int:
        return len(self.tables)


def gather(
    catalogues: Iterable[object] | Mapping[str, object],
    radius: float,
    sky: bool,
    columns: Columns,
) -> Sources:
    """Return the catalogues of a matching, ordered by name.

    Parameters
    ----------
    catalogues : iterable of paths, or mapping of str to path or table
        The catalogues; a table needs a name, so that the order does not matter.
    radius : float
        Largest distance of a source from its object: arcsec on the sky, as x and y in a plane.
    sky : bool
        True for ra, dec.
    columns : Columns
        Which columns to read.

    Returns
    -------
    Sources

    Raises
    ------
    InvalidInput
        No catalogue, one twice, or a radius out of range.
    """
    problems: list[Problem] = []
    low, high = (SMALLEST, LARGEST_RADIUS) if sky else (0.0, np.inf)
    if not isinstance(radius, int | float) or not low <= radius <= high or radius == 0.0:
        text = f"must be from {low:g} to {high:g} arcsec" if sky else "must be above 0"
        problems.append(Problem(None, "radius", repr(radius), text))
    if isinstance(catalogues, Mapping):
        named = {str(name): data for name, data in catalogues.items()}
    else:
        paths = [Path(str(each)) for each in catalogues]
        named = {str(path): path for path in paths}
        if len(named) < len(paths):
            twice = next(str(p) for i, p in enumerate(paths) if p in paths[:i])
            problems.append(Problem(None, None, "", f"{twice} is given twice: give each once"))
    if not named:
        problems.append(Problem(None, None, "", "no catalogue is given"))
    if problems:
        raise InvalidInput(problems=problems)
    grid = Grid(sky, radius / 3600.0 if sky else float(radius))
    return Sources(grid, columns, {name: named[name] for name in sorted(named)})


def _catalogue(name: str, data: object, grid: Grid, columns: Columns) -> Catalogue:
    if isinstance(data, Path):
        read = read_catalogue(data)
        found: Sequence[RawColumn] = read.columns
        n = read.n
    else:
        problems = Problems()
        n, found = read_columns(data, problems)
        problems.raise_if_any()
    lon_name, lat_name = ("ra", "dec") if grid.sky else ("x", "y")
    wanted = {lon_name: columns.lon, lat_name: columns.lat, "flux": columns.flux,
              "flux_err": columns.flux_err, "mjd": columns.mjd}  # fmt: skip
    values = {what: _column(name, found, n, what, asked) for what, asked in wanted.items()}
    lon, lat = values[lon_name], values[lat_name]
    kept = np.flatnonzero(np.isfinite(lon) & np.isfinite(lat))
    lon, lat = lon[kept], lat[kept]
    _check_range(name, grid, kept, lon, lat)
    flux, error, mjd = (values[what][kept] for what in OPTIONAL)
    order = np.lexsort((mjd, error, flux, lon, lat))
    return Catalogue(
        name, kept[order], lon[order], lat[order], flux[order], error[order], mjd[order],
        n - len(kept),
    )  # fmt: skip


def _column(
    catalogue: str, found: Sequence[RawColumn], n: int, what: str, asked: str | None
) -> Floats:
    """Return a column as float64 with NaN for missing, angles in degrees; NaN if there is none."""
    column = _find(found, what, asked)
    if n == 0 or (column is None and what in OPTIONAL and asked is None):
        return np.full(n, np.nan)
    if column is None:
        names = ", ".join(each.name for each in found[:20])
        text = f"{catalogue} has no column {asked or what}: name it; there are {names}"
        raise InvalidInput(text)
    if column.values.dtype.kind not in "iuf":
        kind = "text" if column.values.dtype.kind in "OUS" else str(column.values.dtype)
        raise InvalidInput(f"{catalogue}, column {column.name}: holds {kind}, not numbers")
    values = column.values.astype(np.float64)
    if what in ("ra", "dec") and column.unit is not None:
        try:
            values = values * column.unit.to(u.deg)
        except u.UnitConversionError:
            text = f"{catalogue}, column {column.name}: {column.unit} is no angle"
            raise InvalidInput(text) from None
    return values if column.missing is None else np.where(column.missing, np.nan, values)


def _find(found: Sequence[RawColumn], what: str, asked: str | None) -> RawColumn | None:
    if asked is not None:
        return next((each for each in found if each.name == asked), None)
    by_name = {each.name.lower(): each for each in found}
    return next((by_name[name] for name in USUAL[what] if name in by_name), None)


def _check_range(name: str, grid: Grid, rows: NDArray[np.int64], lon: Floats, lat: Floats) -> None:
    if grid.sky:
        bad = (lon < 0) | (lon >= 360) | (np.abs(lat) > 90)
        text = "ra must be in [0, 360) and dec in [-90, 90] degrees"
    else:
        largest = LARGEST * grid.radius / CELLS
        bad = np.maximum(np.abs(lon), np.abs(lat)) >= largest
        text = f"x and y must be below {largest:g} for this radius"
    if bad.any():
        k = int(np.flatnonzero(bad)[0])
        raise InvalidInput(
            f"{name}, row {rows[k]}: {lon[k]!r}, {lat[k]!r}: {text} ({bad.sum()} such rows)"
        )
