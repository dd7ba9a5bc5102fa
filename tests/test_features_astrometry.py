"""Proper motion and parallax against astropy and numpy; pulls of what was put in."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord, get_body_barycentric
from astropy.time import Time
from scipy import stats

from apdb.features.astrometry import PARAMETERS, Astrometry, Positions, fit_astrometry
from apdb.features.earth import earth_barycentric

EPOCH = 59700.0


def parallax_factors(mjd: Any, ra: Any, dec: Any) -> Any:
    """Parallax factors by the ephemeris of astropy itself [deg in, au out]."""
    time = Time(mjd, format="mjd", scale="tai").tdb
    x, y, z = get_body_barycentric("earth", time, ephemeris="builtin").xyz.to_value(u.au)
    a, d = np.radians(ra), np.radians(dec)
    return (
        x * np.sin(a) - y * np.cos(a),
        (x * np.cos(a) + y * np.sin(a)) * np.sin(d) - z * np.cos(d),
    )


class Field:
    """Simulated objects: places, motions [mas/yr], parallaxes [mas] and their noisy sources."""

    def __init__(
        self, seed: int, n_objects: int, low: int = 8, high: int = 40, **given: Any
    ) -> None:
        rng = np.random.default_rng(seed)
        n = rng.integers(low, high, n_objects) if high > low else np.full(n_objects, low)
        self.owner = np.repeat(np.arange(n_objects), n)
        total = len(self.owner)
        self.mjd = given.get("start", 59000.0) + rng.uniform(0, given.get("days", 1500.0), total)
        self.ra = rng.uniform(0, 360, n_objects)
        self.dec = np.degrees(np.arcsin(rng.uniform(-1, 1, n_objects)))
        self.pm = rng.normal(0, given.get("pm", 100.0), (n_objects, 2))
        self.parallax = rng.uniform(0, 30, n_objects)
        self.error = rng.uniform(10, 80, (total, 2))
        self.rho = rng.uniform(-0.8, 0.8, total)
        z = rng.normal(size=(total, 2)) * given.get("noise", 1.0)
        noise_ra = self.error[:, 0] * z[:, 0]
        noise_dec = self.error[:, 1] * (self.rho * z[:, 0] + np.sqrt(1 - self.rho**2) * z[:, 1])
        p_ra, p_dec = parallax_factors(self.mjd, self.ra[self.owner], self.dec[self.owner])
        years = (self.mjd - EPOCH) / 365.25
        self.east = self.pm[self.owner, 0] * years + self.parallax[self.owner] * p_ra + noise_ra
        self.north = self.pm[self.owner, 1] * years + self.parallax[self.owner] * p_dec + noise_dec

    def positions(self) -> Positions:
        """Sources on the sky: offsets in the tangent plane, by astropy."""
        centre = SkyCoord(self.ra[self.owner], self.dec[self.owner], unit="deg")
        distance = np.arctan(np.radians(np.hypot(self.east, self.north) / 3.6e6))
        there = centre.directional_offset_by(
            np.arctan2(self.east, self.north) * u.rad, distance * u.rad
        )
        error = self.error / 3.6e6
        return Positions(
            self.owner, len(self.ra), self.mjd, there.ra.deg, there.dec.deg,
            error[:, 0], error[:, 1], self.rho * error[:, 0] * error[:, 1],
        )  # fmt: skip


def at_epoch(found: Astrometry, field: Field) -> Any:
    """Fitted offset from the true place at the true epoch [mas], (n, 2)."""
    there = SkyCoord(found.ra, found.dec, unit="deg")
    east, north = SkyCoord(field.ra, field.dec, unit="deg").spherical_offsets_to(there)
    years = (EPOCH - found.epoch) / 365.25
    offset = np.stack([east.to_value(u.mas), north.to_value(u.mas)], axis=1)
    return offset + years[:, None] * np.stack([found.pm_ra, found.pm_dec], axis=1)


def test_earth_equals_the_ephemeris() -> None:
    mjd = np.random.default_rng(1).uniform(40000, 61500, 400)
    time = Time(mjd, format="mjd", scale="tai").tdb
    expected = get_body_barycentric("earth", time, ephemeris="builtin").xyz.to_value(u.au).T
    assert np.abs(earth_barycentric(mjd) - expected).max() < 1e-8
    assert earth_barycentric(np.empty(0)).shape == (0, 3)


def test_exact_positions_give_exact_parameters() -> None:
    field = Field(1, 200, noise=0.0)
    found = fit_astrometry(field.positions())
    # microarcseconds: the plane touches at the mean place, not at that of the simulation
    assert found.pm_ra == pytest.approx(field.pm[:, 0], abs=5e-3)
    assert found.pm_dec == pytest.approx(field.pm[:, 1], abs=5e-3)
    assert found.parallax == pytest.approx(field.parallax, abs=5e-3)
    assert np.abs(at_epoch(found, field)).max() < 0.01
    assert np.all(found.n_used == np.bincount(field.owner))


@pytest.mark.slow
def test_pulls_are_unit_normal_over_ten_thousand_objects() -> None:
    field = Field(2, 10_000)
    found = fit_astrometry(field.positions())
    sigma = np.sqrt(np.einsum("bii->bi", found.covariance))
    delta = np.stack(
        [
            found.pm_ra - field.pm[:, 0],
            found.pm_dec - field.pm[:, 1],
            found.parallax - field.parallax,
        ],
        axis=1,
    )
    for pull in (delta / sigma[:, 2:]).T:
        assert abs(np.mean(pull)) < 0.035
        assert np.std(pull) == pytest.approx(1.0, abs=0.03)
        assert stats.kstest(pull, "norm").pvalue > 1e-3
    # and together, with their correlations: chi squared of three degrees of freedom
    joint = np.einsum("bi,bij,bj->b", delta, np.linalg.inv(found.covariance[:, 2:, 2:]), delta)
    assert stats.kstest(joint, stats.chi2(3).cdf).pvalue > 1e-3
    dof = 2 * found.n_used - 5
    assert np.mean(found.chi2 / dof) == pytest.approx(1.0, abs=0.02)


def dense(field: Field, k: int) -> Any:
    """One object by whole matrices, about the epoch of the simulation."""
    here = field.owner == k
    n = here.sum()
    p_ra, p_dec = parallax_factors(field.mjd[here], field.ra[k], field.dec[k])
    years = (field.mjd[here] - EPOCH) / 365.25
    one, none = np.ones(n), np.zeros(n)
    design = np.concatenate([
        np.stack([one, none, years, none, p_ra], axis=1),
        np.stack([none, one, none, years, p_dec], axis=1),
    ])  # fmt: skip
    e, rho = field.error[here], field.rho[here]
    cov = np.block([
        [np.diag(e[:, 0] ** 2), np.diag(rho * e[:, 0] * e[:, 1])],
        [np.diag(rho * e[:, 0] * e[:, 1]), np.diag(e[:, 1] ** 2)],
    ])  # fmt: skip
    y = np.concatenate([field.east[here], field.north[here]])
    inverse = np.linalg.inv(cov)
    covariance = np.linalg.inv(design.T @ inverse @ design)
    solved = covariance @ design.T @ inverse @ y
    residual = y - design @ solved
    chi2 = residual @ inverse @ residual
    ln_l = stats.multivariate_normal(cov=cov * 1e-6).logpdf(residual * 1e-3)
    return solved, covariance, chi2, ln_l


def test_equals_numpy_with_whole_covariances() -> None:
    field = Field(3, 25, low=6, high=15, noise=0.8)
    found = fit_astrometry(field.positions())
    for k in range(25):
        if found.n_used[k] != np.sum(field.owner == k):
            continue
        solved, covariance, chi2, ln_l = dense(field, k)
        assert found.pm_ra[k] == pytest.approx(solved[2], abs=1e-3)
        assert found.pm_dec[k] == pytest.approx(solved[3], abs=1e-3)
        assert found.parallax[k] == pytest.approx(solved[4], abs=1e-3)
        assert found.covariance[k, 2:, 2:] == pytest.approx(covariance[2:, 2:], rel=1e-5)
        assert found.chi2[k] == pytest.approx(chi2, rel=1e-5)
        assert found.ln_likelihood[k] == pytest.approx(ln_l, rel=1e-5)
        # the same position, at the other epoch
        move = np.eye(5)
        move[0, 2] = move[1, 3] = (EPOCH - found.epoch[k]) / 365.25
        at = move @ found.covariance[k] @ move.T
        assert at == pytest.approx(covariance, rel=1e-5, abs=1e-3)
    assert np.sum(found.n_used == np.bincount(field.owner)) > 20


def test_outliers_do_not_matter() -> None:
    field = Field(4, 300, low=15, high=30)
    clean = fit_astrometry(field.positions())
    rng = np.random.default_rng(5)
    first = np.searchsorted(field.owner, np.arange(300))
    bad = np.concatenate([first, first + 1])
    field.east[bad] += rng.choice([-1, 1], 600) * rng.uniform(600, 3000, 600)
    field.north[bad] += rng.choice([-1, 1], 600) * rng.uniform(600, 3000, 600)
    found = fit_astrometry(field.positions())
    assert np.mean(found.used[bad]) < 0.01
    sigma = np.sqrt(np.einsum("bii->bi", found.covariance))
    pull = (found.parallax - field.parallax) / sigma[:, 4]
    assert np.std(pull) == pytest.approx(1.0, abs=0.13)
    assert np.median(np.abs(found.pm_ra - clean.pm_ra) / sigma[:, 2]) < 1.0


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_few_sources(n: int) -> None:
    field = Field(6, 50, low=n, high=n)
    found = fit_astrometry(field.positions())
    determined = n >= 3
    assert np.all(np.isfinite(found.parallax) == determined)
    assert np.all(np.isfinite(found.covariance).all(axis=(1, 2)) == determined)
    assert np.all(found.n_used == (n if determined else 0))
    assert np.all(found.used == determined)


def test_no_objects_and_objects_without_sources() -> None:
    none = np.empty(0)
    empty = Positions(np.empty(0, int), 0, none, none, none, none, none, none)
    assert len(fit_astrometry(empty).pm_ra) == 0
    two = Positions(np.empty(0, int), 2, none, none, none, none, none, none)
    found = fit_astrometry(two)
    assert np.isnan(found.pm_ra).all()
    assert found.n_used.tolist() == [0, 0]


def test_sources_that_determine_nothing() -> None:
    """One moment, one place; NaN; and an error of nothing at all counts as unknown."""
    field = Field(7, 4, low=9, high=9)
    field.mjd[field.owner == 0] = 59234.5
    given = field.positions()
    given.ra[field.owner == 1] = np.nan
    given.ra_err[field.owner == 2] = np.nan
    given.dec_err[field.owner == 2] = 0.0
    given.ra_dec_cov[:] = np.nan
    found = fit_astrometry(given)
    assert np.isnan(found.parallax).tolist() == [True, True, False, False]
    assert found.n_used[:2].tolist() == [0, 0]


@pytest.mark.parametrize(("ra", "dec"), [(0.0, 0.0), (359.99999, -89.99), (180.0, 89.99)])
def test_anywhere_on_the_sky(ra: float, dec: float) -> None:
    """Over ra 0 and at the poles, where coordinates are strange, the parameters are not."""
    field = Field(8, 20, noise=0.0, pm=300.0)
    field.ra[:], field.dec[:] = ra, dec
    p_ra, p_dec = parallax_factors(field.mjd, ra, dec)
    years = (field.mjd - EPOCH) / 365.25
    field.east = field.pm[field.owner, 0] * years + field.parallax[field.owner] * p_ra
    field.north = field.pm[field.owner, 1] * years + field.parallax[field.owner] * p_dec
    found = fit_astrometry(field.positions())
    total = np.hypot(found.pm_ra, found.pm_dec)
    # north turns along the way, so near to the pole
    assert total == pytest.approx(np.hypot(*field.pm.T), abs=0.02)
    assert found.parallax == pytest.approx(field.parallax, abs=0.02)
    assert np.all((found.ra >= 0) & (found.ra < 360))


def test_floor_of_errors() -> None:
    """A floor of 50 mas in each coordinate is as errors that have it already."""
    field = Field(9, 50)
    given = field.positions()
    given.ra_dec_cov[:] = 0.0
    larger = Positions(
        given.owner, 50, given.mjd_tai, given.ra, given.dec,
        np.hypot(given.ra_err, 0.05 / 3600), np.hypot(given.dec_err, 0.05 / 3600), given.ra_dec_cov,
    )  # fmt: skip
    by_floor, by_errors = fit_astrometry(given, 0.05), fit_astrometry(larger)
    assert by_floor.parallax == pytest.approx(by_errors.parallax, rel=1e-6)
    assert by_floor.covariance == pytest.approx(by_errors.covariance, rel=1e-9)


def test_parameters_are_named_in_the_order_of_the_covariance() -> None:
    assert PARAMETERS == ("ra", "dec", "pm_ra", "pm_dec", "parallax")
