-- what a client must know before it stores a visit; leaves a trace of the attempt
--
-- contract: in a transaction of its own, so that an attempt that dies stays visible. The session that makes
--   the attempt is named by pid and start, so a reused pid cannot hide a death.
-- args:
--   p_visit: visit
--   p_detector: detector
--   p_filter: name of the filter, as the instrument calls it
--   p_mjd [d]: midpoint, MJD TAI
--   p_client: who stores it, in words; null leaves no trace (dry run)
-- returns: attempt_id, band of the filter, default rule and radius [arcsec], site longitude [deg], span of
--   the partitions that are missing [d] or nulls
-- errors: VA001 when the filter is unknown; names those that are known
-- locks: none
-- cost: one row, one commit
create or replace function apdb.begin_visit(
    p_visit bigint,
    p_detector integer,
    p_filter text,
    p_mjd double precision,
    p_client text,
    out attempt_id bigint,
    out band text,
    out rule text,
    out radius double precision,
    out site_longitude double precision,
    out partitions_from double precision,
    out partitions_to double precision
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_today double precision := apdb.mjd_tai(clock_timestamp());
begin
    band := apdb.band_of(p_filter);
    rule := apdb.setting('association_rule');
    radius := apdb.setting('association_radius');
    site_longitude := apdb.setting('site_longitude');

    -- Ahead of the night that is being observed, not of an archive that is being replayed.
    partitions_to := p_mjd + case
        when abs(p_mjd - v_today) < 30.0 then apdb.setting('partitions_ahead_days')::double precision
        else 0.0
    end;
    if
        to_regclass(format('apdb_base.dia_source_p%s', floor(p_mjd / 30.0)::integer * 30)) is not null
        and to_regclass(
            format('apdb_base.dia_source_p%s', floor(least(partitions_to, p_mjd + 7.0) / 30.0)::integer * 30)
        ) is not null
    then
        partitions_to := null;
    else
        partitions_from := p_mjd;
    end if;

    if p_client is not null then
        insert into apdb_base.visit_attempt (
            visit, detector, state, started_mjd_tai, backend_pid, backend_start, client
        )
        select p_visit, p_detector, 'running', v_today, a.pid, a.backend_start, p_client
        from pg_stat_activity as a
        where a.pid = pg_backend_pid()
        returning visit_attempt.attempt_id into attempt_id;
        perform apdb.note_missing_fragments();
    end if;
end
$$;
