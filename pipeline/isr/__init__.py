"""The signature of the instrument is taken off raw images.

>>> from pipeline.isr import shipped
>>> shipped()
['generic', 'imsim_amp', 'ste3']
"""

from pipeline.isr.config import IsrConfig
from pipeline.isr.instrument import Amplifier, Instrument, load_instrument, shipped
from pipeline.isr.run import IsrResult, remove_signature
from pipeline.isr.snaps import SnapResult, combine_snaps

__all__ = [
    "Amplifier",
    "Instrument",
    "IsrConfig",
    "IsrResult",
    "SnapResult",
    "combine_snaps",
    "load_instrument",
    "remove_signature",
    "shipped",
]
