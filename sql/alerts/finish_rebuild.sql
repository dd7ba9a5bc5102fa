-- makes a version whose fragments are complete that of the packets
--
-- contract: after begin_rebuild and all visits, in a transaction of its own. The fragments of other versions
--   are no longer written, used or complete; drop_fragments removes them.
-- args:
--   p_registry_id: registry id of the version
--   p_version: its version
-- returns: nothing
-- errors: VA001 when a visit was stored without fragments since begin_rebuild
-- locks: advisory (class 17007, 0)
-- cost: as long as the longest visit under way
create or replace function apdb.finish_rebuild(p_registry_id integer, p_version text)
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(17007, 0);
    if not exists (
        select from apdb_base.metadata as m
        where m.name = 'state.fragments_rebuilding' and m.value = p_registry_id::text
    ) then
        raise exception 'a visit was stored without fragments while they were rebuilt'
        using errcode = 'VA001', hint = 'Set archive_url first, and rebuild again.';
    end if;
    update apdb_base.metadata as m
    set
        value = case m.name
            when 'setting.alert_schema_version' then p_version
            when 'state.fragments_rebuilding' then ''
            else p_registry_id::text
        end
    where
        m.name in (
            'setting.alert_schema_version', 'state.fragments_rebuilding', 'state.fragments_written',
            'state.fragments_complete'
        );
end
$$;
