"""The report of a study: Markdown and a few pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from apdb.plots import save
from pipeline.fakes import Efficiency
from pipeline.study.figures import draw_efficiency, draw_fluxes, draw_maps, draw_stamps
from pipeline.study.measures import clustering, efficiency, objects, photometry, purity
from pipeline.study.run import DISQUALIFYING, Study, together

_DPI = 70
_SHAPE = (1024, 1024)


def write_report(study: Study, folder: Path, command: str) -> Path:
    """Write a report.

    Parameters
    ----------
    study : Study
        Results.
    folder : Path
        Is made if it does not exist.
    command : str
        What made the study, for the reader.

    Returns
    -------
    Path
        The Markdown file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series = sorted({str(each["series"]) for each in study.images})
    drawn = {
        "efficiency": draw_efficiency(study, series),
        "maps": draw_maps(study, series),
        "fluxes": draw_fluxes(study, series),
        "stamps": draw_stamps(study),
    }
    for name, figure in drawn.items():
        save(figure, folder / f"{name}.png", dpi=_DPI)
    parts = [_head(study, series, command)]
    for name in series:
        parts.append(f"## {name}\n")
        parts += [
            _counts(study, name),
            _efficiencies(study, name),
            _contamination(study, name),
            _photometry(study, name),
            _objects(study, name),
            _clusters(study, name),
            _failures(study, name),
        ]
    parts.append(_figures())
    path = folder / "flavours.md"
    path.write_text("\n".join(part for part in parts if part))
    return path


def _head(study: Study, series: list[str], command: str) -> str:
    n = {name: len({i["name"] for i in study.images if i["series"] == name}) for name in series}
    images = ", ".join(f"{count} images of {name}" for name, count in n.items())
    return (
        "# Flavours of image subtraction\n\n"
        f"Made by `{command}`, after the plan of DMTN-256. {images}; the same fakes were injected "
        "into all images of a field, into the template too (20%), and searched by every flavour. "
        "S/N of a fake is its flux over the error of a point source in the difference of the "
        f"reference flavour, `{study.config.flavours[0]}`, with the noise of blank sky; detection "
        f"threshold {study.config.threshold:g}. "
        f"*Unflagged* means none of {', '.join(f'`{name}`' for name in DISQUALIFYING)}; "
        f"*reliable* means reliability of model {study.version} at least {study.cut:.2f}. "
        "Brackets are 68% intervals (Jeffreys).\n"
    )


def table_of(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table with its title.

    Parameters
    ----------
    title : str
        Above it.
    head : tuple of str
        Names of the columns.
    rows : sequence of tuple of str
        Cells.

    Returns
    -------
    str
    """
    lines = [f"**{title}**\n", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _each(study: Study, series: str) -> list[tuple[str, Table, Table, int]]:
    """Return flavour, sources, fakes and number of images."""
    sources, fakes = together(study.sources), together(study.fakes)
    found: list[tuple[str, Table, Table, int]] = []
    for flavour in study.config.flavours:
        these, those = (
            table[
                (np.asarray(table["series"]) == series) & (np.asarray(table["flavour"]) == flavour)
            ]
            for table in (sources, fakes)
        )
        found.append((flavour, these, those, len(set(those["name"]))))
    return found


def _counts(study: Study, series: str) -> str:
    """Count detections and flags, by band."""
    rows = []
    for flavour, sources, _fakes, _n in _each(study, series):
        for band in sorted(set(sources["band"])):
            these = sources[np.asarray(sources["band"]) == band]
            flagged = np.asarray(these["flagged"], bool)
            reliable = np.asarray(these["reliability"]) >= study.cut
            rows.append(
                (
                    flavour, band, str(len(these)), str(int(np.sum(these["is_negative"]))),
                    f"{flagged.mean():.0%}", str(int(reliable.sum())),
                    str(int((reliable & ~flagged).sum())), str(int(np.sum(these["is_dipole"]))),
                    _flags(these),
                )
            )  # fmt: skip
    head = (
        "flavour", "band", "sources", "negative", "flagged", "reliable", "reliable, unflagged",
        "dipoles", "most frequent flags",
    )  # fmt: skip
    return table_of("Counts and flags", head, rows)


def _flags(sources: Table) -> str:
    """Return the flags that are set most."""
    names = [name for name in DISQUALIFYING if name in sources.colnames]
    share = {name: float(np.mean(sources[name])) for name in names} if len(sources) else {}
    most = sorted(((value, name) for name, value in share.items() if value > 0), reverse=True)[:3]
    return ", ".join(f"{name.removeprefix('pixel_flags_')} {value:.0%}" for value, name in most)


def _efficiencies(study: Study, series: str) -> str:
    """Return S/N at half efficiency, and efficiency at S/N 6 and 8."""
    rows = []
    for flavour, _sources, fakes, _n in _each(study, series):
        cells = [flavour]
        for selection in ("found", "passed", "reliable"):
            found = efficiency(fakes, selection)
            cells.append(_half(found))
        for centre in (6.0, 8.0):
            near = fakes[np.abs(np.asarray(fakes["snr"]) - centre) < 0.75]
            cells.append(f"{np.mean(near['reliable']):.0%} of {len(near)}" if len(near) else "")
        found = efficiency(fakes, "reliable", "mag")
        cells.append(_half(found))
        rows.append(tuple(cells))
    head = (
        "flavour", "half, all", "half, unflagged", "half, reliable", "reliable at S/N 6",
        "reliable at S/N 8", "half, reliable [mag]",
    )  # fmt: skip
    return table_of("S/N at half efficiency, and efficiency", head, rows)


def _half(found: Efficiency | None) -> str:
    """Return where the efficiency is a half, and how high it gets if that is not all."""
    if found is None or not found.plateau > 0.5:
        return "not reached"
    last = float(found.bins["high"][-1])
    if not abs(found.half) < last or found.half_err > 1.0:
        return "no fit: flags do not follow brightness"
    level = f" (up to {found.plateau:.0%})" if found.plateau < 0.95 else ""
    return f"{found.half:.2f} ± {found.half_err:.2f}{level}"


def _contamination(study: Study, series: str) -> str:
    """Return false detections per image, and purity."""
    rows = []
    for flavour, sources, _fakes, n in _each(study, series):
        other = np.asarray(sources["kind"]) == "other"
        flagged = np.asarray(sources["flagged"], bool)
        reliable = np.asarray(sources["reliability"]) >= study.cut
        near = np.abs(np.asarray(sources["snr"]) - 6.0) < 0.75
        parts = (np.ones(len(sources), bool), ~flagged, reliable, reliable & ~flagged)
        cells = [flavour, *(f"{(other & chosen).sum() / max(n, 1):.1f}" for chosen in parts)]
        for chosen in (reliable, reliable & near):
            fraction, low, high = purity(sources, chosen)
            cells.append(f"{fraction:.1%} [{low:.0%}, {high:.0%}]")
        rows.append(tuple(cells))
    head = (
        "flavour", "false per image", "unflagged", "reliable", "both", "purity, reliable",
        "purity at S/N 6, reliable",
    )  # fmt: skip
    return table_of("Contamination", head, rows)


def _photometry(study: Study, series: str) -> str:
    rows = []
    for flavour, _sources, fakes, _n in _each(study, series):
        for part, use in (("all", fakes["found"]), ("unflagged", fakes["passed"])):
            these = fakes[np.asarray(use, bool)]
            these["passed"] = True
            got = photometry(these)
            if not np.isfinite(got.scatter):
                rows.append((flavour, part, str(got.n), "", "", "", ""))
                continue
            rows.append(
                (
                    flavour, part, str(got.n), f"{got.offset:+.3f}", f"{got.scatter:.3f}",
                    f"{got.pull_mean:+.2f}", f"{got.pull_width:.2f}",
                )
            )  # fmt: skip
    head = ("flavour", "fakes", "n", "offset [mag]", "scatter [mag]", "pull", "its width")
    return table_of("Fluxes of fakes above S/N 10", head, rows)


def _objects(study: Study, series: str) -> str:
    rows = []
    for flavour, sources, _fakes, _n in _each(study, series):
        reliable = np.asarray(sources["reliability"]) >= study.cut
        for part, use in (("all", np.ones(len(sources), bool)), ("reliable", reliable)):
            got = objects(sources[use], 1.0)
            rows.append(
                (
                    flavour, part, str(got.n), f"{got.single:.0%}", f"{got.n_sources:.2f}",
                    f"{got.rms:.3f}",
                )
            )  # fmt: skip
    head = ("flavour", "sources", "objects", "seen once", "sources of others", "rms [arcsec]")
    return table_of("Objects: detections within 1 arcsec", head, rows)


def _clusters(study: Study, series: str) -> str:
    rows = []
    for flavour, sources, _fakes, _n in _each(study, series):
        shares = [
            float(i["bright_share"])  # type: ignore[arg-type]
            for i in study.images
            if i["series"] == series and "bright_share" in i
        ]
        false = sources[np.asarray(sources["kind"]) == "other"]
        share = float(np.mean(shares)) if shares else 0.0
        got = clustering(false, _SHAPE, study.config.row_bin, share)
        rows.append(
            (
                flavour, str(len(false)), f"{got.rows:.2f} ({got.rows_p:.1g})",
                f"{got.columns:.2f} ({got.columns_p:.1g})", f"{got.bright:.1f}",
            )
        )  # fmt: skip
    head = ("flavour", "false", "rows (p)", "columns (p)", "density near bright stars")
    title = "Clustering of false detections: variance over mean in strips, and density ratio"
    return table_of(title, head, rows)


def _failures(study: Study, series: str) -> str:
    """List searches that failed."""
    failed = [each for each in study.images if each["series"] == series and "failure" in each]
    lines = [f"- {each['flavour']} on {each['name']}: {each['failure']}" for each in failed]
    return "Failures:\n\n" + "\n".join(lines) + "\n" if lines else ""


def _figures() -> str:
    return (
        "## Figures\n\n"
        "Efficiency above the cut (dotted: all that was found).\n\n![](efficiency.png)\n\n"
        "Where sources are, all images of a series together.\n\n![](maps.png)\n\n"
        "Fluxes of all sources, and errors of the fluxes of fakes.\n\n![](fluxes.png)\n\n"
        "Differences in sigmas: six fakes, and the false detections with the highest "
        "reliability.\n\n![](stamps.png)\n"
    )
