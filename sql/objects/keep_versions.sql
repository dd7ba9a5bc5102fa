-- the rows of the touched DIAObjects as they are, to dia_object_version with the end of their validity
--
-- contract: before the new summaries are written. What the same step of knowledge wrote before is no version of its
--   own: it is overwritten. Every column that versions have.
-- args:
--   p_store_seq: store_seq of the visit or correction
--   p_now [d]: its knowledge time, MJD TAI
-- returns: nothing
-- errors: 23P01 (exclusion_violation) when versions of an object would overlap, which is a bug
-- locks: none of its own; the caller holds the sky
-- cost: 0.25 s for 8,000 objects, most of it the exclusion constraint
create or replace function apdb.keep_versions(p_store_seq bigint, p_now double precision)
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_columns text;
begin
    select string_agg(a.attname, ', o.' order by a.attnum) into v_columns
    from pg_attribute as a
    where
        a.attrelid = 'apdb_base.dia_object_version'::regclass and a.attnum > 0 and not a.attisdropped
        and a.attname not in ('validity_end_mjd_tai', 'store_seq_end');
    -- In id order: neighbours in the exclusion constraint's tree come one after the other.
    perform apdb.prepare_once(
        'apdb_versions', '(double precision, bigint)',
        format(
            'insert into apdb_base.dia_object_version (validity_end_mjd_tai, store_seq_end, %s)'
            ' select coalesce(o.validity_end_mjd_tai, $1), coalesce(o.store_seq_end, $2), o.%s'
            ' from pg_temp.stage_touched as t'
            ' inner join apdb_base.dia_object as o on t.dia_object_id = o.dia_object_id'
            ' where t.exists_already and o.store_seq < $2 order by o.dia_object_id',
            replace(v_columns, ', o.', ', '), v_columns
        )
    );
    execute format('execute apdb_versions (%s, %s)', p_now, p_store_seq);
end
$$;
