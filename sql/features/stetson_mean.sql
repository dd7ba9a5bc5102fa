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
    n constant integer := cardinality(p_flux);
    v_factor double precision := n / nullif(4.0 * (n - 1), 0.0);
    v_weights double precision[];
    v_mean double precision;
    v_last double precision;
    v_sum double precision;
    v_total double precision;
    d double precision;
    w double precision;
begin
    select array_agg(1.0 / u.err / u.err), sum(u.flux / u.err / u.err) / sum(1.0 / u.err / u.err)
    into v_weights, v_mean
    from unnest(p_flux, p_err) as u (flux, err);
    if n < 2 then
        return v_mean;
    end if;
    for k in 1..20 loop
        v_last := v_mean;
        v_sum := 0.0;
        v_total := 0.0;
        for i in 1..n loop
            d := (p_flux[i] - v_last) / p_err[i];
            w := v_weights[i] / (1.0 + v_factor * d * d);
            v_total := v_total + w;
            v_sum := v_sum + w * (p_flux[i] - v_last);
        end loop;
        v_mean := v_last + v_sum / v_total;
        exit when abs(v_mean - v_last) < c_tolerance and abs(v_mean - v_last) < c_tolerance * abs(v_mean);
    end loop;
    return v_mean;
end
$$;
