"""The image that every stage takes and returns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntFlag
from typing import Any

import numpy as np
from astropy.io.fits import Header
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area
from numpy.typing import NDArray

from pipeline.psf import Psf

Image = NDArray[np.float32]
Bits = NDArray[np.uint32]
Metrics = dict[str, float]
"""Measurements of a stage by name, ``stage.what``, such as ``subtract.kernel_sum``."""


class Mask(IntFlag):
    """Bits of the mask of an exposure."""

    BAD = 1 << 0
    """Defect of the detector."""
    SAT = 1 << 1
    """Saturated, or bled into."""
    CR = 1 << 2
    """Hit by a cosmic ray."""
    INTERP = 1 << 3
    """Value is interpolated from neighbours."""
    EDGE = 1 << 4
    """So near the edge that a kernel or the PSF reaches beyond it."""
    NO_DATA = 1 << 5
    """No measurement at all: outside the template, gap, NaN in the file."""
    SUSPECT = 1 << 6
    """Non-linear, or otherwise not to be trusted."""
    STREAK = 1 << 7
    """On a satellite trail."""
    GHOST = 1 << 8
    """In the halo, spike or ghost of a bright star."""
    CROSSTALK = 1 << 9
    """Crosstalk of a saturated pixel of another amplifier."""
    DETECTED = 1 << 10
    """Part of a positive source."""
    DETECTED_NEGATIVE = 1 << 11
    """Part of a negative source of a difference."""
    INJECTED = 1 << 12
    """A fake was added to the science image here."""
    INJECTED_TEMPLATE = 1 << 13
    """A fake was added to the template here."""
    SAT_TEMPLATE = 1 << 14
    """Saturated in the template, after warping and matching."""
    HIGH_VARIANCE = 1 << 15
    """Few exposures in the template: much noisier than its surroundings."""


#: Pixels whose value says nothing about the sky.
UNUSABLE = Mask.BAD | Mask.SAT | Mask.NO_DATA | Mask.CR


@dataclass(frozen=True)
class PhotoCalib:
    """How counts became nanojansky.

    Attributes
    ----------
    njy_per_count : float
        Flux of one count of the uncalibrated image [nJy].
    njy_per_count_err : float
        Its error [nJy].
    """

    njy_per_count: float
    njy_per_count_err: float = 0.0

    @property
    def zero_point(self) -> float:
        """AB magnitude of one count."""
        return float(31.4 - 2.5 * np.log10(self.njy_per_count))


@dataclass(frozen=True)
class ExposureInfo:
    """What was exposed, when, with what.

    Attributes
    ----------
    visit, detector : int
        Exposure and detector.
    band : str
        Band of the survey.
    midpoint_mjd_tai : float
        Middle of the exposure, MJD TAI.
    exposure_time : float
        Shutter open [s].
    instrument : str
        Name of the description file of the instrument.
    airmass : float
        NaN if unknown.
    """

    visit: int
    detector: int
    band: str
    midpoint_mjd_tai: float
    exposure_time: float
    instrument: str = "generic"
    airmass: float = float("nan")


@dataclass(frozen=True)
class Exposure:
    """An image with all that is known about its pixels.

    Pixel (x, y) = (0, 0) is the centre of the first pixel; arrays are indexed [y, x].

    Attributes
    ----------
    image : ndarray of float32, shape (ny, nx)
        Pixels in `unit`.  Finite everywhere; what was not is masked NO_DATA.
    mask : ndarray of uint32, shape (ny, nx)
        Bits of `Mask`.
    variance : ndarray of float32, shape (ny, nx)
        Of the pixels [unit²]; positive where the mask does not say NO_DATA.
    unit : str
        ``adu`` (raw), ``electron`` (after isr) or ``nJy`` (after calibrate, and all that is made of
        such images).
    info : ExposureInfo, optional
        Absent for images that are of no visit, such as coadds.
    psf : Psf, optional
        Since calibrate.
    wcs : astropy.wcs.WCS, optional
        World coordinates, ICRS; 0-based pixels by ``pixel_to_world_values``.
    photo_calib : PhotoCalib, optional
        Since calibrate.
    header : astropy.io.fits.Header
        As read.
    """

    image: Image
    mask: Bits
    variance: Image
    unit: str = "nJy"
    info: ExposureInfo | None = None
    psf: Psf | None = None
    wcs: WCS | None = None
    photo_calib: PhotoCalib | None = None
    header: Header = field(default_factory=Header)

    def __post_init__(self) -> None:
        for name in ("mask", "variance"):
            if getattr(self, name).shape != self.image.shape:
                message = f"{name} has shape {getattr(self, name).shape}"
                raise ValueError(f"{message}, the image {self.image.shape}")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def pixel_scale(self) -> float:
        """Side of a pixel at the reference point of the WCS, the root of its area [arcsec]."""
        if self.wcs is None:
            raise ValueError("an exposure without world coordinates has no pixel scale")
        return float(np.sqrt(proj_plane_pixel_area(self.wcs.celestial))) * 3600.0

    @property
    def seeing(self) -> float:
        """Width of the PSF at half maximum [arcsec]."""
        if self.psf is None:
            raise ValueError("an exposure without PSF has no seeing")
        return self.psf.fwhm * self.pixel_scale

    def masked(self, planes: Mask = UNUSABLE) -> NDArray[np.bool_]:
        """Tell which pixels have any of some bits.

        Parameters
        ----------
        planes : Mask
            Bits.

        Returns
        -------
        ndarray of bool, shape (ny, nx)
        """
        return np.asarray((self.mask & np.uint32(planes)) != 0)

    def with_(self, **changes: Any) -> Exposure:
        """Return a copy with other attributes; arrays are shared.

        Parameters
        ----------
        **changes
            Attributes by name.

        Returns
        -------
        Exposure
        """
        return replace(self, **changes)
