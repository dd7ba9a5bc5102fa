-- how many current DIAObjects there are in each HEALPix pixel
--
-- contract: nested order; pixels without any are left out. Inlined.
-- args:
--   p_order: nside is 2^order; 0 to 29
-- returns: pixel and count, in no order
-- errors: VA001 when the order is not in 0 to 29
-- locks: none
-- cost: 5 us a row, shared by the parallel workers
create or replace function apdb.count_objects_by_healpix(
    p_order integer
)
returns table (pixel bigint, n bigint)
language sql stable parallel safe
as $$
    select apdb.healpix_nest(p_order, o.ra, o.dec), count(*)
    from apdb.dia_object as o
    group by 1
$$;
