"""Templates of files: each read, calibrated where it is not, and all averaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.wcs import WCS

from apdb.errors import ApdbError
from apdb.input.footprint import bounding_circle
from apdb.input.sphere import unit_vectors
from pipeline.calibrate import calibrate
from pipeline.errors import StageError, TemplateError
from pipeline.exposure import Exposure
from pipeline.process.config import ProcessConfig
from pipeline.process.raw import read_frames, without_signature
from pipeline.process.same_pixels import corners
from pipeline.process.sources import Sources
from pipeline.template import Template, build

#: A template of so many times the pixels of its exposures would be mostly empty.
_MOST_EMPTY = 8.0


@dataclass
class Coadd:
    """A template and what it was made of.

    Attributes
    ----------
    template : Template
        The template, with its metrics.
    seeing : dict of Path to float
        Width of the PSF of each file that is in it [arcsec].
    left_out : dict of Path to str
        The other files, and why each is not.
    visits : list of int
        Visits that are in it, as far as the headers name them.
    band : str or None
        Filter of the files, if a header names it.
    """

    template: Template
    seeing: dict[Path, float]
    left_out: dict[Path, str]
    visits: list[int] = field(default_factory=list)
    band: str | None = None


def coadd(
    files: Sequence[Path],
    sources: Sources,
    config: ProcessConfig,
    *,
    max_seeing: float | None = None,
    watch: Callable[[Path], None] = lambda _: None,
) -> Coadd:
    """Build a template of files, on pixels that hold all of them.

    Parameters
    ----------
    files : sequence of Path
        Images of one field and band, raw or calibrated.
    sources : Sources
        Reference stars, and calibration frames for raw files.
    config : ProcessConfig
        Settings.
    max_seeing : float, optional
        Files with a wider PSF are left out [arcsec].
    watch : callable, optional
        Told each file that was read.

    Returns
    -------
    Coadd

    Raises
    ------
    TemplateError
        No file can be used, or those that can do not belong into one template.
    """
    exposures: list[Exposure] = []
    seeing: dict[Path, float] = {}
    left_out: dict[Path, str] = {}
    for path in files:
        try:
            exposure = _calibrated(path, sources, config)
            width = exposure.seeing
            if max_seeing is not None and width > max_seeing:
                raise TemplateError(f'its seeing is {width:.2f}", above {max_seeing:g}"')
        except StageError as error:
            left_out[path] = f"{error.stage}: {error.cause}"
        except ApdbError as error:
            left_out[path] = str(error)
        else:
            exposures.append(exposure)
            seeing[path] = width
        watch(path)
    if not exposures:
        reasons = "; ".join(f"{path}: {why}" for path, why in left_out.items())
        raise TemplateError(f"none of the files can be used: {reasons}")
    infos = [exposure.info for exposure in exposures if exposure.info is not None]
    return Coadd(
        build(exposures, *common_grid(exposures), config.template),
        seeing,
        left_out,
        sorted({info.visit for info in infos}),
        infos[0].band if infos else None,
    )


def _calibrated(path: Path, sources: Sources, config: ProcessConfig) -> Exposure:
    """Read an image, and bring it to nJy with PSF and WCS."""
    raws = read_frames(path, config.read, None, raw=sources.is_raw("adu"))
    exposure = raws[0]
    if sources.is_raw(exposure.unit):
        exposure = without_signature(
            raws, config.read.instrument, sources.frames(), config.isr
        ).exposure
    if exposure.unit != "nJy" or exposure.psf is None:
        exposure = calibrate(exposure, sources.stars(exposure), config.calibrate).exposure
    if exposure.unit != "nJy" or exposure.wcs is None or exposure.psf is None:
        raise TemplateError(
            f"it is in {exposure.unit}, {'with' if exposure.wcs else 'without'} world coordinates: "
            "give reference stars (--refcat)"
        )
    return exposure


def common_grid(exposures: Sequence[Exposure]) -> tuple[WCS, tuple[int, int]]:
    """Return world coordinates and shape of pixels that hold all exposures.

    A tangent plane at the middle of all, turned as the first exposure is, with the finest of their
    pixel scales.

    Parameters
    ----------
    exposures : sequence of Exposure
        With WCS; at least one.

    Returns
    -------
    wcs : astropy.wcs.WCS
        World coordinates.
    shape : tuple of int
        Rows and columns.

    Raises
    ------
    TemplateError
        They lie so far apart that most of it would be empty.
    """
    ra, dec = np.concatenate([corners(each) for each in exposures]).T
    first = exposures[0].wcs
    assert first is not None
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = bounding_circle(unit_vectors(ra, dec))[:2]
    finest = min(each.pixel_scale for each in exposures)
    wcs.wcs.crpix = [1.0, 1.0]
    wcs.wcs.cd = first.celestial.pixel_scale_matrix * (finest / exposures[0].pixel_scale)
    columns, rows = wcs.world_to_pixel_values(ra, dec)
    spread = [float(np.ptp(rows)), float(np.ptp(columns))]
    if not np.prod(spread) <= _MOST_EMPTY * sum(each.image.size for each in exposures):
        far = " by ".join(f"{pixels * finest / 3600.0:.3f}" for pixels in spread)
        raise TemplateError(
            f"the exposures span {far} deg, and most of that is empty: give those of one field"
        )
    # The corners are at the edges of pixels, half a pixel outside the centres of the first.
    wcs.wcs.crpix = [0.5 - columns.min(), 0.5 - rows.min()]
    height, width = (int(np.ceil(pixels - 1e-3)) for pixels in spread)
    return wcs, (height, width)
