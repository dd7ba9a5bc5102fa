"""Catalogue files as columns: Parquet, FITS, ECSV and Avro, told apart by their first bytes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from apdb.errors import InvalidInput
from apdb.input.containers import RawColumn, read_columns
from apdb.input.problems import Problems

if TYPE_CHECKING:
    from astropy import units as u

FORMATS = "Parquet, FITS, ECSV or Avro"


@dataclass(frozen=True)
class CatalogueFile:
    """The rows of one file.

    Attributes
    ----------
    path : Path
        Where it is.
    n : int
        Number of rows.
    columns : tuple of RawColumn
        The columns, named as in the file.
    meta : dict of str to object
        What the file says of itself, by lower-case keyword.
    """

    path: Path
    n: int
    columns: tuple[RawColumn, ...]
    meta: dict[str, Any]


def file_format(path: Path) -> str:
    """Return the format of a file by its first bytes.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        parquet, fits, ecsv or avro.

    Raises
    ------
    InvalidInput
        It is none of these, or cannot be read.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(64)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"SIMPLE  ="):
        return "fits"
    if start.startswith(b"\x1f\x8b") and ".fit" in "".join(path.suffixes).lower():
        return "fits"
    if start.startswith(b"Obj\x01"):
        return "avro"
    if start.startswith(b"# %ECSV"):
        return "ecsv"
    kind = "is empty" if not start else "is no catalogue that can be read"
    raise InvalidInput(f"{path} {kind}: give {FORMATS}")


def is_alerts(path: Path) -> bool:
    """Tell whether an Avro file holds LSST alert packets rather than plain records.

    Parameters
    ----------
    path : Path
        Avro object container file.

    Returns
    -------
    bool
        True if its records have a diaSource.

    Raises
    ------
    InvalidInput
        If the file is damaged.
    """
    import fastavro

    with path.open("rb") as stream:
        try:
            schema: Any = fastavro.reader(stream).writer_schema
        except (ValueError, EOFError, IndexError) as error:
            raise InvalidInput(f"{path} is no whole Avro file ({error}): copy it again") from error
    fields = schema.get("fields", []) if isinstance(schema, dict) else []
    return any(each["name"] == "diaSource" for each in fields)


def read_catalogue(path: Path) -> CatalogueFile:
    """Read a file of rows.

    Parameters
    ----------
    path : Path
        Parquet; FITS, the first table in it; ECSV; or Avro with one flat record a row.

    Returns
    -------
    CatalogueFile
        Columns with missing values and units, and the metadata: those of the Parquet schema, the
        FITS headers (that of the table over the primary one), ECSV's, or Avro's.

    Raises
    ------
    InvalidInput
        It is no such file, or is damaged.
    """
    read = _READERS[file_format(path)]
    try:
        data, meta, units = read(path)
    except InvalidInput:
        raise
    # Libraries raise what they like on damaged files, of which the user must hear all the same.
    except Exception as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidInput(f"{path} cannot be read ({text}): is it whole?") from error
    problems = Problems()
    n, columns = read_columns(data, problems)
    problems.raise_if_any()
    with_units = tuple(
        replace(column, unit=units[column.name]) if column.name in units else column
        for column in columns
    )
    return CatalogueFile(path, n, with_units, {key.lower(): meta[key] for key in meta})


_Read: TypeAlias = "tuple[object, Mapping[str, Any], Mapping[str, u.UnitBase]]"


def _read_parquet(path: Path) -> _Read:
    import pyarrow.parquet
    from astropy import units as u
    from astropy.table import Table

    schema = pyarrow.parquet.read_schema(path)
    if b"table_meta_yaml" in (schema.metadata or {}):
        # astropy wrote it, with units and masks in a way of its own.
        written = Table.read(path, format="parquet")
        return written, written.meta, {}
    units = {
        field.name: u.Unit(field.metadata[b"unit"].decode(), parse_strict="silent")
        for field in schema
        if field.metadata and b"unit" in field.metadata
    }
    meta = {k.decode(): v.decode(errors="replace") for k, v in (schema.metadata or {}).items()}
    return pyarrow.parquet.read_table(path), meta, units


def _read_fits(path: Path) -> _Read:
    from astropy.io import fits

    # astropy leaves a file open that it fails to read.
    with path.open("rb") as stream, fits.open(stream, memmap=False) as hdus:
        for hdu in hdus:
            if isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
                return hdu.data, {**hdus[0].header, **hdu.header}, {}
    raise InvalidInput(f"{path} has no table in it: give a FITS file with a table extension")


def _read_ecsv(path: Path) -> _Read:
    from astropy import units as u
    from astropy.table import Table

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        table = Table.read(path, format="ascii.ecsv")
    return table, table.meta, {}


def _read_avro(path: Path) -> _Read:
    import fastavro

    with path.open("rb") as stream:
        reader = fastavro.reader(stream)
        records: list[Any] = list(reader)
        schema: Any = reader.writer_schema
        meta = {k: v for k, v in reader.metadata.items() if not k.startswith("avro.")}
    names = [field["name"] for field in schema["fields"]]
    columns = {name: [record[name] for record in records] for name in names}
    return columns, meta, {}


_READERS: dict[str, Callable[[Path], _Read]] = {
    "parquet": _read_parquet,
    "fits": _read_fits,
    "ecsv": _read_ecsv,
    "avro": _read_avro,
}
