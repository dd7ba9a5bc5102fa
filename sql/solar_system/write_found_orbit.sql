-- writes the orbit of an object that was found here, and its row of mpc_orbits
--
-- contract: replaces what there was. An orbit that was loaded from elsewhere is left alone: the Minor Planet
--   Center is the authority on those. Rows of mpc_orbits get negative numbers, as those of load_orbits.
-- args:
--   p_ss_object_id: the object
--   p_designation: its name
--   p_epoch [d]: epoch, MJD TDB
--   p_state [au, au/d]: barycentric state, ICRF
--   p_covariance: of the state, as the table orbit has it
--   p_elements: columns of mpc_orbits by name
--   p_now [d]: time of the step, MJD TAI
-- returns: nothing
-- errors: none
-- locks: the caller holds advisory (17013, 0)
-- cost: two index searches
create or replace function apdb.write_found_orbit(
    p_ss_object_id bigint,
    p_designation text,
    p_epoch double precision,
    p_state double precision[],
    p_covariance bytea,
    p_elements jsonb,
    p_now double precision
)
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    insert into apdb_base.orbit as o (
        ss_object_id, designation, epoch_mjd_tdb, x, y, z, vx, vy, vz, covariance, h, source, changed_mjd_tai
    )
    values (
        p_ss_object_id, p_designation, p_epoch, p_state[1], p_state[2], p_state[3], p_state[4], p_state[5], p_state[6],
        p_covariance, (p_elements ->> 'h')::real, 'linking', p_now
    )
    on conflict (ss_object_id) do update
        set
            epoch_mjd_tdb = excluded.epoch_mjd_tdb,
            x = excluded.x,
            y = excluded.y,
            z = excluded.z,
            vx = excluded.vx,
            vy = excluded.vy,
            vz = excluded.vz,
            covariance = excluded.covariance,
            h = excluded.h,
            changed_mjd_tai = excluded.changed_mjd_tai
        where o.source = 'linking';
    if not exists (
        select from apdb_base.orbit as o
        where o.ss_object_id = p_ss_object_id and o.source = 'linking'
    ) then
        return;
    end if;

    delete from apdb_base.mpc_orbits as m
    where m.unpacked_primary_provisional_designation = p_designation and m.id < 0;
    insert into apdb_base.mpc_orbits (
        id, designation, packed_primary_provisional_designation, unpacked_primary_provisional_designation,
        created_at, updated_at, fitting_datetime, nopp, arc_length_total, nobs_total, a, q, e, i, node, argperi,
        peri_time, mean_anomaly, period, mean_motion, epoch_mjd, h, not_normalized_rms, normalized_rms
    )
    select
        (select least(min(m.id), 0) - 1 from apdb_base.mpc_orbits as m),
        p_designation, p_designation, p_designation, localtimestamp, localtimestamp, localtimestamp,
        e.nopp, e.arc_length_total, e.nobs_total, e.a, e.q, e.e, e.i, e.node, e.argperi, e.peri_time, e.mean_anomaly,
        e.period, e.mean_motion, p_epoch, e.h, e.not_normalized_rms, e.normalized_rms
    from jsonb_populate_record(null::apdb_base.mpc_orbits, p_elements) as e;
end
$$;
