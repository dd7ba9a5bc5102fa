-- puts the objects that are due to be characterised into the queue
--
-- contract: due is what visits and corrections touched since the last call, up to archive_horizon, has at least
--   features_min_sources DIASources, or features already, and was not characterised since. Visits
--   themselves do nothing for it: the objects are those of their stored reports. An object waits once, however
--   often it was touched. With p_all every object that has enough sources is due.
-- args:
--   p_all: true for all objects
--   p_dia_object_ids: objects that are due in any case, or null
-- returns: number of objects put into the queue
-- errors: VA005 when a given object does not exist; VA004 when another session holds the queue
-- locks: advisory (class 17012, 0) until the transaction ends; one at a time finds out what is due
-- cost: 10 us an object
create or replace function apdb.enqueue_features(p_all boolean default false, p_dia_object_ids bigint[] default null)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_from bigint;
    v_to bigint;
    v_least integer := apdb.setting('features_min_sources');
    v_now double precision := apdb.mjd_tai(clock_timestamp());
    v_unknown bigint[];
    v_count integer;
    v_done integer;
begin
    perform pg_advisory_xact_lock(17012, 0);
    select array_agg(i.id order by i.id) into v_unknown
    from unnest(p_dia_object_ids) as i (id)
    where not exists (select from apdb_base.dia_object as o where o.dia_object_id = i.id);
    if v_unknown is not null then
        raise exception 'there is no DIAObject %', v_unknown[1] using errcode = 'VA005';
    end if;

    select m.value::bigint into v_from
    from apdb_base.metadata as m
    where m.name = 'state.features_store_seq';
    -- In a statement of its own: what is read below must see all that is committed up to there.
    v_to := apdb.archive_horizon();
    -- All objects may be due: no array holds them. Those that another session works on stay: it looks again whether
    -- they were touched meanwhile.
    with due as materialized (
        select d.id
        from (
            select unnest(v.report_dia_object_id) as id
            from apdb_base.visit as v
            where v.store_seq > v_from and v.store_seq <= v_to
            union
            select x.id::bigint
            from apdb_base.correction as c
            cross join lateral jsonb_array_elements_text(
                coalesce(c.details -> 'changed', '[]') || coalesce(c.details -> 'retired', '[]')
                || coalesce(c.details -> 'created', '[]')
            ) as x (id)
            where c.store_seq > v_from and c.store_seq <= v_to
            union
            select o.dia_object_id
            from apdb_base.dia_object as o
            where p_all
        ) as d
        inner join apdb_base.dia_object as o on d.id = o.dia_object_id
        left join apdb_base.dia_object_astrometry as a
            on o.dia_object_id = a.dia_object_id and a.store_seq_end is null
        where
            ((o.n_dia_sources >= v_least and o.validity_end_mjd_tai is null) or a.store_seq is not null)
            and (p_all or a.object_store_seq is distinct from o.store_seq or o.validity_end_mjd_tai is not null)
        union
        select i.id
        from unnest(p_dia_object_ids) as i (id)
    ),

    reset as (
        update apdb_base.feature_queue as q
        set attempts = 0, error = null
        from due as d
        where q.dia_object_id = d.id and q.attempts > 0
    )

    insert into apdb_base.feature_queue (dia_object_id, due_mjd_tai)
    select d.id, v_now
    from due as d
    order by d.id
    on conflict (dia_object_id) do nothing;
    get diagnostics v_count = row_count;
    if not p_all then
        -- Who was at work on an object may have finished since it was found to be due: a new look sees that.
        delete from apdb_base.feature_queue as q
        using apdb_base.dia_object as o, apdb_base.dia_object_astrometry as a
        where
            q.due_mjd_tai = v_now and q.dia_object_id = o.dia_object_id and q.dia_object_id = a.dia_object_id
            and a.store_seq_end is null and a.object_store_seq = o.store_seq and o.validity_end_mjd_tai is null
            and not q.dia_object_id = any(coalesce(p_dia_object_ids, '{}'));
        get diagnostics v_done = row_count;
        v_count := v_count - v_done;
    end if;
    update apdb_base.metadata as m
    set value = greatest(v_from, v_to)::text
    where m.name = 'state.features_store_seq';
    return v_count;
end
$$;
