-- the alert packets of a stored visit
--
-- contract: as fragments and settings are now. Stamps are not in the database: the writer of the archive
--   puts them in. The contents are full and no_stamps, which are the same here, and no_histories and
--   bare, which are the same here: packets without earlier DIASources; the extended schema then has
--   their ids. Forced photometry always stays, since it is published nowhere else.
-- args:
--   p_visit: visit
--   p_detector: detector
--   p_content: full, no_stamps, no_histories or bare
--   p_extended: true for the extended schema
--   p_registry_id: registry id of the public schema; null for that of the settings
-- returns: a row for each eligible source of the visit, in the order of the objects: ids, and the packet as
--   Avro without a schema, its stamps null
-- errors: VA005 when no such visit is stored; VA001 for another content, and when the fragments of a
--   version are not complete
-- locks: none
-- cost: 0.5 s for 10,000 packets of which 8,000 have 30 + 30 rows of history
create or replace function apdb.assemble_alerts(
    p_visit bigint,
    p_detector integer,
    p_content text,
    p_extended boolean default false,
    p_registry_id integer default null
)
returns table (dia_source_id bigint, dia_object_id bigint, ss_object_id bigint, packet bytea)
language plpgsql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_midpoint double precision;
    v_rules record;
begin
    if p_content is null or p_content not in ('full', 'no_stamps', 'no_histories', 'bare') then
        raise exception 'there is no content %', coalesce(quote_literal(p_content), 'null')
        using errcode = 'VA001', hint = 'Contents are full, no_stamps, no_histories and bare.';
    end if;
    select v.midpoint_mjd_tai into v_midpoint
    from apdb_base.visit as v
    where v.visit = p_visit and v.detector = p_detector;
    if v_midpoint is null then
        raise exception 'visit % detector % is not stored', p_visit, p_detector using errcode = 'VA005';
    end if;
    select r.* into v_rules
    from apdb.alert_rules() as r;
    if not coalesce(p_registry_id, v_rules.registry_id) = any(v_rules.complete) then
        raise exception 'not all visits have fragments of schema %', coalesce(p_registry_id, v_rules.registry_id)
        using errcode = 'VA001', hint = 'apdb alerts rebuild-fragments makes them.';
    end if;
    return query execute
        'select a.* from apdb.assemble_packets($1, $2, $3, $4, $5, $6, $7, null, $8, $9, $10) as a'
    using
        p_visit, p_detector::smallint, v_midpoint, v_midpoint - v_rules.history_days,
        coalesce(p_registry_id, v_rules.registry_id)::smallint,
        p_content in ('full', 'no_stamps'), p_extended, v_rules.flags, v_rules.reliability_min, v_rules.fakes;
end
$$;
