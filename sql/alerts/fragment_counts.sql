-- how many rows of a visit have no fragment, and how many fragments have no row
--
-- contract: rows that are not withdrawn have one each, withdrawn ones none.
-- args:
--   p_visit: visit
--   p_detector: detector
--   p_registry_id: registry id of the version
-- returns: DIASources and forced measurements without fragment, and fragments of withdrawn ones
-- errors: none
-- locks: none
-- cost: an index search a row
create or replace function apdb.fragment_counts(p_visit bigint, p_detector integer, p_registry_id integer)
returns table (sources_missing bigint, sources_stray bigint, forced_missing bigint, forced_stray bigint)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select s.missing, s.stray, f.missing, f.stray
    from (
        select
            count(*) filter (where d.time_withdrawn_mjd_tai is null and x.dia_source_id is null) as missing,
            count(*) filter (where d.time_withdrawn_mjd_tai is not null and x.dia_source_id is not null) as stray
        from apdb_base.dia_source as d
        left join apdb_base.dia_source_fragment as x
            on
                x.dia_object_id = coalesce(d.dia_object_id, 0) and d.midpoint_mjd_tai = x.midpoint_mjd_tai
                and d.dia_source_id = x.dia_source_id and x.registry_id = p_registry_id
        where d.visit = p_visit and d.detector = p_detector
    ) as s
    cross join (
        select
            count(*) filter (where d.time_withdrawn_mjd_tai is null and x.dia_object_id is null) as missing,
            count(*) filter (where d.time_withdrawn_mjd_tai is not null and x.dia_object_id is not null) as stray
        from apdb_base.dia_forced_source as d
        left join apdb_base.dia_forced_source_fragment as x
            on
                d.dia_object_id = x.dia_object_id and d.midpoint_mjd_tai = x.midpoint_mjd_tai
                and d.dia_forced_source_id = x.dia_forced_source_id and x.registry_id = p_registry_id
        where d.visit = p_visit and d.detector = p_detector
    ) as f
$$;
