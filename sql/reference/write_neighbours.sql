-- works out the neighbours of some objects as they are now, and makes them their current version
--
-- contract: the objects are current ones, and the caller holds their sky.
-- args:
--   p_dia_object_ids: objects, each once; null for none
--   p_store_seq: step of knowledge of the new versions
--   p_mjd [d]: time to which reference objects are moved, MJD TAI; null for that of each object's last source
--   p_reference_store_seq: last load or drop of a catalogue
-- returns: number of objects
-- errors: none
-- locks: row locks on the versions that end
-- cost: that of match_neighbours, and 8 us an object
create or replace function apdb.write_neighbours(
    p_dia_object_ids bigint[], p_store_seq bigint, p_mjd double precision, p_reference_store_seq bigint
)
returns integer
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set enable_nestloop = off
set jit = off
as $$
declare
    v_known bigint[];
    v_n integer;
begin
    if coalesce(cardinality(p_dia_object_ids), 0) = 0 then
        return 0;
    end if;
    -- New objects have no version yet: what is looked for once is not looked for twice.
    select array_agg(n.dia_object_id) into v_known
    from apdb_base.dia_object_neighbour as n
    where n.dia_object_id = any(p_dia_object_ids) and n.store_seq_end is null;
    if v_known is not null then
        -- A replacement writes objects twice in one step.
        delete from apdb_base.dia_object_neighbour as n
        where n.dia_object_id = any(v_known) and n.store_seq = p_store_seq;
        update apdb_base.dia_object_neighbour as n
        set store_seq_end = p_store_seq
        where n.dia_object_id = any(v_known) and n.store_seq_end is null;
    end if;

    with object as materialized (
        select
            o.dia_object_id, o.ra, o.dec, o.ra_err, o.dec_err, o.ra_dec_cov,
            coalesce(p_mjd, o.last_dia_source_mjd_tai, o.validity_start_mjd_tai) as mjd_tai
        from apdb_base.dia_object as o
        where o.dia_object_id = any(p_dia_object_ids)
    ),

    arrays as (
        select
            array_agg(o.dia_object_id) as ids, array_agg(o.ra) as ra, array_agg(o.dec) as dec,
            array_agg(o.ra_err) as ra_err, array_agg(o.dec_err) as dec_err, array_agg(o.ra_dec_cov) as ra_dec_cov,
            array_agg(o.mjd_tai) as mjd_tai
        from object as o
    ),

    found as materialized (
        select m.*
        from arrays as a
        cross join lateral apdb.match_neighbours(
            a.ids, a.ra, a.dec, a.ra_err, a.dec_err, a.ra_dec_cov, a.mjd_tai,
            apdb.setting('neighbour_radius')::double precision, apdb.setting('neighbour_prior')::double precision,
            apdb.setting('host_separation')
        ) as m
    )

    insert into apdb_base.dia_object_neighbour (
        dia_object_id, store_seq, reference_store_seq, mjd_tai, ra, dec, ra_err, dec_err, nearby_obj,
        nearby_obj_catalogue, nearby_obj_dist, nearby_obj_ln_p, nearby_pot_host, nearby_pot_host_catalogue,
        nearby_pot_host_sep_dist
    )
    select
        o.dia_object_id, p_store_seq, p_reference_store_seq, o.mjd_tai, o.ra, o.dec, o.ra_err, o.dec_err,
        coalesce(f.nearby_obj, array_fill(null::bigint, array[6])),
        coalesce(f.nearby_obj_catalogue, array_fill(null::smallint, array[6])),
        coalesce(f.nearby_obj_dist, array_fill(null::real, array[6])),
        coalesce(f.nearby_obj_ln_p, array_fill(null::real, array[6])),
        coalesce(f.nearby_pot_host, array_fill(null::bigint, array[3])),
        coalesce(f.nearby_pot_host_catalogue, array_fill(null::smallint, array[3])),
        coalesce(f.nearby_pot_host_sep_dist, array_fill(null::real, array[3]))
    from object as o
    left join found as f on o.dia_object_id = f.dia_object_id
    order by o.dia_object_id;
    get diagnostics v_n = row_count;
    return v_n;
end
$$;
