-- begins to complete the alerts of a visit: its lock and a step of knowledge of its own
--
-- contract: brokers read in the order of store_seq, so a revision that comes later needs a later one. What the
--   alerts say stays of the step that they were first made for.
-- args:
--   p_visit: visit
--   p_detector: detector
-- returns: store_seq of the completion
-- errors: VA004 when another session still stores the visit after lock_timeout; names that session
-- locks: advisory (class 17001, hash of visit and detector)
-- cost: one row
create or replace function apdb.begin_completion(p_visit bigint, p_detector integer)
returns bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    perform apdb.lock_visit(p_visit, p_detector);
    perform apdb.open_stage(null);
    return (
        select k.store_seq
        from apdb.next_knowledge('complete', p_visit, p_detector, 'completes alerts') as k
    );
end
$$;
