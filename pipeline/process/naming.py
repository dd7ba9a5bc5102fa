"""Which image a file is of, where it cannot be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from astropy.io import fits

from apdb.errors import InvalidInput
from pipeline.exposure import ExposureInfo
from pipeline.io.headers import info_of, visit_of_time
from pipeline.io.quiet import QUIET

_NUMBERS = re.compile(r"(?<!\d)(\d{5,})(?:[_-]+0*(\d{1,3}))?(?!\d)")


def which(path: Path, info: ExposureInfo | None = None) -> tuple[int | None, int | None]:
    """Find out which image a file is of that cannot be read.

    By what is given, by its header as far as it goes, and by the numbers in its name, such as
    ``2026031000001_003.fits``.

    Parameters
    ----------
    path : Path
        The file.
    info : ExposureInfo, optional
        What is known of it.

    Returns
    -------
    visit, detector : int or None
        None where nothing says so.
    """
    found = info or _of_header(path)
    if found is not None:
        return found.visit, found.detector
    numbers = _NUMBERS.search(Path(path).name)
    return (int(numbers[1]), int(numbers[2] or 0)) if numbers else (None, None)


def completed(path: Path, given: Mapping[str, Any]) -> ExposureInfo | None:
    """Return which visit a file is of, by what is given and, for the rest, by its header.

    Parameters
    ----------
    path : Path
        The file.
    given : mapping
        Attributes of `ExposureInfo` that are to hold instead of those of the header.

    Returns
    -------
    ExposureInfo or None
        None if nothing is given: the header decides alone.

    Raises
    ------
    InvalidInput
        Neither says when it was exposed.
    """
    if not given:
        return None
    found = _of_header(path)
    if found is not None:
        return replace(found, **given)
    missing = [name for name in ("midpoint_mjd_tai", "exposure_time") if name not in given]
    if missing:
        raise InvalidInput(
            f"{path}: the header does not say when it was exposed; give --midpoint and "
            "--exposure-time too"
        )
    visit, detector = which(path)
    number = visit or visit_of_time(given["midpoint_mjd_tai"])
    return ExposureInfo(**{"visit": number, "detector": detector or 0, "band": "", **given})


def _of_header(path: Path) -> ExposureInfo | None:
    for extension in (0, 1):
        try:
            with QUIET:
                found = info_of(fits.getheader(path, extension), "generic")
        except Exception:  # noqa: BLE001 - the file is broken: that is why we ask
            return None
        if found is not None:
            return found
    return None
