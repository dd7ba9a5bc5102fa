-- what the index says of the alerts of a (visit, detector), for comparison with the files
--
-- contract: all revisions.
-- args:
--   p_visit: visit
--   p_detector: detector
-- returns: one row for each alert and revision, in the order of files and ranges
-- errors: none
-- locks: none
-- cost: one index search a partition
create or replace function apdb.indexed_alerts(p_visit bigint, p_detector integer)
returns table (
    dia_source_id bigint,
    revision integer,
    is_current boolean,
    codec text,
    packet_file text,
    packet_offset bigint,
    packet_length bigint,
    packet_crc integer,
    packet_size bigint,
    stamps_file text,
    stamps_offset bigint,
    stamps_length bigint,
    stamps_crc integer,
    stamps_size bigint,
    sha256 bytea
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        a.dia_source_id, a.revision, a.is_current, a.codec, a.packet_file, a.packet_offset, a.packet_length,
        a.packet_crc, a.packet_size, a.stamps_file, a.stamps_offset, a.stamps_length, a.stamps_crc, a.stamps_size,
        a.sha256
    from apdb_base.alert as a
    where a.visit = p_visit and a.detector = p_detector
    order by a.packet_file, a.packet_offset
$$;
