-- Roles are cluster-wide: made once, whichever database comes first, and never dropped.
do $$
declare
    v_role text;
begin
    perform pg_advisory_xact_lock(17003, 0);
    foreach v_role in array array['apdb_owner', 'apdb_writer', 'apdb_reader', 'apdb_broker'] loop
        if not exists (select from pg_roles as r where r.rolname = v_role) then
            execute format('create role %I', v_role);
        end if;
    end loop;
    alter role apdb_writer login;
    alter role apdb_reader login;
    alter role apdb_broker login;
    alter role apdb_reader set default_transaction_read_only = on;
    alter role apdb_reader set statement_timeout = '60s';
    alter role apdb_broker set default_transaction_read_only = on;
    alter role apdb_broker set statement_timeout = '60s';
    if not pg_has_role(current_user, 'apdb_owner', 'member') then
        execute format('grant apdb_owner to %I', current_user);
    end if;
    -- Who holds the sky, and which attempts still live, is in pg_stat_activity.
    if not pg_has_role('apdb_owner', 'pg_read_all_stats', 'member') then
        grant pg_read_all_stats to apdb_owner;
    end if;
    execute format('grant create, temporary on database %I to apdb_owner', current_database());
    execute format('grant connect on database %I to apdb_writer, apdb_reader, apdb_broker', current_database());
end
$$;
