-- takes positions from outside into forced photometry
--
-- contract: idempotent. A name that is followed at this position already is left alone, but for its span of
--   time, which is changed; at another position the old one ends and a new one begins, under a number of its
--   own, so that all fluxes of a number are of one place. The arrays are of one length; names are not repeated.
-- args:
--   p_requested_by: who asks
--   p_names: what the positions are called there
--   p_ras [deg]: right ascensions, ICRS
--   p_decs [deg]: declinations, ICRS
--   p_froms [d]: begin of each, MJD TAI, or null
--   p_untils [d]: end of each, MJD TAI, or null
-- returns: numbers of positions in the order of the arrays; how many were added, moved, changed in time and
--   left alone
-- errors: none
-- locks: advisory (class 17018, hash of who asks), so that two calls of one asker queue; row locks
-- cost: 20 ms for 1,000 positions
create or replace function apdb.follow_positions(
    p_requested_by text,
    p_names text[],
    p_ras double precision[],
    p_decs double precision[],
    p_froms double precision[],
    p_untils double precision[],
    out followed_ids bigint[],
    out n_added integer,
    out n_moved integer,
    out n_changed integer,
    out n_same integer
)
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
declare
    v_now double precision;
begin
    perform pg_advisory_xact_lock(17018, hashtext(p_requested_by));
    v_now := apdb.mjd_tai(clock_timestamp());

    update apdb_base.followed_position as p
    set removed_mjd_tai = v_now
    from unnest(p_names, p_ras, p_decs) as g (name, ra, dec)
    where
        p.requested_by = p_requested_by and p.name = g.name and p.removed_mjd_tai is null
        and (p.ra, p.dec) is distinct from (g.ra, g.dec);
    get diagnostics n_moved = row_count;

    update apdb_base.followed_position as p
    set from_mjd_tai = g.from_mjd, until_mjd_tai = g.until_mjd
    from unnest(p_names, p_froms, p_untils) as g (name, from_mjd, until_mjd)
    where
        p.requested_by = p_requested_by and p.name = g.name and p.removed_mjd_tai is null
        and (p.from_mjd_tai, p.until_mjd_tai) is distinct from (g.from_mjd, g.until_mjd);
    get diagnostics n_changed = row_count;

    insert into apdb_base.followed_position (
        requested_by, name, ra, dec, from_mjd_tai, until_mjd_tai, added_mjd_tai
    )
    select p_requested_by, g.name, g.ra, g.dec, g.from_mjd, g.until_mjd, v_now
    from unnest(p_names, p_ras, p_decs, p_froms, p_untils) with ordinality
        as g (name, ra, dec, from_mjd, until_mjd, place)
    where not exists (
        select from apdb_base.followed_position as p
        where p.requested_by = p_requested_by and p.name = g.name and p.removed_mjd_tai is null
    )
    order by g.place;
    get diagnostics n_added = row_count;
    n_added := n_added - n_moved;
    n_same := cardinality(p_names) - n_added - n_moved - n_changed;

    select coalesce(array_agg(p.followed_id order by g.place), '{}') into followed_ids
    from unnest(p_names) with ordinality as g (name, place)
    inner join apdb_base.followed_position as p
        on p.requested_by = p_requested_by and g.name = p.name and p.removed_mjd_tai is null;
end
$$;
