-- features of objects for extended packets, as they were known at a step of knowledge
--
-- contract: the version that was current right after that step; none of an object that was not characterised then.
-- args:
--   p_dia_object_ids: objects
--   p_store_seq: the step
-- returns: Avro bytes of the field features, by object
-- errors: none
-- locks: none
-- cost: one index search an object
create or replace function apdb.feature_packets_as_of(p_dia_object_ids bigint[], p_store_seq bigint)
returns table (dia_object_id bigint, fragment bytea)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select p.dia_object_id, p.fragment
    from apdb_base.dia_object_feature_packet as p
    where
        p.dia_object_id = any(p_dia_object_ids) and p.store_seq <= p_store_seq
        and (p.store_seq_end is null or p.store_seq_end > p_store_seq)
$$;
