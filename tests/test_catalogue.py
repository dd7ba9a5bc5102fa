"""The catalogue: valid Felis, a superset of the public APDB schema, DDL for PostgreSQL."""

from __future__ import annotations

import math
import os
import re
from dataclasses import FrozenInstanceError
from importlib import resources
from pathlib import Path

import felis.datamodel
import numpy as np
import pytest
import sqlalchemy as sa
import yaml
from astropy import units
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from apdb.schema.catalogue import Column, Table, catalogue, table
from apdb.schema.ddl import sqlalchemy_metadata

DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

DATA = Path(os.environ.get("APDB_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
REFERENCE = DATA.parent / "reference" / "columns.md"

# Public table name → ours.  DiaObjectLast is our dia_object, which has all of its columns.
PUBLIC_TABLES = {
    "metadata": "metadata",
    "DiaObject": "dia_object",
    "DiaSource": "dia_source",
    "DiaForcedSource": "dia_forced_source",
    "DiaObject_To_Object_Match": "dia_object_to_object_match",
    "DiaObjectLast": "dia_object",
    "DetectorVisitProcessingSummary": "detector_visit_processing_summary",
    "SSObject": "ss_object",
    "SSSource": "ss_source",
    "mpc_orbits": "mpc_orbits",
    "current_identifications": "current_identifications",
    "numbered_identifications": "numbered_identifications",
}

# Names written by hand, not by the rule that made the file.
SNAKE_CASE = {
    "dia_object": {
        "diaObjectId": "dia_object_id",
        "ra_dec_Cov": "ra_dec_cov",
        "u_psfFluxMean": "u_psf_flux_mean",
        "u_psfFluxNdata": "u_psf_flux_ndata",
        "nDiaSources": "n_dia_sources",
    },
    "dia_source": {
        "forced_PsfFlux_flag": "forced_psf_flux_flag",
        "ixxPSF": "ixx_psf",
        "psfLnL": "psf_ln_l",
        "psfNdata": "psf_ndata",
        "xErr": "x_err",
        "midpointMjdTai": "midpoint_mjd_tai",
        "pixelFlags_injected_templateCenter": "pixel_flags_injected_template_center",
    },
    "dia_object_to_object_match": {"lnP": "ln_p"},
    "ss_object": {
        "ssObjectId": "ss_object_id",
        "u_G12": "u_g12",
        "u_H_u_G12_Cov": "u_h_u_g12_cov",
        "MOIDEarthDeltaV": "moid_earth_delta_v",
        "tisserand_J": "tisserand_j",
        "u_nObs": "u_n_obs",
    },
    "ss_source": {"ephVmag": "eph_vmag"},
    "detector_visit_processing_summary": {
        "starE41Median": "star_e41_median",
        "nPsfStar": "n_psf_star",
    },
}


class PublicColumn:
    """One line of the public column list: ``- name type[length] unit NN =default``."""

    def __init__(self, line: str) -> None:
        self.name, datatype, *rest = line.removeprefix("- ").split()
        self.datatype = re.sub(r"^(char|string)(\(\d+\))?$", "text", datatype)
        self.nullable = "NN" not in rest
        units = [word for word in rest if word != "NN" and not word.startswith("=")]
        self.unit = units[0] if units else None
        self.default = next((word[1:] for word in rest if word.startswith("=")), None)


def public_columns() -> dict[str, list[PublicColumn]]:
    if not REFERENCE.exists():
        pytest.skip(f"no public column list at {REFERENCE}; set APDB_TEST_DATA")
    sections = REFERENCE.read_text(encoding="utf-8").split("\n## ")[1:]
    return {
        section.split()[0]: [PublicColumn(x) for x in section.splitlines() if x.startswith("- ")]
        for section in sections
    }


def base_table(name: str) -> sa.Table:
    return sqlalchemy_metadata().tables[f"apdb_base.{name}"]


def ddl(name: str) -> str:
    return str(CreateTable(base_table(name)).compile(dialect=DIALECT))


def test_yaml_is_valid_felis_with_descriptions_units_and_ucds() -> None:
    text = resources.files("apdb.schema").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    schema: felis.datamodel.Schema[felis.datamodel.Table]
    schema = felis.datamodel.Schema.model_validate(
        yaml.safe_load(text), context={"check_description": True}
    )
    assert [t.name for t in schema.tables] == list(catalogue().tables)
    assert isinstance(schema.version, felis.datamodel.SchemaVersion)
    assert schema.version.current == catalogue().version
    for definition in schema.tables:
        names = [c.name for c in table(definition.name).columns]
        assert names == [c.name for c in definition.columns]


@pytest.mark.parametrize(("public", "name"), PUBLIC_TABLES.items())
def test_every_public_column_is_there_in_order(public: str, name: str) -> None:
    expected = [c.name for c in public_columns()[public]]
    ours = [c.dpdd_name for c in table(name).columns]
    if public == "DiaObjectLast":
        assert set(expected) <= set(ours)
    else:
        assert ours[: len(expected)] == expected


@pytest.mark.parametrize(("public", "name"), PUBLIC_TABLES.items())
def test_public_columns_have_their_type_nullability_and_unit(public: str, name: str) -> None:
    for expected in public_columns()[public]:
        ours = table(name).column(expected.name)
        assert ours.datatype == expected.datatype, expected.name
        # The band decides which summary columns a source counts in: ours must be known.
        required = (name, ours.name) == ("dia_source", "band")
        assert ours.nullable == (expected.nullable and not required), expected.name
        # The public list gives no unit for most of the times that are MJD; ours all say days.
        is_mjd = expected.name.endswith("MjdTai")
        assert ours.unit == ("d" if is_mjd else expected.unit), expected.name


def test_all_public_tables_are_covered() -> None:
    assert set(public_columns()) == set(PUBLIC_TABLES)


def test_public_defaults_and_those_of_our_own() -> None:
    for public, name in PUBLIC_TABLES.items():
        for expected in public_columns()[public]:
            if expected.default is not None:
                assert table(name).column(expected.name).sql_default == expected.default
    source = table("dia_source")
    for name in ("psf_ndata", "dipole_ndata", "bbox_size", "trail_ndata"):
        assert source.column(name).default == 0
    for name in ("x", "y"):
        default = source.column(name).default
        assert isinstance(default, float)
        assert math.isnan(default)
        assert source.column(name).sql_default == "'NaN'::real"


@pytest.mark.parametrize(
    ("name", "dpdd", "snake"),
    [(t, dpdd, snake) for t, pairs in SNAKE_CASE.items() for dpdd, snake in pairs.items()],
)
def test_names_follow_the_rule(name: str, dpdd: str, snake: str) -> None:
    assert table(name).column(dpdd).name == snake
    assert table(name).column(snake).dpdd_name == dpdd


@pytest.mark.parametrize("definition", catalogue().tables.values(), ids=lambda t: t.name)
def test_columns_are_found_by_either_name(definition: Table) -> None:
    assert len({c.dpdd_name for c in definition.columns}) == len(definition.columns)
    for column in definition.columns:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
        assert definition.column(column.name) is column
        assert definition.column(column.dpdd_name) is column


def test_unknown_names_are_key_errors_that_say_so() -> None:
    with pytest.raises(KeyError, match="table dia_source has no column 'psf_fulx'"):
        table("dia_source").column("psf_fulx")
    with pytest.raises(KeyError, match="no table 'dia_sauce'"):
        table("dia_sauce")


def test_the_catalogue_is_one_immutable_object() -> None:
    assert catalogue() is catalogue()
    with pytest.raises(TypeError):
        catalogue().tables["x"] = table("visit")  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        table("visit").name = "x"  # type: ignore[misc]


def test_versions_of_objects_have_the_columns_of_objects() -> None:
    def shape(name: str) -> list[tuple[str, str, str | None]]:
        return [(c.name, c.sql_type, c.unit) for c in table(name).columns]

    assert shape("dia_object_version") == shape("dia_object")
    assert shape("dia_source_superseded")[:-1] == shape("dia_source")
    assert not table("dia_object_version").column("store_seq_end").nullable


@pytest.mark.parametrize(
    ("name", "column", "sql_type", "dtype"),
    [
        ("dia_source", "dia_source_id", "bigint", "i8"),
        ("dia_source", "detector", "smallint", "i2"),
        ("dia_source", "psf_ndata", "integer", "i4"),
        ("dia_source", "ra", "double precision", "f8"),
        ("dia_source", "psf_flux", "real", "f4"),
        ("dia_source", "is_dipole", "boolean", "?"),
        ("dia_source", "band", "text", "O"),
        ("visit", "boundary", "double precision[]", "f8"),
        ("visit", "report_dia_object_id", "bigint[]", "i8"),
        ("visit", "digest", "bytea", "O"),
        ("visit", "night", "date", "M8[D]"),
        ("visit", "timings", "jsonb", "O"),
        ("visit_attempt", "backend_start", "timestamp with time zone", "M8[us]"),
        ("mpc_orbits", "created_at", "timestamp without time zone", "M8[us]"),
    ],
)
def test_types(name: str, column: str, sql_type: str, dtype: str) -> None:
    assert table(name).column(column).sql_type == sql_type
    assert table(name).column(column).numpy_dtype == np.dtype(dtype)


def test_units_are_read_by_astropy() -> None:
    for definition in catalogue().tables.values():
        for column in definition.columns:
            if column.unit is not None:
                assert units.Unit(column.unit).to_string(), column.name


@pytest.mark.parametrize("definition", catalogue().tables.values(), ids=lambda t: t.name)
def test_ddl_compiles_for_postgresql(definition: Table) -> None:
    created = base_table(definition.name)
    text = str(CreateTable(created).compile(dialect=DIALECT))
    assert f"CREATE TABLE apdb_base.{definition.name} (" in text
    # A serial would number the rows where the caller's own number is the point.
    assert "SERIAL" not in text
    for column in definition.columns:
        line = rf"^\t\"?{column.name}\"? {re.escape(column.sql_type)}\W"
        assert re.search(line, text, re.IGNORECASE | re.MULTILINE), column
    for index in created.indexes:
        assert str(CreateIndex(index).compile(dialect=DIALECT)).startswith(
            ("CREATE INDEX", "CREATE UNIQUE INDEX")
        )
    if definition.partitioned:
        assert "PARTITION BY range (midpoint_mjd_tai)" in text
        assert "midpoint_mjd_tai" in definition.primary_key


def test_comments_carry_description_and_unit() -> None:
    created = base_table("dia_source")
    column: Column = table("dia_source").column("psf_flux")
    assert created.c.psf_flux.comment == f"{column.description} [nJy]"
    assert created.c.band.comment == table("dia_source").column("band").description


def test_keys_indexes_and_storage_reach_the_ddl() -> None:
    metadata = sqlalchemy_metadata()
    text = ddl("dia_source")
    assert "PRIMARY KEY (dia_source_id, midpoint_mjd_tai)" in text
    assert "REFERENCES" not in text  # checked once a statement
    assert "REFERENCES apdb_base.dia_source_locator (dia_source_id)" in ddl("ss_source")
    assert "fillfactor = 70" in ddl("dia_object")
    assert "GENERATED BY DEFAULT AS IDENTITY" in ddl("visit_attempt")
    assert "x REAL DEFAULT 'NaN'::real NOT NULL" in text
    indexes = {
        str(i.name): str(CreateIndex(i).compile(dialect=DIALECT))
        for t in metadata.tables.values()
        for i in t.indexes
    }
    assert indexes["dia_object_q3c_idx"].endswith("(q3c_ang2ipix(ra, dec))")
    assert indexes["dia_source_ss_object_idx"].endswith("WHERE ss_object_id is not null")


def test_names_of_constraints_and_indexes_fit_postgresql() -> None:
    for definition in catalogue().tables.values():
        names = [x.name for x in definition.checks]
        names += [x.name for x in definition.uniques]
        names += [x.name for x in definition.foreign_keys]
        names += [x.name for x in definition.indexes]
        for name in names:
            assert name.startswith(f"{definition.name}_")
            assert len(name.encode()) <= 63  # PostgreSQL cuts longer ones, silently


@pytest.mark.parametrize("name", ["dia_source", "dia_forced_source", "dia_object"])
def test_the_nan_checks_name_every_float_column(name: str) -> None:
    checks = [c.expression for c in table(name).checks if c.name.endswith("_no_nan")]
    checked = set(re.findall(r"\w+", " ".join(checks)))
    floats = {c.name for c in table(name).columns if c.datatype in {"float", "double"}}
    may_be_nan = {"x", "y"} if name == "dia_source" else set()
    assert floats - checked == may_be_nan
