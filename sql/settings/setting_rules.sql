-- which settings there are, and which values each may have
--
-- contract: the one table of this kind: set_setting checks against it, `apdb db settings` shows it,
--   and a test holds it against the rows that the migrations make.
-- args: none
-- returns: name, type, lowest and highest value and whether the lowest itself is excluded, or the
--   choices; unit and meaning
-- errors: none
-- locks: none
-- cost: nothing
create or replace function apdb.setting_rules()
returns table (
    name text,
    type text,
    lowest double precision,
    highest double precision,
    above_lowest boolean,
    choices text[],
    unit text,
    meaning text
)
language sql immutable
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    values
    (
        'association_rule', 'choice', null::double precision, null::double precision, false,
        array['nearest', 'likelihood'], null, 'how DIASources find their DIAObjects, where a call does not say'
    ),
    (
        'association_radius', 'number', 0.0, 60.0, true, null, 'arcsec',
        'farthest that a DIASource may lie from its DIAObject, where a call does not say'
    ),
    (
        'duplicate_radius', 'number', 0.0, 1.0, false, null, 'arcsec',
        'sources of one visit this close to each other are one detection delivered twice'
    ),
    (
        'reliability_min', 'number', 0.0, 1.0, false, null, null,
        'sources of lower reliability start no DIAObject'
    ),
    (
        'history_days', 'number', 0.0, 36525.0, true, null, 'd',
        'how far back summaries and forced photometry look'
    ),
    (
        'max_new_objects', 'integer', 0.0, 1e9, false, null, null,
        'a visit that would start more DIAObjects is refused'
    ),
    (
        'ss_radius', 'number', 0.0, 60.0, true, null, 'arcsec',
        'farthest that a DIASource may lie from the predicted position of its SSObject'
    ),
    (
        'ephemeris_max_dt', 'number', 0.0, 30.0, true, null, 'd',
        'ephemeris rows farther away in time are not used'
    ),
    (
        'ephemeris_margin', 'number', 0.0, 30.0, false, null, 'deg',
        'farthest that an SSObject may have moved since its ephemeris row'
    ),
    (
        'forced_min_sources', 'integer', 1.0, 32767.0, false, null, null,
        'DIAObjects with fewer DIASources get no forced photometry'
    ),
    (
        'site_longitude', 'number', -360.0, 360.0, false, null, 'deg',
        'longitude of the observatory, east positive, which says when a night begins'
    ),
    (
        'partitions_ahead_days', 'integer', 0.0, 3650.0, false, null, 'd',
        'how far ahead of the night partitions are made'
    )
$$;
