"""Simulated images whose every source is known.

>>> from pipeline.scene import simulate_field
>>> field = simulate_field(1, shape=(128, 128), n_stars=20, n_galaxies=3, n_transients=2)
>>> field.science.shape, field.science.unit, field.template.info
((128, 128), 'nJy', None)
"""

from pipeline.scene.config import NightConfig
from pipeline.scene.field import CASES, Case, SimulatedField, simulate_field
from pipeline.scene.night import Night, VisitFiles, simulate_night
from pipeline.scene.observe import Observation, draw, render, tan_wcs
from pipeline.scene.psf_model import PsfModel

__all__ = [
    "CASES",
    "Case",
    "Night",
    "NightConfig",
    "Observation",
    "PsfModel",
    "SimulatedField",
    "VisitFiles",
    "draw",
    "render",
    "simulate_field",
    "simulate_night",
    "tan_wcs",
]
