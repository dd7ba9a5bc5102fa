"""Orbits from MPCORB files: fixed columns, read without a loop over lines.

Format: Minor Planet Center, "Export Format for Minor-Planet Orbits".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apdb.errors import InvalidInput
from apdb.solar_system.bad_lines import BadLines
from apdb.solar_system.designations import pack, ss_object_id, unpack
from apdb.solar_system.orbits import Orbits
from pipeline.moving.elements import Elements, peri_time

Floats = NDArray[np.float64]

_WIDTH = 202
#: A line with less than this has no semi-major axis.
_SHORTEST = 103
_ELEMENTS = {
    "anomaly": (26, 35),
    "argperi": (37, 46),
    "node": (48, 57),
    "i": (59, 68),
    "e": (70, 79),
    "a": (92, 103),
}
_FURTHER = {"h": (8, 13), "g": (14, 19), "not_normalized_rms": (137, 141)}
_COUNTS = {"u_param": (105, 106), "nobs_total": (117, 122), "nopp": (123, 126)}
_NUMBERED = re.compile(r"\((\d+)\)\s*(.*)")
_MONTHS = "123456789ABC"
_DAYS = "123456789ABCDEFGHIJKLMNOPQRSTUV"


def unpack_epoch(packed: str) -> float:
    """Return the epoch of an orbit.

    Parameters
    ----------
    packed : str
        Five characters, such as K1972.

    Returns
    -------
    float
        MJD TT; NaN if it is no date.
    """
    try:
        century = "IJKL".index(packed[0]) + 18
        text = (
            f"{century}{packed[1:3]}-{_MONTHS.index(packed[3]) + 1:02d}"
            f"-{_DAYS.index(packed[4]) + 1:02d}"
        )
        return float((np.datetime64(text) - np.datetime64("1858-11-17")).astype(int))
    except (ValueError, IndexError):
        return float("nan")


def read_lines(lines: Sequence[tuple[int, bytes]], bad: BadLines) -> Orbits:
    """Read lines of an MPCORB file.

    Parameters
    ----------
    lines : sequence of (int, bytes)
        Number and text of each.
    bad : BadLines
        Told which cannot be read, and why.

    Returns
    -------
    Orbits
        Of the lines that can be, not checked further.
    """
    whole = []
    for number, text in lines:
        if len(text.rstrip()) < _SHORTEST:
            bad.add(number, f"{len(text.rstrip())} characters long, no line of MPCORB")
        else:
            whole.append((number, text))
    numbers = np.array([number for number, _ in whole], np.int64)
    # one more, so that a longer line shows as such
    matrix = np.array([text.rstrip(b"\r\n") for _, text in whole], f"S{_WIDTH}")
    matrix = matrix.view(np.uint8).reshape(len(whole), _WIDTH)
    matrix = np.where(matrix == 0, np.uint8(32), matrix)
    return _read(numbers, matrix, bad)


def _read(numbers: NDArray[np.int64], matrix: NDArray[np.uint8], bad: BadLines) -> Orbits:
    values = {name: _floats(matrix, *where) for name, where in _ELEMENTS.items()}
    codes, inverse = np.unique(_texts(matrix, 20, 25), return_inverse=True)
    known = np.array([unpack_epoch(code.decode("ascii", "replace")) for code in codes] or [np.nan])
    epoch = known[inverse]
    packed, plain = _designations(numbers, matrix, bad)
    good = np.array([each is not None for each in packed], bool)
    if (values["e"] >= 1).any():
        values["a"] = np.where(values["e"] < 1, values["a"], np.nan)
    with np.errstate(invalid="ignore"):
        q = values["a"] * (1.0 - values["e"])
        time = peri_time(q, values["e"], values["anomaly"], epoch)
    elements = Elements(q, values["e"], values["i"], values["node"], values["argperi"], time)
    columns: dict[str, NDArray[Any]] = {
        name: _floats(matrix, *where) for name, where in (_FURTHER | _COUNTS).items()
    }
    identifiers = np.zeros(len(numbers), np.int64)
    identifiers[good] = _identifiers([each for each in packed if each is not None])
    found = Orbits(
        numbers,
        np.array(packed, object),
        np.array(plain, object),
        identifiers,
        elements,
        epoch,
        columns,
    )
    return found.take(good)


def _identifiers(packed: Sequence[str]) -> NDArray[np.int64]:
    """Return what `ss_object_id` gives for each."""
    text = np.array([each.encode("ascii") for each in packed], "S8")
    width = np.char.str_len(text).astype(np.int64)
    return (text.view(">u8").astype(np.uint64) >> (8 * (8 - width)).astype(np.uint64)).astype(
        np.int64
    )


def _texts(matrix: NDArray[np.uint8], start: int, stop: int) -> NDArray[np.bytes_]:
    part = np.ascontiguousarray(matrix[:, start:stop])
    return part.view(f"S{stop - start}").ravel()


def _floats(matrix: NDArray[np.uint8], start: int, stop: int) -> Floats:
    """Return the numbers in some columns; NaN for blanks and for what is no number."""
    text = _texts(matrix, start, stop)
    text = np.where((matrix[:, start:stop] == 32).all(axis=1), b"nan", text)
    try:
        return text.astype(float)
    except ValueError:
        return np.array([_float(each) for each in text], float)


def _float(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _designations(
    numbers: NDArray[np.int64], matrix: NDArray[np.uint8], bad: BadLines
) -> tuple[list[str | None], list[str | None]]:
    """Return packed and plain primary designations; None where there is none."""
    short = _texts(matrix, 0, 7).tolist()
    long = _texts(matrix, 166, 194).tolist()
    packed: list[str | None] = []
    plain: list[str | None] = []
    for number, code, text in zip(numbers.tolist(), short, long, strict=True):
        try:
            found = _designation(code.decode("ascii").strip(), text.decode("ascii").strip())
        except (InvalidInput, UnicodeDecodeError) as error:
            bad.add(number, str(error))
            packed.append(None)
            plain.append(None)
            continue
        packed.append(found[0])
        plain.append(found[1])
    return packed, plain


def _designation(code: str, readable: str) -> tuple[str, str]:
    if len(code) == 7:
        plain = readable or unpack(code)
        ss_object_id(code)
        return code, plain
    match = _NUMBERED.match(readable)
    if match and match[2]:
        try:
            return pack(match[2]), match[2]
        except InvalidInput:
            # A name: the provisional designation is not on the line.
            return code, match[1]
    return code, unpack(code)


def skip_header(lines: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Leave out the header and empty lines of an MPCORB file.

    Parameters
    ----------
    lines : iterator of (int, bytes)
        Number and text of each.

    Yields
    ------
    (int, bytes)
        Those that should be orbits.
    """
    held: list[tuple[int, bytes]] = []
    in_header = True
    for number, text in lines:
        if in_header and text.startswith(b"-----"):
            held, in_header = [], False
            continue
        if not text.strip():
            continue
        if in_header and number <= 60:
            held.append((number, text))
            continue
        if in_header:
            in_header = False
            yield from held
            held = []
        yield number, text
    yield from held
