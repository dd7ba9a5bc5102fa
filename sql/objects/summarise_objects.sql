-- the summary columns of the touched DIAObjects, from their history and the stage
--
-- contract: a pure function of an object's sources: those within history_days before its last one,
--   withdrawn ones left out. Writes stage_summary; counters and first and last times come from
--   stage_touched; forced fluxes are added by summarise_forced. Position: mean of the unit vectors, weighted by
--   1/(s^2 + (0.05 arcsec)^2); errors propagated with the same weights. Fluxes per band as in
--   ap_association: weighted mean and its error, standard deviation with n - 1, extremes, largest slope
--   between successive points, mean error; points without flux or error do not count.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none of its own; the caller holds the sky
-- cost: 0.4 s for 8,000 objects with 30 rows each over 12 partitions
create or replace function apdb.summarise_objects()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_hashjoin = on
as $$
declare
    c_missing_var constant double precision := power(0.2 / 3600.0, 2);
    c_floor_var constant double precision := power(0.05 / 3600.0, 2);
    v_days double precision := apdb.setting('history_days');
    v_from double precision;
    v_to double precision;
begin
    -- Constant bounds let the planner leave partitions out; no point is earlier than its object's first.
    select min(greatest(t.last_mjd_tai - v_days, t.first_mjd_tai)), max(t.last_mjd_tai) into v_from, v_to
    from pg_temp.stage_touched as t;

    -- Points without flux or error keep their place on the sky, but not in the light curve.
    with point as (
        select
            p.dia_object_id, p.dia_source_id, p.band, p.midpoint_mjd_tai, p.ra_err, p.ra_dec_cov,
            case when p.psf_flux_err > 0 then p.psf_flux::double precision end as flux,
            case when p.psf_flux is not null and p.psf_flux_err > 0 then p.psf_flux_err::double precision end as flux_err,
            case when p.science_flux_err > 0 then p.science_flux::double precision end as science_flux,
            case
                when p.science_flux is not null and p.science_flux_err > 0 then p.science_flux_err::double precision
            end as science_flux_err,
            coalesce(p.ra_err::double precision * p.ra_err, c_missing_var) as ra_var,
            coalesce(p.dec_err::double precision * p.dec_err, c_missing_var) as dec_var,
            radians(p.ra) as lon,
            sin(radians(p.dec)) as z,
            cos(radians(p.dec)) as cos_lat
        from apdb.touched_points(v_from, v_to, v_days) as p
    ),

    weighted as (
        select
            p.*,
            1.0 / (p.flux_err * p.flux_err) as flux_weight,
            1.0 / (p.science_flux_err * p.science_flux_err) as science_weight,
            (p.flux - lag(p.flux) over track)
            / nullif(p.midpoint_mjd_tai - lag(p.midpoint_mjd_tai) over track, 0.0) as slope,
            p.cos_lat * cos(p.lon) as x,
            p.cos_lat * sin(p.lon) as y,
            1.0 / ((p.ra_var + p.dec_var) * 0.5 + c_floor_var) as weight
        from point as p
        window track as (
            partition by p.dia_object_id, p.band, p.flux is null
            order by p.midpoint_mjd_tai, p.dia_source_id
        )
    ),

    band as (
        select
            w.dia_object_id,
            strpos('ugrizy', w.band) as number,
            count(w.flux)::integer as psf_flux_ndata,
            sum(w.flux * w.flux_weight) / sum(w.flux_weight) as psf_flux_mean,
            sqrt(1.0 / sum(w.flux_weight)) as psf_flux_mean_err,
            stddev_samp(w.flux) as psf_flux_sigma,
            min(w.flux) as psf_flux_min,
            max(w.flux) as psf_flux_max,
            max(w.slope) as psf_flux_max_slope,
            sum(w.flux_err) / count(w.flux_err) as psf_flux_err_mean,
            sum(w.science_flux * w.science_weight) / sum(w.science_weight) as science_flux_mean,
            sqrt(1.0 / sum(w.science_weight)) as science_flux_mean_err,
            sum(w.weight) as weight,
            sum(w.weight * w.x) as x,
            sum(w.weight * w.y) as y,
            sum(w.weight * w.z) as z,
            count(w.ra_err) as n_ra_err,
            sum(w.weight * w.weight * w.ra_var) as ra_var,
            sum(w.weight * w.weight * w.dec_var) as dec_var,
            sum(w.weight * w.weight * w.ra_dec_cov) as ra_dec_cov
        from weighted as w
        group by w.dia_object_id, w.band
    ),

    -- One row an object. Joins, one for each band, would be a little quicker, and minutes slower where the
    -- planner takes the bands for few.
    wide as (
        select
            b.dia_object_id,
            degrees(atan2(sum(b.y), sum(b.x))) as ra,
            degrees(atan2(sum(b.z), sqrt(power(sum(b.x), 2) + power(sum(b.y), 2)))) as dec,
            case when sum(b.n_ra_err) > 0 then sqrt(sum(b.ra_var)) / sum(b.weight) end as ra_err,
            case when sum(b.n_ra_err) > 0 then sqrt(sum(b.dec_var)) / sum(b.weight) end as dec_err,
            sum(b.ra_dec_cov) / power(sum(b.weight), 2) as ra_dec_cov,
            max(b.psf_flux_mean) filter (where b.number = 1) as u_psf_flux_mean,
            max(b.psf_flux_mean_err) filter (where b.number = 1) as u_psf_flux_mean_err,
            max(b.psf_flux_sigma) filter (where b.number = 1) as u_psf_flux_sigma,
            coalesce(max(b.psf_flux_ndata) filter (where b.number = 1), 0) as u_psf_flux_ndata,
            max(b.science_flux_mean) filter (where b.number = 1) as u_science_flux_mean,
            max(b.science_flux_mean_err) filter (where b.number = 1) as u_science_flux_mean_err,
            max(b.psf_flux_min) filter (where b.number = 1) as u_psf_flux_min,
            max(b.psf_flux_max) filter (where b.number = 1) as u_psf_flux_max,
            max(b.psf_flux_max_slope) filter (where b.number = 1) as u_psf_flux_max_slope,
            max(b.psf_flux_err_mean) filter (where b.number = 1) as u_psf_flux_err_mean,
            max(b.psf_flux_mean) filter (where b.number = 2) as g_psf_flux_mean,
            max(b.psf_flux_mean_err) filter (where b.number = 2) as g_psf_flux_mean_err,
            max(b.psf_flux_sigma) filter (where b.number = 2) as g_psf_flux_sigma,
            coalesce(max(b.psf_flux_ndata) filter (where b.number = 2), 0) as g_psf_flux_ndata,
            max(b.science_flux_mean) filter (where b.number = 2) as g_science_flux_mean,
            max(b.science_flux_mean_err) filter (where b.number = 2) as g_science_flux_mean_err,
            max(b.psf_flux_min) filter (where b.number = 2) as g_psf_flux_min,
            max(b.psf_flux_max) filter (where b.number = 2) as g_psf_flux_max,
            max(b.psf_flux_max_slope) filter (where b.number = 2) as g_psf_flux_max_slope,
            max(b.psf_flux_err_mean) filter (where b.number = 2) as g_psf_flux_err_mean,
            max(b.psf_flux_mean) filter (where b.number = 3) as r_psf_flux_mean,
            max(b.psf_flux_mean_err) filter (where b.number = 3) as r_psf_flux_mean_err,
            max(b.psf_flux_sigma) filter (where b.number = 3) as r_psf_flux_sigma,
            coalesce(max(b.psf_flux_ndata) filter (where b.number = 3), 0) as r_psf_flux_ndata,
            max(b.science_flux_mean) filter (where b.number = 3) as r_science_flux_mean,
            max(b.science_flux_mean_err) filter (where b.number = 3) as r_science_flux_mean_err,
            max(b.psf_flux_min) filter (where b.number = 3) as r_psf_flux_min,
            max(b.psf_flux_max) filter (where b.number = 3) as r_psf_flux_max,
            max(b.psf_flux_max_slope) filter (where b.number = 3) as r_psf_flux_max_slope,
            max(b.psf_flux_err_mean) filter (where b.number = 3) as r_psf_flux_err_mean,
            max(b.psf_flux_mean) filter (where b.number = 4) as i_psf_flux_mean,
            max(b.psf_flux_mean_err) filter (where b.number = 4) as i_psf_flux_mean_err,
            max(b.psf_flux_sigma) filter (where b.number = 4) as i_psf_flux_sigma,
            coalesce(max(b.psf_flux_ndata) filter (where b.number = 4), 0) as i_psf_flux_ndata,
            max(b.science_flux_mean) filter (where b.number = 4) as i_science_flux_mean,
            max(b.science_flux_mean_err) filter (where b.number = 4) as i_science_flux_mean_err,
            max(b.psf_flux_min) filter (where b.number = 4) as i_psf_flux_min,
            max(b.psf_flux_max) filter (where b.number = 4) as i_psf_flux_max,
            max(b.psf_flux_max_slope) filter (where b.number = 4) as i_psf_flux_max_slope,
            max(b.psf_flux_err_mean) filter (where b.number = 4) as i_psf_flux_err_mean,
            max(b.psf_flux_mean) filter (where b.number = 5) as z_psf_flux_mean,
            max(b.psf_flux_mean_err) filter (where b.number = 5) as z_psf_flux_mean_err,
            max(b.psf_flux_sigma) filter (where b.number = 5) as z_psf_flux_sigma,
            coalesce(max(b.psf_flux_ndata) filter (where b.number = 5), 0) as z_psf_flux_ndata,
            max(b.science_flux_mean) filter (where b.number = 5) as z_science_flux_mean,
            max(b.science_flux_mean_err) filter (where b.number = 5) as z_science_flux_mean_err,
            max(b.psf_flux_min) filter (where b.number = 5) as z_psf_flux_min,
            max(b.psf_flux_max) filter (where b.number = 5) as z_psf_flux_max,
            max(b.psf_flux_max_slope) filter (where b.number = 5) as z_psf_flux_max_slope,
            max(b.psf_flux_err_mean) filter (where b.number = 5) as z_psf_flux_err_mean,
            max(b.psf_flux_mean) filter (where b.number = 6) as y_psf_flux_mean,
            max(b.psf_flux_mean_err) filter (where b.number = 6) as y_psf_flux_mean_err,
            max(b.psf_flux_sigma) filter (where b.number = 6) as y_psf_flux_sigma,
            coalesce(max(b.psf_flux_ndata) filter (where b.number = 6), 0) as y_psf_flux_ndata,
            max(b.science_flux_mean) filter (where b.number = 6) as y_science_flux_mean,
            max(b.science_flux_mean_err) filter (where b.number = 6) as y_science_flux_mean_err,
            max(b.psf_flux_min) filter (where b.number = 6) as y_psf_flux_min,
            max(b.psf_flux_max) filter (where b.number = 6) as y_psf_flux_max,
            max(b.psf_flux_max_slope) filter (where b.number = 6) as y_psf_flux_max_slope,
            max(b.psf_flux_err_mean) filter (where b.number = 6) as y_psf_flux_err_mean
        from band as b
        group by b.dia_object_id
    )

    insert into pg_temp.stage_summary (
        dia_object_id, ra, dec, ra_err, dec_err, ra_dec_cov,
        u_psf_flux_mean, u_psf_flux_mean_err, u_psf_flux_sigma, u_psf_flux_ndata,
        u_science_flux_mean, u_science_flux_mean_err,
        u_psf_flux_min, u_psf_flux_max, u_psf_flux_max_slope, u_psf_flux_err_mean,
        g_psf_flux_mean, g_psf_flux_mean_err, g_psf_flux_sigma, g_psf_flux_ndata,
        g_science_flux_mean, g_science_flux_mean_err,
        g_psf_flux_min, g_psf_flux_max, g_psf_flux_max_slope, g_psf_flux_err_mean,
        r_psf_flux_mean, r_psf_flux_mean_err, r_psf_flux_sigma, r_psf_flux_ndata,
        r_science_flux_mean, r_science_flux_mean_err,
        r_psf_flux_min, r_psf_flux_max, r_psf_flux_max_slope, r_psf_flux_err_mean,
        i_psf_flux_mean, i_psf_flux_mean_err, i_psf_flux_sigma, i_psf_flux_ndata,
        i_science_flux_mean, i_science_flux_mean_err,
        i_psf_flux_min, i_psf_flux_max, i_psf_flux_max_slope, i_psf_flux_err_mean,
        z_psf_flux_mean, z_psf_flux_mean_err, z_psf_flux_sigma, z_psf_flux_ndata,
        z_science_flux_mean, z_science_flux_mean_err,
        z_psf_flux_min, z_psf_flux_max, z_psf_flux_max_slope, z_psf_flux_err_mean,
        y_psf_flux_mean, y_psf_flux_mean_err, y_psf_flux_sigma, y_psf_flux_ndata,
        y_science_flux_mean, y_science_flux_mean_err,
        y_psf_flux_min, y_psf_flux_max, y_psf_flux_max_slope, y_psf_flux_err_mean,
        first_dia_source_mjd_tai, last_dia_source_mjd_tai, n_dia_sources
    )
    select
        w.dia_object_id,
        case when w.ra < 0.0 then case when w.ra + 360.0 >= 360.0 then 0.0 else w.ra + 360.0 end else w.ra end,
        w.dec, w.ra_err, w.dec_err, w.ra_dec_cov,
        w.u_psf_flux_mean, w.u_psf_flux_mean_err, w.u_psf_flux_sigma, w.u_psf_flux_ndata,
        w.u_science_flux_mean, w.u_science_flux_mean_err,
        w.u_psf_flux_min, w.u_psf_flux_max, w.u_psf_flux_max_slope, w.u_psf_flux_err_mean,
        w.g_psf_flux_mean, w.g_psf_flux_mean_err, w.g_psf_flux_sigma, w.g_psf_flux_ndata,
        w.g_science_flux_mean, w.g_science_flux_mean_err,
        w.g_psf_flux_min, w.g_psf_flux_max, w.g_psf_flux_max_slope, w.g_psf_flux_err_mean,
        w.r_psf_flux_mean, w.r_psf_flux_mean_err, w.r_psf_flux_sigma, w.r_psf_flux_ndata,
        w.r_science_flux_mean, w.r_science_flux_mean_err,
        w.r_psf_flux_min, w.r_psf_flux_max, w.r_psf_flux_max_slope, w.r_psf_flux_err_mean,
        w.i_psf_flux_mean, w.i_psf_flux_mean_err, w.i_psf_flux_sigma, w.i_psf_flux_ndata,
        w.i_science_flux_mean, w.i_science_flux_mean_err,
        w.i_psf_flux_min, w.i_psf_flux_max, w.i_psf_flux_max_slope, w.i_psf_flux_err_mean,
        w.z_psf_flux_mean, w.z_psf_flux_mean_err, w.z_psf_flux_sigma, w.z_psf_flux_ndata,
        w.z_science_flux_mean, w.z_science_flux_mean_err,
        w.z_psf_flux_min, w.z_psf_flux_max, w.z_psf_flux_max_slope, w.z_psf_flux_err_mean,
        w.y_psf_flux_mean, w.y_psf_flux_mean_err, w.y_psf_flux_sigma, w.y_psf_flux_ndata,
        w.y_science_flux_mean, w.y_science_flux_mean_err,
        w.y_psf_flux_min, w.y_psf_flux_max, w.y_psf_flux_max_slope, w.y_psf_flux_err_mean,
        t.first_mjd_tai, t.last_mjd_tai, t.n_dia_sources
    from wide as w
    inner join pg_temp.stage_touched as t on w.dia_object_id = t.dia_object_id;
end
$$;
