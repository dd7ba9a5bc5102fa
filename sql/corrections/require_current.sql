-- refuses a correction of DIAObjects that do not exist or are retired
--
-- contract: after lock_concerned.
-- args:
--   p_dia_object_ids: the objects
-- returns: nothing
-- errors: VA005 when there are no such objects (in DETAIL: the ids); VA008 when one is retired,
--   and since when
-- locks: none
-- cost: one index look-up an object
create or replace function apdb.require_current(p_dia_object_ids bigint[])
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_ids text;
    v_retired text;
begin
    select
        string_agg(i.id::text, ',' order by i.id) filter (where o.dia_object_id is null),
        string_agg(
            format('%s (since store_seq %s)', i.id, o.store_seq_end), ', ' order by i.id
        ) filter (where o.validity_end_mjd_tai is not null)
        into v_ids, v_retired
    from (select distinct u.id from unnest(p_dia_object_ids) as u (id)) as i
    left join apdb_base.dia_object as o on i.id = o.dia_object_id;
    if v_ids is not null then
        raise exception 'no such DIAObjects'
        using errcode = 'VA005', detail = v_ids;
    end if;
    if v_retired is not null then
        raise exception 'DIAObjects that are retired: %', v_retired
        using errcode = 'VA008', hint = 'Nothing was changed; apdb_base.correction says what retired them.';
    end if;
end
$$;
