-- objects of a reference catalogue within a cone
--
-- contract: where they were at their epoch: proper motions are not applied, and those that have since moved
--   into the cone are not found.
-- args:
--   p_catalogue: name of the catalogue
--   p_ra [deg]: centre
--   p_dec [deg]: centre
--   p_radius [deg]: radius, above 0 and at most 90
-- returns: whole rows, in no order
-- errors: VA001 when the centre or radius is out of range or NaN; VA005 when there is no such catalogue
-- locks: none
-- cost: 5 us a row by the Q3C index
create or replace function apdb.reference_in_cone(
    p_catalogue text, p_ra double precision, p_dec double precision, p_radius double precision
)
returns setof apdb.reference_object
language sql stable parallel safe
as $$
    select r.*
    from apdb.reference_object as r
    where
        apdb.check_cone(p_ra, p_dec, p_radius)
        and @q3c@.q3c_join(p_ra, p_dec, r.ra, r.dec, p_radius)
        and r.catalogue_id = apdb.reference_catalogue_id(p_catalogue)
$$;
