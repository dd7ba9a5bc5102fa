-- current DIAObjects within a radius of a position
--
-- contract: exact on the sphere, edge included: by q3c_join, as q3c_radial_query of Q3C 2.0.0 loses rows where
--   three faces of its cube meet. Inlined, so that conditions, order and limit outside it reach the
--   index. Q3C's schema must be on the search path, as it is by default.
-- args:
--   p_ra [deg]: centre
--   p_dec [deg]: centre
--   p_radius [deg]: radius, above 0 and at most 90
-- returns: whole rows, in no order
-- errors: VA001 when the centre or radius is out of range or NaN
-- locks: none
-- cost: 1 ms to plan, then 5 us a row by the Q3C index
create or replace function apdb.objects_in_cone(
    p_ra double precision,
    p_dec double precision,
    p_radius double precision
)
returns setof apdb.dia_object
language sql stable parallel safe
as $$
    select o.*
    from apdb.dia_object as o
    where
        apdb.check_cone(p_ra, p_dec, p_radius)
        and @q3c@.q3c_join(p_ra, p_dec, o.ra, o.dec, p_radius)
$$;
