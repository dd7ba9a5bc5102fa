-- makes sure that positions and radius of a crossmatch are such: Q3C takes NaN for the whole sky
--
-- contract: true or an error that names the first position at fault, counted from 0.
-- args:
--   p_ra [deg]: positions
--   p_dec [deg]: positions
--   p_radius [arcsec]: radius, above 0 and at most 3600
-- returns: true
-- errors: VA001 when something is null, NaN or out of range
-- locks: none
-- cost: 0.2 us a position
create or replace function apdb.check_crossmatch(
    p_ra double precision[], p_dec double precision[], p_radius double precision
)
returns boolean
language plpgsql immutable parallel safe
set search_path = apdb, pg_catalog, pg_temp
as $$
declare
    v_bad record;
begin
    if (p_radius > 0.0 and p_radius <= 3600.0) is not true then
        raise exception 'radius = % is not above 0 and at most 3600 arcsec', coalesce(p_radius::text, 'null')
        using errcode = 'VA001', hint = 'Arcsec, not degrees.';
    elsif (cardinality(p_ra) = cardinality(p_dec)) is not true then
        raise exception 'there are % ra and % dec', cardinality(p_ra), cardinality(p_dec) using errcode = 'VA001';
    end if;
    select u.place - 1 as place, u.ra, u.dec into v_bad
    from unnest(p_ra, p_dec) with ordinality as u (ra, dec, place)
    where (u.ra >= 0.0 and u.ra < 360.0 and u.dec between -90.0 and 90.0) is not true
    order by u.place
    limit 1;
    if found then
        raise exception 'position % is no position: ra = %, dec = %',
            v_bad.place, coalesce(v_bad.ra::text, 'null'), coalesce(v_bad.dec::text, 'null')
        using errcode = 'VA001', hint = 'ra in [0, 360), dec in [-90, 90] degrees.';
    end if;
    return true;
end
$$;
