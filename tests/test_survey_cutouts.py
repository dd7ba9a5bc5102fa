"""Stamps of simulated sources agree with the catalogue that they were made from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from apdb.archive.cutouts import Cutouts
from apdb.archive.stamps import KINDS, read_ccd, split_stamps
from pipeline.survey import SimulatedVisit, cutouts, simulate
from pipeline.survey.config import DETECTOR_PIXELS


@pytest.fixture(scope="module")
def visits() -> dict[int, SimulatedVisit]:
    """One visit of each field, by declination."""
    return {round(visit.visit["dec"]): visit for visit in simulate().visits()}


def stamps_of(visit: SimulatedVisit, row: int) -> dict:
    """The stamps of a source as a reader of the packet sees them."""
    n = len(visit.truth)
    (tail,) = Cutouts(cutouts(visit, 1), n).encode(np.array([row]))
    return read_ccd(split_stamps(bytes(tail)))


@pytest.mark.parametrize("dec", [2, -8, 90, -90])
def test_photometry_on_the_stamps_gives_the_catalogue(visits, dec):
    sources = visits[dec].sources
    for row in (0, 7, 100):
        found = stamps_of(visits[dec], row)
        x, y = found["difference"].wcs.world_to_pixel(
            SkyCoord(sources["ra"][row], sources["dec"][row], unit="deg")
        )
        sigma = np.sqrt(sources["ixx_psf"][row]) / 0.2
        rows, columns = np.mgrid[:30, :30]
        psf = np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / sigma**2)
        psf /= psf.sum()
        error = {"difference": "psf_flux_err", "template": "template_flux_err"}
        flux = {"difference": "psf_flux", "template": "template_flux"}
        for kind in error:
            image, variance = found[kind].data, found[kind].uncertainty.array
            weight = (psf**2 / variance).sum()
            fitted = (psf * image / variance).sum() / weight
            one_sigma = float(sources[error[kind]][row])
            assert fitted == pytest.approx(sources[flux[kind]][row], abs=0.01 * one_sigma, rel=1e-3)
            assert weight**-0.5 == pytest.approx(one_sigma, rel=1e-3)
            noise = image - fitted * psf
            assert noise.std() == pytest.approx(np.sqrt(variance.mean()), rel=0.15)
        difference = found["science"].data - found["template"].data
        scale = np.abs(found["science"].data).max()
        assert np.allclose(found["difference"].data, difference, atol=1e-6 * scale)


def test_pixels_lie_on_the_sky_as_those_of_the_detector(visits):
    for visit in visits.values():
        whole = cutouts(visit, 1)["difference"]
        one, other = 3, 50
        local = stamps_of(visit, one)["science"].wcs
        # the place of another source, seen from this stamp, across half a detector
        x, y = local.world_to_pixel(
            SkyCoord(visit.sources["ra"][other], visit.sources["dec"][other], unit="deg")
        )
        x0, y0 = visit.sources["x"][other], visit.sources["y"][other]
        assert x + whole.corner[one, 0] == pytest.approx(x0, abs=0.2)
        assert y + whole.corner[one, 1] == pytest.approx(y0, abs=0.2)


def test_pixels_beside_the_detector_are_masked(visits):
    n_at_the_edge = 0
    for visit in visits.values():
        stamps = cutouts(visit, 1)["science"]
        outside = (stamps.corner < 0) | (stamps.corner + 30 > np.array(DETECTOR_PIXELS))
        masked = np.asarray(stamps.mask).any(axis=(1, 2))
        assert np.array_equal(masked, outside.any(axis=1))
        n_at_the_edge += masked.sum()
    assert n_at_the_edge > 0


def test_same_seed_same_stamps_and_none_for_no_sources(visits):
    visit = visits[2]
    one, same, other = (np.asarray(cutouts(visit, s)["science"].image) for s in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    empty = replace(visit, sources={name: c[:0] for name, c in visit.sources.items()})
    assert {kind: len(stamps) for kind, stamps in cutouts(empty, 1).items()} == dict.fromkeys(
        KINDS, 0
    )
