"""A simulated night: its raw frames undone by algebra, its calibrated images against its truth."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from photutils.aperture import CircularAperture, aperture_photometry

from pipeline.exposure import Mask
from pipeline.io import read_exposure
from pipeline.scene import Night, NightConfig, simulate_night
from pipeline.scene.artefacts import cosmic_rays

CONFIG = NightConfig(
    seed=7,
    n_visits=3,
    bands=("r", "g"),
    shape=(256, 256),
    dither=6.0,
    n_stars=60,
    n_saturated=1,
    n_galaxies=8,
    n_variables=6,
    n_transients=6,
    n_fading=2,
    n_movers=4,
    satellites=0.5,
    cosmic_rays=4.0,
)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    done: list[tuple[int, int]] = []
    folder = tmp_path_factory.mktemp("night")
    made = simulate_night(CONFIG, folder, progress=lambda *at: done.append(at))
    assert done == [(1, 3), (2, 3), (3, 3)]
    return made


def isolated(truth: Table, radius: float, edge: float) -> np.ndarray:
    """Rows without another source within a radius [pixel], and without satellites near."""
    x, y = np.asarray(truth["x"]), np.asarray(truth["y"])
    alone = np.sort(np.hypot(x - x[:, None], y - y[:, None]), axis=1)[:, 1] > radius
    return alone & (np.minimum(x, y) > edge) & (np.maximum(x, y) < 255 - edge)


def test_files_are_complete(night: Night) -> None:
    assert [v.info.band for v in night.visits] == ["r", "g", "r"]
    assert [v.info.visit % 100_000 for v in night.visits] == [1, 2, 3]
    truth = Table.read(night.folder / "truth.fits")
    assert set(np.unique(truth["visit"])) == {v.info.visit for v in night.visits}
    kinds = {str(kind).strip() for kind in truth["kind"]}
    assert {"star", "galaxy", "transient", "fading", "mover", "unknown_mover"} <= kinds
    refcat = Table.read(night.folder / "refcat.fits")
    assert {"ra", "dec", "is_star", "r_flux", "g_flux_err"} <= set(refcat.colnames)
    for visit in night.visits:
        science, raw = read_exposure(visit.science), read_exposure(visit.raw, hdu="AMP2")
        assert science.info == visit.info
        assert raw.info.midpoint_mjd_tai == pytest.approx(visit.info.midpoint_mjd_tai, abs=1e-8)
        assert (raw.info.visit, raw.info.band) == (visit.info.visit, visit.info.band)
        # the template covers all corners
        corners = science.wcs.pixel_to_world_values([0, 255, 0, 255], [0, 0, 255, 255])
        template = read_exposure(visit.template)
        x, y = template.wcs.world_to_pixel_values(*corners)
        side = template.shape[0]
        assert min(x.min(), y.min()) > 0
        assert max(x.max(), y.max()) < side - 1


def test_calibrated_images_have_what_the_truth_says(night: Night) -> None:
    pulls, saturated = [], 0
    for visit in night.visits:
        science = read_exposure(visit.science)
        truth = night.truth[night.truth["visit"] == visit.info.visit]
        good = isolated(truth, 17.0, 14.0) & np.isin(truth["kind"], ["star", "transient"])
        apertures = CircularAperture(np.stack([truth["x"], truth["y"]], 1)[good], 10.0)
        untouched = science.mask == 0
        satellites = truth["kind"] == "satellite"
        if satellites.any():
            continue
        slope = 0.1 * 20 * (0.7 if visit.info.band == "g" else 1.0) * np.linspace(-1, 1, 256)
        image = science.image.astype(float) - slope
        sums = aperture_photometry(image, apertures, error=np.sqrt(science.variance))
        whole = aperture_photometry(untouched.astype(float), apertures)["aperture_sum"]
        whole = np.asarray(whole) > 0.999 * np.pi * 100
        # 1e-3 of the light is outside of the aperture
        error = np.hypot(sums["aperture_sum_err"], 2e-3 * truth["flux"][good])
        pulls.extend(((sums["aperture_sum"] - truth["flux"][good]) / error)[whole])
        saturated += int(science.masked(Mask.SAT).sum())
    assert len(pulls) > 10
    assert np.abs(pulls).max() < 4.5
    assert 0.5 < np.std(pulls) < 1.5
    assert saturated > 20


def test_raw_frames_become_calibrated_ones(night: Night) -> None:
    """Overscan, crosstalk, linearity, bias, gain, dark and flat give back the calibrated image."""
    visit = night.visits[1]
    science = read_exposure(visit.science)
    masters = {
        name: read_exposure(night.folder / "calibration" / f"{name}.fits")
        for name in ("bias", "dark", "flat_g")
    }
    assembled = np.zeros(CONFIG.shape)
    with fits.open(visit.raw) as hdus:
        for hdu in hdus[1:]:
            data = hdu.data.astype(float)
            assert hdu.header["DATASEC"] == "[1:128,1:256]"
            assert hdu.header["BIASSEC"] == "[129:160,1:256]"
            first = int(hdu.header["DETSEC"][1:].split(":")[0]) - 1
            counts = data[:, :128] - np.median(data[:, 128:])
            other = hdus[3 - hdus.index_of(hdu.name)].data.astype(float)
            counts -= 2e-4 * (other[:, :128] - np.median(other[:, 128:]))
            counts += 5e-7 * counts**2
            counts -= masters["bias"].image[:, first : first + 128]
            assembled[:, first : first + 128] = counts * hdu.header["GAIN"]
        pointing, other = WCS(hdus[1].header), WCS(hdus[2].header)
    described = tomllib.loads((night.folder / "calibration" / "instrument.toml").read_text())
    assert described["crosstalk"] == [[0.0, 2e-4], [2e-4, 0.0]]
    assert [one["linearity"] for one in described["amplifier"]] == [[5e-7]] * 2
    assert [one["place"] for one in described["amplifier"]] == ["[1:128,1:256]", "[129:256,1:256]"]
    dark = masters["dark"]
    assembled -= dark.image * (30.0 / dark.info.exposure_time)
    assembled /= masters["flat_g"].image
    calibrated = assembled * science.photo_calib.njy_per_count
    calibrated -= np.median(calibrated - science.image)
    bad = masters["flat_g"].masked(Mask.BAD)
    assert (bad == science.masked(Mask.BAD)).all()
    good = science.mask == 0
    difference = (calibrated - science.image)[good] / np.sqrt(2 * science.variance[good])
    # other photons, the flat's 8% in the corners, and the slope left in the calibrated image
    bright = good & (science.image > 1000)
    assert calibrated[bright].sum() == pytest.approx(science.image[bright].sum(), rel=0.01)
    assert 1.4826 * np.median(np.abs(difference)) == pytest.approx(1.0, abs=0.05)
    # the telescope is off by arcseconds
    off = np.subtract(pointing.wcs.crval, science.wcs.wcs.crval) * 3600
    assert 0.2 < np.hypot(*off) < 10
    assert other.wcs.crpix == pytest.approx(pointing.wcs.crpix - (128, 0))
    assert pointing.wcs.crpix == pytest.approx(science.wcs.wcs.crpix)


def test_movers_move_and_are_in_the_ephemeris(night: Night) -> None:
    truth = night.truth[np.isin(night.truth["kind"], ["mover", "unknown_mover"])]
    known = set(np.unique(night.ephemeris["ss_object_id"]))
    for row in truth:
        assert (row["id"] in known) == (row["kind"] == "mover")
        rate = np.hypot(row["trail_east"], row["trail_north"]) / 3600 / 30 * 86400
        assert 0.1 < rate < 8.0
    ids, counts = np.unique(truth["id"], return_counts=True)
    seen_often = ids[counts > 1]
    assert len(seen_often)
    for i in seen_often:
        rows = truth[truth["id"] == i]
        times = [v.info.midpoint_mjd_tai for v in night.visits if v.info.visit in rows["visit"]]
        north = (rows["dec"][-1] - rows["dec"][0]) / (times[-1] - times[0])
        assert north == pytest.approx(
            rows["trail_north"][0] / 3600 / 30 * 86400, rel=0.01, abs=1e-3
        )


def test_nights_repeat_and_bad_configurations_do_not_start(night: Night, tmp_path: Path) -> None:
    again = simulate_night(CONFIG, tmp_path, raw=False)
    assert not (tmp_path / "raw").exists()
    first = [read_exposure(n.visits[2].science).image for n in (night, again)]
    assert (first[0] == first[1]).all()
    with pytest.raises(ValueError, match="bands are"):
        NightConfig(bands=("x",))
    with pytest.raises(ValueError, match="n_visits is 0"):
        NightConfig(n_visits=0)
    with pytest.raises(ValueError, match="amplifiers is 3"):
        NightConfig(amplifiers=3)


def test_cosmic_rays_are_sharp() -> None:
    electrons, number = cosmic_rays(np.random.default_rng(3), (400, 400), 60.0)
    assert (electrons > 0).sum() == (number > 0).sum()
    assert 40 < number.max() < 90
    for ray in range(1, 10):
        row, column = np.nonzero(number == ray)
        # a track of one pixel's width covers about as many pixels as it is long
        length = max(np.ptp(row), np.ptp(column)) + 1 if len(row) else 0
        assert len(row) <= 2 * length
