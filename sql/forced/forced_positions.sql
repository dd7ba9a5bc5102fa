-- positions that want forced photometry on the images of the visit being stored
--
-- contract: between associate_visit and commit_visit, inside the bounding circle; the caller cuts to the true
--   footprint. By counters alone: every object with forced_min_sources sources or more, the last within
--   forced_days (history_days where that is 0), those that this visit touches at their new position and
--   count (apdb:history); the objects that this visit starts, where forced_new says so (apdb:new); objects
--   that started within precovery_days after a visit that comes late, which precovery may have passed by
--   (apdb:precovery); and followed positions, each under the name of who asked for it.
-- args:
--   p_mjd [d]: midpoint of the visit, MJD TAI
--   p_ra [deg]: centre of the visit
--   p_dec [deg]: centre of the visit
--   p_radius [deg]: radius of the visit
-- returns: object id or else 0, position [deg], followed position or else 0, and who asked
-- errors: none
-- locks: none
-- cost: two Q3C searches; counters only, no history is read
create or replace function apdb.forced_positions(
    p_mjd double precision, p_ra double precision, p_dec double precision, p_radius double precision
)
returns table (
    dia_object_id bigint, ra double precision, "dec" double precision, followed_id bigint, requested_by text
)
language plpgsql stable security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
-- The planner expects a hundred objects in a cone of a hundred thousand.
set enable_nestloop = off
as $$
#variable_conflict use_column
declare
    v_days double precision := apdb.setting('forced_days');
    v_min integer := apdb.setting('forced_min_sources');
    v_new boolean := apdb.setting('forced_new');
    v_precovery double precision := apdb.setting('precovery_days');
begin
    if v_days = 0.0 then
        v_days := apdb.setting('history_days');
    end if;
    return query
    select
        u.dia_object_id, u.ra, u.dec, 0::bigint as followed_id,
        case when t.is_new and v_new then 'apdb:new' else 'apdb:history' end
    from pg_temp.stage_touched as t
    inner join pg_temp.stage_summary as u on t.dia_object_id = u.dia_object_id
    where (t.is_new and v_new) or t.n_dia_sources >= v_min
    union all
    select
        o.dia_object_id, o.ra, o.dec, 0::bigint,
        case when o.n_dia_sources >= v_min then 'apdb:history' else 'apdb:precovery' end
    from apdb_base.dia_object as o
    where
        -- Not q3c_radial_query: near the corners of its cube Q3C 2.0.0 loses rows there.
        q3c_join(p_ra, p_dec, o.ra, o.dec, p_radius)
        and o.validity_end_mjd_tai is null
        and (
            (o.n_dia_sources >= v_min and o.last_dia_source_mjd_tai >= p_mjd - v_days)
            or (
                o.first_dia_source_mjd_tai > p_mjd
                and o.first_dia_source_mjd_tai <= p_mjd + v_precovery
            )
        )
        and not exists (select from pg_temp.stage_touched as t where t.dia_object_id = o.dia_object_id)
    union all
    select 0::bigint, p.ra, p.dec, p.followed_id, p.requested_by
    from apdb_base.followed_position as p
    where
        q3c_join(p_ra, p_dec, p.ra, p.dec, p_radius)
        and p.removed_mjd_tai is null
        and p_mjd >= coalesce(p.from_mjd_tai, p_mjd)
        and p_mjd <= coalesce(p.until_mjd_tai, p_mjd)
    order by followed_id, dia_object_id;
end
$$;
