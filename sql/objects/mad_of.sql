-- the median absolute deviation of sorted values from their median
--
-- contract: not scaled. The deviations are met in their order by walking from the median outwards, half of them.
-- args:
--   p_sorted: values, ascending; null or empty for none
-- returns: the deviation, null without values
-- errors: none
-- locks: none
-- cost: 5 us for 6 values
create or replace function apdb.mad_of(p_sorted double precision[])
returns double precision
language plpgsql immutable parallel safe
as $$
declare
    n integer := cardinality(p_sorted);
    v_median double precision;
    v_left integer := n / 2;
    v_right integer := n / 2 + 1;
    v_before double precision;
    v_last double precision;
begin
    if coalesce(n, 0) = 0 then
        return null;
    end if;
    v_median := apdb.percentile_of(p_sorted, 0.5);
    -- Ends of the array have no value, and null loses every comparison.
    for i in 1..v_right loop
        v_before := v_last;
        if p_sorted[v_right] - v_median < v_median - p_sorted[v_left] or v_left < 1 then
            v_last := p_sorted[v_right] - v_median;
            v_right := v_right + 1;
        else
            v_last := v_median - p_sorted[v_left];
            v_left := v_left - 1;
        end if;
    end loop;
    return case when n % 2 = 0 then (v_before + v_last) / 2.0 else v_last end;
end
$$;
