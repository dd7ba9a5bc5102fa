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
-- cost: 20 us for 7 points
create or replace function apdb.scatter_of(p_flux double precision[], p_weight double precision[])
returns double precision[]
language plpgsql immutable parallel safe
as $$
declare
    c_tolerance constant double precision := 1e-6;
    c_one constant double precision := 1.0;
    c_none constant double precision := 'infinity';
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
    x1 double precision;
    a1 double precision;
    x2 double precision;
    a2 double precision;
    x3 double precision;
    a3 double precision;
    x4 double precision;
    a4 double precision;
    x5 double precision;
    a5 double precision;
    x6 double precision;
    a6 double precision;
    x7 double precision;
    a7 double precision;
    x8 double precision;
    a8 double precision;
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

    -- The first 8 points, most often all there are, go into variables of their own, few of them through one statement an
    -- iteration: looks into arrays and the number of statements cost more than the arithmetic. Those that are missing
    -- have infinite variance, so no weight.
    x1 := coalesce(p_flux[1], 0.0);
    a1 := coalesce(c_one / (v_quarter * p_weight[1]), c_none);
    x2 := coalesce(p_flux[2], 0.0);
    a2 := coalesce(c_one / (v_quarter * p_weight[2]), c_none);
    x3 := coalesce(p_flux[3], 0.0);
    a3 := coalesce(c_one / (v_quarter * p_weight[3]), c_none);
    x4 := coalesce(p_flux[4], 0.0);
    a4 := coalesce(c_one / (v_quarter * p_weight[4]), c_none);
    x5 := coalesce(p_flux[5], 0.0);
    a5 := coalesce(c_one / (v_quarter * p_weight[5]), c_none);
    x6 := coalesce(p_flux[6], 0.0);
    a6 := coalesce(c_one / (v_quarter * p_weight[6]), c_none);
    x7 := coalesce(p_flux[7], 0.0);
    a7 := coalesce(c_one / (v_quarter * p_weight[7]), c_none);
    x8 := coalesce(p_flux[8], 0.0);
    a8 := coalesce(c_one / (v_quarter * p_weight[8]), c_none);
    for i in 1..20 loop
        if n <= 4 then
            v_next := (
                x1 / (a1 + (x1 - v_mean) * (x1 - v_mean))
                + x2 / (a2 + (x2 - v_mean) * (x2 - v_mean))
                + x3 / (a3 + (x3 - v_mean) * (x3 - v_mean))
                + x4 / (a4 + (x4 - v_mean) * (x4 - v_mean))
            ) / (
                c_one / (a1 + (x1 - v_mean) * (x1 - v_mean))
                + c_one / (a2 + (x2 - v_mean) * (x2 - v_mean))
                + c_one / (a3 + (x3 - v_mean) * (x3 - v_mean))
                + c_one / (a4 + (x4 - v_mean) * (x4 - v_mean))
            );
        elsif n <= 6 then
            v_next := (
                x1 / (a1 + (x1 - v_mean) * (x1 - v_mean))
                + x2 / (a2 + (x2 - v_mean) * (x2 - v_mean))
                + x3 / (a3 + (x3 - v_mean) * (x3 - v_mean))
                + x4 / (a4 + (x4 - v_mean) * (x4 - v_mean))
                + x5 / (a5 + (x5 - v_mean) * (x5 - v_mean))
                + x6 / (a6 + (x6 - v_mean) * (x6 - v_mean))
            ) / (
                c_one / (a1 + (x1 - v_mean) * (x1 - v_mean))
                + c_one / (a2 + (x2 - v_mean) * (x2 - v_mean))
                + c_one / (a3 + (x3 - v_mean) * (x3 - v_mean))
                + c_one / (a4 + (x4 - v_mean) * (x4 - v_mean))
                + c_one / (a5 + (x5 - v_mean) * (x5 - v_mean))
                + c_one / (a6 + (x6 - v_mean) * (x6 - v_mean))
            );
        else
            v_fluxes
                := x1 / (a1 + (x1 - v_mean) * (x1 - v_mean))
                + x2 / (a2 + (x2 - v_mean) * (x2 - v_mean))
                + x3 / (a3 + (x3 - v_mean) * (x3 - v_mean))
                + x4 / (a4 + (x4 - v_mean) * (x4 - v_mean))
                + x5 / (a5 + (x5 - v_mean) * (x5 - v_mean))
                + x6 / (a6 + (x6 - v_mean) * (x6 - v_mean))
                + x7 / (a7 + (x7 - v_mean) * (x7 - v_mean))
                + x8 / (a8 + (x8 - v_mean) * (x8 - v_mean));
            v_weights
                := c_one / (a1 + (x1 - v_mean) * (x1 - v_mean))
                + c_one / (a2 + (x2 - v_mean) * (x2 - v_mean))
                + c_one / (a3 + (x3 - v_mean) * (x3 - v_mean))
                + c_one / (a4 + (x4 - v_mean) * (x4 - v_mean))
                + c_one / (a5 + (x5 - v_mean) * (x5 - v_mean))
                + c_one / (a6 + (x6 - v_mean) * (x6 - v_mean))
                + c_one / (a7 + (x7 - v_mean) * (x7 - v_mean))
                + c_one / (a8 + (x8 - v_mean) * (x8 - v_mean));
            for k in 9..n loop
                v_weight := c_one / (c_one / (v_quarter * p_weight[k]) + (p_flux[k] - v_mean) * (p_flux[k] - v_mean));
                v_weights := v_weights + v_weight;
                v_fluxes := v_fluxes + v_weight * p_flux[k];
            end loop;
            v_next := v_fluxes / v_weights;
        end if;
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
