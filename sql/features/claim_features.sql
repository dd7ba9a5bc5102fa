-- takes objects from the queue and stages the points that they are characterised by
--
-- contract: others pass over what is taken; it goes back when the transaction ends without store_features, also
--   when the client dies. Fills stage_due and stage_point: all sources of the objects that are not withdrawn, as
--   of the version of the object in stage_due.
--   Objects that failed three times are not taken until new points come.
-- args:
--   p_n: how many objects at most
--   p_dia_object_ids: only these, or null
-- returns: number of objects taken
-- errors: none
-- locks: row locks on the queue, until the transaction ends
-- cost: 1 ms and 4 us a point
create or replace function apdb.claim_features(p_n integer, p_dia_object_ids bigint[] default null)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_days double precision := coalesce(
        nullif(apdb.setting('features_history_days')::double precision, 0.0),
        apdb.setting('history_days')::double precision
    );
    v_count integer;
    v_from double precision;
    v_to double precision;
begin
    perform apdb.open_stage(null);
    perform apdb.open_feature_stage();
    insert into pg_temp.stage_due (dia_object_id)
    select q.dia_object_id
    from apdb_base.feature_queue as q
    where q.attempts < 3 and (p_dia_object_ids is null or q.dia_object_id = any(p_dia_object_ids))
    order by q.due_mjd_tai, q.dia_object_id
    limit p_n
    for update skip locked;
    get diagnostics v_count = row_count;
    if v_count = 0 then
        return 0;
    end if;

    loop
        -- The version before the points and after them: it is the same, or the points are read again.
        update pg_temp.stage_due as d
        set
            object_store_seq = o.store_seq,
            object_store_seq_end = o.store_seq_end,
            first_mjd_tai = o.first_dia_source_mjd_tai,
            last_mjd_tai = o.last_dia_source_mjd_tai,
            is_staged = false
        from apdb_base.dia_object as o
        where
            d.dia_object_id = o.dia_object_id
            and (o.store_seq, o.store_seq_end) is distinct from (d.object_store_seq, d.object_store_seq_end);
        exit when not exists (select from pg_temp.stage_due as d where not d.is_staged);

        analyze pg_temp.stage_due;
        delete from pg_temp.stage_point as p
        using pg_temp.stage_due as d
        where p.dia_object_id = d.dia_object_id and not d.is_staged;
        select min(d.first_mjd_tai), max(d.last_mjd_tai) into v_from, v_to
        from pg_temp.stage_due as d
        where d.object_store_seq_end is null and not d.is_staged;
        insert into pg_temp.stage_point (
            dia_object_id, dia_source_id, band, midpoint_mjd_tai, ra, dec, ra_err, dec_err, ra_dec_cov,
            psf_flux, psf_flux_err, science_flux, in_light_curve
        )
        select
            s.dia_object_id, s.dia_source_id, s.band, s.midpoint_mjd_tai, s.ra, s.dec, s.ra_err, s.dec_err,
            s.ra_dec_cov, s.psf_flux, s.psf_flux_err, s.science_flux, s.midpoint_mjd_tai >= d.last_mjd_tai - v_days
        from pg_temp.stage_due as d
        inner join apdb_base.dia_source as s on d.dia_object_id = s.dia_object_id
        where
            s.dia_object_id = any(array(select i.dia_object_id from pg_temp.stage_due as i where not i.is_staged))
            and d.object_store_seq_end is null
            and s.midpoint_mjd_tai between v_from and v_to
            and s.time_withdrawn_mjd_tai is null
        -- as they are read, twice: what is in order already is sorted in no time
        order by s.dia_object_id, s.band, s.midpoint_mjd_tai, s.dia_source_id;
        update pg_temp.stage_due as d
        set is_staged = true
        where not d.is_staged;
    end loop;
    analyze pg_temp.stage_point;
    return v_count;
end
$$;
