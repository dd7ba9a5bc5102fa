-- a percentile of sorted values, interpolated linearly
--
-- contract: what percentile_cont gives, without sorting again for each.
-- args:
--   p_sorted: values, ascending; null or empty for none
--   p_share: 0 to 1
-- returns: the percentile, null without values
-- errors: none
-- locks: none
-- cost: 0.5 us; inlined
create or replace function apdb.percentile_of(p_sorted double precision[], p_share double precision)
returns double precision
language sql immutable parallel safe
as $$
    select
        p_sorted[1 + floor(p_share * (cardinality(p_sorted) - 1))::integer]
        + (p_share * (cardinality(p_sorted) - 1) - floor(p_share * (cardinality(p_sorted) - 1)))
        * (
            p_sorted[1 + ceil(p_share * (cardinality(p_sorted) - 1))::integer]
            - p_sorted[1 + floor(p_share * (cardinality(p_sorted) - 1))::integer]
        )
$$;
