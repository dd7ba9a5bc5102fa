-- makes the fragments follow the planned changes of a correction
--
-- contract: a source that moves keeps its bytes, since the ids are spliced in between head and tail; only the
--   object that it is found under changes. What is withdrawn has no fragments. Of a whole visit the
--   forced photometry goes too, and the records that belong to the visit. Records of solar-system
--   objects that sources move to or from are dropped: history never needs them. Before forced
--   photometry is marked as withdrawn.
-- args:
--   p_visit: visit whose forced photometry is withdrawn, or null
--   p_detector: its detector
-- returns: nothing
-- errors: none
-- locks: row locks on the fragments
-- cost: 20 us a source
create or replace function apdb.move_fragments(p_visit bigint, p_detector integer)
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_from double precision;
    v_to double precision;
begin
    -- Constant bounds let the planner leave partitions out.
    select min(c.midpoint_mjd_tai), max(c.midpoint_mjd_tai) into v_from, v_to
    from pg_temp.stage_change as c;

    delete from apdb_base.dia_source_fragment as f
    using pg_temp.stage_change as c
    where
        c.withdrawn
        and f.dia_object_id = coalesce(c.old_dia_object_id, 0) and f.midpoint_mjd_tai = c.midpoint_mjd_tai
        and f.dia_source_id = c.dia_source_id
        and f.midpoint_mjd_tai between v_from and v_to;
    update apdb_base.dia_source_fragment as f
    set dia_object_id = coalesce(c.new_dia_object_id, 0)
    from pg_temp.stage_change as c
    where
        not c.withdrawn and c.new_dia_object_id is distinct from c.old_dia_object_id
        and f.dia_object_id = coalesce(c.old_dia_object_id, 0) and f.midpoint_mjd_tai = c.midpoint_mjd_tai
        and f.dia_source_id = c.dia_source_id
        and f.midpoint_mjd_tai between v_from and v_to;
    delete from apdb_base.ss_source_fragment as f
    using pg_temp.stage_change as c
    where
        (c.withdrawn or c.new_ss_object_id is distinct from c.old_ss_object_id)
        and f.visit = c.visit and f.detector = c.detector and f.dia_source_id = c.dia_source_id
        and f.midpoint_mjd_tai between v_from and v_to;
    if p_visit is null then
        return;
    end if;

    delete from apdb_base.dia_forced_source_fragment as f
    using apdb_base.dia_forced_source as d
    where
        d.visit = p_visit and d.detector = p_detector and d.time_withdrawn_mjd_tai is null
        and f.dia_object_id = d.dia_object_id and f.midpoint_mjd_tai = d.midpoint_mjd_tai
        and f.dia_forced_source_id = d.dia_forced_source_id;
    delete from apdb_base.dia_object_fragment as f
    where f.visit = p_visit and f.detector = p_detector;
    delete from apdb_base.ss_source_fragment as f
    where f.visit = p_visit and f.detector = p_detector;
    delete from apdb_base.mpc_orbits_fragment as f
    where f.visit = p_visit and f.detector = p_detector;
end
$$;
