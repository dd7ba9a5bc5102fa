-- makes the session's stage table for index rows, once
--
-- contract: as open_stage: owned by the owner role, the caller may only insert, emptied at every commit,
--   made anew after an upgrade.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none
-- cost: 2 ms the first time in a session, then one look-up
create or replace function apdb.open_alert_stage()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set client_min_messages = warning
as $$
declare
    v_made_by text;
begin
    perform apdb.refuse_foreign_stages();
    select m.value into v_made_by
    from apdb_base.metadata as m
    where m.name = 'routines.fingerprint';
    if to_regclass('pg_temp.stage_alert') is not null then
        if obj_description('pg_temp.stage_alert'::regclass) is not distinct from v_made_by then
            return;
        end if;
        drop table pg_temp.stage_alert;
    end if;
    execute 'create temporary table stage_alert on commit delete rows as select * from apdb_base.alert with no data';
    execute format('comment on table pg_temp.stage_alert is %L', v_made_by);
    grant insert, select on pg_temp.stage_alert to public;
end
$$;
