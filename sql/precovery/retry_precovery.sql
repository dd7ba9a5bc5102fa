-- queues requests of precovery again that were given up
--
-- contract: with all their attempts before them; their age goes on from when they were queued first.
-- args:
--   p_dia_object_ids: objects; null for all that were given up
-- returns: number of requests queued again
-- errors: VA005 when an object has no request that was given up (DETAIL: the ids)
-- locks: row locks on the requests
-- cost: 20 us a request
create or replace function apdb.retry_precovery(p_dia_object_ids bigint[])
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_unknown text;
    v_n integer;
begin
    select string_agg(i.id::text, ',' order by i.id) into v_unknown
    from unnest(p_dia_object_ids) as i (id)
    where not exists (
        select from apdb_base.precovery_request as r where r.dia_object_id = i.id and r.state = 'dead'
    );
    if v_unknown is not null then
        raise exception 'no precovery was given up for these objects'
        using errcode = 'VA005', detail = v_unknown, hint = 'apdb precovery status lists those that were.';
    end if;
    update apdb_base.precovery_request as r
    set
        state = 'queued', n_attempts = 0, finished_mjd_tai = null,
        next_try_mjd_tai = apdb.mjd_tai(clock_timestamp())
    where r.state = 'dead' and (p_dia_object_ids is null or r.dia_object_id = any(p_dia_object_ids));
    get diagnostics v_n = row_count;
    return v_n;
end
$$;
