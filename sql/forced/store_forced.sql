-- stores the staged forced photometry of earlier visits
--
-- contract: idempotent: the same rows again change nothing and take no place in the order of knowledge. The
--   forced means of an object follow when its next source or correction makes a new version.
--   Locks the objects' sky first, so that no merge or retirement passes it by.
-- args: none
-- returns: store_seq (0 when nothing changed) and number of rows inserted or replaced
-- errors: VA001 for an unknown band; VA004 when another session holds the sky; VA005 when an object
--   does not exist (DETAIL: the ids)
-- locks: advisory (class 17002, cells of the objects), ascending
-- cost: 80 ms for 10,000 rows
create or replace function apdb.store_forced(out store_seq bigint, out n_changed integer)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_unknown text;
    v_now double precision;
begin
    select min(f.band) into v_unknown
    from pg_temp.stage_forced as f
    where not exists (select from apdb_base.band as b where b.filter = f.band);
    if v_unknown is not null then
        raise exception 'unknown band %', quote_literal(v_unknown)
        using errcode = 'VA001', hint = 'apdb db band FILTER BAND makes an instrument''s filter known.';
    end if;
    update pg_temp.stage_forced as f
    set band = b.band
    from apdb_base.band as b
    where b.filter = f.band and b.band <> f.band;

    perform apdb.lock_concerned(
        null, array(select distinct f.dia_object_id from pg_temp.stage_forced as f), null, null, null
    );

    select k.store_seq, k.mjd_tai into store_seq, v_now
    from apdb.next_knowledge('forced', null, null, null) as k;
    n_changed := apdb.insert_forced(store_seq, v_now);
    if n_changed = 0 then
        delete from apdb_base.store_event as e
        where e.store_seq = store_forced.store_seq;
        store_seq := 0;
    end if;
end
$$;
