-- where the observer and the Sun are at a time of a built night
--
-- contract: the polynomials of ephemeris_night, and one turn of the Earth in a sidereal day.
-- args:
--   p_night: the row of the night
--   p_mjd [d]: the time, MJD TAI, in the night
-- returns: barycentric place and velocity of the observer and of the Sun [au, au/d], ICRF
-- errors: none
-- locks: none
-- cost: nothing
create or replace function apdb.observer_of_night(
    p_night apdb_base.ephemeris_night,
    p_mjd double precision,
    out place double precision[],
    out speed double precision[],
    out sun double precision[],
    out sun_speed double precision[]
)
language plpgsql immutable
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    -- IAU 2000: radians a day
    k_spin constant double precision := 2.0 * pi() * 1.00273781191135448;
    s double precision := (p_mjd - p_night.middle_mjd_tai) / p_night.half_width;
    a double precision := k_spin * (p_mjd - p_night.middle_mjd_tai);
    -- the coefficients of a coordinate
    e double precision[];
    t double precision[];
    u double precision[];
begin
    for i in 0..2 loop
        e := p_night.earth[5 * i + 1:5 * i + 5];
        t := p_night.site_turn[3 * i + 1:3 * i + 3];
        u := p_night.sun[3 * i + 1:3 * i + 3];
        place[i + 1] := (((e[1] * s + e[2]) * s + e[3]) * s + e[4]) * s + e[5]
            + t[1] + t[2] * cos(a) + t[3] * sin(a);
        speed[i + 1] := (((4.0 * e[1] * s + 3.0 * e[2]) * s + 2.0 * e[3]) * s + e[4]) / p_night.half_width
            + k_spin * (t[3] * cos(a) - t[2] * sin(a));
        sun[i + 1] := (u[1] * s + u[2]) * s + u[3];
        sun_speed[i + 1] := (2.0 * u[1] * s + u[2]) / p_night.half_width;
    end loop;
end
$$;
