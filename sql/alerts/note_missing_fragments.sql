-- notes, where no archive is set, that what is stored now has no fragments
--
-- contract: until they are made (rebuild_fragments), no version counts as complete. Written once.
-- args: none
-- returns: nothing
-- errors: none
-- locks: the rows of the state, only when it changes
-- cost: two look-ups
create or replace function apdb.note_missing_fragments()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    if apdb.setting('archive_url') <> '' then
        return;
    end if;
    if exists (
        select from apdb_base.metadata as m
        where m.name in ('state.fragments_complete', 'state.fragments_rebuilding') and m.value <> ''
    ) then
        update apdb_base.metadata as m
        set value = ''
        where m.name in ('state.fragments_complete', 'state.fragments_rebuilding') and m.value <> '';
    end if;
end
$$;
