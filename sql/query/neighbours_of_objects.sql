-- the neighbours and potential hosts of objects, one a row
--
-- contract: as they are now; an object whose neighbours were never worked out gives no row. Kinds are star, galaxy
--   and host, ranked from 1. The catalogue may have been dropped since.
-- args:
--   p_dia_object_ids: objects
-- returns: object, kind, rank, catalogue with its release, reference object, its distance [arcsec] and the
--   logarithm of the
--   probability that it is the object (null for hosts), separation in units of its size (null but for hosts), and
--   the time
--   to which it was moved [d], MJD TAI; in the order of object, kind and rank
-- errors: none
-- locks: none
-- cost: 20 us an object
create or replace function apdb.neighbours_of_objects(p_dia_object_ids bigint[])
returns table (
    dia_object_id bigint,
    kind text,
    rank integer,
    catalogue text,
    release text,
    reference_object_id bigint,
    distance real,
    ln_p real,
    separation real,
    mjd_tai double precision
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        n.dia_object_id, u.kind, u.rank::integer, c.name, c.release, u.reference_object_id, u.distance, u.ln_p,
        u.separation, n.mjd_tai
    from apdb_base.dia_object_neighbour as n
    cross join lateral (
        select
            case when o.nth <= 3 then 'star' else 'galaxy' end as kind, (o.nth - 1) % 3 + 1 as rank,
            o.reference_object_id, o.catalogue_id, o.distance, o.ln_p, null::real as separation
        from unnest(n.nearby_obj, n.nearby_obj_catalogue, n.nearby_obj_dist, n.nearby_obj_ln_p)
            with ordinality as o (reference_object_id, catalogue_id, distance, ln_p, nth)
        union all
        select 'host', h.nth, h.reference_object_id, h.catalogue_id, null, null, h.separation
        from unnest(n.nearby_pot_host, n.nearby_pot_host_catalogue, n.nearby_pot_host_sep_dist)
            with ordinality as h (reference_object_id, catalogue_id, separation, nth)
    ) as u
    inner join apdb_base.reference_catalogue as c on u.catalogue_id = c.catalogue_id
    where n.dia_object_id = any(p_dia_object_ids) and n.store_seq_end is null and u.reference_object_id is not null
    order by n.dia_object_id, array_position(array['star', 'galaxy', 'host'], u.kind), u.rank
$$;
