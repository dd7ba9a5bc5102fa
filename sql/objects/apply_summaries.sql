-- makes the staged summaries the current version of their objects
--
-- contract: the superseded row of each object goes to dia_object_version with the end of its validity;
--   new objects are inserted; retired ones that got a source again live on. Validity is knowledge time,
--   so a late visit cannot make an older version current. What the same step of knowledge wrote before is
--   no version of its own: it is overwritten.
-- args:
--   p_store_seq: store_seq of the visit or correction
--   p_now [d]: its knowledge time, MJD TAI
-- returns: nothing
-- errors: none
-- locks: row locks on the objects; the caller holds the sky, so nobody else wants them
-- cost: 0.3 s for 8,000 updated and 2,000 new objects
create or replace function apdb.apply_summaries(p_store_seq bigint, p_now double precision)
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

    update apdb_base.dia_object as o
    set
        (
            validity_start_mjd_tai, validity_end_mjd_tai, ra, ra_err, dec, dec_err, ra_dec_cov,
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
            y_science_flux_mean_err, u_psf_flux_min, u_psf_flux_max, u_psf_flux_max_slope,
            u_psf_flux_err_mean, g_psf_flux_min, g_psf_flux_max, g_psf_flux_max_slope, g_psf_flux_err_mean,
            r_psf_flux_min, r_psf_flux_max, r_psf_flux_max_slope, r_psf_flux_err_mean, i_psf_flux_min,
            i_psf_flux_max, i_psf_flux_max_slope, i_psf_flux_err_mean, z_psf_flux_min, z_psf_flux_max,
            z_psf_flux_max_slope, z_psf_flux_err_mean, y_psf_flux_min, y_psf_flux_max, y_psf_flux_max_slope,
            y_psf_flux_err_mean, first_dia_source_mjd_tai, last_dia_source_mjd_tai, n_dia_sources,
            store_seq, store_seq_end
        ) = row(
            p_now, null, u.ra, u.ra_err, u.dec, u.dec_err, u.ra_dec_cov, u.u_psf_flux_mean,
            u.u_psf_flux_mean_err, u.u_psf_flux_sigma, u.u_psf_flux_ndata, u.u_fp_flux_mean,
            u.u_fp_flux_mean_err, u.g_psf_flux_mean, u.g_psf_flux_mean_err, u.g_psf_flux_sigma,
            u.g_psf_flux_ndata, u.g_fp_flux_mean, u.g_fp_flux_mean_err, u.r_psf_flux_mean,
            u.r_psf_flux_mean_err, u.r_psf_flux_sigma, u.r_psf_flux_ndata, u.r_fp_flux_mean,
            u.r_fp_flux_mean_err, u.i_psf_flux_mean, u.i_psf_flux_mean_err, u.i_psf_flux_sigma,
            u.i_psf_flux_ndata, u.i_fp_flux_mean, u.i_fp_flux_mean_err, u.z_psf_flux_mean,
            u.z_psf_flux_mean_err, u.z_psf_flux_sigma, u.z_psf_flux_ndata, u.z_fp_flux_mean,
            u.z_fp_flux_mean_err, u.y_psf_flux_mean, u.y_psf_flux_mean_err, u.y_psf_flux_sigma,
            u.y_psf_flux_ndata, u.y_fp_flux_mean, u.y_fp_flux_mean_err, u.u_science_flux_mean,
            u.u_science_flux_mean_err, u.g_science_flux_mean, u.g_science_flux_mean_err,
            u.r_science_flux_mean, u.r_science_flux_mean_err, u.i_science_flux_mean,
            u.i_science_flux_mean_err, u.z_science_flux_mean, u.z_science_flux_mean_err,
            u.y_science_flux_mean, u.y_science_flux_mean_err, u.u_psf_flux_min, u.u_psf_flux_max,
            u.u_psf_flux_max_slope, u.u_psf_flux_err_mean, u.g_psf_flux_min, u.g_psf_flux_max,
            u.g_psf_flux_max_slope, u.g_psf_flux_err_mean, u.r_psf_flux_min, u.r_psf_flux_max,
            u.r_psf_flux_max_slope, u.r_psf_flux_err_mean, u.i_psf_flux_min, u.i_psf_flux_max,
            u.i_psf_flux_max_slope, u.i_psf_flux_err_mean, u.z_psf_flux_min, u.z_psf_flux_max,
            u.z_psf_flux_max_slope, u.z_psf_flux_err_mean, u.y_psf_flux_min, u.y_psf_flux_max,
            u.y_psf_flux_max_slope, u.y_psf_flux_err_mean, u.first_dia_source_mjd_tai,
            u.last_dia_source_mjd_tai, u.n_dia_sources, p_store_seq, null
        )
    from pg_temp.stage_summary as u, pg_temp.stage_touched as t
    where o.dia_object_id = u.dia_object_id and u.dia_object_id = t.dia_object_id and t.exists_already;

    insert into apdb_base.dia_object (
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
        u.dia_object_id, p_now, null, u.ra, u.ra_err, u.dec, u.dec_err, u.ra_dec_cov, u.u_psf_flux_mean,
        u.u_psf_flux_mean_err, u.u_psf_flux_sigma, u.u_psf_flux_ndata, u.u_fp_flux_mean,
        u.u_fp_flux_mean_err, u.g_psf_flux_mean, u.g_psf_flux_mean_err, u.g_psf_flux_sigma,
        u.g_psf_flux_ndata, u.g_fp_flux_mean, u.g_fp_flux_mean_err, u.r_psf_flux_mean,
        u.r_psf_flux_mean_err, u.r_psf_flux_sigma, u.r_psf_flux_ndata, u.r_fp_flux_mean,
        u.r_fp_flux_mean_err, u.i_psf_flux_mean, u.i_psf_flux_mean_err, u.i_psf_flux_sigma,
        u.i_psf_flux_ndata, u.i_fp_flux_mean, u.i_fp_flux_mean_err, u.z_psf_flux_mean,
        u.z_psf_flux_mean_err, u.z_psf_flux_sigma, u.z_psf_flux_ndata, u.z_fp_flux_mean,
        u.z_fp_flux_mean_err, u.y_psf_flux_mean, u.y_psf_flux_mean_err, u.y_psf_flux_sigma,
        u.y_psf_flux_ndata, u.y_fp_flux_mean, u.y_fp_flux_mean_err, u.u_science_flux_mean,
        u.u_science_flux_mean_err, u.g_science_flux_mean, u.g_science_flux_mean_err, u.r_science_flux_mean,
        u.r_science_flux_mean_err, u.i_science_flux_mean, u.i_science_flux_mean_err, u.z_science_flux_mean,
        u.z_science_flux_mean_err, u.y_science_flux_mean, u.y_science_flux_mean_err, u.u_psf_flux_min,
        u.u_psf_flux_max, u.u_psf_flux_max_slope, u.u_psf_flux_err_mean, u.g_psf_flux_min, u.g_psf_flux_max,
        u.g_psf_flux_max_slope, u.g_psf_flux_err_mean, u.r_psf_flux_min, u.r_psf_flux_max,
        u.r_psf_flux_max_slope, u.r_psf_flux_err_mean, u.i_psf_flux_min, u.i_psf_flux_max,
        u.i_psf_flux_max_slope, u.i_psf_flux_err_mean, u.z_psf_flux_min, u.z_psf_flux_max,
        u.z_psf_flux_max_slope, u.z_psf_flux_err_mean, u.y_psf_flux_min, u.y_psf_flux_max,
        u.y_psf_flux_max_slope, u.y_psf_flux_err_mean, u.first_dia_source_mjd_tai,
        u.last_dia_source_mjd_tai, u.n_dia_sources, p_store_seq, null
    from pg_temp.stage_summary as u
    inner join pg_temp.stage_touched as t on u.dia_object_id = t.dia_object_id
    where not t.exists_already
    order by u.dia_object_id;

    insert into apdb_base.dia_object_place as p (
        dia_object_id, u_place, g_place, r_place, i_place, z_place, y_place
    )
    select u.dia_object_id, u.u_place, u.g_place, u.r_place, u.i_place, u.z_place, u.y_place
    from pg_temp.stage_summary as u
    order by u.dia_object_id
    on conflict (dia_object_id) do update
        set
            u_place = excluded.u_place,
            g_place = excluded.g_place,
            r_place = excluded.r_place,
            i_place = excluded.i_place,
            z_place = excluded.z_place,
            y_place = excluded.y_place;
end
$$;
