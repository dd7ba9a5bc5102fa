-- files of the image store that cover a position
--
-- contract: of the current ones that are still there; the footprint is the polygon of the image's corners.
-- args:
--   p_ra [deg]: position, ICRS
--   p_dec [deg]: position, ICRS
--   p_mjd_from [d]: earliest midpoint, MJD TAI
--   p_mjd_to [d]: midpoints before this, MJD TAI
--   p_kind: calibrated, difference, sources, dia_sources, fakes or matches
--   p_run: tag of the run; empty for the production
-- returns: whole rows, in time order
-- errors: VA001 when the position is out of range
-- locks: none
-- cost: one search by Q3C
create or replace function apdb.images_at(
    p_ra double precision,
    p_dec double precision,
    p_mjd_from double precision default '-infinity',
    p_mjd_to double precision default 'infinity',
    p_kind text default 'difference',
    p_run text default ''
)
returns setof apdb.image
language sql stable parallel safe
as $$
    select i.*
    from apdb.image as i
    where
        apdb.check_cone(p_ra, p_dec, 1.0)
        -- Not q3c_radial_query, which loses rows where three faces of the cube meet (Q3C 2.0.0).
        and @q3c@.q3c_join(
            p_ra, p_dec, i.ra, i.dec,
            (select coalesce(max(w.radius), 0.0) + 1e-9 from apdb.image as w where w.is_current)
        )
        and @q3c@.q3c_dist(i.ra, i.dec, p_ra, p_dec) <= i.radius
        and @q3c@.q3c_in_poly(p_ra, p_dec, i.boundary)
        and i.is_current and i.state = 'whole' and i.kind = p_kind and i.run = p_run
        and i.midpoint_mjd_tai >= p_mjd_from and i.midpoint_mjd_tai < p_mjd_to
    order by i.midpoint_mjd_tai, i.visit, i.detector
$$;
