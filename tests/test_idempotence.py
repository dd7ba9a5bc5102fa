"""Storing a visit again, from whatever container, changes no row."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import Table
from store_tools import check_whole, digest

import apdb
from pipeline.survey import SimulatedVisit, Survey, SurveyConfig, simulate

Columns = dict[str, Any]


def shuffled(columns: Columns) -> Columns:
    """Rows and columns in another order."""
    rng = np.random.default_rng(3)
    rows = rng.permutation(len(columns["dia_source_id"]))
    return {name: columns[name][rows] for name in rng.permutation(list(columns)).tolist()}


def structured(columns: Columns) -> Any:
    table = Table(columns)
    return table.as_array()


def frame(columns: Columns) -> Any:
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(columns)


def from_fits(columns: Columns) -> Any:
    """Through a file: big-endian, with the column types of FITS."""
    file = io.BytesIO()
    Table(columns).write(file, format="fits")
    file.seek(0)
    return fits.getdata(file)


def float_nulls_masked(columns: Columns) -> Table:
    """NaN in a nullable column and a masked value are the same NULL."""
    table = Table(columns, masked=True)
    for name in ("ra_err", "dec_err", "ra_dec_cov"):
        table[name].mask = np.isnan(columns[name])
    return table


CONTAINERS: dict[str, Callable[[Columns], Any]] = {
    "mapping": dict,
    "shuffled": shuffled,
    "astropy": Table,
    "masked": float_nulls_masked,
    "pandas": frame,
    "arrow": pa.table,
    "structured": structured,
    "FITS": from_fits,
}


def survey(n_visits: int, per_detector: int) -> Survey:
    return simulate(
        SurveyConfig(seed=5, n_visits=n_visits, n_detectors=1, objects_per_detector=per_detector)
    )


def load_ephemeris(connection: psycopg.Connection[Any], rows: Columns) -> None:
    names = list(rows)
    query = f"copy apdb_base.ephemeris ({', '.join(names)}) from stdin"
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        for row in zip(*(rows[name].tolist() for name in names), strict=True):
            copy.write_row(row)
    connection.commit()


def forced_once(calls: list[int]) -> Callable[[Table], Columns]:
    def measure(positions: Table) -> Columns:
        calls.append(len(positions))
        n = len(positions)
        rng = np.random.default_rng(n)
        return {
            "dia_object_id": positions["dia_object_id"],
            "psf_flux": rng.normal(10.0, 3.0, n),
            "psf_flux_err": np.full(n, 3.0),
        }

    return measure


def store(db: apdb.Apdb, each: SimulatedVisit, sources: Any, calls: list[int]) -> apdb.StoreReport:
    return db.store_visit(apdb.Visit(**each.visit), sources, forced=forced_once(calls))


def stored_survey(
    db: apdb.Apdb, connection: psycopg.Connection[Any], n_visits: int, per_detector: int
) -> tuple[list[SimulatedVisit], list[apdb.StoreReport]]:
    simulated = survey(n_visits, per_detector)
    load_ephemeris(connection, simulated.ephemeris)
    visits = list(simulated.visits())
    calls: list[int] = []
    reports = [store(db, each, each.sources, calls) for each in visits]
    assert len(calls) == n_visits
    check_whole(connection)
    return visits, reports


def check_again(
    db: apdb.Apdb,
    connection: psycopg.Connection[Any],
    visits: list[SimulatedVisit],
    reports: list[apdb.StoreReport],
    names: list[str],
) -> None:
    before = digest(connection)
    calls: list[int] = []
    for each, first in zip(visits, reports, strict=True):
        for name in names:
            again = store(db, each, CONTAINERS[name](each.sources), calls)
            assert again.state == "repeated", name
            assert again.store_seq == first.store_seq
            assert again.n_dia_forced_sources == first.n_dia_forced_sources
            answers = [
                dict(
                    zip(
                        r.dia_source_id.tolist(),
                        zip(r.dia_object_id.tolist(), r.ss_object_id.tolist(), r.is_new.tolist(),
                            strict=True),
                        strict=True,
                    )
                )
                for r in (first, again)
            ]  # fmt: skip
            assert answers[0] == answers[1], name
            assert again.dia_source_id.tolist() == list(
                CONTAINERS[name](each.sources)["dia_source_id"].tolist()
                if name != "arrow"
                else each.sources["dia_source_id"].tolist()
            )
    assert not calls, "forced photometry was asked for a visit that is stored"
    assert digest(connection) == before


@pytest.mark.parametrize("name", list(CONTAINERS))
def test_again_from_any_container(db: apdb.Apdb, plain_connection: Any, name: str) -> None:
    visits, reports = stored_survey(db, plain_connection, 3, 60)
    check_again(db, plain_connection, visits, reports, [name])


@pytest.mark.slow
def test_every_visit_of_a_night_again(db: apdb.Apdb, plain_connection: Any) -> None:
    visits, reports = stored_survey(db, plain_connection, 72, 400)
    assert any((r.ss_object_id != 0).any() for r in reports)
    check_again(db, plain_connection, visits, reports, ["shuffled", "FITS"])


def test_options_and_other_sessions_do_not_matter(
    db: apdb.Apdb, dsn: str, plain_connection: Any
) -> None:
    visits, reports = stored_survey(db, plain_connection, 2, 60)
    before = digest(plain_connection)
    with apdb.connect(dsn) as other:
        again = other.store_visit(
            apdb.Visit(**visits[0].visit), visits[0].sources, radius=0.3, associate="likelihood"
        )
    assert again.state == "repeated"
    assert again.dia_object_id.tolist() == reports[0].dia_object_id.tolist()
    shown = db.store_visit(apdb.Visit(**visits[1].visit), visits[1].sources, dry_run=True)
    assert shown.store_seq == reports[1].store_seq
    assert digest(plain_connection) == before


def test_one_changed_value_is_other_content(db: apdb.Apdb, plain_connection: Any) -> None:
    visits, _ = stored_survey(db, plain_connection, 1, 40)
    before = digest(plain_connection)
    for name in ("ra", "psf_flux", "snr", "pixel_flags_edge"):
        changed = {key: values.copy() for key, values in visits[0].sources.items()}
        if changed[name].dtype == bool:
            changed[name][7] ^= True
        else:
            changed[name][7] = np.nextafter(changed[name][7], changed[name].dtype.type(0))
        with pytest.raises(apdb.VisitConflict, match="stored already with other content"):
            db.store_visit(apdb.Visit(**visits[0].visit), changed)
    missing = {key: values[1:] for key, values in visits[0].sources.items()}
    with pytest.raises(apdb.VisitConflict):
        db.store_visit(apdb.Visit(**visits[0].visit), missing)
    assert digest(plain_connection) == before
