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
    -- Constant bounds let the planner leave partitions out.
    select min(t.last_mjd_tai) - v_days, max(t.last_mjd_tai) into v_from, v_to
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

    band as materialized (
        select
            w.dia_object_id,
            w.band,
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

    place as (
        select
            b.dia_object_id,
            degrees(atan2(sum(b.y), sum(b.x))) as ra,
            degrees(atan2(sum(b.z), sqrt(power(sum(b.x), 2) + power(sum(b.y), 2)))) as dec,
            case when sum(b.n_ra_err) > 0 then sqrt(sum(b.ra_var)) / sum(b.weight) end as ra_err,
            case when sum(b.n_ra_err) > 0 then sqrt(sum(b.dec_var)) / sum(b.weight) end as dec_err,
            sum(b.ra_dec_cov) / power(sum(b.weight), 2) as ra_dec_cov
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
        t.dia_object_id,
        case when p.ra < 0.0 then case when p.ra + 360.0 >= 360.0 then 0.0 else p.ra + 360.0 end else p.ra end,
        p.dec, p.ra_err, p.dec_err, p.ra_dec_cov,
        u.psf_flux_mean, u.psf_flux_mean_err, u.psf_flux_sigma, coalesce(u.psf_flux_ndata, 0),
        u.science_flux_mean, u.science_flux_mean_err,
        u.psf_flux_min, u.psf_flux_max, u.psf_flux_max_slope, u.psf_flux_err_mean,
        g.psf_flux_mean, g.psf_flux_mean_err, g.psf_flux_sigma, coalesce(g.psf_flux_ndata, 0),
        g.science_flux_mean, g.science_flux_mean_err,
        g.psf_flux_min, g.psf_flux_max, g.psf_flux_max_slope, g.psf_flux_err_mean,
        r.psf_flux_mean, r.psf_flux_mean_err, r.psf_flux_sigma, coalesce(r.psf_flux_ndata, 0),
        r.science_flux_mean, r.science_flux_mean_err,
        r.psf_flux_min, r.psf_flux_max, r.psf_flux_max_slope, r.psf_flux_err_mean,
        i.psf_flux_mean, i.psf_flux_mean_err, i.psf_flux_sigma, coalesce(i.psf_flux_ndata, 0),
        i.science_flux_mean, i.science_flux_mean_err,
        i.psf_flux_min, i.psf_flux_max, i.psf_flux_max_slope, i.psf_flux_err_mean,
        z.psf_flux_mean, z.psf_flux_mean_err, z.psf_flux_sigma, coalesce(z.psf_flux_ndata, 0),
        z.science_flux_mean, z.science_flux_mean_err,
        z.psf_flux_min, z.psf_flux_max, z.psf_flux_max_slope, z.psf_flux_err_mean,
        y.psf_flux_mean, y.psf_flux_mean_err, y.psf_flux_sigma, coalesce(y.psf_flux_ndata, 0),
        y.science_flux_mean, y.science_flux_mean_err,
        y.psf_flux_min, y.psf_flux_max, y.psf_flux_max_slope, y.psf_flux_err_mean,
        t.first_mjd_tai, t.last_mjd_tai, t.n_dia_sources
    from pg_temp.stage_touched as t
    inner join place as p on t.dia_object_id = p.dia_object_id
    left join band as u on t.dia_object_id = u.dia_object_id and u.band = 'u'
    left join band as g on t.dia_object_id = g.dia_object_id and g.band = 'g'
    left join band as r on t.dia_object_id = r.dia_object_id and r.band = 'r'
    left join band as i on t.dia_object_id = i.dia_object_id and i.band = 'i'
    left join band as z on t.dia_object_id = z.dia_object_id and z.band = 'z'
    left join band as y on t.dia_object_id = y.dia_object_id and y.band = 'y';
end
$$;
