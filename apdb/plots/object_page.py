"""One page about an object: fluxes, magnitudes, folded light curve, positions, stamps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure

from apdb.errors import InvalidInput
from apdb.plots.bands import band_order, band_style
from apdb.plots.light_curve import (
    AB_ZERO_POINT,
    Columns,
    columns_of,
    draw_panel,
    draw_points,
    legend,
    names_of,
)

#: Below this flux over error a point is an upper limit, drawn at so many errors.
LIMIT = 3.0
_PLACE = ("ra", "dec", "ra_err", "dec_err", "ra_dec_cov")


def object_page(
    detections: Any,
    forced: Any = None,
    *,
    frequency: float | None = None,
    frequency_of: str = "",
    stamps: Mapping[str, Any] | None = None,
    title: str = "",
) -> Figure:
    """Draw what is known of one object.

    Parameters
    ----------
    detections : astropy Table, DataFrame or mapping of str to array_like
        Its DIASources: midpoint_mjd_tai [d], psf_flux, psf_flux_err [nJy], band, ra, dec [deg];
        optional ra_err (with the factor cos(dec)), dec_err [deg] and ra_dec_cov [deg^2].
    forced : astropy Table, DataFrame or mapping of str to array_like, optional
        Its forced sources: the first four of these columns.
    frequency : float, optional
        Frequency to fold at [1/d].
    frequency_of : str
        Where the frequency is from, for the heading of that panel.
    stamps : mapping of str to CCDData or array, optional
        Images of the last detection by kind, drawn side by side.
    title : str
        Above the figure.

    Returns
    -------
    Figure
        Difference flux and AB magnitude over time, the flux over phase if there is a frequency,
        the positions about their mean with one-sigma ellipses, and the stamps if there are any.

    Raises
    ------
    InvalidInput
        If a column is missing, there is no detection, or the frequency is not above 0.
    """
    rows = columns_of("detections", detections)
    forced_rows = None if forced is None else columns_of("forced sources", forced)
    if not len(rows["band"]):
        raise InvalidInput("there are no detections to draw")
    if frequency is not None and not (np.isfinite(frequency) and frequency > 0):
        raise InvalidInput(f"cannot fold at a frequency of {frequency}; it must be above 0")
    times = [rows["midpoint_mjd_tai"]]
    times += [] if forced_rows is None else [forced_rows["midpoint_mjd_tai"]]
    origin = float(np.floor(np.nanmin(np.concatenate(times))))

    below = ["phase"] * 3 + ["sky"] * 3 if frequency is not None else ["sky"] * 6
    layout: list[Any] = [["flux"] * 6, ["magnitude"] * 6, below]
    shown = {} if stamps is None else dict(list(stamps.items())[:3])
    if shown:
        layout.append([kind for kind in shown for _ in range(6 // len(shown))])
    figure = Figure(figsize=(9.0, 3.1 * len(layout)), layout="constrained")
    panels = figure.subplot_mosaic(layout, height_ratios=[2.6, 2.6, *[3.2] * (len(layout) - 2)])
    draw_panel(panels["flux"], rows, forced_rows, origin, "difference flux")
    _draw_magnitudes(panels["magnitude"], rows, forced_rows, origin)
    panels["magnitude"].sharex(panels["flux"])
    if frequency is not None:
        _draw_folded(panels["phase"], rows, forced_rows, frequency, frequency_of)
    _draw_positions(panels["sky"], _places(detections), rows["band"])
    for kind, stamp in shown.items():
        _draw_stamp(panels[kind], stamp, kind)
    legend(figure, rows, forced_rows)
    figure.suptitle(title, fontsize=11)
    return figure


def _places(given: Any) -> Columns:
    """Return the columns of positions; unknown errors are NaN."""
    missing = [name for name in ("ra", "dec") if name not in names_of(given)]
    if missing:
        raise InvalidInput(f"detections lack {', '.join(missing)}: their positions are drawn")
    n = len(given["ra"])
    return {
        name: np.asarray(np.ma.filled(np.ma.asarray(given[name]).astype(float), np.nan), float)
        if name in names_of(given)
        else np.full(n, np.nan)
        for name in _PLACE
    }


def _draw_magnitudes(axes: Axes, rows: Columns, forced: Columns | None, origin: float) -> None:
    """Draw AB magnitudes of what is brighter than the template, and upper limits of the rest."""
    for columns, is_forced in ((forced, True), (rows, False)):
        if columns is not None:
            for band in band_order(columns["band"].tolist()):
                _draw_band(axes, columns, band, origin, is_forced)
    axes.invert_yaxis()
    axes.set_xlabel(f"midpoint MJD (TAI) − {origin:.0f} [d]", fontsize=9)
    axes.set_ylabel("AB magnitude of the difference", fontsize=9)
    text = f"magnitude; arrows: {LIMIT:g}-sigma upper limits"
    axes.set_title(text, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)


def _draw_band(axes: Axes, columns: Columns, band: str, origin: float, forced: bool) -> None:
    here = columns["band"] == band
    flux, error = columns["psf_flux"][here], columns["psf_flux_err"][here]
    days = columns["midpoint_mjd_tai"][here] - origin
    measured = flux >= LIMIT * error
    limited = np.isfinite(flux) & (error > 0) & ~measured
    colour, symbol = band_style(band)
    axes.errorbar(
        days[measured], magnitude(flux[measured]),
        yerr=2.5 / np.log(10.0) * error[measured] / flux[measured],
        ls="", marker=symbol, color=colour, elinewidth=0.8,
        ms=(4.0 if forced else 5.5) * (1.4 if symbol == "*" else 1.0),
        mfc="white" if forced else colour, mec=colour if forced else "white",
        mew=0.8 if forced else 0.4, alpha=0.55 if forced else 1.0, zorder=2 if forced else 3,
    )  # fmt: skip
    axes.plot(
        days[limited], magnitude(LIMIT * error[limited]),
        ls="", marker="$\\downarrow$", ms=6.0, color=colour, alpha=0.35, zorder=1,
    )  # fmt: skip


def magnitude(flux: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return AB magnitudes.

    Parameters
    ----------
    flux : ndarray of float
        Fluxes above 0 [nJy].

    Returns
    -------
    ndarray of float
        Their magnitudes.
    """
    return AB_ZERO_POINT - 2.5 * np.log10(flux)


def _draw_folded(
    axes: Axes, rows: Columns, forced: Columns | None, frequency: float, origin: str
) -> None:
    """Draw the flux over two turns of the phase, which is 0 at the first detection."""
    start = float(np.nanmin(rows["midpoint_mjd_tai"]))
    axes.axhline(0.0, color="#999999", lw=0.8, zorder=1)
    for columns, is_forced in ((forced, True), (rows, False)):
        if columns is None:
            continue
        phase = (columns["midpoint_mjd_tai"] - start) * frequency % 1.0
        for turn in (0.0, 1.0):
            draw_points(axes, columns | {"midpoint_mjd_tai": phase + turn}, 0.0, is_forced)
    axes.set_xlim(-0.02, 2.02)
    axes.set_xlabel("phase", fontsize=9)
    axes.set_ylabel("PSF difference flux [nJy]", fontsize=9)
    axes.ticklabel_format(axis="y", scilimits=(-3, 5), useMathText=True)
    axes.tick_params(labelsize=8)
    text = f"folded at {1 / frequency:.6g} d" + (f" ({origin})" if origin else "")
    axes.set_title(text, fontsize=9, loc="left")


def _draw_positions(axes: Axes, places: Columns, bands: npt.NDArray[Any]) -> None:
    """Draw the offsets from the mean position, east to the left, with one-sigma ellipses."""
    turn = places["ra"] - places["ra"][0]
    # The short way round, also over RA 0.
    turn = (turn + 180.0) % 360.0 - 180.0
    middle = float(places["dec"].mean())
    x = (turn - turn.mean()) * np.cos(np.radians(middle)) * 3600.0
    y = (places["dec"] - middle) * 3600.0
    known = np.isfinite(places["ra_err"]) & np.isfinite(places["dec_err"])
    colours = np.array([band_style(str(band))[0] for band in bands])
    if known.any():
        width, height, angle = _ellipses({name: c[known] for name, c in places.items()})
        axes.add_collection(
            EllipseCollection(
                width, height, angle, units="xy", offsets=np.column_stack([x, y])[known],
                offset_transform=axes.transData, facecolors="none", edgecolors=colours[known],
                linewidths=0.7, alpha=0.6,
            )
        )  # fmt: skip
    axes.scatter(x, y, c=colours.tolist(), s=9, zorder=3)
    axes.plot(0.0, 0.0, marker="+", ms=10, color="black", zorder=4)
    half = 1.3 * max(float(np.hypot(x, y).max()), 3600.0 * _largest(places), 0.02)
    axes.set(xlim=(half, -half), ylim=(-half, half), aspect="equal")
    axes.set_xlabel("east of the mean [arcsec]", fontsize=9)
    axes.set_ylabel("north [arcsec]", fontsize=9)
    axes.tick_params(labelsize=8)
    scatter = float(np.sqrt((x**2 + y**2).mean() / 2.0)) * 1000.0
    text = f"positions: scatter {scatter:.0f} mas per axis" if len(x) > 1 else "position"
    axes.set_title(text, fontsize=9, loc="left")


def _largest(places: Columns) -> float:
    """Return the largest error of a position [deg]; 0 if none is known."""
    return float(np.nan_to_num(np.maximum(places["ra_err"], places["dec_err"])).max())


def _ellipses(places: Columns) -> tuple[Any, Any, Any]:
    """Return full axes [arcsec] and angle [deg] of the one-sigma ellipses."""
    covariance = np.nan_to_num(places["ra_dec_cov"])
    matrix = np.empty((len(covariance), 2, 2))
    matrix[:, 0, 0], matrix[:, 1, 1] = places["ra_err"] ** 2, places["dec_err"] ** 2
    matrix[:, 0, 1] = matrix[:, 1, 0] = covariance
    values, vectors = np.linalg.eigh(matrix)
    axes = 2.0 * 3600.0 * np.sqrt(np.clip(values, 0.0, None))
    angle = np.degrees(np.arctan2(vectors[:, 1, 1], vectors[:, 0, 1]))
    return axes[:, 1], axes[:, 0], angle


def _draw_stamp(axes: Axes, stamp: Any, kind: str) -> None:
    """Draw one image between its low and high percentiles."""
    image = np.asarray(getattr(stamp, "data", stamp), float)
    low, high = np.nanpercentile(image, [1.0, 99.5])
    axes.imshow(image, origin="lower", cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    axes.set_title(kind, fontsize=9, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])
