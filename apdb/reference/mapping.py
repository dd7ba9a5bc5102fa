"""Columns of a reference catalogue as its file has them, made those of `reference_object`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.errors import InvalidInput
from apdb.input.containers import RawColumn
from apdb.schema.catalogue import table

JULIAN_YEAR = "jyear"
"""Unit of times given as Julian years, such as 2016.0."""

DERIVED = {
    "ra_dec_corr": "correlation of ra and dec, instead of ra_dec_cov",
    "pm_ra_dec_corr": "correlation of the proper motions, instead of pm_ra_dec_cov",
    "semi_major": "rms radius along the major axis [arcsec], with the next two instead of moments",
    "semi_minor": "rms radius along the minor axis [arcsec]",
    "position_angle": "of the major axis, north through east [deg]",
}
"""What a file may have in the place of columns of the table, and what it is."""

_DERIVED_UNITS = {"semi_major": "arcsec", "semi_minor": "arcsec", "position_angle": "deg"}

PRESETS: Mapping[str, tuple[tuple[str, ...], str | None]] = {
    "gaia": (
        (
            "reference_object_id=source_id",
            "ra=ra",
            "dec=dec",
            "epoch_mjd_tai=ref_epoch:jyear",
            "ra_err=ra_error:mas",
            "dec_err=dec_error:mas",
            "ra_dec_corr=ra_dec_corr",
            "pm_ra=pmra",
            "pm_dec=pmdec",
            "pm_ra_err=pmra_error",
            "pm_dec_err=pmdec_error",
            "pm_ra_dec_corr=pmra_pmdec_corr",
            "parallax=parallax",
            "parallax_err=parallax_error",
        ),
        "star",
    ),
}
"""Columns of well-known catalogues, where the file has them, and what all its objects are."""


@dataclass(frozen=True)
class Source:
    """Where a column comes from.

    Attributes
    ----------
    name : str
        Column of the file.
    unit : str or None
        Unit that it is in, where the file does not say or is wrong; or `JULIAN_YEAR`.
    """

    name: str
    unit: str | None = None


def julian_year(years: Any) -> Any:
    """Return Julian years as MJD TAI.

    TCB, TDB and TAI are taken for one: they differ by less than two minutes.

    Parameters
    ----------
    years : float or ndarray
        Such as 2016.0.

    Returns
    -------
    float or ndarray
        MJD [d].
    """
    return 51544.5 + (years - 2000.0) * 365.25


def parse_epoch(text: str | float) -> float:
    """Return the epoch of a catalogue as MJD TAI.

    Parameters
    ----------
    text : str or float
        Julian year such as J2016.0, or MJD.

    Returns
    -------
    float
        MJD TAI [d].

    Raises
    ------
    InvalidInput
        It is neither.
    """
    try:
        if isinstance(text, str) and text[:1] in "jJ":
            found = float(julian_year(float(text[1:])))
        else:
            found = float(text)
    except ValueError:
        found = float("nan")
    if not 15000.0 <= found <= 150000.0:
        raise InvalidInput(f"epoch {text}: give a Julian year such as J2016.0, or an MJD")
    return found


def parse_columns(texts: Iterable[str]) -> dict[str, Source]:
    """Return what ``NAME=COLUMN`` and ``NAME=COLUMN:UNIT`` say.

    Parameters
    ----------
    texts : iterable of str
        Name of a column of `reference_object` or of `DERIVED`, and the column of the file.

    Returns
    -------
    dict of str to Source

    Raises
    ------
    InvalidInput
        A text is not of that form, or names no such column or unit.
    """
    from astropy import units as u

    known = known_columns()
    found: dict[str, Source] = {}
    for text in texts:
        name, equals, source = text.partition("=")
        column, _, unit = source.partition(":")
        if not (equals and name and column):
            raise InvalidInput(f"--column {text}: give NAME=COLUMN or NAME=COLUMN:UNIT")
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
            hint = (
                f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known)}"
            )
            raise InvalidInput(f"--column {text}: reference_object has no column {name}; {hint}")
        if unit and unit != JULIAN_YEAR:
            try:
                u.Unit(unit)
            except ValueError:
                raise InvalidInput(f"--column {text}: {unit} is no unit that is known") from None
        found[name] = Source(column, unit or None)
    return found


def known_columns() -> list[str]:
    """Return the names that a column of a reference catalogue may have."""
    return [c.name for c in table("reference_object").columns if c.name != "catalogue_id"] + [
        *DERIVED
    ]


def choose(
    names: Sequence[str], given: Mapping[str, Source], preset: str | None
) -> dict[str, Source]:
    """Return where each column comes from, for a file with these columns.

    Columns that are not named come from those of the file of the same name, snake_case or DPDD.

    Parameters
    ----------
    names : sequence of str
        Columns of the file.
    given : mapping of str to Source
        What the user said.
    preset : str or None
        Name of one of `PRESETS`.

    Returns
    -------
    dict of str to Source

    Raises
    ------
    InvalidInput
        The file has no such column, or no position.
    """
    definition = table("reference_object")
    found: dict[str, Source] = {}
    for name in known_columns():
        own = {name} if name in DERIVED else {name, definition.column(name).dpdd_name}
        same = [each for each in names if each in own]
        if same:
            found[name] = Source(same[0])
    if preset is not None:
        if preset not in PRESETS:
            raise InvalidInput(f"preset {preset}: there are {', '.join(PRESETS)}")
        usual = parse_columns(PRESETS[preset][0])
        found |= {name: source for name, source in usual.items() if source.name in names}
    for name, source in given.items():
        if source.name not in names:
            close = difflib.get_close_matches(source.name, names, n=3, cutoff=0.6)
            hint = f"did you mean {' or '.join(close)}?" if close else f"it has {_few(names)}"
            raise InvalidInput(f"the file has no column {source.name} to make {name} of: {hint}")
    found |= given
    missing = [name for name in ("ra", "dec") if name not in found]
    if missing:
        raise InvalidInput(
            f"the file has no column {' and none '.join(missing)}; it has {_few(names)}: say which "
            f"it is, --column {missing[0]}=COLUMN"
        )
    return found


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more


def renamed(columns: Sequence[RawColumn], sources: Mapping[str, Source]) -> list[RawColumn]:
    """Return the columns of a part of a file under the names of the table, in the units given.

    Parameters
    ----------
    columns : sequence of RawColumn
        As the file has them.
    sources : mapping of str to Source
        Where each column of the table comes from.

    Returns
    -------
    list of RawColumn
        Those of `DERIVED` too.
    """
    from astropy import units as u

    by_name = {column.name: column for column in columns}
    found = []
    for name, source in sources.items():
        raw = replace(by_name[source.name], name=name)
        if source.unit == JULIAN_YEAR:
            raw = replace(raw, values=julian_year(raw.values.astype(float)), unit=None)
        elif source.unit is not None:
            raw = replace(raw, unit=u.Unit(source.unit))
        elif name in {"reference_object_id", "epoch_mjd_tai", "band"}:
            raw = replace(raw, unit=None)
        found.append(raw)
    return found


def derive(columns: dict[str, RawColumn]) -> dict[str, RawColumn]:
    """Return the columns of the table, those of `DERIVED` worked into them.

    Parameters
    ----------
    columns : dict of str to RawColumn
        Under the names of the table and of `DERIVED`.

    Returns
    -------
    dict of str to RawColumn
        Under those of the table only.

    Raises
    ------
    InvalidInput
        A correlation comes without both errors or an axis without the others; or a unit is wrong.
    """
    kept = {name: raw for name, raw in columns.items() if name not in DERIVED}
    for corr, cov, errors in (
        ("ra_dec_corr", "ra_dec_cov", ("ra_err", "dec_err")),
        ("pm_ra_dec_corr", "pm_ra_dec_cov", ("pm_ra_err", "pm_dec_err")),
    ):
        if corr in columns:
            definition = table("reference_object")
            first, second = (_floats(columns, e, definition.column(e).unit or "") for e in errors)
            kept[cov] = RawColumn(cov, _floats(columns, corr, "") * first * second)
    axes = ("semi_major", "semi_minor", "position_angle")
    if any(name in columns for name in axes):
        kept |= _moments(*(_floats(columns, name, _DERIVED_UNITS[name]) for name in axes))
    return kept


def _moments(major: NDArray[Any], minor: NDArray[Any], angle: NDArray[Any]) -> dict[str, RawColumn]:
    """Return second moments of ellipses; the angle goes from north through east."""
    east, north = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    moments = {
        "ixx": major**2 * east**2 + minor**2 * north**2,
        "iyy": major**2 * north**2 + minor**2 * east**2,
        "ixy": (major**2 - minor**2) * east * north,
    }
    return {name: RawColumn(name, values) for name, values in moments.items()}


def _floats(columns: Mapping[str, RawColumn], name: str, unit: str) -> NDArray[Any]:
    raw = columns.get(name)
    if raw is None:
        raise InvalidInput(f"there is no column {name}, which others were given with: name it too")
    if raw.values.dtype.kind not in "iuf":
        raise InvalidInput(f"column {name} must hold numbers")
    values = np.asarray(raw.values, float)
    if raw.unit is not None and raw.unit != unit:
        if not raw.unit.is_equivalent(unit):
            raise InvalidInput(f"column {name} is in {raw.unit}, but must be in {unit}")
        values = np.asarray(raw.unit.to(unit, values))
    return values if raw.missing is None else np.where(raw.missing, np.nan, values)
