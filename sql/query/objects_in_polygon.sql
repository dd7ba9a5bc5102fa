-- current DIAObjects inside a polygon of great circles
--
-- contract: the polygon may be concave and lie over RA 0, a pole or a Q3C face edge, and may be given in
--   either direction; its edges may not cross. Inlined, so that
--   conditions, order and limit outside it reach the index. Q3C's schema must be on the search path.
-- args:
--   p_vertices [deg]: ra, dec, ra, dec … of 3 to 100 corners within 15 deg of their middle
-- returns: whole rows, in no order
-- errors: VA001 when the polygon has too few or too many corners, is too large, or out of range
-- locks: none
-- cost: 5 ms to plan, then 5 us a row of the cone around the polygon
create or replace function apdb.objects_in_polygon(
    p_vertices double precision[]
)
returns setof apdb.dia_object
language sql stable parallel safe
as $$
    select o.*
    from apdb.dia_object as o
    where
        @q3c@.q3c_join(
            (apdb.cone_around_polygon(p_vertices))[1],
            (apdb.cone_around_polygon(p_vertices))[2],
            o.ra, o.dec,
            (apdb.cone_around_polygon(p_vertices))[3]
        )
        and @q3c@.q3c_in_poly(o.ra, o.dec, p_vertices)
$$;
