"""schemathesis asks the service what its OpenAPI document allows, and what it does not."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
import schemathesis
from retrieval_tools import fill
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from service_tools import new_token, serving

import apdb

load_all_checks()

# A condition or cursor may be any text in the document and still mean nothing: that is 400.
LEFT_OUT = ("positive_data_acceptance",)


@pytest.mark.slow
def test_schemathesis_finds_nothing(db: apdb.Apdb, dsn: str, tmp_path: Path) -> None:
    filled = fill(db, tmp_path / "archive", 2)
    token = new_token(dsn)
    checks = [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name not in LEFT_OUT]
    asked = []
    (file,) = filled.place.rglob("*/1_*.packets.avro")
    known = {
        "path": str(file.relative_to(filled.place)),
        "night": "2026-03-09",
        "alert_id": filled.sent[3].id,
        "registry_id": 1101,
    }
    with serving(dsn) as (url, _):
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=SchemathesisConfig())
        for result in schema.get_all_operations():
            operation = result.ok()

            @hypothesis.settings(
                max_examples=60,
                deadline=None,
                database=None,
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            @hypothesis.given(
                case=operation.as_strategy() | operation.as_strategy(GenerationMode.NEGATIVE),
                real=hypothesis.strategies.booleans(),
            )
            def ask(case: schemathesis.Case, real: bool) -> None:
                # What was made wrong on purpose stays wrong.
                if real and case.meta.generation.mode is GenerationMode.POSITIVE:
                    for name in known.keys() & case.path_parameters.keys():
                        case.path_parameters[name] = known[name]
                case.call_and_validate(
                    headers={"Authorization": f"Bearer {token}"}, checks=checks, timeout=30
                )

            ask()
            asked.append(operation.label)
    assert len(asked) == 10, asked
