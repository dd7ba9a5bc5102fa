-- one of the sums that the position of a DIAObject is made of, over all bands
--
-- contract: bands without sources, and sums that no source could add to, are left out.
-- args:
--   p_u: u_place of the object
--   p_g: g_place
--   p_r: r_place
--   p_i: i_place
--   p_z: z_place
--   p_y: y_place
--   p_k: which sum, its number in these arrays
-- returns: the sum, null if no band has it
-- errors: none
-- locks: none
-- cost: inlined
create or replace function apdb.sum_of_places(
    p_u double precision[],
    p_g double precision[],
    p_r double precision[],
    p_i double precision[],
    p_z double precision[],
    p_y double precision[],
    p_k integer
)
returns double precision
language sql immutable parallel safe
as $$
    select
        case
            when coalesce(p_u[p_k], p_g[p_k], p_r[p_k], p_i[p_k], p_z[p_k], p_y[p_k]) is not null
                then
                    coalesce(p_u[p_k], 0.0) + coalesce(p_g[p_k], 0.0) + coalesce(p_r[p_k], 0.0)
                    + coalesce(p_i[p_k], 0.0) + coalesce(p_z[p_k], 0.0) + coalesce(p_y[p_k], 0.0)
        end
$$;
