-- ends requests of precovery, or leaves them for another attempt
--
-- contract: in the transaction of hold_precovery, with the results: a request is done if and only if its results
--   are stored. One with an error is tried again after the back-off that claim_precovery set, or given up after
--   the last attempt. Arrays of one length.
-- args:
--   p_dia_object_ids: objects whose requests are held
--   p_n_images: images that each was about
--   p_n_measured: images of these that gave a measurement
--   p_errors: what went wrong, or null
--   p_max_attempts: attempts after which a request is given up
-- returns: how many are done, left for another attempt, and given up
-- errors: none
-- locks: row locks that the caller has already
-- cost: 10 ms for 500
create or replace function apdb.finish_precovery(
    p_dia_object_ids bigint[],
    p_n_images integer[],
    p_n_measured integer[],
    p_errors text[],
    p_max_attempts integer,
    out n_done integer,
    out n_left integer,
    out n_dead integer
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_now double precision := apdb.mjd_tai(clock_timestamp());
begin
    with ended as (
        update apdb_base.precovery_request as r
        set
            state = s.state,
            n_images = i.n_images,
            n_measured = i.n_measured,
            error = left(i.error, 2000),
            finished_mjd_tai = case when s.state <> 'queued' then v_now end
        from unnest(p_dia_object_ids, p_n_images, p_n_measured, p_errors)
            as i (dia_object_id, n_images, n_measured, error)
        inner join apdb_base.precovery_request as q on i.dia_object_id = q.dia_object_id
        cross join lateral (
            select
                case
                    when i.error is null then 'done'
                    when q.n_attempts >= p_max_attempts then 'dead'
                    else 'queued'
                end as state
        ) as s
        where r.dia_object_id = i.dia_object_id
        returning r.state
    )

    select
        count(*) filter (where e.state = 'done'),
        count(*) filter (where e.state = 'queued'),
        count(*) filter (where e.state = 'dead') into n_done, n_left, n_dead
    from ended as e;
end
$$;
