-- the queue of characterisation at a glance
--
-- contract: what visits did since the last apdb characterize is not in the queue yet: n_steps_unseen counts the
--   visits and corrections that it will look through.
-- args: none
-- returns: one row: objects due, since when the oldest [d], objects that failed and wait for new points, the error
--   of that of them that became due last, visits and corrections not looked through, objects characterised, when
--   last [d]
-- errors: none
-- locks: none
-- cost: reads the queue
create or replace function apdb.features_due(
    out n_due bigint,
    out oldest_due_mjd_tai double precision,
    out n_failed bigint,
    out last_error text,
    out n_steps_unseen bigint,
    out n_objects bigint,
    out last_made_mjd_tai double precision
)
language sql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
    select
        count(*) filter (where q.attempts < 3),
        min(q.due_mjd_tai) filter (where q.attempts < 3),
        count(*) filter (where q.attempts >= 3),
        (array_agg(q.error order by q.due_mjd_tai desc, q.dia_object_id desc) filter (where q.attempts >= 3))[1],
        (
            select count(*)
            from apdb_base.store_event as e
            where
                e.store_seq > (
                    select m.value::bigint from apdb_base.metadata as m where m.name = 'state.features_store_seq'
                )
                and e.kind not in ('features', 'complete', 'forced', 'reference')
        ),
        (select count(*) from apdb_base.dia_object_astrometry as a where a.store_seq_end is null),
        (select max(e.mjd_tai) from apdb_base.store_event as e where e.kind = 'features')
    from apdb_base.feature_queue as q
$$;
