-- DIAObjects as they were known at a time: the versions that were current then
--
-- contract: knowledge time, when a version was made, not when the sky was observed. Objects that were
--   retired since are there as they were. Found by where an object is now, or by a correction that
--   touched it since: positions move by less than 60 arcsec without one.
-- args:
--   p_ra [deg]: centre
--   p_dec [deg]: centre
--   p_radius [deg]: radius, above 0 and at most 90
--   p_mjd_tai [d]: knowledge time, MJD TAI; or null
--   p_store_seq: last step of knowledge, included; or null
-- returns: whole rows; validity_end_mjd_tai and store_seq_end are as known today
-- errors: VA001 when the cone is out of range, or not one of time and store_seq is given
-- locks: none
-- cost: 20 us for each object of the cone, and a scan of reassignment
create or replace function apdb.objects_at(
    p_ra double precision,
    p_dec double precision,
    p_radius double precision,
    p_mjd_tai double precision default null,
    p_store_seq bigint default null
)
returns setof apdb.dia_object
language plpgsql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    perform apdb.check_cone(p_ra, p_dec, p_radius);
    if num_nonnulls(p_mjd_tai, p_store_seq) <> 1 or p_mjd_tai = 'NaN' then
        raise exception 'give a time (MJD TAI) or a store_seq, one of them' using errcode = 'VA001';
    end if;
    return query
    with found as (
        select o.dia_object_id
        from apdb_base.dia_object as o
        where q3c_join(p_ra, p_dec, o.ra, o.dec, p_radius + 60.0 / 3600.0)
        union
        select unnest(array[r.old_dia_object_id, r.new_dia_object_id])
        from apdb_base.reassignment as r
        where r.store_seq > p_store_seq or p_store_seq is null
    )

    select o.*
    from found as f
    inner join apdb_base.dia_object as o on f.dia_object_id = o.dia_object_id
    where
        q3c_dist(o.ra, o.dec, p_ra, p_dec) <= p_radius
        and (o.validity_start_mjd_tai <= p_mjd_tai or o.store_seq <= p_store_seq)
        and (
            o.validity_end_mjd_tai is null or o.validity_end_mjd_tai > p_mjd_tai or o.store_seq_end > p_store_seq
        )
    union all
    select v.*
    from found as f
    inner join apdb_base.dia_object_version as v on f.dia_object_id = v.dia_object_id
    where
        q3c_dist(v.ra, v.dec, p_ra, p_dec) <= p_radius
        and (v.validity_start_mjd_tai <= p_mjd_tai or v.store_seq <= p_store_seq)
        and (v.validity_end_mjd_tai > p_mjd_tai or v.store_seq_end > p_store_seq);
end
$$;
