-- refuses to work on stage tables that the session's user made
--
-- contract: routines of the owner read and write the session's temporary tables; a trigger on a table that a user made
--   would run as the owner. Every routine that opens a stage begins with it.
-- args: none
-- returns: nothing
-- errors: 42501 (insufficient_privilege) naming the table
-- locks: none
-- cost: 30 us
create or replace function apdb.refuse_foreign_stages()
returns void
language plpgsql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_name text;
begin
    select c.relname into v_name
    from pg_class as c
    where
        c.relnamespace = pg_my_temp_schema() and c.relname >= 'stage_' and c.relname < 'stage`'
        and c.relkind in ('r', 'v', 'p', 'f', 'm') and c.relowner <> current_user::regrole
    limit 1;
    if v_name is not null then
        raise exception 'the temporary table % of this session was not made by apdb', v_name
        using errcode = 'insufficient_privilege', hint = 'Drop it, or start a new session.';
    end if;
end
$$;
