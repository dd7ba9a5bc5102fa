"""The model of the PSF against Gaussians written down."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.psf import Psf, n_terms, terms

SIGMA = 3.2 / 2.3548200450309493


def gaussian(k: int, dx: float, dy: float, sigma: float = SIGMA) -> np.ndarray:
    at = np.arange(k) - k // 2
    image = np.outer(
        np.exp(-0.5 * ((at - dy) / sigma) ** 2), np.exp(-0.5 * ((at - dx) / sigma) ** 2)
    )
    return image / image.sum()


def test_stamps_are_shifted_and_centred_on_the_nearest_pixel() -> None:
    psf = Psf.gaussian(3.2, (100, 80))
    x, y = np.array([10.3, 20.0, 30.49]), np.array([5.0, 5.6, 6.2])
    wanted = [gaussian(psf.width, *d) for d in zip(x - np.rint(x), y - np.rint(y), strict=True)]
    assert psf.stamps(x, y) == pytest.approx(np.array(wanted), abs=4e-5 * wanted[0].max())
    assert psf.stamps(x, y).sum(axis=(1, 2)) == pytest.approx(1.0)
    assert psf.fwhm == pytest.approx(3.2, rel=1e-6)


def test_fit_of_a_psf_that_varies() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0, 199, 40), rng.uniform(0, 99, 40)
    # A mixture whose weight is linear in x and y is reproduced by polynomials of order 1.
    weight = 0.2 + 0.5 * x / 199 + 0.2 * y / 99
    one, other = gaussian(21, 0, 0, 1.3), gaussian(21, 0, 0, 2.1)
    images = weight[:, None, None] * one + (1 - weight)[:, None, None] * other
    psf = Psf.fit(x, y, images, 1, (200, 100))
    assert psf.at([50.0], [25.0])[0] == pytest.approx(
        (0.2 + 0.5 * 50 / 199 + 0.2 * 25 / 99) * one
        + (0.8 - 0.5 * 50 / 199 - 0.2 * 25 / 99) * other
    )
    kernel = gaussian(15, 0, 0, 1.0)
    wide = Psf.constant(one, (200, 100)).convolved(kernel)
    assert wide.centre == pytest.approx(gaussian(35, 0, 0, np.hypot(1.3, 1.0)), abs=2e-5)


def test_terms_are_chebyshev_polynomials() -> None:
    found = terms([0.0, 30.0], [10.0, 20.0], 2, (101, 41))
    u, v = np.array([-1.0, -0.4]), np.array([-0.5, 0.0])
    wanted = np.stack([np.ones(2), u, v, 2 * u * u - 1, u * v, 2 * v * v - 1], axis=1)
    assert found == pytest.approx(wanted)
    assert n_terms(2) == 6


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 5, 3)])
def test_images_without_a_middle_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="odd"):
        Psf(np.ones(shape), np.ones((1, 1)), 0, (10, 10))
