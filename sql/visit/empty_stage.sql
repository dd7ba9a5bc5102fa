-- empties the session's stage tables
--
-- contract: open_stage made them. What was deleted before still takes room: once that is much, the tables are
--   truncated, which costs more than to delete a few rows.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none
-- cost: 0.2 ms; 5 ms when they have grown
create or replace function apdb.empty_stage()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    c_grown constant bigint := 262144;
begin
    if
        pg_relation_size('pg_temp.stage_source') + pg_relation_size('pg_temp.stage_forced')
        + pg_relation_size('pg_temp.stage_touched') + pg_relation_size('pg_temp.stage_summary') > c_grown
    then
        truncate pg_temp.stage_source, pg_temp.stage_forced, pg_temp.stage_pair, pg_temp.stage_match,
            pg_temp.stage_prediction, pg_temp.stage_ss_source, pg_temp.stage_touched, pg_temp.stage_band,
            pg_temp.stage_summary;
        return;
    end if;
    delete from pg_temp.stage_source where true;
    delete from pg_temp.stage_forced where true;
    delete from pg_temp.stage_pair where true;
    delete from pg_temp.stage_match where true;
    delete from pg_temp.stage_prediction where true;
    delete from pg_temp.stage_ss_source where true;
    delete from pg_temp.stage_touched where true;
    delete from pg_temp.stage_band where true;
    delete from pg_temp.stage_summary where true;
end
$$;
