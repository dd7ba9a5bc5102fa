-- Roles are cluster-wide: made once, whichever database comes first, and never dropped.
-- Only what is missing is done, so that after the first time no superuser is needed.
do $$
declare
    v_role text;
begin
    perform pg_advisory_xact_lock(17003, 0);
    foreach v_role in array array['apdb_owner', 'apdb_writer', 'apdb_reader', 'apdb_broker'] loop
        if not exists (select from pg_roles as r where r.rolname = v_role) then
            execute format('create role %I %s', v_role, case when v_role = 'apdb_owner' then 'nologin' else 'login' end);
        end if;
    end loop;
    foreach v_role in array array['apdb_reader', 'apdb_broker'] loop
        if (select r.rolconfig is null from pg_roles as r where r.rolname = v_role) then
            execute format('alter role %I set default_transaction_read_only = on', v_role);
            execute format('alter role %I set statement_timeout = %L', v_role, '60s');
        end if;
    end loop;
    if not pg_has_role(current_user, 'apdb_owner', 'member') then
        execute format('grant apdb_owner to %I', current_user);
    end if;
    -- Who holds the sky, and which attempts still live, is in pg_stat_activity.
    if not pg_has_role('apdb_owner', 'pg_read_all_stats', 'member') then
        grant pg_read_all_stats to apdb_owner;
    end if;
    if
        not has_database_privilege('apdb_owner', current_database(), 'create')
        or not has_database_privilege('apdb_owner', current_database(), 'temporary')
    then
        execute format('grant create, temporary on database %I to apdb_owner', current_database());
    end if;
    foreach v_role in array array['apdb_writer', 'apdb_reader', 'apdb_broker'] loop
        if not has_database_privilege(v_role, current_database(), 'connect') then
            execute format('grant connect on database %I to %I', current_database(), v_role);
        end if;
    end loop;
end
$$;
