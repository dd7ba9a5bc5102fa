"""Simulated images against galsim, photutils and algebra."""

from __future__ import annotations

import galsim
import numpy as np
import pytest
from astropy.table import Table
from photutils.aperture import CircularAperture, aperture_photometry

from pipeline.exposure import Mask
from pipeline.scene import Observation, PsfModel, draw, render, simulate_field, tan_wcs
from pipeline.scene.artefacts import bleed
from pipeline.scene.galaxies import BULGE, DISC

SHAPE = (101, 121)
PSF = PsfModel(4.0, 0.1, 0.05)
MOFFAT = galsim.Moffat(beta=4.0, fwhm=4.0).shear(g1=0.1, g2=0.05)
AT = (60.3, 49.8)  # of the one source, off the centre of SHAPE by (0.3, -0.2)


def observation(**changes: object) -> Observation:
    return Observation(tan_wcs(150.0, 2.0, SHAPE), SHAPE, PSF, **changes)


def one_source(**columns: float) -> Table:
    ra, dec = observation().wcs.pixel_to_world_values(*AT)
    row = {"id": 1, "kind": "star", "ra": ra, "dec": dec, "flux": 1000.0} | columns
    return Table({name: [value] for name, value in row.items()})


def galsim_image(profile: galsim.GSObject) -> np.ndarray:
    image = galsim.ImageD(SHAPE[1], SHAPE[0])
    profile.withFlux(1000.0).drawImage(image, scale=1.0, offset=(0.3, -0.2))
    return image.array


def test_stars_are_those_of_galsim() -> None:
    wanted = galsim_image(MOFFAT)
    found = draw(one_source(), observation())
    # 1e-4 of the flux is beyond the stamp to which the flux is normalised.
    assert found == pytest.approx(wanted, abs=3e-4 * wanted.max())
    psf = observation().psf.psf((SHAPE[1], SHAPE[0]))
    sampled = psf.stamps([AT[0]], [AT[1]])[0] * 1000.0
    h = psf.half
    cut = wanted[50 - h : 51 + h, 60 - h : 61 + h]
    assert sampled == pytest.approx(cut, abs=5e-4 * wanted.max())


@pytest.mark.parametrize("nu", [DISC, BULGE])
def test_galaxies_are_those_of_galsim(nu: float) -> None:
    # East is to the left: a shear towards north-east is one along the other diagonal.
    profile = galsim.Spergel(nu=nu, half_light_radius=3.0).shear(g1=0.2, g2=0.1)
    wanted = galsim_image(galsim.Convolve(profile, MOFFAT))
    found = draw(one_source(r_half=0.6, nu=nu, g1=0.2, g2=-0.1), observation())
    assert found == pytest.approx(wanted, abs=3e-4 * wanted.max())


def test_trails_are_those_of_galsim() -> None:
    # 5 arcsec to the west and 2.5 to the north are 25 and 12.5 pixels.
    length, angle = np.hypot(25.0, 12.5), np.arctan2(12.5, 25.0) * galsim.radians
    trail = galsim.Box(length, 0.01).rotate(angle)
    wanted = galsim_image(galsim.Convolve(trail, MOFFAT))
    found = draw(one_source(trail_east=-5.0, trail_north=2.5), observation())
    assert found == pytest.approx(wanted, abs=2e-3 * wanted.max())


def test_psf_that_varies_is_known_everywhere() -> None:
    model = PsfModel(4.0, gradient=(0.03, -0.02), bowl=0.02, twist=0.02)
    psf = model.psf((400, 300))
    for x, y in ((10.0, 20.0), (377.0, 13.0), (200.0, 288.0)):
        u, v = 2 * x / 399 - 1, 2 * y / 299 - 1
        fwhm = 4.0 * (1 + 0.03 * u - 0.02 * v + 0.02 * (u**2 + v**2))
        shear = {"g1": 0.02 * (u**2 - v**2), "g2": 0.04 * u * v}
        image = galsim.ImageD(psf.width, psf.width)
        galsim.Moffat(beta=4.0, fwhm=fwhm).shear(**shear).drawImage(image, scale=1.0)
        assert psf.at([x], [y])[0] == pytest.approx(image.array, abs=5e-4 * image.array.max())


def test_noise_is_what_the_variance_says() -> None:
    rng = np.random.default_rng(1)
    source = one_source()
    source["flux"] = 2e5
    exposure, truth = render(source, observation(background=3.0), rng)
    model = draw(source, observation())
    pull = (exposure.image - 3.0 - model) / np.sqrt(exposure.variance)
    assert pull.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * pull.size))
    assert exposure.variance == pytest.approx(20.0**2 + 0.6 * model, rel=1e-5)
    sums = aperture_photometry(exposure.image - 3.0, CircularAperture([AT], 18.0))
    assert sums["aperture_sum"][0] == pytest.approx(2e5, rel=0.005)
    assert (truth["x"][0], truth["y"][0]) == pytest.approx(AT, abs=1e-6)
    psf = exposure.psf.stamps([AT[0]], [AT[1]])[0]
    variance = exposure.variance[50, 60]
    assert truth["snr"][0] == pytest.approx(2e5 * np.sqrt((psf**2).sum() / variance), rel=0.02)


def test_charge_spills_until_it_finds_room() -> None:
    model = np.zeros((21, 3), np.float32)
    model[10, 1] = 70.0
    full = bleed(model, 10.0)
    # 60 too much: 30 fill three pixels above, 30 three below.
    assert np.flatnonzero(full[:, 1]).tolist() == [7, 8, 9, 10, 11, 12, 13]
    assert not full[:, [0, 2]].any()
    source = one_source()
    source["flux"] = 5e6
    exposure, _ = render(source, observation(full_well=1e5), np.random.default_rng(2))
    full = exposure.masked(Mask.SAT)
    assert full[49:51, 59:62].all()
    assert full.sum(axis=0).max() > 2 * full.sum(axis=1).max()
    assert exposure.image.max() == pytest.approx((1e5 - (20 / 0.6) ** 2) * 0.6)


@pytest.mark.parametrize("case", ["easy", "worse_template", "noisy_template", "crossed"])
def test_field_has_what_its_truth_says(case: str) -> None:
    field = simulate_field(3, (192, 192), 20, 6, 12, case=case, n_variables=3, hosted=0.3)
    again = simulate_field(3, (192, 192), 20, 6, 12, case=case, n_variables=3, hosted=0.3)
    assert (field.science.image == again.science.image).all()
    truth = field.truth
    kinds, counts = np.unique(truth["kind"], return_counts=True)
    assert (
        dict(zip(kinds, counts, strict=True))["transient"] + counts[list(kinds).index("fading")]
        == 12
    )
    assert set(kinds) == {"fading", "galaxy", "star", "transient", "variable"}
    # The aperture sums of science minus template are the true differences of isolated sources.
    x, y = np.asarray(truth["x"]), np.asarray(truth["y"])
    alone = np.isin(truth["kind"], ["transient", "fading"]) & (
        np.sort(np.hypot(x - x[:, None], y - y[:, None]), axis=1)[:, 1] > 20
    )
    apertures = CircularAperture(np.stack([x, y], 1)[alone], 10.0)
    sums = aperture_photometry(field.science.image.astype(float) - field.template.image, apertures)[
        "aperture_sum"
    ]
    noise = np.sqrt(np.median(field.science.variance + field.template.variance) * np.pi * 10.0**2)
    pull = (np.asarray(sums) - np.asarray(truth["diff_flux"])[alone]) / noise
    assert alone.sum() >= 3
    assert np.abs(pull).max() < 5


def test_movers_have_the_lengths_and_the_light_that_their_truth_says() -> None:
    field = simulate_field(6, (560, 560), 0, 0, 0, movers=True)
    truth = field.truth
    trails = truth[truth["kind"] == "trail"]
    assert len(trails) == np.sum(truth["kind"] == "moved_to") == 8
    length = np.hypot(trails["trail_east"], trails["trail_north"]) / 0.2
    assert 5 <= length.min() < length.max() <= 60
    image = field.science.image.astype(float)
    bright = trails[trails["snr"] > 30]
    apertures = CircularAperture(np.column_stack([bright["x"], bright["y"]]), 45.0)
    sums = np.asarray(aperture_photometry(image, apertures)["aperture_sum"])
    error = np.sqrt(np.median(field.science.variance) * np.pi) * 45.0
    assert (np.abs(sums - bright["flux"]) < 4 * error + 0.02 * bright["flux"]).all()
    to, before = (truth[truth["kind"] == kind] for kind in ("moved_to", "moved_from"))
    assert sorted(before["host"]) == sorted(to["id"])
    before = before[np.searchsorted(before["host"], to["id"])]
    way = np.hypot(to["x"] - before["x"], to["y"] - before["y"])
    assert 0.2 <= way.min() < way.max() <= 4.0
    assert (to["template_flux"] == 0).all()
    assert (before["flux"] == 0).all()
    assert (to["flux"] == before["template_flux"]).all()


def test_transients_keep_apart_where_there_is_room() -> None:
    truth = simulate_field(1, (400, 400), 0, 30, 25, hosted=0.8).truth
    changing = truth[np.isin(truth["kind"], ["transient", "fading"])]
    x, y = np.asarray(changing["x"]), np.asarray(changing["y"])
    apart = np.hypot(x - x[:, None], y - y[:, None])[~np.eye(len(x), dtype=bool)]
    assert apart.min() > 5 * 4.4
    assert min(x.min(), y.min(), 400 - x.max(), 400 - y.max()) > 5
    hosts = changing["host"][changing["host"] >= 0]
    assert len(hosts) > 10
    galaxies = set(truth["id"][truth["kind"] == "galaxy"])
    assert len(set(hosts) & galaxies) == len(set(hosts))
    # no room for four
    assert 1 <= len(simulate_field(1, (20, 40), 0, 2, 4).truth) <= 6


def test_template_of_other_pixels_has_a_wcs_that_knows() -> None:
    shift = {"dither": (5.3, -3.2), "rotation": 1.5}
    field = simulate_field(4, (160, 160), 30, 0, 0, **shift)
    off = simulate_field(4, (160, 160), 30, 0, 0, **shift, misregistration=(0.5, -0.25))
    brightest = field.truth[np.argmax(field.truth["flux"])]
    x, y = field.template.wcs.world_to_pixel_values(brightest["ra"], brightest["dec"])
    cut = field.template.image[round(float(y)) - 5 :, round(float(x)) - 5 :][:11, :11]
    row, column = np.indices(cut.shape) - 5
    centroid = (cut * column).sum() / cut.sum(), (cut * row).sum() / cut.sum()
    assert centroid == pytest.approx((x - np.rint(x), y - np.rint(y)), abs=0.1)
    wrong = off.template.wcs.world_to_pixel_values(brightest["ra"], brightest["dec"])
    assert np.subtract(wrong, (x, y)) == pytest.approx((0.5, -0.25))
