-- chi squared and Stetson's index J of a light curve in one band
--
-- contract: chi squared about the weighted mean. J with each point paired with itself (Welch & Stetson 1993, Stetson
--   1996): the mean of sign(P) sqrt(|P|), P = delta^2 - 1, delta = sqrt(n / (n - 1)) (flux - mean) / err. Its mean is
--   reweighted by 1 / (1 + (delta / 2)^2) from the weighted mean on, until it moves by less than 1e-6 both
--   absolutely and of itself, at most 20 times, as in ap_association.
-- args:
--   p_flux [nJy]: fluxes
--   p_weight [nJy^-2]: 1 / err^2
-- returns: chi squared, null without points; the index, null for fewer than 2
-- errors: none
-- locks: none
-- cost: 40 us for 6 points
create or replace function apdb.scatter_of(p_flux double precision[], p_weight double precision[])
returns double precision[]
language plpgsql immutable parallel safe
as $$
declare
    c_tolerance constant double precision := 1e-6;
    c_one constant double precision := 1.0;
    n integer := cardinality(p_flux);
    v_quarter double precision := n / nullif(4.0 * (n - 1), 0.0);
    v_mean double precision;
    v_next double precision;
    v_weight double precision;
    v_weights double precision := 0.0;
    v_fluxes double precision := 0.0;
    v_chi2 double precision := 0.0;
    v_p double precision;
    v_j double precision := 0.0;
begin
    if n is null then
        return null;
    end if;
    for i in 1..n loop
        v_weights := v_weights + p_weight[i];
        v_fluxes := v_fluxes + p_weight[i] * p_flux[i];
    end loop;
    v_mean := v_fluxes / v_weights;
    for i in 1..n loop
        v_chi2 := v_chi2 + p_weight[i] * (p_flux[i] - v_mean) * (p_flux[i] - v_mean);
    end loop;
    if n < 2 then
        return array[v_chi2, null];
    end if;

    for i in 1..20 loop
        v_weights := 0.0;
        v_fluxes := 0.0;
        for k in 1..n loop
            v_weight := p_weight[k] / (c_one + v_quarter * p_weight[k] * (p_flux[k] - v_mean) * (p_flux[k] - v_mean));
            v_weights := v_weights + v_weight;
            v_fluxes := v_fluxes + v_weight * p_flux[k];
        end loop;
        v_next := v_fluxes / v_weights;
        exit when abs(v_next - v_mean) < c_tolerance and abs(v_next - v_mean) < c_tolerance * abs(v_next);
        v_mean := v_next;
    end loop;
    for i in 1..n loop
        v_p := 4.0 * v_quarter * p_weight[i] * (p_flux[i] - v_next) * (p_flux[i] - v_next) - c_one;
        v_j := v_j + sign(v_p) * sqrt(abs(v_p));
    end loop;
    return array[v_chi2, v_j / n];
end
$$;
