-- notes that an object could not be characterised
--
-- contract: after three times the object is left alone until new points come, or it is asked for.
-- args:
--   p_dia_object_id: the object
--   p_error: why, in words
-- returns: how often it failed by now
-- errors: none
-- locks: row lock on the queue's row
-- cost: one row
create or replace function apdb.fail_features(p_dia_object_id bigint, p_error text)
returns integer
language sql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    update apdb_base.feature_queue as q
    set attempts = q.attempts + 1, error = p_error
    where q.dia_object_id = p_dia_object_id
    returning q.attempts
$$;
