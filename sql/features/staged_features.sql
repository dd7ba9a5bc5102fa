-- the aperiodic sets of the staged light curves
--
-- contract: after claim_features. What makes variations relative is the median of the fluxes on the science
--   images, where there are any, else that of the difference fluxes.
-- args: none
-- returns: a row for each object and band: number, first and last time [d] of the points that count, and the set
-- errors: none
-- locks: none
-- cost: 1 ms a light curve of 100 points
create or replace function apdb.staged_features()
returns table (
    dia_object_id bigint,
    band text,
    n_points integer,
    first_mjd_tai double precision,
    last_mjd_tai double precision,
    lc_non_periodic double precision[]
)
language sql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        c.dia_object_id, c.band, c.n_points, c.first_mjd_tai, c.last_mjd_tai,
        apdb.lc_non_periodic(
            c.band, c.mjd, c.flux, c.err,
            coalesce(
                c.science,
                (
                    select percentile_cont(0.5) within group (order by f.flux)
                    from (select unnest(c.flux) as flux) as f
                )
            )
        )
    from (
        select
            p.dia_object_id,
            p.band,
            count(*) filter (where p.psf_flux_err > 0.0)::integer as n_points,
            min(p.midpoint_mjd_tai) filter (where p.psf_flux_err > 0.0) as first_mjd_tai,
            max(p.midpoint_mjd_tai) filter (where p.psf_flux_err > 0.0) as last_mjd_tai,
            array_agg(p.midpoint_mjd_tai) as mjd,
            array_agg(p.psf_flux::double precision) as flux,
            array_agg(p.psf_flux_err::double precision) as err,
            percentile_cont(0.5) within group (order by p.science_flux::double precision) as science
        from (
            select
                s.dia_object_id, s.band, s.midpoint_mjd_tai, s.dia_source_id,
                case when s.psf_flux - s.psf_flux = 0.0 and s.psf_flux_err - s.psf_flux_err = 0.0 then s.psf_flux end
                as psf_flux,
                case when s.psf_flux - s.psf_flux = 0.0 and s.psf_flux_err - s.psf_flux_err = 0.0 then s.psf_flux_err end
                as psf_flux_err,
                s.science_flux
            from pg_temp.stage_point as s
            where s.in_light_curve and s.band is not null
            order by s.dia_object_id, s.band, s.midpoint_mjd_tai, s.dia_source_id
        ) as p
        group by p.dia_object_id, p.band
    ) as c
    order by c.dia_object_id, c.band
$$;
