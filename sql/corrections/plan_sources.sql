-- puts sources into the stage for corrections, as they are now
--
-- contract: the caller says in stage_change what they shall become. After lock_concerned.
-- args:
--   p_dia_source_ids: the sources; repeated ids count once
-- returns: number of sources
-- errors: VA005 when there are no such sources (in DETAIL: the ids)
-- locks: none
-- cost: two index look-ups a source
create or replace function apdb.plan_sources(p_dia_source_ids bigint[])
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_ids text;
    v_n integer;
begin
    insert into pg_temp.stage_change (
        dia_source_id, midpoint_mjd_tai, visit, detector, old_dia_object_id, new_dia_object_id,
        old_ss_object_id, new_ss_object_id, was_withdrawn, withdrawn
    )
    select
        d.dia_source_id, d.midpoint_mjd_tai, d.visit, d.detector, d.dia_object_id, d.dia_object_id,
        d.ss_object_id, d.ss_object_id, d.time_withdrawn_mjd_tai is not null, d.time_withdrawn_mjd_tai is not null
    from (select distinct u.id as dia_source_id from unnest(p_dia_source_ids) as u (id)) as i
    inner join apdb_base.dia_source_locator as l on i.dia_source_id = l.dia_source_id
    inner join apdb_base.dia_source as d
        on l.dia_source_id = d.dia_source_id and l.midpoint_mjd_tai = d.midpoint_mjd_tai;
    get diagnostics v_n = row_count;

    select string_agg(x.id::text, ',' order by x.id) into v_ids
    from (
        select distinct u.id
        from unnest(p_dia_source_ids) as u (id)
        where not exists (select from pg_temp.stage_change as c where c.dia_source_id = u.id)
        order by u.id
        limit 1000
    ) as x;
    if v_ids is not null then
        raise exception 'no such DIASources'
        using errcode = 'VA005', detail = v_ids;
    end if;
    return v_n;
end
$$;
