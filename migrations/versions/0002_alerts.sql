-- Alert packets: fragments of their records, what an archived packet holds, settings.

CREATE TABLE apdb_base.dia_source_fragment (
    dia_object_id BIGINT NOT NULL,
    midpoint_mjd_tai DOUBLE PRECISION NOT NULL,
    dia_source_id BIGINT NOT NULL,
    registry_id SMALLINT NOT NULL,
    head BYTEA NOT NULL,
    tail BYTEA NOT NULL,
    CONSTRAINT dia_source_fragment_pkey PRIMARY KEY (dia_object_id, midpoint_mjd_tai, dia_source_id, registry_id),
    CONSTRAINT dia_source_fragment_midpoint CHECK (midpoint_mjd_tai between 15000 and 150000)
)
 PARTITION BY range (midpoint_mjd_tai);

COMMENT ON TABLE apdb_base.dia_source_fragment IS 'Avro bytes of the DIASources that are not withdrawn; made from dia_source, droppable';

COMMENT ON COLUMN apdb_base.dia_source_fragment.dia_object_id IS 'DIAObject that the source belongs to; 0 for none';

COMMENT ON COLUMN apdb_base.dia_source_fragment.midpoint_mjd_tai IS 'Middle of the exposure, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_source_fragment.dia_source_id IS 'The DIASource';

COMMENT ON COLUMN apdb_base.dia_source_fragment.registry_id IS 'Version of the public alert schema, major * 100 + minor';

COMMENT ON COLUMN apdb_base.dia_source_fragment.head IS 'Avro bytes of the fields before the two ids that association decides';

COMMENT ON COLUMN apdb_base.dia_source_fragment.tail IS 'Avro bytes of the fields behind them';

CREATE TABLE apdb_base.dia_forced_source_fragment (
    dia_object_id BIGINT NOT NULL,
    midpoint_mjd_tai DOUBLE PRECISION NOT NULL,
    dia_forced_source_id BIGINT NOT NULL,
    registry_id SMALLINT NOT NULL,
    head BYTEA NOT NULL,
    tail BYTEA NOT NULL,
    CONSTRAINT dia_forced_source_fragment_pkey PRIMARY KEY (dia_object_id, midpoint_mjd_tai, dia_forced_source_id, registry_id),
    CONSTRAINT dia_forced_source_fragment_midpoint CHECK (midpoint_mjd_tai between 15000 and 150000)
)
 PARTITION BY range (midpoint_mjd_tai);

COMMENT ON TABLE apdb_base.dia_forced_source_fragment IS 'Avro bytes of the forced photometry that is not withdrawn; made from dia_forced_source, droppable';

COMMENT ON COLUMN apdb_base.dia_forced_source_fragment.dia_object_id IS 'DIAObject at whose position the flux was measured';

COMMENT ON COLUMN apdb_base.dia_forced_source_fragment.midpoint_mjd_tai IS 'Middle of the exposure, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_forced_source_fragment.dia_forced_source_id IS 'Identifier of the forced measurement';

COMMENT ON COLUMN apdb_base.dia_forced_source_fragment.registry_id IS 'Version of the public alert schema, major * 100 + minor';

COMMENT ON COLUMN apdb_base.dia_forced_source_fragment.head IS 'Avro bytes of the field before the id of the DIAObject';

COMMENT ON COLUMN apdb_base.dia_forced_source_fragment.tail IS 'Avro bytes of the fields behind it';

CREATE TABLE apdb_base.dia_object_fragment (
    visit BIGINT NOT NULL,
    detector SMALLINT NOT NULL,
    dia_object_id BIGINT NOT NULL,
    midpoint_mjd_tai DOUBLE PRECISION NOT NULL,
    registry_id SMALLINT NOT NULL,
    fragment BYTEA NOT NULL,
    CONSTRAINT dia_object_fragment_pkey PRIMARY KEY (visit, detector, dia_object_id, midpoint_mjd_tai, registry_id),
    CONSTRAINT dia_object_fragment_midpoint CHECK (midpoint_mjd_tai between 15000 and 150000)
)
 PARTITION BY range (midpoint_mjd_tai);

COMMENT ON TABLE apdb_base.dia_object_fragment IS 'Avro bytes of the DIAObjects as each visit left them; made from dia_object and its versions, droppable';

COMMENT ON COLUMN apdb_base.dia_object_fragment.visit IS 'Number of the visit';

COMMENT ON COLUMN apdb_base.dia_object_fragment.detector IS 'Number of the detector (CCD) within the focal plane';

COMMENT ON COLUMN apdb_base.dia_object_fragment.dia_object_id IS 'The DIAObject';

COMMENT ON COLUMN apdb_base.dia_object_fragment.midpoint_mjd_tai IS 'Middle of the exposure, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_object_fragment.registry_id IS 'Version of the public alert schema, major * 100 + minor';

COMMENT ON COLUMN apdb_base.dia_object_fragment.fragment IS 'Avro bytes of the record';

CREATE TABLE apdb_base.ss_source_fragment (
    visit BIGINT NOT NULL,
    detector SMALLINT NOT NULL,
    dia_source_id BIGINT NOT NULL,
    midpoint_mjd_tai DOUBLE PRECISION NOT NULL,
    registry_id SMALLINT NOT NULL,
    fragment BYTEA NOT NULL,
    CONSTRAINT ss_source_fragment_pkey PRIMARY KEY (visit, detector, dia_source_id, midpoint_mjd_tai, registry_id),
    CONSTRAINT ss_source_fragment_midpoint CHECK (midpoint_mjd_tai between 15000 and 150000)
)
 PARTITION BY range (midpoint_mjd_tai);

COMMENT ON TABLE apdb_base.ss_source_fragment IS 'Avro bytes of the solar-system records of each visit; made from ss_source, droppable';

COMMENT ON COLUMN apdb_base.ss_source_fragment.visit IS 'Number of the visit';

COMMENT ON COLUMN apdb_base.ss_source_fragment.detector IS 'Number of the detector (CCD) within the focal plane';

COMMENT ON COLUMN apdb_base.ss_source_fragment.dia_source_id IS 'The DIASource';

COMMENT ON COLUMN apdb_base.ss_source_fragment.midpoint_mjd_tai IS 'Middle of the exposure, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.ss_source_fragment.registry_id IS 'Version of the public alert schema, major * 100 + minor';

COMMENT ON COLUMN apdb_base.ss_source_fragment.fragment IS 'Avro bytes of the record';

CREATE TABLE apdb_base.mpc_orbits_fragment (
    visit BIGINT NOT NULL,
    detector SMALLINT NOT NULL,
    ss_object_id BIGINT NOT NULL,
    midpoint_mjd_tai DOUBLE PRECISION NOT NULL,
    registry_id SMALLINT NOT NULL,
    fragment BYTEA NOT NULL,
    CONSTRAINT mpc_orbits_fragment_pkey PRIMARY KEY (visit, detector, ss_object_id, midpoint_mjd_tai, registry_id),
    CONSTRAINT mpc_orbits_fragment_midpoint CHECK (midpoint_mjd_tai between 15000 and 150000)
)
 PARTITION BY range (midpoint_mjd_tai);

COMMENT ON TABLE apdb_base.mpc_orbits_fragment IS 'Avro bytes of the orbits of the solar-system objects in each visit, as they were then; made from mpc_orbits, droppable';

COMMENT ON COLUMN apdb_base.mpc_orbits_fragment.visit IS 'Number of the visit';

COMMENT ON COLUMN apdb_base.mpc_orbits_fragment.detector IS 'Number of the detector (CCD) within the focal plane';

COMMENT ON COLUMN apdb_base.mpc_orbits_fragment.ss_object_id IS 'The solar-system object';

COMMENT ON COLUMN apdb_base.mpc_orbits_fragment.midpoint_mjd_tai IS 'Middle of the exposure, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.mpc_orbits_fragment.registry_id IS 'Version of the public alert schema, major * 100 + minor';

COMMENT ON COLUMN apdb_base.mpc_orbits_fragment.fragment IS 'Avro bytes of the record';

ALTER TABLE apdb_base.alert ADD COLUMN content TEXT DEFAULT 'full' NOT NULL;

ALTER TABLE apdb_base.alert ADD COLUMN degraded TEXT;

COMMENT ON COLUMN apdb_base.alert.content IS 'What the archived packet holds: full, no_stamps, no_histories or bare (neither)';

COMMENT ON COLUMN apdb_base.alert.degraded IS 'Why content was left out that a later job completes: count, seconds or fragments; null if nothing was';

CREATE INDEX alert_degraded_idx ON apdb_base.alert (visit, detector) WHERE is_current and degraded is not null;

CREATE TABLE apdb_base.dia_forced_source_superseded (
    dia_forced_source_id BIGINT NOT NULL,
    dia_object_id BIGINT NOT NULL,
    ra DOUBLE PRECISION NOT NULL,
    dec DOUBLE PRECISION NOT NULL,
    visit BIGINT NOT NULL,
    detector SMALLINT NOT NULL,
    psf_flux REAL,
    psf_flux_err REAL,
    midpoint_mjd_tai DOUBLE PRECISION NOT NULL,
    science_flux REAL,
    science_flux_err REAL,
    band TEXT,
    time_processed_mjd_tai DOUBLE PRECISION NOT NULL,
    time_withdrawn_mjd_tai DOUBLE PRECISION,
    store_seq BIGINT NOT NULL,
    superseded_store_seq BIGINT NOT NULL,
    CONSTRAINT dia_forced_source_superseded_pkey PRIMARY KEY (dia_object_id, visit, detector, superseded_store_seq)
);

COMMENT ON TABLE apdb_base.dia_forced_source_superseded IS 'Forced measurements as they were before a later one of the same object and image replaced them';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.dia_forced_source_id IS 'Identifier of the forced measurement';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.dia_object_id IS 'DIAObject at whose position the flux was measured';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.ra IS 'Right ascension at which the flux was measured, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.dec IS 'Declination at which the flux was measured, ICRS [deg]';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.visit IS 'Number of the visit on whose images the flux was measured';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.detector IS 'Number of the detector (CCD) within the focal plane';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.psf_flux IS 'Point-source flux forced on the difference image [nJy]';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.psf_flux_err IS 'One-sigma error of psfFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.midpoint_mjd_tai IS 'Middle of the exposure, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.science_flux IS 'Point-source flux forced on the direct image [nJy]';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.science_flux_err IS 'One-sigma error of scienceFlux [nJy]';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.band IS 'Survey band of the visit';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.time_processed_mjd_tai IS 'Time at which the measurement was made, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.time_withdrawn_mjd_tai IS 'Time at which the measurement was declared invalid, MJD TAI; null while it is valid [d]';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.store_seq IS 'Place in the order of knowledge of the visit or correction that made this row';

COMMENT ON COLUMN apdb_base.dia_forced_source_superseded.superseded_store_seq IS 'Step of knowledge that replaced the measurement';

CREATE INDEX reassignment_old_object_idx ON apdb_base.reassignment (old_dia_object_id);

ALTER TABLE apdb_base.store_event DROP CONSTRAINT store_event_kind;

ALTER TABLE apdb_base.store_event ADD CONSTRAINT store_event_kind CHECK (kind in ('visit', 'reassign', 'merge', 'split', 'withdraw', 'replace', 'forced', 'attribute', 'complete'));

COMMENT ON COLUMN apdb_base.store_event.kind IS 'What happened: visit, reassign, merge, split, withdraw, replace, forced, attribute or complete';

-- ---- end of the fragments' part; tables of the archive and of the service follow ----

-- ---- the archive: files, checksums, sealed nights ----

ALTER TABLE apdb_base.alert ADD COLUMN codec TEXT DEFAULT 'zstd' NOT NULL;

ALTER TABLE apdb_base.alert ADD COLUMN packet_crc INTEGER;

ALTER TABLE apdb_base.alert ADD COLUMN packet_size BIGINT;

ALTER TABLE apdb_base.alert ADD COLUMN stamps_crc INTEGER;

ALTER TABLE apdb_base.alert ADD COLUMN stamps_size BIGINT;

COMMENT ON COLUMN apdb_base.alert.codec IS 'How the blocks of packet and stamps are compressed: zstd, deflate or null';

COMMENT ON COLUMN apdb_base.alert.packet_crc IS 'CRC-32 of the packet''s block as it lies in the file, signed';

COMMENT ON COLUMN apdb_base.alert.packet_size IS 'Length of the packet without stamps before compression [byte]';

COMMENT ON COLUMN apdb_base.alert.stamps_crc IS 'CRC-32 of the stamps'' block as it lies in the file, signed; null if there are none';

COMMENT ON COLUMN apdb_base.alert.stamps_size IS 'Length of the three stamps as they lie in the packet; null if there are none [byte]';

CREATE UNIQUE INDEX alert_current_key ON apdb_base.alert (dia_source_id, midpoint_mjd_tai) WHERE is_current;

CREATE TABLE apdb_base.archive_file (
    path TEXT NOT NULL,
    kind TEXT NOT NULL,
    visit BIGINT NOT NULL,
    detector SMALLINT NOT NULL,
    night DATE NOT NULL,
    store_seq BIGINT NOT NULL,
    attempt_id BIGINT,
    content TEXT NOT NULL,
    degraded TEXT,
    codec TEXT NOT NULL,
    schema_version TEXT NOT NULL,
    size BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    n_alerts INTEGER NOT NULL,
    state TEXT DEFAULT 'whole' NOT NULL,
    written_mjd_tai DOUBLE PRECISION NOT NULL,
    removed_mjd_tai DOUBLE PRECISION,
    seal INTEGER,
    CONSTRAINT archive_file_pkey PRIMARY KEY (path),
    CONSTRAINT archive_file_kind CHECK (kind in ('packets', 'stamps')),
    CONSTRAINT archive_file_state CHECK (state in ('whole', 'expired', 'removed')),
    CONSTRAINT archive_file_sha256 CHECK (octet_length(sha256) = 32),
    CONSTRAINT archive_file_sizes CHECK (size > 0 and n_alerts >= 0)
);

CREATE INDEX archive_file_expired_idx ON apdb_base.archive_file (path) WHERE state = 'expired';

CREATE INDEX archive_file_night_idx ON apdb_base.archive_file (night);

CREATE INDEX archive_file_visit_idx ON apdb_base.archive_file (visit, detector);

COMMENT ON TABLE apdb_base.archive_file IS 'Files of the alert archive, one or two for each time that alerts of a visit were written';

COMMENT ON COLUMN apdb_base.archive_file.path IS 'Path below the root of the archive';

COMMENT ON COLUMN apdb_base.archive_file.kind IS 'What is in it: packets without stamps, or stamps';

COMMENT ON COLUMN apdb_base.archive_file.visit IS 'Number of the visit';

COMMENT ON COLUMN apdb_base.archive_file.detector IS 'Number of the detector (CCD) within the focal plane';

COMMENT ON COLUMN apdb_base.archive_file.night IS 'Observing night of the visit';

COMMENT ON COLUMN apdb_base.archive_file.store_seq IS 'Visit or correction that the alerts were made for, by its place in the order of knowledge';

COMMENT ON COLUMN apdb_base.archive_file.attempt_id IS 'Attempt that wrote the file';

COMMENT ON COLUMN apdb_base.archive_file.content IS 'What the alerts hold: full, no_stamps, no_histories or bare (neither)';

COMMENT ON COLUMN apdb_base.archive_file.degraded IS 'Why content was left out that a later job completes: count, seconds or fragments; null if nothing was';

COMMENT ON COLUMN apdb_base.archive_file.codec IS 'How its blocks are compressed: zstd, deflate or null';

COMMENT ON COLUMN apdb_base.archive_file.schema_version IS 'Version of the public alert schema that the packets follow';

COMMENT ON COLUMN apdb_base.archive_file.size IS 'Length of the file [byte]';

COMMENT ON COLUMN apdb_base.archive_file.sha256 IS 'SHA-256 of the file';

COMMENT ON COLUMN apdb_base.archive_file.n_alerts IS 'Number of alerts in the file';

COMMENT ON COLUMN apdb_base.archive_file.state IS 'Where the file stands: whole, expired (to be removed) or removed, as retention says';

COMMENT ON COLUMN apdb_base.archive_file.written_mjd_tai IS 'When its alerts came into the index, at the end of the transaction, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.archive_file.removed_mjd_tai IS 'When retention gave it up, MJD TAI; null before [d]';

COMMENT ON COLUMN apdb_base.archive_file.seal IS 'Number of the night''s seal that lists the file first; null before';

CREATE TABLE apdb_base.night_seal (
    night DATE NOT NULL,
    seal INTEGER NOT NULL,
    n_files INTEGER NOT NULL,
    n_alerts BIGINT NOT NULL,
    manifest TEXT NOT NULL,
    manifest_sha256 BYTEA NOT NULL,
    time_sealed_mjd_tai DOUBLE PRECISION NOT NULL,
    made_by TEXT NOT NULL,
    CONSTRAINT night_seal_pkey PRIMARY KEY (night, seal),
    CONSTRAINT night_seal_sha256 CHECK (octet_length(manifest_sha256) = 32)
);

COMMENT ON TABLE apdb_base.night_seal IS 'Nights whose manifest was written; again when alerts came after it';

COMMENT ON COLUMN apdb_base.night_seal.night IS 'Observing night';

COMMENT ON COLUMN apdb_base.night_seal.seal IS 'Number of the night''s seal, counted from 1';

COMMENT ON COLUMN apdb_base.night_seal.n_files IS 'Files of the night';

COMMENT ON COLUMN apdb_base.night_seal.n_alerts IS 'Current alerts of the night';

COMMENT ON COLUMN apdb_base.night_seal.manifest IS 'Path of the manifest below the root of the archive';

COMMENT ON COLUMN apdb_base.night_seal.manifest_sha256 IS 'SHA-256 of the manifest';

COMMENT ON COLUMN apdb_base.night_seal.time_sealed_mjd_tai IS 'When the night was sealed, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.night_seal.made_by IS 'Role that sealed it';

insert into apdb_base.metadata (name, value) values
('setting.archive_keep_packets_days', '0'),
('setting.archive_keep_stamps_days', '0'),
('setting.archive_keep_superseded_days', '0'),
('setting.archive_seal_after_days', '1'),
-- Tells two databases apart that were given the same place by mistake.
('state.archive_id', gen_random_uuid()::text);

-- ---- end of the archive's part ----

-- ---- the service: tokens, audit, and the order in which brokers read ----

CREATE TABLE apdb_base.api_token (
    token_id BIGINT GENERATED BY DEFAULT AS IDENTITY,
    name TEXT NOT NULL,
    sha256 BYTEA NOT NULL,
    rate DOUBLE PRECISION NOT NULL,
    time_created_mjd_tai DOUBLE PRECISION NOT NULL,
    time_expires_mjd_tai DOUBLE PRECISION,
    time_revoked_mjd_tai DOUBLE PRECISION,
    made_by TEXT NOT NULL,
    CONSTRAINT api_token_pkey PRIMARY KEY (token_id),
    CONSTRAINT api_token_sha256_length CHECK (octet_length(sha256) = 32),
    CONSTRAINT api_token_rate CHECK (rate > 0 and rate <= 1e6),
    CONSTRAINT api_token_name_key UNIQUE (name),
    CONSTRAINT api_token_sha256_key UNIQUE (sha256)
);

COMMENT ON TABLE apdb_base.api_token IS 'Tokens of the alert service: who may ask, how often, and until when';

COMMENT ON COLUMN apdb_base.api_token.token_id IS 'Number of the token';

COMMENT ON COLUMN apdb_base.api_token.name IS 'Whose it is';

COMMENT ON COLUMN apdb_base.api_token.sha256 IS 'SHA-256 of the token; the token itself is kept nowhere';

COMMENT ON COLUMN apdb_base.api_token.rate IS 'Requests allowed per second on average [1/s]';

COMMENT ON COLUMN apdb_base.api_token.time_created_mjd_tai IS 'When it was made, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.api_token.time_expires_mjd_tai IS 'When it ends, MJD TAI; null if never [d]';

COMMENT ON COLUMN apdb_base.api_token.time_revoked_mjd_tai IS 'When it was revoked, MJD TAI; null if it was not [d]';

COMMENT ON COLUMN apdb_base.api_token.made_by IS 'Role that made it';

CREATE TABLE apdb_base.api_audit (
    audit_id BIGINT GENERATED BY DEFAULT AS IDENTITY,
    time_mjd_tai DOUBLE PRECISION NOT NULL,
    token_id BIGINT,
    client TEXT NOT NULL,
    request TEXT NOT NULL,
    status SMALLINT NOT NULL,
    n_alerts BIGINT NOT NULL,
    n_bytes BIGINT NOT NULL,
    seconds REAL NOT NULL,
    CONSTRAINT api_audit_pkey PRIMARY KEY (audit_id)
);

CREATE INDEX api_audit_token_idx ON apdb_base.api_audit (token_id, time_mjd_tai);

COMMENT ON TABLE apdb_base.api_audit IS 'Requests to the alert service: who asked for what, and what was sent';

COMMENT ON COLUMN apdb_base.api_audit.audit_id IS 'Number of the request';

COMMENT ON COLUMN apdb_base.api_audit.time_mjd_tai IS 'When it was answered, MJD TAI [d]';

COMMENT ON COLUMN apdb_base.api_audit.token_id IS 'Token that it came with; null if none';

COMMENT ON COLUMN apdb_base.api_audit.client IS 'Address that it came from';

COMMENT ON COLUMN apdb_base.api_audit.request IS 'Method, path and query';

COMMENT ON COLUMN apdb_base.api_audit.status IS 'HTTP status of the answer';

COMMENT ON COLUMN apdb_base.api_audit.n_alerts IS 'Alerts sent';

COMMENT ON COLUMN apdb_base.api_audit.n_bytes IS 'Bytes sent [byte]';

COMMENT ON COLUMN apdb_base.api_audit.seconds IS 'How long it took [s]';

DROP INDEX apdb_base.alert_store_seq_idx;

CREATE INDEX alert_sequence_idx ON apdb_base.alert (store_seq, dia_source_id, revision);

-- ---- end of the service's part ----

-- ---- settings, and partitions of the new tables for the times that have some already ----

insert into apdb_base.metadata (name, value) values
('setting.archive_url', ''),
('setting.archive_codec', 'zstd'),
('setting.alert_schema_version', '11.1'),
('setting.alert_namespace', 'lsst'),
('setting.alert_history_days', '0'),
('setting.alert_reliability_min', '0'),
(
    'setting.alert_flags',
    'pixel_flags_cr_center,pixel_flags_nodata_center,pixel_flags_interpolated_center,'
    'pixel_flags_saturated_center,pixel_flags_suspect_center,pixel_flags_streak_center,glint_trail'
),
('setting.alert_fakes', 'false'),
('setting.alert_max_with_stamps', '40000'),
('setting.alert_max_with_histories', '100000'),
('setting.alert_seconds_with_stamps', '40'),
('setting.alert_seconds_with_histories', '50'),
-- Versions that visits write fragments in, and those that every stored visit has fragments in.
('state.fragments_written', '1101'),
-- Version that a rebuild is at work on; empty again where a visit was stored without fragments meanwhile.
('state.fragments_rebuilding', '');

insert into apdb_base.metadata (name, value)
select 'state.fragments_complete', case when exists (select from apdb_base.visit) then '' else '1101' end;

-- As ensure_partitions makes them: fragments are read by object over a year, so their partitions are
-- eight times as wide.
do $$
declare
    v_lower integer;
    v_table text;
begin
    for v_lower, v_table in
        select distinct substring(c.relname from '_p([0-9]+)$')::integer / 240 * 240, p.relname
        from pg_class as c
        cross join pg_class as p
        where
            c.relnamespace = 'apdb_base'::regnamespace and c.relname ~ '^dia_source_p[0-9]+$'
            and p.relnamespace = 'apdb_base'::regnamespace and p.relkind = 'p' and p.relname like '%\_fragment'
        order by 1, 2
    loop
        execute format(
            'create table apdb_base.%I partition of apdb_base.%I for values from (%s) to (%s)'
            ' with (autovacuum_analyze_scale_factor = 0.05)',
            v_table || '_p' || v_lower, v_table, v_lower, v_lower + 240
        );
    end loop;
end
$$;
