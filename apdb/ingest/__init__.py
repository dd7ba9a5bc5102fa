"""Catalogue files into the database, one visit after the other."""
