-- the night of a time: date of (UTC - 12 h) at the site
--
-- contract: the same as Visit.night in Python; UTC through the leap_second table.
-- args:
--   p_mjd_tai [d]: the time, MJD TAI
-- returns: date of the evening on which the night began; null for null
-- errors: none
-- locks: none
-- cost: two small table reads
create or replace function apdb.night_of(p_mjd_tai double precision)
returns date
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select date '1858-11-17' + floor(
        p_mjd_tai - coalesce((
            select l.tai_minus_utc
            from apdb_base.leap_second as l
            where l.mjd_utc + l.tai_minus_utc / 86400.0 <= p_mjd_tai
            order by l.mjd_utc desc
            limit 1
        ), 0.0) / 86400.0 - 0.5 + apdb.setting('site_longitude')::double precision / 360.0
    )::integer
$$;
