"""Real alert packets of the Rubin Observatory as tables, and as visits to replay.

Packets repeat the history of an object in every alert; here each row appears once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import numpy.typing as npt

from apdb.errors import InvalidInput
from apdb.input.footprint import separation
from apdb.input.sphere import positions, unit_vectors
from apdb.schema.catalogue import table

Columns = dict[str, npt.NDArray[Any]]
Record = Mapping[str, Any]

#: The smallest footprint that `visits` gives a visit [deg]: about one detector.
MINIMUM_RADIUS = 0.2

_DTYPES: dict[str, Any] = {
    "boolean": np.bool_,
    "int": np.int32,
    "long": np.int64,
    "float": np.float32,
    "double": np.float64,
    "string": object,
    "timestamp-micros": "datetime64[us]",
}
_FILL: dict[str, Any] = {"b": False, "i": 0, "f": np.nan, "O": None, "M": np.datetime64("NaT")}

#: Where the alert holds the rows of each catalogue table.
_PLACES = {
    "dia_source": "diaSource",
    "dia_forced_source": "prvDiaForcedSources",
    "dia_object": "diaObject",
    "ss_source": "ssSource",
    "mpc_orbits": "mpc_orbits",
}
#: What association decides: a replay must not be told.
_DECIDED = ("dia_object_id", "ss_object_id", "ss_object_reassoc_time_mjd_tai")
_VISIT_COLUMNS = ("visit", "detector", "band", "midpoint_mjd_tai")


@dataclass(frozen=True)
class AlertTables:
    """The rows of a file of alerts, each once.

    A column is a plain array, or a masked one where some packet has null.  Names are those of
    the catalogue; integers keep all 64 bits.

    Attributes
    ----------
    schema : str
        Namespace of the packets, such as ``lsst.v10_0``.
    trigger : ndarray of int64
        dia_source_id of the source that triggered each alert, in the order of the file.
    dia_source : dict of str to ndarray
        Unique by dia_source_id; where copies differ, that of the alert it triggered counts.
    dia_forced_source : dict of str to ndarray
        Unique by (dia_object_id, visit, detector).
    dia_object : dict of str to ndarray
        Unique by dia_object_id, the version with the latest validity start.
    ss_source : dict of str to ndarray
        Unique by dia_source_id.
    mpc_orbits : dict of str to ndarray
        Unique by (id, designation): real packets have id 0 throughout.
    left_out : dict of str to tuple of str
        Table → packet fields that the catalogue does not have.
    """

    schema: str
    trigger: npt.NDArray[np.int64]
    dia_source: Columns
    dia_forced_source: Columns
    dia_object: Columns
    ss_source: Columns
    mpc_orbits: Columns
    left_out: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def true_objects(self, dia_source_ids: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the object that the sender gave to each source.

        Parameters
        ----------
        dia_source_ids : array_like of int, shape (n,)
            Identifiers of sources in the file.

        Returns
        -------
        ndarray of int64, shape (n,)
            diaObjectId; 0 where the sender gave none.

        Raises
        ------
        KeyError
            If an identifier is not in the file.
        """
        wanted = np.asarray(dia_source_ids, np.int64)
        order = np.argsort(self.dia_source["dia_source_id"])
        known = self.dia_source["dia_source_id"][order]
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        if (known[place] != wanted).any():
            raise KeyError(f"no source {wanted[known[place] != wanted][0]} in these alerts")
        owners = np.ma.filled(np.ma.asarray(self.dia_source["dia_object_id"]), 0)
        return np.asarray(owners[order][place], np.int64)


@dataclass(frozen=True)
class AlertVisit:
    """One (visit, detector) of the replay.

    Attributes
    ----------
    visit : dict
        Keywords of `apdb.Visit`.
    sources : dict of str to ndarray
        Columns of the DIASources, without what association decides.
    truth : ndarray of int64
        The sender's diaObjectId of each source; 0: none.
    """

    visit: dict[str, Any]
    sources: Columns
    truth: npt.NDArray[np.int64]


class _Rows:
    """Collects the unique rows of all tables while the file streams by."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Any, Record]] = {name: {} for name in _PLACES}
        self.trigger: list[int] = []

    def add(self, alert: Record) -> None:
        source = alert["diaSource"]
        self.trigger.append(source["diaSourceId"])
        sources = self.tables["dia_source"]
        sources[source["diaSourceId"]] = source
        for row in alert["prvDiaSources"] or ():
            sources.setdefault(row["diaSourceId"], row)
        forced = self.tables["dia_forced_source"]
        for row in alert["prvDiaForcedSources"] or ():
            forced.setdefault((row["diaObjectId"], row["visit"], row["detector"]), row)
        self._add_object(alert["diaObject"])
        if (ss_source := alert["ssSource"]) is not None:
            self.tables["ss_source"][ss_source["diaSourceId"]] = ss_source
        if (orbit := alert["mpc_orbits"]) is not None:
            self.tables["mpc_orbits"][orbit["id"], orbit["designation"]] = orbit

    def _add_object(self, row: Record | None) -> None:
        if row is None:
            return
        objects = self.tables["dia_object"]
        known = objects.get(row["diaObjectId"])
        if known is None or known["validityStartMjdTai"] < row["validityStartMjdTai"]:
            objects[row["diaObjectId"]] = row


def _check_schema(schema: Any, path: Path) -> str:
    """Return the namespace of the packets if it is one that can be read."""
    name = schema.get("name", "") if isinstance(schema, dict) else ""
    namespace = schema.get("namespace") or name.rpartition(".")[0] if name else ""
    match = re.fullmatch(r"lsst\.v(\d+)_(\d+)", namespace)
    if not match or name.rpartition(".")[2] != "alert":
        raise InvalidInput(
            f"{path} holds records {name}, not LSST alerts: give an Avro object "
            "container file of alert packets, schema lsst.v10_0.alert to lsst.v11_1.alert"
        )
    if int(match[1]) not in (10, 11):
        raise InvalidInput(
            f"{path} holds alerts of schema {namespace}; versions 10 and 11 can be read"
        )
    return str(namespace)


def _record(schema: Any, named: dict[str, Any]) -> dict[str, Any] | None:
    """Return the record inside a field type (optional, array or reference), if there is one."""
    if isinstance(schema, list):
        return next((found for s in schema if (found := _record(s, named))), None)
    if isinstance(schema, str):
        return named.get(schema)
    if schema["type"] == "array":
        return _record(schema["items"], named)
    if schema["type"] != "record":
        return None
    named[schema["name"]] = schema
    return dict(schema)


def _dtype(schema: Any) -> Any:
    """Return the numpy type of a field; null in a union says nothing about it."""
    if isinstance(schema, list):
        return _dtype(next(s for s in schema if s != "null"))
    if isinstance(schema, dict):
        return _dtype(schema.get("logicalType", schema["type"]))
    return np.dtype(_DTYPES[schema])


def _column(values: Sequence[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Return one column, masked where a value is null."""
    null = np.fromiter((v is None for v in values), np.bool_, len(values))
    fill = _FILL[dtype.kind]
    filled: Iterable[Any] = (fill if v is None else v for v in values) if null.any() else values
    if dtype.kind == "M":
        # numpy has no time zones; logical timestamps of Avro are UTC
        filled = (v if v is fill else v.replace(tzinfo=None) for v in filled)
    column = np.array(list(filled), dtype)
    return np.ma.MaskedArray(column, null) if null.any() else column


def _columns(
    name: str, rows: Sequence[Record], record: Mapping[str, Any]
) -> tuple[Columns, tuple[str, ...]]:
    """Return the columns that the catalogue has, and the names of the fields it has not."""
    columns: Columns = {}
    left_out = []
    for avro_field in record["fields"]:
        packet_name = avro_field["name"]
        try:
            column_name = table(name).column(packet_name).name
        except KeyError:
            left_out.append(packet_name)
            continue
        values = [row[packet_name] for row in rows]
        columns[column_name] = _column(values, _dtype(avro_field["type"]))
    return columns, tuple(left_out)


def read_alerts(path: str | Path) -> AlertTables:
    """Read a file of alert packets into tables of unique rows.

    Parameters
    ----------
    path : str or Path
        Avro object container file of LSST alerts, schema version 10 or 11.  It is streamed:
        stamps are not kept in memory.

    Returns
    -------
    AlertTables
        The rows of diaSource and prvDiaSources, prvDiaForcedSources, diaObject, ssSource and
        mpc_orbits.

    Raises
    ------
    InvalidInput
        If the file is not Avro, is cut short, or holds something else than such alerts.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    rows = _Rows()
    with path.open("rb") as stream:
        try:
            reader = fastavro.reader(stream)
            schema: Any = reader.writer_schema
            namespace = _check_schema(schema, path)
            for alert in reader:
                rows.add(alert)  # type: ignore[arg-type]
        except (ValueError, EOFError, IndexError) as problem:
            raise InvalidInput(
                f"{path} is no whole Avro object container file ({problem}): copy it again"
            ) from problem
    named: dict[str, Any] = {}
    records = {f["name"]: _record(f["type"], named) for f in schema["fields"]}
    made = {
        name: _columns(name, list(rows.tables[name].values()), records[place] or {"fields": []})
        for name, place in _PLACES.items()
    }
    return AlertTables(
        schema=namespace,
        trigger=np.array(rows.trigger, np.int64),
        left_out={name: missing for name, (_, missing) in made.items() if missing},
        **{name: columns for name, (columns, _) in made.items()},
    )


def _groups(source: Columns) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the order of time and visits, and where in it each (visit, detector) begins."""
    keys = ("dia_source_id", "detector", "visit", "midpoint_mjd_tai")
    order = np.lexsort([source[key] for key in keys])
    visit, detector = source["visit"][order], source["detector"][order]
    change = (np.diff(visit) != 0) | (np.diff(detector) != 0)
    start = np.flatnonzero(np.concatenate([[True], change]))
    pairs = np.stack([visit[start], detector[start].astype(np.int64)])
    unique, count = np.unique(pairs, axis=1, return_counts=True)
    if unique.shape[1] != pairs.shape[1]:
        bad = unique[:, count > 1][:, 0]
        raise InvalidInput(
            f"the sources of visit {bad[0]}, detector {bad[1]} have several midpoints: "
            "one exposure has one"
        )
    return order, start


def _circles(
    source: Columns, start: npt.NDArray[np.intp], minimum: float
) -> tuple[npt.NDArray[np.float64], ...]:
    """Return centre and radius [deg] of a circle around each group of sources."""
    vectors = unit_vectors(source["ra"], source["dec"])
    centre = np.add.reduceat(vectors, start, axis=0)
    centre /= np.linalg.norm(centre, axis=1, keepdims=True)
    size = np.diff(np.append(start, len(vectors)))
    farthest = np.maximum.reduceat(separation(vectors, np.repeat(centre, size, axis=0)), start)
    # a margin, so that the farthest source lies inside and not on the edge
    return (*positions(centre), np.maximum(1.05 * farthest, minimum))


def _cut(
    columns: Mapping[str, tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]], rows: slice
) -> Columns:
    """Return some rows of all columns, masked where null; without columns that are all null."""
    cut: Columns = {}
    for name, (data, mask) in columns.items():
        # 90 columns × 30,000 visits: masked arrays only where they are needed
        if mask is None or not (null := mask[rows]).any():
            cut[name] = data[rows]
        elif not null.all():
            cut[name] = np.ma.MaskedArray(data[rows], null)
    return cut


def visits(
    tables: AlertTables, *, exposure_time: float = 30.0, minimum_radius: float = MINIMUM_RADIUS
) -> Iterator[AlertVisit]:
    """Yield the DIASources of alerts visit by visit, in time order.

    Parameters
    ----------
    tables : AlertTables
        What `read_alerts` returned.
    exposure_time : float
        Exposure time of the visits [s]; packets up to version 11 do not say it.
    minimum_radius : float
        Smallest radius of a footprint [deg].  Packets hold no footprint: it is a circle around
        the sources.

    Yields
    ------
    AlertVisit
        One per (visit, detector), ordered by (midpoint, visit, detector); its sources by
        dia_source_id.  Columns that are null in the whole visit are not among them.

    Raises
    ------
    InvalidInput
        If sources of one (visit, detector) have different midpoints.
    """
    given = tables.dia_source
    if not len(given["dia_source_id"]):
        return
    order, start = _groups(given)
    source = {name: column[order] for name, column in given.items()}
    truth = tables.true_objects(source["dia_source_id"])
    ra, dec, radius = _circles(source, start, minimum_radius)
    stop = np.append(start[1:], len(order))
    of_visit = {name: source[name][start].tolist() for name in _VISIT_COLUMNS}
    columns = {
        name: (
            np.ma.getdata(column),
            np.ma.getmaskarray(column) if np.ma.is_masked(column) else None,
        )
        for name, column in source.items()
        if name not in (*_DECIDED, *_VISIT_COLUMNS)
    }
    for i, rows in enumerate(map(slice, start.tolist(), stop.tolist())):
        visit = {name: values[i] for name, values in of_visit.items()}
        visit |= {"exposure_time": exposure_time, "radius": float(radius[i])}
        visit |= {"ra": float(ra[i]), "dec": float(dec[i])}
        yield AlertVisit(visit, _cut(columns, rows), truth[rows])
