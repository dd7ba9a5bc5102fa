"""What a simulated night of images is like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.survey.config import BANDS

#: Noise of the sky relative to that in r.
SKY = dict(zip(BANDS, (0.8, 0.7, 1.0, 1.4, 2.0, 3.0), strict=True))


@dataclass(frozen=True)
class NightConfig:
    """Contents of a night; equal configurations give equal nights.

    Attributes
    ----------
    seed : int
        Of everything.
    n_visits : int
        Exposures, which take turns through the bands.
    bands : tuple of str
        Some of ugrizy.
    shape : tuple of int
        Rows and columns of each exposure.
    ra, dec : float
        Centre of the field [deg].
    scale : float
        Side of a pixel [arcsec].
    start_mjd_tai, cadence_minutes, exposure_time : float
        First exposure [d], time from one to the next [min], and shutter [s].
    dither : float
        Largest shift of an exposure on each axis [pixel]; it is turned by up to 0.2° besides.
    fwhm : float
        Mean of the seeing [pixel]; it scatters by 8%.
    template_fwhm, template_noise : float
        Of the templates [pixel], and relative to one exposure.
    sky_sigma, njy_per_electron : float
        Noise of the sky in r [nJy per pixel], and flux of one electron [nJy].
    n_stars, n_saturated, n_galaxies, n_variables, n_transients, n_fading, n_movers : int
        In the field; n_saturated of the stars are too bright for the detector; fading are
        sources of the templates that are gone; movers pass through the field at the time of some
        exposure.
    known_fraction : float
        Fraction of the movers that are in the ephemeris.
    star_flux : tuple of float
        Faintest and brightest star in r [nJy].
    satellites, cosmic_rays : float
        Mean numbers in an exposure.
    flagged_cosmic_rays : float
        Fraction of the cosmic rays that calibrated images have masked.
    bad_columns : int
        Of the detector.
    full_well : float
        Electrons at which pixels saturate and bleed.
    amplifiers : int
        Of the detector: 1 or 2.
    linearity : float
        c of counts = x + c x², x what is read: 5e-7 are 3% at 60,000 counts.
    crosstalk : float
        Part of the signal of one amplifier that appears on the other.
    background : float
        Gradient left in calibrated images, from the centre to an edge, in sigma of the sky.
    """

    seed: int = 1
    n_visits: int = 8
    bands: tuple[str, ...] = ("r", "g")
    shape: tuple[int, int] = (1024, 1024)
    ra: float = 150.1
    dec: float = 2.2
    scale: float = 0.2
    start_mjd_tai: float = 61109.05
    cadence_minutes: float = 12.0
    exposure_time: float = 30.0
    dither: float = 20.0
    fwhm: float = 4.2
    template_fwhm: float = 3.6
    template_noise: float = 0.3
    sky_sigma: float = 20.0
    njy_per_electron: float = 0.6
    n_stars: int = 500
    n_saturated: int = 4
    n_galaxies: int = 120
    n_variables: int = 25
    n_transients: int = 30
    n_fading: int = 4
    n_movers: int = 8
    known_fraction: float = 0.5
    star_flux: tuple[float, float] = (500.0, 1e6)
    satellites: float = 0.4
    cosmic_rays: float = 10.0
    flagged_cosmic_rays: float = 0.9
    bad_columns: int = 2
    full_well: float = 1e5
    amplifiers: int = 2
    linearity: float = 5e-7
    crosstalk: float = 2e-4
    background: float = 0.1

    def __post_init__(self) -> None:
        unknown = [band for band in self.bands if band not in BANDS]
        if unknown or not self.bands:
            raise ValueError(f"bands are {self.bands}: there must be some, of {''.join(BANDS)}")
        for name in ("n_visits", "scale", "exposure_time", "fwhm", "template_fwhm", "full_well"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be positive")
        if self.amplifiers not in (1, 2):
            raise ValueError(f"amplifiers is {self.amplifiers}: it must be 1 or 2")
        for name in ("known_fraction", "flagged_cosmic_rays"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be in 0 to 1")

    @property
    def margin(self) -> int:
        """Pixels by which templates are larger on each side: shifts, rotation and wings."""
        turn = np.radians(0.2) * max(self.shape) / 2
        return int(np.ceil(self.dither + turn)) + 8
