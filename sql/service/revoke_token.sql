-- ends a token of the alert service
--
-- contract: a token that has ended stays as it is. The service notices within its memory of tokens.
-- args:
--   p_name: whose it is
-- returns: when it was revoked, MJD TAI [d]
-- errors: VA005 when there is no such token
-- locks: the row of the token
-- cost: one row
create or replace function apdb.revoke_token(p_name text)
returns double precision
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_when double precision;
begin
    update apdb_base.api_token as t
    set time_revoked_mjd_tai = coalesce(t.time_revoked_mjd_tai, apdb.mjd_tai(clock_timestamp()))
    where t.name = p_name
    returning t.time_revoked_mjd_tai into v_when;
    if v_when is null then
        raise exception 'there is no token %', coalesce(quote_literal(p_name), 'null')
        using errcode = 'VA005', hint = 'apdb tokens list shows them.';
    end if;
    return v_when;
end
$$;
