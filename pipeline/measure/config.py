"""Settings of measurement."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MeasureConfig:
    """How sources are measured.

    Attributes
    ----------
    aperture_radius : float, optional
        Of the aperture flux [pixel]; by default `aperture_fwhm` times the FWHM.
    aperture_fwhm : float
        See there.
    max_shift : float
        A centroid further from the peak is no centroid [FWHM].
    debias : bool
        Whether PSF fluxes are freed of what a fitted position adds to them, σ² / flux.
    dipole_min_snr : float
        Least S/N of the two lobes together.
    dipole_max_share : float
        Largest part of the flux that one lobe of a dipole has.
    trail_min_snr : float
        Least significance of the elongation for a fit of a trail.
    trail_min_ratio : float
        Least ratio of the moments along and across, in units of that of the PSF.
    trail_max_length : float
        Longest trail [pixel].
    """

    aperture_radius: float | None = None
    aperture_fwhm: float = 2.5
    max_shift: float = 0.75
    debias: bool = True
    dipole_min_snr: float = 7.07
    dipole_max_share: float = 0.65
    trail_min_snr: float = 3.0
    trail_min_ratio: float = 1.4
    trail_max_length: float = 200.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name not in ("debias", "aperture_radius") and not value > 0:
                raise ValueError(f"{name} must be positive, not {value}")
        if self.aperture_radius is not None and not self.aperture_radius > 0:
            raise ValueError(f"aperture_radius must be positive, not {self.aperture_radius}")
        if not 0.5 < self.dipole_max_share < 1.0:
            raise ValueError(
                f"dipole_max_share must be between 0.5 and 1, not {self.dipole_max_share}"
            )
