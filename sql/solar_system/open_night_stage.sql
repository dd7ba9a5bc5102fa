-- makes the tables into which the ephemerides of a night are copied
--
-- contract: for this transaction only; owned by the owner role, the caller may only insert.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none
-- cost: 5 ms
create or replace function apdb.open_night_stage()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set client_min_messages = warning
as $$
begin
    drop table if exists pg_temp.stage_slow, pg_temp.stage_fast;
    execute 'create temporary table stage_slow on commit drop as select * from apdb_base.ephemeris_slow with no data';
    execute 'create temporary table stage_fast on commit drop as select * from apdb_base.ephemeris_fast with no data';
    grant insert on pg_temp.stage_slow, pg_temp.stage_fast to public;
end
$$;
