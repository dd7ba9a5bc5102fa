-- writes what was worked out for solar-system objects
--
-- contract: after open_ss_science and the copy, in the same transaction. Counters, arc and designation stay as they
--   are: visits and corrections keep them.
-- args: none
-- returns: number of objects
-- errors: none
-- locks: row locks on the ss_object rows, in id order
-- cost: 0.1 ms an object
create or replace function apdb.store_ss_science()
returns bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_n bigint;
begin
    perform 1
    from apdb_base.ss_object as o
    where o.ss_object_id in (select s.ss_object_id from pg_temp.stage_ss_object as s)
    order by o.ss_object_id
    for no key update;
    update apdb_base.ss_object as o
    set
        moid_earth = s.moid_earth,
        moid_earth_delta_v = s.moid_earth_delta_v,
        moid_earth_ecliptic_longitude = s.moid_earth_ecliptic_longitude,
        moid_earth_true_anomaly = s.moid_earth_true_anomaly,
        moid_earth_true_anomaly_object = s.moid_earth_true_anomaly_object,
        tisserand_j = s.tisserand_j,
        extendedness_max = s.extendedness_max,
        extendedness_median = s.extendedness_median,
        extendedness_min = s.extendedness_min,
        u_h = s.u_h,
        u_h_err = s.u_h_err,
        u_g12 = s.u_g12,
        u_g12_err = s.u_g12_err,
        u_h_u_g12_cov = s.u_h_u_g12_cov,
        u_n_obs_used = s.u_n_obs_used,
        u_chi2 = s.u_chi2,
        u_phase_angle_min = s.u_phase_angle_min,
        u_phase_angle_max = s.u_phase_angle_max,
        u_slope_fit_failed = s.u_slope_fit_failed,
        g_h = s.g_h,
        g_h_err = s.g_h_err,
        g_g12 = s.g_g12,
        g_g12_err = s.g_g12_err,
        g_h_g_g12_cov = s.g_h_g_g12_cov,
        g_n_obs_used = s.g_n_obs_used,
        g_chi2 = s.g_chi2,
        g_phase_angle_min = s.g_phase_angle_min,
        g_phase_angle_max = s.g_phase_angle_max,
        g_slope_fit_failed = s.g_slope_fit_failed,
        r_h = s.r_h,
        r_h_err = s.r_h_err,
        r_g12 = s.r_g12,
        r_g12_err = s.r_g12_err,
        r_h_r_g12_cov = s.r_h_r_g12_cov,
        r_n_obs_used = s.r_n_obs_used,
        r_chi2 = s.r_chi2,
        r_phase_angle_min = s.r_phase_angle_min,
        r_phase_angle_max = s.r_phase_angle_max,
        r_slope_fit_failed = s.r_slope_fit_failed,
        i_h = s.i_h,
        i_h_err = s.i_h_err,
        i_g12 = s.i_g12,
        i_g12_err = s.i_g12_err,
        i_h_i_g12_cov = s.i_h_i_g12_cov,
        i_n_obs_used = s.i_n_obs_used,
        i_chi2 = s.i_chi2,
        i_phase_angle_min = s.i_phase_angle_min,
        i_phase_angle_max = s.i_phase_angle_max,
        i_slope_fit_failed = s.i_slope_fit_failed,
        z_h = s.z_h,
        z_h_err = s.z_h_err,
        z_g12 = s.z_g12,
        z_g12_err = s.z_g12_err,
        z_h_z_g12_cov = s.z_h_z_g12_cov,
        z_n_obs_used = s.z_n_obs_used,
        z_chi2 = s.z_chi2,
        z_phase_angle_min = s.z_phase_angle_min,
        z_phase_angle_max = s.z_phase_angle_max,
        z_slope_fit_failed = s.z_slope_fit_failed,
        y_h = s.y_h,
        y_h_err = s.y_h_err,
        y_g12 = s.y_g12,
        y_g12_err = s.y_g12_err,
        y_h_y_g12_cov = s.y_h_y_g12_cov,
        y_n_obs_used = s.y_n_obs_used,
        y_chi2 = s.y_chi2,
        y_phase_angle_min = s.y_phase_angle_min,
        y_phase_angle_max = s.y_phase_angle_max,
        y_slope_fit_failed = s.y_slope_fit_failed
    from pg_temp.stage_ss_object as s
    where o.ss_object_id = s.ss_object_id;
    get diagnostics v_n = row_count;
    return v_n;
end
$$;
