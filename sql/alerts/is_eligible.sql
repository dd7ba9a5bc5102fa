-- whether a DIASource yields an alert
--
-- contract: the one definition, used by assembly, completeness checks and manifests alike: not withdrawn,
--   not a sky source, none of the flags that disqualify, reliability at or above the cut, and injected
--   (fake) sources only where the database is marked as having them. Sky sources are never stored here:
--   the schema has no place for them. Null flags count as not set; a source without reliability
--   passes any cut.
-- args:
--   p_time_withdrawn [d]: time_withdrawn_mjd_tai
--   p_centroid_flag: centroid_flag
--   p_cr_center: pixel_flags_cr_center
--   p_nodata_center: pixel_flags_nodata_center
--   p_interpolated_center: pixel_flags_interpolated_center
--   p_saturated_center: pixel_flags_saturated_center
--   p_suspect_center: pixel_flags_suspect_center
--   p_streak_center: pixel_flags_streak_center
--   p_glint_trail: glint_trail
--   p_injected_center: pixel_flags_injected_center
--   p_reliability: reliability of the source
--   p_flags: setting alert_flags, the columns that disqualify, joined by commas
--   p_reliability_min: setting alert_reliability_min
--   p_fakes: setting alert_fakes
-- returns: true if the source yields an alert
-- errors: none
-- locks: none
-- cost: inlined
create or replace function apdb.is_eligible(
    p_time_withdrawn double precision,
    p_centroid_flag boolean,
    p_cr_center boolean,
    p_nodata_center boolean,
    p_interpolated_center boolean,
    p_saturated_center boolean,
    p_suspect_center boolean,
    p_streak_center boolean,
    p_glint_trail boolean,
    p_injected_center boolean,
    p_reliability real,
    p_flags text,
    p_reliability_min double precision,
    p_fakes boolean
)
returns boolean
language sql immutable parallel safe
as $$
    select
        p_time_withdrawn is null
        and not coalesce(
            (p_centroid_flag and strpos(p_flags, 'centroid_flag') > 0)
            or (p_cr_center and strpos(p_flags, 'pixel_flags_cr_center') > 0)
            or (p_nodata_center and strpos(p_flags, 'pixel_flags_nodata_center') > 0)
            or (p_interpolated_center and strpos(p_flags, 'pixel_flags_interpolated_center') > 0)
            or (p_saturated_center and strpos(p_flags, 'pixel_flags_saturated_center') > 0)
            or (p_suspect_center and strpos(p_flags, 'pixel_flags_suspect_center') > 0)
            or (p_streak_center and strpos(p_flags, 'pixel_flags_streak_center') > 0)
            or (p_glint_trail and strpos(p_flags, 'glint_trail') > 0)
            or (p_injected_center and not p_fakes)
            or p_reliability < p_reliability_min, false
        )
$$;
