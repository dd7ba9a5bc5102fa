"""A seeded survey at catalogue level: visits with DIASources whose true objects are known.

>>> from pipeline.survey import SurveyConfig, simulate
>>> survey = simulate(SurveyConfig(seed=1, n_visits=12))
>>> first = next(survey.visits())
>>> first.visit["visit"], first.sources["ra"].shape == first.truth.shape
(2026030900001, True)
"""

from pipeline.survey.columns import full_columns
from pipeline.survey.config import DEFAULT_FIELDS, Field, SurveyConfig
from pipeline.survey.cutouts import cutouts
from pipeline.survey.dense import DenseField, dense_field
from pipeline.survey.population import Kind
from pipeline.survey.simulate import SimulatedVisit, Survey, simulate

__all__ = [
    "DEFAULT_FIELDS",
    "DenseField",
    "Field",
    "Kind",
    "SimulatedVisit",
    "Survey",
    "SurveyConfig",
    "cutouts",
    "dense_field",
    "full_columns",
    "simulate",
]
