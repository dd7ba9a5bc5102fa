-- chi squared and Stetson's index J of a light curve in one band
--
-- contract: chi squared about the weighted mean. J with each point paired with itself (Welch & Stetson 1993, Stetson
--   1996): the mean of sign(P) sqrt(|P|), P = delta^2 - 1, delta = sqrt(n / (n - 1)) (flux - mean) / err. Its mean is
--   reweighted by 1 / (1 + (delta / 2)^2) from the weighted mean on, until it moves by less than 1e-6 both
--   absolutely and of itself, at most 20 times, as in ap_association; of up to 8 points that is looked at every
--   second time.
-- args:
--   p_flux [nJy]: fluxes
--   p_weight [nJy^-2]: 1 / err^2
-- returns: chi squared, null without points; the index, null for fewer than 2
-- errors: none
-- locks: none
-- cost: 18 us for 6 points
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

    -- The first 8 points, most often all there are, go into variables of their own, through one statement an iteration:
    -- looks into arrays and the number of statements cost more than the arithmetic. Those that are missing have infinite
    -- variance, so no weight.
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
    if n <= 4 then
        for i in 1..10 loop
            v_next := (
                apdb.share_of(x1, x1, a1, v_mean)
                + apdb.share_of(x2, x2, a2, v_mean)
                + apdb.share_of(x3, x3, a3, v_mean)
                + apdb.share_of(x4, x4, a4, v_mean)
            ) / (
                apdb.share_of(c_one, x1, a1, v_mean)
                + apdb.share_of(c_one, x2, a2, v_mean)
                + apdb.share_of(c_one, x3, a3, v_mean)
                + apdb.share_of(c_one, x4, a4, v_mean)
            );
            v_mean := (
                apdb.share_of(x1, x1, a1, v_next)
                + apdb.share_of(x2, x2, a2, v_next)
                + apdb.share_of(x3, x3, a3, v_next)
                + apdb.share_of(x4, x4, a4, v_next)
            ) / (
                apdb.share_of(c_one, x1, a1, v_next)
                + apdb.share_of(c_one, x2, a2, v_next)
                + apdb.share_of(c_one, x3, a3, v_next)
                + apdb.share_of(c_one, x4, a4, v_next)
            );
            exit when abs(v_mean - v_next) < c_tolerance and abs(v_mean - v_next) < c_tolerance * abs(v_mean);
        end loop;
    elsif n <= 6 then
        for i in 1..10 loop
            v_next := (
                apdb.share_of(x1, x1, a1, v_mean)
                + apdb.share_of(x2, x2, a2, v_mean)
                + apdb.share_of(x3, x3, a3, v_mean)
                + apdb.share_of(x4, x4, a4, v_mean)
                + apdb.share_of(x5, x5, a5, v_mean)
                + apdb.share_of(x6, x6, a6, v_mean)
            ) / (
                apdb.share_of(c_one, x1, a1, v_mean)
                + apdb.share_of(c_one, x2, a2, v_mean)
                + apdb.share_of(c_one, x3, a3, v_mean)
                + apdb.share_of(c_one, x4, a4, v_mean)
                + apdb.share_of(c_one, x5, a5, v_mean)
                + apdb.share_of(c_one, x6, a6, v_mean)
            );
            v_mean := (
                apdb.share_of(x1, x1, a1, v_next)
                + apdb.share_of(x2, x2, a2, v_next)
                + apdb.share_of(x3, x3, a3, v_next)
                + apdb.share_of(x4, x4, a4, v_next)
                + apdb.share_of(x5, x5, a5, v_next)
                + apdb.share_of(x6, x6, a6, v_next)
            ) / (
                apdb.share_of(c_one, x1, a1, v_next)
                + apdb.share_of(c_one, x2, a2, v_next)
                + apdb.share_of(c_one, x3, a3, v_next)
                + apdb.share_of(c_one, x4, a4, v_next)
                + apdb.share_of(c_one, x5, a5, v_next)
                + apdb.share_of(c_one, x6, a6, v_next)
            );
            exit when abs(v_mean - v_next) < c_tolerance and abs(v_mean - v_next) < c_tolerance * abs(v_mean);
        end loop;
    elsif n <= 8 then
        for i in 1..10 loop
            v_next := (
                apdb.share_of(x1, x1, a1, v_mean)
                + apdb.share_of(x2, x2, a2, v_mean)
                + apdb.share_of(x3, x3, a3, v_mean)
                + apdb.share_of(x4, x4, a4, v_mean)
                + apdb.share_of(x5, x5, a5, v_mean)
                + apdb.share_of(x6, x6, a6, v_mean)
                + apdb.share_of(x7, x7, a7, v_mean)
                + apdb.share_of(x8, x8, a8, v_mean)
            ) / (
                apdb.share_of(c_one, x1, a1, v_mean)
                + apdb.share_of(c_one, x2, a2, v_mean)
                + apdb.share_of(c_one, x3, a3, v_mean)
                + apdb.share_of(c_one, x4, a4, v_mean)
                + apdb.share_of(c_one, x5, a5, v_mean)
                + apdb.share_of(c_one, x6, a6, v_mean)
                + apdb.share_of(c_one, x7, a7, v_mean)
                + apdb.share_of(c_one, x8, a8, v_mean)
            );
            v_mean := (
                apdb.share_of(x1, x1, a1, v_next)
                + apdb.share_of(x2, x2, a2, v_next)
                + apdb.share_of(x3, x3, a3, v_next)
                + apdb.share_of(x4, x4, a4, v_next)
                + apdb.share_of(x5, x5, a5, v_next)
                + apdb.share_of(x6, x6, a6, v_next)
                + apdb.share_of(x7, x7, a7, v_next)
                + apdb.share_of(x8, x8, a8, v_next)
            ) / (
                apdb.share_of(c_one, x1, a1, v_next)
                + apdb.share_of(c_one, x2, a2, v_next)
                + apdb.share_of(c_one, x3, a3, v_next)
                + apdb.share_of(c_one, x4, a4, v_next)
                + apdb.share_of(c_one, x5, a5, v_next)
                + apdb.share_of(c_one, x6, a6, v_next)
                + apdb.share_of(c_one, x7, a7, v_next)
                + apdb.share_of(c_one, x8, a8, v_next)
            );
            exit when abs(v_mean - v_next) < c_tolerance and abs(v_mean - v_next) < c_tolerance * abs(v_mean);
        end loop;
    else
        for i in 1..20 loop
            v_fluxes
                := apdb.share_of(x1, x1, a1, v_mean)
                + apdb.share_of(x2, x2, a2, v_mean)
                + apdb.share_of(x3, x3, a3, v_mean)
                + apdb.share_of(x4, x4, a4, v_mean)
                + apdb.share_of(x5, x5, a5, v_mean)
                + apdb.share_of(x6, x6, a6, v_mean)
                + apdb.share_of(x7, x7, a7, v_mean)
                + apdb.share_of(x8, x8, a8, v_mean);
            v_weights
                := apdb.share_of(c_one, x1, a1, v_mean)
                + apdb.share_of(c_one, x2, a2, v_mean)
                + apdb.share_of(c_one, x3, a3, v_mean)
                + apdb.share_of(c_one, x4, a4, v_mean)
                + apdb.share_of(c_one, x5, a5, v_mean)
                + apdb.share_of(c_one, x6, a6, v_mean)
                + apdb.share_of(c_one, x7, a7, v_mean)
                + apdb.share_of(c_one, x8, a8, v_mean);
            for k in 9..n loop
                v_weight := apdb.share_of(c_one, p_flux[k], c_one / (v_quarter * p_weight[k]), v_mean);
                v_weights := v_weights + v_weight;
                v_fluxes := v_fluxes + v_weight * p_flux[k];
            end loop;
            v_next := v_mean;
            v_mean := v_fluxes / v_weights;
            exit when abs(v_mean - v_next) < c_tolerance and abs(v_mean - v_next) < c_tolerance * abs(v_mean);
        end loop;
    end if;
    for i in 1..n loop
        v_p := 4.0 * v_quarter * p_weight[i] * (p_flux[i] - v_mean) * (p_flux[i] - v_mean) - c_one;
        v_j := v_j + sign(v_p) * sqrt(abs(v_p));
    end loop;
    return array[v_chi2, v_j / n];
end
$$;
