"""Images are read from FITS files and written to them."""

from pipeline.io.read import MAX_PIXELS, read_exposure
from pipeline.io.write import write_exposure

__all__ = ["MAX_PIXELS", "read_exposure", "write_exposure"]
