-- names of the sums that a position is made of, without the band in front
--
-- contract: as in dia_object_place behind the band, and in stage_band.
-- args: none
-- returns: names
-- errors: none
-- locks: none
-- cost: a constant
create or replace function apdb.place_sums()
returns text[]
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select array['weight', 'x', 'y', 'z', 'n_err', 'ra_var', 'dec_var', 'cov']
$$;
