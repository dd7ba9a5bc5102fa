-- DIAObjects as they were known at a step of knowledge
--
-- contract: the version that was current right after that step; none of an object that was not there.
-- args:
--   p_dia_object_ids: objects
--   p_store_seq: the step
-- returns: rows, ordered by id
-- errors: none
-- locks: none
-- cost: two index searches an object
create or replace function apdb.objects_as_of(p_dia_object_ids bigint[], p_store_seq bigint)
returns setof apdb_base.dia_object
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select o.*
    from apdb_base.dia_object as o
    where
        o.dia_object_id = any(p_dia_object_ids) and o.store_seq <= p_store_seq
        and (o.store_seq_end is null or o.store_seq_end > p_store_seq)
    union all
    select v.*
    from apdb_base.dia_object_version as v
    where
        v.dia_object_id = any(p_dia_object_ids) and v.store_seq <= p_store_seq
        and v.store_seq_end > p_store_seq
    order by dia_object_id
$$;
