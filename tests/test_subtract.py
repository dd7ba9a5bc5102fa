"""Subtraction against algebra, simulated truth and the statistics of noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter
from scipy.signal import convolve2d

from pipeline.exposure import Exposure, Mask
from pipeline.psf import Psf
from pipeline.scene.field import simulate_field
from pipeline.subtract import Kernel, SubtractConfig, subtract
from pipeline.subtract.apply import convolve_varying
from pipeline.subtract.bases import Bases
from pipeline.subtract.decorrelate import whitening
from pipeline.subtract.masks import of_template, spread
from pipeline.subtract.quality import measure_residuals


def test_kernels_have_unit_and_zero_sums_and_are_applied_as_convolutions() -> None:
    bases = Bases((0.8, 2.0), (3, 1), 8)
    assert len(bases.images) == 10 + 3
    sums = bases.images.sum(axis=(1, 2))
    np.testing.assert_allclose(sums, [1.0] + [0.0] * 12, atol=1e-12)
    stamp = np.random.default_rng(1).normal(size=(1, 29, 29)).astype(np.float32)
    found = bases.convolve(stamp)[0]
    wanted = [convolve2d(stamp[0], image, mode="valid") for image in bases.images]
    np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_varying_kernel_is_applied_pixel_by_pixel() -> None:
    rng = np.random.default_rng(2)
    image = rng.normal(size=(300, 420)).astype(np.float32)
    kernel = Kernel(rng.normal(size=(6, 7, 7)) / 7.0, 2, (420, 300))
    found = convolve_varying(image, kernel, workers=2)
    for x, y in ((10, 10), (209, 150), (419 - 3, 299 - 3), (255, 128), (232, 254)):
        at_pixel = kernel.at(x, y)[0]
        wanted = np.sum(image[y - 3 : y + 4, x - 3 : x + 4] * at_pixel[::-1, ::-1])
        assert found[y, x] == pytest.approx(wanted, abs=2e-5)


def test_known_kernel_is_recovered() -> None:
    rng = np.random.default_rng(3)
    sharp = np.zeros((400, 400))
    x, y = rng.integers(40, 360, (2, 60))
    sharp[y, x] = 10 ** rng.uniform(4.0, 5.5, 60)
    size = (400, 400)
    template = gaussian_filter(sharp, 1.5)
    science = 0.8 * gaussian_filter(sharp, (2.2, 2.0))
    images = [image + rng.normal(0.0, 1.0, image.shape) for image in (template, science)]
    fwhm = 2.0 * np.sqrt(2.0 * np.log(2.0)) * np.array([1.5, 2.1])
    exposures = [
        Exposure(
            image.astype(np.float32),
            np.zeros(image.shape, np.uint32),
            np.ones(image.shape, np.float32),
            psf=Psf.gaussian(width, size),
        )
        for image, width in zip(images, fwhm, strict=True)
    ]
    found = subtract(exposures[1], exposures[0], None, SubtractConfig(systematics=0.0))
    assert found.kernel.sum == pytest.approx(0.8, rel=1e-3)
    at = np.arange(-found.kernel.half, found.kernel.half + 1)
    line = [np.exp(-0.5 * at**2 / (s**2 - 1.5**2)) for s in (2.2, 2.0)]
    wanted = np.outer(*line)
    wanted *= 0.8 / wanted.sum()
    # What the template has no power at is not in the kernel's power to know.
    seen = [gaussian_filter(kernel, 1.5) for kernel in (found.kernel.centre, wanted)]
    assert np.abs(seen[0] - seen[1]).max() < 1e-3 * seen[1].max()


@pytest.mark.parametrize(("ratio", "sigma"), [(0.1, 1.2), (1.0, 1.2), (1.0, 2.5), (4.0, 0.8)])
def test_whitening_makes_noise_white(ratio: float, sigma: float) -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 512, 512)) * np.array([1.0, np.sqrt(ratio)])[:, None, None]
    at = np.arange(-10, 11)
    kernel = np.exp(-0.5 * (at[:, None] ** 2 + at**2) / sigma**2)
    kernel *= 0.9 / kernel.sum()
    psi = whitening(kernel, ratio, 14)
    transform = [np.fft.rfft2(image, (512, 512)) for image in (kernel, psi)]
    difference = np.fft.irfft2((np.fft.rfft2(a) - np.fft.rfft2(b) * transform[0]) * transform[1])
    assert difference.std() == pytest.approx(np.sqrt(1.0 + ratio * 0.81), rel=0.01)
    for shift in ((0, 1), (1, 0), (1, 1), (0, 2), (3, 0)):
        lagged = np.mean(difference * np.roll(difference, shift, (0, 1))) / difference.var()
        assert abs(lagged) < 0.01


@pytest.mark.parametrize("case", ["easy", "worse_template", "noisy_template", "crossed"])
def test_difference_has_the_noise_it_says_and_no_stars(case: str) -> None:
    field = simulate_field(5, (512, 512), 150, 30, 0, case=case, psf_variation=1.0)
    found = subtract(field.science, field.template)
    pull = found.exposure.image / np.sqrt(found.exposure.variance)
    inner = pull[30:-30, 30:-30]
    assert 1.4826 * np.median(np.abs(inner)) == pytest.approx(1.0, abs=0.03)
    centre = found.exposure.psf.centre
    transform = np.fft.rfft2(pull)
    filtered = np.fft.irfft2(transform * np.abs(np.fft.rfft2(centre, pull.shape)), pull.shape)
    filtered /= np.sqrt(np.square(centre).sum())
    inner = filtered[40:-40, 40:-40]
    assert 1.4826 * np.median(np.abs(inner)) == pytest.approx(1.0, abs=0.03)
    assert (np.abs(inner) > 6.5).mean() < 1e-4


def test_masks_follow_their_pixels() -> None:
    field = simulate_field(6, (256, 256), 60, 0, 0)
    template = field.template
    mask = template.mask.copy()
    mask[100, 100] = Mask.SAT
    mask[:, 200:] |= np.uint32(Mask.NO_DATA)
    image = np.where(mask & Mask.NO_DATA, 0.0, template.image).astype(np.float32)
    found = subtract(field.science, template.with_(mask=mask, image=image)).exposure
    assert found.masked(Mask.SAT_TEMPLATE)[98:103, 98:103].all()
    assert not found.masked(Mask.SAT).any()
    assert found.masked(Mask.NO_DATA)[:, 200:].all()
    assert found.masked(Mask.EDGE)[:, 195:].all()
    assert not found.masked(Mask.EDGE)[40:-40, 40:150].any()
    assert found.masked(Mask.EDGE)[:5].all()
    assert np.isfinite(found.image).all()


def test_residuals_of_stars_are_measured_and_become_variance() -> None:
    rng = np.random.default_rng(8)
    shape, sigma = (400, 400), 1.9
    psf = Psf.gaussian(2.355 * sigma, shape)
    sharp = np.zeros(shape)
    x, y = rng.integers(30, 370, (2, 60))
    flux = 10 ** rng.uniform(3.0, 5.0, 60)
    sharp[y, x] = flux
    template = gaussian_filter(sharp, sigma)
    # Every star differs by about half a percent of its light, two of them vary by half.
    wrong = 0.005 * rng.normal(size=60)
    wrong[:2] = 0.5
    changed = np.zeros(shape)
    changed[y, x] = flux * wrong
    difference = gaussian_filter(changed, sigma) + rng.normal(size=shape)
    variance = np.ones(shape, np.float32)
    where = np.column_stack((x, y)).astype(float)
    found = measure_residuals(
        difference.astype(np.float32), variance, template.astype(np.float32), psf, where
    )
    # As the matched filter sees it: more than per pixel, as neighbours err together.
    coherent = 0.005 * np.sqrt(2.0 * np.pi) * sigma
    assert found.flux + found.gradient == pytest.approx(coherent, rel=0.4)
    found.add_to(variance, template.astype(np.float32))
    expected = 1.0 + found.flux**2 * template**2
    gradient = np.gradient(template)
    expected += found.gradient**2 * (gradient[0] ** 2 + gradient[1] ** 2)
    np.testing.assert_allclose(variance[1:-1, 1:-1], expected[1:-1, 1:-1], rtol=1e-3)


@pytest.mark.parametrize("reach", [0, 1, 4, 90])
def test_masks_spread_plane_by_plane_as_a_square_does(reach: int) -> None:
    rng = np.random.default_rng(reach)
    bits = rng.integers(0, 2**32, (60, 70), dtype=np.uint32) * (rng.random((60, 70)) < 0.01)
    bits = bits.astype(np.uint32)
    found = spread(bits, reach)
    square = np.ones((2 * reach + 1, 2 * reach + 1), bool)
    for plane in range(32):
        of_plane = (bits >> np.uint32(plane)) & 1 == 1
        expected = binary_dilation(of_plane, square)
        assert np.array_equal((found >> np.uint32(plane)) & 1 == 1, expected)


def test_saturation_of_a_template_is_called_so() -> None:
    mask = np.array(
        [[Mask.SAT, Mask.SAT | Mask.BAD, Mask.INJECTED, Mask.CR, 0, Mask.DETECTED]], np.uint32
    )
    template = Exposure(np.zeros((1, 6), np.float32), mask, np.ones((1, 6), np.float32), "nJy")
    expected = [
        Mask.SAT_TEMPLATE,
        Mask.SAT_TEMPLATE | Mask.BAD,
        Mask.INJECTED_TEMPLATE,
        Mask.CR,
        0,
        0,
    ]
    assert of_template(template).tolist() == [[int(each) for each in expected]]
    assert template.mask is mask
    assert mask[0, 0] == Mask.SAT
