-- makes sure that a cone is one: Q3C takes a NaN radius for the whole sky
--
-- contract: true or an error; with constant arguments it runs once, when the query is planned.
-- args:
--   p_ra [deg]: centre
--   p_dec [deg]: centre
--   p_radius [deg]: radius, above 0 and at most 90
-- returns: true
-- errors: VA001 when something is null, NaN or out of range
-- locks: none
-- cost: 1 us
create or replace function apdb.check_cone(
    p_ra double precision, p_dec double precision, p_radius double precision
)
returns boolean
language plpgsql immutable parallel safe cost 1
set search_path = apdb, pg_catalog, pg_temp
as $$
begin
    if (p_ra >= 0.0 and p_ra < 360.0) is not true then
        raise exception 'ra = % is not in [0, 360) degrees', coalesce(p_ra::text, 'null')
        using errcode = 'VA001';
    elsif (p_dec between -90.0 and 90.0) is not true then
        raise exception 'dec = % is not in [-90, 90] degrees', coalesce(p_dec::text, 'null')
        using errcode = 'VA001';
    elsif (p_radius > 0.0 and p_radius <= 90.0) is not true then
        raise exception 'radius = % is not above 0 and at most 90 degrees', coalesce(p_radius::text, 'null')
        using errcode = 'VA001', hint = 'Degrees, not arcsec.';
    end if;
    return true;
end
$$;
