-- the rows of the touched DIAObjects as they are, to dia_object_version with the end of their validity
--
-- contract: before write_summaries. What the same step of knowledge wrote before is no version of its own: it is
--   overwritten.
-- args:
--   p_store_seq: store_seq of the visit or correction
--   p_now [d]: its knowledge time, MJD TAI
-- returns: nothing
-- errors: 23P01 (exclusion_violation) when versions of an object would overlap, which is a bug
-- locks: none of its own; the caller holds the sky
-- cost: 0.25 s for 8,000 objects, most of it the exclusion constraint
create or replace function apdb.keep_versions(p_store_seq bigint, p_now double precision)
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    insert into apdb_base.dia_object_version (
        dia_object_id, validity_start_mjd_tai, validity_end_mjd_tai, ra, ra_err, dec, dec_err, ra_dec_cov,
        u_psf_flux_mean, u_psf_flux_mean_err, u_psf_flux_sigma, u_psf_flux_ndata, u_fp_flux_mean,
        u_fp_flux_mean_err, g_psf_flux_mean, g_psf_flux_mean_err, g_psf_flux_sigma, g_psf_flux_ndata,
        g_fp_flux_mean, g_fp_flux_mean_err, r_psf_flux_mean, r_psf_flux_mean_err, r_psf_flux_sigma,
        r_psf_flux_ndata, r_fp_flux_mean, r_fp_flux_mean_err, i_psf_flux_mean, i_psf_flux_mean_err,
        i_psf_flux_sigma, i_psf_flux_ndata, i_fp_flux_mean, i_fp_flux_mean_err, z_psf_flux_mean,
        z_psf_flux_mean_err, z_psf_flux_sigma, z_psf_flux_ndata, z_fp_flux_mean, z_fp_flux_mean_err,
        y_psf_flux_mean, y_psf_flux_mean_err, y_psf_flux_sigma, y_psf_flux_ndata, y_fp_flux_mean,
        y_fp_flux_mean_err, u_science_flux_mean, u_science_flux_mean_err, g_science_flux_mean,
        g_science_flux_mean_err, r_science_flux_mean, r_science_flux_mean_err, i_science_flux_mean,
        i_science_flux_mean_err, z_science_flux_mean, z_science_flux_mean_err, y_science_flux_mean,
        y_science_flux_mean_err, u_psf_flux_min, u_psf_flux_max, u_psf_flux_max_slope, u_psf_flux_err_mean,
        g_psf_flux_min, g_psf_flux_max, g_psf_flux_max_slope, g_psf_flux_err_mean, r_psf_flux_min,
        r_psf_flux_max, r_psf_flux_max_slope, r_psf_flux_err_mean, i_psf_flux_min, i_psf_flux_max,
        i_psf_flux_max_slope, i_psf_flux_err_mean, z_psf_flux_min, z_psf_flux_max, z_psf_flux_max_slope,
        z_psf_flux_err_mean, y_psf_flux_min, y_psf_flux_max, y_psf_flux_max_slope, y_psf_flux_err_mean,
        first_dia_source_mjd_tai, last_dia_source_mjd_tai, n_dia_sources, store_seq, store_seq_end
    )
    select
        o.dia_object_id, o.validity_start_mjd_tai, coalesce(o.validity_end_mjd_tai, p_now), o.ra, o.ra_err,
        o.dec, o.dec_err, o.ra_dec_cov, o.u_psf_flux_mean, o.u_psf_flux_mean_err, o.u_psf_flux_sigma,
        o.u_psf_flux_ndata, o.u_fp_flux_mean, o.u_fp_flux_mean_err, o.g_psf_flux_mean,
        o.g_psf_flux_mean_err, o.g_psf_flux_sigma, o.g_psf_flux_ndata, o.g_fp_flux_mean,
        o.g_fp_flux_mean_err, o.r_psf_flux_mean, o.r_psf_flux_mean_err, o.r_psf_flux_sigma,
        o.r_psf_flux_ndata, o.r_fp_flux_mean, o.r_fp_flux_mean_err, o.i_psf_flux_mean,
        o.i_psf_flux_mean_err, o.i_psf_flux_sigma, o.i_psf_flux_ndata, o.i_fp_flux_mean,
        o.i_fp_flux_mean_err, o.z_psf_flux_mean, o.z_psf_flux_mean_err, o.z_psf_flux_sigma,
        o.z_psf_flux_ndata, o.z_fp_flux_mean, o.z_fp_flux_mean_err, o.y_psf_flux_mean,
        o.y_psf_flux_mean_err, o.y_psf_flux_sigma, o.y_psf_flux_ndata, o.y_fp_flux_mean,
        o.y_fp_flux_mean_err, o.u_science_flux_mean, o.u_science_flux_mean_err, o.g_science_flux_mean,
        o.g_science_flux_mean_err, o.r_science_flux_mean, o.r_science_flux_mean_err, o.i_science_flux_mean,
        o.i_science_flux_mean_err, o.z_science_flux_mean, o.z_science_flux_mean_err, o.y_science_flux_mean,
        o.y_science_flux_mean_err, o.u_psf_flux_min, o.u_psf_flux_max, o.u_psf_flux_max_slope,
        o.u_psf_flux_err_mean, o.g_psf_flux_min, o.g_psf_flux_max, o.g_psf_flux_max_slope,
        o.g_psf_flux_err_mean, o.r_psf_flux_min, o.r_psf_flux_max, o.r_psf_flux_max_slope,
        o.r_psf_flux_err_mean, o.i_psf_flux_min, o.i_psf_flux_max, o.i_psf_flux_max_slope,
        o.i_psf_flux_err_mean, o.z_psf_flux_min, o.z_psf_flux_max, o.z_psf_flux_max_slope,
        o.z_psf_flux_err_mean, o.y_psf_flux_min, o.y_psf_flux_max, o.y_psf_flux_max_slope,
        o.y_psf_flux_err_mean, o.first_dia_source_mjd_tai, o.last_dia_source_mjd_tai, o.n_dia_sources,
        o.store_seq, coalesce(o.store_seq_end, p_store_seq)
    from pg_temp.stage_touched as t
    inner join apdb_base.dia_object as o on t.dia_object_id = o.dia_object_id
    where t.exists_already and o.store_seq < p_store_seq
    -- Neighbours in the exclusion constraint's tree, one after the other.
    order by o.dia_object_id;
end
$$;
