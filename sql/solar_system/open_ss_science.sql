-- makes the table into which facts about solar-system objects are copied
--
-- contract: for this transaction only; owned by the owner role, the caller may only insert.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none
-- cost: 2 ms
create or replace function apdb.open_ss_science()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set client_min_messages = warning
as $$
begin
    drop table if exists pg_temp.stage_ss_object;
    execute 'create temporary table stage_ss_object on commit drop as select * from apdb_base.ss_object with no data';
    grant insert on pg_temp.stage_ss_object to public;
end
$$;
