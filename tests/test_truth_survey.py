"""Nights of the simulated survey stored: recurring objects stay whole, whichever the rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import apdb
from apdb.store import Rule
from apdb.truth import TruthReport, compare
from pipeline.survey import Kind, Survey, SurveyConfig, simulate

#: 60 exposures of one detector: the nine fields, among them RA 0, both poles and a corner of Q3C's
#: cube, are seen five to twenty times each.
CONFIG = SurveyConfig(seed=7, n_visits=60, n_detectors=1, nights=3)


def store(db: apdb.Apdb, survey: Survey, rule: Rule) -> tuple[TruthReport, TruthReport]:
    """Store the survey; compare persistent objects, and the known moving ones."""
    db.load_ephemeris(survey.ephemeris)
    truth, ours, movers, found = [], [], [], []
    for simulated in survey.visits():
        report = db.store_visit(apdb.Visit(**simulated.visit), simulated.sources, associate=rule)
        known = simulated.kind == Kind.MOVER
        truth.append(simulated.stationary_truth)
        ours.append(np.where(known, 0, report.dia_object_id))
        movers.append(simulated.truth[known])
        found.append(report.ss_object_id[known])
    return (
        compare(np.concatenate(truth), np.concatenate(ours)),
        compare(np.concatenate(movers), np.concatenate(found)),
    )


@pytest.mark.parametrize("rule", ["nearest", "likelihood"])
def test_recurring_objects_stay_whole(db: apdb.Apdb, rule: Rule) -> None:
    persistent, moving = store(db, simulate(CONFIG), rule)
    assert CONFIG.scatter_arcsec == 0.1
    assert persistent.n_recurring > 1500
    assert persistent.unsplit_fraction >= 0.999, str(persistent)
    # close pairs, 0.5 to 3 arcsec apart, are few; chance neighbours fewer
    assert len(persistent.merges) <= 0.002 * persistent.n_recurring, str(persistent)
    assert moving.n_recurring > 20
    assert len(moving.unassigned) <= 0.01 * moving.n_sources, str(moving)
    assert moving.splits == moving.merges == {}, str(moving)


def test_poor_astrometry_splits_as_it_must(db: apdb.Apdb) -> None:
    """At 0.5″ scatter some sources lie beyond 1″ of their object: the test sees them."""
    survey = simulate(replace(CONFIG, scatter_arcsec=0.5, n_visits=12))
    persistent, _ = store(db, survey, "nearest")
    assert persistent.unsplit_fraction < 0.99
