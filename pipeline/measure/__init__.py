"""Measurement of the sources of a difference."""

from pipeline.measure.config import MeasureConfig
from pipeline.measure.sources import EXTRA, measure

__all__ = ["EXTRA", "MeasureConfig", "measure"]
