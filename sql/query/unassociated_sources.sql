-- DIASources of a span of time that belong to no DIAObject and no SSObject
--
-- contract: without those withdrawn; inlined.
-- args:
--   p_mjd_from [d]: earliest midpoint, MJD TAI
--   p_mjd_to [d]: midpoints before this, MJD TAI
-- returns: whole rows, in no order
-- errors: none
-- locks: none
-- cost: reads the sources of the visits of that span
create or replace function apdb.unassociated_sources(p_mjd_from double precision, p_mjd_to double precision)
returns setof apdb.dia_source
language sql stable parallel safe
as $$
    select s.*
    from apdb.dia_source as s
    inner join apdb.visit as v on s.visit = v.visit and s.detector = v.detector
    where
        s.midpoint_mjd_tai >= p_mjd_from and s.midpoint_mjd_tai < p_mjd_to
        and v.midpoint_mjd_tai >= p_mjd_from and v.midpoint_mjd_tai < p_mjd_to
        and s.dia_object_id is null and s.ss_object_id is null
$$;
