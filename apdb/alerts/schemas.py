"""Avro schemas of alert packets, from the catalogue and one small description per version.

A version says which fields its records have, in what order, and which may be null
(``versions/v11_1.yaml``); types, units and meanings come from the catalogue of the schema.  The
extended schema is the public one with further fields behind its last (``versions/extended.yaml``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import fastavro
import yaml

from apdb.errors import InvalidInput
from apdb.input.conversion import default_value
from apdb.schema import catalogue
from apdb.schema.catalogue import Column

DEFAULT_VERSION = "11.1"
DEFAULT_NAMESPACE = "lsst"
DEFAULT_SURVEY = "Rubin"

#: Registry ids of extended schemas: this times the revision of the extension, plus the public id.
EXTENSION_STEP = 1_000_000

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_TYPES = {
    "boolean": "boolean",
    "short": "int",
    "int": "int",
    "long": "long",
    "float": "float",
    "double": "double",
    "text": "string",
    "binary": "bytes",
    "timestamp": "long",
}
_PRIMITIVE = frozenset(_TYPES.values())


@dataclass(frozen=True)
class Field:
    """One field of a record that holds a row of a table.

    Attributes
    ----------
    name : str
        Name in the packet, DPDD.
    column : str
        Name of the column, snake_case.
    type : str
        Avro type: boolean, int, long, float, double, string or bytes.
    nullable : bool
        True if the field is a union with null, null first.
    logical : str or None
        Avro's logical type, ``timestamp-micros``, of a column of times.
    default : object or None
        What a row has in the database where no value was given; None for null.
    doc : str
        Meaning, with the unit in brackets.
    """

    name: str
    column: str
    type: str
    nullable: bool
    logical: str | None = None
    # NaN is a default and unlike itself; what the column is says what its default is.
    default: Any = field(default=None, compare=False)
    doc: str = field(default="", compare=False)


@dataclass(frozen=True)
class AlertSchema:
    """The schema of the packets of one version.

    Attributes
    ----------
    version : str
        Version of the public schema, such as ``11.1``.
    namespace : str
        Survey's part of the namespace, such as ``lsst``.
    extended : bool
        True for the public schema with our own fields behind it.
    registry_id : int
        Number in a schema registry: major * 100 + minor, and `EXTENSION_STEP` times the revision
        of the extension more if extended.
    avro : dict
        The whole record for `fastavro.parse_schema`; not to be changed.
    canonical : str
        Parsing canonical form, as the Avro specification defines it.
    fingerprint : str
        SHA-256 of the canonical form, hexadecimal.
    """

    version: str
    namespace: str
    extended: bool
    registry_id: int
    avro: dict[str, Any] = field(compare=False, repr=False)
    canonical: str = field(repr=False)
    fingerprint: str
    records: Mapping[str, tuple[Field, ...]] = field(compare=False, repr=False)
    tables: Mapping[str, str] = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """Full name of the record, such as ``lsst.v11_1.alert``."""
        return str(self.avro["name"])

    @property
    def parsed(self) -> Any:
        """The schema as fastavro's readers and writers take it without parsing it again."""
        return _parsed(self)

    def record(self, name: str) -> tuple[Field, ...]:
        """Return the fields of a record in the order of the packet.

        Parameters
        ----------
        name : {"diaSource", "diaForcedSource", "diaObject", "ssSource", "mpc_orbits"}
            Which record.

        Returns
        -------
        tuple of Field

        Raises
        ------
        KeyError
            If packets have no such record.
        """
        try:
            return self.records[name]
        except KeyError:
            known = ", ".join(self.records)
            raise KeyError(f"packets have no record {name!r}; they have {known}") from None

    def record_schema(self, name: str) -> dict[str, Any]:
        """Return the Avro schema of a record by itself.

        Parameters
        ----------
        name : str
            As in `record`.

        Returns
        -------
        dict
            For `fastavro.parse_schema`.
        """
        full = f"{_namespace(self.namespace, self.version)}.{name}"
        return _record(full, self.record(name), {})


@cache
def versions() -> tuple[str, ...]:
    """Return the versions there are, oldest first.

    Returns
    -------
    tuple of str
        Such as ``("10.0", "11.0", "11.1")``.
    """
    names = (each.name for each in resources.files("apdb.alerts").joinpath("versions").iterdir())
    found = (re.fullmatch(r"v(\d+)_(\d+)\.yaml", name) for name in names)
    numbers = sorted((int(match[1]), int(match[2])) for match in found if match)
    return tuple(f"{major}.{minor}" for major, minor in numbers)


def alert_schema(
    version: str = DEFAULT_VERSION,
    *,
    namespace: str = DEFAULT_NAMESPACE,
    extended: bool = False,
    survey: str = DEFAULT_SURVEY,
) -> AlertSchema:
    """Return the schema of alert packets of one version.

    Parameters
    ----------
    version : str
        One of `versions`.
    namespace : str
        Survey's part of the namespace; records are named ``<namespace>.v11_1.alert``.
    extended : bool
        Give the public schema with our own fields behind it, ``<namespace>_extended.v11_1.alert``.
    survey : str
        Name of the survey in the documentation of the schema.

    Returns
    -------
    AlertSchema
        The same object for the same arguments.

    Raises
    ------
    InvalidInput
        If there is no such version, or the namespace is no name in Avro.
    """
    if version not in versions():
        raise InvalidInput(
            f"there is no alert schema {version!r}: give one of {', '.join(versions())}"
        )
    if not _NAME.fullmatch(namespace):
        raise InvalidInput(
            f"namespace {namespace!r} is no name in Avro: letters, digits and _, not beginning "
            "with a digit, joined by dots"
        )
    return _build(version, namespace, extended, survey)


def schema_of_registry_id(
    registry_id: int, *, namespace: str = DEFAULT_NAMESPACE, survey: str = DEFAULT_SURVEY
) -> AlertSchema:
    """Return the schema that has a number in the registry.

    Parameters
    ----------
    registry_id : int
        Number, as in the head of a framed packet.
    namespace, survey : str
        As in `alert_schema`.

    Returns
    -------
    AlertSchema

    Raises
    ------
    InvalidInput
        If no schema has that number.
    """
    for version in versions():
        for extended in (False, True):
            schema = alert_schema(version, namespace=namespace, extended=extended, survey=survey)
            if schema.registry_id == registry_id:
                return schema
    known = ", ".join(f"{_public_id(version)} ({version})" for version in versions())
    raise InvalidInput(f"no alert schema has registry id {registry_id}; public ones are {known}")


@cache
def _build(version: str, namespace: str, extended: bool, survey: str) -> AlertSchema:
    description = _description(f"v{version.replace('.', '_')}")
    records, tables = {}, {}
    for name, record in description["records"].items():
        tables[name] = record["table"]
        records[name] = tuple(_fields(record["table"], record["fields"].split()))
    public_id = _public_id(version)
    space = own_space = _namespace(namespace, version)
    more = {"confluent:version": public_id} if description["confluent_version"] else {}
    named: dict[str, Any] = {
        name: _record(f"{space}.{name}", fields, more) for name, fields in records.items()
    }
    doc, rows = description["doc"], list(description["alert"])
    revision = 0
    if extended:
        extension = _description("extended")
        doc, revision = extension["doc"], extension["revision"]
        own_space = _namespace(f"{namespace}_extended", version)
        named |= _extension_records(extension["records"], own_space)
        rows += extension["alert"]
    avro = {
        "type": "record",
        "doc": doc.format(survey=survey, version=version, revision=revision),
        "name": f"{own_space}.alert",
        "fields": [_alert_field(row, named, own_space) for row in rows],
    }
    canonical = fastavro.schema.to_parsing_canonical_form(avro)
    return AlertSchema(
        version=version,
        namespace=namespace,
        extended=extended,
        registry_id=public_id + EXTENSION_STEP * revision,
        avro=avro,
        canonical=canonical,
        fingerprint=fastavro.schema.fingerprint(canonical, "SHA-256"),
        records=MappingProxyType(records),
        tables=MappingProxyType(tables),
    )


def _extension_records(
    records: Mapping[str, Sequence[Mapping[str, str]]], space: str
) -> dict[str, Any]:
    return {
        name: {
            "type": "record",
            "name": f"{space}.{name}",
            "fields": [_alert_field(row, {}, space) for row in rows],
        }
        for name, rows in records.items()
    }


@cache
def _parsed(schema: AlertSchema) -> Any:
    return fastavro.parse_schema(schema.avro)


@cache
def _description(name: str) -> dict[str, Any]:
    path = resources.files("apdb.alerts").joinpath("versions", f"{name}.yaml")
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def _namespace(namespace: str, version: str) -> str:
    return f"{namespace}.v{version.replace('.', '_')}"


def _public_id(version: str) -> int:
    major, minor = version.split(".")
    return int(major) * 100 + int(minor)


def _fields(table: str, names: Sequence[str]) -> Iterator[Field]:
    for name in names:
        column: Column = catalogue.table(table).column(name.removesuffix("?"))
        yield Field(
            name=column.dpdd_name,
            column=column.name,
            type=_TYPES[column.datatype],
            nullable=name.endswith("?"),
            logical="timestamp-micros" if column.datatype == "timestamp" else None,
            default=default_value(column),
            doc=column.comment,
        )


def _record(full: str, fields: Sequence[Field], more: Mapping[str, Any]) -> dict[str, Any]:
    made = [_row_field(each) for each in fields]
    return {"type": "record", "name": full, **more, "fields": made}


def _row_field(each: Field) -> dict[str, Any]:
    base: Any = each.type
    if each.logical:
        base = {"type": each.type, "logicalType": each.logical}
    made: dict[str, Any] = {"name": each.name, "doc": each.doc, "type": base}
    if each.nullable:
        made |= {"type": ["null", base], "default": None}
    return made


def _alert_field(row: Mapping[str, str], named: dict[str, Any], space: str) -> dict[str, Any]:
    text = row["type"]
    base = _type(text.removesuffix("?"), named, space, row["name"])
    made: dict[str, Any] = {"name": row["name"], "doc": row["doc"], "type": base}
    if text.endswith("?"):
        made |= {"type": ["null", base], "default": None}
    return made


def _type(text: str, named: dict[str, Any], space: str, owner: str) -> Any:
    """Return the Avro type that a short form says; a record in full the first time only."""
    if text.endswith("[]"):
        return {"type": "array", "items": _type(text[:-2], named, space, owner)}
    if text.endswith("{}"):
        return {"type": "map", "values": _type(text[:-2], named, space, owner)}
    if fixed := re.fullmatch(r"fixed\((\d+)\)", text):
        return {"type": "fixed", "name": f"{space}.{owner}", "size": int(fixed[1])}
    if text in _PRIMITIVE:
        return text
    record = named[text]
    if not isinstance(record, str):
        named[text] = record["name"]
    return record
