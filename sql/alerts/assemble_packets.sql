-- alert packets of a visit, put together from fragments
--
-- contract: the work of assemble_alerts, with the settings given as constants, so that the planner
--   sees through it and may run it in parallel. A packet is Avro without a schema: the public record
--   with null stamps, so that its last three bytes are where stamps go; behind them, in the extended
--   schema, our own fields. DIASources lie in [p_from, midpoint), so the trigger is not among them; forced
--   photometry in [p_from, midpoint], as in real packets, which have that of the trigger's own image; both
--   are ordered by (midpoint, id). Withdrawn rows have no fragments. No DIAObject: no history of either
--   kind, and null for both.
--   Without histories the ids of the earlier sources go along where the schema is the extended one.
-- args:
--   p_visit: visit
--   p_detector: detector
--   p_midpoint [d]: midpoint of the visit, MJD TAI
--   p_from [d]: start of the history, MJD TAI
--   p_registry_id: registry id of the public schema whose fragments are taken
--   p_histories: true to put in earlier DIASources
--   p_extended: true for the extended schema
--   p_left_out: what is left out for lack of time, for the extended schema; or null
--   p_flags: setting alert_flags
--   p_reliability_min: setting alert_reliability_min
--   p_fakes: setting alert_fakes
-- returns: a row for each eligible source of the visit, in the order of the objects: ids and packet
-- errors: none
-- locks: none
-- cost: 0.4 s for 10,000 packets of which 8,000 have 30 + 30 rows of history; streamed
create or replace function apdb.assemble_packets(
    p_visit bigint,
    p_detector smallint,
    p_midpoint double precision,
    p_from double precision,
    p_registry_id smallint,
    p_histories boolean,
    p_extended boolean,
    p_left_out text,
    p_flags text,
    p_reliability_min double precision,
    p_fakes boolean
)
returns table (dia_source_id bigint, dia_object_id bigint, ss_object_id bigint, packet bytea)
language sql stable parallel safe
as $$
    select
        t.dia_source_id,
        t.dia_object_id,
        t.ss_object_id,
        (
            (
                apdb.avro_long(t.dia_source_id) || '\x0000'::bytea || f.head
                || case when t.dia_object_id is null then '\x00'::bytea else '\x02'::bytea || i.object_id end
                || case
                    when t.ss_object_id is null then '\x00'::bytea
                    else '\x02'::bytea || apdb.avro_long(t.ss_object_id)
                end
                || f.tail
                || case
                    when h.n > 0 and p_histories then '\x02'::bytea || apdb.avro_long(h.n)
                    else ''::bytea
                end
            )
            || coalesce(h.items, ''::bytea)
        )
        || (
            (
                case
                    when t.dia_object_id is null then '\x00'::bytea
                    when g.n > 0 then '\x0002'::bytea || apdb.avro_long(g.n)
                    else '\x0002'::bytea
                end
                || coalesce(g.items, ''::bytea)
            )
            || (
                '\x00'::bytea
                || coalesce('\x02'::bytea || o.fragment, '\x00'::bytea)
                || coalesce('\x02'::bytea || s.fragment, '\x00'::bytea)
                || coalesce('\x02'::bytea || m.fragment, '\x00'::bytea)
                || '\x000000'::bytea
                || case
                    when p_extended
                        then
                            apdb.alert_extension(
                                h.ids,
                                p_left_out,
                                (
                                    select x.fragment
                                    from apdb.dia_object_feature_packet as x
                                    where x.dia_object_id = t.dia_object_id
                                ),
                                apdb.neighbour_fields(
                                    t.dia_object_id,
                                    (
                                        select v.store_seq
                                        from apdb.visit as v
                                        where v.visit = p_visit and v.detector = p_detector
                                    )
                                )
                            )
                    else ''::bytea
                end
            )
        )
    -- OFFSET 0 keeps the planner from making one join of all: it would read whole partitions.
    from (
        select d.dia_source_id, d.dia_object_id, d.ss_object_id
        from apdb.dia_source as d
        where
            d.visit = p_visit and d.detector = p_detector and d.midpoint_mjd_tai = p_midpoint
            and apdb.is_eligible(
                d.time_withdrawn_mjd_tai, d.centroid_flag, d.pixel_flags_cr_center, d.pixel_flags_nodata_center,
                d.pixel_flags_interpolated_center, d.pixel_flags_saturated_center, d.pixel_flags_suspect_center,
                d.pixel_flags_streak_center, d.glint_trail, d.pixel_flags_injected_center, d.reliability,
                p_flags, p_reliability_min, p_fakes
            )
        -- As visits write fragments: histories of neighbours lie in the same pages. The sum keeps the planner from
        -- reading them in this order from the index by object, which means to walk through that of a whole partition.
        order by d.dia_object_id + 0
        offset 0
    ) as t
    left join lateral (
        select x.head, x.tail
        from apdb.dia_source_fragment as x
        where
            x.dia_object_id = coalesce(t.dia_object_id, 0) and x.midpoint_mjd_tai = p_midpoint
            and x.dia_source_id = t.dia_source_id and x.registry_id = p_registry_id
        offset 0
    ) as f on true
    left join lateral (
        select x.fragment
        from apdb.dia_object_fragment as x
        where
            x.visit = p_visit and x.detector = p_detector and x.dia_object_id = t.dia_object_id
            and x.midpoint_mjd_tai = p_midpoint and x.registry_id = p_registry_id
        offset 0
    ) as o on true
    left join lateral (
        select x.fragment
        from apdb.ss_source_fragment as x
        where
            x.visit = p_visit and x.detector = p_detector and x.dia_source_id = t.dia_source_id
            and x.midpoint_mjd_tai = p_midpoint and x.registry_id = p_registry_id
            and t.ss_object_id is not null
        offset 0
    ) as s on true
    left join lateral (
        select x.fragment
        from apdb.mpc_orbits_fragment as x
        where
            x.visit = p_visit and x.detector = p_detector and x.ss_object_id = t.ss_object_id
            and x.midpoint_mjd_tai = p_midpoint and x.registry_id = p_registry_id
        offset 0
    ) as m on true
    -- And the bytes of the id from being made anew for each row of the history.
    cross join lateral (
        select b.object_id, '\x02'::bytea || b.object_id || '\x00'::bytea as both_ids
        from (select apdb.avro_long(t.dia_object_id) as object_id offset 0) as b
        offset 0
    ) as i
    cross join lateral (
        select
            count(*) as n,
            case
                when p_histories then string_agg(e.head || i.both_ids || e.tail, ''::bytea)
            end as items,
            case when not p_histories and p_extended then coalesce(array_agg(e.dia_source_id), '{}') end as ids
        from (
            select x.dia_source_id, x.head, x.tail
            from apdb.dia_source_fragment as x
            where
                x.registry_id = p_registry_id
                and x.dia_object_id = t.dia_object_id
                and x.midpoint_mjd_tai >= p_from
                and x.midpoint_mjd_tai < p_midpoint
                and (p_histories or p_extended)
            order by x.midpoint_mjd_tai, x.dia_source_id
        ) as e
    ) as h
    cross join lateral (
        select
            count(*) as n,
            string_agg(e.head || i.object_id || e.tail, ''::bytea) as items
        from (
            select x.head, x.tail
            from apdb.dia_forced_source_fragment as x
            where
                x.registry_id = p_registry_id
                and x.dia_object_id = t.dia_object_id
                and x.midpoint_mjd_tai >= p_from
                and x.midpoint_mjd_tai <= p_midpoint
            order by x.midpoint_mjd_tai, x.dia_forced_source_id
        ) as e
    ) as g
$$;
