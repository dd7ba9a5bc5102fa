"""Light curves: difference fluxes of objects over time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import CARETDOWN, CARETUP
from matplotlib.ticker import AutoMinorLocator, FixedLocator, NullFormatter, NullLocator

from apdb.errors import InvalidInput
from apdb.plots.bands import band_order, band_style

Floats = npt.NDArray[np.float64]
Columns = dict[str, npt.NDArray[Any]]

AB_ZERO_POINT = 31.4  # magnitude of 1 nJy
_NEEDED = ("midpoint_mjd_tai", "psf_flux", "psf_flux_err", "band")
#: Least distance of two labels of the magnitude axis, relative to its length.
_LABEL_DISTANCE = 0.07


def columns_of(name: str, given: Any) -> Columns:
    """Return the columns that are drawn; nulls are NaN.

    Parameters
    ----------
    name : str
        What the rows are, for the error.
    given : astropy Table, DataFrame or mapping of str to array_like
        The rows.

    Returns
    -------
    dict of str to ndarray
        Times, fluxes, errors, bands and the object of each row, 0 where there is no such column.

    Raises
    ------
    InvalidInput
        If a column is missing.
    """
    missing = [column for column in _NEEDED if column not in names_of(given)]
    if missing:
        raise InvalidInput(f"{name} lack {', '.join(missing)}: these columns are drawn")
    columns: Columns = {}
    for column in _NEEDED[:3]:
        values = np.ma.asarray(given[column]).astype(float)
        columns[column] = np.asarray(np.ma.filled(values, np.nan), float)
    columns["band"] = np.asarray(given["band"]).astype(str)
    if "dia_object_id" in names_of(given):
        owners: npt.NDArray[Any] = np.ma.filled(np.ma.asarray(given["dia_object_id"]), 0)
        columns["dia_object_id"] = owners.astype(np.int64)
    else:
        columns["dia_object_id"] = np.zeros(len(columns["band"]), np.int64)
    return columns


def names_of(given: Any) -> list[str]:
    """Return the names of the columns.

    Parameters
    ----------
    given : astropy Table, DataFrame or mapping of str to array_like
        Rows.

    Returns
    -------
    list of str
        The names.
    """
    if isinstance(given, Mapping):
        return list(given)
    names = getattr(given, "colnames", None)
    return list(given.columns if names is None else names)


def _of_object(columns: Columns | None, owner: int) -> Columns | None:
    """Return the rows of one object."""
    if columns is None:
        return None
    mine = columns["dia_object_id"] == owner
    return {name: values[mine] for name, values in columns.items()}


def draw_points(axes: Axes, rows: Columns, origin: float, forced: bool) -> None:
    """Draw one series a band: detections filled, forced ones open and paler.

    Parameters
    ----------
    axes : Axes
        Where.
    rows : dict of str to ndarray
        As from `columns_of`.
    origin : float
        What the axis of time begins with, MJD TAI.
    forced : bool
        Forced sources, or detections.
    """
    for band in band_order(rows["band"].tolist()):
        here = rows["band"] == band
        colour, symbol = band_style(band)
        axes.errorbar(
            rows["midpoint_mjd_tai"][here] - origin,
            rows["psf_flux"][here],
            yerr=rows["psf_flux_err"][here],
            ls="",
            marker=symbol,
            # a star fills less of its box than the other symbols
            ms=(4.0 if forced else 5.5) * (1.4 if symbol == "*" else 1.0),
            color=colour,
            mfc="white" if forced else colour,
            # a white rim tells crowded points apart
            mec=colour if forced else "white",
            mew=0.8 if forced else 0.4,
            alpha=0.55 if forced else 1.0,
            elinewidth=0.8,
            zorder=2 if forced else 3,
            label=f"{band} forced" if forced else band,
        )


def _magnitudes(low: float, high: float) -> list[float]:
    """Return magnitudes to label on an axis of fluxes, brightest first, as round as possible."""
    if high <= 0:
        return []
    brightest = AB_ZERO_POINT - 2.5 * np.log10(high)
    distance = _LABEL_DISTANCE * (high - low)
    chosen: list[float] = []
    for step in (1.0, 0.5, 0.2, 0.1):
        first = math.ceil(brightest / step)
        chosen = []
        last = high
        for magnitude in (step * np.arange(first, first + 60)).round(1).tolist():
            place = _flux(magnitude)
            if last - place > distance and place - max(low, 0.0) > distance / 2:
                chosen.append(magnitude)
                last = place
        if len(chosen) >= 3:
            break
    return chosen


def _flux(magnitude: float) -> float:
    return float(10.0 ** ((AB_ZERO_POINT - magnitude) / 2.5))


def _add_magnitude_axis(axes: Axes) -> None:
    """Label AB magnitudes at the right, where the flux is positive."""
    low, high = axes.get_ylim()
    magnitudes = _magnitudes(low, high)
    if not magnitudes:
        return
    right = axes.secondary_yaxis("right")
    right.yaxis.set_major_locator(FixedLocator([_flux(m) for m in magnitudes]))
    right.yaxis.set_minor_locator(NullLocator())
    right.yaxis.set_minor_formatter(NullFormatter())
    right.set_yticks([_flux(m) for m in magnitudes], [f"{m:.1f}" for m in magnitudes])
    right.tick_params(labelsize=8)
    right.set_ylabel("AB magnitude", fontsize=9)


def _set_limits(axes: Axes, detections: Columns, forced: Columns | None, origin: float) -> None:
    """Show all detections and nearly all forced points; arrows show where others lie."""
    flux, error = detections["psf_flux"], np.nan_to_num(detections["psf_flux_err"])
    ends = [float(np.nanmin(flux - error)), float(np.nanmax(flux + error)), 0.0]
    if forced is not None and np.isfinite(forced["psf_flux"]).any():
        ends += np.nanpercentile(forced["psf_flux"], [2.0, 98.0]).tolist()
    margin = 0.08 * (max(ends) - min(ends)) or 1.0
    low, high = min(ends) - margin, max(ends) + margin
    axes.set_ylim(low, high)
    if forced is None:
        return
    outside = (forced["psf_flux"] < low) | (forced["psf_flux"] > high)
    for row in np.flatnonzero(outside):
        below = forced["psf_flux"][row] < low
        axes.plot(
            forced["midpoint_mjd_tai"][row] - origin, 0.02 if below else 0.98, ls="", ms=6,
            marker=CARETDOWN if below else CARETUP, alpha=0.7,
            color=band_style(forced["band"][row])[0], transform=axes.get_xaxis_transform(),
        )  # fmt: skip
    if outside.any():
        text = f"{outside.sum()} forced off scale (▾▴)"
        axes.set_title(text, fontsize=8, loc="right", color="#555555")


def draw_panel(
    axes: Axes, detections: Columns, forced: Columns | None, origin: float, title: str
) -> None:
    """Draw the fluxes of one object over time.

    Parameters
    ----------
    axes : Axes
        Where.
    detections, forced : dict of str to ndarray
        As from `columns_of`.
    origin : float
        What the axis of time begins with, MJD TAI.
    title : str
        Heading of the panel.
    """
    axes.axhline(0.0, color="#999999", lw=0.8, zorder=1)
    if forced is not None:
        draw_points(axes, forced, origin, forced=True)
    draw_points(axes, detections, origin, forced=False)
    axes.margins(x=0.04)
    _set_limits(axes, detections, forced, origin)
    axes.set_ylabel("PSF difference flux [nJy]", fontsize=9)
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.xaxis.set_minor_locator(AutoMinorLocator())
    # large fluxes as 2×10⁴ once and not at every tick
    axes.ticklabel_format(axis="y", scilimits=(-3, 5), useMathText=True)
    _add_magnitude_axis(axes)


def legend(figure: Figure, detections: Columns, forced: Columns | None) -> None:
    """Explain bands and kinds of points once for all panels.

    Parameters
    ----------
    figure : Figure
        Below which.
    detections, forced : dict of str to ndarray
        As from `columns_of`.
    """
    drawn = detections["band"].tolist()
    drawn += [] if forced is None else forced["band"].tolist()
    handles = [
        Line2D([], [], ls="", color=band_style(b)[0], marker=band_style(b)[1], label=b)
        for b in band_order(drawn)
    ]
    if forced is not None:
        grey: dict[str, Any] = {"ls": "", "color": "#555555", "marker": "o"}
        handles.append(Line2D([], [], label="detection", **grey))
        handles.append(Line2D([], [], label="forced", mfc="white", **grey))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9,
        frameon=False, handletextpad=0.1, columnspacing=1.2,
    )  # fmt: skip


def _panel_title(owner: int, rows: Columns, forced: Columns | None) -> str:
    """Return the heading of a panel."""
    n = len(rows["band"])
    parts = [f"{n} detection" + "s" * (n != 1)]
    if forced is not None:
        parts.append(f"{len(forced['band'])} forced")
    counts = ", ".join(parts)
    return f"DIAObject {owner} · {counts}" if owner else counts


def light_curve(
    detections: Any, forced: Any = None, *, title: str = "", max_panels: int = 6
) -> Figure:
    """Draw light curves, one panel an object.

    Parameters
    ----------
    detections : astropy Table, DataFrame or mapping of str to array_like
        DIASources: midpoint_mjd_tai [d], psf_flux, psf_flux_err [nJy] and band; a panel for
        each dia_object_id, if there is such a column.
    forced : astropy Table, DataFrame or mapping of str to array_like, optional
        Forced sources with the same columns.
    title : str
        Above the figure.
    max_panels : int
        At most this many objects are drawn: those with the most detections.

    Returns
    -------
    Figure
        Difference flux over time with one-sigma errors in each band; detections are filled,
        forced ones open; AB magnitudes at the right.

    Raises
    ------
    InvalidInput
        If a column is missing, or there is no detection.
    """
    rows = columns_of("detections", detections)
    forced_rows = None if forced is None else columns_of("forced sources", forced)
    if not len(rows["band"]):
        raise InvalidInput("there are no detections to draw")
    owners, count = np.unique(rows["dia_object_id"], return_counts=True)
    shown = owners[np.argsort(-count, kind="stable")][:max_panels].tolist()
    times = [rows["midpoint_mjd_tai"]]
    times += [] if forced_rows is None else [forced_rows["midpoint_mjd_tai"]]
    origin = float(np.floor(np.nanmin(np.concatenate(times))))
    figure = Figure(figsize=(8.5, 1.0 + 2.7 * len(shown)), layout="constrained")
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axes, owner in zip(panels, shown, strict=True):
        mine, theirs = _of_object(rows, owner), _of_object(forced_rows, owner)
        assert mine is not None
        draw_panel(axes, mine, theirs, origin, _panel_title(owner, mine, theirs))
    panels[-1].set_xlabel(f"midpoint MJD (TAI) − {origin:.0f} [d]", fontsize=9)
    figure.align_ylabels(panels)
    legend(figure, rows, forced_rows)
    figure.suptitle(title, fontsize=11)
    return figure
