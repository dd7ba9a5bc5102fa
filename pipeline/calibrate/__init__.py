"""Background, PSF, astrometry and photometry of an image."""

from pipeline.calibrate.config import CalibrateConfig, ColourTerm, PointingGuess
from pipeline.calibrate.run import Calibrated, SourceFlag, calibrate

__all__ = [
    "CalibrateConfig",
    "Calibrated",
    "ColourTerm",
    "PointingGuess",
    "SourceFlag",
    "calibrate",
]
