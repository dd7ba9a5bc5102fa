"""A template is matched to an image and subtracted from it."""

from pipeline.subtract.difference import Difference

__all__ = ["Difference"]
