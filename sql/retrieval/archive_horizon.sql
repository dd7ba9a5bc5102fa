-- the last step of knowledge before which nothing can still be committed
--
-- contract: visits of different parts of the sky commit in another order than that of their store_seq.
--   Whoever reads alerts in the order of store_seq and goes on from the last one would miss those that
--   are committed later with a lower number; up to here there are none. Whoever takes a store_seq
--   holds, until the end of its transaction, an advisory lock that names a lower bound of it; see
--   next_knowledge. The alerts must be read in a later statement. Holds on the primary only: a
--   replica does not see the locks.
-- args:
-- returns: a store_seq; 0 when there is none yet
-- errors: none
-- locks: none
-- cost: reads the lock table, 1 ms for 1,000 locks
create or replace function apdb.archive_horizon()
returns bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_last bigint;
begin
    -- Before the locks: who is seen by neither takes a number after this one.
    select s.last_value - case when s.is_called then 0 else 1 end into v_last
    from apdb_base.store_seq as s;
    return least(v_last, (
        select min(((l.classid::bigint & 65535) << 32) | l.objid::bigint)
        from pg_locks as l
        where
            l.locktype = 'advisory' and l.objsubid = 1 and l.classid::bigint >> 16 = 17005
            and l.database = (select d.oid from pg_database as d where d.datname = current_database())
    ));
end
$$;
