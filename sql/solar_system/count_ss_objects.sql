-- puts the counters of solar-system objects right
--
-- contract: number of observations (all and per band), first observation and arc, from dia_source: withdrawn
--   rows do not count. Corrections call it for objects that lose sources too.
-- args:
--   p_ids: ss_object_ids
-- returns: nothing
-- errors: none
-- locks: row locks on the ss_object rows, in id order
-- cost: one index search an object and partition
create or replace function apdb.count_ss_objects(p_ids bigint[])
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    perform 1
    from apdb_base.ss_object as o
    where o.ss_object_id = any(p_ids)
    order by o.ss_object_id
    for no key update;

    update apdb_base.ss_object as o
    set
        n_obs = c.n,
        arc = coalesce(c.last_mjd - c.first_mjd, 0),
        first_observation_mjd_tai = c.first_mjd,
        u_n_obs = c.n_u, g_n_obs = c.n_g, r_n_obs = c.n_r, i_n_obs = c.n_i, z_n_obs = c.n_z, y_n_obs = c.n_y
    from (
        select
            i.ss_object_id,
            count(d.dia_source_id) as n,
            min(d.midpoint_mjd_tai) as first_mjd,
            max(d.midpoint_mjd_tai) as last_mjd,
            count(*) filter (where d.band = 'u') as n_u,
            count(*) filter (where d.band = 'g') as n_g,
            count(*) filter (where d.band = 'r') as n_r,
            count(*) filter (where d.band = 'i') as n_i,
            count(*) filter (where d.band = 'z') as n_z,
            count(*) filter (where d.band = 'y') as n_y
        from unnest(p_ids) as i (ss_object_id)
        left join apdb_base.dia_source as d
            on i.ss_object_id = d.ss_object_id and d.time_withdrawn_mjd_tai is null
        group by i.ss_object_id
    ) as c
    where o.ss_object_id = c.ss_object_id;
end
$$;
