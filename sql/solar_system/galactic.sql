-- galactic coordinates of an ICRS position
--
-- contract: the rotation of the Hipparcos catalogue (ESA 1997, vol. 1, eq. 1.5.11).
-- args:
--   p_ra [deg]: right ascension
--   p_dec [deg]: declination
-- returns: longitude in [0, 360) and latitude [deg]
-- errors: none
-- locks: none
-- cost: inlined
create or replace function apdb.galactic(p_ra double precision, p_dec double precision)
returns table (lon double precision, lat double precision)
language sql immutable parallel safe
as $$
    select
        case when degrees(atan2(v.y, v.x)) < 0.0 then degrees(atan2(v.y, v.x)) + 360.0 else degrees(atan2(v.y, v.x)) end,
        degrees(asin(greatest(-1.0, least(1.0, v.z))))
    from (
        select
            -0.0548755604162154 * c.x - 0.8734370902348850 * c.y - 0.4838350155487132 * c.z as x,
            0.4941094278755837 * c.x - 0.4448296299600112 * c.y + 0.7469822444972189 * c.z as y,
            -0.8676661490190047 * c.x - 0.1980763734312015 * c.y + 0.4559837761750669 * c.z as z
        from (
            select
                cos(radians(p_dec)) * cos(radians(p_ra)) as x,
                cos(radians(p_dec)) * sin(radians(p_ra)) as y,
                sin(radians(p_dec)) as z
        ) as c
    ) as v
$$;
