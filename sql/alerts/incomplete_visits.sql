-- visits whose alerts are not all there, or not whole
--
-- contract: with alerts that were written without stamps or histories at first, or with eligible sources that
--   have no alert at all, as when the database had no archive.
-- args: none
-- returns: visits in the order in which they were stored, with the file of packets that waits for
--   completion, or null where there are no alerts yet
-- errors: none
-- locks: none
-- cost: two index searches a visit without alerts
create or replace function apdb.incomplete_visits()
returns table (visit bigint, detector smallint, packet_file text)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select w.visit, w.detector, w.packet_file
    from (
        select a.visit, a.detector, a.packet_file
        from apdb_base.alert as a
        where a.is_current and a.degraded is not null
        group by a.visit, a.detector, a.packet_file
        union all
        select v.visit, v.detector, null
        from apdb_base.visit as v
        where
            v.n_dia_sources > 0
            and not exists (
                select from apdb_base.alert as a
                where a.visit = v.visit and a.detector = v.detector and a.store_seq >= v.store_seq
            )
            and exists (select from apdb.eligible_sources(v.visit, v.detector) as e)
    ) as w
    inner join apdb_base.visit as v on w.visit = v.visit and w.detector = v.detector
    order by v.store_seq, w.packet_file
$$;
