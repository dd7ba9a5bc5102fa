"""Other programs that subtract images, driven with the same pair of exposures.

hotpants is a program: it is taken from the environment variable HOTPANTS or from PATH, and left out
if it is in neither.  SFFT is a Python package (``pip install sfft pyfftw``), left out if it cannot
be imported; its numpy backend is used.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from pipeline.exposure import Exposure
from pipeline.subtract import SubtractConfig, subtract

Image = NDArray[np.float32]
FWHM_TO_SIGMA = 1.0 / (2.0 * np.sqrt(2.0 * np.log(2.0)))


@dataclass(frozen=True)
class Result:
    """A difference image as its program hands it over.

    `sigma` is the noise of every pixel that the program predicts; `psf` is the PSF of the sources in
    it; without one the pixels are fluxes by
    maximum likelihood already.
    """

    image: Image
    sigma: Image
    psf: NDArray[np.float64] | None
    good: NDArray[np.bool_]
    wall: float
    cpu: float


def cpu_of(who: int) -> float:
    """CPU seconds so far, of this process or of its children."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def ours(science: Exposure, template: Exposure, sources: Table, flavour: str = "auto") -> Result:
    """Run this project's subtraction."""
    wall, cpu = time.perf_counter(), cpu_of(resource.RUSAGE_SELF)
    found = subtract(science, template, sources, SubtractConfig(flavour=flavour))  # type: ignore[arg-type]
    wall, cpu = time.perf_counter() - wall, cpu_of(resource.RUSAGE_SELF) - cpu
    exposure = found.exposure if found.score is None else found.score
    psf = found.exposure.psf.centre if found.score is None and found.exposure.psf else None
    good = np.ones(exposure.shape, bool)
    return Result(exposure.image, np.sqrt(exposure.variance), psf, good, wall, cpu)


def hotpants_program() -> str | None:
    """Path of hotpants, if there is one."""
    return os.environ.get("HOTPANTS") or shutil.which("hotpants")


def hotpants(science: Exposure, template: Exposure, *, tuned: bool) -> Result:
    """Run hotpants with its defaults, or with Gaussians for the widths of these PSFs.

    Its manual recommends half of, once and twice the width that makes one PSF of the other; the
    sharper image is convolved, as by ourselves.
    """
    program = hotpants_program()
    assert program is not None
    assert science.psf is not None
    assert template.psf is not None
    widths = np.array([science.psf.fwhm, template.psf.fwhm])
    sharper = "t" if widths[0] >= widths[1] else "i"
    extra = []
    if tuned:
        sigma = max(np.sqrt(abs(widths[0] ** 2 - widths[1] ** 2)) * FWHM_TO_SIGMA, 0.7)
        gaussians = [f"{factor * sigma:.3f}" for factor in (0.5, 1.0, 2.0)]
        extra = ["-ng", "3", "6", gaussians[0], "4", gaussians[1], "2", gaussians[2]]
        extra += ["-r", str(int(np.ceil(2.5 * widths.max()))), "-rss", str(int(3 * widths.max()))]
    with tempfile.TemporaryDirectory(prefix="apdb-bench-") as name:
        folder = Path(name)
        for letter, exposure in (("s", science), ("t", template)):
            fits.writeto(folder / f"{letter}.fits", exposure.image)
            fits.writeto(folder / f"{letter}n.fits", np.sqrt(exposure.variance))
        files = {
            "-inim": "s", "-tmplim": "t", "-ini": "sn", "-tni": "tn", "-outim": "o", "-oni": "on",
        }  # fmt: skip
        named = [
            part for key, value in files.items() for part in (key, str(folder / f"{value}.fits"))
        ]
        limits = ["-il", "-1e4", "-tl", "-1e4", "-iu", "1e7", "-tu", "1e7"]
        command = [program, *named, *limits, "-n", "i", "-c", sharper, "-v", "0", *extra]
        wall, cpu = time.perf_counter(), cpu_of(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        wall, cpu = time.perf_counter() - wall, cpu_of(resource.RUSAGE_CHILDREN) - cpu
        image, sigma = (
            fits.getdata(folder / f"{stem}.fits").astype(np.float32) for stem in ("o", "on")
        )
    good = (sigma > 0) & (np.abs(image) > 1e-20)
    image[~good] = 0.0
    sigma[~good] = np.median(sigma[good])
    psf = (science if sharper == "t" else template).psf
    assert psf is not None
    return Result(image, sigma, psf.centre, good, wall, cpu)


def has_sfft() -> bool:
    """Tell whether SFFT can be imported."""
    try:
        import sfft.sfftcore  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        return False
    return True


def sfft(science: Exposure, template: Exposure, sources: Table) -> Result:
    """Run SFFT, which is given the surroundings of the same stars to fit to."""
    from sfft.sfftcore.SFFTConfigure import SingleSFFTConfigure  # type: ignore[import-not-found]
    from sfft.sfftcore.SFFTSubtract import GeneralSFFTSubtract  # type: ignore[import-not-found]

    assert science.psf is not None
    assert template.psf is not None
    widths = science.psf.fwhm, template.psf.fwhm
    forward = widths[0] >= widths[1]
    near = _near(science.shape, sources[sources["snr"] > 20.0], 15)
    pair = (template, science) if forward else (science, template)
    whole = [exposure.image.astype(np.float64).T.copy() for exposure in pair]
    masked = [np.where(near.T, image, 0.0) for image in whole]
    wall, cpu = time.perf_counter(), cpu_of(resource.RUSAGE_SELF)
    with contextlib.redirect_stdout(io.StringIO()):
        setup = SingleSFFTConfigure.SSC(
            NX=whole[0].shape[0], NY=whole[0].shape[1], KerHW=int(np.ceil(2.0 * max(widths))),
            KerPolyOrder=2, BGPolyOrder=2, ConstPhotRatio=True, BACKEND_4SUBTRACT="Numpy",
            NUM_CPU_THREADS_4SUBTRACT=2, NUMBA_CACHE=True, VERBOSE_LEVEL=0,
        )  # fmt: skip
        found = GeneralSFFTSubtract.GSS(
            PixA_I=whole[0], PixA_J=whole[1], PixA_mI=masked[0], PixA_mJ=masked[1],
            SFFTConfig=setup, ContamMask_I=None, BACKEND_4SUBTRACT="Numpy",
            NUM_CPU_THREADS_4SUBTRACT=2, VERBOSE_LEVEL=0,
        )  # fmt: skip
    wall, cpu = time.perf_counter() - wall, cpu_of(resource.RUSAGE_SELF) - cpu
    image = (found[1].T if forward else -found[1].T).astype(np.float32)
    sigma = np.sqrt(science.variance + template.variance)
    psf = (science if forward else template).psf
    assert psf is not None
    return Result(image, sigma, psf.centre, np.ones(image.shape, bool), wall, cpu)


def _near(shape: tuple[int, int], stars: Table, half: int) -> NDArray[np.bool_]:
    """Surroundings of stars."""
    found = np.zeros(shape, bool)
    for x, y in zip(np.rint(stars["x"]).astype(int), np.rint(stars["y"]).astype(int), strict=True):
        found[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1] = True
    return found
