-- which settings there are, and which values each may have
--
-- contract: the one table of this kind: set_setting checks against it, `apdb db settings` shows it,
--   and a test holds it against the rows that the migrations make.
-- args: none
-- returns: name, type, lowest and highest value and whether the lowest itself is excluded, or the
--   choices (of a list: any of them, joined by commas); unit and meaning
-- errors: none
-- locks: none
-- cost: nothing
create or replace function apdb.setting_rules()
returns table (
    name text,
    type text,
    lowest double precision,
    highest double precision,
    above_lowest boolean,
    choices text[],
    unit text,
    meaning text
)
language sql immutable
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    values
    (
        'association_rule', 'choice', null::double precision, null::double precision, false,
        array['nearest', 'likelihood'], null, 'how DIASources find their DIAObjects, where a call does not say'
    ),
    (
        'association_radius', 'number', 0.0, 60.0, true, null, 'arcsec',
        'farthest that a DIASource may lie from its DIAObject, where a call does not say'
    ),
    (
        'duplicate_radius', 'number', 0.0, 1.0, false, null, 'arcsec',
        'sources of one visit this close to each other are one detection delivered twice'
    ),
    (
        'reliability_min', 'number', 0.0, 1.0, false, null, null,
        'sources of lower reliability start no DIAObject'
    ),
    (
        'history_days', 'number', 0.0, 36525.0, true, null, 'd',
        'how far back summaries and forced photometry look'
    ),
    (
        'max_new_objects', 'integer', 0.0, 1e9, false, null, null,
        'a visit that would start more DIAObjects is refused'
    ),
    (
        'ss_radius', 'number', 0.0, 60.0, true, null, 'arcsec',
        'farthest that a DIASource may lie from the predicted position of its SSObject'
    ),
    (
        'ephemeris_max_dt', 'number', 0.0, 30.0, true, null, 'd',
        'ephemeris rows farther away in time are not used'
    ),
    (
        'ephemeris_margin', 'number', 0.0, 30.0, false, null, 'deg',
        'farthest that an SSObject may have moved since its ephemeris row'
    ),
    (
        'forced_min_sources', 'integer', 1.0, 32767.0, false, null, null,
        'DIAObjects with fewer DIASources get no forced photometry, but for new ones'
    ),
    (
        'forced_days', 'number', 0.0, 36525.0, false, null, 'd',
        'DIAObjects without a DIASource for longer get no forced photometry; 0: as history_days'
    ),
    (
        'forced_new', 'choice', null, null, false, array['true', 'false'], null,
        'whether the DIAObjects that a visit starts get forced photometry on it'
    ),
    (
        'precovery_days', 'number', 0.0, 3650.0, false, null, 'd',
        'how far back new DIAObjects are measured on earlier difference images; 0: not at all'
    ),
    (
        'precovery_keep_days', 'number', 0.0, 36525.0, false, null, 'd',
        'how long requests of precovery that were done are remembered'
    ),
    (
        'site_longitude', 'number', -360.0, 360.0, false, null, 'deg',
        'longitude of the observatory, east positive, which says when a night begins'
    ),
    (
        'neighbour_radius', 'number', 0.0, 300.0, true, null, 'arcsec',
        'farthest that a neighbour or potential host of a DIAObject may be'
    ),
    (
        'neighbour_prior', 'number', 0.0, 0.999999, true, null, null,
        'prior probability that a DIAObject is one of the reference objects within neighbour_radius'
    ),
    (
        'host_separation', 'choice', null, null, false, array['moments', 'effective_radius'], null,
        'what separations from potential hosts are measured in'
    ),
    (
        'partitions_ahead_days', 'integer', 0.0, 3650.0, false, null, 'd',
        'how far ahead of the night partitions are made'
    ),
    (
        'archive_url', 'text', null, null, false, null, null,
        'folder or fsspec URL of the alert archive; empty: no alerts are made'
    ),
    (
        'archive_codec', 'choice', null, null, false, array['zstd', 'deflate', 'null'], null,
        'compression of new archive files'
    ),
    (
        'alert_schema_version', 'choice', null, null, false, array['10.0', '11.0', '11.1'], null,
        'version of the public alert schema that packets follow; changed by apdb alerts rebuild-fragments'
    ),
    (
        'alert_namespace', 'text', null, null, false, null, null,
        'name of the survey in the names of alert records'
    ),
    (
        'alert_history_days', 'number', 0.0, 36525.0, false, null, 'd',
        'how far back the history in a packet goes; 0: as history_days'
    ),
    (
        'alert_reliability_min', 'number', 0.0, 1.0, false, null, null,
        'sources of lower reliability yield no alert; 0: no cut'
    ),
    (
        'alert_flags', 'list', null, null, false,
        array[
            'centroid_flag', 'pixel_flags_cr_center', 'pixel_flags_nodata_center',
            'pixel_flags_interpolated_center', 'pixel_flags_saturated_center', 'pixel_flags_suspect_center',
            'pixel_flags_streak_center', 'glint_trail'
        ],
        null, 'flags of a source that keep it from yielding an alert'
    ),
    (
        'alert_fakes', 'choice', null, null, false, array['false', 'true'], null,
        'whether injected (fake) sources yield alerts: true in runs that are meant for them'
    ),
    (
        'alert_max_with_stamps', 'integer', 0.0, 1e9, false, null, null,
        'a visit with more alerts is archived without stamps at first'
    ),
    (
        'alert_max_with_histories', 'integer', 0.0, 1e9, false, null, null,
        'a visit with more alerts is archived without DIASource histories at first'
    ),
    (
        'alert_seconds_with_stamps', 'number', 0.0, 1e6, false, null, 's',
        'a visit that took longer until its packets are made is archived without stamps at first'
    ),
    (
        'alert_seconds_with_histories', 'number', 0.0, 1e6, false, null, 's',
        'a visit that took longer until its packets are made is archived without DIASource histories at first'
    ),
    (
        'archive_keep_packets_days', 'number', 0.0, 1e6, false, null, 'd',
        'packets of sealed nights are removed from the archive after so long; 0: never'
    ),
    (
        'archive_keep_stamps_days', 'number', 0.0, 1e6, false, null, 'd',
        'stamps of sealed nights are removed from the archive after so long; 0: never'
    ),
    (
        'archive_keep_superseded_days', 'number', 0.0, 1e6, false, null, 'd',
        'files without any current alert are removed from the archive after so long; 0: never'
    ),
    (
        'archive_seal_after_days', 'number', 0.0, 3650.0, false, null, 'd',
        'how long after its end apdb maintain seals a night'
    ),
    (
        'api_audit_keep_days', 'number', 0.0, 1e6, false, null, 'd',
        'requests to the alert service are forgotten after so long; 0: never'
    ),
    (
        'image_url', 'text', null, null, false, null, null,
        'folder or fsspec URL of the image store; empty: images are not kept'
    ),
    (
        'image_keep_days', 'number', 30.0, 1e6, false, null, 'd',
        'images and their catalogues, and templates after they were retired, are removed after so long'
    ),
    (
        'features_history_days', 'number', 0.0, 36525.0, false, null, 'd',
        'how far back the light curves go that objects are characterised by; 0: as history_days'
    ),
    (
        'features_min_sources', 'integer', 1.0, 32767.0, false, null, null,
        'DIAObjects with fewer DIASources are not characterised'
    ),
    (
        'features_frequency_min', 'number', 0.0, 1e6, false, null, '1/d',
        'lowest frequency that periods are searched at; 0: one over the length of the light curve'
    ),
    (
        'features_frequency_max', 'number', 0.0, 1e3, true, null, '1/d',
        'highest frequency that periods are searched at'
    ),
    (
        'features_oversampling', 'number', 1.0, 100.0, false, null, null,
        'steps of the grid of frequencies to one over the length of the light curve, at least'
    ),
    (
        'features_position_floor', 'number', 0.0, 10.0, false, null, 'arcsec',
        'error of all positions that their own errors do not know of, for proper motion and parallax'
    )
$$;
