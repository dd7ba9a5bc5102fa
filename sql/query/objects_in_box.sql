-- current DIAObjects between two right ascensions and two declinations
--
-- contract: bounds included. Where p_ra_min > p_ra_max the box runs over RA 0. A box that fits into a
--   cone of 45 deg is read by the Q3C index, a larger one by a scan. Inlined, so that conditions, order and
--   limit outside it are part of the same plan. Q3C's schema must be on the search path.
-- args:
--   p_ra_min [deg]: western bound, 0 to 360
--   p_ra_max [deg]: eastern bound, 0 to 360
--   p_dec_min [deg]: southern bound
--   p_dec_max [deg]: northern bound
-- returns: whole rows, in no order
-- errors: VA001 when a bound is out of range or NaN, or p_dec_min > p_dec_max
-- locks: none
-- cost: 1 ms to plan, then 5 us a row of the cone around the box
create or replace function apdb.objects_in_box(
    p_ra_min double precision,
    p_ra_max double precision,
    p_dec_min double precision,
    p_dec_max double precision
)
returns setof apdb.dia_object
language sql stable parallel safe
as $$
    select o.*
    from apdb.dia_object as o
    where
        o.dec between p_dec_min and p_dec_max
        and case
            when p_ra_min <= p_ra_max then o.ra between p_ra_min and p_ra_max
            else o.ra >= p_ra_min or o.ra <= p_ra_max
        end
        and case
            when (apdb.cone_around_box(p_ra_min, p_ra_max, p_dec_min, p_dec_max))[3] > 45.0 then true
            else @q3c@.q3c_join(
                (apdb.cone_around_box(p_ra_min, p_ra_max, p_dec_min, p_dec_max))[1],
                (apdb.cone_around_box(p_ra_min, p_ra_max, p_dec_min, p_dec_max))[2],
                o.ra, o.dec,
                (apdb.cone_around_box(p_ra_min, p_ra_max, p_dec_min, p_dec_max))[3]
            )
        end
$$;
