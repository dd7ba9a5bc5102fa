-- makes the fragments of forced photometry follow the retirement of objects
--
-- contract: what the heir got a copy of gets a copy of its fragment, with the time of the correction in the
--   place of that of processing; those of the retired objects go. A fragment of forced photometry ends,
--   in every version of the schema, with eight bytes of that time and a zero. After the copies of the
--   rows are made.
-- args:
--   p_store_seq: store_seq of the correction
--   p_now [d]: its knowledge time, MJD TAI
--   p_heir: object that got copies, or null
--   p_retired: ids of the retired objects
-- returns: nothing
-- errors: none
-- locks: row locks on the fragments
-- cost: one index search an object and partition
create or replace function apdb.inherit_fragments(
    p_store_seq bigint, p_now double precision, p_heir bigint, p_retired bigint[]
)
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_time bytea := apdb.avro_double(p_now);
begin
    if p_heir is not null then
        insert into apdb_base.dia_forced_source_fragment (
            dia_object_id, midpoint_mjd_tai, dia_forced_source_id, registry_id, head, tail
        )
        select
            p_heir, f.midpoint_mjd_tai, f.dia_forced_source_id, f.registry_id, f.head,
            overlay(f.tail placing v_time from length(f.tail) - 8 for 8)
        from apdb_base.dia_forced_source_fragment as f
        inner join apdb_base.dia_forced_source as h
            on
                f.midpoint_mjd_tai = h.midpoint_mjd_tai
                and f.dia_forced_source_id = h.dia_forced_source_id
        where
            f.dia_object_id = any(p_retired)
            and h.dia_object_id = p_heir and h.store_seq = p_store_seq
        on conflict (dia_object_id, midpoint_mjd_tai, dia_forced_source_id, registry_id) do nothing;
    end if;
    delete from apdb_base.dia_forced_source_fragment as f
    where f.dia_object_id = any(p_retired);
end
$$;
