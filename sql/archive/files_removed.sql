-- notes that expired files are gone
--
-- contract: after they were removed from the archive, never before.
-- args:
--   p_paths: the files
-- returns: how many there were
-- errors: none
-- locks: rows of the files
-- cost: one row each
create or replace function apdb.files_removed(p_paths text[])
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_rows integer;
begin
    update apdb_base.archive_file as f
    set state = 'removed'
    where f.path = any(p_paths) and f.state = 'expired';
    get diagnostics v_rows = row_count;
    return v_rows;
end
$$;
