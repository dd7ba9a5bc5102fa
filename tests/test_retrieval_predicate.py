"""Conditions on alerts: what they mean, against Python's own arithmetic, and what is refused."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apdb.errors import InvalidInput
from apdb.retrieval.columns import documented, searchable
from apdb.retrieval.predicate import MAX_DEPTH, MAX_LENGTH, parse
from apdb.retrieval.predicate_sql import compile_condition
from apdb.schema import catalogue

ROW = (
    "(select 7.5::real as psf_flux, 2.5::real as psf_flux_err, 'NaN'::double precision as x, "
    "null::real as y, -4.0::double precision as ra, 'g'::text as band, 9007199254740993::bigint "
    "as dia_source_id, true as is_negative, 3 as object_n_dia_sources, 'it''s'::text as status) as a"
)


def answer(connection: psycopg.Connection[Any], text: str) -> bool | None:
    made = compile_condition(text)
    row = connection.execute(f"select ({made.text}) from {ROW}", list(made.values)).fetchone()
    assert row is not None
    found: bool | None = row[0]
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("psf_flux > 7", True),
        ("psfFlux / psfFluxErr = 3", True),
        ("PSFFLUX>7 AND Band='g'", True),
        ("diaSource.psfFlux < 7 or dia_source.psf_flux >= 7.5", True),
        ("not psf_flux > 7 or false", False),
        # "not" binds tighter than "and", "and" tighter than "or".
        ("not false and false or true", True),
        ("1 + 2 * 3 = 7 and (1 + 2) * 3 = 9 and 7 - 2 - 1 = 4 and 8 / 4 / 2 = 1", True),
        ("-psf_flux < - 7 and 2 - -1 = 3", True),
        ("band in ('r', 'g') and band not in ('u')", True),
        ("psf_flux between 7 and 8 and psf_flux not between 8 and 9", True),
        ("7 / 2 = 3.5", True),
        ("x > 0", None),
        ("x is null and y is null and ra is not null", True),
        ("y > 0 or psf_flux > 0", True),
        ("psf_flux / (psf_flux_err - 2.5) > 0", None),
        ("sqrt(ra) > 0", None),
        ("sqrt(-ra) = 2", True),
        ("log10(ra) is null and log10(100) = 2 and log10(0) is null", True),
        ("power(2, 10) = 1024 and power(ra, 2) is null", True),
        ("abs(ra) = 4 and least(1, 2) = 1 and greatest(1, 2.5) = 2.5", True),
        ("coalesce(x, y, 5) = 5", True),
        ("dia_source_id = 9007199254740993", True),
        ("dia_source_id = 9007199254740992", False),
        ("diaSourceId in (9007199254740993)", True),
        ("is_negative", True),
        ("not isNegative", False),
        ("is_negative = true and is_negative <> false and is_negative != false", True),
        ("diaObject.nDiaSources >= 3 and dia_object.n_dia_sources < 4", True),
        ("status = 'it''s'", True),
        ("band = 'g'' or 1=1 --'", False),
        (".5 = 0.5 and 1e3 = 1000 and 1.e1 = 10", True),
    ],
)
def test_meaning(
    plain_connection: psycopg.Connection[Any], text: str, expected: bool | None
) -> None:
    assert answer(plain_connection, text) is expected


NUMBERS = st.one_of(
    st.integers(-50, 50).map(lambda n: (f"({n})", float(n))),
    st.sampled_from([("psf_flux", 7.5), ("psf_flux_err", 2.5), ("ra", -4.0)]),
)


def combined(inner: st.SearchStrategy[tuple[str, float]]) -> st.SearchStrategy[tuple[str, float]]:
    def joined(parts: tuple[tuple[str, float], str, tuple[str, float]]) -> tuple[str, float]:
        (left, a), sign, (right, b) = parts
        return f"({left} {sign} {right})", {"+": a + b, "-": a - b, "*": a * b}[sign]

    return st.tuples(inner, st.sampled_from("+-*"), inner).map(joined)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.recursive(NUMBERS, combined, max_leaves=8),
    st.recursive(NUMBERS, combined, max_leaves=8),
    st.sampled_from(["<", "<=", "=", ">", ">=", "<>"]),
)
def test_arithmetic_is_that_of_python(
    plain_connection: psycopg.Connection[Any],
    left: tuple[str, float],
    right: tuple[str, float],
    sign: str,
) -> None:
    a, b = left[1], right[1]
    expected = {"<": a < b, "<=": a <= b, "=": a == b, ">": a > b, ">=": a >= b, "<>": a != b}
    assert answer(plain_connection, f"{left[0]} {sign} {right[0]}") is expected[sign]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "character 1: expected a column"),
        ("psf_flux", "not a condition"),
        ("psf_flux > ", "found nothing"),
        ("(psf_flux > 1", "expected ')'"),
        ("psf_flux > 1)", "does not follow"),
        ("psf_flux > 1; drop table alert", "';' has no meaning"),
        ("psf_flux > 1 -- comment", "no column 'comment'"),
        ("psf_flux > 1 /* x */", "expected a column"),
        ("psf_flux > (select 1)", "expected ')'"),
        ("1 = 1 union select 1", "does not follow"),
        ("pg_sleep(10) = 1", "no function 'pg_sleep'"),
        ("version() = ''", "no function 'version'"),
        (
            "psf_flux > 1 or apdb_base.api_token.sha256 is not null",
            "does not follow|has no meaning",
        ),
        ("sha256 = 'x'", "no column 'sha256'"),
        ("packet_file = 'x'", "no column 'packet_file'"),
        ("psf_fluxx > 1", "did you mean psf_flux"),
        ("band > 1", "cannot compare integer and text"),
        ("band = 1.5", "cannot compare number and text"),
        ("band + 1 = 2", "takes numbers, not text"),
        ("psf_flux and band = 'g'", "takes conditions, not number"),
        ("not psf_flux", "takes conditions"),
        ("is_negative > 1", "cannot compare integer and truth"),
        ("abs(1, 2) = 1", "abs takes 1 arguments"),
        ("psf_flux in (psf_flux_err)", "a list holds numbers or texts only"),
        ("psf_flux in ()", "expected a column"),
        ("psf_flux not 3", "expected in or between"),
        ("band = 'g", "does not end"),
        ('"band" = 1', "single quotes"),
        ("band = $1", "has no meaning"),
        ("band = %s", "has no meaning"),
        ("dia_source_id = 9223372036854775808", "below 2**63"),
        ("psf_flux > 1e999", "too large"),
        ("psf_flux > 1\0", "has no meaning"),
        ("band = 'a\0b'", "NUL"),
        ("psf_flux > ٣", "has no meaning"),
        ("psf_flux\u00a0> 1", "has no meaning"),
        ("(" * 200 + "1" + ")" * 200 + " = 1", f"deeper than {MAX_DEPTH}"),
        ("not " * 100 + "true", f"deeper than {MAX_DEPTH}"),
        ("- " * 100 + "1 = 1", f"deeper than {MAX_DEPTH}"),
        ("1 = 1 or " * 200 + "1 = 1", "words and signs are too many"),
        ("x" * (MAX_LENGTH + 1), f"at most {MAX_LENGTH}"),
    ],
)
def test_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match="condition") as caught:
        compile_condition(text)
    assert any(one in str(caught.value) for one in says.split("|"))


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(
                [
                    "psf_flux",
                    "band",
                    "'g'",
                    "1",
                    "2.5",
                    "(",
                    ")",
                    "and",
                    "or",
                    "not",
                    "in",
                    "between",
                    "is",
                    "null",
                    "=",
                    "<",
                    "+",
                    "-",
                    "*",
                    "/",
                    ",",
                    "abs",
                    "'",
                    ";",
                    "--",
                ]
            ),
            max_size=25,
        ).map(" ".join),
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        made = compile_condition(text)
    except InvalidInput:
        return
    # Nothing of the text is in the SQL but names from the list.
    assert made.text.count("%s") == len(made.values)
    assert "'" not in made.text.replace("'NaN'", "")


@pytest.mark.parametrize("text", ["1 = 1 or " * 120 + "1 = 1", "+".join("1" * 240) + " = 240"])
def test_the_longest_conditions_run(plain_connection: psycopg.Connection[Any], text: str) -> None:
    assert answer(plain_connection, text) is True


def test_numbers_too_large_for_the_database_are_an_error_of_the_condition(
    plain_connection: psycopg.Connection[Any],
) -> None:
    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        answer(plain_connection, "1e300 * 1e300 > psf_flux")


def test_every_numeric_column_of_alerts_and_sources_can_be_named() -> None:
    for table in ("alert", "dia_source"):
        for column in catalogue.table(table).columns:
            if column.sql_type in {"real", "double precision", "boolean", "text"} and (
                column.name not in {"packet_file", "stamps_file"}
            ):
                assert searchable()[column.name.lower()].column == column.name
                assert column.dpdd_name.lower() in searchable()
    names = [each.name for each in documented()]
    assert len(names) == len(set(names))


def test_the_tree_keeps_places() -> None:
    tree = parse("psf_flux >  100")
    assert (tree.at, tree.operands[0].at, tree.operands[1].at) == (10, 1, 13)  # type: ignore[union-attr]
