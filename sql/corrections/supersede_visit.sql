-- takes what a visit has stored out of the way of its replacement
--
-- contract: after lock_visit and lock_concerned, with the new sources staged, in the transaction
--   that goes on with associate_visit and commit_replacement. The old sources go to
--   dia_source_superseded and their ids become free; their objects become what they are without
--   them, or are retired; the forced photometry of the visit is withdrawn. stage_change keeps what
--   the old sources belonged to.
-- args:
--   p_visit: visit
--   p_detector: detector
--   p_radius [arcsec]: association radius of the replacement
--   p_reason: why, in words
-- returns: store_seq and time [d], number of sources taken out, ids of the objects changed and
--   retired
-- errors: VA005 when no such visit is stored
-- locks: row locks on the objects
-- cost: 2 s for 10,000 sources
create or replace function apdb.supersede_visit(
    p_visit bigint,
    p_detector integer,
    p_radius double precision,
    p_reason text,
    out store_seq bigint,
    out mjd_tai double precision,
    out n_dia_sources integer,
    out changed bigint[],
    out retired bigint[]
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    perform apdb.open_changes();
    perform apdb.plan_visit(p_visit, p_detector);
    -- The clock must follow the objects that the new sources may join or bring back, too.
    insert into pg_temp.stage_touched (
        dia_object_id, exists_already, is_new, n_dia_sources, first_mjd_tai, last_mjd_tai
    )
    select n.dia_object_id, true, true, 0, 0, 0
    from (
        select o.dia_object_id
        from pg_temp.stage_source as s
        inner join apdb_base.dia_object as o on q3c_join(s.ra, s.dec, o.ra, o.dec, p_radius / 3600.0)
        union
        select o.dia_object_id
        from pg_temp.stage_source as s
        inner join apdb_base.dia_object as o on s.dia_source_id = o.dia_object_id
    ) as n
    on conflict (dia_object_id) do nothing;

    select a.* into store_seq, mjd_tai, n_dia_sources, changed, retired
    from apdb.apply_changes('replace', p_visit, p_detector, p_reason, null, null) as a;

    insert into apdb_base.dia_source_superseded (
        dia_source_id, visit, detector, dia_object_id, ss_object_id, parent_dia_source_id,
        ss_object_reassoc_time_mjd_tai, midpoint_mjd_tai, exposure_time, ra, ra_err, dec, dec_err,
        ra_dec_cov, x, x_err, y, y_err, centroid_flag, ap_flux, ap_flux_err, ap_flux_flag,
        ap_flux_flag_aperture_truncated, is_negative, snr, psf_flux, psf_flux_err, psf_ln_l, psf_chi2,
        psf_ndata, psf_flux_flag, psf_flux_flag_edge, psf_flux_flag_no_good_pixels, trail_flux,
        trail_flux_err, trail_ra, trail_ra_err, trail_dec, trail_dec_err, trail_length, trail_length_err,
        trail_angle, trail_angle_err, trail_chi2, trail_ndata, trail_algorithm, trail_flag_edge, trail_flag,
        dipole_mean_flux, dipole_mean_flux_err, dipole_flux_diff, dipole_flux_diff_err, dipole_length,
        dipole_angle, dipole_chi2, dipole_ndata, science_flux, science_flux_err, forced_psf_flux_flag,
        forced_psf_flux_flag_edge, forced_psf_flux_flag_no_good_pixels, template_flux, template_flux_err,
        ixx, iyy, ixy, ixx_psf, iyy_psf, ixy_psf, shape_flag, shape_flag_no_pixels,
        shape_flag_not_contained, shape_flag_parent_source, extendedness, reliability, reliability_version,
        band, is_dipole, dipole_fit_attempted, time_processed_mjd_tai, time_withdrawn_mjd_tai, bbox_size,
        pixel_flags, pixel_flags_bad, pixel_flags_cr, pixel_flags_cr_center, pixel_flags_edge,
        pixel_flags_nodata, pixel_flags_nodata_center, pixel_flags_interpolated,
        pixel_flags_interpolated_center, pixel_flags_offimage, pixel_flags_saturated,
        pixel_flags_saturated_center, pixel_flags_suspect, pixel_flags_suspect_center, pixel_flags_streak,
        pixel_flags_streak_center, pixel_flags_injected, pixel_flags_injected_center,
        pixel_flags_injected_template, pixel_flags_injected_template_center, glint_trail, store_seq,
        superseded_store_seq
    )
    select
        d.dia_source_id, d.visit, d.detector, d.dia_object_id, d.ss_object_id, d.parent_dia_source_id,
        d.ss_object_reassoc_time_mjd_tai, d.midpoint_mjd_tai, d.exposure_time, d.ra, d.ra_err, d.dec,
        d.dec_err, d.ra_dec_cov, d.x, d.x_err, d.y, d.y_err, d.centroid_flag, d.ap_flux, d.ap_flux_err,
        d.ap_flux_flag, d.ap_flux_flag_aperture_truncated, d.is_negative, d.snr, d.psf_flux, d.psf_flux_err,
        d.psf_ln_l, d.psf_chi2, d.psf_ndata, d.psf_flux_flag, d.psf_flux_flag_edge,
        d.psf_flux_flag_no_good_pixels, d.trail_flux, d.trail_flux_err, d.trail_ra, d.trail_ra_err,
        d.trail_dec, d.trail_dec_err, d.trail_length, d.trail_length_err, d.trail_angle, d.trail_angle_err,
        d.trail_chi2, d.trail_ndata, d.trail_algorithm, d.trail_flag_edge, d.trail_flag, d.dipole_mean_flux,
        d.dipole_mean_flux_err, d.dipole_flux_diff, d.dipole_flux_diff_err, d.dipole_length, d.dipole_angle,
        d.dipole_chi2, d.dipole_ndata, d.science_flux, d.science_flux_err, d.forced_psf_flux_flag,
        d.forced_psf_flux_flag_edge, d.forced_psf_flux_flag_no_good_pixels, d.template_flux,
        d.template_flux_err, d.ixx, d.iyy, d.ixy, d.ixx_psf, d.iyy_psf, d.ixy_psf, d.shape_flag,
        d.shape_flag_no_pixels, d.shape_flag_not_contained, d.shape_flag_parent_source, d.extendedness,
        d.reliability, d.reliability_version, d.band, d.is_dipole, d.dipole_fit_attempted,
        d.time_processed_mjd_tai, d.time_withdrawn_mjd_tai, d.bbox_size, d.pixel_flags, d.pixel_flags_bad,
        d.pixel_flags_cr, d.pixel_flags_cr_center, d.pixel_flags_edge, d.pixel_flags_nodata,
        d.pixel_flags_nodata_center, d.pixel_flags_interpolated, d.pixel_flags_interpolated_center,
        d.pixel_flags_offimage, d.pixel_flags_saturated, d.pixel_flags_saturated_center,
        d.pixel_flags_suspect, d.pixel_flags_suspect_center, d.pixel_flags_streak,
        d.pixel_flags_streak_center, d.pixel_flags_injected, d.pixel_flags_injected_center,
        d.pixel_flags_injected_template, d.pixel_flags_injected_template_center, d.glint_trail, d.store_seq,
        supersede_visit.store_seq
    from apdb_base.dia_source as d
    where d.visit = p_visit and d.detector = p_detector;
    delete from apdb_base.dia_source as d
    where d.visit = p_visit and d.detector = p_detector;
    delete from apdb_base.dia_source_locator as l
    where
        l.dia_source_id in (
            select s.dia_source_id
            from apdb_base.dia_source_superseded as s
            where s.visit = p_visit and s.detector = p_detector
        )
        and l.visit = p_visit and l.detector = p_detector;
end
$$;
