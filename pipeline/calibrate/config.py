"""Settings of the calibration of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_POSITIVE = (
    "background_box", "background_filter", "threshold", "min_area", "initial_fwhm",
    "max_sources", "stars_per_term", "psf_radius", "psf_max_stars", "psf_min_stars",
    "iterations", "max_noise_ratio", "search_radius", "match_radius", "wcs_min_matches",
    "aperture", "source_aperture",
)  # fmt: skip


@dataclass(frozen=True)
class ColourTerm:
    """How magnitudes of a catalogue become those of the instrument.

    m = `primary` + `constant` + `slope` c + `quadratic` c² with c = `primary` - `secondary`.

    Attributes
    ----------
    primary, secondary : str
        Columns of magnitudes in the reference catalogue, such as ``r_mag`` and ``i_mag``.
    constant, slope, quadratic : float
        Coefficients [mag, 1, 1/mag].
    """

    primary: str
    secondary: str
    constant: float = 0.0
    slope: float = 0.0
    quadratic: float = 0.0


@dataclass(frozen=True)
class PointingGuess:
    """Where an image without world coordinates looks.

    Attributes
    ----------
    ra, dec : float
        Centre, ICRS [deg].
    pixel_scale : float
        Side of a pixel [arcsec].
    rotation : float
        Position angle of the y axis, from north through east [deg].
    flipped : bool
        Whether east is on the right when north is up.
    """

    ra: float
    dec: float
    pixel_scale: float
    rotation: float = 0.0
    flipped: bool = False


@dataclass(frozen=True)
class CalibrateConfig:
    """Settings of `pipeline.calibrate.calibrate`; defaults fit a CCD of any size and sampling.

    Attributes
    ----------
    background_box : int
        Side of the cells of the background [pixel].
    background_filter : int
        Side of the median filter on the cells, odd.
    subtract_background : bool
        Whether the background is taken off; off for images that have none.
    vignette : float
        Regions darker than this part of the median sky are masked as without data; 0 switches off.
    threshold : float
        Sources are found above it, in sigmas of the smoothed sky.
    min_area : int
        Pixels above the threshold that make a source.
    initial_fwhm : float
        Seeing assumed for the first search [pixel].
    max_sources : int
        The brightest are measured, if there are more.
    psf_order : int
        Highest degree of the variation of the PSF; lowered when there are few stars.
    stars_per_term : float
        Stars needed for each term of a polynomial, of PSF, aperture correction and WCS.
    psf_radius : float
        Half of the side of the model of the PSF, in FWHM.
    psf_min_snr : float
        Stars of the PSF have at least this signal to noise; lowered to 10 if there are too few.
    psf_max_stars : int
        At most so many, spread over the image.
    psf_min_stars : int
        Fewer is an error.
    iterations : int
        Rounds of background, search and PSF at most; fewer when the FWHM has settled.
    fwhm_tolerance : float
        Relative change of the FWHM between rounds that counts as settled.
    scale_variance : bool
        Whether the variance is scaled to the noise of the blank sky.
    max_noise_ratio : float
        Sky noise over predicted noise beyond this factor, either way, is an error: wrong gain.
    pointing : PointingGuess or None
        Used for images without world coordinates.
    require_wcs : bool
        Whether an image without world coordinates is an error.
    search_radius : float
        How far the pointing may be off [arcsec].
    match_radius : float
        Largest distance of a star from its reference after the blind match [arcsec].
    wcs_order : int
        Highest degree of the correction of the world coordinates; lowered with few stars.
    wcs_format : str
        How distortion is written: ``sip`` or ``tpv``.
    wcs_min_matches : int
        Fewer matches with the catalogue are an error.
    zero_point : float or None
        AB magnitude of one count, used when there is no reference catalogue.
    zero_point_floor : float
        Part of the error of fluxes of the catalogue that is not in its errors (relative).
    colour_term : ColourTerm or None
        From catalogue to instrument.
    flux_column : str or None
        Column of the fluxes of the catalogue [nJy] or of its AB magnitudes (``…mag``); None takes
        ``{band}_mag``, ``{band}_flux`` or ``flux``.
    nominal_zero_point : float or None
        Zero point of one count per second under a clear sky at airmass 1; for the transparency.
    extinction : float
        Of a clear sky [mag/airmass].
    aperture : float
        Radius of the aperture that holds all flux, for the aperture correction, in FWHM.
    source_aperture : float
        Radius of the aperture fluxes of the sources, in FWHM.
    """

    background_box: int = 128
    background_filter: int = 3
    subtract_background: bool = True
    vignette: float = 0.6
    threshold: float = 5.0
    min_area: int = 3
    initial_fwhm: float = 4.0
    max_sources: int = 30_000
    psf_order: int = 2
    stars_per_term: float = 3.0
    psf_radius: float = 3.0
    psf_min_snr: float = 25.0
    psf_max_stars: int = 300
    psf_min_stars: int = 2
    iterations: int = 3
    fwhm_tolerance: float = 0.02
    scale_variance: bool = True
    max_noise_ratio: float = 2.5
    pointing: PointingGuess | None = None
    require_wcs: bool = True
    search_radius: float = 120.0
    match_radius: float = 2.0
    wcs_order: int = 3
    wcs_format: Literal["sip", "tpv"] = "sip"
    wcs_min_matches: int = 3
    zero_point: float | None = None
    zero_point_floor: float = 0.01
    colour_term: ColourTerm | None = None
    flux_column: str | None = None
    nominal_zero_point: float | None = None
    extinction: float = 0.1
    aperture: float = 4.0
    source_aperture: float = 1.5

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        if not 0 <= self.psf_order <= 4 or not 0 <= self.wcs_order <= 5:
            raise ValueError("psf_order must be 0 to 4 and wcs_order 0 to 5")
        if self.wcs_format not in ("sip", "tpv"):
            raise ValueError(f"wcs_format must be sip or tpv, not {self.wcs_format}")
