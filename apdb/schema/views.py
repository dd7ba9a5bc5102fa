"""The views that users read: one for each base table, generated from the catalogue.

They hide what is withdrawn or retired and carry description and unit of every column.
"""

from __future__ import annotations

from functools import cache

from apdb.features.names import NON_PERIODIC, PERIODIC
from apdb.schema.catalogue import BASE_SCHEMA, Table, catalogue

HIDDEN = {
    "dia_object": "validity_end_mjd_tai is null",
    "dia_source": "time_withdrawn_mjd_tai is null",
    "dia_forced_source": "time_withdrawn_mjd_tai is null",
    "dia_object_feature": "store_seq_end is null",
    "dia_object_astrometry": "store_seq_end is null",
    "dia_object_feature_packet": "store_seq_end is null",
    "dia_object_neighbour": "store_seq_end is null",
    "reference_catalogue": "dropped_store_seq is null",
}
"""Condition on the rows that default reads see, where not all of them are seen."""

READ_BY = {
    "alert": "apdb_reader, apdb_writer, apdb_broker",
    # What a connection looks at first: the version of the schema.
    "metadata": "apdb_reader, apdb_writer, apdb_broker",
    "api_audit": "apdb_writer",
    "archive_file": "apdb_reader, apdb_writer, apdb_broker",
}
INTERNAL = frozenset({"dia_object_place", "feature_queue", "routine_ledger", "api_token"})

ARCHIVED_ALERT = "archived_alert"
"""The view that retrieval reads: alerts with night, status, DIASource and DIAObject."""

LIGHT_CURVE_FEATURE = "light_curve_feature"
"""The view that has a column for each element of lcPeriodic and lcNonPeriodic."""

_STATUS = (
    "case when not a.is_current then 'superseded' "
    "when s.dia_source_id is null or s.time_withdrawn_mjd_tai is not null then 'withdrawn' "
    "else 'current' end"
)
_ARCHIVED_FROM = (
    "from {0}.alert as a left join {0}.dia_source as s "
    "on a.dia_source_id = s.dia_source_id and a.midpoint_mjd_tai = s.midpoint_mjd_tai "
    "left join {0}.visit as v on a.visit = v.visit and a.detector = v.detector "
    "left join {0}.dia_object as o on a.dia_object_id = o.dia_object_id "
    "left join {0}.archive_file as pf on a.packet_file = pf.path "
    "left join {0}.archive_file as sf on a.stamps_file = sf.path"
)


@cache
def view_statements() -> dict[str, str]:
    """Return the statements that create each view, by its name.

    Returns
    -------
    dict of str to str
        CREATE VIEW, its comments and its grants, separated by semicolons.
    """
    return {
        table.name: _statements(table)
        for table in catalogue().tables.values()
        if table.name not in INTERNAL
    } | {ARCHIVED_ALERT: _archived_alert(), LIGHT_CURVE_FEATURE: _light_curve_feature()}


def _statements(table: Table) -> str:
    columns = ", ".join(column.name for column in table.columns)
    condition = HIDDEN.get(table.name)
    where = f" where {condition}" if condition else ""
    readers = READ_BY.get(table.name, "apdb_reader, apdb_writer")
    lines = [
        f"create view apdb.{table.name} as select {columns} from {BASE_SCHEMA}.{table.name}{where}",  # noqa: S608 - our own names
        f"comment on view apdb.{table.name} is {_quoted(table.description)}",
        f"grant select on apdb.{table.name} to {readers}",
    ]
    lines += [
        f"comment on column apdb.{table.name}.{column.name} is {_quoted(column.comment)}"
        for column in table.columns
    ]
    return ";\n".join(lines)


def _archived_alert() -> str:
    """Return the statements for alerts with all that a condition on them may name.

    Base tables, because an alert stays in the archive when its source is withdrawn or replaced.
    The planner leaves out the joins whose columns a query does not use, but for that with
    DIASources, which tells what was withdrawn.
    """
    alert, source, visible_object = (
        catalogue().tables[name] for name in ("alert", "dia_source", "dia_object")
    )
    taken = {column.name for column in alert.columns}
    columns = [f"a.{column.name}" for column in alert.columns]
    columns += ["v.night", f"{_STATUS} as status"]
    # The planner cannot see how often the status is what: retrieval asks for what it is made of.
    columns += ["s.dia_source_id as stored_dia_source_id"]
    columns += ["pf.state as packet_state", "sf.state as stamps_state"]
    columns += [f"s.{column.name}" for column in source.columns if column.name not in taken]
    columns += [f"o.{c.name} as object_{c.name}" for c in visible_object.columns]
    name = f"apdb.{ARCHIVED_ALERT}"
    comment = "Alerts in the archive, with the DIASource of each and its DIAObject as it is now"
    lines = [
        f"create view {name} as select {', '.join(columns)} {_ARCHIVED_FROM.format(BASE_SCHEMA)}",
        f"comment on view {name} is {_quoted(comment)}",
        f"grant select on {name} to apdb_reader, apdb_writer, apdb_broker",
    ]
    return ";\n".join(lines)


def _light_curve_feature() -> str:
    """Return the statements for the features that hold now, with a column for each by its name."""
    keys = ("dia_object_id", "band", "n_points", "first_mjd_tai", "last_mjd_tai", "made_mjd_tai")
    definition = catalogue().tables["dia_object_feature"]
    columns = [f"f.{key}" for key in keys]
    comments = {key: definition.column(key).comment for key in keys}
    for array, features in (("lc_periodic", PERIODIC), ("lc_non_periodic", NON_PERIODIC)):
        for place, feature in enumerate(features, start=1):
            columns.append(f"f.{array}[{place}] as {feature.name}")
            comments[feature.name] = feature.comment
    name = f"apdb.{LIGHT_CURVE_FEATURE}"
    source = f"{BASE_SCHEMA}.dia_object_feature as f where f.store_seq_end is null"
    comment = "Variability of the objects by band, a column for each number, as of now"
    lines = [
        f"create view {name} as select {', '.join(columns)} from {source}",  # noqa: S608 - our own names
        f"comment on view {name} is {_quoted(comment)}",
        f"grant select on {name} to apdb_reader, apdb_writer",
    ]
    lines += [
        f"comment on column {name}.{key} is {_quoted(text)}" for key, text in comments.items()
    ]
    return ";\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
