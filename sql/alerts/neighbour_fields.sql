-- neighbours and potential hosts of an object as the extended alert schema has them
--
-- contract: the fields nearbyObjects and potentialHosts, next to each other, as they were known at a step of
--   knowledge; both null where the neighbours had not been worked out.
-- args:
--   p_dia_object_id: object; null for none
--   p_store_seq: the step
-- returns: Avro bytes
-- errors: none
-- locks: none
-- cost: 0.1 ms
create or replace function apdb.neighbour_fields(p_dia_object_id bigint, p_store_seq bigint)
returns bytea
language sql stable parallel safe security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        case
            when count(*) = 0 then '\x0000'::bytea
            else
                '\x02'::bytea
                || coalesce(
                    apdb.avro_long(nullif(count(*) filter (where n.kind <> 'host'), 0))
                    || string_agg(
                        apdb.avro_long(n.reference_object_id) || apdb.avro_long(octet_length(n.catalogue))
                        || convert_to(n.catalogue, 'UTF8')
                        || case when n.kind = 'galaxy' then '\x01'::bytea else '\x00'::bytea end
                        || '\x02'::bytea || apdb.avro_float(n.distance) || '\x02'::bytea || apdb.avro_float(n.ln_p),
                        ''::bytea
                    ) filter (where n.kind <> 'host'),
                    ''::bytea
                )
                || '\x0002'::bytea
                || coalesce(
                    apdb.avro_long(nullif(count(*) filter (where n.kind = 'host'), 0))
                    || string_agg(
                        apdb.avro_long(n.reference_object_id) || apdb.avro_long(octet_length(n.catalogue))
                        || convert_to(n.catalogue, 'UTF8') || '\x02'::bytea || apdb.avro_float(n.separation),
                        ''::bytea
                    ) filter (where n.kind = 'host'),
                    ''::bytea
                )
                || '\x00'::bytea
        end
    from apdb.neighbours_as_of(array[p_dia_object_id], p_store_seq) as n
$$;
