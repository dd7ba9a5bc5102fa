"""What requests may carry, with the limits that the OpenAPI document states."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from apdb.retrieval.query import AlertQuery, alert_query

MAX_BIGINT = 2**63 - 1
MAX_URL_IDS = 1_000
"""Most ids in one address."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _only_dates(value: object) -> object:
    """Refuse numbers, which would be taken for seconds since 1970."""
    if isinstance(value, str) and _DATE.fullmatch(value) is None:
        raise ValueError("must be a date, such as 2026-03-09")
    return value


NightDate = Annotated[dt.date, BeforeValidator(_only_dates)]
"""A night in an address."""

Bigint = Annotated[int, Field(ge=0, le=MAX_BIGINT)]
AlertId = Annotated[int, Path(ge=0, le=MAX_BIGINT, description="Alert id (diaSourceId).")]
Content = Annotated[
    Literal["full", "no_stamps", "no_histories", "bare", "stamps"] | None,
    Query(description="Parts wanted; default full."),
]
Version = Annotated[
    Literal["10.0", "11.0", "11.1"] | None,
    Query(alias="schema", description="Version of the public schema; default as archived."),
]
Codec = Annotated[
    Literal["null", "deflate", "zstd"] | None,
    Query(description="Codec of the format avro; default null."),
]
SingleFormat = Annotated[
    Literal["avro", "confluent", "json", "index", "tar", "fits", "parquet"] | None,
    Query(alias="format", description="Default avro, an object container file."),
]
Revision = Annotated[
    int | None, Query(ge=0, le=2**31 - 1, description="Revision; default the current one.")
]
Stamp = Annotated[
    Literal["difference", "science", "template"], Path(description="Which of the three stamps.")
]


class StreamParameters(BaseModel):
    """Conditions, parts and format of a stream of alerts."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    id: list[Bigint] | None = Field(
        None, max_length=MAX_URL_IDS, description="Alert ids; repeat the parameter."
    )
    night: NightDate | None = Field(None, description="Observing night, such as 2026-03-09.")
    visit: Bigint | None = Field(None, description="Visit.")
    detector: int | None = Field(None, ge=0, le=2**15 - 1, description="Detector of the visit.")
    dia_object_id: int | None = Field(None, ge=1, le=MAX_BIGINT, description="DIAObject.")
    ss_object_id: int | None = Field(None, ge=1, le=MAX_BIGINT, description="Solar-system object.")
    ra: float | None = Field(None, ge=0, lt=360, description="Centre of a cone [deg].")
    dec: float | None = Field(None, ge=-90, le=90, description="Centre of a cone [deg].")
    radius: float | None = Field(None, gt=0, le=90, description="Radius of a cone [deg].")
    mjd_from: float | None = Field(
        None, ge=15_000, le=150_000, description="First midpoint, MJD TAI [d]."
    )
    mjd_to: float | None = Field(
        None, ge=15_000, le=150_000, description="Midpoint before which it ends, MJD TAI [d]."
    )
    where: str | None = Field(
        None, max_length=4_000, description="Condition, such as psfFlux > 1000 and band = 'g'."
    )
    revisions: Literal["current", "all"] = Field(
        "current", description="All: also what is superseded or withdrawn."
    )
    content: Literal["full", "no_stamps", "no_histories", "bare", "stamps"] | None = Field(
        None, description="Parts wanted; default full, for fits stamps."
    )
    version: Literal["10.0", "11.0", "11.1"] | None = Field(
        None, alias="schema", description="Version of the public schema; default as archived."
    )
    format: Literal["avro", "confluent", "multipart", "json", "index", "tar", "fits", "parquet"] = (
        Field("avro", description="Format of the answer.")
    )
    codec: Literal["null", "deflate", "zstd"] | None = Field(
        None, description="Codec of the format avro; default null."
    )
    after: str | None = Field(
        None, max_length=100, description="Cursor to go on from, or id of the last alert known."
    )
    limit: int | None = Field(None, ge=1, le=100_000_000, description="Most alerts.")

    def query(self) -> AlertQuery:
        """Return the conditions.

        Raises
        ------
        InvalidInput
            They do not go together, or the condition does not follow the grammar.
        """
        centre = (self.ra, self.dec, self.radius)
        cone: Any = None if centre == (None, None, None) else centre
        return alert_query(
            ids=self.id,
            night=self.night,
            visit=self.visit,
            detector=self.detector,
            dia_object_id=self.dia_object_id,
            ss_object_id=self.ss_object_id,
            cone=cone,
            mjd_from=self.mjd_from,
            mjd_to=self.mjd_to,
            where=self.where,
            revisions=self.revisions,
        )


class Problem(BaseModel):
    """What is wrong with a request, or why it cannot be answered."""

    error: str = Field(description="Kind of error.")
    message: str = Field(description="What is wrong, and what to do.")
