-- plans to withdraw all that a visit has stored
--
-- contract: its sources go to stage_change as withdrawn, the objects that it measured by forced
--   photometry to stage_touched. After lock_concerned.
-- args:
--   p_visit: visit
--   p_detector: detector
-- returns: number of sources and objects concerned; 0 if all was withdrawn before
-- errors: VA005 when no such visit is stored
-- locks: none
-- cost: two index searches a partition
create or replace function apdb.plan_visit(p_visit bigint, p_detector integer)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_sources integer;
    v_objects integer;
begin
    if not exists (select from apdb_base.visit as v where v.visit = p_visit and v.detector = p_detector) then
        raise exception 'visit % detector % is not stored', p_visit, p_detector using errcode = 'VA005';
    end if;
    insert into pg_temp.stage_change (
        dia_source_id, midpoint_mjd_tai, visit, detector, old_dia_object_id, new_dia_object_id,
        old_ss_object_id, new_ss_object_id, was_withdrawn, withdrawn
    )
    select
        d.dia_source_id, d.midpoint_mjd_tai, d.visit, d.detector, d.dia_object_id, d.dia_object_id,
        d.ss_object_id, d.ss_object_id, false, true
    from apdb_base.dia_source as d
    where d.visit = p_visit and d.detector = p_detector and d.time_withdrawn_mjd_tai is null;
    get diagnostics v_sources = row_count;

    insert into pg_temp.stage_touched (
        dia_object_id, exists_already, is_new, n_dia_sources, first_mjd_tai, last_mjd_tai
    )
    select distinct f.dia_object_id, true, false, 0, 0, 0
    from apdb_base.dia_forced_source as f
    where f.visit = p_visit and f.detector = p_detector and f.time_withdrawn_mjd_tai is null;
    get diagnostics v_objects = row_count;
    return v_sources + v_objects;
end
$$;
