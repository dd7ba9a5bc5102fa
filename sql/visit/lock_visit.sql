-- lets one session at a time work on a (visit, detector)
--
-- contract: held until the transaction ends. Taken before the sky cells.
-- args:
--   p_visit: visit
--   p_detector: detector
-- returns: nothing
-- errors: VA004 when another session still stores it after lock_timeout; names that session
-- locks: advisory (class 17001, hash of visit and detector)
-- cost: microseconds
create or replace function apdb.lock_visit(p_visit bigint, p_detector integer)
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    perform apdb.lock_or_say_who(17001, hashtext(p_visit || '/' || p_detector));
end
$$;
