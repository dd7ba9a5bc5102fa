-- the fields that the extended schema has behind the public ones
--
-- contract: prvDiaSourceIds, leftOut, features and neighbours as given, the other fields null, and last how many
--   bytes that is, little-endian: apdb/alerts/versions/extended.yaml.
-- args:
--   p_ids: ids of the earlier DIASources, oldest first; null where they are in the packet themselves
--   p_left_out: what is left out and completed later: stamps or histories; or null
--   p_features: Avro bytes of the features of the object, or null
--   p_neighbours: nearbyObjects and potentialHosts as neighbour_fields has them
-- returns: Avro bytes
-- errors: none
-- locks: none
-- cost: 2 us and 1 us an id
create or replace function apdb.alert_extension(
    p_ids bigint[], p_left_out text, p_features bytea default null, p_neighbours bytea default '\x0000'
)
returns bytea
language sql immutable parallel safe
as $$
    select e.fields || substring(int4send(length(e.fields)) from 4 for 1)
        || substring(int4send(length(e.fields)) from 3 for 1)
        || substring(int4send(length(e.fields)) from 2 for 1)
        || substring(int4send(length(e.fields)) from 1 for 1)
    from (
        select
            case
                when p_ids is null then '\x00'::bytea
                when cardinality(p_ids) = 0 then '\x0200'::bytea
                else
                    '\x02'::bytea || apdb.avro_long(cardinality(p_ids))
                    || (
                        select string_agg(apdb.avro_long(u.id), ''::bytea order by u.place)
                        from unnest(p_ids) with ordinality as u (id, place)
                    )
                    || '\x00'::bytea
            end
            || case
                when p_left_out is null then '\x00'::bytea
                else
                    '\x02'::bytea || apdb.avro_long(octet_length(p_left_out)) || convert_to(p_left_out, 'UTF8')
            end
            || '\x0000'::bytea
            || coalesce('\x02'::bytea || p_features, '\x00'::bytea)
            || p_neighbours as fields
    ) as e
$$;
