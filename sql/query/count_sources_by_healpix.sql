-- how many DIASources that are not withdrawn there are in each HEALPix pixel
--
-- contract: nested order; pixels without any are left out. Inlined.
-- args:
--   p_order: nside is 2^order; 0 to 29
--   p_mjd_from [d]: earliest midpoint, MJD TAI
--   p_mjd_to [d]: midpoints before this, MJD TAI
-- returns: pixel and count, in no order
-- errors: VA001 when the order is not in 0 to 29
-- locks: none
-- cost: 5 us a row, shared by the parallel workers
create or replace function apdb.count_sources_by_healpix(
    p_order integer,
    p_mjd_from double precision default '-infinity',
    p_mjd_to double precision default 'infinity'
)
returns table (pixel bigint, n bigint)
language sql stable parallel safe
as $$
    select apdb.healpix_nest(p_order, s.ra, s.dec), count(*)
    from apdb.dia_source as s
    where s.midpoint_mjd_tai >= p_mjd_from and s.midpoint_mjd_tai < p_mjd_to
    group by 1
$$;
