"""A template is matched to an image and subtracted from it."""

from pipeline.subtract.config import SubtractConfig
from pipeline.subtract.difference import Difference
from pipeline.subtract.kernel import Kernel
from pipeline.subtract.run import subtract

__all__ = ["Difference", "Kernel", "SubtractConfig", "subtract"]
