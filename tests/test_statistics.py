"""The statistics that an object carries equal numpy and scipy on the same points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from scipy import stats

import apdb

MJD = 61109.1447
N_VISITS = 14
Floats = NDArray[np.float64]


def light_curve(kind: str, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Fluxes and errors [nJy] at the visits; a NaN flux is no detection, a NaN error no measurement."""
    err = rng.uniform(20.0, 90.0, N_VISITS)
    flux = rng.normal(1000.0, 60.0, N_VISITS)
    if kind == "bright":
        flux, err = rng.normal(3e6, 2e5, N_VISITS), rng.uniform(1.0, 3.0, N_VISITS)
    elif kind == "constant":
        flux[:], err[:] = 512.25, 16.0
    elif kind == "outlier":
        flux[rng.integers(N_VISITS)] = 9e6
    elif kind == "extreme":
        flux = 10.0 ** rng.uniform(-3.0, 12.0, N_VISITS) * rng.choice([-1.0, 1.0], N_VISITS)
        err = 10.0 ** rng.uniform(-3.0, 9.0, N_VISITS)
    elif kind == "faint":
        flux = rng.normal(0.0, 50.0, N_VISITS)
    elif kind == "gappy":
        flux[rng.permutation(N_VISITS)[:8]] = np.nan
    elif kind == "unmeasured":
        err[rng.permutation(N_VISITS)[:5]] = np.nan
    elif kind.startswith("short"):
        flux[rng.permutation(N_VISITS)[int(kind[-1]) :]] = np.nan
    return flux.astype("f4").astype(float), err.astype("f4").astype(float)


KINDS = [
    *("noise", "bright", "constant", "outlier", "extreme", "faint", "gappy", "unmeasured"),
    *(f"short{n}" for n in range(1, 10)),
]


def reweighted_mean(flux: Floats, err: Floats) -> float:
    """Stetson's mean (1996), as ap_association iterates it."""
    n = len(flux)
    mean = np.average(flux, weights=err**-2)
    for _ in range(20):
        delta = np.sqrt(n / (n - 1)) * (flux - mean) / err
        following = np.average(flux, weights=err**-2 / (1 + (np.abs(delta) / 2) ** 2))
        if abs(following - mean) < min(1e-6, 1e-6 * abs(following)):
            return float(following)
        mean = following
    return float(mean)


def stetson_j(flux: Floats, err: Floats) -> float:
    n = len(flux)
    delta = np.sqrt(n / (n - 1)) * (flux - reweighted_mean(flux, err)) / err
    p = delta**2 - 1
    return float(np.mean(np.sign(p) * np.sqrt(np.abs(p))))


def line(mjd: Floats, flux: Floats, err: Floats) -> tuple[float, float, float]:
    """Slope, value at MJD 0, and value at the mean time of a fitted line."""
    middle = mjd.mean()
    slope, at_middle = np.polyfit(mjd - middle, flux, 1, w=1 / err)
    return float(slope), float(at_middle - slope * middle), float(at_middle)


def expected(mjd: Floats, flux: Floats, err: Floats) -> dict[str, tuple[float, float]]:
    """Each statistic and its natural scale."""
    n, spread = len(flux), np.ptp(flux)
    mean = np.average(flux, weights=err**-2)
    level = np.abs(flux).max()
    found = {
        "mean": (float(mean), 0.0),
        "chi2": (float((((flux - mean) / err) ** 2).sum()), float(n)),
        "mad": (float(stats.median_abs_deviation(flux)), spread),
    }
    for share in (5, 25, 50, 75, 95):
        found[f"percentile{share:02d}"] = (float(np.percentile(flux, share)), level)
    if n > 1:
        slope, start, _ = line(mjd, flux, err)
        found["stetson_j"] = (stetson_j(flux, err), 1.0)
        steep = (spread + err.min()) / np.ptp(mjd)
        found["linear_slope"] = (slope, steep)
        found["linear_intercept"] = (start, steep * mjd[0])
    if n > 2 and spread > 0:
        found["skew"] = (float(stats.skew(flux, bias=False)), 1.0)
    return found


@pytest.fixture
def stored(db: apdb.Apdb, plain_connection: Any) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that stores light curves as visits, and the objects in their order."""

    def store(
        mjd: Floats, fluxes: Floats, errors: Floats, visits: NDArray[np.int64]
    ) -> list[dict[str, Any]]:
        ra = 150.0 + 0.01 * np.arange(len(fluxes))
        for k in visits:
            seen = np.flatnonzero(np.isfinite(fluxes[:, k]))
            db.store_visit(
                apdb.Visit(int(k), 1, "g", mjd[k], ra=150.0, dec=0.0, radius=10.0),
                {
                    "dia_source_id": k * 10_000 + seen + 1,
                    "ra": ra[seen],
                    "dec": np.zeros(len(seen)),
                    "psf_flux": fluxes[seen, k].astype("f4"),
                    "psf_flux_err": errors[seen, k].astype("f4"),
                },
            )
        cursor = plain_connection.cursor(row_factory=psycopg.rows.dict_row)
        return list(cursor.execute("select * from apdb.dia_object order by ra").fetchall())

    return store


@pytest.mark.parametrize("seed", [1, 2])
def test_statistics_equal_numpy_and_scipy(stored: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = KINDS * 12
    curves = [light_curve(kind, rng) for kind in kinds]
    fluxes, errors = np.array([f for f, _ in curves]), np.array([e for _, e in curves])
    mjd = MJD + np.sort(rng.uniform(0.0, 300.0, N_VISITS))
    # Visits arrive in any order.
    objects = stored(mjd, fluxes, errors, rng.permutation(N_VISITS))
    assert len(objects) == len(kinds)
    for kind, flux, err, row in zip(kinds, fluxes, errors, objects, strict=True):
        used = np.isfinite(flux) & np.isfinite(err)
        values = expected(mjd[used], flux[used], err[used])
        assert row["g_psf_flux_ndata"] == used.sum()
        for name in ("chi2", "mad", "skew", "stetson_j", "linear_slope", "linear_intercept"):
            assert (row[f"g_psf_flux_{name}"] is None) == (name not in values), (kind, name)
        for name, (value, scale) in values.items():
            tolerance = 1e-6 * max(abs(value), scale)
            assert row[f"g_psf_flux_{name}"] == pytest.approx(value, rel=0, abs=tolerance), (
                kind,
                name,
            )


def test_an_object_without_fluxes_has_no_statistics(stored: Any) -> None:
    (row,) = stored(np.array([MJD]), np.array([[7.0]]), np.array([[np.nan]]), np.array([0]))
    names = [n for n in row if n.startswith("g_psf_flux_") and n != "g_psf_flux_ndata"]
    assert len(names) == 18
    assert {row[name] for name in names} == {None}
    assert row["g_psf_flux_ndata"] == 0


def test_what_single_precision_cannot_hold_is_unknown_or_zero(stored: Any) -> None:
    """A slope beyond the largest real, and a chi squared below the smallest, refuse no visit."""
    mjd = np.array([MJD, MJD + 1e-6])
    fluxes = np.array([[-1e35, 1e35], [0.0, 1e-30]])
    errors = np.array([[1.0, 1.0], [1e10, 1e10]])
    large, small = stored(mjd, fluxes, errors, np.arange(2))
    assert large["g_psf_flux_max_slope"] is None
    assert large["g_psf_flux_chi2"] is None
    assert large["g_psf_flux_percentile50"] == 0.0
    assert small["g_psf_flux_chi2"] == 0.0
    assert small["g_psf_flux_stetson_j"] == pytest.approx(-1.0)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 101, 1000])
@pytest.mark.parametrize("kind", ["noise", "ties", "constant", "skewed"])
def test_median_absolute_deviation_equals_scipy(
    plain_connection: Any, db: apdb.Apdb, n: int, kind: str
) -> None:
    rng = np.random.default_rng(n)
    values = {
        "noise": rng.normal(size=n),
        "ties": rng.integers(0, 4, n).astype(float),
        "constant": np.full(n, -3.5),
        "skewed": rng.exponential(size=n) ** 3,
    }[kind]
    (found,) = plain_connection.execute(
        "select apdb.mad_of(%s)", (np.sort(values).tolist(),)
    ).fetchone()
    assert found == pytest.approx(stats.median_abs_deviation(values), rel=1e-12, abs=1e-15)


def test_a_superseded_version_keeps_every_column(
    stored: Any, db: apdb.Apdb, plain_connection: Any
) -> None:
    rng = np.random.default_rng(9)
    mjd = MJD + np.arange(5.0)
    fluxes, errors = rng.normal(1000.0, 90.0, (3, 5)), rng.uniform(20.0, 90.0, (3, 5))
    before = stored(mjd, fluxes, errors, np.arange(4))
    after = stored(mjd, fluxes, errors, np.arange(4, 5))
    cursor = plain_connection.cursor(row_factory=psycopg.rows.dict_row)
    kept = cursor.execute(
        "select * from apdb.dia_object_version where store_seq = 4 order by ra"
    ).fetchall()
    ends = {"validity_end_mjd_tai", "store_seq_end"}
    assert len(kept) == 3
    for old, version, new in zip(before, kept, after, strict=True):
        assert version["validity_end_mjd_tai"] == new["validity_start_mjd_tai"]
        assert version["store_seq_end"] == new["store_seq"]
        assert {k: v for k, v in version.items() if k not in ends} == {
            k: v for k, v in old.items() if k not in ends
        }
        assert old["g_psf_flux_skew"] is not None
