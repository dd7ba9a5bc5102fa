"""What a study compares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from pipeline.detect import DetectConfig
from pipeline.fakes import FakesConfig
from pipeline.scene.config import NightConfig
from pipeline.subtract.config import Flavour

FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)


@dataclass(frozen=True)
class StudyConfig:
    """Contents of a study.

    Attributes
    ----------
    flavours : tuple of str
        Ways to subtract; the first is the reference that S/N of fakes is counted in.
    night : NightConfig
        Simulated images.
    fakes : FakesConfig
        What is injected into all images of a field, at the same places of the sky.
    threshold : float
        Of detection.
    seed : int
        Of the fakes.
    match_fwhm : float
        A detection is of a fake within this distance, in FWHM.
    bright_snr : float
        Stars of this S/N are bright.
    bright_fwhm : float
        Sources within this distance of one are at a bright star, in FWHM.
    row_bin : int
        Rows, or columns, that are counted together for clustering [pixel].
    """

    flavours: tuple[Flavour, ...] = FLAVOURS
    night: NightConfig = field(default_factory=lambda: NightConfig(n_visits=4))
    fakes: FakesConfig = field(
        default_factory=lambda: FakesConfig(density=1e6, most=150, snr=(2.0, 20.0))
    )
    threshold: float = DetectConfig.threshold
    seed: int = 1
    match_fwhm: float = 0.6
    bright_snr: float = 300.0
    bright_fwhm: float = 5.0
    row_bin: int = 8

    def __post_init__(self) -> None:
        unknown = [name for name in self.flavours if name not in FLAVOURS]
        if unknown or not self.flavours:
            raise ValueError(f"flavours must be some of {', '.join(FLAVOURS)}, not {self.flavours}")
        for name in ("threshold", "match_fwhm", "bright_snr", "bright_fwhm", "row_bin"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
