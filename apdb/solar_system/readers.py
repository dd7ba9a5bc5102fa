"""Orbits from files of every kind: MPCORB lines, rows of mpc_orbits, JPL's SBDB and comets."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from apdb.errors import InvalidInput
from apdb.solar_system.bad_lines import BadLines
from apdb.solar_system.designations import pack, ss_object_id, unpack
from apdb.solar_system.mpcorb import read_lines, skip_header
from apdb.solar_system.orbits import Orbits, checked
from pipeline.moving.elements import Elements, peri_time

#: Orbits that are handled at once.
CHUNK = 50_000

_ELEMENTS = ("q", "e", "i", "node", "argperi", "peri_time")
_COMET = re.compile(
    r"(\d{1,4}[PDI](?:-[A-Z]{1,2})?|[CPDXAI]/-?\d{1,4} [A-Z]{1,2}\d*(?:-[A-Z]{1,2})?)"
)
_NUMBER = re.compile(r"\s*(\d+)\s")
#: First of the columns of JPL's list of comets that follow the name.
_COMET_COLUMNS = {
    "epoch": (44, 51), "q": (52, 63), "e": (64, 74), "i": (75, 84), "argperi": (85, 94),
    "node": (95, 104),
}  # fmt: skip
_COMET_TIME = (105, 119)


@dataclass
class One:
    """One orbit as a reader of single rows makes it.

    Attributes
    ----------
    packed, designation : str
        Packed and plain primary designation.
    elements : mapping of str to float
        By the names of `Elements`.
    epoch : float
        MJD TDB.
    columns : mapping of str to object
        Further columns of mpc_orbits.
    covariance : ndarray, shape (6, 6), or None
        Of the heliocentric ecliptic state.
    number : str or None
        Number of the object, where the file has it beside a provisional designation.
    """

    packed: str
    designation: str
    elements: Mapping[str, float]
    epoch: float
    columns: Mapping[str, Any]
    covariance: np.ndarray[Any, Any] | None = None
    number: str | None = None


def read_orbits(path: Path, bad: BadLines) -> Iterator[Orbits]:
    """Read the orbits of a file, whatever its format, in parts.

    Parameters
    ----------
    path : Path
        MPCORB lines, JSON of rows of mpc_orbits or of their mpc_orb_jsonb (also one a line), CSV of
        rows of mpc_orbits, JSON of JPL's SBDB query, or JPL's ELEMENTS.COMET; gzipped or not.
    bad : BadLines
        Told which lines are left out, and why.

    Yields
    ------
    Orbits
        Good ones only.

    Raises
    ------
    InvalidInput
        If the file is of none of these kinds.
    """
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        file = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if zipped else cast(BinaryIO, raw)
        with io.BufferedReader(file) as buffered:  # type: ignore[type-var]
            for part in _parts(buffered, path, bad):
                yield checked(part, bad)


def read_rows(rows: Iterable[Mapping[str, Any]], bad: BadLines) -> Iterator[Orbits]:
    """Read orbits from rows of mpc_orbits.

    Parameters
    ----------
    rows : iterable of mapping
        Each has the columns of mpc_orbits, `mpc_orb_jsonb` among them or not.
    bad : BadLines
        Told which rows are left out, and why.

    Yields
    ------
    Orbits
        Good ones only.
    """
    for part in _one_by_one(rows, _from_row, bad):
        yield checked(part, bad)


def _parts(file: io.BufferedReader[Any], path: Path, bad: BadLines) -> Iterator[Orbits]:
    start = file.peek(4096)[:4096]
    first = start.lstrip()[:1]
    if first in (b"{", b"["):
        yield from _json(file.read(), path, bad)
    elif start.startswith(b"Num  Name"):
        comets = (line for line in enumerate(file, 1) if line[0] > 2 and line[1].strip())
        yield from _one_by_one(comets, _from_comet, bad, numbered=True)
    elif b"packed_primary_provisional_designation" in start.split(b"\n")[0]:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        yield from _one_by_one(csv.DictReader(text), _from_row, bad)
    elif _looks_like_mpcorb(start):
        lines = skip_header(enumerate(file, 1))
        while part := list(islice(lines, CHUNK)):
            yield read_lines(part, bad)
    else:
        raise InvalidInput(
            f"{path} is no file of orbits that is known: MPCORB lines, JSON or CSV of mpc_orbits, "
            "JSON of JPL's SBDB, or JPL's ELEMENTS.COMET"
        )


def _looks_like_mpcorb(start: bytes) -> bool:
    if b"MINOR PLANET CENTER ORBIT DATABASE" in start:
        return True
    return any(len(line.rstrip()) >= 160 for line in start.split(b"\n")[:5])


def _json(text: bytes, path: Path, bad: BadLines) -> Iterator[Orbits]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        lines = [line for line in text.split(b"\n") if line.strip()]
        if len(lines) < 2 or not lines[0].strip().endswith(b"}"):
            raise InvalidInput(f"{path} is no JSON: {error}") from error
        yield from _one_by_one(lines, _from_json_line, bad)
        return
    if isinstance(document, dict) and {"fields", "data"} <= document.keys():
        names = document["fields"]
        rows = (dict(zip(names, row, strict=False)) for row in document["data"])
        yield from _one_by_one(rows, _from_sbdb, bad)
        return
    rows_ = document if isinstance(document, list) else document.get("mpc_orbits", [document])
    yield from _one_by_one(rows_, _from_row, bad)


def _one_by_one(
    rows: Iterable[Any], read: Callable[[Any], One], bad: BadLines, numbered: bool = False
) -> Iterator[Orbits]:
    """Read rows that are few; those that fail are told."""
    pending = iter(rows if numbered else enumerate(rows, 1))
    while part := list(islice(pending, CHUNK)):
        made: list[tuple[int, One]] = []
        for number, row in part:
            try:
                made.append((number, read(row)))
            except (InvalidInput, ValueError, KeyError, TypeError, IndexError) as error:
                what = f"no {error}" if isinstance(error, KeyError) else str(error)
                bad.add(number, what)
        if made:
            yield _together(made)


def _together(made: Sequence[tuple[int, One]]) -> Orbits:
    ones = [one for _, one in made]
    names = dict.fromkeys(name for one in ones for name in one.columns)
    columns = {}
    for name in names:
        values = [one.columns.get(name) for one in ones]
        text = any(isinstance(value, str) for value in values)
        columns[name] = np.array(values, object if text else float)
    covariance = None
    if any(one.covariance is not None for one in ones):
        covariance = np.stack(
            [np.full((6, 6), np.nan) if one.covariance is None else one.covariance for one in ones]
        )
    return Orbits(
        np.array([number for number, _ in made], np.int64),
        np.array([one.packed for one in ones], object),
        np.array([one.designation for one in ones], object),
        np.array([ss_object_id(one.packed) for one in ones], np.int64),
        Elements(**{n: np.array([one.elements[n] for one in ones], float) for n in _ELEMENTS}),
        np.array([one.epoch for one in ones], float),
        columns,
        covariance,
        np.array([one.number for one in ones], object),
    )


def _number(value: Any) -> float:
    """Return a number that may be text; NaN for nothing."""
    if value is None or value == "":
        return float("nan")
    return float(value)


def _from_json_line(line: bytes) -> One:
    return _from_row(json.loads(line))


def _from_row(row: Mapping[str, Any]) -> One:
    """Read a row of mpc_orbits, or its mpc_orb_jsonb alone."""
    if "COM" in row and "designation_data" in row:
        return _from_document(row, {}, None)
    document = row.get("mpc_orb_jsonb")
    text = None
    if isinstance(document, str) and document:
        text, document = document, json.loads(document)
    elif isinstance(document, dict):
        text = json.dumps(document)
    columns = {name: _number(row[name]) for name in _KEPT if row.get(name) not in (None, "")}
    if isinstance(document, dict) and "COM" in document:
        return _from_document(document, columns, text)
    packed = row.get("packed_primary_provisional_designation") or pack(row["designation"])
    plain = row.get("unpacked_primary_provisional_designation") or unpack(packed)
    elements = {name: _number(row.get(name)) for name in _ELEMENTS}
    return One(packed, plain, elements, _number(row.get("epoch_mjd")), columns)


#: Columns of mpc_orbits that are taken over as they are; elements and epoch are written anew.
_KEPT = (
    "orbit_type_int", "u_param", "nopp", "arc_length_total", "arc_length_sel", "nobs_total",
    "nobs_total_sel", "yarkovsky", "srp", "a1", "a2", "a3", "dt", "a_unc", "q_unc", "e_unc",
    "i_unc", "node_unc", "argperi_unc", "peri_time_unc", "yarkovsky_unc", "srp_unc", "a1_unc",
    "a2_unc", "a3_unc", "dt_unc", "mean_anomaly_unc", "period_unc", "mean_motion_unc", "h", "g",
    "not_normalized_rms", "normalized_rms", "earth_moid",
)  # fmt: skip


def _from_document(
    document: Mapping[str, Any], columns: Mapping[str, Any], text: str | None
) -> One:
    """Read the orbit record of the Minor Planet Center (mpc_orb_jsonb)."""
    names = document["designation_data"]
    epoch = document["epoch_data"]
    if epoch.get("timesystem", "TDT") not in ("TDT", "TT", "TDB"):
        raise InvalidInput(f"the epoch is in {epoch['timesystem']}, not TT or TDB")
    if epoch.get("timeform", "MJD") != "MJD":
        raise InvalidInput(f"the epoch is in {epoch['timeform']}, not MJD")
    comet = dict(zip(
        document["COM"]["coefficient_names"], document["COM"]["coefficient_values"], strict=False
    ))  # fmt: skip
    statistics = document.get("orbit_fit_statistics", {})
    magnitudes = document.get("magnitude_data", {})
    found = {
        "h": magnitudes.get("H"), "g": magnitudes.get("G"), "u_param": statistics.get("U_param"),
        "nopp": statistics.get("nopp"), "nobs_total": statistics.get("nobs_total"),
        "nobs_total_sel": statistics.get("nobs_total_sel"),
        "normalized_rms": statistics.get("normalized_RMS"),
        "orbit_type_int": document.get("categorization", {}).get("orbit_type_int"),
    }  # fmt: skip
    packed = names["packed_primary_provisional_designation"]
    elements = {name: _number(comet.get(name)) for name in _ELEMENTS}
    return One(
        packed,
        names.get("unpacked_primary_provisional_designation") or unpack(packed),
        elements,
        float(epoch["epoch"]),
        {**{n: _number(v) for n, v in found.items() if v is not None}, **columns}
        | {"mpc_orb_jsonb": text or json.dumps(document)},
        _covariance(document.get("CAR", {}).get("covariance")),
        names.get("permid") or None,
    )


def _covariance(given: Mapping[str, Any] | None) -> np.ndarray[Any, Any] | None:
    if not given:
        return None
    matrix = np.full((6, 6), np.nan)
    for i in range(6):
        for j in range(i, 6):
            matrix[i, j] = matrix[j, i] = _number(given.get(f"cov{i}{j}"))
    return matrix


def _from_sbdb(row: Mapping[str, Any]) -> One:
    """Read a row of JPL's Small-Body DataBase query."""
    name = row.get("full_name") or row["pdes"]
    packed, plain = _sbdb_designation(str(name))
    epoch = _number(row.get("epoch_mjd"))
    if np.isnan(epoch):
        epoch = _number(row.get("epoch")) - 2400000.5
    e = _number(row["e"])
    q = _number(row.get("q"))
    if np.isnan(q):
        q = _number(row.get("a")) * (1.0 - e)
    time = _number(row.get("tp")) - 2400000.5
    if np.isnan(time) and e < 1.0:
        anomaly = np.array([_number(row.get("ma"))])
        time = float(peri_time(np.array([q]), np.array([e]), anomaly, np.array([epoch]))[0])
    elements = {
        "q": q, "e": e, "i": _number(row["i"]), "node": _number(row["om"]),
        "argperi": _number(row["w"]), "peri_time": time,
    }  # fmt: skip
    columns = {"h": _number(row.get("H")), "g": _number(row.get("G"))}
    columns["earth_moid"] = _number(row.get("moid"))
    match = _NUMBER.match(str(name))
    number = match[1] if match and not plain.isdigit() else None
    return One(packed, plain, elements, epoch, columns, number=number)


def _sbdb_designation(name: str) -> tuple[str, str]:
    comet = _COMET.match(name.strip())
    if comet:
        return pack(comet[1]), comet[1]
    for text in reversed(re.findall(r"\(([^()]+)\)", name)):
        try:
            return pack(text), text
        except InvalidInput:
            continue
    number = _NUMBER.match(name + " ")
    plain = number[1] if number else name.strip()
    return pack(plain), plain


def _from_comet(line: bytes) -> One:
    """Read a line of JPL's ELEMENTS.COMET."""
    text = line.decode("utf-8", "replace").rstrip("\n")
    match = _COMET.match(text[:43].strip())
    if match is None:
        raise InvalidInput(f"{text[:43].strip()!r} has no designation that is known")
    name = match[1]
    fragment = re.search(r"-([A-Z]{1,2})$", text[:43].strip())
    if "/" not in name and fragment:
        # JPL writes the fragment behind the name of a numbered comet.
        name += fragment[0]
    values = {key: float(text[slice(*where)]) for key, where in _COMET_COLUMNS.items()}
    when = text[slice(*_COMET_TIME)].strip()
    sign = "-" if when.startswith("-") else ""
    date, fraction = when.lstrip("-").split(".")
    day = np.datetime64(f"{sign}{date[:-4]:0>4}-{date[-4:-2]}-{date[-2:]}")
    since = float((day - np.datetime64("1858-11-17")).astype(int))
    epoch = values.pop("epoch")
    # An orbit about the Sun alone holds at any time.
    elements = values | {"peri_time": since + float(f"0.{fraction}")}
    return One(pack(name), name, elements, epoch, {})
