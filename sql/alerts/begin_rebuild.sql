-- begins to make all fragments of a version anew
--
-- contract: in a transaction of its own, which waits for the visits under way: those that come after it write
--   fragments in this version too, so that only those before are left to do.
-- args:
--   p_registry_id: registry id of the version
-- returns: nothing
-- errors: none
-- locks: advisory (class 17007, 0)
-- cost: as long as the longest visit under way
create or replace function apdb.begin_rebuild(p_registry_id integer)
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(17007, 0);
    update apdb_base.metadata as m
    set
        value = case
            when p_registry_id::text = any(string_to_array(m.value, ',')) then m.value
            else concat_ws(',', nullif(m.value, ''), p_registry_id::text)
        end
    where m.name = 'state.fragments_written';
    update apdb_base.metadata as m
    set value = p_registry_id::text
    where m.name = 'state.fragments_rebuilding';
end
$$;
