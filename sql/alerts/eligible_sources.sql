-- the DIASources of a visit that yield an alert
--
-- contract: by is_eligible under the settings of now.
-- args:
--   p_visit: visit
--   p_detector: detector
-- returns: their ids
-- errors: none
-- locks: none
-- cost: one index search a partition
create or replace function apdb.eligible_sources(p_visit bigint, p_detector integer)
returns table (dia_source_id bigint)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select t.dia_source_id
    from apdb_base.visit as v
    inner join apdb_base.dia_source as t
        on v.visit = t.visit and v.detector = t.detector and v.midpoint_mjd_tai = t.midpoint_mjd_tai
    cross join apdb.alert_rules() as r
    where
        v.visit = p_visit and v.detector = p_detector
        and apdb.is_eligible(
            t.time_withdrawn_mjd_tai, t.centroid_flag, t.pixel_flags_cr_center, t.pixel_flags_nodata_center,
            t.pixel_flags_interpolated_center, t.pixel_flags_saturated_center, t.pixel_flags_suspect_center,
            t.pixel_flags_streak_center, t.glint_trail, t.pixel_flags_injected_center, t.reliability,
            r.flags, r.reliability_min, r.fakes
        )
$$;
