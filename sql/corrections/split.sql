-- starts a new DIAObject with some of the sources of another
--
-- contract: the id of the new object is the lowest id among the sources moved that no object has
--   or had, else a spare one (2^62 and up). Forced photometry stays where it was measured.
-- args:
--   p_dia_object_id: object to split
--   p_dia_source_ids: its sources that go to the new one
--   p_reason: why, in words
-- returns: store_seq and time [d], number of sources moved, ids of the objects changed and retired
--   (none), id of the new object
-- errors: VA005 for unknown sources or object; VA008 when a source is not of that object or
--   withdrawn, when the object is retired, or would be left empty; VA004 when another session
--   holds the sky
-- locks: sky cells of the sources and the object, then row locks as in apply_changes
-- cost: 30 ms for a few sources
create or replace function apdb.split(
    p_dia_object_id bigint,
    p_dia_source_ids bigint[],
    p_reason text,
    out store_seq bigint,
    out mjd_tai double precision,
    out n_dia_sources integer,
    out changed bigint[],
    out retired bigint[],
    out new_dia_object_id bigint
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_ids text;
begin
    perform apdb.open_changes();
    perform apdb.lock_concerned(p_dia_source_ids, array[p_dia_object_id], null, null, null);

    perform apdb.require_current(array[p_dia_object_id]);
    if apdb.plan_sources(p_dia_source_ids) = 0 then
        raise exception 'no sources to split from object %', p_dia_object_id using errcode = 'VA008';
    end if;
    perform apdb.refuse_withdrawn();
    select string_agg(x.dia_source_id::text, ', ' order by x.dia_source_id) into v_ids
    from (
        select c.dia_source_id
        from pg_temp.stage_change as c
        where c.old_dia_object_id is distinct from p_dia_object_id
        order by c.dia_source_id
        limit 20
    ) as x;
    if v_ids is not null then
        raise exception 'DIASources that are not of object %: %', p_dia_object_id, v_ids
        using errcode = 'VA008', hint = 'Nothing was changed.';
    end if;
    if not exists (
        select
        from apdb_base.dia_source as d
        where
            d.dia_object_id = p_dia_object_id and d.time_withdrawn_mjd_tai is null
            and not exists (select from pg_temp.stage_change as c where c.dia_source_id = d.dia_source_id)
    ) then
        raise exception 'the split would leave object % without sources', p_dia_object_id
        using errcode = 'VA008', hint = 'Nothing was changed; leave it one source at least.';
    end if;

    select min(c.dia_source_id) into new_dia_object_id
    from pg_temp.stage_change as c
    where not exists (select from apdb_base.dia_object as o where o.dia_object_id = c.dia_source_id);
    new_dia_object_id := coalesce(new_dia_object_id, nextval('apdb_base.spare_dia_object_id'));
    update pg_temp.stage_change as c
    set new_dia_object_id = split.new_dia_object_id
    where true;
    select a.* into store_seq, mjd_tai, n_dia_sources, changed, retired
    from apdb.apply_if_any('split', null, null, p_reason, new_dia_object_id, null) as a;
end
$$;
