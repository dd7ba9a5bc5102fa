"""The figure of `apdb object ID --plot`: what the database and its archive hold of an object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from apdb.archive.stamps import read_ccd
from apdb.database import Apdb
from apdb.errors import ApdbError

#: Least significance [standard deviations] of a period that light curves are folded at.
LEAST_SIGNIFICANCE = 3.0


def draw_object(db: Apdb, dia_object_id: int, path: Path) -> None:
    """Draw one object into a file.

    Parameters
    ----------
    db : Apdb
        Where it is.
    dia_object_id : int
        The object.
    path : Path
        The file; its suffix says the format.

    Raises
    ------
    InvalidInput
        The object has no detection left, or the suffix is no format.
    """
    from apdb.plots import object_page, save

    detections = db.sources_of_object(dia_object_id)
    forced = db.forced_sources_of_object(dia_object_id)
    frequency, origin = best_frequency(db.features(dia_object_id))
    page = object_page(
        detections,
        forced if len(forced) else None,
        frequency=frequency,
        frequency_of=origin,
        stamps=last_stamps(db, detections),
        title=f"DIAObject {dia_object_id}",
    )
    save(page, path)


def best_frequency(features: Any) -> tuple[float | None, str]:
    """Return the most significant frequency of all bands.

    Parameters
    ----------
    features : Table
        As from `Apdb.features`.

    Returns
    -------
    frequency : float or None
        Frequency [1/d]; None if no band has one that is significant.
    origin : str
        Its band and significance, in words.
    """
    if len(features) == 0:
        return None, ""
    significance = np.ma.filled(np.ma.asarray(features["significance1"]).astype(float), -np.inf)
    best = int(np.argmax(significance))
    if not significance[best] >= LEAST_SIGNIFICANCE:
        return None, ""
    text = f"{features['band'][best]} band, {significance[best]:.1f} sigma"
    return float(features["frequency1"][best]), text


def last_stamps(db: Apdb, detections: Any) -> dict[str, Any] | None:
    """Return the stamps of the last detection that has an alert with stamps, by kind.

    Parameters
    ----------
    db : Apdb
        Where the archive is known.
    detections : Table
        DIASources of an object.

    Returns
    -------
    dict of str to CCDData, or None
        None if there is no archive, or no stamp in it.
    """
    if len(detections) == 0:
        return None
    last = int(np.argmax(detections["midpoint_mjd_tai"]))
    try:
        stamps = db.alert(int(detections["dia_source_id"][last]), content="stamps").stamps()
    except ApdbError:
        return None
    found = read_ccd(stamps)
    return dict(found) or None
