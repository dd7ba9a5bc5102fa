"""Settings of the removal of the instrument's signature."""

from __future__ import annotations

from dataclasses import dataclass

STEPS = (
    "saturation",
    "overscan",
    "crosstalk",
    "linearity",
    "bias",
    "dark",
    "brighter_fatter",
    "flat",
    "fringe",
    "defects",
    "ghosts",
    "interpolate",
    "cosmic_rays",
)


@dataclass(frozen=True)
class IsrConfig:
    """Settings of `pipeline.isr.remove_signature`.

    Every step can be switched off where the camera has done it; steps whose calibration frame or
    table is not given are skipped.

    Attributes
    ----------
    saturation, overscan, crosstalk, linearity, bias, dark, brighter_fatter, flat, fringe : bool
        Steps, in this order.
    defects, ghosts, interpolate, cosmic_rays : bool
        Steps, in this order.
    grow_saturation : int
        Saturated pixels are grown by so many, for what they bleed [pixel].
    crosstalk_threshold : float
        Crosstalk above so many electrons is masked, too.
    least_flat : float
        Pixels with a smaller relative response are masked BAD.
    brighter_fatter_rounds : int
        Iterations of the correction at most.
    max_noise_ratio : float
        Read noise of the overscan over that of the description beyond this factor, either way, is
        an error: wrong gain or wrong section.
    fwhm : float
        Seeing assumed for interpolation, unless the image has a PSF [pixel].
    interpolate_least : float
        Pixels with less of their surroundings intact are left as they are.
    cosmic_sigma, cosmic_fraction, cosmic_contrast : float
        sigclip, sigfrac and objlim of L.A.Cosmic (van Dokkum 2001, PASP 113, 1420).
    cosmic_rounds : int
        Its iterations.
    """

    saturation: bool = True
    overscan: bool = True
    crosstalk: bool = True
    linearity: bool = True
    bias: bool = True
    dark: bool = True
    brighter_fatter: bool = True
    flat: bool = True
    fringe: bool = True
    defects: bool = True
    ghosts: bool = True
    interpolate: bool = True
    cosmic_rays: bool = True
    grow_saturation: int = 1
    crosstalk_threshold: float = 50.0
    least_flat: float = 0.2
    brighter_fatter_rounds: int = 10
    max_noise_ratio: float = 3.0
    fwhm: float = 4.0
    interpolate_least: float = 0.4
    cosmic_sigma: float = 5.0
    cosmic_fraction: float = 0.3
    cosmic_contrast: float = 5.0
    cosmic_rounds: int = 2

    def __post_init__(self) -> None:
        for name in ("crosstalk_threshold", "fwhm", "cosmic_sigma", "cosmic_contrast"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        if self.max_noise_ratio <= 1:
            raise ValueError(f"max_noise_ratio must be above 1, not {self.max_noise_ratio}")
        if self.grow_saturation < 0 or self.cosmic_rounds < 1:
            raise ValueError("grow_saturation must not be negative, cosmic_rounds at least 1")
