"""Tracklets of known objects, by place and motion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from apdb.session import Session

if TYPE_CHECKING:
    from pipeline.moving.detections import Detections
    from pipeline.moving.tracklets import Tracklets

#: Farther than visits attribute, for motion speaks too [arcsec].
_RADIUS = 5.0
#: Largest difference of the motion: so many arcsec over the tracklet, or this part of the rate.
_SLIP = 0.5
_PART = 0.05

_PREDICTED = """
select t.row, p.ss_object_id, p.ra, p.dec, p.ra_rate, p.dec_rate
from unnest(%s::integer[], %s::double precision[], %s::double precision[], %s::double precision[])
    as t (row, ra, dec, mjd)
cross join lateral apdb.predict(t.ra, t.dec, %s, t.mjd) as p
"""


def attribute_tracklets(
    db: Session, tracklets: Tracklets, found: Detections
) -> dict[int, list[int]]:
    """Find tracklets that are of known objects.

    Parameters
    ----------
    db : Session
        Database, with ephemerides of the nights; tracklets of other nights are left alone.
    tracklets : Tracklets
        Tracklets.
    found : Detections
        Detections that they are of; ids are dia_source_ids.

    Returns
    -------
    dict of int to list of int
        Sources by ss_object_id. Each source is given to one object at most: the nearest first.
    """
    from pipeline.moving.detections import tangent_axes
    from pipeline.moving.times import tai_from_tdb

    if not len(tracklets):
        return {}
    x, y, z = tracklets.direction.T
    ra, dec = np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arcsin(z))
    mjd = tai_from_tdb(tracklets.mjd_tdb)
    rows = list(range(len(tracklets)))
    with db.reading(timeout=600.0) as connection:
        said = connection.execute(
            _PREDICTED, (rows, ra.tolist(), dec.tolist(), mjd.tolist(), _RADIUS / 3600.0)
        ).fetchall()
    if not said:
        return {}
    row = np.array([s[0] for s in said])
    place, rate = np.array([s[2:4] for s in said]), np.array([s[4:6] for s in said])
    away = (ra[row] - place[:, 0] + 180.0) % 360.0 - 180.0
    apart = np.hypot(away * np.cos(np.radians(dec[row])), dec[row] - place[:, 1]) * 3600.0
    east, north = tangent_axes(ra[row], dec[row])
    motion = np.stack(
        [(tracklets.motion[row] * east).sum(axis=1), (tracklets.motion[row] * north).sum(axis=1)]
    )
    slip = np.hypot(*(np.degrees(motion) - rate.T))
    members = tracklets.groups
    span = np.array([np.ptp(found.mjd_tdb[members[int(i)]]) for i in row])
    good = slip <= _SLIP / 3600.0 / span + _PART * np.hypot(*rate.T)
    given: dict[int, list[int]] = {}
    taken: set[int] = set()
    times: set[tuple[int, float]] = set()
    for k in np.argsort(apart, kind="stable"):
        here = members[int(row[k])]
        ids = found.ids[here].tolist()
        moments = {(said[k][1], float(t)) for t in found.mjd_tdb[here]}
        if good[k] and taken.isdisjoint(ids) and times.isdisjoint(moments):
            taken.update(ids)
            times |= moments
            given.setdefault(said[k][1], []).extend(ids)
    return given
