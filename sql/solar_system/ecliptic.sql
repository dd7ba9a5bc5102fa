-- ecliptic coordinates of an ICRS position
--
-- contract: rotation by the mean obliquity of J2000, 84381.448 arcsec (IAU 1976).
-- args:
--   p_ra [deg]: right ascension
--   p_dec [deg]: declination
-- returns: longitude in [0, 360) and latitude [deg]
-- errors: none
-- locks: none
-- cost: inlined
create or replace function apdb.ecliptic(p_ra double precision, p_dec double precision)
returns table (lon double precision, lat double precision)
language sql immutable parallel safe
as $$
    select
        case when degrees(atan2(v.y, v.x)) < 0.0 then degrees(atan2(v.y, v.x)) + 360.0 else degrees(atan2(v.y, v.x)) end,
        degrees(asin(greatest(-1.0, least(1.0, v.z))))
    from (
        select
            cos(radians(p_dec)) * cos(radians(p_ra)) as x,
            cos(radians(p_dec)) * sin(radians(p_ra)) * cos(radians(84381.448 / 3600.0))
            + sin(radians(p_dec)) * sin(radians(84381.448 / 3600.0)) as y,
            sin(radians(p_dec)) * cos(radians(84381.448 / 3600.0))
            - cos(radians(p_dec)) * sin(radians(p_ra)) * sin(radians(84381.448 / 3600.0)) as z
    ) as v
$$;
