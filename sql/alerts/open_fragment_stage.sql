-- makes the session's stage tables for fragments, once
--
-- contract: as open_stage: owned by the owner role, the caller may only insert, emptied at every commit,
--   made anew after an upgrade. Shaped like the tables that insert_fragments moves them to.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none
-- cost: 5 ms the first time in a session, then one look-up
create or replace function apdb.open_fragment_stage()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set client_min_messages = warning
as $$
declare
    v_made_by text;
    v_table text;
begin
    perform apdb.refuse_foreign_stages();
    select m.value into v_made_by
    from apdb_base.metadata as m
    where m.name = 'routines.fingerprint';
    if to_regclass('pg_temp.stage_dia_source_fragment') is not null then
        if obj_description('pg_temp.stage_dia_source_fragment'::regclass) is not distinct from v_made_by then
            return;
        end if;
        drop table pg_temp.stage_dia_source_fragment, pg_temp.stage_dia_forced_source_fragment,
            pg_temp.stage_dia_object_fragment, pg_temp.stage_ss_source_fragment, pg_temp.stage_mpc_orbits_fragment;
    end if;
    foreach v_table in array array[
        'dia_source_fragment', 'dia_forced_source_fragment', 'dia_object_fragment', 'ss_source_fragment',
        'mpc_orbits_fragment'
    ] loop
        execute format(
            'create temporary table %I on commit delete rows as select * from apdb_base.%I with no data',
            'stage_' || v_table, v_table
        );
        execute format('grant insert, select on pg_temp.%I to public', 'stage_' || v_table);
    end loop;
    execute format('comment on table pg_temp.stage_dia_source_fragment is %L', v_made_by);
end
$$;
