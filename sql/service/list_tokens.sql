-- the tokens of the alert service, with what was asked with each
--
-- contract: never their checksums.
-- args:
-- returns: a row each, in the order of their making; times MJD TAI [d], rate [1/s]
-- errors: none
-- locks: none
-- cost: one index range of the audit a token
create or replace function apdb.list_tokens()
returns table (
    token_id bigint,
    name text,
    state text,
    rate double precision,
    time_created_mjd_tai double precision,
    time_expires_mjd_tai double precision,
    time_revoked_mjd_tai double precision,
    made_by text,
    n_requests bigint,
    time_used_mjd_tai double precision
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        t.token_id, t.name,
        case
            when t.time_revoked_mjd_tai is not null then 'revoked'
            when t.time_expires_mjd_tai <= apdb.mjd_tai(clock_timestamp()) then 'expired'
            else 'good'
        end,
        t.rate, t.time_created_mjd_tai, t.time_expires_mjd_tai, t.time_revoked_mjd_tai, t.made_by,
        u.n_requests, u.time_used_mjd_tai
    from apdb_base.api_token as t
    cross join lateral (
        select count(*) as n_requests, max(r.time_mjd_tai) as time_used_mjd_tai
        from apdb_base.api_audit as r
        where r.token_id = t.token_id
    ) as u
    order by t.token_id
$$;
