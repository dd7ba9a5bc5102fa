"""Calibration against simulated truth, galsim, photutils, sep and astropy."""

from __future__ import annotations

import galsim
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io.fits import Header
from astropy.table import Table
from astropy.wcs import WCS
from photutils.aperture import CircularAperture, aperture_photometry
from scipy.spatial import cKDTree

from pipeline.calibrate import (
    CalibrateConfig,
    Calibrated,
    ColourTerm,
    PointingGuess,
    SourceFlag,
    calibrate,
)
from pipeline.calibrate.astrometry import solve
from pipeline.calibrate.background import beside_sources, vignetted
from pipeline.calibrate.match import blind_match
from pipeline.calibrate.reference import References, references
from pipeline.calibrate.wcs import Polynomials, composed, from_pointing
from pipeline.calibrate.zero_point import zero_point
from pipeline.errors import CalibrateError
from pipeline.exposure import Exposure, ExposureInfo, Mask
from pipeline.io import read_exposure
from pipeline.isr import remove_signature
from pipeline.measure.sky import local_sky
from pipeline.process.quality import summary, units
from pipeline.scene import SimulatedField, simulate_field, tan_wcs
from pipeline.scene.config import NightConfig
from pipeline.scene.night import simulate_night

#: nJy of one count of the images made of simulated fields.
NJY = 100.0
INFO = ExposureInfo(1, 0, "r", 60_000.0, 30.0, airmass=1.2)


def uncalibrated(
    field: SimulatedField, dx: float = 0.0, dy: float = 0.0, turn: float = 0.0
) -> Exposure:
    """The science image in counts, without PSF, its pointing off by pixels and degrees."""
    wcs = field.science.wcs.deepcopy()
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    wcs.wcs.cd = wcs.pixel_scale_matrix @ np.array([[c, -s], [s, c]])
    wcs.wcs.crpix = wcs.wcs.crpix + np.array([dx, dy])
    return field.science.with_(
        image=field.science.image / np.float32(NJY),
        variance=field.science.variance / np.float32(NJY**2),
        unit="electron", psf=None, photo_calib=None, wcs=wcs, info=INFO,
    )  # fmt: skip


@pytest.fixture(scope="module")
def field() -> SimulatedField:
    return simulate_field(4, shape=(512, 640), n_stars=220, n_galaxies=40, n_transients=0)


@pytest.fixture(scope="module")
def calibrated(field: SimulatedField) -> Calibrated:
    # Off by 26 arcsec, and turned by two degrees.
    config = CalibrateConfig(nominal_zero_point=22.6, extinction=0.1)
    return calibrate(uncalibrated(field, 80.0, -100.0, 2.0), field.refcat, config)


def isolated_stars(field: SimulatedField, margin: float = 20.0) -> Table:
    truth = field.truth
    places = np.column_stack([truth["x"], truth["y"]])
    alone = cKDTree(places).query(places, k=2)[0][:, 1] > 14
    ny, nx = field.science.shape
    inside = (truth["x"] > margin) & (truth["x"] < nx - margin)
    inside &= (truth["y"] > margin) & (truth["y"] < ny - margin)
    return truth[alone & inside & (truth["kind"] == "star")]


def matched(sources: Table, truth: Table) -> tuple[Table, Table]:
    tree = cKDTree(np.column_stack([sources["x"], sources["y"]]))
    distance, row = tree.query(np.column_stack([truth["x"], truth["y"]]))
    return sources[row[distance < 1]], truth[distance < 1]


def test_pointing_is_found_and_positions_are_right(field, calibrated) -> None:
    pixels = np.array([(5, 5), (600, 20), (30, 500), (630, 505), (320, 256)], float)
    found = SkyCoord(*calibrated.exposure.wcs.pixel_to_world_values(*pixels.T), unit="deg")
    true = SkyCoord(*field.science.wcs.pixel_to_world_values(*pixels.T), unit="deg")
    # 0.2 arcsec per pixel: a twentieth of a pixel everywhere, corners included.
    assert found.separation(true).arcsec.max() < 0.010
    assert calibrated.metrics["calibrate.wcs_offset"] > 15
    assert calibrated.metrics["calibrate.wcs_rotation"] == pytest.approx(-2.0, abs=0.02)
    assert calibrated.metrics["calibrate.wcs_matches"] > 60


def test_zero_point_fluxes_and_errors(field, calibrated) -> None:
    found, true = matched(calibrated.sources, isolated_stars(field))
    bright = found["snr"] > 30
    ratio = np.asarray(found["flux"][bright] / true["flux"][bright])
    assert np.median(ratio) == pytest.approx(1.0, abs=0.006)
    pull = np.asarray((found["flux"] - true["flux"]) / found["flux_err"])
    assert np.std(pull[np.abs(pull) < 4.0]) == pytest.approx(1.0, abs=0.2)
    x_pull = np.asarray((found["x"] - true["x"]) / found["x_err"])
    assert 1.4826 * np.median(np.abs(x_pull)) == pytest.approx(1.0, abs=0.25)
    assert calibrated.exposure.unit == "nJy"
    calib = calibrated.exposure.photo_calib
    assert calib.njy_per_count == pytest.approx(NJY, abs=4 * calib.njy_per_count_err + 0.5)
    # The image is in the same unit as its sources.
    assert np.median(calibrated.exposure.variance / field.science.variance) == pytest.approx(
        1, abs=0.03
    )


def test_summary_of_the_visit_knows_the_astrometry(field, calibrated) -> None:
    known = field.refcat
    x, y = field.science.wcs.world_to_pixel_values(known["ra"], known["dec"])
    ny, nx = field.science.shape
    inside = int(((x > -0.5) & (x < nx - 0.5) & (y > -0.5) & (y < ny - 0.5)).sum())
    area = nx * ny * (field.science.pixel_scale / 3600.0) ** 2
    row = summary(calibrated.exposure, calibrated.metrics)
    assert row["ref_cat_source_density"] == pytest.approx(inside / area, rel=0.05)
    # distances in two coordinates: mean and scatter of a Rayleigh distribution, and a few blends
    rms = calibrated.metrics["calibrate.wcs_rms"]
    assert row["astrom_offset_mean"] == pytest.approx(rms * np.sqrt(np.pi / 2.0), rel=0.2)
    assert row["astrom_offset_std"] == pytest.approx(rms * np.sqrt(2.0 - np.pi / 2.0), rel=0.4)
    kept = units(calibrated.metrics)
    assert {kept[f"calibrate.wcs_{name}"] for name in ("rms", "error", "offset")} == {"arcsec"}


def test_psf_is_the_true_one(field, calibrated) -> None:
    psf, true = calibrated.exposure.psf, field.science.psf
    at = np.array([100.0, 320.0, 600.0]), np.array([400.0, 256.0, 60.0])
    margin = psf.half - true.half
    around = ((0, 0), (max(margin, 0),) * 2, (max(margin, 0),) * 2)
    cut = slice(max(-margin, 0), true.width - max(-margin, 0))
    wanted = np.pad(true.at(*at)[:, cut, cut], around)
    found = psf.at(*at)
    # What an error of the model does to a flux.
    bias = (found * wanted).sum(axis=(1, 2)) / (found**2).sum(axis=(1, 2)) - 1.0
    # Of the true PSF 0.2% are beyond the model's three FWHM.
    assert np.abs(bias).max() < 0.005
    assert np.abs(found - wanted).max() < 0.02 * wanted.max()


def test_light_around_stars_of_a_crowded_field_is_not_of_their_psf() -> None:
    crowd = simulate_field(4, shape=(512, 512), n_stars=1250, n_galaxies=20, n_transients=0)
    psf, true = calibrate(uncalibrated(crowd), crowd.refcat).exposure.psf, crowd.science.psf
    at = (a.ravel() for a in np.meshgrid(*2 * [np.array([100.0, 256.0, 400.0])]))
    x, y = at
    found, wanted = psf.at(x, y), true.at(x, y)
    cut = slice(true.half - psf.half, true.half + psf.half + 1)
    bias = (found * wanted[:, cut, cut]).sum(axis=(1, 2)) / (found**2).sum(axis=(1, 2)) - 1.0
    assert np.abs(bias.mean()) < 0.01


def test_background_is_that_of_the_sky_beside_the_sources(field, calibrated) -> None:
    # It has none.  A clipped median of all pixels between fitted stars is 0.04 sigma too high.
    sigma = np.sqrt(np.median(field.science.variance)) / NJY
    assert np.abs(np.mean(calibrated.background)) < 0.02 * sigma


def test_sources_are_masked_as_far_out_as_the_sky_allows() -> None:
    bad, wide, narrow = (np.zeros((64, 128), bool) for _ in range(3))
    bad[:, :4] = True
    # The cells are of 32 pixels: half sky; less than half, but for the cores; only sources.
    wide[:32, :16], wide[:32, 32:60], wide[:32, 64:96] = True, True, True
    narrow[:32, :8], narrow[:32, 40:50], narrow[:32, 64:96] = True, True, True
    expected = bad.copy()
    expected[:32, :16] = True
    expected[:32, 40:50] = True
    assert np.array_equal(beside_sources(bad, [wide, narrow], 32), expected)
    assert np.array_equal(beside_sources(bad, [], 32), bad)


def test_stars_and_galaxies(field, calibrated) -> None:
    stars, _ = matched(calibrated.sources, isolated_stars(field))
    galaxies, _ = matched(calibrated.sources, field.truth[field.truth["kind"] == "galaxy"])
    assert stars["is_star"][stars["snr"] > 10].mean() > 0.95
    assert galaxies["is_star"][galaxies["snr"] > 30].mean() < 0.1
    assert not galaxies["used_for_psf"].any()


def test_figures_of_the_sky(field, calibrated) -> None:
    metrics = calibrated.metrics
    # By definition: a flux of five sigma in an image of white noise has the error of the PSF fit.
    error = np.sqrt(np.median(field.science.variance) / np.sum(field.science.psf.centre**2))
    assert metrics["calibrate.limiting_magnitude"] == pytest.approx(
        31.4 - 2.5 * np.log10(5 * error), abs=0.12
    )
    assert metrics["calibrate.seeing"] == pytest.approx(0.2 * field.science.psf.fwhm, rel=0.02)
    clear = 22.6 + 2.5 * np.log10(30.0) - 0.1 * 0.2
    assert metrics["calibrate.transparency"] == pytest.approx(
        10 ** (0.4 * (26.4 - clear)), rel=0.01
    )
    assert metrics["calibrate.noise_ratio"] == pytest.approx(1.0, abs=0.02)


def galsim_image(n: int, seed: int) -> tuple[Exposure, Table]:
    """Stars of a PSF whose width and shear change across the image, drawn by galsim."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(9), np.arange(9)), -1).reshape(-1, 2) * 50 + 30
    x, y = (grid + rng.uniform(-9, 9, grid.shape)).T
    flux = 10 ** rng.uniform(3.6, 5.2, len(x))
    drawn = galsim.ImageF(n, n, xmin=0, ymin=0)
    for at_x, at_y, counts in zip(x, y, flux, strict=True):
        star = galsim.Moffat(beta=3.0, fwhm=3.4 + 0.8 * at_x / n).shear(
            g1=0.06 * (at_y / n - 0.5), g2=0.03
        )
        stamp = star.withFlux(counts).drawImage(
            nx=61, ny=61, scale=1.0, center=galsim.PositionD(at_x, at_y)
        )
        both = stamp.bounds & drawn.bounds
        drawn[both] += stamp[both]
    image = drawn.array.astype(np.float64) + 300.0 + 40.0 * np.arange(n) / n
    variance = image.copy()
    image += rng.normal(size=image.shape) * np.sqrt(variance)
    exposure = Exposure(image.astype(np.float32), np.zeros(image.shape, np.uint32),
                        variance.astype(np.float32), "electron", INFO, wcs=tan_wcs(150.0, 2.0, image.shape))  # fmt: skip
    return exposure, Table({"x": x, "y": y, "flux": flux})


def test_galsim_psf_that_varies_and_photutils_apertures() -> None:
    exposure, truth = galsim_image(460, 7)
    result = calibrate(exposure, None, CalibrateConfig(zero_point=31.4))
    psf = result.exposure.psf
    assert result.metrics["calibrate.psf_components"] >= 1
    for x, y in ((60.0, 60.0), (230.0, 230.0), (400.0, 400.0)):
        star = galsim.Moffat(beta=3.0, fwhm=3.4 + 0.8 * x / 460).shear(
            g1=0.06 * (y / 460 - 0.5), g2=0.03
        )
        wanted = star.drawImage(nx=psf.width, ny=psf.width, scale=1.0).array.astype(float)
        wanted /= wanted.sum()
        found = psf.at([x], [y])[0]
        assert np.sum(found * wanted) / np.sum(found**2) == pytest.approx(1.0, abs=0.02)
    found, true = matched(result.sources, truth)
    assert len(found) == len(truth)
    bright = np.asarray(found["snr"]) > 100
    ratio = np.asarray(found["flux"] / true["flux"])[bright]
    # The wings of a Moffat profile beyond the aperture of four FWHM are 1% of it.
    assert np.median(ratio) == pytest.approx(1.0, abs=0.015)
    assert np.std(ratio) < 0.015
    # Aperture fluxes of the calibrated image by photutils are those of the PSF fit, corrected.
    where = np.column_stack([found["x"], found["y"]])[bright]
    circle = CircularAperture(where, r=4.0 * psf.fwhm)
    summed = np.asarray(aperture_photometry(result.exposure.image, circle)["aperture_sum"])
    share = np.median(summed / np.asarray(found["flux"])[bright])
    # A zero point of whole fluxes: they come out whole.
    assert share * result.metrics["calibrate.aperture_correction"] ** -1 == pytest.approx(
        1.0 / result.metrics["calibrate.aperture_correction"], abs=0.015
    )
    background = 300.0 + 40.0 * np.arange(460) / 460
    assert np.abs(result.background - background).max() < 4.0


@pytest.mark.parametrize("stars", [2, 5])
def test_few_stars_give_a_psf_that_does_not_vary(stars: int) -> None:
    exposure, truth = galsim_image(460, 8)
    brightest = truth[np.argsort(-truth["flux"])[:stars]]
    rng = np.random.default_rng(3)
    image = np.full((460, 460), 300.0)
    for x, y, flux in brightest.iterrows():
        star = galsim.Moffat(beta=3.0, fwhm=4.0).withFlux(flux)
        stamp = star.drawImage(nx=101, ny=101, scale=1.0, center=galsim.PositionD(x, y))
        both = stamp.bounds & galsim.BoundsI(0, 459, 0, 459)
        image[both.ymin : both.ymax + 1, both.xmin : both.xmax + 1] += stamp[both].array
    variance = image.astype(np.float32)
    image += rng.normal(size=image.shape) * np.sqrt(variance)
    result = calibrate(exposure.with_(image=image.astype(np.float32), variance=variance), None,
                       CalibrateConfig(zero_point=31.4))  # fmt: skip
    assert result.metrics["calibrate.psf_components"] == 0
    found, true = matched(result.sources, brightest)
    assert np.asarray(found["flux"]) == pytest.approx(np.asarray(true["flux"]), rel=0.03)


def test_reference_catalogue_units_colours_and_motions() -> None:
    catalogue = Table({"ra": [10.0, 10.1, 10.2], "dec": [60.0, 60.0, 60.0], "g_mag": [18.5, 19.0, 20.0],
                       "r_mag": [18.0, 18.4, np.nan], "pm_ra": [1000.0, 0.0, 0.0],
                       "pm_dec": [0.0, -500.0, 0.0], "epoch_mjd_tai": [60_000.0 - 3652.5] * 3,
                       "extendedness": [0.0, 1.0, 0.0]})  # fmt: skip
    term = ColourTerm("r_mag", "g_mag", constant=0.01, slope=-0.2)
    found = references(catalogue, INFO, CalibrateConfig(colour_term=term))
    wanted = np.array([18.0, 18.4]) + 0.01 - 0.2 * np.array([-0.5, -0.6])
    assert found.flux[:2] == pytest.approx(10 ** (0.4 * (31.4 - wanted)))
    assert np.isnan(found.flux[2])
    assert list(found.star) == [True, False, True]
    # Ten years: ten arcsec on the sky towards east, five towards south.
    start = SkyCoord(catalogue["ra"], catalogue["dec"], unit="deg")
    east, north = start.spherical_offsets_to(SkyCoord(found.ra, found.dec, unit="deg"))
    assert east.arcsec[0] == pytest.approx(10.0, rel=1e-3)
    assert north.arcsec[1] == pytest.approx(-5.0, rel=1e-3)
    in_njy = references(Table({"ra": [1.0], "dec": [2.0], "flux": [5e4]}), INFO, CalibrateConfig())
    assert in_njy.flux == pytest.approx([5e4])


def test_zero_point_of_blends() -> None:
    rng = np.random.default_rng(6)
    flux = 10 ** rng.uniform(3, 5, 2000)
    counts = flux / 2.0 * (1.0 + 0.01 * rng.normal(size=len(flux)))
    counts[::10] *= 1.0 + 0.05 * rng.random(len(flux[::10]))
    found = zero_point(counts, 0.002 * counts, flux, np.full(len(flux), np.nan), 0.01)
    # However bright a tenth is, it moves a median by no more than Φ⁻¹(0.5 / 0.9) = 0.14 sigma.
    assert found.photo_calib.njy_per_count == pytest.approx(2.0, rel=0.0014)
    # The median of n Gaussian values scatters by sqrt(π / 2n).
    relative = found.photo_calib.njy_per_count_err / found.photo_calib.njy_per_count
    assert relative == pytest.approx(0.01 * np.sqrt(np.pi / 2.0 / len(flux)), rel=0.15)


def test_zero_point_clips_variable_stars() -> None:
    rng = np.random.default_rng(2)
    counts = 10 ** rng.uniform(2, 4, 60)
    flux = counts * 37.0 * rng.normal(1.0, 0.01, 60)
    flux[:8] *= rng.uniform(1.5, 3.0, 8)
    found = zero_point(counts, 0.005 * counts, flux, 0.005 * flux, 0.005)
    assert found.photo_calib.njy_per_count == pytest.approx(37.0, rel=0.005)
    assert found.stars == pytest.approx(52, abs=2)
    assert found.photo_calib.njy_per_count_err == pytest.approx(37.0 * 0.01 / np.sqrt(52), rel=0.5)


TPV = {
    "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "CRVAL1": 316.8, "CRVAL2": -65.97, "CRPIX1": -581.2,
    "CRPIX2": -6954.7, "CD1_1": -4.3e-7, "CD1_2": 7.288e-5, "CD2_1": -7.285e-5, "CD2_2": -4.2e-7,
    "PV1_1": 1.00965, "PV1_2": -3.8e-4, "PV1_4": -7.7e-3, "PV1_5": 8.2e-4, "PV1_7": 1.27e-3,
    "PV2_1": 1.0062, "PV2_2": -2.9e-4, "PV2_4": -1.05e-3, "PV2_6": 5e-4, "PV2_9": -1.2e-3,
}  # fmt: skip


@pytest.mark.parametrize("form", ["sip", "tpv"])
def test_written_coordinates_are_the_old_ones_of_corrected_pixels(form: str) -> None:
    old = WCS(Header(TPV))
    shape = (2048, 1024)
    # A shift, a rotation, and a distortion of a pixel in the corners.
    terms = np.array([(5.0, -3.0), (0.5, 0.2), (-0.2, 0.4), (0.6, 0.0), (0.1, -0.3), (0.0, 0.5)])
    correction = Polynomials(terms, 2, np.array([511.5, 1023.5]), 1024.0)
    new = composed(old, correction, shape, form)
    rng = np.random.default_rng(1)
    pixels = rng.uniform(0, 1, (500, 2)) * [1023, 2047]
    wanted = SkyCoord(*old.pixel_to_world_values(*correction.apply(pixels).T), unit="deg")
    # Both as they are and as a header holds them.
    for one in (new, WCS(new.to_header(relax=True))):
        found = SkyCoord(*one.pixel_to_world_values(*pixels.T), unit="deg")
        assert found.separation(wanted).arcsec.max() < 0.002 * 0.263
    assert (new.sip is not None) == (form == "sip")


def test_coordinates_are_as_wrong_as_they_say() -> None:
    rng = np.random.default_rng(5)
    true, shape = tan_wcs(150.0, 2.0, (400, 400)), (400, 400)
    pulls, errors = [], []
    for _ in range(150):
        at = rng.uniform(20.0, 380.0, (40, 2))
        noise = rng.choice([0.03, 0.1], 40)
        scatter = np.hypot(noise, 0.02)  # the fit takes 0.02 pixels for what no error tells
        x, y = (at + rng.normal(0.0, scatter[:, np.newaxis], (40, 2))).T
        flux = rng.permutation(40) + 100.0
        sources = Table({"x": x, "y": y, "x_err": noise, "y_err": noise, "flux": flux})
        sources["snr"] = 100.0
        ra, dec = true.pixel_to_world_values(*at.T)
        stars = References(ra, dec, flux, np.ones(40), np.ones(40, bool))
        found = solve(sources, stars, true, shape, CalibrateConfig())
        error = found.wcs.wcs.crder[0]
        east, north = (
            np.subtract(*(each.pixel_to_world_values(*at.T)[k] for each in (found.wcs, true)))
            for k in (0, 1)
        )
        east *= np.cos(np.radians(2.0))
        square = np.average(east**2 + north**2, weights=scatter**-2.0)
        pulls.append(square / 2.0 / error**2)
        errors.append(error * 3600.0 - found.metrics["calibrate.wcs_error"])
    assert np.mean(pulls) == pytest.approx(1.0, abs=0.12)
    assert np.abs(errors).max() < 1e-9
    kept = WCS(found.wcs.to_header(relax=True))
    at = np.array([[100.0], [200.0]])
    assert local_sky(kept, *at).frame_error == pytest.approx(error)
    assert local_sky(true, *at).frame_error == 0.0


def test_pointing_is_what_it_says() -> None:
    wcs = from_pointing(PointingGuess(150.0, 40.0, 0.5, rotation=30.0), (200, 300))
    centre, above, right = (SkyCoord(*wcs.pixel_to_world_values(*p), unit="deg")
                            for p in ((149.5, 99.5), (149.5, 119.5), (169.5, 99.5)))  # fmt: skip
    assert (centre.ra.deg, centre.dec.deg) == pytest.approx((150.0, 40.0))
    assert centre.position_angle(above).deg == pytest.approx(30.0, abs=0.01)
    # East is on the left when north is up.
    assert centre.position_angle(right).deg == pytest.approx(300.0, abs=0.01)
    assert centre.separation(above).arcsec == pytest.approx(10.0)


def test_blind_match_turns_and_refuses_chance() -> None:
    rng = np.random.default_rng(11)
    stars = rng.uniform(0, 1000, (60, 2))
    angle = np.radians(33.0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    seen = (stars - 500) @ turn.T + 500 + [40, -25] + rng.normal(0, 0.1, stars.shape)
    # A third of each list is not on the other.
    found = blind_match(seen[:45], stars[np.r_[0:30, 45:60]], 1e6, 200.0, 2.0)
    assert found is not None
    assert np.degrees(np.angle(found.factor)) == pytest.approx(-33.0, abs=0.05)
    assert np.hypot(*(found.apply(seen[:30]) - stars[:30]).T).max() < 1.0
    other = rng.uniform(0, 1000, (60, 2))
    assert blind_match(seen, other, 1e6, 200.0, 2.0) is None
    assert blind_match(seen[:0], other, 1e6, 200.0, 2.0) is None


def blank(n: int = 128, noise: float = 10.0) -> Exposure:
    rng = np.random.default_rng(9)
    image = rng.normal(100.0, noise, (n, n)).astype(np.float32)
    return Exposure(image, np.zeros((n, n), np.uint32), np.full((n, n), noise**2, np.float32),
                    "electron", INFO, wcs=tan_wcs(150.0, 2.0, (n, n)))  # fmt: skip


def with_stars(flux: float = 2e4, count: int = 6, mask: int = 0) -> Exposure:
    exposure = blank()
    y, x = np.mgrid[:128, :128]
    image = exposure.image.copy()
    for i in range(count):
        at = 20 + 35 * (i % 3), 30 + 60 * (i // 3)
        image += (
            flux / (2 * np.pi * 2.9) * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 5.8)
        ).astype(np.float32)
    bits = np.where(image > 200, np.uint32(mask), np.uint32(0)).astype(np.uint32)
    return exposure.with_(image=image, mask=bits)


SKY = Table({"ra": [10.0], "dec": [-89.0], "flux": [1e4]})
NAMED = CalibrateConfig(zero_point=31.4)


@pytest.mark.parametrize(
    ("exposure", "refcat", "config", "cause"),
    [
        (blank(), None, NAMED, "no stars|stars for the PSF"),
        (with_stars(count=1), None, NAMED, "1 stars for the PSF, 2 are needed"),
        (with_stars(mask=Mask.SAT), None, NAMED, "saturated|no stars"),
        (with_stars().with_(variance=np.zeros((128, 128), np.float32)), None, NAMED, "variance is zero everywhere"),
        (with_stars().with_(variance=np.full((128, 128), 3e3, np.float32)), None, NAMED, "gain seems to be wrong by a factor 27"),
        (with_stars().with_(image=np.full((128, 128), np.nan, np.float32)), None, NAMED, "no pixel is usable"),
        (with_stars().with_(image=np.full((128, 128), 7, np.float32)), None, NAMED, "same value"),
        (with_stars().with_(wcs=None), None, NAMED, "no world coordinates"),
        (with_stars(), None, CalibrateConfig(), "neither a reference catalogue nor a zero point"),
        (with_stars(), SKY, NAMED, "none of the 1 reference stars is near the image"),
        (with_stars(), Table({"ra": [1.0]}), NAMED, "no column dec"),
        (with_stars(), Table({"ra": [1.0], "dec": [1.0]}), NAMED, "flux_column"),
    ],
)  # fmt: skip
def test_bad_images_are_refused_with_cause_and_remedy(exposure, refcat, config, cause: str) -> None:
    with pytest.raises(CalibrateError, match=cause) as caught:
        calibrate(exposure, refcat, config)
    assert caught.value.stage == "calibrate"


def test_a_catalogue_of_other_stars_is_refused(field) -> None:
    rng = np.random.default_rng(5)
    wrong = field.refcat.copy()
    wrong["ra"] += rng.normal(0, 0.01, len(wrong))
    wrong["dec"] += rng.normal(0, 0.01, len(wrong))
    with pytest.raises(CalibrateError, match="no match of"):
        calibrate(uncalibrated(field), wrong)


def test_nan_regions_and_saturated_stars_are_left_out() -> None:
    exposure = with_stars()
    image, mask = exposure.image.copy(), exposure.mask.copy()
    image[:, 100:] = np.nan
    mask[28:33, 18:23] |= np.uint32(Mask.SAT)
    result = calibrate(exposure.with_(image=image, mask=mask), None, NAMED)
    assert np.isfinite(result.exposure.image).all()
    assert np.all(result.exposure.mask[:, 100:] & np.uint32(Mask.NO_DATA))
    saturated = result.sources[
        (np.abs(result.sources["x"] - 20) < 4) & (np.abs(result.sources["y"] - 30) < 4)
    ]
    assert np.all(saturated["flags"] & SourceFlag.SATURATED)
    assert not saturated["used_for_psf"].any()


@pytest.mark.slow
def test_real_frames_agree_with_each_other(test_data) -> None:
    """Liverpool Telescope frames, minutes apart: the first one's stars are the catalogue."""
    paths = sorted((test_data / "images" / "lt_rise").glob("*.fits"))
    config = CalibrateConfig(zero_point=25.0)
    first = calibrate(read_exposure(paths[0]), None, config)
    good = (first.sources["flags"] == 0) & (first.sources["snr"] > 10)
    catalogue = first.sources["ra", "dec", "flux", "flux_err"][good]
    for path in paths[1:]:
        result = calibrate(read_exposure(path), catalogue, config)
        metrics = result.metrics
        # Stars of S/N 10 and FWHM of 5 to 6.5 pixels are known to FWHM / (2.35 S/N), 0.2 to 0.3.
        assert metrics["calibrate.wcs_rms"] < 0.2 * 0.54, path.name
        assert metrics["calibrate.wcs_matches"] >= 30, path.name
        assert metrics["calibrate.zero_point"] == pytest.approx(25.0, abs=0.06), path.name
        assert 0.9 < metrics["calibrate.noise_ratio"] < 1.1, path.name
        # The corners beyond the round filter.
        assert metrics["calibrate.vignetted"] == pytest.approx(0.08, abs=0.03), path.name


def test_dead_borders_are_found_and_vignetting_is_none() -> None:
    rng = np.random.default_rng(8)
    # 10% less light at the sides than in the middle
    fall = 1.0 - 0.1 * np.square(np.linspace(-1, 1, 600))
    image = (1000.0 * fall + rng.normal(0, 25, (500, 600))).astype(np.float32)
    assert not vignetted(image, np.zeros(image.shape, bool), 0.6).any()
    image[:, -3:] = 5.0
    image[:, -4] -= 20.0  # not dead, but not whole either
    image[:2] = 0.0
    wanted = np.zeros(image.shape, bool)
    wanted[:, -4:] = wanted[:2] = True
    np.testing.assert_array_equal(vignetted(image, np.zeros(image.shape, bool), 0.6), wanted)


@pytest.mark.slow
def test_raw_frame_of_a_simulated_night_becomes_its_calibrated_image(tmp_path) -> None:
    """Isr and calibrate undo what the simulation of the camera did, which is other code."""
    config = NightConfig(n_visits=1, bands=("r",), n_movers=0)
    night = simulate_night(config, tmp_path)
    raws = [read_exposure(night.visits[0].raw, hdu=hdu) for hdu in (1, 2)]
    frames = {name: read_exposure(tmp_path / "calibration" / f"{file}.fits")
              for name, file in (("bias", "bias"), ("dark", "dark"), ("flat", "flat_r"))}  # fmt: skip
    instrument = str(tmp_path / "calibration" / "instrument.toml")
    electrons = remove_signature(raws, instrument, **frames)
    result = calibrate(electrons.exposure, night.refcat)
    found, true = result.exposure, read_exposure(night.visits[0].science)
    assert result.metrics["calibrate.noise_ratio"] == pytest.approx(1.0, abs=0.03)
    # The bad columns; saturation covers what the simulation says, and not much besides.
    assert np.array_equal(found.masked(Mask.BAD), true.masked(Mask.BAD))
    assert np.all(found.masked(Mask.SAT)[true.masked(Mask.SAT)])
    assert found.masked(Mask.SAT).mean() < 2.5 * true.masked(Mask.SAT).mean()
    rays = true.masked(Mask.CR) & ~found.masked(Mask.SAT)
    # The faint ends of some tracks are within the noise.
    assert found.masked(Mask.CR)[rays].mean() > 0.85
    # Two exposures of the same light: differences have the noise of both.
    blank = (found.mask == 0) & (true.mask == 0)
    noise = np.sqrt(found.variance + true.variance)
    pulls = ((found.image - true.image) / np.where(noise > 0, noise, 1.0))[blank]
    assert 1.4826 * np.median(np.abs(pulls)) == pytest.approx(1.0, abs=0.03)
    assert np.median(found.variance[blank] / true.variance[blank]) == pytest.approx(1.0, abs=0.03)
    corners = np.array([(3, 3), (1020, 3), (3, 1020), (1020, 1020), (512, 512)], float).T
    here, there = (
        SkyCoord(*w.wcs.pixel_to_world_values(*corners), unit="deg") for w in (found, true)
    )
    assert here.separation(there).arcsec.max() < 0.01
