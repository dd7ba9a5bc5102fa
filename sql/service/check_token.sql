-- what a token of the alert service allows
--
-- contract: found by its checksum; a token has 256 random bits, so that nobody can try them out.
-- args:
--   p_sha256: SHA-256 of the token
-- returns: number, name, rate [1/s] and state (good, expired or revoked); nulls if there is no such token
-- errors: none
-- locks: none
-- cost: one index look-up
create or replace function apdb.check_token(
    p_sha256 bytea,
    out token_id bigint,
    out name text,
    out rate double precision,
    out state text
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        t.token_id, t.name, t.rate,
        case
            when t.time_revoked_mjd_tai is not null then 'revoked'
            when t.time_expires_mjd_tai <= apdb.mjd_tai(clock_timestamp()) then 'expired'
            else 'good'
        end
    from apdb_base.api_token as t
    where t.sha256 = p_sha256
$$;
