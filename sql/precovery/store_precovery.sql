-- stores the staged forced photometry of precovery
--
-- contract: as store_forced, but the rows of objects that were retired while they were measured, or whose request
--   is no longer the one that was taken, are dropped. finish_precovery follows in the same transaction.
-- args:
--   p_dia_object_ids: objects whose requests are held
--   p_attempts: number of the attempt of each, as claim_precovery said
-- returns: store_seq (0 when nothing changed) and number of rows inserted or replaced
-- errors: VA004 when another session holds the sky; VA001 and VA005 as store_forced
-- locks: advisory (class 17002, cells of the objects), ascending; then row locks on the requests
-- cost: that of store_forced
create or replace function apdb.store_precovery(
    p_dia_object_ids bigint[],
    p_attempts integer[],
    out store_seq bigint,
    out n_changed integer
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_still bigint[];
begin
    perform apdb.lock_concerned(
        null, array(select distinct f.dia_object_id from pg_temp.stage_forced as f), null, null, null
    );
    v_still := apdb.lock_precovery(p_dia_object_ids, p_attempts);
    delete from pg_temp.stage_forced as f
    where
        f.dia_object_id <> all(v_still)
        or exists (
            select from apdb_base.dia_object as o
            where o.dia_object_id = f.dia_object_id and o.validity_end_mjd_tai is not null
        );
    select s.store_seq, s.n_changed into store_seq, n_changed
    from apdb.store_forced() as s;
end
$$;
