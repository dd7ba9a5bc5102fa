"""Descriptions of instruments: what a file says about amplifiers, sections, gains, defects."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from pipeline.errors import IsrError

Section = tuple[slice, slice]
Number = float | Mapping[str, Any]
Text = str | Mapping[str, Any]

_SECTION = re.compile(r"\[\s*(\d+)\s*:\s*(\d+)\s*,\s*(\d+)\s*:\s*(\d+)\s*\]")
_METHODS = ("none", "median", "rows", "polynomial")
_SUFFIX = ".toml"


@dataclass(frozen=True)
class Amplifier:
    """One amplifier of a detector, as described; values may be names of header cards.

    Attributes
    ----------
    name : str
        Name.
    image : int
        Which of the raw images of a multi-extension file is its own.
    data : str or mapping
        Section of the raw image with light, as in FITS: ``[1:512, 1:512]``; empty is all of it.
    overscan : str or mapping
        Section without light; empty if there is none.
    place : str
        Section of the assembled image; empty is all of it.
    flip_x, flip_y : bool
        Whether columns or rows run the other way in the assembled image.
    gain : float or mapping
        Electrons per count.
    read_noise : float or mapping
        Electrons.
    saturation : float or mapping
        Counts of the raw image, bias included.
    suspect : float or mapping
        Counts above which pixels are not linear; infinite if unknown.
    linearity : tuple of float
        Coefficients c2, c3, … of x + c2 x² + c3 x³ …, x the counts above bias.
    """

    name: str
    image: int = 0
    data: Text = ""
    overscan: Text = ""
    place: str = ""
    flip_x: bool = False
    flip_y: bool = False
    gain: Number = 1.0
    read_noise: Number = 0.0
    saturation: Number = float("inf")
    suspect: Number = float("inf")
    linearity: tuple[float, ...] = ()


@dataclass(frozen=True)
class Instrument:
    """Description of a detector.

    Attributes
    ----------
    name, description : str
        What it is.
    amplifiers : tuple of Amplifier
        At least one.
    shape : tuple of int or None
        Rows and columns of the assembled image; None if one amplifier is all of it.
    overscan : str
        ``none``, ``median`` (one level), ``rows`` (a level per row) or ``polynomial`` along rows.
    overscan_order : int
        Degree of the polynomial.
    crosstalk : ndarray, shape (n, n) or None
        Part of the signal of amplifier j that appears on amplifier i.
    defects : tuple of str
        Sections of the assembled image that are bad.
    brighter_fatter : ndarray, shape (k, k) or None
        Kernel of the brighter-fatter effect [1/electron].
    off : frozenset of str
        Steps that the camera has done already.
    """

    name: str
    description: str
    amplifiers: tuple[Amplifier, ...]
    shape: tuple[int, int] | None = None
    overscan: Literal["none", "median", "rows", "polynomial"] = "median"
    overscan_order: int = 3
    crosstalk: NDArray[np.float64] | None = None
    defects: tuple[str, ...] = ()
    brighter_fatter: NDArray[np.float64] | None = None
    off: frozenset[str] = field(default_factory=frozenset)


def shipped() -> list[str]:
    """Return the names of the descriptions that come with the package.

    Returns
    -------
    list of str
    """
    folder = files("pipeline.isr").joinpath("instruments")
    return sorted(
        f.name.removesuffix(_SUFFIX) for f in folder.iterdir() if f.name.endswith(_SUFFIX)
    )


def load_instrument(name: str | Path) -> Instrument:
    """Read the description of an instrument.

    Parameters
    ----------
    name : str or Path
        Name of one that is shipped, or a TOML file.

    Returns
    -------
    Instrument

    Raises
    ------
    IsrError
        There is none of this name, or it is wrong; the text says where and why.
    """
    path = Path(name)
    if path.suffix == _SUFFIX:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise IsrError(f"description {path} cannot be read ({error.strerror})") from error
    elif str(name) in shipped():
        resource = files("pipeline.isr").joinpath("instruments", f"{name}{_SUFFIX}")
        text = resource.read_text(encoding="utf-8")
    else:
        known = ", ".join(shipped())
        raise IsrError(f"no instrument {name}; there are {known}, or give a file ending in .toml")
    try:
        return parsed(tomllib.loads(text), path.parent)
    except (tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        raise IsrError(f"description of instrument {name} is wrong: {error}") from error


def parsed(table: Mapping[str, Any], folder: Path) -> Instrument:
    """Make a description of what a TOML file says.

    Parameters
    ----------
    table : mapping
        Its content.
    folder : Path
        Where files that it names are.

    Returns
    -------
    Instrument

    Raises
    ------
    ValueError, TypeError
        A key is unknown, missing or has a value that cannot be.
    """
    known = {"name", "description", "overscan", "amplifier", "shape", "crosstalk", "defect",
             "brighter_fatter", "off"}  # fmt: skip
    unknown = sorted(set(table) - known)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]}; known are {', '.join(sorted(known))}")
    amplifiers = tuple(
        Amplifier(**{**one, "linearity": tuple(one.get("linearity", ()))})
        for one in table.get("amplifier", [])
    )
    if not amplifiers:
        raise ValueError("it has no [[amplifier]]")
    overscan = table.get("overscan", {})
    method = overscan.get("method", "median")
    if method not in _METHODS:
        raise ValueError(f"overscan method {method}; known are {', '.join(_METHODS)}")
    crosstalk = table.get("crosstalk")
    matrix = None if crosstalk is None else np.asarray(crosstalk, np.float64)
    if matrix is not None and matrix.shape != (len(amplifiers), len(amplifiers)):
        raise ValueError(f"crosstalk must have {len(amplifiers)} rows of as many numbers")
    kernel = table.get("brighter_fatter")
    shape = table.get("shape")
    return Instrument(
        name=str(table.get("name", "unnamed")),
        description=str(table.get("description", "")),
        amplifiers=amplifiers,
        shape=None if shape is None else (int(shape[0]), int(shape[1])),
        overscan=cast("Literal['none', 'median', 'rows', 'polynomial']", method),
        overscan_order=int(overscan.get("order", 3)),
        crosstalk=matrix,
        defects=tuple(str(one["box"]) for one in table.get("defect", [])),
        brighter_fatter=None if kernel is None else _kernel(kernel, folder),
        off=frozenset(table.get("off", ())),
    )


def _kernel(value: Any, folder: Path) -> NDArray[np.float64]:
    """Return a kernel that is written down, or in a file."""
    kernel = np.load(folder / value) if isinstance(value, str) else np.asarray(value, np.float64)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0:
        raise ValueError(f"brighter_fatter must be a square with odd sides, not {kernel.shape}")
    return np.asarray(kernel, np.float64)


def number(value: Number, header: Header, what: str) -> float:
    """Return a number, from the header if the description says so.

    Parameters
    ----------
    value : float or mapping
        Number, or ``cards`` to look up and a ``default``.
    header : Header
        Header.
    what : str
        For the error.

    Returns
    -------
    float

    Raises
    ------
    IsrError
        No card has a number, and there is no default.
    """
    if not isinstance(value, Mapping):
        return float(value)
    for card in value.get("cards", ()):
        found = header.get(card)
        if isinstance(found, int | float) and not isinstance(found, bool) and np.isfinite(found):
            return float(found)
    if "default" in value:
        return float(value["default"])
    raise IsrError(
        f"{what} is unknown: the header has no number in {', '.join(value.get('cards', ()))}; "
        "put it into the description of the instrument"
    )


def section(value: Text, header: Header, shape: tuple[int, int], what: str) -> Section | None:
    """Return rows and columns of a section, from the header if the description says so.

    Parameters
    ----------
    value : str or mapping
        ``[x1:x2, y1:y2]`` from 1, ends included, as in FITS, or ``cards`` to look up.
    header : Header
        Header.
    shape : tuple of int
        Of the image that it must lie in.
    what : str
        For the error.

    Returns
    -------
    tuple of slice or None
        None if it is empty.

    Raises
    ------
    IsrError
        It is no section, or reaches beyond the image.
    """
    text = value
    if isinstance(value, Mapping):
        given = (header[card] for card in value.get("cards", ()) if card in header)
        text = next(given, value.get("default", ""))
    if not str(text).strip():
        return None
    match = _SECTION.fullmatch(str(text).strip())
    if match is None:
        raise IsrError(f"{what} {text!r} is no section such as [1:512, 1:512]")
    x1, x2, y1, y2 = (int(v) for v in match.groups())
    if not (1 <= x1 <= x2 <= shape[1] and 1 <= y1 <= y2 <= shape[0]):
        raise IsrError(
            f"{what} {text} reaches beyond the image of {shape[1]} × {shape[0]} pixels; the file "
            "is of another instrument than the description: name the right one"
        )
    return slice(y1 - 1, y2), slice(x1 - 1, x2)
