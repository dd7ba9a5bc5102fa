-- What a catalogue file cannot say: intervals, sequences, storage, rights, first rows.

create type apdb_base.mjd_range as range (subtype = double precision, subtype_diff = float8mi);

-- An object has one version at any time of knowledge.
alter table apdb_base.dia_object_version
add constraint dia_object_version_no_overlap exclude using gist (
    dia_object_id with =,
    apdb_base.mjd_range(validity_start_mjd_tai, validity_end_mjd_tai) with &&
);

create sequence apdb_base.store_seq;
create sequence apdb_base.dia_forced_source_id minvalue 1;
-- Ids of objects whose source's id is taken by a living object; no survey numbers its sources there.
create sequence apdb_base.spare_dia_object_id minvalue 4611686018427387904 start 4611686018427387904;

grant usage on schema apdb to apdb_writer, apdb_reader, apdb_broker;
revoke all on schema apdb_base from public;

insert into apdb_base.metadata (name, value) values
('setting.association_rule', 'nearest'),
('setting.association_radius', '1.0'),
('setting.duplicate_radius', '0.05'),
('setting.reliability_min', '0.1'),
('setting.history_days', '365'),
('setting.max_new_objects', '100000'),
('setting.ss_radius', '1.0'),
('setting.ephemeris_max_dt', '0.5'),
('setting.ephemeris_margin', '1.0'),
('setting.forced_min_sources', '2'),
('setting.site_longitude', '0.0'),
('setting.partitions_ahead_days', '60');

insert into apdb_base.band (filter, band, description) values
('u', 'u', 'survey band u'),
('g', 'g', 'survey band g'),
('r', 'r', 'survey band r'),
('i', 'i', 'survey band i'),
('z', 'z', 'survey band z'),
('y', 'y', 'survey band y');
