"""Detection of sources on a difference."""

from pipeline.detect.config import DetectConfig
from pipeline.detect.detections import Detections, detect
from pipeline.detect.footprints import Footprints
from pipeline.detect.significance import NoiseScale
from pipeline.detect.streaks import Streak

__all__ = ["DetectConfig", "Detections", "Footprints", "NoiseScale", "Streak", "detect"]
