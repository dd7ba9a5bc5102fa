-- takes DIASources, or a whole visit, out of what is believed
--
-- contract: withdrawn rows stay, with the knowledge time of their withdrawal, but vanish from
--   default reads, histories, counters and summaries; their ids stay taken. Of a whole visit the
--   forced photometry goes too. What is withdrawn already is left alone; if all is, nothing
--   changes and store_seq is 0.
-- args:
--   p_dia_source_ids: sources, or null for a visit
--   p_visit: visit, or null for sources
--   p_detector: its detector
--   p_reason: why, in words
-- returns: store_seq and time [d], number of sources withdrawn, ids of the objects changed and
--   retired
-- errors: VA005 for unknown sources or visit; VA001 when not one of sources and visit is given;
--   VA004 when another session holds the visit or the sky
-- locks: the visit; sky cells of the sources and their objects; then row locks as in apply_changes
-- cost: 30 ms for a few sources; 1.5 s for a visit of 10,000
create or replace function apdb.withdraw(
    p_dia_source_ids bigint[],
    p_visit bigint,
    p_detector integer,
    p_reason text,
    out store_seq bigint,
    out mjd_tai double precision,
    out n_dia_sources integer,
    out changed bigint[],
    out retired bigint[]
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    if num_nonnulls(p_dia_source_ids, p_visit) <> 1 or num_nonnulls(p_visit, p_detector) = 1 then
        raise exception 'give sources, or a visit and its detector' using errcode = 'VA001';
    end if;
    perform apdb.open_changes();
    if p_visit is not null then
        perform apdb.lock_visit(p_visit, p_detector);
    end if;
    perform apdb.lock_concerned(p_dia_source_ids, null, p_visit, p_detector, null);

    if p_visit is not null then
        perform apdb.plan_visit(p_visit, p_detector);
    else
        perform apdb.plan_sources(p_dia_source_ids);
        delete from pg_temp.stage_change as c
        where c.was_withdrawn;
        update pg_temp.stage_change as c
        set withdrawn = true
        where true;
    end if;
    select a.* into store_seq, mjd_tai, n_dia_sources, changed, retired
    from apdb.apply_if_any('withdraw', p_visit, p_detector, p_reason, null, null) as a;
end
$$;
