"""The stages strung together: an image becomes DIASources, alerts, and images in the store."""

from pipeline.process.config import ProcessConfig, read_config
from pipeline.process.forced import Precover, precover
from pipeline.process.report import ProcessReport
from pipeline.process.sources import Sources
from pipeline.process.visit import Inputs, process_visit

__all__ = [
    "Inputs",
    "Precover",
    "ProcessConfig",
    "ProcessReport",
    "Sources",
    "precover",
    "process_visit",
    "read_config",
]
