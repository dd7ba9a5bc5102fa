-- whether a DIASource is too doubtful to start a DIAObject
--
-- contract: such a source is stored, and may join an existing object, but starts none. The same
--   flags keep sources out of Rubin's association (ap_association, 2026).
-- args:
--   p_centroid_flag: centroid_flag
--   p_cr_center: pixel_flags_cr_center
--   p_nodata_center: pixel_flags_nodata_center
--   p_interpolated_center: pixel_flags_interpolated_center
--   p_saturated_center: pixel_flags_saturated_center
--   p_suspect_center: pixel_flags_suspect_center
--   p_streak_center: pixel_flags_streak_center
--   p_glint_trail: glint_trail
--   p_reliability: reliability of the source
--   p_reliability_min: setting reliability_min
-- returns: true if the source may not start an object; null flags count as not set
-- errors: none
-- locks: none
-- cost: inlined
create or replace function apdb.disqualifies_new_object(
    p_centroid_flag boolean,
    p_cr_center boolean,
    p_nodata_center boolean,
    p_interpolated_center boolean,
    p_saturated_center boolean,
    p_suspect_center boolean,
    p_streak_center boolean,
    p_glint_trail boolean,
    p_reliability real,
    p_reliability_min double precision
)
returns boolean
language sql immutable parallel safe
as $$
    select coalesce(
        p_centroid_flag or p_cr_center or p_nodata_center or p_interpolated_center
        or p_saturated_center or p_suspect_center or p_streak_center or p_glint_trail
        or p_reliability < p_reliability_min, false
    )
$$;
