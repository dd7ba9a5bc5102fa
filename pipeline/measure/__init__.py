"""Measurement of the sources of a difference."""
