-- removes the fragments of versions that are no longer written
--
-- contract: after finish_rebuild; nobody reads them.
-- args: none
-- returns: number of fragments removed
-- errors: none
-- locks: advisory (class 17007, 0), shared, so that no rebuild begins meanwhile; row locks on the fragments
-- cost: reads all fragments
create or replace function apdb.drop_fragments()
returns bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_written integer[];
    v_table text;
    v_n bigint;
    v_all bigint := 0;
begin
    perform pg_advisory_xact_lock_shared(17007, 0);
    select r.written into v_written
    from apdb.alert_rules() as r;
    foreach v_table in array array[
        'dia_source_fragment', 'dia_forced_source_fragment', 'dia_object_fragment', 'ss_source_fragment',
        'mpc_orbits_fragment'
    ] loop
        execute format('delete from apdb_base.%I where registry_id <> all($1)', v_table) using v_written;
        get diagnostics v_n = row_count;
        v_all := v_all + v_n;
    end loop;
    return v_all;
end
$$;
