-- makes the tables in which an N-way matching larger than memory is done
--
-- contract: of this session, made anew at each call and gone with the session; owned by the owner role, the
--   caller may insert and read. stage_nway has each source once in its own tile and once in every tile it lies
--   near (is_home false); stage_nway_match has what the object of each source is known by.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none
-- cost: 5 ms
create or replace function apdb.open_nway_stage()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set client_min_messages = warning
as $$
begin
    drop table if exists pg_temp.stage_nway, pg_temp.stage_nway_match, pg_temp.stage_nway_object;
    create temporary table stage_nway (
        source_no bigint not null,
        tile bigint not null,
        is_home boolean not null,
        catalogue integer not null,
        row_no bigint not null,
        lon double precision not null,
        lat double precision not null,
        flux double precision,
        flux_err double precision,
        mjd double precision
    );
    create temporary table stage_nway_match (
        source_no bigint not null,
        cell bigint not null,
        round bigint not null
    );
    grant insert, select on pg_temp.stage_nway, pg_temp.stage_nway_match to public;
end
$$;
