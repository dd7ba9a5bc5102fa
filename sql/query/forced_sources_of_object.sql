-- forced photometry of a DIAObject
--
-- contract: without rows withdrawn; inlined.
-- args:
--   p_dia_object_id: the object
-- returns: whole rows, in no order
-- errors: none
-- locks: none
-- cost: one index look-up in each partition
create or replace function apdb.forced_sources_of_object(p_dia_object_id bigint)
returns setof apdb.dia_forced_source
language sql stable parallel safe
as $$
    select f.* from apdb.dia_forced_source as f where f.dia_object_id = p_dia_object_id
$$;
