-- counts the sources of the touched DIAObjects anew
--
-- contract: number, first and last time from all sources that are not withdrawn, whenever they
--   were taken; nothing is added to or subtracted from what was counted before. Fills
--   stage_touched.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none of its own; the caller holds the sky
-- cost: one index search an object and partition between the first and the last source
create or replace function apdb.recount_touched()
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
    select
        least(min(o.first_dia_source_mjd_tai), (select min(c.midpoint_mjd_tai) from pg_temp.stage_change as c)),
        greatest(max(o.last_dia_source_mjd_tai), (select max(c.midpoint_mjd_tai) from pg_temp.stage_change as c))
        into v_from, v_to
    from pg_temp.stage_touched as t
    inner join apdb_base.dia_object as o on t.dia_object_id = o.dia_object_id;

    update pg_temp.stage_touched as t
    set n_dia_sources = c.n, first_mjd_tai = c.first_mjd, last_mjd_tai = c.last_mjd
    from (
        select
            d.dia_object_id,
            count(*)::integer as n,
            min(d.midpoint_mjd_tai) as first_mjd,
            max(d.midpoint_mjd_tai) as last_mjd
        from pg_temp.stage_touched as i
        inner join apdb_base.dia_source as d on i.dia_object_id = d.dia_object_id
        where d.midpoint_mjd_tai between v_from and v_to and d.time_withdrawn_mjd_tai is null
        group by d.dia_object_id
    ) as c
    where t.dia_object_id = c.dia_object_id;
end
$$;
