-- light curve of a place: all detections in a cone, and forced photometry of the objects in it
--
-- contract: detections count by their own position, whatever object they belong to, solar-system bodies
--   too; forced photometry by the object's. Inlined; Q3C's schema must be on the search path.
-- args:
--   p_ra [deg]: centre
--   p_dec [deg]: centre
--   p_radius [deg]: radius, above 0 and at most 90
-- returns: fluxes [nJy] with where they come from, in no order; dia_source_id is null where forced
-- errors: VA001 when the centre or radius is out of range or NaN
-- locks: none
-- cost: two Q3C searches, then one index look-up for each object and partition
create or replace function apdb.light_curve_in_cone(
    p_ra double precision, p_dec double precision, p_radius double precision
)
returns table (
    forced boolean,
    dia_object_id bigint,
    dia_source_id bigint,
    visit bigint,
    detector smallint,
    midpoint_mjd_tai double precision,
    band text,
    psf_flux real,
    psf_flux_err real,
    science_flux real,
    science_flux_err real
)
language sql stable parallel safe
as $$
    select
        false, s.dia_object_id, s.dia_source_id, s.visit, s.detector, s.midpoint_mjd_tai, s.band,
        s.psf_flux, s.psf_flux_err, s.science_flux, s.science_flux_err
    from apdb.dia_source as s
    where
        apdb.check_cone(p_ra, p_dec, p_radius)
        and @q3c@.q3c_join(p_ra, p_dec, s.ra, s.dec, p_radius)
    union all
    select
        true, f.dia_object_id, null, f.visit, f.detector, f.midpoint_mjd_tai, f.band,
        f.psf_flux, f.psf_flux_err, f.science_flux, f.science_flux_err
    from apdb.dia_object as o
    inner join apdb.dia_forced_source as f on o.dia_object_id = f.dia_object_id
    where
        apdb.check_cone(p_ra, p_dec, p_radius)
        and @q3c@.q3c_join(p_ra, p_dec, o.ra, o.dec, p_radius)
$$;
