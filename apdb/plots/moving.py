"""Figures of a simulated survey of the moving sky, and of what was found in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from apdb.plots.save import save

if TYPE_CHECKING:
    from pipeline.moving.recover import Recovery

#: Okabe and Ito's colours, one a class.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000")
_GREY = "#999999"


def draw_recovery(found: Recovery, folder: str | Path) -> list[Path]:
    """Draw sky tracks, residuals, recovered elements and completeness.

    Parameters
    ----------
    found : Recovery
        A survey and what was found in it.
    folder : str or Path
        Where the figures go.

    Returns
    -------
    list of Path
        The files.
    """
    place = Path(folder)
    drawn = {
        "tracks": tracks(found),
        "residuals": residuals(found),
        "elements": elements(found),
        "completeness": completeness(found),
    }
    return [save(figure, place / f"moving-{name}.png") for name, figure in drawn.items()]


def tracks(found: Recovery) -> Figure:
    """Draw linked detections on the sky, joined along their tracks.

    Parameters
    ----------
    found : Recovery
        A survey and what was found in it.

    Returns
    -------
    Figure
    """
    from pipeline.moving.population import CLASSES

    sky = found.sky.found
    figure = Figure(figsize=(8.0, 6.4), layout="constrained")
    axes = figure.add_subplot()
    centre = float(np.median(found.sky.visits.ra)) if len(found.sky.visits.ra) else 180.0
    ra = (sky.ra - centre + 180.0) % 360.0 - 180.0 + centre
    free = found.sky.truth < 0
    axes.plot(ra[free], sky.dec[free], ",", color=_GREY, alpha=0.4, rasterized=True)
    shown: set[int] = set()
    for i in range(len(found.linkages)):
        rows = found.linkages.groups[i]
        rows = rows[np.argsort(sky.mjd_tdb[rows])]
        owner = int(found.owner[i])
        kind = int(found.sky.population.kind[owner]) if owner >= 0 else -1
        label = None if kind in shown else CLASSES[kind] if kind >= 0 else "not of one object"
        shown.add(kind)
        axes.plot(
            ra[rows], sky.dec[rows], ".-", ms=2.5, lw=0.6, label=label,
            color=_COLOURS[kind] if kind >= 0 else "red",
        )  # fmt: skip
    axes.set(xlabel="right ascension [deg]", ylabel="declination [deg]")
    axes.set_title(f"{len(found.linkages)} objects linked over {found.n_tracklets:,} tracklets")
    axes.invert_xaxis()
    if shown:
        axes.legend(loc="upper right", fontsize=8, markerscale=2)
    return figure


def residuals(found: Recovery) -> Figure:
    """Draw normalised residuals of the fits.

    Parameters
    ----------
    found : Recovery
        A survey and what was found in it.

    Returns
    -------
    Figure
    """
    figure = Figure(figsize=(8.0, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    parts = [
        (fit.residuals / found.sky.found.sigma[found.linkages.groups[i], None])[fit.used]
        for i, fit in enumerate(found.fits)
        if fit.good
    ]
    both = np.concatenate([np.zeros((0, 2)), *parts])
    bins = np.linspace(-5, 5, 61)
    for axis, name in enumerate(("east", "north")):
        left.hist(both[:, axis], bins=bins, histtype="step", label=name, color=_COLOURS[axis])
    curve = np.exp(-(bins**2) / 2) / np.sqrt(2 * np.pi) * len(both) * (bins[1] - bins[0])
    left.plot(bins, curve, color=_GREY, lw=1, label="normal")
    left.set(xlabel="observed minus computed, in sigma", ylabel="detections")
    left.legend(fontsize=8)
    rms = [fit.rms for fit in found.fits if fit.good]
    right.hist(rms, bins=np.linspace(0, 2, 41), color=_COLOURS[0])
    right.set(xlabel="rms of an orbit, in sigma", ylabel="orbits")
    return figure


def elements(found: Recovery) -> Figure:
    """Draw how near fitted elements are to the true ones.

    Parameters
    ----------
    found : Recovery
        A survey and what was found in it.

    Returns
    -------
    Figure
    """
    from pipeline.moving.population import CLASSES
    from pipeline.moving.recover import relative_error

    fitted, true, kind = found.elements()
    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for k, name in enumerate(CLASSES):
        mine = kind == k
        style = {"color": _COLOURS[k], "ms": 3.0, "ls": "", "marker": "."}
        distance = np.where(true.e < 1.0, np.abs(true.a), true.q)[mine]
        off = relative_error(np.where(true.e < 1.0, fitted.a, fitted.q),
                             np.where(true.e < 1.0, true.a, true.q))[mine]  # fmt: skip
        left.loglog(distance, np.maximum(off, 1e-8), label=name, **style)
        middle.semilogy(true.e[mine], np.maximum(abs(fitted.e - true.e)[mine], 1e-8), **style)
        right.semilogy(true.i[mine], np.maximum(abs(fitted.i - true.i)[mine], 1e-8), **style)
    left.set(xlabel="a, or q of hyperbolas [au]", ylabel="relative error of the same")
    middle.set(xlabel="eccentricity", ylabel="error of it")
    right.set(xlabel="inclination [deg]", ylabel="error of it [deg]")
    left.legend(fontsize=7)
    return figure


def completeness(found: Recovery) -> Figure:
    """Draw how many objects of each class were found.

    Parameters
    ----------
    found : Recovery
        A survey and what was found in it.

    Returns
    -------
    Figure
    """
    counts = {name: c for name, c in found.completeness().items() if c[1]}
    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    axes = figure.add_subplot()
    part = [100.0 * n / of for n, of in counts.values()]
    bars = axes.barh(list(counts), part, color=_COLOURS[: len(counts)])
    axes.bar_label(bars, [f"{n} of {of}" for n, of in counts.values()], padding=3, fontsize=8)
    axes.axvline(95.0, color=_GREY, lw=1, ls="--")
    axes.set(xlim=(0, 115), xlabel="found, of those seen twice on three nights or more [%]")
    axes.set_xticks(range(0, 101, 20))
    axes.invert_yaxis()
    axes.set_title(f"purity of the linkages {100 * found.purity:.1f}%", fontsize=10)
    return figure
