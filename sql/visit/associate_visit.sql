-- associates the staged sources: solar system first, then DIAObjects, then their new summaries
--
-- contract: writes to the stage only; commit_visit makes it lasting. The caller has locked the visit
--   and the sky.
-- args:
--   p_mjd [d]: midpoint of the visit, MJD TAI
--   p_ra [deg]: centre of the visit
--   p_dec [deg]: centre of the visit
--   p_visit_radius [deg]: radius of the visit
--   p_rule: nearest or likelihood
--   p_radius [arcsec]: association radius
-- returns: milliseconds per step, and 1 under ephemerides_missing when no ephemeris is near
-- errors: VA006 when ids are stored under another visit (in DETAIL: the ids); VA001; VA007
-- locks: none of its own
-- cost: 0.5 s for 10,000 sources of which 8,000 match objects with 30 rows of history
create or replace function apdb.associate_visit(
    p_mjd double precision,
    p_ra double precision,
    p_dec double precision,
    p_visit_radius double precision,
    p_rule text,
    p_radius double precision
)
returns jsonb
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_start timestamptz := clock_timestamp();
    v_many boolean := current_setting('plan_cache_mode') <> 'force_generic_plan';
    v_timings jsonb := '{}';
    v_attributed integer;
    v_since bigint;
    v_band integer;
begin
    if v_many then
        analyze pg_temp.stage_source (dia_source_id, ra, dec);
    end if;

    perform apdb.refuse_stored_ids();
    perform apdb.start_matches();
    v_timings := v_timings || jsonb_build_object('prepare', apdb.ms_since(v_start));
    v_start := clock_timestamp();

    v_attributed := apdb.attribute_ss_objects(p_mjd, p_ra, p_dec, p_visit_radius);
    v_timings := v_timings || jsonb_build_object(
        'solar_system', apdb.ms_since(v_start), 'ephemerides_missing', (v_attributed is null)::integer
    );
    v_start := clock_timestamp();

    perform apdb.match_dia_objects(p_rule, p_radius);
    v_timings := v_timings || jsonb_build_object('associate', apdb.ms_since(v_start));
    v_start := clock_timestamp();

    -- Versions from before the length of the history was changed, or from before the sums of places were kept,
    -- give nothing.
    select coalesce(max(m.value::bigint), 0) into v_since
    from apdb_base.metadata as m
    where m.name in ('state.history_days_store_seq', 'state.places_store_seq');
    -- A visit has one band.
    select 1 << (strpos('ugrizy', s.band) - 1) into v_band
    from pg_temp.stage_source as s
    limit 1;
    insert into pg_temp.stage_touched (
        dia_object_id, exists_already, is_new, n_dia_sources, first_mjd_tai, last_mjd_tai, old_first_mjd_tai,
        old_last_mjd_tai, known_mjd_tai, has_place, stale_bands
    )
    select
        a.dia_object_id,
        o.dia_object_id is not null,
        o.dia_object_id is null or o.validity_end_mjd_tai is not null,
        -- A retired object keeps its last version, but its sources are gone.
        case when o.validity_end_mjd_tai is null then coalesce(o.n_dia_sources, 0) else 0 end + a.n_added,
        least(case when o.validity_end_mjd_tai is null then o.first_dia_source_mjd_tai end, p_mjd),
        greatest(case when o.validity_end_mjd_tai is null then o.last_dia_source_mjd_tai end, p_mjd),
        o.first_dia_source_mjd_tai,
        o.last_dia_source_mjd_tai,
        greatest(o.validity_start_mjd_tai, o.validity_end_mjd_tai),
        coalesce(o.store_seq > v_since, false),
        case
            when o.dia_object_id is null or (o.validity_end_mjd_tai is null and o.store_seq > v_since) then v_band
            else 63
        end
    from (
        select m.dia_object_id, count(*)::integer as n_added
        from pg_temp.stage_match as m
        where m.dia_object_id is not null
        group by m.dia_object_id
    ) as a
    left join apdb_base.dia_object as o on a.dia_object_id = o.dia_object_id;
    -- Few rows keep the plans they have; without statistics many rows get a plan a hundred times slower.
    if v_many then
        analyze pg_temp.stage_touched (dia_object_id, exists_already, stale_bands);
    end if;
    perform apdb.mark_expired_bands();
    perform apdb.summarise_objects();
    return v_timings || jsonb_build_object('summarise', apdb.ms_since(v_start));
end
$$;
