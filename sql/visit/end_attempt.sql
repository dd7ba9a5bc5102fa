-- says how an attempt to store a visit ended
--
-- contract: 'stored' is set inside the visit's transaction and so is true if and only if it committed;
--   'failed' in a transaction of its own. Only a running attempt changes.
-- args:
--   p_attempt_id: the attempt
--   p_state: stored, repeated or failed
--   p_error: the message, or null
--   p_sqlstate: its SQLSTATE, or null
-- returns: nothing
-- errors: none
-- locks: the row of the attempt
-- cost: one row
create or replace function apdb.end_attempt(p_attempt_id bigint, p_state text, p_error text, p_sqlstate text)
returns void
language sql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    update apdb_base.visit_attempt as a
    set state = p_state, ended_mjd_tai = apdb.mjd_tai(clock_timestamp()), error = p_error, sqlstate = p_sqlstate
    where a.attempt_id = p_attempt_id and a.state = 'running'
$$;
