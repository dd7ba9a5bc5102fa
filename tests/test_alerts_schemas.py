"""Our alert schemas against those of the package that the survey publishes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import fastavro
import pytest
from alert_tools import RECORDS, public_package

from apdb.alerts.schemas import alert_schema, schema_of_registry_id, versions
from apdb.errors import InvalidInput
from apdb.schema.catalogue import table

VERSIONS = ("10.0", "11.0", "11.1")


def without_docs(node: Any, top: bool = True) -> Any:
    """Return a schema without what its fields and inner records say of themselves."""
    if isinstance(node, list):
        return [without_docs(each, False) for each in node]
    if isinstance(node, dict):
        left = {"__fastavro_parsed", "__named_schemas"} | (set() if top else {"doc"})
        return {k: without_docs(v, False) for k, v in node.items() if k not in left}
    return node


def test_versions() -> None:
    assert versions() == VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_equal_field_by_field_to_the_published_package(version: str) -> None:
    # names, order, types, null first, defaults, namespaces and properties; texts are our own
    theirs = public_package(version).definition
    assert without_docs(alert_schema(version).avro) == without_docs(theirs)


@pytest.mark.parametrize("version", VERSIONS)
def test_canonical_form_and_number_are_those_of_the_published_package(version: str) -> None:
    theirs = public_package(version)
    ours = alert_schema(version)
    assert ours.canonical == fastavro.schema.to_parsing_canonical_form(theirs.definition)
    assert ours.fingerprint == hashlib.sha256(ours.canonical.encode()).hexdigest()
    assert ours.registry_id == theirs.get_schema_id()


@pytest.mark.parametrize("version", VERSIONS)
def test_every_field_says_what_it_is(version: str) -> None:
    schema = alert_schema(version)
    for name in RECORDS:
        rows = table(schema.tables[name])
        for field in schema.record(name):
            assert field.doc == rows.column(field.column).comment
    assert all(field["doc"] for field in schema.avro["fields"])


@pytest.mark.parametrize(
    ("version", "counts"), [("10.0", (98, 14, 82, 39, 53)), ("11.1", (102, 14, 82, 39, 53))]
)
def test_numbers_of_fields(version: str, counts: tuple[int, ...]) -> None:
    schema = alert_schema(version)
    assert tuple(len(schema.record(name)) for name in RECORDS) == counts


def test_fields_carry_columns_and_defaults() -> None:
    fields = {each.name: each for each in alert_schema("10.0").record("diaSource")}
    assert fields["ra_dec_Cov"].column == "ra_dec_cov"
    # null is allowed in packets of this version, but a row without value has the column's default
    assert (fields["psfNdata"].nullable, fields["psfNdata"].default) == (True, 0)
    assert fields["psfFlux"].default is None
    later = {each.name: each for each in alert_schema("11.0").record("diaSource")}
    assert (later["psfNdata"].nullable, later["psfNdata"].default) == (False, 0)


def test_records_by_themselves_can_be_parsed() -> None:
    schema = alert_schema()
    theirs = public_package("11.1").definition["fields"][3]["type"]
    ours = schema.record_schema("diaSource")
    assert fastavro.schema.to_parsing_canonical_form(
        ours
    ) == fastavro.schema.to_parsing_canonical_form(theirs)
    with pytest.raises(KeyError, match="packets have no record 'ssObject'; they have diaSource"):
        schema.record("ssObject")


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_found_again_by_number(version: str, extended: bool) -> None:
    schema = alert_schema(version, extended=extended)
    assert schema_of_registry_id(schema.registry_id) is schema
    assert 0 < schema.registry_id < 2**31


def test_numbers_are_distinct_and_unknown_ones_refused() -> None:
    ids = [alert_schema(v, extended=e).registry_id for v in VERSIONS for e in (False, True)]
    assert ids == [1000, 2001000, 1100, 2001100, 1101, 2001101]
    with pytest.raises(InvalidInput, match=r"no alert schema has registry id 999.*1101 \(11.1\)"):
        schema_of_registry_id(999)


def test_another_survey_has_its_own_names() -> None:
    schema = alert_schema("11.1", namespace="org.zoo", survey="Zoo")
    assert schema.name == "org.zoo.v11_1.alert"
    assert schema.avro["doc"] == "Zoo Avro alert schema v11.1"
    assert "lsst" not in json.dumps(schema.avro)
    assert schema.fingerprint != alert_schema("11.1").fingerprint
    renamed = schema.canonical.replace("org.zoo.", "lsst.")
    assert renamed == alert_schema("11.1").canonical


@pytest.mark.parametrize("namespace", ["", "1st", "a..b", "a b", "a.", 'x","doc":"'])
def test_namespaces_that_are_no_names(namespace: str) -> None:
    with pytest.raises(InvalidInput, match="is no name in Avro"):
        alert_schema(namespace=namespace)


def test_versions_that_are_not_there() -> None:
    with pytest.raises(InvalidInput, match=r"no alert schema '11\.7': give one of 10\.0, 11\.0"):
        alert_schema("11.7")


@pytest.mark.parametrize("version", VERSIONS)
def test_extended_is_the_public_schema_with_fields_behind(version: str) -> None:
    public, extended = alert_schema(version), alert_schema(version, extended=True)
    n = len(public.avro["fields"])
    assert extended.avro["fields"][:n] == public.avro["fields"]
    assert [each["name"] for each in extended.avro["fields"][n:]] == [
        "prvDiaSourceIds",
        "leftOut",
        "snapDiffFlux",
        "snapDiffFluxErr",
        "features",
        "nearbyObjects",
        "potentialHosts",
        "stampsSplit",
    ]
    assert extended.name == f"lsst_extended.v{version.replace('.', '_')}.alert"
    assert extended.record("diaSource") == public.record("diaSource")


def test_parsing_leaves_the_schema_as_it_is() -> None:
    schema = alert_schema("11.0", namespace="untouched")
    before = json.dumps(schema.avro)
    assert schema.parsed is schema.parsed
    assert json.dumps(schema.avro) == before
