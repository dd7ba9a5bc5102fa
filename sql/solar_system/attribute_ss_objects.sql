-- attributes staged sources to known solar-system objects
--
-- contract: one-to-one within ss_radius: each predicted object offers its nearest source, and the
--   pairs are taken nearest first. Fills stage_prediction and ss_object_id of stage_match.
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
as $$
#variable_conflict use_column
declare
    v_max_dt double precision := apdb.setting('ephemeris_max_dt');
    v_radius double precision := apdb.setting('ss_radius')::double precision / 3600.0;
    v_n integer;
begin
    if not exists (
        select from apdb_base.ephemeris as e
        where e.mjd_tai between p_mjd - v_max_dt and p_mjd + v_max_dt
    ) then
        return null;
    end if;

    insert into pg_temp.stage_prediction (ss_object_id, designation, ra, dec, ra_rate, dec_rate, vmag)
    select e.ss_object_id, e.designation, e.ra, e.dec, e.ra_rate, e.dec_rate, e.vmag
    from apdb.predicted_positions(p_mjd, p_ra, p_dec, p_radius + v_radius) as e;

    insert into pg_temp.stage_pair (dia_source_id, target_id, distance, score)
    select distinct on (e.ss_object_id)
        s.dia_source_id, e.ss_object_id, q3c_dist(e.ra, e.dec, s.ra, s.dec) * 3600.0, 0.0
    from pg_temp.stage_prediction as e
    inner join pg_temp.stage_source as s on q3c_join(e.ra, e.dec, s.ra, s.dec, v_radius)
    inner join pg_temp.stage_match as m on s.dia_source_id = m.dia_source_id and s.dia_source_id = m.leader_id
    order by e.ss_object_id, q3c_dist(e.ra, e.dec, s.ra, s.dec), s.dia_source_id;

    update pg_temp.stage_match as m
    set ss_object_id = r.target_id
    from apdb.resolve_nearest() as r
    where m.leader_id = r.dia_source_id;
    get diagnostics v_n = row_count;
    return v_n;
end
$$;
