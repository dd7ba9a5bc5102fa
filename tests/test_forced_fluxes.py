"""Forced fluxes against linear algebra on the whole image, and photutils."""

from __future__ import annotations

import time

import numpy as np
import pytest
from astropy.table import Table
from detect_tools import SIGMA, add_gaussians, assert_pulls, difference, gaussian
from photutils.psf import ImagePSF, PSFPhotometry, SourceGrouper

from pipeline.errors import MeasureError
from pipeline.exposure import Mask
from pipeline.forced import ForcedConfig, fluxes
from pipeline.io import read_exposure, write_exposure
from pipeline.process.forced import MODEL_ERROR, measure_on
from pipeline.psf import Psf
from pipeline.scene.observe import tan_wcs

FWHM = 4.0


def crowded(rng: np.random.Generator, n: int, side: int):
    x, y = rng.uniform(12, side - 13, (2, n))
    flux = 10 ** rng.uniform(2.0, 4.5, n)
    image = np.zeros((side, side))
    add_gaussians(image, x, y, flux, FWHM)
    image += rng.normal(0.0, SIGMA, image.shape)
    return difference(image, SIGMA**2, Psf.gaussian(FWHM, (side, side))).exposure, x, y, flux


def test_all_at_once_is_least_squares_on_the_whole_image() -> None:
    exposure, x, y, _ = crowded(np.random.default_rng(1), 60, 110)
    design = np.array([gaussian((110, 110), *at, FWHM).ravel() for at in zip(x, y, strict=True)])
    normal = design @ design.T
    wanted = np.linalg.solve(normal, design @ exposure.image.ravel())
    errors = SIGMA * np.sqrt(np.diag(np.linalg.inv(normal)))
    found = fluxes(exposure, x, y)
    apart = ~found.blended
    assert apart.sum() > 50
    assert np.abs((found.flux - wanted) / errors)[apart].max() < 0.25
    assert found.flux_err[apart] == pytest.approx(errors[apart], rel=0.02)
    single = fluxes(exposure, x, y, fit_neighbours=False)
    assert np.abs((single.flux - wanted) / errors).max() > 20
    model = exposure.image.ravel() - wanted @ design
    assert found.chi2.sum() / found.n_data.sum() == pytest.approx(np.mean(model**2) / 100, rel=0.1)


def test_photutils_finds_the_same_fluxes() -> None:
    exposure, x, y, _ = crowded(np.random.default_rng(2), 14, 100)
    assert exposure.psf is not None
    model = ImagePSF(np.pad(exposure.psf.centre, 6), flux=1.0)
    model.x_0.fixed = model.y_0.fixed = True
    fit = PSFPhotometry(model, (15, 15), grouper=SourceGrouper(12.0), aperture_radius=4)
    theirs = fit(exposure.image, init_params=Table({"x": x, "y": y}))
    found = fluxes(exposure, x, y)
    order = np.argsort(theirs["id"])
    pulls = (found.flux - np.asarray(theirs["flux_fit"][order])) / found.flux_err
    assert np.abs(pulls).max() < 0.5


def test_pulls_of_stars_of_every_brightness_with_photon_noise() -> None:
    rng = np.random.default_rng(3)
    n, side = 1200, 1000
    x, y = rng.uniform(12, side - 13, (2, n))
    flux = 10 ** rng.uniform(1.5, 6.0, n)
    image = np.zeros((side, side))
    add_gaussians(image, x, y, flux, FWHM)
    variance = SIGMA**2 + 0.2 * image
    image += rng.normal(0.0, 1.0, image.shape) * np.sqrt(variance)
    exposure = difference(image, 1.0, Psf.gaussian(FWHM, (side, side))).exposure
    found = fluxes(exposure.with_(variance=variance.astype(np.float32)), x, y)
    # What stands by two that cannot be told apart shares their troubles.
    twins = np.flatnonzero(found.blended)
    near = (
        np.hypot(x[:, None] - x[twins], y[:, None] - y[twins]).min(axis=1, initial=1e9) < 5 * FWHM
    )
    for low, high in ((1.5, 3), (3, 4.5), (4.5, 6)):
        some = ~near & (flux > 10**low) & (flux < 10**high)
        assert_pulls(found.flux[some], flux[some], found.flux_err[some])


def test_what_cannot_be_measured_is_flagged() -> None:
    exposure, _, _, _ = crowded(np.random.default_rng(4), 3, 80)
    mask = exposure.mask.copy()
    mask[40:60, 40:60] = Mask.SAT
    found = fluxes(
        exposure.with_(mask=mask),
        [50.0, 39.4, 2.0, -50.0, np.nan, 1e300, 20.0, 20.1],
        [50.0, 50.0, 30.0, 30.0, 30.0, 5.0, 20.0, 20.0],
    )
    assert found.failed.tolist() == [True, False, False, True, True, True, False, False]
    assert found.no_good_pixels.tolist() == [True, False, False, True, True, True, False, False]
    assert found.edge.tolist() == [False, False, True, True, True, True, False, False]
    assert found.blended.tolist() == [False] * 6 + [True, True]
    assert np.isnan(found.flux).tolist() == found.failed.tolist()
    assert 0.3 < found.weight[1] < 0.7
    # Half of the light costs √2 in the error.
    assert found.flux_err[1] / found.flux_err[6] == pytest.approx(found.weight[1] ** -0.5, rel=0.02)
    assert len(fluxes(exposure, [], []).flux) == 0
    with pytest.raises(MeasureError, match="PSF"):
        fluxes(exposure.with_(psf=None), [1.0], [1.0])
    with pytest.raises(ValueError, match="overlap must be between 0 and 1, not 2"):
        ForcedConfig(overlap=2.0)


def test_groups_that_percolate_have_the_errors_of_algebra() -> None:
    side, step = 90, 5.0
    x, y = (at.ravel() * step + 12.3 for at in np.indices((14, 14)))
    rng = np.random.default_rng(5)
    image = rng.normal(0.0, SIGMA, (side, side))
    add_gaussians(image, x, y, np.full(196, 1000.0), FWHM)
    exposure = difference(image, SIGMA**2, Psf.gaussian(FWHM, (side, side))).exposure
    design = np.array([gaussian((side, side), *at, FWHM).ravel() for at in zip(x, y, strict=True)])
    errors = SIGMA * np.sqrt(np.diag(np.linalg.inv(design @ design.T)))
    found = fluxes(exposure, x, y)
    assert found.flux_err == pytest.approx(errors, rel=0.03)
    assert_pulls(found.flux, 1000.0, found.flux_err)


def test_five_thousand_fluxes_take_a_fifth_of_a_second() -> None:
    rng = np.random.default_rng(6)
    side = 2048
    image = rng.normal(0.0, SIGMA, (side, side))
    exposure = difference(image, SIGMA**2, Psf.gaussian(FWHM, (side, side))).exposure
    x, y = rng.uniform(0, side, (2, 5000))
    fluxes(exposure, x[:50], y[:50])
    taken = []
    for _ in range(3):
        started = time.process_time()
        found = fluxes(exposure, x, y)
        taken.append(time.process_time() - started)
    # Processor time of all threads, so that a busy machine does not matter.
    assert min(taken) < 0.2
    apart = ~found.blended & ~found.failed
    assert_pulls(found.flux[apart], 0.0, found.flux_err[apart])


def test_errors_of_forced_fluxes_include_those_of_the_models(tmp_path) -> None:
    rng = np.random.default_rng(6)
    exposure, x, y, _ = crowded(rng, 20, 110)
    plain = exposure.with_(wcs=tan_wcs(150.0, 2.0, (110, 110)))
    header = plain.header.copy()
    header[MODEL_ERROR] = 0.02
    write_exposure(plain.with_(header=header), tmp_path / "difference.fits")
    stored = read_exposure(tmp_path / "difference.fits")
    ra, dec = plain.wcs.pixel_to_world_values(x, y)
    positions = Table({"ra": ra, "dec": dec})
    before, after = (measure_on(each, plain)(positions) for each in (plain, stored))
    for name in ("psf_flux", "science_flux"):
        assert np.asarray(after[name]) == pytest.approx(np.asarray(before[name]), rel=1e-4, abs=0.1)
        wanted = np.sqrt(np.square(before[f"{name}_err"]) + np.square(0.02 * before[name]))
        assert np.asarray(after[f"{name}_err"]) == pytest.approx(np.asarray(wanted), rel=1e-3)
    assert np.max(after["psf_flux_err"] / before["psf_flux_err"]) > 3
