-- locks the requests that a worker took, for as long as it works on them
--
-- contract: at the start of the transaction that does the work and ends the requests: if the worker dies, the
--   locks go with its session. A request that another took meanwhile is not among the result: the number of
--   the attempt tells. Requests of objects that were retired are void, and end here.
-- args:
--   p_dia_object_ids: objects
--   p_attempts: number of the attempt of each, as claim_precovery said
-- returns: objects whose requests are held
-- errors: none
-- locks: row locks on the requests, until the transaction ends
-- cost: 5 ms for 500
create or replace function apdb.hold_precovery(p_dia_object_ids bigint[], p_attempts integer[])
returns setof bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_held bigint[];
begin
    v_held := array(
        select r.dia_object_id
        from unnest(p_dia_object_ids, p_attempts) as i (dia_object_id, n_attempts)
        inner join apdb_base.precovery_request as r on i.dia_object_id = r.dia_object_id
        where r.state = 'queued' and r.n_attempts = i.n_attempts
        order by r.dia_object_id
        for update of r skip locked
    );
    update apdb_base.precovery_request as r
    set state = 'void', finished_mjd_tai = apdb.mjd_tai(clock_timestamp()), error = null
    where
        r.dia_object_id = any(v_held)
        and not exists (
            select from apdb_base.dia_object as o
            where o.dia_object_id = r.dia_object_id and o.validity_end_mjd_tai is null
        );
    return query
    select r.dia_object_id
    from apdb_base.precovery_request as r
    where r.dia_object_id = any(v_held) and r.state = 'queued'
    order by r.dia_object_id;
end
$$;
