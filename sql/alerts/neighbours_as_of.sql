-- neighbours and potential hosts of objects as they were known at a step of knowledge, for packets
--
-- contract: an object whose neighbours had been worked out and that had none gives one row of nulls.
-- args:
--   p_dia_object_ids: objects
--   p_store_seq: the step
-- returns: object, kind (star, galaxy or host), reference object, name of its catalogue, distance [arcsec],
--   logarithm of the
--   probability, separation; by object, stars first, then galaxies, then hosts, each in the order of rank
-- errors: none
-- locks: none
-- cost: 20 us an object
create or replace function apdb.neighbours_as_of(p_dia_object_ids bigint[], p_store_seq bigint)
returns table (
    dia_object_id bigint,
    kind text,
    reference_object_id bigint,
    catalogue text,
    distance real,
    ln_p real,
    separation real
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select n.dia_object_id, u.kind, u.reference_object_id, c.name, u.distance, u.ln_p, u.separation
    from apdb_base.dia_object_neighbour as n
    left join lateral (
        select
            case when o.nth <= 3 then 'star' else 'galaxy' end as kind, o.nth, o.reference_object_id, o.catalogue_id,
            o.distance, o.ln_p, null::real as separation
        from unnest(n.nearby_obj, n.nearby_obj_catalogue, n.nearby_obj_dist, n.nearby_obj_ln_p)
            with ordinality as o (reference_object_id, catalogue_id, distance, ln_p, nth)
        where o.reference_object_id is not null
        union all
        select 'host', 6 + h.nth, h.reference_object_id, h.catalogue_id, null, null, h.separation
        from unnest(n.nearby_pot_host, n.nearby_pot_host_catalogue, n.nearby_pot_host_sep_dist)
            with ordinality as h (reference_object_id, catalogue_id, separation, nth)
        where h.reference_object_id is not null
    ) as u on true
    left join apdb_base.reference_catalogue as c on u.catalogue_id = c.catalogue_id
    where
        n.dia_object_id = any(p_dia_object_ids) and n.store_seq <= p_store_seq
        and (n.store_seq_end is null or n.store_seq_end > p_store_seq)
    order by n.dia_object_id, u.nth
$$;
