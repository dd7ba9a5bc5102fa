"""Fakes are injected, found again, and counted."""

from pipeline.fakes.draw import FakesConfig, draw_fakes, expected_noise
from pipeline.fakes.efficiency import Efficiency, binomial_interval, completeness, fractions
from pipeline.fakes.inject import inject
from pipeline.fakes.match import Matches, match

__all__ = [
    "Efficiency",
    "FakesConfig",
    "Matches",
    "binomial_interval",
    "completeness",
    "draw_fakes",
    "expected_noise",
    "fractions",
    "inject",
    "match",
]
