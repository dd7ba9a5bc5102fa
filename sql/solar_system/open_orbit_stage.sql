-- makes the tables into which orbits are copied
--
-- contract: for this transaction only; owned by the owner role, the caller may only insert. One is
--   shaped like orbit, the other like mpc_orbits with the ss_object_id.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none
-- cost: 5 ms
create or replace function apdb.open_orbit_stage()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set client_min_messages = warning
as $$
begin
    drop table if exists pg_temp.stage_orbit, pg_temp.stage_mpc_orbits;
    execute 'create temporary table stage_orbit on commit drop as select * from apdb_base.orbit with no data';
    execute 'create temporary table stage_mpc_orbits on commit drop as select * from apdb_base.mpc_orbits with no data';
    grant insert on pg_temp.stage_orbit, pg_temp.stage_mpc_orbits to public;
end
$$;
