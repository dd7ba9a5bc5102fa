-- attributes staged sources to known solar-system objects
--
-- contract: one-to-one within ss_radius and three errors of the prediction, at most ss_radius_max: each
--   predicted object offers its nearest source that may be it by its magnitude (ss_magnitude_margin), and
--   the pairs are taken nearest first. Fills stage_prediction and ss_object_id of stage_match.
-- args:
--   p_mjd [d]: midpoint of the visit, MJD TAI
--   p_ra [deg]: centre of the visit
--   p_dec [deg]: centre of the visit
--   p_radius [deg]: radius of the visit
-- returns: number of sources attributed; null when no ephemeris is near the time of the visit
-- errors: none
-- locks: none
-- cost: 10 ms for 1,000 predicted objects
create or replace function apdb.attribute_ss_objects(
    p_mjd double precision, p_ra double precision, p_dec double precision, p_radius double precision
)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set jit = off
as $$
#variable_conflict use_column
declare
    v_max_dt double precision := apdb.setting('ephemeris_max_dt');
    v_radius double precision := apdb.setting('ss_radius');
    v_most double precision := greatest(v_radius, apdb.setting('ss_radius_max')::double precision);
    v_magnitudes double precision := apdb.setting('ss_magnitude_margin');
    v_n integer;
    -- sources delivered twice
    v_followers bigint[];
begin
    if apdb.night_built(p_mjd) is null and not exists (
        select from apdb_base.ephemeris as e
        where e.mjd_tai between p_mjd - v_max_dt and p_mjd + v_max_dt
    ) then
        return null;
    end if;

    insert into pg_temp.stage_prediction (
        ss_object_id, designation, ra, dec, ra_err, dec_err, ra_rate, dec_rate, vmag, elongation, phase_angle,
        topo_range, topo_range_rate, helio_range, helio_range_rate, helio_x, helio_y, helio_z, helio_vx, helio_vy,
        helio_vz, topo_x, topo_y, topo_z, topo_vx, topo_vy, topo_vz
    )
    select
        e.ss_object_id, e.designation, e.ra, e.dec, e.ra_err, e.dec_err, e.ra_rate, e.dec_rate, e.vmag, e.elongation,
        e.phase_angle, e.topo_range, e.topo_range_rate, e.helio_range, e.helio_range_rate, e.helio_x, e.helio_y,
        e.helio_z, e.helio_vx, e.helio_vy, e.helio_vz, e.topo_x, e.topo_y, e.topo_z, e.topo_vx, e.topo_vy, e.topo_vz
    from apdb.predicted_at(p_mjd, p_ra, p_dec, p_radius + v_most / 3600.0) as e;
    get diagnostics v_n = row_count;
    -- Few rows keep the plans they have.
    if v_n > 200 then
        analyze pg_temp.stage_prediction (ss_object_id);
    end if;

    select array_agg(m.dia_source_id) into v_followers
    from pg_temp.stage_match as m
    where m.dia_source_id <> m.leader_id;
    -- Apart, so that the index of the sources is used.
    with near as materialized (
        select
            e.ss_object_id, e.ra_err, e.dec_err, e.vmag, e.topo_range, s.dia_source_id, s.psf_flux,
            q3c_dist(e.ra, e.dec, s.ra, s.dec) * 3600.0 as distance
        from pg_temp.stage_prediction as e
        inner join pg_temp.stage_source as s on q3c_join(e.ra, e.dec, s.ra, s.dec, v_most / 3600.0)
    )

    insert into pg_temp.stage_pair (dia_source_id, target_id, distance, score)
    select distinct on (n.ss_object_id) n.dia_source_id, n.ss_object_id, n.distance, 0.0
    from near as n
    where
        (v_followers is null or n.dia_source_id <> all(v_followers))
        -- The radius, widened by three errors of the prediction.
        and n.distance <= least(v_most, sqrt(
            v_radius * v_radius + power(3.0 * 3600.0 * coalesce(greatest(n.ra_err, n.dec_err), 0.0), 2)
        ))
        -- Most objects are too faint to be seen: what is far brighter than predicted is something else.
        and (
            n.topo_range is null or n.vmag is null or n.psf_flux is null
            or (n.psf_flux > 0.0 and abs(31.4 - 2.5 * log(n.psf_flux) - n.vmag) <= v_magnitudes)
        )
    order by n.ss_object_id, n.distance, n.dia_source_id;

    update pg_temp.stage_match as m
    set ss_object_id = r.target_id
    from apdb.resolve_nearest() as r
    where m.leader_id = r.dia_source_id;
    return (
        select count(distinct m.leader_id)
        from pg_temp.stage_match as m
        where m.ss_object_id is not null
    );
end
$$;
