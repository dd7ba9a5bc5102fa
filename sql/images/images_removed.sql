-- notes that expired files of the image store are gone
--
-- contract: after they were removed from the store, never before.
-- args:
--   p_paths: the files
-- returns: how many there were
-- errors: none
-- locks: rows of the files
-- cost: one row each
create or replace function apdb.images_removed(p_paths text[])
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_images integer;
    v_templates integer;
begin
    update apdb_base.image as i
    set state = 'removed'
    where i.path = any(p_paths) and i.state = 'expired';
    get diagnostics v_images = row_count;
    update apdb_base.template as t
    set state = 'removed'
    where t.path = any(p_paths) and t.state = 'expired';
    get diagnostics v_templates = row_count;
    return v_images + v_templates;
end
$$;
