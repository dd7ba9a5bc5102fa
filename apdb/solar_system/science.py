"""What the survey knows of each solar-system object: phase functions, and what its orbit says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from apdb.input.copy_read import read_copy
from apdb.input.records import Batch
from apdb.schema.catalogue import table
from apdb.session import Session
from apdb.solar_system.load import nullable_batch
from apdb.stage import copy_columns

Floats = NDArray[np.float64]
Watch = Callable[[int, int | None], None]

_BANDS = "ugrizy"
#: Objects that are worked out at once.
_PAGE = 5_000
_ORBIT = ("ss_object_id", "epoch_mjd_tdb", "x", "y", "z", "vx", "vy", "vz")
_DETECTION = (
    ("ss_source", "ss_object_id"), ("dia_source", "band"), ("dia_source", "psf_flux"),
    ("dia_source", "psf_flux_err"), ("dia_source", "extendedness"), ("ss_source", "phase_angle"),
    ("ss_source", "helio_range"), ("ss_source", "topo_range"),
)  # fmt: skip
_NO_NUMBERS = ("ss_object_id", "band")
_DETECTIONS = """
select s.ss_object_id, d.band, d.psf_flux, d.psf_flux_err, d.extendedness, s.phase_angle,
    s.helio_range, s.topo_range
from apdb.ss_source as s
inner join apdb.dia_source as d on s.dia_source_id = d.dia_source_id
where s.ss_object_id = any(%s)
"""


class SolarSystemScience(Session):
    """Facts about solar-system objects, worked out of their detections and orbits."""

    def characterize_ss_objects(
        self, ss_object_ids: Iterable[int] | None = None, *, watch: Watch | None = None
    ) -> int:
        """Work out H and G12 by band, and what the orbits say, and store them in ss_object.

        Parameters
        ----------
        ss_object_ids : iterable of int, optional
            Which objects; default are all that have a detection.
        watch : callable, optional
            Told how many objects are done, and how many there are.

        Returns
        -------
        int
            Number of objects.

        Raises
        ------
        MissingKernel
            If there is no planetary kernel; nothing was changed.
        """
        with self.reading() as connection:
            if ss_object_ids is None:
                query = "select ss_object_id from apdb.ss_object where n_obs > 0 order by 1"
                ids = [row[0] for row in connection.execute(query)]
            else:
                ids = sorted({int(each) for each in ss_object_ids})
        done = 0
        for start in range(0, len(ids), _PAGE):
            page = np.array(ids[start : start + _PAGE], np.int64)
            with self.connection() as connection:
                batch = _facts(connection, page)
                connection.execute("select apdb.open_ss_science()")
                columns = [c for c in table("ss_object").columns if c.name in batch.columns]
                copy_columns(connection, "stage_ss_object", batch, columns)
                row = connection.execute("select apdb.store_ss_science()").fetchone()
            assert row is not None
            done += int(row[0])
            if watch is not None:
                watch(start + len(page), len(ids))
        return done


def _facts(connection: psycopg.Connection[Any], ids: NDArray[np.int64]) -> Batch:
    """Return rows of ss_object for some objects, in the order of their ids."""
    n = len(ids)
    columns: dict[str, NDArray[Any]] = {"ss_object_id": ids}
    columns |= _of_orbits(connection, ids)
    kinds = [table(name).column(column) for name, column in _DETECTION]
    found = read_copy(connection, sql.SQL(_DETECTIONS), kinds, (ids.tolist(),))
    values = {name: _numbers(found, name) for name in found.columns if name not in _NO_NUMBERS}
    group = np.searchsorted(ids, found.columns["ss_object_id"])
    columns |= _extendedness(group, n, values["extendedness"])
    columns |= _phase_functions(group, n, found.columns["band"], values)
    # Counters are not null; the routine leaves those of the table as they are.
    columns |= {"n_obs": np.zeros(n, np.int64), "arc": np.zeros(n)}
    columns |= {f"{band}_n_obs": np.zeros(n, np.int64) for band in _BANDS}
    return nullable_batch(n, "ss_object", columns)


def _numbers(batch: Batch, name: str) -> Floats:
    values, null = batch.columns[name].astype(float), batch.nulls[name]
    if null is not None:
        values[null] = np.nan
    return values


def _of_orbits(
    connection: psycopg.Connection[Any], ids: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    from pipeline.moving.elements import ecliptic, elements_of
    from pipeline.moving.kernel import planets
    from pipeline.moving.orbit_facts import moid_earth, tisserand_j

    query = sql.SQL("select {} from apdb.orbit where ss_object_id = any(%s)").format(
        sql.SQL(", ").join(map(sql.Identifier, _ORBIT))
    )
    rows = read_copy(connection, query, [table("orbit").column(c) for c in _ORBIT], (ids.tolist(),))
    names = (
        "moid_earth", "moid_earth_delta_v", "moid_earth_ecliptic_longitude",
        "moid_earth_true_anomaly", "moid_earth_true_anomaly_object", "tisserand_j",
    )  # fmt: skip
    found = {name: np.full(len(ids), np.nan) for name in names}
    if not rows.n:
        return dict(found)
    epoch = rows.columns["epoch_mjd_tdb"]
    states = np.stack([rows.columns[name] for name in _ORBIT[2:]], axis=1)
    elements = elements_of(ecliptic(states - planets().body_state("sun", epoch)), epoch)
    moid = moid_earth(elements, epoch)
    at = np.searchsorted(ids, rows.columns["ss_object_id"])
    known = (
        moid.distance, moid.speed, moid.longitude, moid.earth_anomaly, moid.anomaly,
        tisserand_j(elements),
    )  # fmt: skip
    for name, values in zip(names, known, strict=True):
        found[name][at] = values
    return dict(found)


def _extendedness(group: NDArray[np.int64], n: int, values: Floats) -> dict[str, NDArray[Any]]:
    low, middle, high = (np.full(n, np.nan) for _ in range(3))
    good = np.isfinite(values)
    order = np.argsort(group[good], kind="stable")
    sorted_group, sorted_values = group[good][order], values[good][order]
    starts = np.flatnonzero(np.diff(sorted_group, prepend=-1))
    for part in np.split(np.arange(len(sorted_group)), starts[1:]):
        if len(part):
            at = sorted_group[part[0]]
            here = sorted_values[part]
            low[at], middle[at], high[at] = here.min(), np.median(here), here.max()
    return {"extendedness_min": low, "extendedness_median": middle, "extendedness_max": high}


def _phase_functions(
    group: NDArray[np.int64], n: int, bands: NDArray[Any], values: dict[str, Floats]
) -> dict[str, NDArray[Any]]:
    from pipeline.moving.photometry import fit_hg12

    flux, error = values["psf_flux"], values["psf_flux_err"]
    with np.errstate(divide="ignore", invalid="ignore"):
        magnitude = 31.4 - 2.5 * np.log10(np.where(flux > 0, flux, np.nan))
        reduced = magnitude - 5.0 * np.log10(values["helio_range"] * values["topo_range"])
        sigma = 2.5 / np.log(10.0) * error / flux
    number = np.array([_BANDS.find(str(band)) for band in bands], np.int64)
    usable = (number >= 0) & np.isfinite(reduced) & (sigma > 0) & np.isfinite(values["phase_angle"])
    fits = fit_hg12(
        (group * len(_BANDS) + number)[usable],
        n * len(_BANDS),
        reduced[usable],
        sigma[usable],
        values["phase_angle"][usable],
    )
    found: dict[str, NDArray[Any]] = {}
    for k, band in enumerate(_BANDS):
        part = slice(k, None, len(_BANDS))
        used = fits.n_used[part]
        failed = fits.held[part].astype(object)
        failed[used == 0] = None
        found |= {
            f"{band}_h": fits.h[part], f"{band}_h_err": fits.h_err[part],
            f"{band}_g12": fits.g12[part], f"{band}_g12_err": fits.g12_err[part],
            f"{band}_h_{band}_g12_cov": fits.cov[part], f"{band}_n_obs_used": used,
            f"{band}_chi2": fits.chi2[part], f"{band}_phase_angle_min": fits.phase_min[part],
            f"{band}_phase_angle_max": fits.phase_max[part], f"{band}_slope_fit_failed": failed,
        }  # fmt: skip
    return found
