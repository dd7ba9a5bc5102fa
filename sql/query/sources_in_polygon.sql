-- DIASources that are not withdrawn inside a polygon of great circles
--
-- contract: the polygon may be concave and lie over RA 0, a pole or a Q3C face edge, and may be given in
--   either direction; its edges may not cross. Inlined, so that
--   conditions, order and limit outside it reach the index. Q3C's schema must be on the search path.
-- args:
--   p_vertices [deg]: ra, dec, ra, dec … of 3 to 100 corners within 15 deg of their middle
--   p_mjd_from [d]: earliest midpoint, MJD TAI
--   p_mjd_to [d]: midpoints before this, MJD TAI
-- returns: whole rows, in no order
-- errors: VA001 when the polygon has too few or too many corners, is too large, or out of range
-- locks: none
-- cost: 5 ms to plan, then 5 us a row of the cone around the polygon
create or replace function apdb.sources_in_polygon(
    p_vertices double precision[],
    p_mjd_from double precision default '-infinity',
    p_mjd_to double precision default 'infinity'
)
returns setof apdb.dia_source
language sql stable parallel safe
as $$
    select s.*
    from apdb.dia_source as s
    where
        @q3c@.q3c_join(
            (apdb.cone_around_polygon(p_vertices))[1],
            (apdb.cone_around_polygon(p_vertices))[2],
            s.ra, s.dec,
            (apdb.cone_around_polygon(p_vertices))[3]
        )
        and @q3c@.q3c_in_poly(s.ra, s.dec, p_vertices)
        and s.midpoint_mjd_tai >= p_mjd_from and s.midpoint_mjd_tai < p_mjd_to
$$;
