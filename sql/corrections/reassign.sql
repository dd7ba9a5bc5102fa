-- moves DIASources to another DIAObject, or to a solar-system object
--
-- contract: one of the targets is given. Sources that belong there already are left alone; if all
--   do, nothing changes and store_seq is 0. Objects left without a source are retired. A
--   solar-system object that is unknown gets a row.
-- args:
--   p_dia_source_ids: sources to move
--   p_dia_object_id: DIAObject that gets them, or null
--   p_ss_object_id: solar-system object that gets them, or null
--   p_reason: why, in words
-- returns: store_seq and time [d], number of sources moved, ids of the objects changed and retired
-- errors: VA005 for unknown sources or DIAObject; VA008 for a retired DIAObject or withdrawn
--   sources; VA001 when not one target is given; VA004 when another session holds the sky
-- locks: sky cells of the sources and objects, then row locks as in apply_changes
-- cost: 30 ms for a few sources
create or replace function apdb.reassign(
    p_dia_source_ids bigint[],
    p_dia_object_id bigint,
    p_ss_object_id bigint,
    p_reason text,
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
begin
    if num_nonnulls(p_dia_object_id, p_ss_object_id) <> 1 then
        raise exception 'give dia_object_id or ss_object_id, one of them' using errcode = 'VA001';
    end if;
    perform apdb.open_changes();
    perform apdb.lock_concerned(p_dia_source_ids, array_remove(array[p_dia_object_id], null), null, null, null);

    perform apdb.plan_sources(p_dia_source_ids);
    if p_dia_object_id is not null then
        perform apdb.require_current(array[p_dia_object_id]);
    end if;
    perform apdb.refuse_withdrawn();
    delete from pg_temp.stage_change as c
    where
        c.old_dia_object_id is not distinct from p_dia_object_id
        and c.old_ss_object_id is not distinct from p_ss_object_id;
    update pg_temp.stage_change as c
    set new_dia_object_id = p_dia_object_id, new_ss_object_id = p_ss_object_id
    where true;
    select a.* into store_seq, mjd_tai, n_dia_sources, changed, retired
    from apdb.apply_if_any('reassign', null, null, p_reason, null, null) as a;
end
$$;
