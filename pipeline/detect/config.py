"""Settings of detection."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.exposure import Mask


@dataclass(frozen=True)
class DetectConfig:
    """How sources are found.

    Attributes
    ----------
    threshold : float
        Least |S/N| of a peak, in units of the noise that blank sky has.
    grow : int
        Footprints reach this much beyond the threshold [pixel]; what touches then is one footprint.
    min_prominence : float
        A second peak of the same sign in a footprint is a source of its own if it stands this much
        [S/N] above the saddle between them,
    min_contrast : float
        and this part of its height.
    lobe_distance : float
        A peak takes weaker ones of the other sign in its footprint within this distance
        [FWHM]: they are lobes of one source.
    background_cell : int
        Background of the difference is the median in cells of this side [pixel]; 0 leaves it.
    noise_cell : int
        Noise of blank sky is measured in cells of about this side [pixel].
    noise_range : tuple of float
        Least and largest ratio of measured and expected noise; beyond, gain or variance is wrong.
    min_weight : float
        Least part of Σ psf² on usable pixels for a significance.
    unusable : Mask
        Planes whose pixels take no part.
    tile : int
        Side of the tiles that one PSF is good for [pixel].
    workers : int
        Threads.
    n_sky : int
        Positions on blank sky at which the noise of fluxes is measured.
    streaks : bool
        Whether trails of satellites are looked for.
    streak_threshold : float
        Least S/N of a streak.
    streak_min_length : float
        Shorter ones may be asteroids [pixel].
    streak_max : int
        Most streaks of an image.
    glint_points : int
        So many sources on a line are glints of one satellite.
    glint_distance : float
        Greatest distance of a glint from another [pixel].
    glint_width : float
        Half width of the line [pixel].
    """

    threshold: float = 4.4
    grow: int = 2
    min_prominence: float = 4.0
    min_contrast: float = 0.05
    lobe_distance: float = 1.75
    background_cell: int = 128
    noise_cell: int = 512
    noise_range: tuple[float, float] = (0.2, 5.0)
    min_weight: float = 0.2
    unusable: Mask = Mask.BAD | Mask.SAT | Mask.NO_DATA | Mask.CR
    tile: int = 512
    workers: int = 2
    n_sky: int = 200
    streaks: bool = True
    streak_threshold: float = 8.0
    streak_min_length: float = 250.0
    streak_max: int = 10
    glint_points: int = 5
    glint_distance: float = 500.0
    glint_width: float = 1.5

    def __post_init__(self) -> None:
        positive = ("threshold", "lobe_distance", "noise_cell", "tile", "workers", "glint_width")
        for name in positive:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("grow", "min_prominence", "min_contrast", "background_cell", "n_sky"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, but is {getattr(self, name)}")
        low, high = self.noise_range
        if not 0 < low < 1 < high:
            raise ValueError(f"noise_range must hold 1, and be positive, not {low} … {high}")
        if self.glint_points < 3:
            raise ValueError(f"glint_points must be at least 3, not {self.glint_points}")
