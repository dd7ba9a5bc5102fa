-- the mean of fluxes, reweighted so that outliers count less
--
-- contract: Stetson (1996): weights 1 / (err^2 (1 + (|delta| / 2)^2)), delta = sqrt(n / (n - 1)) (flux - mean) / err,
--   from the weighted mean on until it moves by less than 1e-6 both absolutely and of itself, at most 20 times.
--   All values must be finite, errors above 0.
-- args:
--   p_flux [nJy]: fluxes
--   p_err [nJy]: their errors
-- returns: the mean [nJy]; null without points
-- errors: none
-- locks: none
-- cost: 0.3 ms for 100 points
create or replace function apdb.stetson_mean(p_flux double precision[], p_err double precision[])
returns double precision
language plpgsql immutable parallel safe
as $$
declare
    c_tolerance constant double precision := 1e-6;
    v_factor double precision := cardinality(p_flux) / nullif(4.0 * (cardinality(p_flux) - 1), 0.0);
    v_mean double precision;
    v_next double precision;
begin
    select sum(u.flux / u.err / u.err) / sum(1.0 / u.err / u.err) into v_mean
    from unnest(p_flux, p_err) as u (flux, err);
    if cardinality(p_flux) < 2 then
        return v_mean;
    end if;
    for i in 1..20 loop
        select sum(w.weight * w.flux) / sum(w.weight) into v_next
        from (
            select
                u.flux,
                1.0 / u.err / u.err / (
                    1.0 + v_factor * case
                        when abs(u.flux - v_mean) > 1e-60 * u.err then ((u.flux - v_mean) / u.err) ^ 2.0 else 0.0
                    end
                ) as weight
            from unnest(p_flux, p_err) as u (flux, err)
        ) as w;
        exit when abs(v_next - v_mean) < c_tolerance and abs(v_next - v_mean) < c_tolerance * abs(v_next);
        v_mean := v_next;
    end loop;
    return v_next;
end
$$;
