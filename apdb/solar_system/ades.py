"""ADES 2022, the format in which the Minor Planet Center is told of observations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

FIELDS = (
    "permID", "provID", "trkSub", "obsSubID", "mode", "stn", "obsTime", "ra", "dec", "rmsRA",
    "rmsDec", "rmsCorr", "astCat", "mag", "rmsMag", "band", "photCat", "logSNR", "exp",
)  # fmt: skip
"""Fields of an observation, in the order of the standard."""

_ZERO_POINT = 31.4


@dataclass(frozen=True)
class ReportHeader:
    """Who reports, with what.

    Attributes
    ----------
    submitter : str
        Name of whoever sends the report, such as "J. Doe".
    measurers, observers : tuple of str
        Names.
    design : str
        Design of the telescope.
    aperture : float
        Its aperture [m].
    detector : str
        Kind of detector, also the mode of the observations.
    catalogue : str
        Astrometric and photometric reference, by the code of the Minor Planet Center.
    band_prefix : str
        Put before the name of a band: L for those of the Rubin Observatory.
    """

    submitter: str
    measurers: tuple[str, ...] = ()
    observers: tuple[str, ...] = ()
    design: str = "Reflector"
    aperture: float = 8.4
    detector: str = "CCD"
    catalogue: str = "Gaia3"
    band_prefix: str = "L"

    def groups(self, station: str) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return the groups of the header.

        Parameters
        ----------
        station : str
            Code of the observatory.

        Returns
        -------
        list of tuple
            Name and its members with their values, in the order of the standard.
        """
        people = [("submitter", (self.submitter,)), ("observers", self.observers),
                  ("measurers", self.measurers or (self.submitter,))]  # fmt: skip
        groups = [("observatory", [("mpcCode", station)])]
        groups += [(name, [("name", who) for who in names]) for name, names in people if names]
        groups.append(
            ("telescope", [("design", self.design), ("aperture", f"{self.aperture:g}"),
                           ("detector", self.detector)])
        )  # fmt: skip
        return groups


def observations(
    rows: Sequence[Mapping[str, Any]], station: str, header: ReportHeader
) -> list[dict[str, str]]:
    """Return observations as the standard writes them.

    Parameters
    ----------
    rows : sequence of mapping
        As export_observations returns them.
    station : str
        Code of the observatory.
    header : ReportHeader
        Detector, catalogue and prefix of bands.

    Returns
    -------
    list of dict of str to str
        Fields that have a value. obsTime is UTC, obsSubID the dia_source_id; the magnitude is AB.
    """
    from astropy.time import Time

    times = Time([row["midpoint_mjd_tai"] for row in rows], format="mjd", scale="tai").utc
    times.precision = 3
    return [
        _observation(row, f"{moment}Z", station, header)
        for row, moment in zip(rows, times.isot, strict=True)
    ]


def _observation(
    row: Mapping[str, Any], moment: str, station: str, header: ReportHeader
) -> dict[str, str]:
    name = str(row["designation"])
    kind = (
        "trkSub" if row["found_here"]
        else "permID" if re.fullmatch(r"\(?\d+[IPD]?\)?(-[A-Z]{1,2})?", name)
        else "provID"
    )  # fmt: skip
    said = {
        kind: name.strip("()") if kind == "permID" else name,
        "obsSubID": str(row["dia_source_id"]),
        "mode": header.detector,
        "stn": station,
        "obsTime": moment,
        "ra": f"{row['ra'] % 360.0:.7f}",
        "dec": f"{row['dec']:+.7f}",
        "astCat": header.catalogue,
    }
    if said["ra"].startswith("360"):
        said["ra"] = "0.0000000"
    if row["ra_err"] and row["dec_err"]:
        said |= {"rmsRA": _short(row["ra_err"] * 3600.0), "rmsDec": _short(row["dec_err"] * 3600.0)}
        if row["ra_dec_cov"] is not None:
            together = row["ra_dec_cov"] / (row["ra_err"] * row["dec_err"])
            said["rmsCorr"] = f"{max(-0.999, min(0.999, together)):.3f}"
    flux, error = row["psf_flux"], row["psf_flux_err"]
    if flux is not None and np.isfinite(flux) and flux > 0.0:
        said["mag"] = f"{_ZERO_POINT - 2.5 * np.log10(flux):.2f}"
        said |= {"band": header.band_prefix + str(row["band"]), "photCat": header.catalogue}
        if error and error > 0.0:
            said["rmsMag"] = f"{min(1.0857 * error / flux, 9.99):.3f}"
            said["logSNR"] = f"{np.log10(flux / error):.2f}"
    if row["exposure_time"]:
        said["exp"] = f"{row['exposure_time']:.1f}"[:6]
    return said


def _short(error: float) -> str:
    """Return an error in at most seven characters, never zero."""
    return f"{min(max(error, 1e-3), 9999.0):.3f}"[:7].rstrip(".")


def psv(
    groups: Sequence[tuple[str, Sequence[tuple[str, str]]]], records: Sequence[Mapping[str, str]]
) -> str:
    """Return a report as pipe-separated values.

    Parameters
    ----------
    groups : sequence of tuple
        The header, as `ReportHeader.groups` makes it.
    records : sequence of mapping
        Observations.

    Returns
    -------
    str
        ADES 2022 PSV.
    """
    lines = ["# version=2022"]
    for name, members in groups:
        lines += [f"# {name}", *(f"! {key} {value}" for key, value in members)]
    used = [f for f in FIELDS if any(f in record for record in records)]
    widths = [max(len(f), *(len(record.get(f, "")) for record in records)) for f in used]
    for record in [{f: f for f in used}, *records]:
        cells = (record.get(f, "").ljust(w) for f, w in zip(used, widths, strict=True))
        lines.append("|".join(cells).rstrip())
    return "\n".join(lines) + "\n"


def xml(
    groups: Sequence[tuple[str, Sequence[tuple[str, str]]]], records: Sequence[Mapping[str, str]]
) -> str:
    """Return a report as XML.

    Parameters
    ----------
    groups : sequence of tuple
        The header, as `ReportHeader.groups` makes it.
    records : sequence of mapping
        Observations.

    Returns
    -------
    str
        ADES 2022 XML, for submission.
    """
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<ades version="2022">', "<obsBlock>"]
    lines.append("<obsContext>")
    for name, members in groups:
        inner = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in members)
        lines.append(f"<{name}>{inner}</{name}>")
    lines += ["</obsContext>", "<obsData>"]
    for record in records:
        inner = "".join(f"<{f}>{escape(record[f])}</{f}>" for f in FIELDS if f in record)
        lines.append(f"<optical>{inner}</optical>")
    lines += ["</obsData>", "</obsBlock>", "</ades>"]
    return "\n".join(lines) + "\n"
