"""Real or bogus: the reliability of difference sources.

>>> from pipeline.classify import default_model
>>> len(default_model().version) <= 7
True
"""

from pipeline.classify.features import features
from pipeline.classify.model import Model, default_model, load_model, score

__all__ = ["Model", "default_model", "features", "load_model", "score"]
