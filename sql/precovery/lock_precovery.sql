-- locks the rows of requests that a worker is about to end
--
-- contract: after the sky cells of its results, so that workers and corrections lock in one order. A request that
--   a correction queued anew meanwhile has another number of attempts, and is not among the result: what was
--   measured for it is of the object as it was.
-- args:
--   p_dia_object_ids: objects
--   p_attempts: number of the attempt of each, as claim_precovery said
-- returns: objects whose requests are still those that were taken
-- errors: none
-- locks: row locks on the requests, in the order of the ids, until the transaction ends
-- cost: 5 ms for 500
create or replace function apdb.lock_precovery(p_dia_object_ids bigint[], p_attempts integer[])
returns bigint[]
language sql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select coalesce(array_agg(q.dia_object_id), '{}')
    from (
        select r.dia_object_id
        from unnest(p_dia_object_ids, p_attempts) as i (dia_object_id, n_attempts)
        inner join apdb_base.precovery_request as r on i.dia_object_id = r.dia_object_id
        where r.state = 'queued' and r.n_attempts = i.n_attempts
        order by r.dia_object_id
        for update of r
    ) as q
$$;
