-- forgets requests of precovery that ended long ago
--
-- contract: those done or void for precovery_keep_days; what was given up stays until it is tried again. At most
--   10,000 a call.
-- args: none
-- returns: number of requests removed
-- errors: none
-- locks: row locks on them
-- cost: 10 us a request
create or replace function apdb.prune_precovery()
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_before double precision
    := apdb.mjd_tai(clock_timestamp()) - apdb.setting('precovery_keep_days')::double precision;
    v_n integer;
begin
    delete from apdb_base.precovery_request as r
    where r.dia_object_id in (
        select q.dia_object_id
        from apdb_base.precovery_request as q
        where q.state in ('done', 'void') and q.finished_mjd_tai < v_before
        limit 10000
        for update skip locked
    );
    get diagnostics v_n = row_count;
    return v_n;
end
$$;
