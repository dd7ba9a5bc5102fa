"""Dipoles of galaxies, against the truth of what was drawn."""

from __future__ import annotations

from dataclasses import replace

import galsim
import numpy as np
import pytest
from detect_tools import SIGMA, difference, moved_on_grid, noise_of_flux
from scipy.spatial import cKDTree

from pipeline.detect import detect
from pipeline.measure import measure
from pipeline.psf import Psf

FWHM = 4.0


@pytest.mark.parametrize(("snr", "distance"), [(100, 1.0), (200, 0.5)])
def test_galaxies_know_how_far_they_moved(snr: float, distance: float) -> None:
    n, step = 9, 60
    rng = np.random.default_rng(1)
    psf = Psf.gaussian(FWHM, (step * n, step * n))
    profile = galsim.Gaussian(fwhm=FWHM)
    # Two Gaussians: no Gaussian fits them.
    galaxy = 0.5 * galsim.Gaussian(sigma=1.0) + 0.5 * galsim.Gaussian(sigma=2.6)
    galaxy = galsim.Convolve(galaxy.shear(g1=0.15), profile) * (1.5 * snr * noise_of_flux(psf))
    turns = rng.uniform(0, 2 * np.pi, n * n)
    half = 0.5 * distance * np.stack([np.cos(turns), np.sin(turns)], 1)
    images, places = moved_on_grid(2, n, step, galaxy, half)
    parts = 0.6 * SIGMA**2, 0.4 * SIGMA**2
    noisy = [
        image + rng.normal(0.0, np.sqrt(variance), image.shape)
        for image, variance in zip(images, parts, strict=True)
    ]
    direct = [difference(*pair, psf).exposure for pair in zip(noisy, parts, strict=True)]
    made = difference(noisy[0] - noisy[1], SIGMA**2, psf)
    table = measure(detect(made), replace(made, matched_template=direct[1]), direct[0])
    table = table[table["is_dipole"]]
    near, index = cKDTree(places).query(np.column_stack([table["x"], table["y"]]))
    table, index = table[near < 3], index[near < 3]
    assert len(table) > 20
    wcs = made.exposure.wcs
    plus, minus = (wcs.pixel_to_world(*(places + sign * half)[index].T) for sign in (1, -1))
    pulls = (table["dipole_length"] - plus.separation(minus).arcsec) / table["dipole_length_err"]
    # The error has a tenth for a profile that is not known: pulls are narrow.
    assert abs(pulls.mean()) < 0.5
    assert np.abs(pulls).max() < 4
    turned = (table["dipole_angle"] - minus.position_angle(plus).deg + 180) % 360 - 180
    pulls = turned / table["dipole_angle_err"]
    assert abs(pulls.mean()) < 0.1 + 3.3 / np.sqrt(len(pulls))
    assert 0.7 < pulls.std() < 1.3
