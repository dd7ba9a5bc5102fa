-- makes rows for solar-system objects that are seen for the first time
--
-- contract: those that have a row are left alone. The designation is that of the ephemeris or the orbit.
-- args:
--   p_ids: ss_object_ids
-- returns: nothing
-- errors: none
-- locks: none
-- cost: two index searches an object
create or replace function apdb.ensure_ss_objects(p_ids bigint[])
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    insert into apdb_base.ss_object (
        ss_object_id, designation, n_obs, arc, u_n_obs, g_n_obs, r_n_obs, i_n_obs, z_n_obs, y_n_obs,
        u_n_obs_used, g_n_obs_used, r_n_obs_used, i_n_obs_used, z_n_obs_used, y_n_obs_used
    )
    select
        n.ss_object_id,
        coalesce(
            (
                select e.designation
                from apdb_base.ephemeris as e
                where e.ss_object_id = n.ss_object_id
                order by e.mjd_tai desc
                limit 1
            ),
            (select o.designation from apdb_base.orbit as o where o.ss_object_id = n.ss_object_id)
        ),
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from (select distinct u.id as ss_object_id from unnest(p_ids) as u (id)) as n
    order by n.ss_object_id
    on conflict (ss_object_id) do nothing;
end
$$;
