-- adds a token of the alert service
--
-- contract: the token itself is made and shown by the caller; the database keeps its checksum only.
-- args:
--   p_name: whose it is; never used before
--   p_sha256: SHA-256 of the token
--   p_rate: requests allowed per second on average, above 0
--   p_days [d]: how long it is good; null for ever
-- returns: number of the token
-- errors: VA001 when the name is taken or empty, or a number is out of range
-- locks: none
-- cost: one row
create or replace function apdb.add_token(
    p_name text, p_sha256 bytea, p_rate double precision, p_days double precision
)
returns bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_now double precision := apdb.mjd_tai(clock_timestamp());
    v_id bigint;
begin
    if (p_name ~ '^[[:graph:]]([[:graph:] ]{0,98}[[:graph:]])?$') is not true then
        raise exception 'a token cannot be called %', coalesce(quote_literal(p_name), 'null')
        using errcode = 'VA001', hint = '1 to 100 characters that can be seen.';
    elsif (p_rate > 0.0 and p_rate <= 1e6) is not true then
        raise exception 'rate = % is not above 0 and at most 1000000 a second', coalesce(p_rate::text, 'null')
        using errcode = 'VA001';
    elsif not coalesce(p_days > 0.0 and p_days <= 36525.0, true) then
        raise exception 'days = % is not above 0 and at most 36525', p_days
        using errcode = 'VA001';
    end if;
    insert into apdb_base.api_token (name, sha256, rate, time_created_mjd_tai, time_expires_mjd_tai, made_by)
    values (p_name, p_sha256, p_rate, v_now, v_now + p_days, session_user)
    on conflict do nothing
    returning token_id into v_id;
    if v_id is null then
        raise exception 'there is a token % already', quote_literal(p_name)
        using errcode = 'VA001', hint = 'apdb tokens list shows them; a revoked name stays taken, for the audit.';
    end if;
    return v_id;
end
$$;
