-- the summary columns of the touched DIAObjects, from their history and the stage
--
-- contract: a pure function of an object's sources: those within history_days before its last one,
--   withdrawn ones left out. Writes stage_summary; counters and first and last times come from
--   stage_touched; forced fluxes are added by summarise_forced. Position: mean of the unit vectors, weighted
--   by 1/(s^2 + (0.05 arcsec)^2); errors propagated with the same weights. Fluxes per band as in
--   ap_association: weighted mean and its error, standard deviation with n - 1, extremes, largest slope
--   between successive points, mean error; points without flux or error do not count. Bands that are not
--   stale in stage_touched have the points they had, and keep the statistics of the last version.
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

    with point as materialized (
        select
            p.dia_object_id, p.dia_source_id, p.number, p.stale, p.midpoint_mjd_tai,
            p.psf_flux, p.psf_flux_err, p.science_flux, p.science_flux_err,
            p.ra, p.dec, p.ra_err, p.ra_dec_cov,
            coalesce(p.ra_err::double precision * p.ra_err, c_missing_var) as ra_var,
            coalesce(p.dec_err::double precision * p.dec_err, c_missing_var) as dec_var
        from apdb.touched_points(v_from, v_to, v_days) as p
    ),

    -- The offset keeps the planner from working out the weight anew in each sum.
    placed as (
        select
            p.dia_object_id, p.ra_err, p.ra_var, p.dec_var, p.ra_dec_cov,
            1.0 / ((p.ra_var + p.dec_var) * 0.5 + c_floor_var) as weight,
            cos(radians(p.dec)) * cos(radians(p.ra)) as x,
            cos(radians(p.dec)) * sin(radians(p.ra)) as y,
            sin(radians(p.dec)) as z
        from point as p
        offset 0
    ),

    -- Points without flux or error keep their place on the sky, but not in the light curve.
    measured as (
        select
            p.dia_object_id, p.dia_source_id, p.number, p.midpoint_mjd_tai,
            case when p.psf_flux_err > 0 then p.psf_flux::double precision end as flux,
            case when p.psf_flux is not null and p.psf_flux_err > 0 then p.psf_flux_err::double precision end as flux_err,
            case when p.science_flux_err > 0 then p.science_flux::double precision end as science_flux,
            case
                when p.science_flux is not null and p.science_flux_err > 0 then p.science_flux_err::double precision
            end as science_flux_err
        from point as p
        where p.stale
    ),

    weighted as (
        select
            m.*,
            1.0 / (m.flux_err * m.flux_err) as flux_weight,
            1.0 / (m.science_flux_err * m.science_flux_err) as science_weight,
            (m.flux - lag(m.flux) over track)
            / nullif(m.midpoint_mjd_tai - lag(m.midpoint_mjd_tai) over track, 0.0) as slope
        from measured as m
        window track as (
            partition by m.dia_object_id, m.number, m.flux is null
            order by m.midpoint_mjd_tai, m.dia_source_id
        )
    ),

    -- Places of objects and light curves of their stale bands, as rows of one kind: joins of what the planner
    -- takes for few rows would be nested loops.
    part as (
        select
            p.dia_object_id,
            null::integer as number,
            sum(p.weight) as weight,
            sum(p.weight * p.x) as x,
            sum(p.weight * p.y) as y,
            sum(p.weight * p.z) as z,
            count(p.ra_err) as n_ra_err,
            sum(p.weight * p.weight * p.ra_var) as ra_var,
            sum(p.weight * p.weight * p.dec_var) as dec_var,
            sum(p.weight * p.weight * p.ra_dec_cov) as ra_dec_cov,
            null::integer as psf_flux_ndata,
            null::double precision as psf_flux_mean,
            null::double precision as psf_flux_mean_err,
            null::double precision as psf_flux_sigma,
            null::double precision as psf_flux_min,
            null::double precision as psf_flux_max,
            null::double precision as psf_flux_max_slope,
            null::double precision as psf_flux_err_mean,
            null::double precision as science_flux_mean,
            null::double precision as science_flux_mean_err
        from placed as p
        group by p.dia_object_id
        union all
        select
            w.dia_object_id,
            w.number,
            null, null, null, null, null, null, null, null,
            count(w.flux)::integer,
            sum(w.flux * w.flux_weight) / sum(w.flux_weight),
            sqrt(1.0 / sum(w.flux_weight)),
            stddev_samp(w.flux),
            min(w.flux),
            max(w.flux),
            max(w.slope),
            sum(w.flux_err) / count(w.flux_err),
            sum(w.science_flux * w.science_weight) / sum(w.science_weight),
            sqrt(1.0 / sum(w.science_weight))
        from weighted as w
        group by w.dia_object_id, w.number
    ),

    wide as (
        select
            p.dia_object_id,
            degrees(atan2(sum(p.y), sum(p.x))) as ra,
            degrees(atan2(sum(p.z), sqrt(power(sum(p.x), 2) + power(sum(p.y), 2)))) as dec,
            case when sum(p.n_ra_err) > 0 then sqrt(sum(p.ra_var)) / sum(p.weight) end as ra_err,
            case when sum(p.n_ra_err) > 0 then sqrt(sum(p.dec_var)) / sum(p.weight) end as dec_err,
            sum(p.ra_dec_cov) / power(sum(p.weight), 2) as ra_dec_cov,
            max(p.psf_flux_mean) filter (where p.number = 0) as u_psf_flux_mean,
            max(p.psf_flux_mean_err) filter (where p.number = 0) as u_psf_flux_mean_err,
            max(p.psf_flux_sigma) filter (where p.number = 0) as u_psf_flux_sigma,
            max(p.psf_flux_ndata) filter (where p.number = 0) as u_psf_flux_ndata,
            max(p.science_flux_mean) filter (where p.number = 0) as u_science_flux_mean,
            max(p.science_flux_mean_err) filter (where p.number = 0) as u_science_flux_mean_err,
            max(p.psf_flux_min) filter (where p.number = 0) as u_psf_flux_min,
            max(p.psf_flux_max) filter (where p.number = 0) as u_psf_flux_max,
            max(p.psf_flux_max_slope) filter (where p.number = 0) as u_psf_flux_max_slope,
            max(p.psf_flux_err_mean) filter (where p.number = 0) as u_psf_flux_err_mean,
            max(p.psf_flux_mean) filter (where p.number = 1) as g_psf_flux_mean,
            max(p.psf_flux_mean_err) filter (where p.number = 1) as g_psf_flux_mean_err,
            max(p.psf_flux_sigma) filter (where p.number = 1) as g_psf_flux_sigma,
            max(p.psf_flux_ndata) filter (where p.number = 1) as g_psf_flux_ndata,
            max(p.science_flux_mean) filter (where p.number = 1) as g_science_flux_mean,
            max(p.science_flux_mean_err) filter (where p.number = 1) as g_science_flux_mean_err,
            max(p.psf_flux_min) filter (where p.number = 1) as g_psf_flux_min,
            max(p.psf_flux_max) filter (where p.number = 1) as g_psf_flux_max,
            max(p.psf_flux_max_slope) filter (where p.number = 1) as g_psf_flux_max_slope,
            max(p.psf_flux_err_mean) filter (where p.number = 1) as g_psf_flux_err_mean,
            max(p.psf_flux_mean) filter (where p.number = 2) as r_psf_flux_mean,
            max(p.psf_flux_mean_err) filter (where p.number = 2) as r_psf_flux_mean_err,
            max(p.psf_flux_sigma) filter (where p.number = 2) as r_psf_flux_sigma,
            max(p.psf_flux_ndata) filter (where p.number = 2) as r_psf_flux_ndata,
            max(p.science_flux_mean) filter (where p.number = 2) as r_science_flux_mean,
            max(p.science_flux_mean_err) filter (where p.number = 2) as r_science_flux_mean_err,
            max(p.psf_flux_min) filter (where p.number = 2) as r_psf_flux_min,
            max(p.psf_flux_max) filter (where p.number = 2) as r_psf_flux_max,
            max(p.psf_flux_max_slope) filter (where p.number = 2) as r_psf_flux_max_slope,
            max(p.psf_flux_err_mean) filter (where p.number = 2) as r_psf_flux_err_mean,
            max(p.psf_flux_mean) filter (where p.number = 3) as i_psf_flux_mean,
            max(p.psf_flux_mean_err) filter (where p.number = 3) as i_psf_flux_mean_err,
            max(p.psf_flux_sigma) filter (where p.number = 3) as i_psf_flux_sigma,
            max(p.psf_flux_ndata) filter (where p.number = 3) as i_psf_flux_ndata,
            max(p.science_flux_mean) filter (where p.number = 3) as i_science_flux_mean,
            max(p.science_flux_mean_err) filter (where p.number = 3) as i_science_flux_mean_err,
            max(p.psf_flux_min) filter (where p.number = 3) as i_psf_flux_min,
            max(p.psf_flux_max) filter (where p.number = 3) as i_psf_flux_max,
            max(p.psf_flux_max_slope) filter (where p.number = 3) as i_psf_flux_max_slope,
            max(p.psf_flux_err_mean) filter (where p.number = 3) as i_psf_flux_err_mean,
            max(p.psf_flux_mean) filter (where p.number = 4) as z_psf_flux_mean,
            max(p.psf_flux_mean_err) filter (where p.number = 4) as z_psf_flux_mean_err,
            max(p.psf_flux_sigma) filter (where p.number = 4) as z_psf_flux_sigma,
            max(p.psf_flux_ndata) filter (where p.number = 4) as z_psf_flux_ndata,
            max(p.science_flux_mean) filter (where p.number = 4) as z_science_flux_mean,
            max(p.science_flux_mean_err) filter (where p.number = 4) as z_science_flux_mean_err,
            max(p.psf_flux_min) filter (where p.number = 4) as z_psf_flux_min,
            max(p.psf_flux_max) filter (where p.number = 4) as z_psf_flux_max,
            max(p.psf_flux_max_slope) filter (where p.number = 4) as z_psf_flux_max_slope,
            max(p.psf_flux_err_mean) filter (where p.number = 4) as z_psf_flux_err_mean,
            max(p.psf_flux_mean) filter (where p.number = 5) as y_psf_flux_mean,
            max(p.psf_flux_mean_err) filter (where p.number = 5) as y_psf_flux_mean_err,
            max(p.psf_flux_sigma) filter (where p.number = 5) as y_psf_flux_sigma,
            max(p.psf_flux_ndata) filter (where p.number = 5) as y_psf_flux_ndata,
            max(p.science_flux_mean) filter (where p.number = 5) as y_science_flux_mean,
            max(p.science_flux_mean_err) filter (where p.number = 5) as y_science_flux_mean_err,
            max(p.psf_flux_min) filter (where p.number = 5) as y_psf_flux_min,
            max(p.psf_flux_max) filter (where p.number = 5) as y_psf_flux_max,
            max(p.psf_flux_max_slope) filter (where p.number = 5) as y_psf_flux_max_slope,
            max(p.psf_flux_err_mean) filter (where p.number = 5) as y_psf_flux_err_mean
        from part as p
        group by p.dia_object_id
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
        case when t.stale_bands & 1 <> 0 then w.u_psf_flux_mean else o.u_psf_flux_mean end,
        case when t.stale_bands & 1 <> 0 then w.u_psf_flux_mean_err else o.u_psf_flux_mean_err end,
        case when t.stale_bands & 1 <> 0 then w.u_psf_flux_sigma else o.u_psf_flux_sigma end,
        case when t.stale_bands & 1 <> 0 then coalesce(w.u_psf_flux_ndata, 0) else o.u_psf_flux_ndata end,
        case when t.stale_bands & 1 <> 0 then w.u_science_flux_mean else o.u_science_flux_mean end,
        case when t.stale_bands & 1 <> 0 then w.u_science_flux_mean_err else o.u_science_flux_mean_err end,
        case when t.stale_bands & 1 <> 0 then w.u_psf_flux_min else o.u_psf_flux_min end,
        case when t.stale_bands & 1 <> 0 then w.u_psf_flux_max else o.u_psf_flux_max end,
        case when t.stale_bands & 1 <> 0 then w.u_psf_flux_max_slope else o.u_psf_flux_max_slope end,
        case when t.stale_bands & 1 <> 0 then w.u_psf_flux_err_mean else o.u_psf_flux_err_mean end,
        case when t.stale_bands & 2 <> 0 then w.g_psf_flux_mean else o.g_psf_flux_mean end,
        case when t.stale_bands & 2 <> 0 then w.g_psf_flux_mean_err else o.g_psf_flux_mean_err end,
        case when t.stale_bands & 2 <> 0 then w.g_psf_flux_sigma else o.g_psf_flux_sigma end,
        case when t.stale_bands & 2 <> 0 then coalesce(w.g_psf_flux_ndata, 0) else o.g_psf_flux_ndata end,
        case when t.stale_bands & 2 <> 0 then w.g_science_flux_mean else o.g_science_flux_mean end,
        case when t.stale_bands & 2 <> 0 then w.g_science_flux_mean_err else o.g_science_flux_mean_err end,
        case when t.stale_bands & 2 <> 0 then w.g_psf_flux_min else o.g_psf_flux_min end,
        case when t.stale_bands & 2 <> 0 then w.g_psf_flux_max else o.g_psf_flux_max end,
        case when t.stale_bands & 2 <> 0 then w.g_psf_flux_max_slope else o.g_psf_flux_max_slope end,
        case when t.stale_bands & 2 <> 0 then w.g_psf_flux_err_mean else o.g_psf_flux_err_mean end,
        case when t.stale_bands & 4 <> 0 then w.r_psf_flux_mean else o.r_psf_flux_mean end,
        case when t.stale_bands & 4 <> 0 then w.r_psf_flux_mean_err else o.r_psf_flux_mean_err end,
        case when t.stale_bands & 4 <> 0 then w.r_psf_flux_sigma else o.r_psf_flux_sigma end,
        case when t.stale_bands & 4 <> 0 then coalesce(w.r_psf_flux_ndata, 0) else o.r_psf_flux_ndata end,
        case when t.stale_bands & 4 <> 0 then w.r_science_flux_mean else o.r_science_flux_mean end,
        case when t.stale_bands & 4 <> 0 then w.r_science_flux_mean_err else o.r_science_flux_mean_err end,
        case when t.stale_bands & 4 <> 0 then w.r_psf_flux_min else o.r_psf_flux_min end,
        case when t.stale_bands & 4 <> 0 then w.r_psf_flux_max else o.r_psf_flux_max end,
        case when t.stale_bands & 4 <> 0 then w.r_psf_flux_max_slope else o.r_psf_flux_max_slope end,
        case when t.stale_bands & 4 <> 0 then w.r_psf_flux_err_mean else o.r_psf_flux_err_mean end,
        case when t.stale_bands & 8 <> 0 then w.i_psf_flux_mean else o.i_psf_flux_mean end,
        case when t.stale_bands & 8 <> 0 then w.i_psf_flux_mean_err else o.i_psf_flux_mean_err end,
        case when t.stale_bands & 8 <> 0 then w.i_psf_flux_sigma else o.i_psf_flux_sigma end,
        case when t.stale_bands & 8 <> 0 then coalesce(w.i_psf_flux_ndata, 0) else o.i_psf_flux_ndata end,
        case when t.stale_bands & 8 <> 0 then w.i_science_flux_mean else o.i_science_flux_mean end,
        case when t.stale_bands & 8 <> 0 then w.i_science_flux_mean_err else o.i_science_flux_mean_err end,
        case when t.stale_bands & 8 <> 0 then w.i_psf_flux_min else o.i_psf_flux_min end,
        case when t.stale_bands & 8 <> 0 then w.i_psf_flux_max else o.i_psf_flux_max end,
        case when t.stale_bands & 8 <> 0 then w.i_psf_flux_max_slope else o.i_psf_flux_max_slope end,
        case when t.stale_bands & 8 <> 0 then w.i_psf_flux_err_mean else o.i_psf_flux_err_mean end,
        case when t.stale_bands & 16 <> 0 then w.z_psf_flux_mean else o.z_psf_flux_mean end,
        case when t.stale_bands & 16 <> 0 then w.z_psf_flux_mean_err else o.z_psf_flux_mean_err end,
        case when t.stale_bands & 16 <> 0 then w.z_psf_flux_sigma else o.z_psf_flux_sigma end,
        case when t.stale_bands & 16 <> 0 then coalesce(w.z_psf_flux_ndata, 0) else o.z_psf_flux_ndata end,
        case when t.stale_bands & 16 <> 0 then w.z_science_flux_mean else o.z_science_flux_mean end,
        case when t.stale_bands & 16 <> 0 then w.z_science_flux_mean_err else o.z_science_flux_mean_err end,
        case when t.stale_bands & 16 <> 0 then w.z_psf_flux_min else o.z_psf_flux_min end,
        case when t.stale_bands & 16 <> 0 then w.z_psf_flux_max else o.z_psf_flux_max end,
        case when t.stale_bands & 16 <> 0 then w.z_psf_flux_max_slope else o.z_psf_flux_max_slope end,
        case when t.stale_bands & 16 <> 0 then w.z_psf_flux_err_mean else o.z_psf_flux_err_mean end,
        case when t.stale_bands & 32 <> 0 then w.y_psf_flux_mean else o.y_psf_flux_mean end,
        case when t.stale_bands & 32 <> 0 then w.y_psf_flux_mean_err else o.y_psf_flux_mean_err end,
        case when t.stale_bands & 32 <> 0 then w.y_psf_flux_sigma else o.y_psf_flux_sigma end,
        case when t.stale_bands & 32 <> 0 then coalesce(w.y_psf_flux_ndata, 0) else o.y_psf_flux_ndata end,
        case when t.stale_bands & 32 <> 0 then w.y_science_flux_mean else o.y_science_flux_mean end,
        case when t.stale_bands & 32 <> 0 then w.y_science_flux_mean_err else o.y_science_flux_mean_err end,
        case when t.stale_bands & 32 <> 0 then w.y_psf_flux_min else o.y_psf_flux_min end,
        case when t.stale_bands & 32 <> 0 then w.y_psf_flux_max else o.y_psf_flux_max end,
        case when t.stale_bands & 32 <> 0 then w.y_psf_flux_max_slope else o.y_psf_flux_max_slope end,
        case when t.stale_bands & 32 <> 0 then w.y_psf_flux_err_mean else o.y_psf_flux_err_mean end,
        t.first_mjd_tai, t.last_mjd_tai, t.n_dia_sources
    from wide as w
    inner join pg_temp.stage_touched as t on w.dia_object_id = t.dia_object_id
    left join apdb_base.dia_object as o on t.dia_object_id = o.dia_object_id;
end
$$;
