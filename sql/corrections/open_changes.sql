-- makes the session's stage for corrections, and empties it
--
-- contract: owned by the owner role, so that owner routines can read it. Every correction begins
--   with this; what a store left in stage_source stays, as a replacement needs it.
-- args: none
-- returns: nothing
-- errors: VA008 in a transaction that is not READ COMMITTED, which would not see what the lock
--   waited for
-- locks: none
-- cost: 15 ms the first time in a session, then a look-up
create or replace function apdb.open_changes()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set client_min_messages = warning
as $$
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'a correction needs READ COMMITTED, this transaction is %',
            upper(current_setting('transaction_isolation'))
        using errcode = 'VA008', hint = 'Nothing was changed; start a transaction with the default isolation.';
    end if;
    perform apdb.open_stage(null);
    if to_regclass('pg_temp.stage_change') is null then
        create temporary table stage_change (
            dia_source_id bigint primary key,
            midpoint_mjd_tai double precision not null,
            visit bigint not null,
            detector smallint not null,
            old_dia_object_id bigint,
            new_dia_object_id bigint,
            old_ss_object_id bigint,
            new_ss_object_id bigint,
            was_withdrawn boolean not null,
            withdrawn boolean not null
        );
    end if;
    delete from pg_temp.stage_change where true;
    delete from pg_temp.stage_touched where true;
    delete from pg_temp.stage_band where true;
    delete from pg_temp.stage_summary where true;
end
$$;
