-- HEALPix pixel of a position, nested order
--
-- contract: Górski et al. 2005, ApJ 622, 759, sections 4 and 5: equatorial and polar caps, then the bits of
--   the two coordinates on the face interleaved.
-- args:
--   p_order: nside is 2^order; 0 to 29
--   p_ra [deg]: position
--   p_dec [deg]: position
-- returns: pixel number, 0 to 12 nside^2 - 1
-- errors: VA001 when the order is not in 0 to 29
-- locks: none
-- cost: 5 us
create or replace function apdb.healpix_nest(p_order integer, p_ra double precision, p_dec double precision)
returns bigint
language plpgsql immutable strict parallel safe
as $$
declare
    v_nside bigint := 1::bigint << p_order;
    v_z double precision := sin(radians(p_dec));
    v_t double precision := p_ra / 90.0;
    v_s double precision;
    v_plus bigint;
    v_minus bigint;
    v_x bigint;
    v_y bigint;
    v_face integer;
begin
    if p_order < 0 or p_order > 29 then
        raise exception 'order = % is not in 0 to 29', p_order using errcode = 'VA001';
    end if;
    if abs(v_z) <= 2.0 / 3.0 then
        v_plus := floor(v_nside * (0.5 + v_t - v_z * 0.75));
        v_minus := floor(v_nside * (0.5 + v_t + v_z * 0.75));
        if v_plus / v_nside = v_minus / v_nside then
            v_face := (v_plus / v_nside) % 4 + 4;
        elsif v_plus < v_minus then
            v_face := (v_plus / v_nside) % 4;
        else
            v_face := (v_minus / v_nside) % 4 + 8;
        end if;
        v_x := v_minus % v_nside;
        v_y := v_nside - 1 - v_plus % v_nside;
    else
        -- 1 - |sin dec| without the loss of digits near the pole
        v_s := v_nside * sqrt(6.0) * sin(radians(90.0 - abs(p_dec)) / 2.0);
        v_face := least(3, floor(v_t)::integer);
        v_plus := least(v_nside - 1, floor((v_t - v_face) * v_s)::bigint);
        v_minus := least(v_nside - 1, floor((1.0 - (v_t - v_face)) * v_s)::bigint);
        if v_z > 0.0 then
            v_x := v_nside - 1 - v_minus;
            v_y := v_nside - 1 - v_plus;
        else
            v_face := v_face + 8;
            v_x := v_plus;
            v_y := v_minus;
        end if;
    end if;
    if p_order > 15 then
        v_x := (v_x | (v_x << 16)) & 281470681808895;
        v_y := (v_y | (v_y << 16)) & 281470681808895;
    end if;
    v_x := (v_x | (v_x << 8)) & 71777214294589695;
    v_y := (v_y | (v_y << 8)) & 71777214294589695;
    v_x := (v_x | (v_x << 4)) & 1085102592571150095;
    v_y := (v_y | (v_y << 4)) & 1085102592571150095;
    v_x := (v_x | (v_x << 2)) & 3689348814741910323;
    v_y := (v_y | (v_y << 2)) & 3689348814741910323;
    v_x := (v_x | (v_x << 1)) & 6148914691236517205;
    v_y := (v_y | (v_y << 1)) & 6148914691236517205;
    return v_face * v_nside * v_nside + (v_x | (v_y << 1));
end
$$;
