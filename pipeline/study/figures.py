"""Figures of a study."""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure

from pipeline.study.config import FLAVOURS
from pipeline.study.measures import efficiency
from pipeline.study.run import Study, together

COLOURS: dict[str, str] = dict(zip(FLAVOURS, ("C0", "C1", "C2", "C3", "C4"), strict=True))
_KINDS = {"other": ("0.25", "o", 9.0), "true": ("C0", "s", 9.0), "fake": ("C2", "+", 14.0)}


def _part(table: Table, **wanted: str) -> Table:
    """Return rows with these values."""
    use = np.ones(len(table), bool)
    for name, value in wanted.items():
        use &= np.asarray(table[name]) == value
    return table[use]


def draw_efficiency(study: Study, series: list[str]) -> Figure:
    """Draw the efficiency against S/N and magnitude, of what is above the cut.

    Parameters
    ----------
    study : Study
        Results.
    series : list of str
        A row of panels each.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(8.0, 2.9 * len(series)), layout="constrained")
    panels = figure.subplots(len(series), 2, squeeze=False)
    fakes = together(study.fakes)
    for row, name in zip(panels, series, strict=True):
        for axes, by in zip(row, ("snr", "mag"), strict=True):
            for flavour in study.config.flavours:
                _draw_one(axes, _part(fakes, series=name, flavour=flavour), by, flavour)
            axes.axhline(0.5, color="0.8", linewidth=0.8, zorder=0)
            axes.set(ylim=(-0.03, 1.05), ylabel="efficiency", title=name)
            axes.set_xlabel("S/N in the reference difference" if by == "snr" else "AB magnitude")
    panels[0, 0].legend(fontsize="x-small", frameon=False)
    return figure


def _draw_one(axes: Any, fakes: Table, by: str, flavour: str) -> None:
    """Draw one curve: found above the cut, and dotted all that was found."""
    for selection, style in (("reliable", "o-"), ("found", ":")):
        found = efficiency(fakes, selection, by)
        if found is None:
            continue
        bins = found.bins[np.asarray(found.bins["n"]) > 0]
        middle = 0.5 * (np.asarray(bins["low"]) + np.asarray(bins["high"]))
        label = flavour if selection == "reliable" else None
        axes.plot(
            middle, bins["fraction"], style, color=COLOURS[flavour], markersize=3, linewidth=1,
            label=label,
        )  # fmt: skip
        if selection == "reliable" and flavour == FLAVOURS[0]:
            axes.fill_between(
                middle, bins["fraction_low"], bins["fraction_high"], color="C0", alpha=0.15
            )


def draw_maps(study: Study, series: list[str]) -> Figure:
    """Draw where sources are on the images, all images of a series in one map.

    Parameters
    ----------
    study : Study
        Results.
    series : list of str
        A row of panels each.

    Returns
    -------
    matplotlib.figure.Figure
    """
    flavours = study.config.flavours
    figure = Figure(figsize=(2.5 * len(flavours), 2.8 * len(series)), layout="constrained")
    panels = figure.subplots(len(series), len(flavours), squeeze=False, sharex="row", sharey="row")
    sources = together(study.sources)
    for row, name in zip(panels, series, strict=True):
        for axes, flavour in zip(row, flavours, strict=True):
            rows = _part(sources, series=name, flavour=flavour)
            for kind, (colour, marker, size) in _KINDS.items():
                these = rows[np.asarray(rows["kind"]) == kind]
                axes.scatter(
                    these["x"], these["y"], size, color=colour, marker=marker, linewidth=0.6,
                    label=kind, alpha=0.7, edgecolor=None if marker == "+" else "none",
                )  # fmt: skip
            axes.set_title(f"{name}\n{flavour}", fontsize="x-small")
            axes.set_aspect("equal")
            axes.tick_params(labelsize="xx-small")
    panels[0, 0].legend(fontsize="xx-small", loc="lower left")
    return figure


def draw_fluxes(study: Study, series: list[str]) -> Figure:
    """Draw histograms of the S/N of fluxes, and errors of the fluxes of fakes.

    Parameters
    ----------
    study : Study
        Results.
    series : list of str
        A row of panels each.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = Figure(figsize=(8.0, 2.9 * len(series)), layout="constrained")
    panels = figure.subplots(len(series), 2, squeeze=False)
    sources, fakes = together(study.sources), together(study.fakes)
    for row, name in zip(panels, series, strict=True):
        for flavour in study.config.flavours:
            rows = _part(sources, series=name, flavour=flavour)
            flux = np.asarray(rows["psf_flux"], float)
            height = np.arcsinh(flux / np.nanmedian(np.abs(flux))) if len(flux) else flux
            row[0].hist(
                height[np.isfinite(height)], np.linspace(-6, 6, 61), histtype="step",
                color=COLOURS[flavour], label=flavour, linewidth=1,
            )  # fmt: skip
            these = _part(fakes, series=name, flavour=flavour)
            these = these[np.asarray(these["found"], bool)]
            sign = np.where(these["in_template"], -1.0, 1.0)
            with np.errstate(invalid="ignore", divide="ignore"):
                error = -2.5 * np.log10(sign * these["psf_flux"] / these["flux"])
            row[1].plot(these["snr"], error, ".", color=COLOURS[flavour], markersize=2, alpha=0.6)
        row[0].set(xlabel="arcsinh(flux / median of |flux|)", ylabel="sources", title=name)
        row[0].set_yscale("log")
        row[1].axhline(0.0, color="0.6", linewidth=0.8)
        row[1].set(
            xlabel="S/N of the fake", ylabel="measured - true [mag]", xscale="log", ylim=(-1, 1)
        )
    panels[0, 0].legend(fontsize="xx-small", frameon=False)
    return figure


def draw_stamps(study: Study) -> Figure:
    """Draw differences of some fakes, and of what is taken for real with the least right.

    Parameters
    ----------
    study : Study
        Results.

    Returns
    -------
    matplotlib.figure.Figure
    """
    flavours = study.config.flavours
    figure = Figure(figsize=(9.0, 0.95 * len(flavours)), layout="constrained")
    panels = figure.subplots(len(flavours), 12, squeeze=False)
    for row, flavour in zip(panels, flavours, strict=True):
        for half, kind in enumerate(("fake", "other")):
            these = [each for each in study.stamps if each[:2] == (flavour, kind)]
            for axes, each in zip(row[6 * half : 6 * half + 6], these, strict=False):
                axes.imshow(each[3], vmin=-5, vmax=10, cmap="gray", origin="lower")
                axes.set_title(f"{kind} {each[2]:.2f}", fontsize=5, pad=1)
        row[0].set_ylabel(flavour.replace("_", "\n"), fontsize=5)
        for axes in row:
            axes.set(xticks=[], yticks=[])
            axes.set_frame_on(False)
    return figure
