-- makes the planned correction, unless nothing is to be changed
--
-- contract: a correction that was made already takes no store_seq and leaves no trace. Fluxes of followed
--   positions on the visit are something to change, too.
-- args:
--   p_kind: reassign, merge, split or withdraw
--   p_visit: visit, if all of it is concerned
--   p_detector: its detector
--   p_reason: why, in words
--   p_new_object: id of an object to start, or null
--   p_heir: object that gets the forced photometry of those that are left empty, or null
-- returns: as apply_changes; store_seq 0 when there was nothing to change
-- errors: none of its own
-- locks: as apply_changes
-- cost: that of apply_changes
create or replace function apdb.apply_if_any(
    p_kind text,
    p_visit bigint,
    p_detector integer,
    p_reason text,
    p_new_object bigint,
    p_heir bigint,
    out store_seq bigint,
    out mjd_tai double precision,
    out n_dia_sources integer,
    out changed bigint[],
    out retired bigint[]
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    if
        exists (select from pg_temp.stage_change) or exists (select from pg_temp.stage_touched)
        or exists (
            select from apdb_base.forced_followed as f
            where f.visit = p_visit and f.detector = p_detector
        )
    then
        select a.* into store_seq, mjd_tai, n_dia_sources, changed, retired
        from apdb.apply_changes(p_kind, p_visit, p_detector, p_reason, p_new_object, p_heir) as a;
    else
        store_seq := 0;
        mjd_tai := apdb.mjd_tai(clock_timestamp());
        n_dia_sources := 0;
        changed := '{}';
        retired := '{}';
    end if;
end
$$;
