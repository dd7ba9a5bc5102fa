"""Comparison of the flavours of image subtraction, after the plan of DMTN-256."""

from pipeline.study.config import StudyConfig
from pipeline.study.images import Pair, real_pairs, simulated_pairs
from pipeline.study.report import write_report
from pipeline.study.run import Study, run_study

__all__ = [
    "Pair",
    "Study",
    "StudyConfig",
    "real_pairs",
    "run_study",
    "simulated_pairs",
    "write_report",
]
