"""Sky maps, light curves and pages of objects as matplotlib figures.

Nothing here touches pyplot: figures belong to the caller and need no display.
"""

from apdb.plots.bands import BAND_COLOURS, BAND_SYMBOLS
from apdb.plots.light_curve import light_curve
from apdb.plots.object_page import object_page
from apdb.plots.save import save
from apdb.plots.sky import sky_map

__all__ = ["BAND_COLOURS", "BAND_SYMBOLS", "light_curve", "object_page", "save", "sky_map"]
