-- keeps what was asked of the alert service, many requests at a time
--
-- contract: the only way in which the service writes to the database. Arrays of one length, an element for
--   each request; texts are cut at 2,000 characters.
-- args:
--   p_ages [s]: how long ago each was answered
--   p_token_ids: token that it came with; null if none
--   p_clients: address that it came from
--   p_requests: method, path and query
--   p_statuses: HTTP status of the answer
--   p_alerts: alerts sent
--   p_bytes [byte]: bytes sent
--   p_seconds [s]: how long it took
-- returns: rows written
-- errors: none
-- locks: none
-- cost: 5 us a request
create or replace function apdb.record_requests(
    p_ages double precision[],
    p_token_ids bigint[],
    p_clients text[],
    p_requests text[],
    p_statuses smallint[],
    p_alerts bigint[],
    p_bytes bigint[],
    p_seconds real[]
)
returns bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_now double precision := apdb.mjd_tai(clock_timestamp());
    v_rows bigint;
begin
    insert into apdb_base.api_audit (time_mjd_tai, token_id, client, request, status, n_alerts, n_bytes, seconds)
    select
        v_now - r.age / 86400.0, r.token_id, left(r.client, 2000), left(r.request, 2000), r.status, r.n_alerts,
        r.n_bytes, r.seconds
    from unnest(
        p_ages, p_token_ids, p_clients, p_requests, p_statuses, p_alerts, p_bytes, p_seconds
    ) as r (age, token_id, client, request, status, n_alerts, n_bytes, seconds);
    get diagnostics v_rows = row_count;
    return v_rows;
end
$$;
