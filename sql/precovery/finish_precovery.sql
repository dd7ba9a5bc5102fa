-- ends requests of precovery, or leaves them for another attempt
--
-- contract: in the transaction of hold_precovery, with the results: a request is done if and only if its results
--   are stored. One with an error is tried again after the back-off that claim_precovery set, or given up after
--   the last attempt. One of an object that was retired is void. One that is no longer the one that was taken is
--   left as it is. Arrays of one length.
-- args:
--   p_dia_object_ids: objects whose requests are held
--   p_attempts: number of the attempt of each, as claim_precovery said
--   p_n_images: images that each was about
--   p_n_measured: images of these that gave a measurement
--   p_errors: what went wrong, or null
--   p_max_attempts: attempts after which a request is given up
-- returns: how many are done, left for another attempt, given up, and void
-- errors: none
-- locks: row locks on the requests, in the order of the ids
-- cost: 10 ms for 500
create or replace function apdb.finish_precovery(
    p_dia_object_ids bigint[],
    p_attempts integer[],
    p_n_images integer[],
    p_n_measured integer[],
    p_errors text[],
    p_max_attempts integer,
    out n_done integer,
    out n_left integer,
    out n_dead integer,
    out n_void integer
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_now double precision := apdb.mjd_tai(clock_timestamp());
    v_still bigint[] := apdb.lock_precovery(p_dia_object_ids, p_attempts);
begin
    with ended as (
        update apdb_base.precovery_request as r
        set
            state = s.state,
            n_images = i.n_images,
            n_measured = i.n_measured,
            error = case when s.state <> 'void' then left(i.error, 2000) end,
            finished_mjd_tai = case when s.state <> 'queued' then v_now end
        from unnest(p_dia_object_ids, p_attempts, p_n_images, p_n_measured, p_errors)
            as i (dia_object_id, n_attempts, n_images, n_measured, error)
        left join apdb_base.dia_object as o
            on i.dia_object_id = o.dia_object_id and o.validity_end_mjd_tai is null
        cross join lateral (
            select
                case
                    when o.dia_object_id is null then 'void'
                    when i.error is null then 'done'
                    when i.n_attempts >= p_max_attempts then 'dead'
                    else 'queued'
                end as state
        ) as s
        where r.dia_object_id = i.dia_object_id and r.dia_object_id = any(v_still)
        returning r.state
    )

    select
        count(*) filter (where e.state = 'done'),
        count(*) filter (where e.state = 'dead'),
        count(*) filter (where e.state = 'void') into n_done, n_dead, n_void
    from ended as e;
    n_left := cardinality(p_dia_object_ids) - n_done - n_dead - n_void;
end
$$;
