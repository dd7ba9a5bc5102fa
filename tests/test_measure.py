"""Measurements against galsim, photutils, astropy and the truth of what was drawn."""

from __future__ import annotations

from dataclasses import replace

import galsim
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from detect_tools import (
    SIGMA,
    add_gaussians,
    assert_pulls,
    difference,
    moffat,
    moved_on_grid,
    noise_of_flux,
    on_grid,
)
from photutils.aperture import CircularAperture, aperture_photometry
from scipy.spatial import cKDTree

from apdb.schema.catalogue import catalogue
from pipeline.detect import Detections, detect
from pipeline.errors import MeasureError
from pipeline.exposure import Exposure, Mask
from pipeline.measure import MeasureConfig, measure
from pipeline.psf import Psf
from pipeline.scene import simulate_field
from pipeline.subtract import Difference, SubtractConfig, subtract
from pipeline.subtract.agreement import Agreement

FWHM = 4.0
#: Of a sky pixel, and of a photon [nJy²].
GAIN = 0.2


def measured(made: Difference, config: MeasureConfig | None = None) -> tuple[Detections, Table]:
    detections = detect(made)
    return detections, measure(detections, made, made.exposure, config=config)


def with_noise(rng: np.random.Generator, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    variance = SIGMA**2 + GAIN * np.abs(image)
    return image + rng.normal(0.0, 1.0, image.shape) * np.sqrt(variance), variance


def matched(table: Table, places: np.ndarray, radius: float = 3.0) -> tuple[Table, np.ndarray]:
    distance, index = cKDTree(places).query(np.column_stack([table["x"], table["y"]]))
    near = distance < radius
    return table[near], index[near]


def stars(seed: int, n: int, snr: tuple[float, float], step: int = 40):
    rng = np.random.default_rng(seed)
    profile, psf = moffat(FWHM, (step * n, step * n))
    flux = noise_of_flux(psf) * np.exp(rng.uniform(*np.log(snr), n * n))
    flux *= rng.choice([-1.0, 1.0], n * n)
    each = iter(flux)
    image, places = on_grid(rng, n, step, lambda x, y: (profile * next(each), 0.0, 0.0))
    return difference(*with_noise(rng, image), psf), places, flux


@pytest.mark.parametrize(
    "snr",
    [
        pytest.param((6.5, 10.0), marks=pytest.mark.slow),
        (10.0, 100.0),
        pytest.param((100.0, 3000.0), marks=pytest.mark.slow),
    ],
)
def test_pulls_of_fluxes_and_positions(snr: tuple[float, float]) -> None:
    made, places, flux = stars(1, 18, snr, 40 if snr[0] < 100 else 72)
    _, table = measured(made)
    table, index = matched(table, places)
    assert len(table) > 0.95 * len(flux)
    assert not table["centroid_flag"].any()
    assert np.array_equal(table["is_negative"], flux[index] < 0)
    sign = np.sign(flux[index])
    assert_pulls(table["psf_flux"] * sign, np.abs(flux[index]), table["psf_flux_err"])
    assert_pulls(table["x"], places[index, 0], table["x_err"])
    assert_pulls(table["y"], places[index, 1], table["y_err"])
    wcs = made.exposure.wcs
    assert wcs is not None
    truth = wcs.pixel_to_world(*places[index].T)
    east = (table["ra"] - truth.ra.deg) * np.cos(np.radians(table["dec"]))
    north = table["dec"] - truth.dec.deg
    assert_pulls(east, 0.0, table["ra_err"])
    assert_pulls(north, 0.0, table["dec_err"])
    # Whitened by their covariance, offsets are independent of each other.
    correlation = table["ra_dec_cov"] / (table["ra_err"] * table["dec_err"])
    product = np.mean(east * north / (table["ra_err"] * table["dec_err"]))
    assert product == pytest.approx(np.mean(correlation), abs=4 / np.sqrt(len(table)))


def test_error_of_a_centroid_is_that_of_the_cramer_rao_bound() -> None:
    rng = np.random.default_rng(2)
    psf = Psf.gaussian(FWHM, (300, 300))
    image = rng.normal(0.0, SIGMA, (300, 300))
    add_gaussians(image, [150.2], [99.6], [50 * noise_of_flux(psf)], FWHM)
    _, table = measured(difference(image, SIGMA**2, psf))
    # A Gaussian on white noise: σ_x = √2 σ_psf / (S/N).
    assert table["x_err"][0] == pytest.approx(np.sqrt(2) * FWHM / 2.3548 / 50, rel=0.06)


def test_neighbours_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(3)
    side = 800
    psf = Psf.gaussian(FWHM, (side, side))
    one = noise_of_flux(psf)
    x, y = (at.ravel() * 40.0 + 30 for at in np.indices((19, 19)))
    turn = rng.uniform(0, 2 * np.pi, len(x))
    places = np.concatenate(
        [np.stack([x, y], 1), np.stack([x + 8 * np.cos(turn), y + 8 * np.sin(turn)], 1)]
    )
    flux = np.repeat([60.0 * one, 40.0 * one], len(x))
    image = np.zeros((side, side))
    add_gaussians(image, *places.T, flux, FWHM)
    _, table = measured(difference(*with_noise(rng, image), psf))
    table, index = matched(table, places, 1.5)
    assert len(table) > 0.97 * len(places)
    assert_pulls(table["psf_flux"], flux[index], table["psf_flux_err"])
    assert_pulls(table["x"], places[index, 0], table["x_err"])


def test_apertures_are_those_of_photutils() -> None:
    made, _, _ = stars(4, 6, (20.0, 500.0))
    detections, table = measured(made, MeasureConfig(aperture_radius=7.0))
    x, y = (np.asarray(table[name], float) for name in ("x", "y"))
    theirs = aperture_photometry(
        detections.exposure.image.astype(float),
        CircularAperture(np.column_stack([x, y]), 7.0),
        error=np.sqrt(detections.exposure.variance.astype(float)),
    )
    whole = ~table["ap_flux_flag_aperture_truncated"]
    assert whole.sum() > 30
    wanted = np.asarray(theirs["aperture_sum"])
    assert np.abs((table["ap_flux"] - wanted) / table["ap_flux_err"])[whole].max() < 0.01
    noise = table.meta["metrics"]["measure.aperture_noise"]
    expected = np.asarray(theirs["aperture_sum_err"]) * noise
    assert table["ap_flux_err"][whole] == pytest.approx(expected[whole], rel=1e-3)
    assert noise == pytest.approx(1.0, abs=0.2)


def test_moments_are_those_of_galsim() -> None:
    rng = np.random.default_rng(5)
    profile, psf = moffat(FWHM, (300, 300))
    shears = iter(rng.uniform(-0.4, 0.4, (25, 2)))

    def draw(x: float, y: float):
        g1, g2 = next(shears)
        galaxy = galsim.Gaussian(sigma=2.0).shear(g1=g1, g2=g2)
        return galsim.Convolve(profile, galaxy) * 3e5, 0.0, 0.0

    image, places = on_grid(rng, 5, 60, draw)
    made = difference(image + rng.normal(0.0, SIGMA, image.shape), SIGMA**2, psf)
    detections, table = measured(made)
    assert len(table) == 25
    _, index = cKDTree(places).query(np.column_stack([table["x"], table["y"]]))
    scale = np.sqrt(np.abs(np.linalg.det(made.exposure.wcs.wcs.cd))) * 3600
    for row, (x, y) in zip(table, places[index], strict=True):
        x0, y0 = round(x) - 28, round(y) - 28
        stamp = galsim.Image(detections.exposure.image[y0 : y0 + 57, x0 : x0 + 57].astype(float))
        theirs = galsim.hsm.FindAdaptiveMom(stamp)
        xx, yy, xy = (row[name] / scale**2 for name in ("ixx", "iyy", "ixy"))
        assert (xx * yy - xy**2) ** 0.25 == pytest.approx(theirs.moments_sigma, rel=2e-3)
        shape = theirs.observed_shape
        assert (xx - yy) / (xx + yy) == pytest.approx(shape.e1, abs=3e-3)
        assert 2 * xy / (xx + yy) == pytest.approx(shape.e2, abs=3e-3)
    of_psf = galsim.hsm.FindAdaptiveMom(galsim.Image(psf.centre))
    assert (table["ixx_psf"] * table["iyy_psf"] - table["ixy_psf"] ** 2)[0] ** 0.25 == (
        pytest.approx(of_psf.moments_sigma * scale, rel=1e-3)
    )
    assert table["extendedness"].min() > 0.99
    _, points = measured(stars(6, 8, (50.0, 500.0))[0])
    assert np.nanmax(points["extendedness"]) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("snr", "length", "step"), [(30, 10.0, 70), (150, 16.0, 80), (800, 7.0, 70)]
)
def test_pulls_of_trails(snr: float, length: float, step: int) -> None:
    rng = np.random.default_rng(7)
    n = 13
    profile, psf = moffat(FWHM, (step * n, step * n))
    flux = snr * noise_of_flux(psf)
    turns = rng.uniform(0, np.pi, n * n)
    each = iter(turns)

    def draw(x: float, y: float):
        line = galsim.Box(length, 1e-3).rotate(next(each) * galsim.radians)
        return galsim.Convolve(line, profile) * flux, 0.0, 0.0

    image, places = on_grid(rng, n, step, draw)
    made = difference(*with_noise(rng, image), psf)
    table, index = matched(measured(made)[1], places, length)
    table, index = table[table["trail_length"] > 0], index[table["trail_length"] > 0]
    assert len(table) > 0.9 * n * n
    assert not table["trail_flag"].any()
    # Ends of the true trails on the sky, by astropy.
    half = 0.5 * length * np.stack([np.cos(turns), np.sin(turns)], 1)
    wcs = made.exposure.wcs
    one, other = (wcs.pixel_to_world(*(places + end * half)[index].T) for end in (-1, 1))
    assert_pulls(table["trail_length"], one.separation(other).arcsec, table["trail_length_err"])
    turned = (table["trail_angle"] - one.position_angle(other).deg + 90) % 180 - 90
    assert_pulls(turned, 0.0, table["trail_angle_err"])
    # galsim's own fluxes are good to some 10⁻³.
    assert_pulls(table["trail_flux"], flux, table["trail_flux_err"], bias=0.4)
    middle = wcs.pixel_to_world(*places[index].T)
    assert_pulls(table["trail_dec"], middle.dec.deg, table["trail_dec_err"])
    assert_pulls(table["x"], places[index, 0], table["x_err"])


@pytest.mark.slow
@pytest.mark.parametrize(("snr", "distance"), [(40, 2.5), (150, 0.6), (1000, 0.3)])
def test_pulls_of_dipoles(snr: float, distance: float) -> None:
    rng = np.random.default_rng(8)
    n, step = 15, 50
    profile, psf = moffat(FWHM, (step * n, step * n))
    flux = snr * noise_of_flux(psf)
    turns = rng.uniform(0, 2 * np.pi, n * n)
    half = 0.5 * distance * np.stack([np.cos(turns), np.sin(turns)], 1)
    images, places = moved_on_grid(9, n, step, profile * flux, half)
    science, template = images
    variances = SIGMA**2 + GAIN * science, (0.4 * SIGMA) ** 2 + 0.1 * GAIN * template
    noisy = [
        image + rng.normal(0.0, 1.0, image.shape) * np.sqrt(variance)
        for image, variance in zip(images, variances, strict=True)
    ]
    made = difference(noisy[0] - noisy[1], variances[0] + variances[1], psf)
    direct = [difference(*pair, psf).exposure for pair in zip(noisy, variances, strict=True)]
    made = replace(made, matched_template=direct[1])
    table = measure(detect(made), made, direct[0])
    table, index = matched(table, places)
    table, index = table[table["is_dipole"]], index[table["is_dipole"]]
    assert len(table) > 0.95 * n * n
    wcs = made.exposure.wcs
    plus, minus = (wcs.pixel_to_world(*(places + sign * half)[index].T) for sign in (1, -1))
    assert_pulls(table["dipole_length"], plus.separation(minus).arcsec, table["dipole_length_err"])
    turned = (table["dipole_angle"] - minus.position_angle(plus).deg + 180) % 360 - 180
    assert_pulls(turned, 0.0, table["dipole_angle_err"])
    assert_pulls(table["dipole_flux_diff"], 0.0, table["dipole_flux_diff_err"])
    assert_pulls(table["dipole_mean_flux"], flux, table["dipole_mean_flux_err"])
    assert_pulls(table["y"], places[index, 1], table["y_err"])


def test_stars_beside_a_dipole_do_not_count_as_its_light() -> None:
    rng = np.random.default_rng(18)
    n, step, distance = 8, 60, 1.0
    profile, psf = moffat(FWHM, (step * n, step * n))
    flux = 150 * noise_of_flux(psf)
    turns = rng.uniform(0, 2 * np.pi, n * n)
    half = 0.5 * distance * np.stack([np.cos(turns), np.sin(turns)], 1)
    images, places = moved_on_grid(9, n, step, profile * flux, half)
    away = iter(10.0 * np.stack([np.cos(3 * turns), np.sin(3 * turns)], 1))
    beside, _ = on_grid(
        np.random.default_rng(9), n, step, lambda x, y: (profile * flux, *next(away))
    )
    noisy = [image + beside + rng.normal(0.0, SIGMA, image.shape) for image in images]
    made = difference(noisy[0] - noisy[1], 2 * SIGMA**2, psf)
    direct = [difference(image, SIGMA**2, psf).exposure for image in noisy]
    table = measure(detect(made), replace(made, matched_template=direct[1]), direct[0])
    table, index = matched(table, places)
    table, index = table[table["is_dipole"]], index[table["is_dipole"]]
    assert len(table) > 0.9 * n * n
    wcs = made.exposure.wcs
    plus, minus = (wcs.pixel_to_world(*(places + sign * half)[index].T) for sign in (1, -1))
    assert_pulls(table["dipole_mean_flux"], flux, table["dipole_mean_flux_err"])
    assert_pulls(table["dipole_length"], plus.separation(minus).arcsec, table["dipole_length_err"])


def test_dipoles_have_what_models_leave_open_in_their_errors() -> None:
    rng = np.random.default_rng(28)
    n, step = 5, 60
    profile, psf = moffat(FWHM, (step * n, step * n))
    flux = 500 * noise_of_flux(psf)
    half = np.tile([0.4, 0.3], (n * n, 1))
    images, _ = moved_on_grid(9, n, step, profile * flux, half)
    noisy = [image + rng.normal(0.0, SIGMA, image.shape) for image in images]
    made = difference(noisy[0] - noisy[1], 2 * SIGMA**2, psf)
    direct = [difference(image, SIGMA**2, psf).exposure for image in noisy]
    made = replace(made, matched_template=direct[1])
    known, open_ = (
        measure(detect(made), replace(made, models=models), direct[0])
        for models in (Agreement(), Agreement(flux=0.01, apart=0.02))
    )
    assert known["is_dipole"].all()
    more = {
        name: np.sqrt(open_[f"{name}_err"] ** 2 - known[f"{name}_err"] ** 2)
        for name in ("dipole_mean_flux", "dipole_flux_diff", "dipole_length")
    }
    # 1% of the flux; 1% of the length and 0.02 pixels, added in quadrature.
    for name in ("dipole_mean_flux", "dipole_flux_diff"):
        np.testing.assert_allclose(more[name], 0.01 * known["dipole_mean_flux"], rtol=0.02)
    scale = np.sqrt(np.abs(np.linalg.det(made.exposure.wcs.wcs.cd))) * 3600
    length = np.asarray(known["dipole_length"], float) / scale
    expected = scale * np.hypot(0.01 * length, 0.02)
    np.testing.assert_allclose(more["dipole_length"], expected, rtol=0.02)


PLANES = {
    Mask.BAD: "bad",
    Mask.CR: "cr",
    Mask.EDGE: "edge",
    Mask.NO_DATA: "nodata",
    Mask.INTERP: "interpolated",
    Mask.SAT: "saturated",
    Mask.SAT_TEMPLATE: "saturated",
    Mask.SUSPECT: "suspect",
    Mask.STREAK: "streak",
    Mask.INJECTED: "injected",
    Mask.INJECTED_TEMPLATE: "injected_template",
}


def test_flags_say_which_planes_are_in_the_footprint_and_in_its_centre() -> None:
    rng = np.random.default_rng(10)
    psf = Psf.gaussian(FWHM, (1200, 120))
    image = rng.normal(0.0, SIGMA, (120, 1200))
    x = 50.0 + 100 * np.arange(len(PLANES))
    for y in (30.0, 90.0):
        add_gaussians(image, x, np.full(len(x), y), np.full(len(x), 500 * noise_of_flux(psf)), FWHM)
    mask = np.zeros(image.shape, np.uint32)
    for at, plane in zip(x.astype(int), PLANES, strict=True):
        mask[30, at] = plane
        mask[90, at + 5] = plane
    made = difference(image, SIGMA**2, psf, mask=mask)
    _, table = measured(made)
    tree = cKDTree(np.column_stack([table["x"], table["y"]]))
    for at, (_plane, name) in zip(x, PLANES.items(), strict=True):
        for y, central in ((30.0, True), (90.0, False)):
            row = table[tree.query([at, y])[1]]
            raised = {
                column.removeprefix("pixel_flags_")
                for column in table.colnames
                if column.startswith("pixel_flags") and row[column]
            }
            wanted = {name, f"{name}_center"} if central and name not in ("bad", "edge") else {name}
            assert raised == wanted


def test_every_column_of_a_source_that_pixels_decide_is_there_even_for_none() -> None:
    elsewhere = {
        "dia_source_id", "visit", "detector", "dia_object_id", "ss_object_id", "band", "store_seq",
        "parent_dia_source_id", "ss_object_reassoc_time_mjd_tai", "midpoint_mjd_tai",
        "exposure_time", "reliability", "reliability_version", "time_processed_mjd_tai",
        "time_withdrawn_mjd_tai",
    }  # fmt: skip
    columns = {column.name for column in catalogue().tables["dia_source"].columns}
    rng = np.random.default_rng(11)
    psf = Psf.gaussian(FWHM, (200, 200))
    empty = difference(rng.normal(0.0, SIGMA, (200, 200)), SIGMA**2, psf)
    image = empty.exposure.image.copy()
    add_gaussians(image, [100.0], [100.0], [50 * noise_of_flux(psf)], FWHM)
    one = replace(empty, exposure=empty.exposure.with_(image=image))
    tables = [measured(made)[1] for made in (empty, one)]
    assert [len(table) for table in tables] == [0, 1]
    assert tables[0].colnames == tables[1].colnames
    for name in tables[1].colnames:
        assert tables[0][name].dtype == tables[1][name].dtype, name
    assert columns - set(tables[1].colnames) == elsewhere
    assert tables[1]["science_flux"] == pytest.approx(tables[1]["psf_flux"], rel=0.01)


def test_images_that_do_not_go_together_are_refused() -> None:
    made, _, _ = stars(12, 4, (20.0, 50.0))
    detections = detect(made)
    exposure = made.exposure
    small = Exposure(
        *(array[:50, :50] for array in (exposure.image, exposure.mask, exposure.variance))
    )
    bare = replace(detections, exposure=detections.exposure.with_(wcs=None))
    for arguments, cause in (
        ((detections, made, small), r"science image has \(50, 50\) pixels"),
        ((detections, made, exposure, small), "matched template has"),
        ((detections, made, exposure.with_(psf=None)), "no PSF"),
        ((bare, made, exposure.with_(wcs=None)), "WCS"),
    ):
        with pytest.raises(MeasureError, match=cause):
            measure(*arguments)
    snap = exposure.with_(image=exposure.image * np.float32(0.5))
    table = measure(detections, made, exposure, snap_difference=snap)
    assert table["snap_flux"] == pytest.approx(0.5 * table["science_flux"], rel=1e-4)
    assert isinstance(table[0]["ra"], float)
    assert (
        SkyCoord(table["ra"], table["dec"], unit="deg")
        .separation(SkyCoord(150.0, -60.0, unit="deg"))
        .max()
        .deg
        < 0.1
    )


@pytest.mark.parametrize(
    ("flavour", "case"),
    [
        ("convolve_template", "easy"),
        pytest.param("convolve_science", "worse_template", marks=pytest.mark.slow),
        pytest.param("preconvolve", "easy", marks=pytest.mark.slow),
    ],
)
def test_subtracted_fields(flavour: str, case: str) -> None:
    field = simulate_field(3, (700, 700), 250, 0, 90, case=case, hosted=0.0, star_flux=(2e3, 1e5))
    config = SubtractConfig(flavour=flavour)  # type: ignore[arg-type]
    made = subtract(field.science, field.template, None, config)
    detections = detect(made)
    table = measure(detections, made, field.science)
    truth = field.truth[np.isin(field.truth["kind"], ["transient", "fading"])]
    places = np.column_stack([truth["x"], truth["y"]])
    distance, _ = cKDTree(np.column_stack([table["x"], table["y"]])).query(places)
    assert np.mean(distance[np.abs(truth["diff_snr"]) > 6] < 2) > 0.95
    table, index = matched(table, places)
    good = np.abs(truth["diff_snr"][index]) > 6
    table, index = table[good], index[good]
    assert_pulls(table["psf_flux"], truth["diff_flux"][index], table["psf_flux_err"])
    assert_pulls(table["x"], truth["x"][index], table["x_err"])
    away = cKDTree(
        np.column_stack([field.truth["x"], field.truth["y"]])[field.truth["kind"] == "star"]
    ).query(places[index])[0]
    free = away > 25
    assert_pulls(
        table["template_flux"][free],
        truth["template_flux"][index][free],
        table["template_flux_err"][free],
    )
    assert_pulls(
        table["science_flux"][free], truth["flux"][index][free], table["science_flux_err"][free]
    )


def test_cosmic_rays_are_told_from_stars_by_their_sharpness() -> None:
    made, places, flux = stars(13, 10, (20.0, 2000.0))
    image = made.exposure.image.copy()
    rng = np.random.default_rng(14)
    rays = np.stack(np.meshgrid(np.arange(2, 10), np.arange(2, 10)), -1).reshape(-1, 2) * 40
    for x, y in rays:
        for k in range(rng.integers(1, 6)):
            image[y + k, x + k // 2] += rng.uniform(20, 200) * SIGMA
    _, table = measured(replace(made, exposure=made.exposure.with_(image=image)))
    real, index = matched(table, places)
    assert not real["pixel_flags_cr"][
        np.abs(flux[index]) > 20 * noise_of_flux(made.exposure.psf)
    ].any()
    found, _ = matched(table, rays.astype(float), 6.0)
    assert found["pixel_flags_cr_center"].mean() > 0.95
