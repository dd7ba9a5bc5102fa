"""Alerts out of the archive: one query language, cursor and set of formats for all doors."""
