-- takes requests of precovery for a worker
--
-- contract: in a transaction of its own, committed before the work begins, so that an attempt counts even if its
--   worker dies. The oldest that are due come first; those that others take or work on are passed by. Requests whose
--   worker died (an attempt that left no error) come in ever smaller batches, an eighth each time, so that one on
--   which workers die ends alone and does not take others along. One whose attempts are used up by dying workers
--   is given up.
--   Not before the back-off, four times as long after each attempt, may anybody take them again; whoever does
--   the work locks them by hold_precovery.
-- args:
--   p_worker: host and process of the worker
--   p_n: how many to take at most
--   p_max_attempts: attempts after which a request is given up
--   p_backoff [s]: wait after the first attempt
-- returns: objects and numbers of the attempt
-- errors: none
-- locks: advisory (class 17019, hash of the object) and row locks on the requests taken, without waiting
-- cost: 10 ms for 500
create or replace function apdb.claim_precovery(
    p_worker text, p_n integer, p_max_attempts integer, p_backoff double precision
)
returns table (dia_object_id bigint, n_attempts smallint)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
-- The queue is read in the order of its index, and no farther than needed.
set enable_sort = off
as $$
#variable_conflict use_column
declare
    v_now double precision := apdb.mjd_tai(clock_timestamp());
    v_id bigint;
    v_tries integer;
    v_died boolean;
    v_n integer := p_n;
    v_taken bigint[] := '{}';
begin
    update apdb_base.precovery_request as r
    set
        state = 'dead', finished_mjd_tai = v_now,
        error = coalesce(r.error, format('%s attempts; the last worker (%s) died', r.n_attempts, r.worker))
    where r.dia_object_id in (
        select d.dia_object_id
        from (
            select q.dia_object_id
            from apdb_base.precovery_request as q
            where
                q.state = 'queued' and q.n_attempts > 0 and q.n_attempts >= p_max_attempts
                and q.next_try_mjd_tai <= v_now
            for update skip locked
        ) as d
        where pg_try_advisory_xact_lock(17019, hashint8(d.dia_object_id))
    );

    for v_id, v_tries, v_died in
        select q.dia_object_id, q.n_attempts, q.error is null and q.n_attempts > 0
        from apdb_base.precovery_request as q
        where q.state = 'queued' and q.next_try_mjd_tai <= v_now
        order by q.queued_mjd_tai, q.dia_object_id
        for update skip locked
    loop
        if pg_try_advisory_xact_lock(17019, hashint8(v_id)) then
            v_taken := array[v_id];
            exit;
        end if;
    end loop;
    if v_taken = '{}' then
        return;
    end if;

    if v_died then
        v_n := greatest(1, p_n / (8 ^ least(v_tries, 8))::integer);
    end if;
    for v_id in
        select q.dia_object_id
        from apdb_base.precovery_request as q
        where
            q.state = 'queued' and q.n_attempts = v_tries and q.next_try_mjd_tai <= v_now
            and (q.error is null and q.n_attempts > 0) = v_died and q.dia_object_id <> v_taken[1]
        order by q.queued_mjd_tai, q.dia_object_id
        for update skip locked
    loop
        exit when cardinality(v_taken) >= v_n;
        if pg_try_advisory_xact_lock(17019, hashint8(v_id)) then
            v_taken := v_taken || v_id;
        end if;
    end loop;
    return query
    update apdb_base.precovery_request as r
    set
        n_attempts = r.n_attempts + 1,
        worker = p_worker,
        error = null,
        next_try_mjd_tai = v_now + p_backoff * 4.0 ^ least(v_tries, 8) / 86400.0
    where r.dia_object_id = any(v_taken)
    returning r.dia_object_id, r.n_attempts;
end
$$;
