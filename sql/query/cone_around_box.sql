-- the cone around a box of right ascension and declination
--
-- contract: about the middle of the box; the corner of the poleward or equatorward edge is the farthest
--   point as long as the box is at most 180 deg wide, a wider one gets the whole sky. Made larger by a
--   part in 10^9 and by 1e-9 deg, so that rounding loses no row.
-- args:
--   p_ra_min [deg]: western bound, 0 to 360
--   p_ra_max [deg]: eastern bound, 0 to 360; less than p_ra_min over RA 0
--   p_dec_min [deg]: southern bound
--   p_dec_max [deg]: northern bound
-- returns: ra, dec, radius [deg]
-- errors: VA001 when a bound is out of range or NaN, or p_dec_min > p_dec_max
-- locks: none
-- cost: 3 us
create or replace function apdb.cone_around_box(
    p_ra_min double precision, p_ra_max double precision, p_dec_min double precision, p_dec_max double precision
)
returns double precision[]
language plpgsql immutable parallel safe cost 1
set search_path = apdb, pg_catalog, pg_temp
as $$
declare
    v_half_width double precision;
    v_ra double precision;
    v_dec double precision := (p_dec_min + p_dec_max) / 2.0;
    v_radius double precision := 180.0;
begin
    if (p_ra_min between 0.0 and 360.0 and p_ra_max between 0.0 and 360.0) is not true then
        raise exception 'ra = %, % are not in [0, 360] degrees',
            coalesce(p_ra_min::text, 'null'), coalesce(p_ra_max::text, 'null')
        using errcode = 'VA001', hint = 'A box over RA 0 has ra_min > ra_max.';
    elsif (p_dec_min between -90.0 and 90.0 and p_dec_max between -90.0 and 90.0 and p_dec_min <= p_dec_max)
        is not true
    then
        raise exception 'dec = %, % are not ascending in [-90, 90] degrees',
            coalesce(p_dec_min::text, 'null'), coalesce(p_dec_max::text, 'null')
        using errcode = 'VA001';
    end if;
    v_half_width := (p_ra_max - p_ra_min + case when p_ra_min > p_ra_max then 360.0 else 0.0 end) / 2.0;
    v_ra := p_ra_min + v_half_width;
    if v_ra >= 360.0 then
        v_ra := v_ra - 360.0;
    end if;
    if v_half_width <= 90.0 then
        -- Haversines: the arc cosine loses small angles.
        select degrees(2.0 * asin(sqrt(least(1.0, max(
            power(sin(radians(c.dec - v_dec) / 2.0), 2)
            + cos(radians(v_dec)) * cos(radians(c.dec)) * power(sin(radians(v_half_width) / 2.0), 2)
        ))))) into v_radius
        from (values (p_dec_min), (p_dec_max)) as c (dec);
    end if;
    return array[v_ra, v_dec, least(180.0, v_radius * (1.0 + 1e-9) + 1e-9)];
end
$$;
