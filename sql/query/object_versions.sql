-- every version of a DIAObject, retired or current
--
-- contract: also of objects that default reads hide because they are retired.
-- args:
--   p_dia_object_id: the object
-- returns: whole rows, oldest first
-- errors: none
-- locks: none
-- cost: two index look-ups
create or replace function apdb.object_versions(p_dia_object_id bigint)
returns setof apdb.dia_object
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select v.* from apdb_base.dia_object_version as v where v.dia_object_id = p_dia_object_id
    union all
    select o.* from apdb_base.dia_object as o where o.dia_object_id = p_dia_object_id
    order by validity_start_mjd_tai
$$;
