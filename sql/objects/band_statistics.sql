-- names of the statistics that a DIAObject has in each band, without the band in front
--
-- contract: those that summarise_objects makes from its sources, null where there is nothing to make them from; as in
--   dia_object behind the band, and in stage_band. The number of points and forced fluxes are apart.
-- args: none
-- returns: names
-- errors: none
-- locks: none
-- cost: a constant
create or replace function apdb.band_statistics()
returns text[]
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select array[
        'psf_flux_mean', 'psf_flux_mean_err', 'psf_flux_sigma', 'psf_flux_min', 'psf_flux_max', 'psf_flux_max_slope',
        'psf_flux_err_mean', 'science_flux_mean', 'science_flux_mean_err', 'psf_flux_chi2',
        'psf_flux_percentile05', 'psf_flux_percentile25', 'psf_flux_percentile50', 'psf_flux_percentile75',
        'psf_flux_percentile95', 'psf_flux_mad', 'psf_flux_skew', 'psf_flux_stetson_j',
        'psf_flux_linear_slope', 'psf_flux_linear_intercept'
    ]
$$;
