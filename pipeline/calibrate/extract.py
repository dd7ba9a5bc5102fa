"""Extraction by sep, with a buffer as large as it has to be."""

from __future__ import annotations

from typing import Any

import sep

from pipeline.exposure import Image

_FIRST = 1_000_000
_STEP = 4


def extract(image: Image, threshold: float, **options: Any) -> Any:
    """Find sources above a threshold with `sep.extract`.

    Its buffer, for pixels of sources that are not finished yet, takes 40 bytes a pixel and is
    written from end to end before the search begins.  So it begins small, and grows where it is
    not enough.

    Parameters
    ----------
    image : ndarray of float32, shape (ny, nx)
        Pixels without background.
    threshold : float
        In units of the image, or of ``err`` if that is given.
    **options
        As `sep.extract` takes them.

    Returns
    -------
    ndarray or tuple of ndarray
        As `sep.extract` returns it.

    Raises
    ------
    Exception
        As `sep.extract`: sources cannot be told apart.
    """
    size = min(_FIRST, image.size)
    while True:
        sep.set_extract_pixstack(size)
        try:
            return sep.extract(image, threshold, **options)
        except Exception as error:
            # sep has no class of its own for what is wrong
            if "set_extract_pixstack" not in str(error) or size >= image.size:
                raise
            size = min(size * _STEP, image.size)
