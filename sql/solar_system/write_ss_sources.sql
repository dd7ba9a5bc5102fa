-- writes rows of ss_source for the sources of stage_ss_source
--
-- contract: with the prediction and what follows from it: offsets in right ascension (with cos dec), declination,
--   along and across the track; ecliptic (J2000 mean obliquity) and galactic coordinates of the source. What there
--   is no prediction for is null.
-- args: none
-- returns: nothing
-- errors: none
-- locks: none of its own; the caller holds the sky
-- cost: 3 ms for 1,000 sources
create or replace function apdb.write_ss_sources()
returns void
language plpgsql volatile security definer
set search_path = apdb, @q3c@, pg_catalog, pg_temp
as $$
begin
    insert into apdb_base.ss_source (
        dia_source_id, ss_object_id, designation, ecl_lambda, ecl_beta, gal_lon, gal_lat, elongation, phase_angle,
        topo_range, topo_range_rate, helio_range, helio_range_rate, eph_ra, eph_dec, eph_vmag, eph_rate, eph_rate_ra,
        eph_rate_dec, eph_offset, eph_offset_ra, eph_offset_dec, eph_offset_along_track, eph_offset_cross_track,
        helio_x, helio_y, helio_z, helio_vx, helio_vy, helio_vz, topo_x, topo_y, topo_z, topo_vx, topo_vy, topo_vz,
        helio_vtot, topo_vtot, dia_distance_rank
    )
    select
        s.dia_source_id, s.ss_object_id, s.designation, e.lon, e.lat, g.lon, g.lat,
        s.elongation, s.phase_angle, s.topo_range, s.topo_range_rate, s.helio_range, s.helio_range_rate,
        s.ra, s.dec, s.vmag, o.rate, s.ra_rate, s.dec_rate,
        q3c_dist(s.ra, s.dec, s.source_ra, s.source_dec) * 3600.0, o.dx, o.dy,
        (o.dx * s.ra_rate + o.dy * s.dec_rate) / nullif(o.rate, 0.0),
        (o.dy * s.ra_rate - o.dx * s.dec_rate) / nullif(o.rate, 0.0),
        s.helio_x, s.helio_y, s.helio_z, s.helio_vx, s.helio_vy, s.helio_vz, s.topo_x, s.topo_y, s.topo_z, s.topo_vx,
        s.topo_vy, s.topo_vz,
        sqrt(s.helio_vx * s.helio_vx + s.helio_vy * s.helio_vy + s.helio_vz * s.helio_vz),
        sqrt(s.topo_vx * s.topo_vx + s.topo_vy * s.topo_vy + s.topo_vz * s.topo_vz),
        s.dia_distance_rank
    from pg_temp.stage_ss_source as s
    cross join lateral (
        select
            degrees(cos(radians(s.source_dec)) * sin(radians(s.source_ra - s.ra))) * 3600.0 as dx,
            degrees(
                sin(radians(s.source_dec - s.dec))
                + 2.0 * sin(radians(s.dec)) * cos(radians(s.source_dec))
                * power(sin(radians(s.source_ra - s.ra) / 2.0), 2)
            ) * 3600.0 as dy,
            sqrt(s.ra_rate * s.ra_rate + s.dec_rate * s.dec_rate) as rate
    ) as o
    cross join lateral apdb.ecliptic(s.source_ra, s.source_dec) as e
    cross join lateral apdb.galactic(s.source_ra, s.source_dec) as g;
    delete from pg_temp.stage_ss_source where true;
end
$$;
