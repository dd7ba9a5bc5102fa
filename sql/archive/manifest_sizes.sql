-- how large the current packets of a night are
--
-- contract: before compression; a full packet is the packet with its stamps, where it has any.
-- args:
--   p_night: the night
-- returns: two rows, no_stamps and full: number, sum, mean and quantiles at 0, 0.1, 0.5, 0.9, 0.98 and 1 [byte]
-- errors: none
-- locks: none
-- cost: sorts the index of the night
create or replace function apdb.manifest_sizes(p_night date)
returns table (part text, n bigint, total numeric, mean double precision, quantiles bigint[])
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        p.part, count(*), coalesce(sum(p.size), 0), avg(p.size)::double precision,
        percentile_disc(array[0.0, 0.1, 0.5, 0.9, 0.98, 1.0]) within group (order by p.size)
    from apdb_base.visit as v
    inner join apdb_base.alert as a on v.visit = a.visit and v.detector = a.detector and a.is_current
    cross join lateral (
        -- The three null bytes of a packet without stamps give way to the stamps.
        values ('no_stamps', a.packet_size), ('full', a.packet_size + coalesce(a.stamps_size - 3, 0))
    ) as p (part, size)
    where v.night = p_night
    group by p.part
    order by p.part desc
$$;
