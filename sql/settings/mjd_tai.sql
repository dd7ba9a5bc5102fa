-- MJD TAI of an instant
--
-- contract: UTC to TAI through the leap_second table, which each upgrade fills from astropy.
-- args:
--   p_when: the instant
-- returns: MJD in TAI [d]
-- errors: none
-- locks: none
-- cost: one small table read
create or replace function apdb.mjd_tai(p_when timestamptz)
returns double precision
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        u.mjd_utc + (
            select l.tai_minus_utc
            from apdb_base.leap_second as l
            where l.mjd_utc <= u.mjd_utc
            order by l.mjd_utc desc
            limit 1
        ) / 86400.0
    from (select 40587.0 + extract(epoch from p_when)::double precision / 86400.0 as mjd_utc) as u
$$;
