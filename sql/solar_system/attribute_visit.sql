-- attributes the sources of a stored visit to solar-system objects, when ephemerides came after it
--
-- contract: as a visit would have been attributed: its sources without solar-system object, one-to-one, and no
--   object that has a source in the visit already. They leave their DIAObjects; those left without a source are
--   retired. The visit is flagged no more. A correction, with its audit; nothing is changed a second time.
-- args:
--   p_visit: visit
--   p_detector: detector
-- returns: store_seq and time [d], number of sources attributed, ids of the objects changed and retired; store_seq
--   0 when there was nothing to attribute, null when there still are no ephemerides for the time of the visit
-- errors: VA005 when no such visit is stored; VA004 when another session holds the sky
-- locks: sky cells of the visit, then row locks as in apply_changes
-- cost: 50 ms, and 1 ms a source attributed
create or replace function apdb.attribute_visit(
    p_visit bigint,
    p_detector integer,
    out store_seq bigint,
    out mjd_tai double precision,
    out n_dia_sources integer,
    out changed bigint[],
    out retired bigint[]
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v apdb_base.visit;
begin
    select o.* into v
    from apdb_base.visit as o
    where o.visit = p_visit and o.detector = p_detector;
    if not found then
        raise exception 'visit % detector % is not stored', p_visit, p_detector using errcode = 'VA005';
    end if;
    perform apdb.open_changes();
    perform apdb.lock_concerned(null, null, p_visit, p_detector, null);

    insert into pg_temp.stage_source
    select d.*
    from apdb_base.dia_source as d
    where
        d.visit = p_visit and d.detector = p_detector and d.midpoint_mjd_tai = v.midpoint_mjd_tai
        and d.ss_object_id is null and d.time_withdrawn_mjd_tai is null;
    analyze pg_temp.stage_source (dia_source_id, ra, dec);
    perform apdb.start_matches();
    if apdb.attribute_ss_objects(v.midpoint_mjd_tai, v.ra, v.dec, v.radius) is null then
        return;
    end if;
    delete from pg_temp.stage_match as m
    where
        m.ss_object_id is null
        or exists (
            select from apdb_base.dia_source as d
            where
                d.visit = p_visit and d.detector = p_detector and d.midpoint_mjd_tai = v.midpoint_mjd_tai
                and d.ss_object_id = m.ss_object_id and d.time_withdrawn_mjd_tai is null
        );

    perform apdb.plan_sources(coalesce((select array_agg(m.dia_source_id) from pg_temp.stage_match as m), '{}'));
    update pg_temp.stage_change as c
    set new_dia_object_id = null, new_ss_object_id = m.ss_object_id
    from pg_temp.stage_match as m
    where c.dia_source_id = m.dia_source_id;
    select a.* into store_seq, mjd_tai, n_dia_sources, changed, retired
    from apdb.apply_if_any('attribute', null, null, 'ephemerides came after the visit', null, null) as a;
    update apdb_base.visit as o
    set ephemerides_missing = false
    where o.visit = p_visit and o.detector = p_detector;
end
$$;
