-- the next step of knowledge: its store_seq and time
--
-- contract: called after the locks, so that for any part of the sky the order of store_seq is the order
--   of commits. Elsewhere it is not; the advisory lock says below which store_seq this transaction
--   cannot come, see archive_horizon. The time is the server's clock, moved on where it would not
--   follow the validity of an object in stage_touched.
-- args:
--   p_kind: visit, reassign, merge, split, withdraw, replace, forced or attribute
--   p_visit: visit, if of one
--   p_detector: detector, if of one
--   p_reason: why, in words; null for visits
-- returns: store_seq and time [d], MJD TAI
-- errors: none
-- locks: advisory (17005 in the upper 16 bits, the last store_seq in the lower 48), shared, until the
--   transaction ends; nobody waits for it
-- cost: one row
create or replace function apdb.next_knowledge(
    p_kind text,
    p_visit bigint,
    p_detector integer,
    p_reason text,
    out store_seq bigint,
    out mjd_tai double precision
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_latest double precision;
begin
    select max(t.known_mjd_tai) into v_latest
    from pg_temp.stage_touched as t;
    perform pg_advisory_xact_lock_shared(
        (17005::bigint << 48) | (s.last_value - case when s.is_called then 0 else 1 end)
    )
    from apdb_base.store_seq as s;
    store_seq := nextval('apdb_base.store_seq');
    mjd_tai := greatest(apdb.mjd_tai(clock_timestamp()), v_latest + 1e-8);
    insert into apdb_base.store_event (store_seq, kind, visit, detector, mjd_tai, made_by, reason)
    values (next_knowledge.store_seq, p_kind, p_visit, p_detector, next_knowledge.mjd_tai, session_user, p_reason);
end
$$;
