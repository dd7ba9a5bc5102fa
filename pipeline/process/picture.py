"""A picture of science image, template and difference with what was found."""

from __future__ import annotations

import numpy as np
from astropy.table import Table
from astropy.visualization import AsinhStretch, ImageNormalize, ZScaleInterval
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline.exposure import UNUSABLE, Exposure
from pipeline.process.report import ProcessReport

#: Longest side of what is drawn: larger images are shown as means of squares [pixel].
_SHOWN = 1200
#: Okabe and Ito's vermilion, sky blue and orange.
_POSITIVE, _NEGATIVE, _FLAGGED = "#D55E00", "#56B4E9", "#E69F00"
#: Most sources that are labelled with their S/N.
_LABELLED = 12


def picture(report: ProcessReport) -> Figure:
    """Draw science image, template and difference, and mark what was found.

    Parameters
    ----------
    report : ProcessReport
        Of a visit whose products were kept.

    Returns
    -------
    matplotlib.figure.Figure
        Circles are positive sources, squares negative ones; dashed are those whose flags say that
        they are not to be trusted.
    """
    products, found = report.products, report.dia_sources
    assert products is not None
    assert found is not None
    science, template = products.calibrated.exposure, products.difference.matched_template
    difference = products.searched
    ny, nx = science.shape
    figure = Figure(figsize=(15.0, 15.0 / 3 * ny / nx + 1.2), layout="constrained")
    axes = figure.subplots(1, 3, sharex=True, sharey=True)
    titles = ("science", "template, matched", "difference")
    for ax, title, exposure in zip(axes, titles, (science, template, difference), strict=True):
        _show(ax, exposure, symmetric=title == "difference")
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("x [pixel]", fontsize=8)
        ax.tick_params(labelsize=7)
    axes[0].set_ylabel("y [pixel]", fontsize=8)
    for ax in (axes[0], axes[2]):
        _mark(ax, found, radius=max(12.0, 0.012 * max(nx, ny)))
    _label(axes[2], found, 0.018 * max(nx, ny))
    figure.suptitle(_title(report, science), fontsize=11)
    figure.text(
        0.995,
        0.005,
        "○ positive   □ negative   dashed: flagged   numbers: S/N",
        ha="right",
        fontsize=8,
        color="#555555",
    )
    return figure


def _title(report: ProcessReport, science: Exposure) -> str:
    band = "" if science.info is None else f" in {science.info.band}"
    n = report.n_dia_sources or 0
    seeing = "" if science.psf is None else f", FWHM {science.psf.fwhm:.1f} pixel"
    return f"visit {report.visit} detector {report.detector}{band}: {n} DIASources{seeing}"


def _show(ax: Axes, exposure: Exposure, *, symmetric: bool) -> None:
    step = max(1, -(-max(exposure.shape) // _SHOWN))
    image = np.where(exposure.masked(UNUSABLE), np.nan, exposure.image)
    ny, nx = (side // step * step for side in image.shape)
    small = image[:ny, :nx].reshape(ny // step, step, nx // step, step)
    with np.errstate(invalid="ignore"):
        seen = np.isfinite(small).sum(axis=(1, 3))
        shown = np.where(seen > 0, np.nansum(small, axis=(1, 3)) / np.maximum(seen, 1), np.nan)
    good = shown[np.isfinite(shown)]
    norm = None
    if len(good):
        norm = _norm(good, symmetric)
    colours = "gray" if symmetric else "gray_r"
    extent = (-0.5, nx - 0.5, -0.5, ny - 0.5)
    ax.set_facecolor("#CFE3F2")
    ax.imshow(
        shown, origin="lower", cmap=colours, norm=norm, extent=extent, interpolation="nearest"
    )


def _norm(good: NDArray[np.float32], symmetric: bool) -> ImageNormalize:
    if symmetric:
        limit = 6.0 * float(np.median(np.abs(good))) / 0.6745 or 1.0
        return ImageNormalize(vmin=-limit, vmax=limit, clip=False)
    low, high = ZScaleInterval().get_limits(good)
    high = max(float(np.percentile(good, 99.8)), high)
    return ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch(0.02), clip=False)


def _mark(ax: Axes, found: Table, radius: float) -> None:
    negative, doubtful = negatives(found), flagged(found)
    for chosen, colour, symbol in ((~negative, _POSITIVE, "o"), (negative, _NEGATIVE, "s")):
        for rows, style in ((chosen & ~doubtful, "-"), (chosen & doubtful, ":")):
            ax.scatter(
                found["x"][rows],
                found["y"][rows],
                s=60,
                marker=symbol,
                facecolors="none",
                edgecolors=colour,
                linewidths=1.1,
                linestyles=style,
            )
    ax.margins(radius * 0)


def _label(ax: Axes, found: Table, offset: float) -> None:
    good = np.flatnonzero(~flagged(found))
    best = good[np.argsort(-np.abs(np.nan_to_num(np.asarray(found["snr"])[good])))][:_LABELLED]
    for row in best:
        ax.annotate(
            f"{found['snr'][row]:.0f}",
            (found["x"][row] + offset, found["y"][row] + offset),
            fontsize=7,
            color=_FLAGGED,
            annotation_clip=True,
        )


def negatives(found: Table) -> NDArray[np.bool_]:
    """Tell which sources are negative.

    Parameters
    ----------
    found : Table
        DIASources.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    if "is_negative" in found.colnames:
        return np.asarray(found["is_negative"], bool)
    return np.asarray(np.nan_to_num(np.asarray(found["psf_flux"], float)) < 0)


#: Flags that keep a source from yielding an alert by default, or say that its flux is none.
_DOUBT = (
    *("centroid_flag", "psf_flux_flag", "glint_trail", "pixel_flags_cr_center"),
    *("pixel_flags_nodata_center", "pixel_flags_saturated_center", "pixel_flags_streak_center"),
    *("pixel_flags_suspect_center", "pixel_flags_interpolated_center", "pixel_flags_bad"),
)


def flagged(found: Table) -> NDArray[np.bool_]:
    """Tell which sources have flags that say they are not to be trusted.

    Parameters
    ----------
    found : Table
        DIASources.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    doubtful = np.zeros(len(found), bool)
    for name in _DOUBT:
        if name in found.colnames:
            doubtful |= np.asarray(found[name], bool)
    return doubtful
