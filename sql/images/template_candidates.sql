-- templates that may be subtracted from an image
--
-- contract: of the band, not retired, not made of the visit itself, whose bounding circle meets that of the
--   image. How much of the image each covers is for the caller to find out.
-- args:
--   p_visit: visit of the image
--   p_filter: name of the filter, as the instrument calls it, or band
--   p_ra [deg]: middle of the image
--   p_dec [deg]: middle of the image
--   p_radius [deg]: circle around it
-- returns: whole rows, by number
-- errors: VA001 when the filter is unknown
-- locks: none
-- cost: one search by Q3C
create or replace function apdb.template_candidates(
    p_visit bigint,
    p_filter text,
    p_ra double precision,
    p_dec double precision,
    p_radius double precision
)
returns setof apdb.template
language plpgsql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_band text := apdb.band_of(p_filter);
    v_largest double precision;
begin
    select max(t.radius) into v_largest
    from apdb_base.template as t
    where t.retired_mjd_tai is null;
    return query
    select v.*
    from apdb.template as v
    where
        -- Not q3c_radial_query, which loses rows where three faces of the cube meet (Q3C 2.0.0).
        q3c_join(p_ra, p_dec, v.ra, v.dec, coalesce(v_largest, 0.0) + p_radius)
        and q3c_dist(v.ra, v.dec, p_ra, p_dec) <= v.radius + p_radius
        and v.band = v_band and v.retired_mjd_tai is null and v.state = 'whole'
        and not coalesce(p_visit = any(v.visits), false)
    order by v.template_id;
end
$$;
