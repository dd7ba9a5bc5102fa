-- writes the new content of a visit that supersede_visit has cleared
--
-- contract: as commit_visit, under the store_seq of the replacement; the register's row is kept
--   and says what the new content is.
-- args:
--   p_store_seq: store_seq of the replacement
--   p_now [d]: its knowledge time, MJD TAI
--   p_visit: visit
--   p_detector: detector
--   p_band: band of the survey
--   p_mjd [d]: midpoint, MJD TAI
--   p_exposure_time [s]: exposure time, or null
--   p_ra [deg]: centre of the footprint
--   p_dec [deg]: centre of the footprint
--   p_radius [deg]: radius of its bounding circle
--   p_boundary [deg]: vertices ra, dec, ra, dec …, or null for the circle
--   p_readout_end [d]: end of readout, MJD TAI, or null
--   p_night: night, date of (UTC - 12 h) at the site
--   p_digest: SHA-256 of the content
--   p_rule: association rule used
--   p_association_radius [arcsec]: association radius used
--   p_timings: milliseconds per step so far
-- returns: store_seq, time, the ids given to the sources in the order of dia_source_id, number of
--   forced rows, all timings
-- errors: VA006 when another visit has just taken an id; VA005 when forced photometry names an
--   object that does not exist
-- locks: row locks on the register's row, the objects touched and the solar-system objects, in id
--   order; the caller holds the visit and the sky
-- cost: that of commit_visit
create or replace function apdb.commit_replacement(
    p_store_seq bigint,
    p_now double precision,
    p_visit bigint,
    p_detector integer,
    p_band text,
    p_mjd double precision,
    p_exposure_time double precision,
    p_ra double precision,
    p_dec double precision,
    p_radius double precision,
    p_boundary double precision[],
    p_readout_end double precision,
    p_night date,
    p_digest bytea,
    p_rule text,
    p_association_radius double precision,
    p_timings jsonb,
    out store_seq bigint,
    out mjd_tai double precision,
    out dia_object_ids bigint[],
    out ss_object_ids bigint[],
    out is_new boolean[],
    out n_dia_forced_sources integer,
    out timings jsonb
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_start timestamptz := clock_timestamp();
begin
    store_seq := p_store_seq;
    mjd_tai := p_now;
    timings := p_timings - 'ephemerides_missing';
    select r.dia_object_ids, r.ss_object_ids, r.is_new into dia_object_ids, ss_object_ids, is_new
    from apdb.staged_report() as r;
    -- All at once and in id order: what goes out and what comes in may be different ones.
    perform 1
    from apdb_base.ss_object as o
    where
        o.ss_object_id in (
            select c.old_ss_object_id from pg_temp.stage_change as c
            union
            select m.ss_object_id from pg_temp.stage_match as m
        )
    order by o.ss_object_id
    for no key update;

    perform apdb.claim_ids();
    perform apdb.summarise_forced();
    perform apdb.apply_summaries(p_store_seq, p_now);
    perform apdb.queue_precovery(p_now, null);
    timings := timings || jsonb_build_object('objects', apdb.ms_since(v_start));
    v_start := clock_timestamp();

    perform apdb.find_neighbours(p_store_seq, p_mjd);
    timings := timings || jsonb_build_object('neighbours', apdb.ms_since(v_start));
    v_start := clock_timestamp();

    perform apdb.insert_sources(p_store_seq, p_now);
    perform apdb.store_ss_sources();
    perform apdb.count_ss_objects(array(
        select distinct c.old_ss_object_id
        from pg_temp.stage_change as c
        where c.old_ss_object_id is not null
    ));
    timings := timings || jsonb_build_object('sources', apdb.ms_since(v_start));
    v_start := clock_timestamp();

    n_dia_forced_sources := apdb.insert_forced(p_store_seq, p_now);
    timings := timings || jsonb_build_object('forced', apdb.ms_since(v_start));

    perform apdb.record_replacement(p_store_seq);
    update apdb_base.visit as v
    set
        band = p_band,
        midpoint_mjd_tai = p_mjd,
        exposure_time = p_exposure_time,
        ra = p_ra,
        dec = p_dec,
        radius = p_radius,
        boundary = p_boundary,
        readout_end_mjd_tai = p_readout_end,
        night = p_night,
        digest = p_digest,
        store_seq = p_store_seq,
        time_processed_mjd_tai = p_now,
        association = p_rule,
        association_radius = p_association_radius,
        n_dia_sources = (select count(*) from pg_temp.stage_match),
        n_new_dia_objects = (select count(*) from pg_temp.stage_touched as t where t.is_new),
        n_matched_dia_objects = (select count(*) from pg_temp.stage_touched as t where not t.is_new),
        n_ss_objects = (select count(distinct m.ss_object_id) from pg_temp.stage_match as m),
        n_unassociated = (
            select count(*) from pg_temp.stage_match as m
            where m.dia_object_id is null and m.ss_object_id is null
        ),
        n_dia_forced_sources = commit_replacement.n_dia_forced_sources,
        ephemerides_missing = (p_timings ->> 'ephemerides_missing')::integer = 1,
        -- The report is that of the new content: nothing has corrected it.
        corrected_store_seq = null,
        report_dia_object_id = dia_object_ids,
        report_ss_object_id = ss_object_ids,
        report_is_new = commit_replacement.is_new,
        timings = commit_replacement.timings
    where v.visit = p_visit and v.detector = p_detector;
end
$$;
