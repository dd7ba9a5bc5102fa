"""Benchmarks; README.md says how to run them and how to read their results."""
