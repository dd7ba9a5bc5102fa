-- writes the quality of the image of a visit and detector
--
-- contract: the row is replaced as a whole: what is not given is null.
-- args:
--   p_summary: columns of detector_visit_processing_summary by name; visit, detector, x_size, y_size and
--     n_psf_star at least
-- returns: nothing
-- errors: none (23502 for a column that must be given)
-- locks: the row
-- cost: one row
create or replace function apdb.record_summary(p_summary jsonb)
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    delete from apdb_base.detector_visit_processing_summary as s
    where s.visit = (p_summary ->> 'visit')::bigint and s.detector = (p_summary ->> 'detector')::integer;
    insert into apdb_base.detector_visit_processing_summary
    select r.*
    from jsonb_populate_record(null::apdb_base.detector_visit_processing_summary, p_summary) as r;
end
$$;
