-- DIASources of a DIAObject
--
-- contract: without those withdrawn; inlined.
-- args:
--   p_dia_object_id: the object
-- returns: whole rows, in no order
-- errors: none
-- locks: none
-- cost: one index look-up in each partition
create or replace function apdb.sources_of_object(p_dia_object_id bigint)
returns setof apdb.dia_source
language sql stable parallel safe
as $$
    select s.* from apdb.dia_source as s where s.dia_object_id = p_dia_object_id
$$;
