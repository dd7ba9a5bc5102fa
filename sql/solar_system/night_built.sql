-- the built night that covers a time
--
-- contract: of two, that whose middle is nearer.
-- args:
--   p_mjd [d]: the time, MJD TAI
-- returns: night_mjd of ephemeris_night; null when no night was built for that time
-- errors: none
-- locks: none
-- cost: a small table read
create or replace function apdb.night_built(p_mjd double precision)
returns integer
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select e.night_mjd
    from apdb_base.ephemeris_night as e
    where p_mjd between e.middle_mjd_tai - e.half_width and e.middle_mjd_tai + e.half_width
    order by abs(p_mjd - e.middle_mjd_tai), e.night_mjd
    limit 1
$$;
