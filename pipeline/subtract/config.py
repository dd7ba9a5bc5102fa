"""Settings of the subtraction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Flavour = Literal["convolve_template", "convolve_science", "auto", "preconvolve", "zogy"]


@dataclass(frozen=True)
class SubtractConfig:
    """How the template is matched and subtracted.

    Lengths that are 0 follow the widths of the PSFs.

    Attributes
    ----------
    flavour : str
        Which image is convolved: ``convolve_template``, ``convolve_science``, ``auto`` (the
        sharper one), ``preconvolve`` (the template, to the science image convolved with its own
        PSF; makes a score image too) or ``zogy`` (both, from the models of the PSFs alone).
    hysteresis : float
        ``auto`` convolves the science image only if the FWHM of the template is wider by more
        than this fraction, so that a night's images do not swap back and forth.
    kernel_degrees : tuple of int
        Degree of the polynomials on each of the Gaussians of the kernel.
    kernel_half : int
        Pixels on either side of the kernel's middle.
    kernel_order : int
        Highest degree of the kernel's variation with position; fewer stars get a lower one.
    background_order : int
        Degree of the polynomial of the differential background; -1 leaves the background alone.
    stamp_half : int
        Pixels on either side of a star that take part in the fit.
    max_stamps : int
        Most stars that the kernel is fitted to, spread over the image.
    min_snr : float
        Least signal-to-noise ratio of such a star, in both images.
    clip_sigma : float
        Stars whose residual stands out by this many robust standard deviations are rejected.
    clip_iterations : int
        Most rounds of that.
    systematics : float
        Fraction of a star's pixels which the fit trusts no further than, so that the brightest
        star does not decide alone.
    residual_variance : bool
        Add to the variance what the stars' residuals show beyond the noise, as a fraction of the
        template and of its gradient.
    max_residual : float
        Largest mean residual of stars, as a fraction of their pixels, that is still a match.
    decorrelation_half : int
        Pixels on either side of the decorrelation kernel's middle.
    decorrelate : bool
        Whiten the noise of the difference (DMTN-021).
    workers : int
        Threads.
    """

    flavour: Flavour = "auto"
    hysteresis: float = 0.05
    kernel_degrees: tuple[int, ...] = (4, 4, 2)
    kernel_half: int = 0
    kernel_order: int = 2
    background_order: int = 2
    stamp_half: int = 0
    max_stamps: int = 300
    min_snr: float = 20.0
    clip_sigma: float = 4.0
    clip_iterations: int = 4
    systematics: float = 0.005
    residual_variance: bool = True
    max_residual: float = 0.2
    decorrelation_half: int = 0
    decorrelate: bool = True
    workers: int = 2

    def __post_init__(self) -> None:
        if self.flavour not in get_args(Flavour):
            raise ValueError(f"flavour must be one of {get_args(Flavour)}, not {self.flavour!r}")
        if not self.kernel_degrees or min(self.kernel_degrees) < 0:
            raise ValueError(f"kernel_degrees must be degrees >= 0, not {self.kernel_degrees}")
        for name in ("kernel_half", "kernel_order", "stamp_half", "decorrelation_half"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, it is {getattr(self, name)}")
        for name in ("max_stamps", "min_snr", "clip_sigma", "max_residual", "workers"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, it is {getattr(self, name)}")
        if self.background_order < -1 or self.systematics < 0 or self.hysteresis < 0:
            raise ValueError(
                "background_order must be >= -1, systematics and hysteresis >= 0, not "
                f"{self.background_order}, {self.systematics}, {self.hysteresis}"
            )
