-- remembers which numbers are which provisional designations, so that an object has one orbit
--
-- contract: after load_orbits, in its transaction. Orbits that were loaded under a number alone give way to those
--   under the provisional designation of the same object. What is known already is left alone.
-- args:
--   p_numbers: permanent numbers
--   p_number_ids: ss_object_ids that they would have by themselves
--   p_packed: packed primary provisional designations
--   p_plain: the same in plain form
-- returns: number of orbits that gave way
-- errors: none
-- locks: none of its own; the caller holds (17013, 0)
-- cost: 50 us a number
create or replace function apdb.note_numbers(
    p_numbers text[], p_number_ids bigint[], p_packed text[], p_plain text[]
)
returns bigint
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    v_lowest integer;
    v_n bigint;
begin
    select least(min(n.id), 0) into v_lowest
    from apdb_base.numbered_identifications as n;
    insert into apdb_base.numbered_identifications (
        id, packed_primary_provisional_designation, unpacked_primary_provisional_designation, permid
    )
    select v_lowest - row_number() over (order by u.number), u.packed, u.plain, u.number
    from unnest(p_numbers, p_packed, p_plain) as u (number, packed, plain)
    where not exists (select from apdb_base.numbered_identifications as n where n.permid = u.number);

    delete from apdb_base.mpc_orbits as m
    using unnest(p_numbers, p_plain) as u (number, plain)
    where
        m.unpacked_primary_provisional_designation = u.number
        and exists (
            select from apdb_base.mpc_orbits as k where k.unpacked_primary_provisional_designation = u.plain
        );
    delete from apdb_base.orbit as o
    using unnest(p_number_ids, p_plain) as u (number_id, plain)
    where
        o.ss_object_id = u.number_id
        and exists (select from apdb_base.orbit as k where k.designation = u.plain);
    get diagnostics v_n = row_count;
    return v_n;
end
$$;
