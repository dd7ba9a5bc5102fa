-- writes the planned changes to dia_source, and withdraws the forced photometry of a whole visit
--
-- contract: a withdrawn source keeps the ids of its objects, hidden from default reads; the time
--   at which a source went to a solar-system object is set where that changes. Fluxes of followed positions
--   on a visit that is withdrawn are deleted: no alert was made of them that they would have to prove.
-- args:
--   p_visit: visit whose forced photometry is withdrawn, or null
--   p_detector: its detector
--   p_now [d]: knowledge time of the correction, MJD TAI
-- returns: nothing
-- errors: none
-- locks: row locks on the sources and the forced photometry
-- cost: 0.1 ms a source
create or replace function apdb.write_changes(
    p_visit bigint, p_detector integer, p_now double precision
)
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_from double precision;
    v_to double precision;
begin
    analyze pg_temp.stage_change;
    select min(c.midpoint_mjd_tai), max(c.midpoint_mjd_tai) into v_from, v_to
    from pg_temp.stage_change as c;

    perform apdb.move_fragments(p_visit, p_detector);
    update apdb_base.dia_source as d
    set
        dia_object_id = c.new_dia_object_id,
        ss_object_id = c.new_ss_object_id,
        ss_object_reassoc_time_mjd_tai = case
            when c.new_ss_object_id is null then null
            when c.new_ss_object_id is distinct from c.old_ss_object_id then p_now
            else d.ss_object_reassoc_time_mjd_tai
        end,
        time_withdrawn_mjd_tai = case when c.withdrawn then p_now end
    from pg_temp.stage_change as c
    where
        d.dia_source_id = c.dia_source_id and d.midpoint_mjd_tai = c.midpoint_mjd_tai
        and d.midpoint_mjd_tai between v_from and v_to;

    update apdb_base.dia_forced_source as f
    set time_withdrawn_mjd_tai = p_now
    where f.visit = p_visit and f.detector = p_detector and f.time_withdrawn_mjd_tai is null;
    delete from apdb_base.forced_followed as f
    where f.visit = p_visit and f.detector = p_detector;
end
$$;
