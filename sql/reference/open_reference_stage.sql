-- makes the table into which a reference catalogue is copied
--
-- contract: for this transaction only; owned by the owner role, the caller may only insert.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none
-- cost: 2 ms
create or replace function apdb.open_reference_stage()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set client_min_messages = warning
as $$
begin
    drop table if exists pg_temp.stage_reference;
    execute 'create temporary table stage_reference on commit drop as '
        || 'select * from apdb_base.reference_object with no data';
    grant insert on pg_temp.stage_reference to public;
end
$$;
