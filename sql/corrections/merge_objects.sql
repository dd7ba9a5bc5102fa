-- makes one DIAObject of several
--
-- contract: the kept object gets all sources of the others, which are retired, and their forced
--   photometry for images where it has none of its own.
-- args:
--   p_keep: object that stays
--   p_others: objects that go into it
--   p_reason: why, in words
-- returns: store_seq and time [d], number of sources moved, ids of the objects changed and retired
-- errors: VA005 for unknown objects; VA008 when one is retired, the kept one is among the others,
--   or there are no others; VA004 when another session holds the sky
-- locks: sky cells of the objects, then row locks as in apply_changes
-- cost: 30 ms for a few sources
create or replace function apdb.merge_objects(
    p_keep bigint,
    p_others bigint[],
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
    if coalesce(cardinality(p_others), 0) = 0 then
        raise exception 'no other objects to merge into %', p_keep using errcode = 'VA008';
    end if;
    if p_keep = any(p_others) then
        raise exception 'object % cannot be merged into itself', p_keep
        using errcode = 'VA008', hint = 'Nothing was changed; name it as the one to keep only.';
    end if;
    perform apdb.open_changes();
    perform apdb.lock_concerned(null, p_keep || p_others, null, null, null);

    perform apdb.require_current(p_keep || p_others);
    perform apdb.plan_sources(array(
        select d.dia_source_id
        from apdb_base.dia_source as d
        where d.dia_object_id = any(p_others) and d.time_withdrawn_mjd_tai is null
    ));
    update pg_temp.stage_change as c
    set new_dia_object_id = p_keep
    where true;
    select a.* into store_seq, mjd_tai, n_dia_sources, changed, retired
    from apdb.apply_if_any('merge', null, null, p_reason, null, p_keep) as a;
end
$$;
