-- begins the alerts of a visit: what the settings say, and the stage for fragments
--
-- contract: in the visit's transaction, before its first fragment. No rebuild changes the versions that are
--   written until the transaction ends. Without an archive no alerts and no fragments are made, and the
--   fragments are marked as incomplete; `apdb alerts rebuild-fragments` makes them later.
-- args: none
-- returns: the row of alert_rules
-- errors: none
-- locks: advisory (class 17007, 0), shared, until the transaction ends
-- cost: a small table read
create or replace function apdb.open_alerts()
returns table (
    archive_url text,
    archive_codec text,
    schema_version text,
    registry_id integer,
    namespace text,
    written integer[],
    complete integer[],
    history_days double precision,
    flags text,
    reliability_min double precision,
    fakes boolean,
    max_with_stamps integer,
    max_with_histories integer,
    seconds_with_stamps double precision,
    seconds_with_histories double precision
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    perform pg_advisory_xact_lock_shared(17007, 0);
    -- Mostly noted when the visit began: in the transaction of a visit the others queue for these rows.
    perform apdb.note_missing_fragments();
    if apdb.setting('archive_url') <> '' then
        perform apdb.open_fragment_stage();
    end if;
    return query select r.* from apdb.alert_rules() as r;
end
$$;
