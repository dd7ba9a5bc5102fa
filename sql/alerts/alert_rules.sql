-- what the settings say of alerts
--
-- contract: one row, read in one go.
-- args: none
-- returns: archive and codec; version of the schema and its registry id, namespace; registry ids that
--   visits write fragments in, and those that all visits have; length of the history [d], what is
--   eligible, and from how many alerts and seconds on a visit's packets come without stamps or histories
-- errors: none
-- locks: none
-- cost: one small table read
create or replace function apdb.alert_rules()
returns table (
    archive_url text,
    archive_codec text,
    schema_version text,
    registry_id integer,
    namespace text,
    written integer[],
    complete integer[],
    history_days double precision,
    flags text,
    reliability_min double precision,
    fakes boolean,
    max_with_stamps integer,
    max_with_histories integer,
    seconds_with_stamps double precision,
    seconds_with_histories double precision
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        s.v ->> 'setting.archive_url',
        s.v ->> 'setting.archive_codec',
        s.v ->> 'setting.alert_schema_version',
        -- As the registry numbers them: major * 100 + minor.
        split_part(s.v ->> 'setting.alert_schema_version', '.', 1)::integer * 100
        + split_part(s.v ->> 'setting.alert_schema_version', '.', 2)::integer,
        s.v ->> 'setting.alert_namespace',
        string_to_array(s.v ->> 'state.fragments_written', ',')::integer[],
        string_to_array(s.v ->> 'state.fragments_complete', ',')::integer[],
        coalesce(
            nullif((s.v ->> 'setting.alert_history_days')::double precision, 0.0),
            (s.v ->> 'setting.history_days')::double precision
        ),
        s.v ->> 'setting.alert_flags',
        (s.v ->> 'setting.alert_reliability_min')::double precision,
        (s.v ->> 'setting.alert_fakes')::boolean,
        (s.v ->> 'setting.alert_max_with_stamps')::integer,
        (s.v ->> 'setting.alert_max_with_histories')::integer,
        (s.v ->> 'setting.alert_seconds_with_stamps')::double precision,
        (s.v ->> 'setting.alert_seconds_with_histories')::double precision
    from (
        select jsonb_object_agg(m.name, m.value) as v
        from apdb_base.metadata as m
        where m.name like 'setting.%' or m.name like 'state.fragments%'
    ) as s
$$;
