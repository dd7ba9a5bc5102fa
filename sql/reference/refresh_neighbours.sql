-- works out the neighbours of some objects that are older than the last load or drop of a reference catalogue
--
-- contract: for objects that no visit will touch soon. Goes through the sky in the order of Q3C's index, so many
--   objects at a time; called again with what it returns until that is null, each time in a transaction of its own.
-- args:
--   p_after: where the last call ended, -1 at first
--   p_n: how many objects to look at
-- returns: where this call ended, null at the end of the sky; number of objects worked out anew
-- errors: VA004 when another session holds the sky
-- locks: advisory (class 17002, cells of the objects), ascending, until the transaction ends
-- cost: that of match_neighbours
create or replace function apdb.refresh_neighbours(
    p_after bigint, p_n integer, out last bigint, out n_objects integer
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set jit = off
as $$
declare
    v_reference bigint;
    v_ids bigint[];
    v_cell integer;
begin
    n_objects := 0;
    select m.value::bigint into v_reference
    from apdb_base.metadata as m
    where m.name = 'state.reference_store_seq';
    select max(s.ipix), array_agg(s.dia_object_id) filter (where s.is_due) into last, v_ids
    from (
        select
            o.dia_object_id, q3c_ang2ipix(o.ra, o.dec) as ipix,
            o.validity_end_mjd_tai is null and not exists (
                select from apdb_base.dia_object_neighbour as n
                where
                    n.dia_object_id = o.dia_object_id and n.store_seq_end is null
                    and n.reference_store_seq >= v_reference
            ) as is_due
        from apdb_base.dia_object as o
        where q3c_ang2ipix(o.ra, o.dec) > p_after
        order by q3c_ang2ipix(o.ra, o.dec)
        limit p_n
    ) as s;
    if v_reference is null then
        last := null;
    end if;
    if last is null or v_ids is null then
        return;
    end if;

    perform apdb.open_stage(null);
    for v_cell in
        select distinct c.cell
        from apdb_base.dia_object as o
        cross join lateral apdb.sky_cells(o.ra, o.dec, 0.0) as c
        where o.dia_object_id = any(v_ids)
        order by c.cell
    loop
        perform apdb.lock_or_say_who(17002, v_cell);
    end loop;
    -- A visit may have come before.
    select array_agg(o.dia_object_id) into v_ids
    from apdb_base.dia_object as o
    where
        o.dia_object_id = any(v_ids) and o.validity_end_mjd_tai is null
        and not exists (
            select from apdb_base.dia_object_neighbour as n
            where
                n.dia_object_id = o.dia_object_id and n.store_seq_end is null
                and n.reference_store_seq >= v_reference
        );
    if v_ids is not null then
        n_objects := apdb.write_neighbours(
            v_ids,
            (select k.store_seq from apdb.next_knowledge('reference', null, null, 'neighbours of objects') as k),
            null, v_reference
        );
    end if;
end
$$;
