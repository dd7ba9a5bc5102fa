-- removes a reference catalogue
--
-- contract: its rows go, its line in the register stays, because neighbours worked out from it name it. Objects
--   lose these neighbours when they are touched next, or by refresh_neighbours.
-- args:
--   p_name: name of the catalogue
-- returns: number of rows removed
-- errors: VA005 when there is no such catalogue
-- locks: advisory (17011, 0), so that one catalogue is loaded or dropped at a time; the number of the step is taken
--   when the rows are gone: what waits for archive_horizon does not wait for them
-- cost: 2 us a row
create or replace function apdb.drop_reference(p_name text)
returns bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_id smallint;
    v_seq bigint;
    v_n bigint;
begin
    perform apdb.open_stage(null);
    perform pg_advisory_xact_lock(17011, 0);
    v_id := apdb.reference_catalogue_id(p_name);
    delete from apdb_base.reference_object as r
    where r.catalogue_id = v_id;
    get diagnostics v_n = row_count;
    -- Late: until the commit, nobody gets alerts of what is stored after a number that is taken.
    select k.store_seq into v_seq
    from apdb.next_knowledge('reference', null, null, 'drop of ' || p_name) as k;
    update apdb_base.reference_catalogue as c
    set dropped_store_seq = v_seq
    where c.catalogue_id = v_id;
    insert into apdb_base.metadata (name, value)
    values ('state.reference_store_seq', v_seq::text)
    on conflict (name) do update set value = excluded.value;
    return v_n;
end
$$;
