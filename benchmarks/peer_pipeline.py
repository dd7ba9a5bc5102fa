"""One visit through Rubin's own database client, as its alert production does it.

The database side is the published package ``lsst-dax-apdb`` (``ApdbSql``), unmodified.  What the
package leaves to its callers - association and the summary columns - is written here after the
behaviour of ``ap_association`` (association task, DIA pipeline task, catalogue loader) and of the
DiaObject calculations in ``meas_base``, as published in June 2026:

1. load the DiaObjects of the visit's region, padded by 20 arcsec;
2. load 12 months of DiaSources of all of them, and their forced sources;
3. all pairs within 1 arcsec from a k-d tree on unit vectors, scored by the negative
   log-likelihood of the offset (variances of both sides summed; 0.2 arcsec where an error is
   missing; combined sigma at least 0.05 arcsec); each source may also go to a ghost of its own at
   (worst score + 1); minimum-weight full bipartite matching;
4. a source left alone starts an object under its own id, unless its flags or reliability
   forbid it: then it is dropped;
5. summary columns per band of every touched object from the loaded history and the new sources;
6. store DiaObjects and DiaSources in one transaction.

Where the original loops in Python (mean positions row by row, slopes object by object) this is
vectorised.  Left out are its conversions of whole tables between type systems, its second load of
the objects just before association, solar-system association, forced photometry and alerts.  The
times here are therefore a lower bound of the original's.
"""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from lsst.dax.apdb.sql import ApdbSql
from lsst.sphgeom import Angle, Circle, LonLat, UnitVector3d
from psycopg.conninfo import conninfo_to_dict
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree
from sqlalchemy import URL

from benchmarks.common import Stopwatch
from benchmarks.workload import FieldVisit

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

ALL_BANDS = "ugrizy"
RADIUS_ARCSEC = 1.0
MARGIN_ARCSEC = 20.0
SIGMA_FLOOR_DEG = 0.05 / 3600.0
SIGMA_MISSING_DEG = 0.2 / 3600.0
MIN_RELIABILITY = 0.1
BAD_FLAGS = [
    "centroid_flag",
    "pixelFlags_crCenter",
    "pixelFlags_nodataCenter",
    "pixelFlags_interpolatedCenter",
    "pixelFlags_saturatedCenter",
    "pixelFlags_suspectCenter",
    "pixelFlags_streakCenter",
    "glint_trail",
]


class PeerPipeline:
    """The peer's database, made new, and the work it does for a visit.

    Parameters
    ----------
    dsn : str
        Libpq connection string of an empty database.
    object_index : str
        ``dia_object_index`` of the package: "baseline" (its default), "pix_id_iov" or
        "last_object_table".
    """

    def __init__(self, dsn: str, object_index: str = "baseline") -> None:
        config = ApdbSql.init_database(sqlalchemy_url(dsn), dia_object_index=object_index)
        self._apdb = ApdbSql(config)

    def close(self) -> None:
        """Let go of the database: the package itself has no way to close its pool."""
        del self._apdb
        gc.collect()

    def prepare(self, visit: FieldVisit) -> pd.DataFrame:
        """Make the DiaSource table as the peer's pipeline hands it over (not timed)."""
        table = pd.DataFrame(visit.sources)
        given: dict[str, Any] = {
            "visit": np.int64(visit.visit),
            "detector": np.int16(visit.detector),
            "band": visit.band,
            "midpointMjdTai": visit.midpoint_mjd_tai,
            "exposureTime": np.float32(visit.exposure_time),
            "timeProcessedMjdTai": visit.midpoint_mjd_tai + 0.0004,
        }
        return table.assign(**given)

    def store_visit(self, visit: FieldVisit, sources: pd.DataFrame) -> tuple[Ids, Stopwatch]:
        """Associate and store one visit.

        Parameters
        ----------
        visit : FieldVisit
            The visit.
        sources : DataFrame
            Its sources, from `prepare`.

        Returns
        -------
        ids : ndarray of int64, shape (n_sources,)
            diaObjectId of each source; 0 for one that was dropped.
        watch : Stopwatch
            Seconds by step.
        """
        watch = Stopwatch()
        when = _astropy_time(visit.midpoint_mjd_tai)
        region = Circle(
            UnitVector3d(LonLat.fromDegrees(visit.ra, visit.dec)),
            Angle.fromDegrees(visit.radius + MARGIN_ARCSEC / 3600.0),
        )
        with watch.step("load objects"):
            objects = self._apdb.getDiaObjects(region).set_index("diaObjectId", drop=False)
        with watch.step("load sources"):
            history = self._apdb.getDiaSources(region, objects["diaObjectId"], when)
        with watch.step("load forced"):
            if len(objects):
                self._apdb.getDiaForcedSources(region, objects["diaObjectId"], when)
        with watch.step("associate"):
            ids = _identify(sources, objects)
            sources = sources.assign(diaObjectId=ids)[ids != 0]
        with watch.step("aggregate"):
            updated = _updated_objects(objects, sources, history)
        with watch.step("store"):
            self._apdb.store(when, updated, sources)
        return ids, watch


def sqlalchemy_url(dsn: str) -> str:
    """Give the SQLAlchemy URL (psycopg2, the package's declared driver) of a libpq string."""
    parts = {key: str(value) for key, value in conninfo_to_dict(dsn).items()}
    # A socket directory cannot stand where a URL has its host; libpq reads it from the query.
    url = URL.create("postgresql+psycopg2", database=parts.pop("dbname", None), query=parts)
    return url.render_as_string(hide_password=False)


def match(sources: pd.DataFrame, objects: pd.DataFrame) -> npt.NDArray[np.intp]:
    """Match sources to objects one-to-one, best in sum.

    Parameters
    ----------
    sources, objects : DataFrame
        With ``ra``, ``dec``, ``raErr``, ``decErr`` in degrees.

    Returns
    -------
    ndarray of int, shape (n_sources,)
        Position of the matched object in `objects`; -1 for none.
    """
    n_src, n_obj = len(sources), len(objects)
    found = np.full(n_src, -1, dtype=np.intp)
    if n_src == 0 or n_obj == 0:
        return found
    pairs = cKDTree(unit_vectors(sources)).sparse_distance_matrix(
        cKDTree(unit_vectors(objects)), np.radians(RADIUS_ARCSEC / 3600.0), output_type="ndarray"
    )
    src, obj = pairs["i"], pairs["j"]
    if src.size == 0:
        return found
    score = _score(sources.iloc[src], objects.iloc[obj])
    ghosts = np.arange(n_src)
    cost = np.concatenate([score, np.full(n_src, score.max() + 1.0)])
    # Every source takes exactly one edge, so a shift changes nothing; stored zeros would be lost.
    cost += 1.0 - cost.min()
    edges = (np.concatenate([src, ghosts]), np.concatenate([obj, n_obj + ghosts]))
    rows, columns = min_weight_full_bipartite_matching(
        csr_matrix((cost, edges), shape=(n_src, n_obj + n_src))
    )
    real = columns < n_obj
    found[rows[real]] = columns[real]
    return found


def unit_vectors(table: pd.DataFrame) -> Floats:
    """Unit vectors, shape (n, 3), of the columns ``ra`` and ``dec`` in degrees."""
    ra = np.radians(table["ra"].to_numpy(float))
    dec = np.radians(table["dec"].to_numpy(float))
    return np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def summarise(history: pd.DataFrame) -> pd.DataFrame:
    """Summary columns of objects from all their sources.

    Parameters
    ----------
    history : DataFrame
        Sources, old and new, with ``diaObjectId``.

    Returns
    -------
    DataFrame
        One row per object, indexed by diaObjectId: ``ra``, ``dec``, ``nDiaSources``, first and
        last time, and the flux columns of every band.
    """
    vectors = pd.DataFrame(unit_vectors(history), columns=["x", "y", "z"])
    owner = history["diaObjectId"].to_numpy(np.int64)
    by_object = vectors.groupby(owner)
    mean = by_object.sum()
    times = pd.Series(history["midpointMjdTai"].to_numpy(float)).groupby(owner)
    result = pd.DataFrame(
        {
            "ra": np.degrees(np.arctan2(mean["y"], mean["x"])) % 360.0,
            "dec": np.degrees(np.arctan2(mean["z"], np.hypot(mean["x"], mean["y"]))),
            "nDiaSources": by_object.size(),
            "firstDiaSourceMjdTai": times.min(),
            "lastDiaSourceMjdTai": times.max(),
        }
    )
    bands = history["band"].to_numpy()
    per_band = [_band_summary(history[bands == band], band) for band in ALL_BANDS]
    joined = pd.concat([result, *per_band], axis="columns").loc[result.index]
    counts = [f"{band}_psfFluxNdata" for band in ALL_BANDS]
    joined[counts] = joined[counts].fillna(0).astype(np.int32)
    return joined


def _band_summary(history: pd.DataFrame, band: str) -> pd.DataFrame:
    """Flux columns of one band, for the objects that have sources in it."""
    psf = _flux_table(history, "psfFlux").sort_values(["id", "time"])
    groups = psf.groupby("id", sort=False)
    weight = groups["weight"].sum()
    science = _flux_table(history, "scienceFlux").groupby("id", sort=False)
    science_weight = science["weight"].sum()
    same = psf["id"].diff() == 0
    slope = (psf["flux"].diff() / psf["time"].diff()).where(same)
    flux = groups["flux"]
    columns = {
        "psfFluxMean": groups["weighted"].sum() / weight,
        "psfFluxMeanErr": np.sqrt(1.0 / weight),
        "psfFluxNdata": flux.count(),
        "psfFluxSigma": flux.std(ddof=1),
        "psfFluxMin": flux.min(),
        "psfFluxMax": flux.max(),
        "psfFluxMaxSlope": slope.groupby(psf["id"], sort=False).max(),
        "psfFluxErrMean": groups["error"].mean(),
        "scienceFluxMean": science["weighted"].sum() / science_weight,
        "scienceFluxMeanErr": np.sqrt(1.0 / science_weight),
    }
    return pd.DataFrame(columns).add_prefix(f"{band}_")


def _flux_table(history: pd.DataFrame, name: str) -> pd.DataFrame:
    """Fluxes with their weights; rows with a missing flux or error left out."""
    flux = history[name].to_numpy(float)
    error = history[f"{name}Err"].to_numpy(float)
    weight = 1.0 / np.square(error)
    table = pd.DataFrame(
        {
            "id": history["diaObjectId"].to_numpy(np.int64),
            "time": history["midpointMjdTai"].to_numpy(float),
            "flux": flux,
            "error": error,
            "weight": weight,
            "weighted": flux * weight,
        }
    )
    return table[np.isfinite(table["weighted"])]


def _score(sources: pd.DataFrame, objects: pd.DataFrame) -> Floats:
    """Negative log-likelihood of the offset between paired rows (up to a constant)."""
    var_ra = _variance(sources["raErr"]) + _variance(objects["raErr"])
    var_dec = _variance(sources["decErr"]) + _variance(objects["decErr"])
    var_ra = np.maximum(var_ra, SIGMA_FLOOR_DEG**2)
    var_dec = np.maximum(var_dec, SIGMA_FLOOR_DEG**2)
    ra = sources["ra"].to_numpy() - objects["ra"].to_numpy()
    ra = (ra + 180.0) % 360.0 - 180.0
    dec = sources["dec"].to_numpy() - objects["dec"].to_numpy()
    score: Floats = 0.5 * (ra**2 / var_ra + dec**2 / var_dec) + 0.5 * np.log(var_ra * var_dec)
    return score


def _variance(errors: pd.Series) -> Floats:
    sigma = errors.to_numpy(float)
    usable = np.isfinite(sigma) & (sigma > 0.0)
    return np.square(np.where(usable, sigma, SIGMA_MISSING_DEG))


def _identify(sources: pd.DataFrame, objects: pd.DataFrame) -> Ids:
    """Object id of each source: matched, or its own for a new object, or 0 where barred."""
    found = match(sources, objects)
    new_id = sources["diaSourceId"].to_numpy(np.int64)
    flagged = sources[BAD_FLAGS].any(axis="columns").to_numpy()
    barred = flagged | (sources["reliability"].to_numpy() < MIN_RELIABILITY)
    ids = np.where(barred, 0, new_id)
    matched = found >= 0
    ids[matched] = objects["diaObjectId"].to_numpy(np.int64)[found[matched]]
    return ids


def _updated_objects(
    objects: pd.DataFrame, sources: pd.DataFrame, history: pd.DataFrame
) -> pd.DataFrame:
    """Rows to write: every object that got a source, with new summary columns."""
    ids = sources["diaObjectId"].to_numpy(np.int64)
    own = ["diaObjectId", "ra", "dec", "raErr", "decErr", "ra_dec_Cov"]
    created = sources.loc[ids == sources["diaSourceId"].to_numpy(), own]
    kept = objects.loc[objects["diaObjectId"].isin(ids), own]
    rows = created if kept.empty else pd.concat([kept, created], ignore_index=True)
    rows = rows.set_index("diaObjectId", drop=False)
    needed = ["diaObjectId", "band", "midpointMjdTai", "ra", "dec"]
    needed += ["psfFlux", "psfFluxErr", "scienceFlux", "scienceFluxErr"]
    old = history.loc[history["diaObjectId"].isin(ids), needed]
    new = sources[needed]
    summary = summarise(new if old.empty else pd.concat([old, new], ignore_index=True))
    rows = rows.drop(columns=["ra", "dec"]).join(summary).reset_index(drop=True)
    return rows.dropna(axis="columns", how="all")


def _astropy_time(mjd_tai: float) -> Any:
    from astropy.time import Time

    return Time(mjd_tai, format="mjd", scale="tai")
