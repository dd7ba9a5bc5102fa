-- writes the associated visit: register, objects and their versions, sources, forced photometry
--
-- contract: after associate_visit, in the same transaction. Alerts come later in it.
-- args:
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
-- returns: store_seq, time, the ids given to the sources in the order of dia_source_id, number of forced
--   rows, all timings
-- errors: VA006 when another visit has just taken an id; VA005 when forced photometry names an object that
--   does not exist
-- locks: row locks on the objects touched; the caller holds the visit and the sky
-- cost: 0.6 s for 10,000 sources
create or replace function apdb.commit_visit(
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
as $$
declare
    v_start timestamptz := clock_timestamp();
begin
    select k.store_seq, k.mjd_tai into store_seq, mjd_tai
    from apdb.next_knowledge('visit', p_visit, p_detector, null) as k;
    select r.dia_object_ids, r.ss_object_ids, r.is_new into dia_object_ids, ss_object_ids, is_new
    from apdb.staged_report() as r;

    insert into apdb_base.visit (
        visit, detector, band, midpoint_mjd_tai, exposure_time, ra, dec, radius, boundary, readout_end_mjd_tai,
        night, digest, store_seq, time_processed_mjd_tai, association, association_radius,
        n_dia_sources, n_new_dia_objects, n_matched_dia_objects, n_ss_objects, n_unassociated,
        ephemerides_missing, report_dia_object_id, report_ss_object_id, report_is_new
    )
    select
        p_visit, p_detector, p_band, p_mjd, p_exposure_time, p_ra, p_dec, p_radius, p_boundary, p_readout_end,
        p_night, p_digest, commit_visit.store_seq, commit_visit.mjd_tai, p_rule, p_association_radius,
        (select count(*) from pg_temp.stage_match),
        (select count(*) from pg_temp.stage_touched as t where t.is_new),
        (select count(*) from pg_temp.stage_touched as t where not t.is_new),
        (select count(distinct m.ss_object_id) from pg_temp.stage_match as m),
        (select count(*) from pg_temp.stage_match as m where m.dia_object_id is null and m.ss_object_id is null),
        (p_timings ->> 'ephemerides_missing')::integer = 1,
        dia_object_ids, ss_object_ids, is_new;

    perform apdb.claim_ids();
    perform apdb.summarise_forced();
    perform apdb.apply_summaries(store_seq, mjd_tai);
    perform apdb.queue_precovery(mjd_tai, null);
    timings := p_timings - 'ephemerides_missing' || jsonb_build_object('objects', apdb.ms_since(v_start));
    v_start := clock_timestamp();

    perform apdb.find_neighbours(store_seq, p_mjd);
    timings := timings || jsonb_build_object('neighbours', apdb.ms_since(v_start));
    v_start := clock_timestamp();

    perform apdb.insert_sources(store_seq, mjd_tai);
    perform apdb.store_ss_sources();
    timings := timings || jsonb_build_object('sources', apdb.ms_since(v_start));
    v_start := clock_timestamp();

    n_dia_forced_sources := apdb.insert_forced(store_seq, mjd_tai);
    timings := timings || jsonb_build_object('forced', apdb.ms_since(v_start));

    update apdb_base.visit as v
    set n_dia_forced_sources = commit_visit.n_dia_forced_sources, timings = commit_visit.timings
    where v.visit = p_visit and v.detector = p_detector;
end
$$;
