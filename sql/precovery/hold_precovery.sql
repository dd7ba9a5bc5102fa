-- keeps other workers off the requests that a worker took, for as long as it works on them
--
-- contract: at the start of the transaction that does the work and ends the requests: if the worker dies, the
--   locks go with its session. No row is locked and nothing written, so that a correction that wants a request
--   never waits for a measurement, and vacuum goes on. A request that another took meanwhile is not among the
--   result: the number of the attempt tells.
-- args:
--   p_dia_object_ids: objects
--   p_attempts: number of the attempt of each, as claim_precovery said
-- returns: objects whose requests are held
-- errors: none
-- locks: advisory (class 17019, hash of the object), without waiting, until the transaction ends
-- cost: 5 ms for 500
create or replace function apdb.hold_precovery(p_dia_object_ids bigint[], p_attempts integer[])
returns setof bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_locked bigint[];
begin
    with mine as materialized (
        select r.dia_object_id
        from unnest(p_dia_object_ids, p_attempts) as i (dia_object_id, n_attempts)
        inner join apdb_base.precovery_request as r on i.dia_object_id = r.dia_object_id
        where r.state = 'queued' and r.n_attempts = i.n_attempts
    )

    select array_agg(m.dia_object_id) into v_locked
    from mine as m
    where pg_try_advisory_xact_lock(17019, hashint8(m.dia_object_id));
    -- Read again behind the lock: another may have taken it and let it go in between.
    return query
    select r.dia_object_id
    from unnest(p_dia_object_ids, p_attempts) as i (dia_object_id, n_attempts)
    inner join apdb_base.precovery_request as r on i.dia_object_id = r.dia_object_id
    where r.state = 'queued' and r.n_attempts = i.n_attempts and r.dia_object_id = any(v_locked)
    order by r.dia_object_id;
end
$$;
