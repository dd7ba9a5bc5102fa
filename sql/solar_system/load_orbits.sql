-- moves the staged orbits into orbit and mpc_orbits
--
-- contract: after open_orbit_stage and the copies, in the same transaction, so that orbits are loaded as a whole
--   or not at all. An orbit replaces that of the same object; the same again changes nothing. Nights that were
--   built keep the orbits that they were built from. New rows of mpc_orbits get negative numbers, for
--   the Minor Planet Center's own are not known.
-- args:
--   p_reason: where the orbits come from, in words
-- returns: how many orbits were new, and how many replaced another
-- errors: none
-- locks: advisory (17013, 0), so that orbits are loaded by one session at a time; the number of the step is taken
--   when the rows are in: what waits for archive_horizon does not wait for them
-- cost: 40 us an orbit
create or replace function apdb.load_orbits(p_reason text, out n_new bigint, out n_changed bigint)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set work_mem = '256MB'
as $$
declare
    v_lowest integer;
    v_now double precision;
    v_seq bigint;
begin
    perform apdb.open_stage(null);
    perform pg_advisory_xact_lock(17013, 0);
    v_now := apdb.mjd_tai(clock_timestamp());
    analyze pg_temp.stage_orbit (ss_object_id);
    analyze pg_temp.stage_mpc_orbits (unpacked_primary_provisional_designation);

    select count(*) into n_new
    from pg_temp.stage_orbit as s
    where not exists (select from apdb_base.orbit as o where o.ss_object_id = s.ss_object_id);
    insert into apdb_base.orbit as o (
        ss_object_id, designation, epoch_mjd_tdb, x, y, z, vx, vy, vz, covariance, h, g, source, changed_mjd_tai
    )
    select
        s.ss_object_id, s.designation, s.epoch_mjd_tdb, s.x, s.y, s.z, s.vx, s.vy, s.vz, s.covariance, s.h, s.g,
        s.source, v_now
    from pg_temp.stage_orbit as s
    order by s.ss_object_id
    on conflict (ss_object_id) do update
        set
            designation = excluded.designation,
            epoch_mjd_tdb = excluded.epoch_mjd_tdb,
            x = excluded.x,
            y = excluded.y,
            z = excluded.z,
            vx = excluded.vx,
            vy = excluded.vy,
            vz = excluded.vz,
            covariance = excluded.covariance,
            h = excluded.h,
            g = excluded.g,
            source = excluded.source,
            changed_mjd_tai = excluded.changed_mjd_tai
        where
            (
                o.designation, o.epoch_mjd_tdb, o.x, o.y, o.z, o.vx, o.vy, o.vz, o.covariance, o.h, o.g
            )
            is distinct from (
                excluded.designation, excluded.epoch_mjd_tdb, excluded.x, excluded.y, excluded.z, excluded.vx,
                excluded.vy, excluded.vz, excluded.covariance, excluded.h, excluded.g
            );
    get diagnostics n_changed = row_count;
    n_changed := n_changed - n_new;

    select least(min(m.id), 0) into v_lowest
    from apdb_base.mpc_orbits as m;
    update apdb_base.mpc_orbits as m
    set
        designation = s.designation,
        packed_primary_provisional_designation = s.packed_primary_provisional_designation,
        mpc_orb_jsonb = s.mpc_orb_jsonb,
        created_at = s.created_at,
        updated_at = s.updated_at,
        orbit_type_int = s.orbit_type_int,
        u_param = s.u_param,
        nopp = s.nopp,
        arc_length_total = s.arc_length_total,
        arc_length_sel = s.arc_length_sel,
        nobs_total = s.nobs_total,
        nobs_total_sel = s.nobs_total_sel,
        a = s.a,
        q = s.q,
        e = s.e,
        i = s.i,
        node = s.node,
        argperi = s.argperi,
        peri_time = s.peri_time,
        yarkovsky = s.yarkovsky,
        srp = s.srp,
        a1 = s.a1,
        a2 = s.a2,
        a3 = s.a3,
        dt = s.dt,
        mean_anomaly = s.mean_anomaly,
        period = s.period,
        mean_motion = s.mean_motion,
        a_unc = s.a_unc,
        q_unc = s.q_unc,
        e_unc = s.e_unc,
        i_unc = s.i_unc,
        node_unc = s.node_unc,
        argperi_unc = s.argperi_unc,
        peri_time_unc = s.peri_time_unc,
        yarkovsky_unc = s.yarkovsky_unc,
        srp_unc = s.srp_unc,
        a1_unc = s.a1_unc,
        a2_unc = s.a2_unc,
        a3_unc = s.a3_unc,
        dt_unc = s.dt_unc,
        mean_anomaly_unc = s.mean_anomaly_unc,
        period_unc = s.period_unc,
        mean_motion_unc = s.mean_motion_unc,
        epoch_mjd = s.epoch_mjd,
        h = s.h,
        g = s.g,
        not_normalized_rms = s.not_normalized_rms,
        normalized_rms = s.normalized_rms,
        earth_moid = s.earth_moid,
        fitting_datetime = s.fitting_datetime
    from pg_temp.stage_mpc_orbits as s
    where
        m.unpacked_primary_provisional_designation = s.unpacked_primary_provisional_designation
        and (
            m.designation, m.packed_primary_provisional_designation, m.mpc_orb_jsonb, m.created_at, m.updated_at,
            m.orbit_type_int, m.u_param, m.nopp, m.arc_length_total, m.arc_length_sel, m.nobs_total, m.nobs_total_sel,
            m.a, m.q, m.e, m.i, m.node, m.argperi, m.peri_time, m.yarkovsky, m.srp, m.a1, m.a2, m.a3, m.dt,
            m.mean_anomaly, m.period, m.mean_motion, m.a_unc, m.q_unc, m.e_unc, m.i_unc, m.node_unc, m.argperi_unc,
            m.peri_time_unc, m.yarkovsky_unc, m.srp_unc, m.a1_unc, m.a2_unc, m.a3_unc, m.dt_unc, m.mean_anomaly_unc,
            m.period_unc, m.mean_motion_unc, m.epoch_mjd, m.h, m.g, m.not_normalized_rms, m.normalized_rms,
            m.earth_moid, m.fitting_datetime
        )
        is distinct from (
            s.designation, s.packed_primary_provisional_designation, s.mpc_orb_jsonb, s.created_at, s.updated_at,
            s.orbit_type_int, s.u_param, s.nopp, s.arc_length_total, s.arc_length_sel, s.nobs_total, s.nobs_total_sel,
            s.a, s.q, s.e, s.i, s.node, s.argperi, s.peri_time, s.yarkovsky, s.srp, s.a1, s.a2, s.a3, s.dt,
            s.mean_anomaly, s.period, s.mean_motion, s.a_unc, s.q_unc, s.e_unc, s.i_unc, s.node_unc, s.argperi_unc,
            s.peri_time_unc, s.yarkovsky_unc, s.srp_unc, s.a1_unc, s.a2_unc, s.a3_unc, s.dt_unc, s.mean_anomaly_unc,
            s.period_unc, s.mean_motion_unc, s.epoch_mjd, s.h, s.g, s.not_normalized_rms, s.normalized_rms,
            s.earth_moid, s.fitting_datetime
        );
    insert into apdb_base.mpc_orbits (
        id, designation, packed_primary_provisional_designation, unpacked_primary_provisional_designation,
        mpc_orb_jsonb, created_at, updated_at, orbit_type_int, u_param, nopp, arc_length_total, arc_length_sel,
        nobs_total, nobs_total_sel, a, q, e, i, node, argperi, peri_time, yarkovsky, srp, a1, a2, a3, dt,
        mean_anomaly, period, mean_motion, a_unc, q_unc, e_unc, i_unc, node_unc, argperi_unc, peri_time_unc,
        yarkovsky_unc, srp_unc, a1_unc, a2_unc, a3_unc, dt_unc, mean_anomaly_unc, period_unc, mean_motion_unc,
        epoch_mjd, h, g, not_normalized_rms, normalized_rms, earth_moid, fitting_datetime
    )
    select
        v_lowest - row_number() over (order by s.unpacked_primary_provisional_designation),
        s.designation, s.packed_primary_provisional_designation, s.unpacked_primary_provisional_designation,
        s.mpc_orb_jsonb, s.created_at, s.updated_at, s.orbit_type_int, s.u_param, s.nopp, s.arc_length_total,
        s.arc_length_sel, s.nobs_total, s.nobs_total_sel, s.a, s.q, s.e, s.i, s.node, s.argperi, s.peri_time,
        s.yarkovsky, s.srp, s.a1, s.a2, s.a3, s.dt, s.mean_anomaly, s.period, s.mean_motion, s.a_unc, s.q_unc,
        s.e_unc, s.i_unc, s.node_unc, s.argperi_unc, s.peri_time_unc, s.yarkovsky_unc, s.srp_unc, s.a1_unc, s.a2_unc,
        s.a3_unc, s.dt_unc, s.mean_anomaly_unc, s.period_unc, s.mean_motion_unc, s.epoch_mjd, s.h, s.g,
        s.not_normalized_rms, s.normalized_rms, s.earth_moid, s.fitting_datetime
    from pg_temp.stage_mpc_orbits as s
    where not exists (
        select from apdb_base.mpc_orbits as m
        where m.unpacked_primary_provisional_designation = s.unpacked_primary_provisional_designation
    );

    -- Late: until the commit, nobody gets alerts of what is stored after a number that is taken.
    select k.store_seq into v_seq
    from apdb.next_knowledge('orbits', null, null, p_reason) as k;
    insert into apdb_base.metadata (name, value)
    values ('state.orbit_store_seq', v_seq::text)
    on conflict (name) do update set value = excluded.value;
end
$$;
