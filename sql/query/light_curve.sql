-- light curve of a DIAObject: detections and forced photometry
--
-- contract: inlined.
-- args:
--   p_dia_object_id: the object
-- returns: fluxes [nJy] with where they come from, in no order; dia_source_id is null where forced
-- errors: none
-- locks: none
-- cost: one index look-up in each partition
create or replace function apdb.light_curve(p_dia_object_id bigint)
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
    where s.dia_object_id = p_dia_object_id
    union all
    select
        true, f.dia_object_id, null, f.visit, f.detector, f.midpoint_mjd_tai, f.band,
        f.psf_flux, f.psf_flux_err, f.science_flux, f.science_flux_err
    from apdb.dia_forced_source as f
    where f.dia_object_id = p_dia_object_id
$$;
