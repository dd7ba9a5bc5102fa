-- which files of the image store the index does not know
--
-- contract: a file is written first and registered at once: one that is old and unknown was left behind by
--   a process that died in between.
-- args:
--   p_paths: files that are there
-- returns: path of each that no row refers to
-- errors: none
-- locks: none
-- cost: two index searches a file
create or replace function apdb.unindexed_images(p_paths text[])
returns setof text
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select f.path
    from unnest(p_paths) as f (path)
    where
        not exists (select from apdb_base.image as i where i.path = f.path)
        and not exists (select from apdb_base.template as t where t.path = f.path)
    order by f.path
$$;
