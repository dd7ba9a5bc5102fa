-- writes the index of alerts that lie in the archive, and of their files
--
-- contract: the rows are in stage_alert: ids, ranges, checksums, lengths. In the transaction that the alerts
--   belong to, after their files are whole under their names: an alert exists if and only if this
--   commits. Alerts that are there already get the next revision, which alone is current. Empties the
--   stage.
-- args:
--   p_visit: visit, which is stored
--   p_detector: detector
--   p_store_seq: visit or correction that the packets were made for
--   p_attempt_id: attempt that wrote the files, or null
--   p_schema_version: version of the public alert schema
--   p_codec: how blocks are compressed: zstd, deflate or null
--   p_content: what the packets hold: full, no_stamps, no_histories or bare
--   p_degraded: why something was left out that is completed later, or null
--   p_reason: why this revision was made, or null for the first
--   p_files: an array of objects with path, kind, size, sha256 (hexadecimal) and n_alerts
-- returns: number of alerts
-- errors: VA005 when the visit is not stored; 23505 when a file or an alert is given twice
-- locks: row locks on the index rows of the revisions superseded; the caller holds the visit
-- cost: 0.15 s for 10,000 alerts
create or replace function apdb.index_alerts(
    p_visit bigint,
    p_detector integer,
    p_store_seq bigint,
    p_attempt_id bigint,
    p_schema_version text,
    p_codec text,
    p_content text,
    p_degraded text,
    p_reason text,
    p_files jsonb
)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_visit apdb_base.visit;
    v_packets text;
    v_stamps text;
    v_moved bigint[];
    v_superseded boolean;
    v_rows integer;
begin
    select v.* into v_visit
    from apdb_base.visit as v
    where v.visit = p_visit and v.detector = p_detector;
    if v_visit.visit is null then
        raise exception 'visit % detector % is not stored', p_visit, p_detector using errcode = 'VA005';
    end if;

    insert into apdb_base.archive_file (
        path, kind, visit, detector, night, store_seq, attempt_id, content, degraded, codec, schema_version,
        size, sha256, n_alerts, written_mjd_tai
    )
    select
        f.path, f.kind, p_visit, p_detector, v_visit.night, p_store_seq, p_attempt_id, p_content, p_degraded,
        p_codec, p_schema_version, f.size, decode(f.sha256, 'hex'), f.n_alerts, apdb.mjd_tai(clock_timestamp())
    from jsonb_to_recordset(p_files) as f (path text, kind text, size bigint, sha256 text, n_alerts integer);
    select
        max(f.path) filter (where f.kind = 'packets'), max(f.path) filter (where f.kind = 'stamps')
    into v_packets, v_stamps
    from jsonb_to_recordset(p_files) as f (path text, kind text);

    -- Earlier revisions are of this visit, unless another visit lost the id when it was replaced.
    v_moved := array(
        select s.dia_source_id
        from pg_temp.stage_alert as s
        inner join apdb_base.dia_source_superseded as d on s.dia_source_id = d.dia_source_id
        where d.visit <> p_visit or d.detector <> p_detector
    );
    update apdb_base.alert as a
    set is_current = false
    from pg_temp.stage_alert as s
    where a.visit = p_visit and a.detector = p_detector and a.is_current and a.dia_source_id = s.dia_source_id;
    v_superseded := found;
    if cardinality(v_moved) > 0 then
        update apdb_base.alert as a
        set is_current = false
        where a.dia_source_id = any(v_moved) and a.is_current;
    end if;

    insert into apdb_base.alert (
        dia_source_id, revision, midpoint_mjd_tai, visit, detector, dia_object_id, ss_object_id, store_seq,
        is_current, schema_version, reason, packet_file, packet_offset, packet_length, stamps_file,
        stamps_offset, stamps_length, sha256, content, degraded, codec, packet_crc, packet_size, stamps_crc,
        stamps_size
    )
    select
        s.dia_source_id, coalesce(e.revision + 1, 0), v_visit.midpoint_mjd_tai, p_visit, p_detector,
        s.dia_object_id, s.ss_object_id, p_store_seq, true, p_schema_version, p_reason, v_packets,
        s.packet_offset, s.packet_length, case when s.stamps_offset is not null then v_stamps end,
        s.stamps_offset, s.stamps_length, s.sha256, p_content, p_degraded, p_codec, s.packet_crc, s.packet_size,
        s.stamps_crc, s.stamps_size
    from pg_temp.stage_alert as s
    left join (
        select x.dia_source_id, max(x.revision) as revision
        from (
            select a.dia_source_id, a.revision
            from apdb_base.alert as a
            where v_superseded and a.visit = p_visit and a.detector = p_detector
            union all
            select a.dia_source_id, a.revision
            from apdb_base.alert as a
            where a.dia_source_id = any(v_moved)
        ) as x
        group by x.dia_source_id
    ) as e on s.dia_source_id = e.dia_source_id;
    get diagnostics v_rows = row_count;
    truncate pg_temp.stage_alert;
    return v_rows;
end
$$;
