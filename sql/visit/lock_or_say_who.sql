-- takes one advisory transaction lock, or says who holds it
--
-- contract: waits for at most lock_timeout. Whoever holds the lock when the wait ends is named.
-- args:
--   p_class: class of the lock: 17001 visit, 17002 sky cell
--   p_key: its key
-- returns: nothing
-- errors: VA004 with the visit, client and backend that holds the lock
-- locks: the lock asked for, until the transaction ends
-- cost: microseconds when free
create or replace function apdb.lock_or_say_who(p_class integer, p_key integer)
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_holder text;
begin
    if pg_try_advisory_xact_lock(p_class, p_key) then
        return;
    end if;
    begin
        perform pg_advisory_xact_lock(p_class, p_key);
    exception when lock_not_available then
        -- A transaction keeps its first look at pg_stat_activity, from before the holder came.
        perform pg_stat_clear_snapshot();
        select string_agg(apdb.who_is(l.pid), '; ') into v_holder
        from pg_locks as l
        where
            l.locktype = 'advisory' and l.granted and l.objsubid = 2
            and l.database = (select d.oid from pg_database as d where d.datname = current_database())
            and l.classid = p_class::oid and l.objid = (p_key::bigint & 4294967295)::oid;
        raise exception 'another session holds %: %',
            case p_class when 17001 then 'this visit' else 'this part of the sky' end,
            coalesce(v_holder, 'it has just ended')
        using errcode = 'VA004', hint = 'Nothing was stored; try again.';
    end;
end
$$;
